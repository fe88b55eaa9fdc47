"""The pages of the site that are programs: the live page, and explanations of a digit and a photograph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

import lrp_ref as lrp
from lrp_ref.loaders.preprocess import declare, load_sidecar, read_image
from lrp_ref.pages import live

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "docs" / "node_modules" / "onnxruntime-web" / "dist"
EXPLAINED = {
    "inspector-digit.html": ("digits_cnn.onnx", "digit_3.png", "epsilon_gamma_box"),
    "inspector-cat.html": ("efficientnet_lite0.onnx", "chelsea.png", "epsilon_plus_flat"),
}


def explained(path: Path, model: str, sample: str, composite: str) -> None:
    """Explain a sample of models/ and write the page on which the explanation is explored."""
    file = ROOT / "models" / model
    sidecar = load_sidecar(file)
    if sidecar is None:
        raise FileNotFoundError(f"{file}: no JSON file beside it says how a picture becomes an input")
    net = declare(lrp.load(file), sidecar)
    x, picture = read_image(ROOT / "models" / "samples" / sample, sidecar)
    low, high = sidecar.bounds()
    given = {"low": low, "high": high} if "box" in composite else {}
    e = lrp.explain(net, x, composite=composite, trace=True, **given)
    e.to_html(path, classes=sidecar.classes, image=picture)


def _write(app: Sphinx, error: Exception | None) -> None:
    if error is None:
        target = Path(app.outdir)
        live.write(target / "draw-a-digit.html", runtime=RUNTIME)
        for page, given in EXPLAINED.items():
            explained(target / page, *given)


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages when all others are."""
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
