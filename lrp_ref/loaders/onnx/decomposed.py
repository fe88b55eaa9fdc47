"""Operators that ONNX itself defines as functions of simpler ones: attention and its kin are read as these."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from ...errors import ModelFormatError, UnsupportedError, require
from .functions import DEFAULT_DOMAINS, NODES

KINDS = ("Attention", "CausalConvWithState", "LinearAttention", "RotaryEmbedding", "SwiGLU")
LARGEST = 256  # nodes that one of them may become


def decomposed(model: Any, path: Path, onnx: Any) -> Any:
    """Return the model with each of these operators replaced by what the standard says it is.

    Raises:
        ModelFormatError: more nodes than a file may have.
        UnsupportedError: the onnx package is too old to do it, or cannot.
    """
    found = Counter(n.op_type for n in model.graph.node if n.op_type in KINDS and n.domain in DEFAULT_DOMAINS)
    if not found:
        return model
    if sum(found.values()) * LARGEST > NODES:
        raise ModelFormatError(f"{path}: {sum(found.values())} nodes that are functions of others are too many")
    inliner = require("onnx.inliner", extra="onnx", purpose="read ONNX files")
    inference = require("onnx.shape_inference", extra="onnx", purpose="read ONNX files")
    if not hasattr(inliner, "inline_selected_functions"):
        raise UnsupportedError(f"{path}: {', '.join(found)} needs a newer onnx package: pip install --upgrade onnx")
    typed = onnx.ModelProto()
    typed.CopyFrom(model)
    read = {name for n in model.graph.node if n.op_type in found for name in n.input}
    for tensor in model.graph.initializer:
        if tensor.name in read:  # what a function is depends on the types of its operands
            info = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
            typed.graph.value_info.append(info)
    try:
        typed = inference.infer_shapes(typed)
        kinds = [("", kind) for kind in found]
        return inliner.inline_selected_functions(typed, kinds, exclude=False, inline_schema_functions=True)
    except Exception as error:  # whatever onnx raises on operands that do not fit
        text = " ".join(str(error).split())[:200]
        raise UnsupportedError(f"{path}: {', '.join(found)} cannot be read as what it consists of: {text}") from error
