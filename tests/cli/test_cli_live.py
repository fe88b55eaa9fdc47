"""``lrp-ref live``: the page is written, and what is no runtime or no network of drawings is one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import run

from lrp_ref.pages import live

pytest.importorskip("onnx")


def runtime(folder: Path) -> Path:
    folder.mkdir()
    (folder / live.PROGRAM).write_text("/*! ONNX Runtime Web v9.9.9 */ export default 0;")
    (folder / live.WASM).write_bytes(b"\0asm\1\0\0\0")
    return folder


def test_the_page_is_written(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = run("live", "-o", page, "--runtime", runtime(tmp_path / "dist"))
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{page}: {page.stat().st_size:,} bytes; open it in a browser\n"
    assert '"runtime":"9.9.9"' in page.read_text()


def test_what_is_no_runtime_or_no_network_of_drawings_is_one_line(tmp_path: Path) -> None:
    models = Path(__file__).parents[2] / "models"
    folder = runtime(tmp_path / "dist")
    for arguments, reason in (
        (
            ["--runtime", tmp_path],
            "it has no ort.wasm.bundle.min.mjs and no ort-wasm-simd-threaded.wasm; give the folder",
        ),
        (["--runtime", tmp_path / "none"], "there is no such folder"),
        (["--runtime", folder, models / "iris_mlp.npz"], "the page draws pictures of 28×28 grey pixels"),
        (["--runtime", folder, tmp_path / "none.onnx"], "none.onnx"),
    ):
        done = run("live", "-o", tmp_path / "page.html", *arguments)
        assert done.exit_code == 2
        assert done.stderr.startswith("lrp-ref: error: ")
        assert done.stderr.count("\n") == 1
        assert reason in done.stderr
    assert not (tmp_path / "page.html").exists()
