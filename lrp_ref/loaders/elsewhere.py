"""Files that are no model of a known format: what they are, and how the model in them comes into one."""

from __future__ import annotations

from pathlib import Path

PYTORCH = (
    'in Python, put the weights into their model, then torch.onnx.export(model.eval(), (example,), "model.onnx") '
    "(pip install onnx onnxscript)"
)
SKLEARN = (
    "pickled objects run code and are never read; of a model of scikit-learn, in Python where it was trained: "
    'skops.io.dump(model, "model.skops") (pip install skops), or as ONNX: '
    'pathlib.Path("model.onnx").write_bytes(skl2onnx.to_onnx(model, x[:1].astype("float32")).SerializeToString())'
)
EXPORTS = {
    **dict.fromkeys((".ckpt", ".pt2"), f"a PyTorch file: {PYTORCH}"),
    ".pb": (
        "a TensorFlow file: python -m tf2onnx.convert --saved-model FOLDER --output model.onnx with its folder, or "
        "of a frozen graph: python -m tf2onnx.convert --graphdef {file} --inputs INPUT:0 --outputs OUTPUT:0 --output "
        "model.onnx"
    ),
    ".tflite": "a TensorFlow Lite file: python -m tf2onnx.convert --tflite {file} --output model.onnx",
    **dict.fromkeys((".pkl", ".pickle", ".joblib"), SKLEARN),
    **dict.fromkeys(
        (".mlmodel", ".mlpackage"),
        "a Core ML file, which nothing kept up to date turns into ONNX: export the network from where it was trained, "
        "with torch.onnx.export or tf2onnx",
    ),
}
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
TABLES = (".csv", ".tsv")
INPUTS = (*PICTURES, ".npy")
ORDER = "the model comes first, then its input: lrp-ref explain MODEL INPUT"


def told(file: Path, known: str) -> str:
    """Return what is wrong with a file as a model, and what to do.

    Args:
        file: of a suffix that no loader has, or a folder.
        known: the suffixes that loaders have, as text.
    """
    suffix = file.suffix.lower()
    if file.is_dir() and (file / "saved_model.pb").is_file():
        return f"{file}: a TensorFlow SavedModel: python -m tf2onnx.convert --saved-model {file} --output model.onnx"
    if suffix in EXPORTS:
        return f"{file}: {EXPORTS[suffix].format(file=file)}"
    if suffix in INPUTS:
        what = "a picture" if suffix in PICTURES else "an array"
        return f"{file}: {what}, not a model ({known}); {ORDER}"
    if file.is_dir():
        return f"{file}: a folder, not a model file ({known}); {ORDER}"
    return f"{file}: no loader for '{file.suffix}' files; known: {known}"


def of_tables(file: Path) -> str:
    """Return how a table becomes an .npy file of inputs."""
    sign = "," if file.suffix.lower() == ".csv" else "\\t"
    return (
        "one sample a row, in the order of the model's features: "
        f"numpy.save('{file.stem}.npy', numpy.genfromtxt('{file.name}', delimiter='{sign}')); a first "
        "row of names is left out by skip_header=1"
    )
