"""``lrp-ref attribute``, ``compare`` and ``evaluate``: what they print and write, and what they refuse in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command import array, dense_model, run
from PIL import Image

import lrp_ref as lrp
from lrp_ref.evaluate import MEASURES
from lrp_ref.layers import Conv, Dense, Flatten, ReLU, Softmax
from lrp_ref.methods import METHODS

RNG = np.random.default_rng(5)


def pictures(folder: Path, samples: int = 3) -> tuple[Path, Path, lrp.Network]:
    """A small network of maps that ends in a softmax, and samples for it."""
    net = lrp.Network.sequential([
        ("conv", Conv(RNG.normal(size=(3, 1, 3, 3)), RNG.normal(size=3))), ("relu", ReLU()), ("flat", Flatten()),
        ("fc", Dense(RNG.normal(size=(48, 4)), RNG.normal(size=4))), ("soft", Softmax()),
    ])  # fmt: skip
    lrp.save(net, folder / "net.npz")
    return folder / "net.npz", array(folder / "x.npy", RNG.normal(size=(samples, 1, 6, 6))), net


def test_numbers_of_a_vector(tmp_path: Path) -> None:
    """z₁ = x₁ + 2x₂ + ½ at (1, 1): x ∂z/∂x = (1, 2), which misses the bias."""
    x = array(tmp_path / "x.npy", [[1.0, 1.0]])
    done = run("attribute", dense_model(tmp_path), x, "-m", "gradient_x_input", "-t", "0", "-o", tmp_path / "o")
    assert (done.exit_code, done.stderr) == (0, "")
    (row,) = [line.split() for line in done.stdout.splitlines() if line.startswith("gradient_x_input")]
    assert row == ["gradient_x_input", "output", "0", "3", "3.5", "-5.0e-01"]
    read = lrp.load_relevance(tmp_path / "o" / "x.npz")
    assert read["relevance"].tolist() == [[1.0, 2.0]]
    assert read["method"] == "GradientTimesInput()"


def test_several_methods_make_one_sheet_and_a_file_each(tmp_path: Path) -> None:
    model, x, net = pictures(tmp_path)
    methods = ("-m", "gradient", "-m", "integrated_gradients", "-m", "epsilon_plus", "--set", "rule=exact")
    done = run("attribute", model, x, *methods, "-o", tmp_path / "o", "--float64")
    assert (done.exit_code, done.stderr) == (0, "")
    names = sorted(p.name for p in (tmp_path / "o").iterdir())
    assert len([n for n in names if n.endswith(".png")]) == 3
    assert len([n for n in names if n.endswith(".npz")]) == 9
    saved = lrp.load_relevance(next((tmp_path / "o").glob("x_1_integrated*.npz")))
    expected = lrp.attribute(net, np.load(x)[1:2], "integrated_gradients", rule="exact")
    assert np.abs(saved["relevance"] - expected.relevance).max() <= 1e-14
    assert abs(saved["explained"] - expected.explained).max() <= 1e-14


def test_parameters_of_one_method_of_several_and_of_a_file(tmp_path: Path) -> None:
    x = array(tmp_path / "x.npy", [[1.0, 1.0]])
    array(tmp_path / "b.npy", [0.5, 0.0])
    given = ("--set", f"deeplift.baseline={tmp_path / 'b.npy'}", "--set", "sensitivity.power=1", "-t", "1")
    done = run(
        "attribute", dense_model(tmp_path), x, "-m", "deeplift", "-m", "sensitivity", *given, "-o", tmp_path / "o"
    )
    assert (done.exit_code, done.stderr) == (0, "")
    saved = {p.stem: lrp.load_relevance(p)["relevance"].tolist() for p in (tmp_path / "o").glob("*.npz")}
    assert sorted(map(str, saved.values())) == sorted(["[[-0.5, 3.0]]", "[[1.0, 3.0]]"])


@pytest.mark.parametrize("command", ["attribute", "compare"])
def test_a_baseline_is_that_of_every_method_that_has_one(tmp_path: Path, command: str) -> None:
    x = array(tmp_path / "x.npy", [[1.0, 1.0]])
    model, name = dense_model(tmp_path), "-m" if command == "attribute" else "--methods"
    file = array(tmp_path / "b.npy", [0.5, 0.0])
    for value, text in (("0.25", "baseline=0.25"), (file, "baseline=")):
        done = run(command, model, x, name, "integrated_gradients", "--baseline", value, "-o", tmp_path / "o")
        assert done.exit_code == 0
        assert text in done.stdout
    done = run(command, model, x, name, "gradient", "--baseline", "0", "-o", tmp_path / "o")
    assert (done.exit_code, "gradient takes no parameters" in done.stderr) == (2, True)
    wrong = array(tmp_path / "wrong.npy", np.zeros(3))
    done = run(command, model, x, name, "deeplift", "--baseline", wrong, "-o", tmp_path / "o")
    assert (done.exit_code, "(3,)" in done.stderr, done.stderr.count("\n")) == (2, True, 1)


def test_what_compare_writes(tmp_path: Path) -> None:
    model, x, net = pictures(tmp_path)
    done = run("compare", model, x, "--methods", "gradient,epsilon_plus", "--measures", "gini", "-o", tmp_path / "o")
    assert done.exit_code == 0
    told = json.loads((tmp_path / "o" / "comparison.json").read_text())
    assert told["maps"] == ["gradient", "epsilon_plus", "random"]
    assert told["targets"] == net.forward(np.load(x)).argmax(axis=1).tolist()
    gradient = lrp.attribute(net, np.load(x), "gradient").relevance  # of the logit, below the softmax
    assert np.abs(np.array(told["values"][0][0]) - lrp.evaluate.gini(gradient)).max() <= 1e-12
    with Image.open(tmp_path / "o" / "comparison.png") as image:
        assert image.size[0] > 200


def test_what_evaluate_writes(tmp_path: Path) -> None:
    model, _, net = pictures(tmp_path)
    data = RNG.normal(size=(12, 1, 6, 6))
    np.savez(tmp_path / "set.npz", images=data, labels=np.zeros(12, dtype=int))
    masks = np.zeros((12, 6, 6), dtype=bool)
    masks[:, 1:4, 2:5] = True
    np.savez(tmp_path / "masks.npz", masks=masks)
    done = run(
        "evaluate", model, tmp_path / "set.npz", "--methods", "gradient_x_input,occlusion", "--measures",
        "pixel_flipping,pointing_game", "--masks", tmp_path / "masks.npz", "-o", tmp_path / "o",
    )  # fmt: skip
    assert done.exit_code == 0
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == ["evaluation.json", "pixel_flipping.png", "scores.png"]
    told = json.loads((tmp_path / "o" / "evaluation.json").read_text())
    assert (told["samples"], told["seed"]) == (12, 0)
    maps = lrp.attribute(net, data, "gradient_x_input").relevance
    hits = lrp.evaluate.pointing_game(maps, masks)
    assert told["values"][0][1] == hits.tolist()


def test_methods_and_measures_are_listed() -> None:
    assert all(name in run("methods").stdout for name in METHODS)
    assert all(name in run("measures").stdout for name in MEASURES)


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (("attribute", "-m", "gradeint"), "did you mean 'gradient'"),
        (("attribute", "-m", "sensitivity", "--set", "pwoer=1"), "did you mean 'power'"),
        (("attribute", "-m", "sensitivity", "--set", "power"), "write it like"),
        (("attribute", "-m", "gradient", "--set", "power=1"), "takes no parameters"),
        (("attribute", "-m", "deeplift", "--set", "baseline=none.npy"), "no such file"),
        (("attribute", "-m", "occlusion", "--set", "other.patch=2"), "unknown method of --set"),
        (("attribute", "-m", "grad_cam", "--set", "at=cnov"), "did you mean 'conv'"),
        (("attribute", "-m", "cam", "--dialect", "zennit-1.0"), "has no method 'cam'"),
        (("attribute", "-m", "epsilon", "--dialect", "zennit-1.0"), "is of methods"),
        (("attribute", "-m", "gradient", "-t", "1", "--against", "1"), "two different outputs"),
        (("attribute", "-m", "gradient", "--start", "contrastive"), "only LRP takes others"),
        (("compare", "--methods", "gradient", "--measures", "ginni"), "did you mean 'gini'"),
        (("compare", "--methods", "gradient", "--measures", "pointing_game"), "needs masks"),
        (("compare", "--methods", ","), "empty list"),
        (("evaluate", "--methods", "gradient", "--masks", "none.npy"), "no such file"),
    ],
)
def test_errors_in_one_line(tmp_path: Path, command: tuple[str, ...], text: str) -> None:
    model, x, _ = pictures(tmp_path)
    done = run(command[0], model, x, *command[1:], "-o", tmp_path / "o")
    assert done.exit_code == 2
    assert text in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "o").exists()


def test_masks_of_another_size_are_refused(tmp_path: Path) -> None:
    model, x, _ = pictures(tmp_path)
    masks = array(tmp_path / "m.npy", np.zeros((3, 5, 5)))
    done = run("compare", model, x, "--methods", "gradient", "--masks", masks, "-o", tmp_path / "o")
    assert done.exit_code == 2
    assert "m.npy: masks have shape (3, 5, 5) for maps of shape (3, 1, 6, 6)" in done.stderr


def test_a_method_that_cannot_is_left_out_and_said(tmp_path: Path) -> None:
    model, x, _ = pictures(tmp_path)
    done = run("compare", model, x, "--methods", "cam,gradient", "--measures", "gini", "-o", tmp_path / "o")
    assert done.exit_code == 0
    assert "cam is left out" in done.stderr
    told = json.loads((tmp_path / "o" / "comparison.json").read_text())
    assert list(told["left_out"]) == ["cam"]
