"""Every advice is followed: a command that fails, what it says to do, and the command that does it, which works.

A case is a function of an empty folder: it returns the command that fails, a piece of the advice, and a function that
follows the advice as it was printed and returns the command that must then end with exit status 0.
"""

from __future__ import annotations

import configparser
import json
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weights_files
from command import array, run
from PIL import Image

from lrp_ref import Network, layers, loaders
from lrp_ref.loaders.elsewhere import EXPORTS
from lrp_ref.network import Input, Node
from lrp_ref.propagation.trace import Trace

ROOT = Path(__file__).parents[2]
MODELS, SAMPLES = ROOT / "models", ROOT / "models" / "samples"

Command = list[object]
Case = Callable[[Path], tuple[Command, str, Callable[[str], Command]]]
CASES: dict[str, Case] = {}


def case(f: Case) -> Case:
    CASES[f.__name__] = f
    return f


def network(folder: Path, *made: Any, name: str = "net.npz", shape: tuple[int | None, ...] | None = None) -> Path:
    chain = Network.sequential(made, input_name="x")
    loaders.save(Network(chain.nodes, (Input("x", shape),), chain.outputs), folder / name)
    return folder / name


def dense(folder: Path) -> Path:
    return network(folder, layers.Dense(np.array([[1.0, -1.0], [2.0, 3.0]]), np.array([0.5, -1.0])), shape=(None, 2))


def photos(folder: Path) -> Path:
    """A network of 2 × 2 grey pixels with a sidecar that scales them to −1 … 1, and a picture."""
    path = network(folder, layers.Flatten(), layers.Dense(np.ones((4, 3))), name="four.npz", shape=(None, 1, 2, 2))
    photo = {
        "kind": "image", "size": [2, 2], "channels": "L", "layout": "NCHW", "mean": 127.5, "scale": 1 / 127.5,
        "resize": "stretch",
    }  # fmt: skip
    sidecar = {"input": photo, "classes": ["tench, Tinca tinca", "Egyptian cat", "T-shirt/top"], "composite": "lrp0"}
    (folder / "four.json").write_text(json.dumps(sidecar))
    Image.fromarray(np.array([[4, 8], [12, 255]], dtype=np.uint8)).save(folder / "photo.png")
    return path


def explain(model: Path, given: object, *options: object) -> Command:
    return ["explain", model, given, *options, "-o", model.parent / "out"]


# Inputs -----------------------------------------------------------------------------------------------------------


@case
def bytes_for_a_model_with_a_sidecar(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    model, pixels = photos(folder), np.array([[[[4, 8], [12, 255]]]], np.uint8)

    def follow(told: str) -> Command:
        mean, scale = map(float, re.findall(r"\(pixel − ([\d.]+)\)·([\d.]+)", told)[0])
        return explain(model, array(folder / "y.npy", (pixels.astype("float32") - mean) * scale))

    x = array(folder / "x.npy", pixels)
    return explain(model, x), f"{x}: 'x' holds uint8 from 4 to 255; this model takes floats, ", follow


@case
def bytes_for_a_model_with_a_sidecar_as_the_picture(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    model, pixels = photos(folder), np.array([[[[4, 8], [12, 255]]]], np.uint8)
    x = array(folder / "x.npy", pixels)
    return explain(model, x), "or give the picture file", lambda _: explain(model, folder / "photo.png")


@case
def bytes_without_a_sidecar(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    x = np.array([[0, 255]], np.uint8)

    def follow(_: str) -> Command:
        return explain(folder / "net.npz", array(folder / "y.npy", x.astype("float32") / 255))

    command = explain(dense(folder), array(folder / "x.npy", x))
    return command, "holds uint8 from 0 to 255; the network takes floats: save x.astype('float32') / 255", follow


@case
def integers(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    def follow(_: str) -> Command:
        return explain(folder / "net.npz", array(folder / "y.npy", np.array([[3, 1]]).astype("float32")))

    command = explain(dense(folder), array(folder / "x.npy", [[3, 1]]))
    return command, "holds int64 from 1 to 3; the network takes floats: save x.astype('float32')", follow


@case
def an_archive_of_other_names(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    np.savez(folder / "data.npz", images=np.ones((1, 2)), labels=np.ones(1))

    def follow(told: str) -> Command:
        code = re.findall(r"np\.savez\('(.*)', (\w+)=\.\.\.\)", told)
        ((name, key),) = code
        np.savez(folder / name, **{key: np.ones((1, 2))})
        return explain(folder / "net.npz", folder / name)

    return explain(dense(folder), folder / "data.npz"), "save them with np.savez('data_inputs.npz', x=...)", follow


@case
def a_picture_without_a_sidecar(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    made = [layers.Conv(np.ones((2, 3, 5, 5))), layers.GlobalAveragePool(), layers.Flatten()]
    model = network(folder, *made, shape=(None, 3, None, None))

    def follow(told: str) -> Command:
        path, text = re.findall(r"write (\S+) with, for example, (\{.*\})", told)[0]
        Path(path).write_text(text)
        return explain(model, SAMPLES / "rocket.jpg")

    return explain(model, SAMPLES / "rocket.jpg"), f"write {folder / 'net.json'} with, for example, ", follow


@case
def a_picture_for_several_inputs(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    photos(folder)
    two = Network((Node("sum", layers.Add(), ("a", "b")),), (Input("a"), Input("b")), ("sum",))
    loaders.save(two, folder / "four.npz")

    def follow(_: str) -> Command:
        np.savez(folder / "both.npz", a=np.ones((1, 3)), b=np.ones((1, 3)))
        return explain(folder / "four.npz", folder / "both.npz")

    return explain(folder / "four.npz", folder / "photo.png"), "give them by name in an .npz file", follow


# The order of arguments, and files of other programs --------------------------------------------------------------


@case
def a_picture_as_the_model(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    model = photos(folder)
    wrong: Command = ["explain", folder / "photo.png", model]
    return wrong, "photo.png: a picture, not a model", lambda _: explain(model, folder / "photo.png")


@case
def an_array_as_the_model(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    model, x = dense(folder), array(folder / "x.npy", [[1.0, 2.0]])
    return ["explain", x, model], "x.npy: an array, not a model", lambda _: explain(model, x)


@case
def an_archive_of_arrays_as_the_model(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    model = dense(folder)
    np.savez(folder / "in.npz", x=np.ones((1, 2)))
    told = "the model comes first, then its input: lrp-ref explain MODEL INPUT"
    return ["explain", folder / "in.npz", model], told, lambda _: explain(model, folder / "in.npz")


@case
def a_network_as_the_input(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    model, x = dense(folder), array(folder / "x.npy", [[1.0, 2.0]])
    return ["explain", model, model], "a network or a trace of lrp_ref, not an input", lambda _: explain(model, x)


@case
def an_onnx_file_as_the_input(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    model, picture = MODELS / "digits_cnn.onnx", SAMPLES / "digit_1.png"
    follow: Command = ["explain", model, picture, "-o", folder]
    return ["explain", model, model], "a model, not an input; the model comes first", lambda _: follow


@case
def a_folder_as_the_model(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    model, x = dense(folder), array(folder / "x.npy", [[1.0, 2.0]])
    return ["explain", folder, x], "a folder, not a model file", lambda _: explain(model, x)


def torch_exported(folder: Path, told: str) -> Path:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    import warnings

    torch.manual_seed(0)
    scope = {"torch": torch, "model": torch.nn.Linear(2, 3), "example": torch.ones(1, 2)}
    (code,) = re.findall(r"torch\.onnx\.export\(.*?\"\)", told)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(code.replace('"model.onnx"', repr(str(folder / "model.onnx"))), scope)  # noqa: S102 - our own advice
    return folder / "model.onnx"


@case
def a_checkpoint_of_pytorch(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    (folder / "net.ckpt").write_bytes(b"")
    x = array(folder / "x.npy", np.ones((1, 2), np.float32))
    return (
        explain(folder / "net.ckpt", x),
        "net.ckpt: a PyTorch file: in Python, put the weights into their model, then torch.onnx.export(",
        lambda told: explain(torch_exported(folder, told), x),
    )


@case
def weights_alone(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    weights_files.torch_file(folder / "net.pth", {"fc.weight": np.ones((3, 2), np.float32)})
    x = array(folder / "x.npy", np.ones((1, 2), np.float32))
    return (
        explain(folder / "net.pth", x),
        "net.pth: weights without their network: ",
        lambda told: explain(torch_exported(folder, told), x),
    )


@case
def weights_with_a_description(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    (folder / "w.safetensors").write_bytes(weights_files.safetensors_of({"fc.weight": np.ones((3, 2), np.float32)}))
    x = array(folder / "x.npy", np.ones((1, 2), np.float32))

    def follow(told: str) -> Command:
        (name,) = re.findall(r"describe it in (\S+),", told)
        (folder / name).write_text('{"layers": [{"Linear": "fc", "bias": false}]}')
        return explain(folder / "w.safetensors", x)

    return explain(folder / "w.safetensors", x), "w.safetensors: weights without their network: ", follow


@case
def a_tensor_that_the_description_forgot(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    weights_files.torch_file(folder / "w.pth", {"fc.weight": np.ones((3, 2)), "step": np.ones(1)})
    x, net = array(folder / "x.npy", np.ones((1, 2), np.float32)), folder / "net.json"
    net.write_text('{"layers": [{"Linear": "fc", "bias": false}]}')

    def follow(told: str) -> Command:
        (name,) = re.findall(r"1 tensors are not used: '(\w+)'", told)
        net.write_text(json.dumps({"layers": [{"Linear": "fc", "bias": False}], "ignore": [name]}))
        return [*explain(folder / "w.pth", x), "--architecture", net]

    return [*explain(folder / "w.pth", x), "--architecture", net], 'list them under "ignore"', follow


@case
def a_pickle_of_scikit_learn(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    (folder / "net.pkl").write_bytes(b"")
    x = np.random.default_rng(0).normal(size=(40, 2))

    def follow(told: str) -> Command:
        skl2onnx = pytest.importorskip("skl2onnx")
        neural_network = pytest.importorskip("sklearn.neural_network")
        model = neural_network.MLPRegressor(hidden_layer_sizes=(3,), max_iter=2000, random_state=0).fit(x, x[:, 0])
        (code,) = re.findall(r"pathlib\.Path\(.*\)$", told)
        code = code.replace('"model.onnx"', repr(str(folder / "model.onnx")))
        exec(code, {"pathlib": pathlib, "skl2onnx": skl2onnx, "model": model, "x": x})  # noqa: S102 - our own advice
        return explain(folder / "model.onnx", array(folder / "x.npy", x[:1].astype("float32")))

    return ["show", folder / "net.pkl"], "pickled objects run code and are never read", follow


@case
def a_pickle_of_an_estimator(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    (folder / "svm.joblib").write_bytes(b"")
    x = np.random.default_rng(0).normal(size=(40, 2))

    def follow(told: str) -> Command:
        svm = pytest.importorskip("sklearn.svm")
        skops = pytest.importorskip("skops.io") and pytest.importorskip("skops")
        (code,) = re.findall(r"skops\.io\.dump\(.*?\)", told)
        code = code.replace('"model.skops"', repr(str(folder / "model.skops")))
        exec(code, {"skops": skops, "model": svm.LinearSVR().fit(x, x[:, 0])})  # noqa: S102 - our own advice
        return explain(folder / "model.skops", array(folder / "x.npy", x[:1]))

    return ["show", folder / "svm.joblib"], "pickled objects run code and are never read", follow


# Classes, composites, sizes ---------------------------------------------------------------------------------------


def named_class(wanted: str, nearest: str) -> Case:
    def made(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
        command = explain(photos(folder), folder / "photo.png")

        def follow(told: str) -> Command:
            name, number = re.findall(r"did you mean '(.*?)' \((\d+)\)", told)[0]
            assert run(*command, "-t", number).exit_code == 0
            return [*command, "-t", name]

        return [*command, "-t", wanted], f"unknown class '{wanted}': did you mean '{nearest}'", follow

    return made


CASES |= {
    f"class {wanted}": named_class(wanted, nearest)
    for wanted, nearest in (
        ("egiptian", "Egyptian cat"), ("CAT EGYPTIAN", "Egyptian cat"), ("tinka", "tench, Tinca tinca"),
        ("house cat", "Egyptian cat"), ("tenche", "tench, Tinca tinca"), ("tshirt", "T-shirt/top"),
    )
}  # fmt: skip


@case
def a_class_that_is_like_none(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    command = explain(photos(folder), folder / "photo.png")
    listed = "the model has 3 classes: tench, Tinca tinca, Egyptian cat, T-shirt/top"
    return [*command, "-t", "xyz"], listed, lambda _: [*command, "-t", "Egyptian cat"]


@case
def a_class_of_very_many(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    photos(folder)
    model = network(folder, layers.Flatten(), layers.Dense(np.ones((4, 20))), name="four.npz", shape=(None, 1, 2, 2))
    sidecar = json.loads((folder / "four.json").read_text()) | {"classes": [f"kind {k}" for k in range(20)]}
    (folder / "four.json").write_text(json.dumps(sidecar))

    def follow(told: str) -> Command:
        (text,) = re.findall(r"'lrp-ref (show MODEL --classes)' lists them", told)
        return [model if part == "MODEL" else part for part in text.split()]

    return [*explain(model, folder / "photo.png"), "-t", "???"], "the model has 20 classes; 'lrp-ref show", follow


@case
def a_composite_without_bounds(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    path = network(folder, layers.Conv(np.ones((2, 1, 2, 2))), name="grid.npz", shape=(None, 1, 3, 3))
    command = [*explain(path, array(folder / "x.npy", np.ones((1, 1, 3, 3)))), "-c", "epsilon_gamma_box"]
    return command, "needs low= and high= (--low and --high)", lambda _: [*command, "--low", -5, "--high", 5]


@case
def a_composite_in_other_letters(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    def follow(told: str) -> Command:
        return ["check", folder / "net.npz", "-c", re.findall(r"did you mean '(\w+)'", told)[0]]

    return ["check", dense(folder), "-c", "Epsilon"], "did you mean 'epsilon'?", follow


@pytest.mark.parametrize("command", ["check", "formula"])
def test_a_size_that_is_asked_for_can_be_given(command: str, tmp_path: Path) -> None:
    if command == "formula":
        pytest.importorskip("sympy")
    model = network(tmp_path, layers.ReLU(), layers.Sum(axes=(1,)))
    failed = run(command, model, "-c", "lrp0")
    assert failed.exit_code == 2
    (option,) = re.findall(r"--shape \S+$", failed.stderr.strip())
    assert run(command, model, "-c", "lrp0", *option.replace("SIZE,...", "3").split()).exit_code == 0
    x = array(tmp_path / "x.npy", np.ones((1, 3)))
    assert run(command, model, x, "-c", "lrp0").exit_code == 0, "or give an INPUT"
    both = run(command, model, x, "-c", "lrp0", "--shape", "x=3")
    assert both.exit_code == 2
    assert "leave one of them out" in both.stderr


@case
def a_size_in_a_wrong_form(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    made = [layers.Conv(np.ones((1, 3, 5, 5))), layers.GlobalAveragePool(), layers.Flatten()]
    chain = Network.sequential(made, input_name="image")
    loaders.save(chain, folder / "net.npz")

    def follow(told: str) -> Command:
        return ["check", folder / "net.npz", "--shape", re.findall(r"such as (\S+)", told)[0]]

    return ["check", folder / "net.npz", "--shape", "3x32x32"], "write NAME=SIZE,... without the batch axis", follow


# Traces -----------------------------------------------------------------------------------------------------------


def traces(folder: Path) -> tuple[Path, Path]:
    Trace({"conv1": np.ones((1, 2)), "fc": np.ones((1, 3))}).save(folder / "a.npz")
    Trace({"features.0": np.ones((1, 2)), "head": np.ones((1, 3))}).save(folder / "b.npz")
    return folder / "a.npz", folder / "b.npz"


@case
def a_name_that_no_trace_has(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    a, b = traces(folder)

    def follow(told: str) -> Command:
        return ["diff", a, b, "--map", "conv1=" + re.findall(r"did you mean '(.*?)'", told)[0]]

    return ["diff", a, b, "--map", "conv1=feature.0"], "did you mean 'features.0'?", follow


@case
def a_mapping_without_an_equals_sign(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    a, b = traces(folder)
    told = "--map conv1: write A=B, a name of the first file and one of the second"
    return ["diff", a, b, "--map", "conv1"], told, lambda _: ["diff", a, b, "--map", "conv1=features.0"]


@case
def a_mapping_given_twice(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    a, b = traces(folder)
    twice: Command = ["diff", a, b, "--map", "conv1=features.0", "--map", "conv1=head"]
    told = "'conv1' is given twice, before as conv1=features.0"
    return twice, told, lambda _: ["diff", a, b, "--map", "conv1=features.0"]


@case
def a_folder_of_traces(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    a, b = traces(folder)
    return ["diff", folder, b], "a folder; give one of the .npz files in it", lambda _: ["diff", a, b]


@case
def a_trace_of_other_entries(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    a, _ = traces(folder)
    np.savez(folder / "theirs.npz", conv1=np.ones((1, 2)), fc=np.ones((1, 3)))

    def follow(_: str) -> Command:
        np.savez(folder / "theirs.npz", **{"value/conv1": np.ones((1, 2)), "value/fc": np.ones((1, 3))})
        return ["diff", a, folder / "theirs.npz"]

    return ["diff", a, folder / "theirs.npz"], "must be called value/NAME and relevance/NAME", follow


@case
def an_explanation_without_its_trace(folder: Path) -> tuple[Command, str, Callable[[str], Command]]:
    command = explain(dense(folder), array(folder / "x.npy", [[3.0, 1.0]]), "-c", "lrp0")
    assert run(*command).exit_code == 0
    values = {"value/x": [[3.0, 1.0]], "value/dense1": [[5.5, -1.0]]}
    relevances = {"relevance/dense1": [[5.5, 0.0]], "relevance/x": [[3.0, 2.0]]}
    np.savez(folder / "theirs.npz", **{k: np.array(v) for k, v in (values | relevances).items()})

    def follow(told: str) -> Command:
        assert "'lrp-ref explain --trace'" in told
        assert run(*command, "--trace").exit_code == 0
        return ["diff", folder / "out" / "x.npz", folder / "theirs.npz"]

    return ["diff", folder / "out" / "x.npz", folder / "theirs.npz"], "saved without its trace", follow


# All of them ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_the_advice_of_an_error_works(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    command, advice, follow = CASES[name](tmp_path)
    failed = run(*command)
    assert failed.exit_code == 2
    assert failed.stderr.startswith("lrp-ref: error: ")
    assert failed.stderr.count("\n") == 1
    assert advice in failed.stderr
    done = run(*follow(failed.stderr.strip()))
    assert (done.exit_code, done.stderr) == (0, "")


def test_the_hint_about_float32_can_be_followed(tmp_path: Path) -> None:
    model = MODELS / "digits_cnn.onnx"
    pytest.importorskip("onnx")
    for name in ("a", "b"):
        command = ["explain", model, SAMPLES / "digit_1.png", "--trace", "--float64", "-o", tmp_path / name]
        assert run(*command).exit_code == 0
    assert run("diff", tmp_path / "a" / "digit_1.npz", tmp_path / "b" / "digit_1.npz").exit_code == 0


@pytest.mark.parametrize("suffix", sorted(EXPORTS))
def test_every_foreign_model_is_one_line_that_says_how_to_export_it(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"net{suffix.upper()}").write_bytes(b"\x80\x04K\x01.")
    done = run("explain", tmp_path / f"net{suffix.upper()}", tmp_path / "x.npy")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert re.search(r"onnx\.export|tf2onnx|skl2onnx|format=\"onnx\"", done.stderr)
    assert "{" not in done.stderr


def test_a_folder_of_tensorflow_is_told_by_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    done = run("show", tmp_path)
    assert done.exit_code == 2
    assert f"python -m tf2onnx.convert --saved-model {tmp_path} --output model.onnx" in done.stderr


# Pixels that nobody scaled ----------------------------------------------------------------------------------------


def test_unscaled_pixels_are_noticed_and_scaled_ones_are_not(tmp_path: Path) -> None:
    model = photos(tmp_path)
    pixels = np.array([[[[4.0, 8.0], [12.0, 255.0]]]] * 3)
    done = run(*explain(model, array(tmp_path / "x.npy", pixels)))
    assert done.exit_code == 0
    assert done.stderr == (
        f"lrp-ref: notice: {tmp_path / 'x.npy'}, x_0: values from 4 to 255, but pictures give this model -1 to 1: it "
        "looks as if (pixel − 127.5)·0.00784314 was left out\n"
    )
    mean, scale = map(float, re.findall(r"\(pixel − ([\d.]+)\)·([\d.]+)", done.stderr)[0])
    done = run(*explain(model, array(tmp_path / "y.npy", (pixels - mean) * scale)))
    assert (done.exit_code, done.stderr) == (0, "")
    normal = np.random.default_rng(0).normal(size=(1, 1, 2, 2)) * 0.5
    assert run(*explain(model, array(tmp_path / "z.npy", normal))).stderr == ""


# Extras -----------------------------------------------------------------------------------------------------------


def extras() -> set[str]:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return set(parser["options.extras_require"])


def test_every_extra_that_an_error_names_is_there() -> None:
    code = "\n".join(p.read_text() for p in (ROOT / "lrp_ref").rglob("*.py"))
    asked = set(re.findall(r"require\([^)]*extra=\"(\w+)\"", code)) - {"none"}
    assert {"onnx", "runtime"} <= asked <= extras()


def test_the_line_for_a_missing_package_works_in_a_clone() -> None:
    """The line is printed at the end, and names an extra of the setup.cfg beside which it is run."""
    block = "import sys; sys.modules['onnx'] = None\nfrom lrp_ref.cli import main; main(prog_name='lrp-ref')"
    command = [sys.executable, "-c", block, "show", str(MODELS / "digits_cnn.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    line = done.stderr.strip().rpartition("in a clone: ")[2]
    assert line == "pip install -e '.[onnx]'"
    assert "pip install 'lrp-ref[onnx]', " in done.stderr
    assert "onnx" in extras()
    assert (ROOT / "setup.cfg").is_file()
