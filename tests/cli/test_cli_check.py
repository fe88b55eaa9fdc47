"""``lrp-ref check``: what it looked at, what holds, what fails, and what could not be made, which never holds."""

import dataclasses
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest
from command import array, dense_model, pixel_model, run
from PIL import Image

from lrp_ref import Network, layers, loaders
from lrp_ref.errors import MissingExtraError, NonFiniteError
from lrp_ref.model_checks import Examination, checks
from lrp_ref.model_checks.samples import random_samples
from lrp_ref.network import Input, Node
from lrp_ref.propagation import composites

ROOT = Path(__file__).parents[2]
MODELS, SAMPLES = ROOT / "models", ROOT / "models" / "samples"
BUGS = ROOT.parent / "shared" / "bug-inputs"
BOUNDED = ("epsilon_gamma_box", "montavon_vgg16")
DERIVATIVES = ("gradient", "deconvnet", "guided_backprop", "beta_smooth")

needs_bug_inputs = pytest.mark.skipif(not BUGS.is_dir(), reason="../shared/bug-inputs is not there")


def rows(done: click.testing.Result) -> dict[str, list[str]]:
    """The last row of the tables that begins with each word."""
    return {line.split()[0]: line.split() for line in done.stdout.splitlines() if line.strip()}


def row(done: click.testing.Result, beginning: str) -> list[str]:
    return next(line.split() for line in done.stdout.splitlines() if line.startswith(beginning))


@pytest.fixture
def dense(tmp_path: Path) -> Path:
    """z = (x₁ + 2x₂ + ½, −x₁ + 3x₂ − 1)."""
    return dense_model(tmp_path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A network of four pixels, z = (Σx, Σx/2, −Σx), with a sidecar and a picture."""
    Image.fromarray(np.array([[4, 8], [12, 16]], dtype=np.uint8)).save(tmp_path / "photo.png")
    return pixel_model(tmp_path)


# What holds -------------------------------------------------------------------------------------------------------


def test_check_holds_and_names_what_it_measured(photos: Path) -> None:
    done = run("check", photos, photos.with_name("photo.png"))
    assert (done.exit_code, done.stderr) == (0, "")
    # x = 1, 2, 3, 4, all weights 1, no bias: 10 = 1 + 2 + 3 + 4, all positive.
    assert rows(done)["lrp0"][1:3] == ["10", "10"]
    assert rows(done)["lrp0"][-3:] == ["conservative,", "positive,", "consistent"]
    assert row(done, "output against onnxruntime")[-2:] == ["not", "made"]
    # Every preset, the canonized output, and output and relevance in a batch; onnxruntime reads no .npz.
    count = len(composites.PRESETS) + 3
    assert done.stdout.splitlines()[-1] == f"{count} checks hold; 1 was not made: output against onnxruntime"


def test_check_says_what_it_looked_at(photos: Path, tmp_path: Path) -> None:
    done = run("check", photos, photos.with_name("photo.png"), "-c", "lrp0")
    assert done.stdout.splitlines()[:2] == [
        f"{photos}: 2 nodes, float64; looked at 1 sample ({photos.with_name('photo.png')}): input (1, 2, 2)",
        "compared: dense1; explained: each sample's largest number of dense1",
    ]
    assert "looked at 1 sample (random, seed 3): input (1, 2, 2)" in run("check", photos, "--seed", 3).stdout
    assert "looked at 4 samples (random, seed 0)" in run("check", photos, "--samples", 4).stdout
    x = array(tmp_path / "x.npy", np.arange(20.0).reshape(5, 1, 2, 2))
    told = f"({x}): input (1, 2, 2)"
    assert f"looked at 5 samples {told}" in run("check", photos, x).stdout
    assert f"looked at 5 samples {told}" in run("check", photos, x, "--samples", 5).stdout
    few = run("check", photos, x, "--samples", 2)
    assert f"looked at the first 2 samples only, more were given {told}" in few.stdout
    several = run("check", photos, x, photos.with_name("photo.png"), "-c", "lrp0")
    assert f"looked at 6 samples ({x}, {photos.with_name('photo.png')})" in several.stdout


def test_check_against_onnxruntime() -> None:
    pytest.importorskip("onnxruntime")
    done = run("check", MODELS / "digits_cnn.onnx", SAMPLES / "digit_7.png", "-c", "epsilon_plus", "-c", "epsilon")
    assert done.exit_code == 0
    found = row(done, "output against onnxruntime")
    assert found[-1] == "holds"
    assert 0 < float(found[-4]) < 1e-5
    assert done.stdout.splitlines()[-1] == "all 7 checks hold"


def test_check_reports_what_a_rule_does_not_keep(dense: Path, tmp_path: Path) -> None:
    """x = (3, −1): z₁ = 1.5, R = (3, −2), ½ to the bias: 1 arrives of 1.5."""
    done = run("check", dense, array(tmp_path / "x.npy", [[3.0, -1.0]]), "-c", "lrp0")
    assert done.exit_code == 0
    found = row(done, "lrp0")
    assert found[1:5] == ["1.5", "1", "3.3e-01", "-6.7e-01"]
    assert len(found) == 6  # neither conservative nor positive


# All samples ------------------------------------------------------------------------------------------------------


def test_the_worst_sample_of_all_batches_is_reported(dense: Path, tmp_path: Path) -> None:
    """z₁ = x₁ + 2x₂ + ½ is the largest: ½ of it does not arrive, most at the sample whose z₁ is least."""
    x = np.tile([[8.0, 1.0]], (40, 1))  # z₁ = 10.5, R = (8, 2): conservative to 1/21, positive
    x[37] = (3.0, -1.0)  # z₁ = 1.5, R = (3, −2): a third is missing; the least is −2/3 of the largest
    done = run("check", dense, array(tmp_path / "x.npy", x), "-c", "lrp0")
    assert done.exit_code == 0
    assert row(done, "lrp0")[1:5] == ["1.5", "1", "3.3e-01", "-6.7e-01"]
    assert "start and at the input: of the sample of which the largest part does not arrive" in done.stdout
    done = run("check", dense, array(tmp_path / "x.npy", x), "-c", "lrp0", "--samples", 37)
    assert row(done, "lrp0")[1:5] == ["10.5", "10", "4.8e-02", "0"]
    assert row(done, "lrp0")[-1] == "positive"
    done = run("check", dense, array(tmp_path / "x.npy", x[::-1]), "-c", "lrp0")
    assert len(row(done, "lrp0")) == 6, "what one sample in the first batch does not keep is not kept"


def test_the_sidecars_composite_is_compared_alone_and_in_a_batch() -> None:
    done = run("check", MODELS / "iris_mlp.npz", SAMPLES / "iris_test30.npz")
    assert done.exit_code == 0
    assert "relevance of a sample in a batch (epsilon) " in done.stdout


def test_a_sample_that_fails_late_is_named(tmp_path: Path) -> None:
    """z = x − (1 − 2⁻⁵³), then 2⁵³·z, cut to 0 … 1: at x = 1 a LRP-0 relevance grows 2⁵³ times, at x = 0 not."""
    made = [layers.Dense(np.array([[1.0]]), np.array([2.0**-53 - 1])), layers.Dense(np.array([[2.0**53]]))]
    loaders.save(Network.sequential([*made, layers.Clip(0.0, 1.0)] * 20), tmp_path / "net.npz")
    x = array(tmp_path / "x.npy", [[1.0]])
    done = run("check", tmp_path / "net.npz", x, "-c", "lrp0")
    assert done.exit_code == 1
    assert "FAILS: lrp0: x: node 'dense" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 check fails: ledger of lrp0; 1 could not be made: ")
    done = run("explain", tmp_path / "net.npz", x, "-c", "lrp0", "-o", tmp_path / "out")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "not finite" in done.stderr
    many = np.zeros((20, 1))
    many[18] = 1.0
    done = run("check", tmp_path / "net.npz", array(tmp_path / "many.npy", many), "-c", "lrp0")
    assert done.exit_code == 1
    assert "FAILS: lrp0: many_18: node 'dense" in done.stdout


def test_a_value_that_is_not_finite_in_the_second_sample_is_seen(dense: Path, tmp_path: Path) -> None:
    x = array(tmp_path / "x.npy", [[1.0, 2.0], [np.nan, 1.0], [3.0, 4.0]])
    done = run("check", dense, x)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"lrp-ref: error: {x}, sample 1: input 'input' has 1 values that are not finite")
    assert run("check", dense, x, "--samples", 1).exit_code == 0


@needs_bug_inputs
def test_the_nan_of_the_bug_input_is_seen() -> None:
    pytest.importorskip("onnx")
    done = run("check", BUGS / "nan_in_second_sample.onnx", BUGS / "nan_in_second_sample.npy")
    assert done.exit_code == 2
    assert "nan_in_second_sample.npy, sample 1: input 'x' has 1 values that are not finite" in done.stderr


def test_outputs_are_compared_with_onnxruntime_in_all_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime is far off in the 19th of 20 samples only."""
    pytest.importorskip("onnx")
    seen: list[float] = []

    def compared(_: Path, x: dict[str, Any], **__: object) -> Any:
        (values,) = x.values()
        seen.extend(float(v) for v in values[:, 0, 0, 0])
        relative = 2e-4 if (values[:, 0, 0, 0] == 18).any() else 1e-7
        return (loaders.Comparison("y", "y", (1, 10), 1.0, relative, True, "float32", False),)

    monkeypatch.setattr(loaders, "check_against_onnxruntime", compared)
    x = np.zeros((20, 1, 28, 28), np.float32)
    x[:, 0, 0, 0] = np.arange(20)
    file = array(tmp_path / "x.npy", x)
    done = run("check", MODELS / "digits_cnn.onnx", file, "-c", "epsilon")
    assert done.exit_code == 1
    assert "1 check fails: output against onnxruntime (float32)" in done.stdout
    assert seen == list(range(20))
    assert run("check", MODELS / "digits_cnn.onnx", file, "-c", "epsilon", "--samples", 18).exit_code == 0


def test_a_file_that_fixes_its_batch_is_compared_sample_by_sample(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    value, array_of = onnx.helper.make_tensor_value_info, onnx.numpy_helper.from_array
    weight = np.array([[1.0, -2.0], [0.5, 3.0], [4.0, 1.0]], np.float32)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "w"], ["y"], name="fc")],
        "g", [value("x", 1, [1, 3])], [value("y", 1, [1, 2])], [array_of(weight, "w")],
    )  # fmt: skip
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9),
        tmp_path / "one.onnx",
    )
    x = array(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32))
    done = run("check", tmp_path / "one.onnx", x, "-c", "epsilon")
    assert done.exit_code == 0
    assert row(done, "output against onnxruntime")[-1] == "holds"


# What fails -------------------------------------------------------------------------------------------------------


def test_check_fails_when_the_ledger_does_not_close(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrp_ref.propagation.ledger.Ledger.residual", property(lambda self: 1e-11))
    done = run("check", photos, "-c", "epsilon")
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1].startswith("1 check fails: ledger of epsilon; ")
    assert row(done, "epsilon")[-6:] == ["FAILS:", "the", "ledger", "does", "not", "close"]
    assert run("check", photos, "-c", "epsilon", "--float32").exit_code == 0


def test_check_fails_when_canonizing_changes_the_output(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def halved(net: Network, **_: object) -> Network:
        return net.map_arrays(lambda a: a / 2)

    monkeypatch.setattr("lrp_ref.model_checks.checks.canonize", halved)
    done = run("check", photos, "-c", "epsilon")
    assert done.exit_code == 1
    assert (float(row(done, "canonized")[-4]), row(done, "canonized")[-1]) == (0.5, "FAILS")


def test_check_fails_when_onnxruntime_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    for relative, status in ((9e-5, 0), (2e-4, 1), (float("nan"), 1)):
        found = loaders.Comparison("y", "y", (1, 10), 1.0, relative, True, "float32", False)
        monkeypatch.setattr(loaders, "check_against_onnxruntime", lambda *_, found=found, **__: (found,))
        assert run("check", MODELS / "digits_cnn.onnx", "-c", "epsilon").exit_code == status


@pytest.mark.parametrize("count", [1, 3])
def test_check_fails_when_the_relevance_depends_on_the_batch(
    photos: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = checks.explain

    def scaled(net: Network, x: dict[str, Any], **options: Any) -> Any:
        e = plain(net, x, **options)
        return dataclasses.replace(e, relevance=e.relevance * len(e.output))

    monkeypatch.setattr(checks, "explain", scaled)
    done = run("check", photos, "-c", "epsilon", "--samples", count)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1].startswith("1 check fails: relevance of a sample in a batch (epsilon); ")


@pytest.mark.parametrize("count", [1, 3])
def test_check_fails_when_a_sample_depends_on_its_batch(
    tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = Network.sequential([("fc", layers.Dense(np.ones((2, 1))))])
    loaders.save(net, tmp_path / "net.npz")
    plain = layers.Dense.forward
    monkeypatch.setattr(layers.Dense, "forward", lambda self, *xs: plain(self, *xs) + (len(xs[0]) - 1))
    done = run("check", tmp_path / "net.npz", array(tmp_path / "x.npy", [[1.0, 2.0]] * count), "-c", "epsilon")
    assert done.exit_code == 1
    assert "output of a sample in a batch" in done.stdout.splitlines()[-1]


# What could not be made -------------------------------------------------------------------------------------------


@pytest.fixture
def gated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A softmax inside, which no rule of the composites is for that are left: derivatives run, LRP does not."""
    for name in ("attnlrp", "cp_lrp", "mamba_lrp", "relp"):
        monkeypatch.delitem(composites.PRESETS, name)
    made = [
        ("fc", layers.Dense(np.array([[1.0, -1.0], [2.0, 3.0]]))),
        ("gate", layers.Softmax()),
        ("head", layers.Dense(np.array([[1.0, 2.0], [0.5, -1.0]]))),
    ]
    loaders.save(Network.sequential(made), tmp_path / "gated.npz")
    return tmp_path / "gated.npz"


def test_check_fails_where_no_lrp_composite_could_run(gated: Path) -> None:
    done = run("check", gated)
    assert done.exit_code == 1
    lrp = [name for name in composites.PRESETS if name not in DERIVATIVES]
    line = next(text for text in done.stdout.splitlines() if text.startswith("COULD NOT BE MADE: "))
    assert line.startswith(f"COULD NOT BE MADE: {', '.join(lrp)}: node 'gate': ")
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"{len(lrp)} checks could not be made: ledger of lrp0, ledger of epsilon, ")
    assert "hold" not in last
    assert rows(done)["gradient"][1:]  # it ran, and is in the table


def test_a_rule_in_front_of_the_composites_leaves_them_lrp(gated: Path) -> None:
    done = run("check", gated, "--rule", "Flatten=Pass")
    assert done.exit_code == 1
    lrp = [name for name in composites.PRESETS if name not in DERIVATIVES]
    assert done.stdout.splitlines()[-1].startswith(f"{len(lrp)} checks could not be made: ledger of lrp0, ")


def test_a_composite_that_was_asked_for_and_cannot_run_fails(gated: Path) -> None:
    done = run("check", gated, "-c", "gradient", "-c", "epsilon")
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1].startswith("1 check could not be made: ledger of epsilon; ")
    assert run("check", gated, "-c", "gradient").exit_code == 0, "nobody asked for LRP"


def test_a_composite_that_cannot_run_beside_others_is_told(dense: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = checks.explain

    def refuse(net: Network, x: Any, *, composite: Any, start: str) -> Any:
        if composite.name == "epsilon_plus":
            raise MissingExtraError("a package is needed")
        return plain(net, x, composite=composite, start=start)

    monkeypatch.setattr(checks, "explain", refuse)
    done = run("check", dense)
    assert done.exit_code == 0
    assert "not made: epsilon_plus: a package is needed" in done.stdout
    assert "ledger of epsilon_plus" in done.stdout.splitlines()[-1]
    asked = run("check", dense, "-c", "epsilon", "-c", "epsilon_plus")
    assert asked.exit_code == 1, "it was asked for"
    assert asked.stdout.splitlines()[-1].startswith("1 check could not be made: ledger of epsilon_plus; ")


def test_composites_whose_bounds_nobody_gave_are_named(tmp_path: Path) -> None:
    grid = tmp_path / "grid.npz"
    layer, top = layers.Conv(np.ones((2, 1, 2, 2))), layers.Dense(np.ones((8, 2)))
    loaders.save(Network.sequential([layer, layers.ReLU(), layers.Flatten(), top]), grid)
    done = run("check", grid, "--shape", "input=1,3,3")
    assert done.exit_code == 0
    told = [text for text in done.stdout.splitlines() if text.startswith("not made: ")]
    assert [text.split(":")[1].strip() for text in told] == ["epsilon_gamma_box", "montavon_vgg16"]
    assert all("needs low= and high= (--low and --high)" in text for text in told)
    given = run("check", grid, "--shape", "input=1,3,3", "--low", -5, "--high", 5)
    assert given.exit_code == 0
    assert rows(given)["epsilon_gamma_box"][1:]
    assert given.stdout.splitlines()[-1].endswith("; 1 was not made: output against onnxruntime")


def test_parameters_reach_the_composites_that_take_them(dense: Path, tmp_path: Path) -> None:
    """z = 1.5 and ε = 0.5: R = (3, −2)·1.5/2; without ε (3, −2)."""
    x = array(tmp_path / "x.npy", [[3.0, -1.0]])
    done = run("check", dense, x, "--epsilon", 0.5)
    assert rows(done)["epsilon"][1:3] == ["1.5", "0.75"]
    assert rows(done)["lrp0"][1:3] == ["1.5", "1"]


def process(*arguments: object, before: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; {before}\nfrom lrp_ref.cli import main; main(prog_name='lrp-ref')"
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=240)


def test_check_without_onnxruntime_says_so_and_goes_on() -> None:
    pytest.importorskip("onnx")
    block = "sys.modules['onnxruntime'] = None"
    done = process("check", MODELS / "digits_cnn.onnx", "-c", "epsilon", before=block)
    assert (done.returncode, done.stderr) == (0, "")
    assert "onnxruntime is needed to compare" in done.stdout
    names = "output against onnxruntime (float32), every node against onnxruntime (float32)"
    assert done.stdout.splitlines()[-1] == f"4 checks hold; 2 were not made: {names}"


def test_a_file_that_onnxruntime_cannot_run_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")

    def broken(*_: object, **__: object) -> Any:
        raise loaders.ModelFormatError("digits_cnn.onnx: onnxruntime cannot run it: no kernel")

    monkeypatch.setattr(loaders, "check_against_onnxruntime", broken)
    done = run("check", MODELS / "digits_cnn.onnx", "-c", "epsilon", "--samples", 2)
    assert done.exit_code == 1
    assert "onnxruntime cannot run it: no kernel" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 check could not be made: output against onnxruntime (float32)"


def test_a_check_that_saw_no_sample_does_not_hold(dense: Path) -> None:
    exam = Examination(loaders.load(dense), {"lrp0": composites.get("lrp0")}, path=dense, dtype="float64")
    report = exam.report()
    assert not report.holds
    assert all(f.verdict != "holds" for f in report.all_findings)


def test_an_error_of_the_whole_batch_alone_is_told_as_it_is(dense: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = checks.explain

    def refuse(net: Network, x: Any, *, composite: Any, start: str) -> Any:
        if len(x["input"]) > 1:
            raise NonFiniteError("together they overflow")
        return plain(net, x, composite=composite, start=start)

    monkeypatch.setattr(checks, "explain", refuse)
    done = run("check", dense, "-c", "lrp0", "--samples", 2)
    assert done.exit_code == 1
    assert "FAILS: lrp0: together they overflow" in done.stdout


# Sizes ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def free(tmp_path: Path) -> Path:
    """A convolution of 3 channels with a 5 × 5 kernel, and a global mean: any height and width from 5 on."""
    kernel = np.random.default_rng(0).normal(size=(2, 3, 5, 5))
    made = [layers.Conv(kernel, np.array([0.5, -0.25])), layers.ReLU(), layers.GlobalAveragePool(), layers.Flatten()]
    chain = Network.sequential(made, input_name="x")
    loaders.save(Network(chain.nodes, (Input("x", (None, 3, None, None)),), chain.outputs), tmp_path / "free.npz")
    return tmp_path / "free.npz"


def test_free_sizes_are_made_and_told_and_can_be_chosen(free: Path) -> None:
    done = run("check", free, "-c", "lrp0")
    assert done.exit_code == 0
    assert done.stderr == (
        "the network leaves the size of input 'x' free: taken as 3,32,32; --shape x=3,32,32 chooses another\n"
    )
    assert "looked at 1 sample (random, seed 0): x (3, 32, 32)" in done.stdout
    done = run("check", free, "-c", "lrp0", "--shape", "x=3,5,9")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "x (3, 5, 9)" in done.stdout


@pytest.mark.parametrize("command", ["check", "formula"])
def test_check_and_formula_ask_alike(command: str, free: Path, tmp_path: Path) -> None:
    if command == "formula":
        pytest.importorskip("sympy")
    for shape, told in (
        ("y=3,5,5", "unknown input 'y'"),
        ("x=3,5", "--shape x=3,5: the network's input is x=3,HEIGHT,WIDTH"),
        ("x=4,5,5", "--shape x=4,5,5: the network's input is x=3,HEIGHT,WIDTH"),
        ("x=3,4,4", "--shape x=3,4,4 does not fit: node 'conv1': "),
        ("3,5,5", "--shape 3,5,5: write NAME=SIZE,..."),
        ("x=3,5,0", "--shape x=3,5,0: write NAME=SIZE,..."),
    ):
        done = run(command, free, "--shape", shape)
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
        assert told in done.stderr
    # Nothing tells how many numbers a sample has.
    loaders.save(Network.sequential([layers.ReLU(), layers.Sum(axes=(1,))]), tmp_path / "any.npz")
    done = run(command, tmp_path / "any.npz")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert (
        "the size of input 'input' is not fixed: give an INPUT, or the sizes without the batch axis: "
        "--shape input=SIZE,..." in done.stderr
    )
    assert run(command, tmp_path / "any.npz", "--shape", "input=3", "-c", "lrp0").exit_code == 0
    x = array(tmp_path / "x.npy", np.ones((1, 3)))
    both = run(command, tmp_path / "any.npz", x, "--shape", "input=3")
    assert (both.exit_code, both.stderr.count("\n")) == (2, 1)
    assert "--shape is for a made input and INPUT is given" in both.stderr


def test_a_sidecar_tells_sizes_that_the_network_does_not(photos: Path) -> None:
    """Flatten and a dense layer of 4: (4,), (2, 2) and (1, 2, 2) would fit."""
    pytest.importorskip("sympy")
    for command in (["check", photos], ["formula", photos, "-c", "lrp0"]):
        done = run(*command)
        assert (done.exit_code, done.stderr) == (0, "")
    assert "x_111" in run("formula", photos, "-c", "lrp0").stdout


# Every node against onnxruntime -----------------------------------------------------------------------------------


def departing(monkeypatch: pytest.MonkeyPatch, node: str, change: Any) -> None:
    """Let the loader return a network in which one layer computes something else."""
    loader = importlib.import_module("lrp_ref.loaders.onnx")
    convert = loader.convert

    def spoiled(*arguments: Any, **options: Any) -> Any:
        made = convert(*arguments, **options)
        return dataclasses.replace(made, network=made.network.replaced({node: change(made.network[node].layer)}))

    monkeypatch.setattr(loader, "convert", spoiled)


def test_the_first_node_that_departs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    net = loaders.load(MODELS / "digits_cnn.onnx")
    names = [n.name for n in net.nodes if isinstance(n.layer, layers.Conv)]
    departing(monkeypatch, names[1], lambda layer: layer.map_arrays(lambda a: a * 1.001))
    done = run("check", MODELS / "digits_cnn.onnx", "-c", "epsilon")
    assert done.exit_code == 1
    assert f"first 1.0e-03 at '{names[1]}' (tensor '" in done.stdout
    assert row(done, "every node against onnxruntime")[-1] == "FAILS"


def test_integers_that_the_check_makes_are_rows_and_masks(tmp_path: Path) -> None:
    table, dense = layers.Embedding(np.arange(10.0).reshape(5, 2)), layers.Dense(np.ones((6, 1)))
    words, scale = Input("words", (None, 3), element_type="int64"), Input("scale", (None, 1), element_type="int32")
    nodes = (
        Node("table", table, ("words",)), Node("flat", layers.Flatten(), ("table",)), Node("z", dense, ("flat",)),
        Node("y", layers.Multiply(), ("z", "scale")),
    )  # fmt: skip
    net = Network(nodes, (words, scale), ("y",))
    x = random_samples(net, {"words": (3,), "scale": (1,)}, None, count=200, seed=0, dtype="float64")
    assert (x["words"].dtype, x["scale"].dtype) == (np.int64, np.int32)
    assert set(x["words"].reshape(-1)) == {0, 1, 2, 3, 4}
    assert (x["scale"] == 1).all()


def test_a_network_of_integers_is_checked_in_the_dtype_of_the_check(tmp_path: Path) -> None:
    """Its parameters are single precision, and no input says that double is meant."""
    rng = np.random.default_rng(0)
    nodes = (
        Node("table", layers.Embedding(rng.normal(size=(5, 4)).astype(np.float32)), ("x",)),
        Node("flat", layers.Flatten(), ("table",)),
        Node("z", layers.Dense(rng.normal(size=(12, 3)).astype(np.float32), np.ones(3, np.float32)), ("flat",)),
    )
    loaders.save(Network(nodes, (Input("x", (None, 3), element_type="int64"),), ("z",)), tmp_path / "m.npz")
    done = run("check", tmp_path / "m.npz", "-c", "epsilon", "--samples", 3)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "3 nodes, float64" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("4 checks hold; 1 was not made")


def test_nothing_is_written_beside_the_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    for folder in (model := tmp_path / "model", scratch := tmp_path / "scratch"):
        folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)
    path = model / "m.onnx"
    path.write_bytes((MODELS / "digits_cnn.onnx").read_bytes())
    assert run("check", path, "-c", "epsilon").exit_code == 0
    assert sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*")) == [
        Path("model"), Path("model/m.onnx"), Path("scratch"),
    ]  # fmt: skip


def test_sizes_that_the_file_needs_are_taken_from_the_option(tmp_path: Path) -> None:
    """A dense layer over all positions: the file leaves their number free and fixes it by its weights."""
    onnx_graphs = pytest.importorskip("onnx_graphs")
    path = onnx_graphs.write(
        tmp_path / "m.onnx",
        [("Shape", ["x"], {}), ("Slice", ["t0", "one", "three"], {}), ("ReduceProd", ["t1"], {"keepdims": 0}),
         ("Cast", ["t2"], {"to": 1}), ("Div", ["x", "t3"], {}), ("Flatten", ["t4"], {}), ("MatMul", ["t5", "w"], {})],
        shape=("N", 3, "T"), weights={"one": onnx_graphs.whole(1), "three": onnx_graphs.whole(3),
                                      "w": onnx_graphs.weight(12, 2)},
    )  # fmt: skip
    refused = run("check", path, "-c", "epsilon")
    assert refused.exit_code == 2
    assert refused.stderr.strip().endswith("on the command line --shape NAME=SIZE,...")
    assert refused.stderr.count("\n") == 1
    done = run("check", path, "-c", "epsilon", "--shape", "x=3,4")
    assert (done.exit_code, row(done, "every node against onnxruntime")[-1]) == (0, "holds")
