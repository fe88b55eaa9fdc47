"""Files of operators older than opset 7, in which broadcasting was said by attributes: made newer by onnx itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import UnsupportedError, require


def upgraded(model: Any, path: Path, opset: int, to: int, onnx: Any) -> tuple[Any, str]:
    """Return a model with newer operators, and what the network says of that.

    Args:
        model: what onnx's checker accepted.
        path: of the file.
        opset, to: what it has, and what it gets.
        onnx: the package.

    Raises:
        UnsupportedError: onnx cannot convert it.
    """
    converter = require("onnx.version_converter", extra="onnx", purpose="read old ONNX files")
    try:
        newer = converter.convert_version(model, to)
    except Exception as error:  # whatever onnx raises on an operator that it cannot convert
        text = " ".join(str(error).split())[:200]
        raise UnsupportedError(
            f"{path}: opset {opset} is older than {to}, from which on lrp_ref reads, and onnx {onnx.__version__} "
            f"cannot convert it: {text}"
        ) from error
    return newer, f"the file's operators, of opset {opset}, were converted to opset {to} by onnx {onnx.__version__}"
