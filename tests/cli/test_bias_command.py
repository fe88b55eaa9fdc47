"""--bias and the sidecar's policy: on every command, in what is printed and in what is written."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import run
from PIL import Image

import lrp_ref as lrp
from lrp_ref import loaders
from lrp_ref.errors import ModelFormatError, NonFiniteError
from lrp_ref.layers import Conv, Dense, Flatten
from lrp_ref.loaders.preprocess import parse_sidecar

PHOTO = {
    "kind": "image", "size": [1, 2], "channels": "L", "layout": "NCHW", "mean": 0, "scale": 0.25, "resize": "stretch",
}  # fmt: skip


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """z = a_1 + a_2 + 2 of two pixels 4 and 20, scaled by a quarter to a = (1, 5): z = 8."""
    net = lrp.Network.sequential([Flatten(), Dense(np.array([[1.0], [1.0]]), np.array([2.0]))])
    loaders.save(net, tmp_path / "net.npz")
    write(tmp_path)
    Image.fromarray(np.array([[4, 20]], dtype=np.uint8)).save(tmp_path / "photo.png")
    return tmp_path / "net.npz"


def write(folder: Path, **keys: Any) -> None:
    (folder / "net.json").write_text(json.dumps({"input": PHOTO, "composite": "lrp0", **keys}))


def explained(model: Path, *options: object) -> tuple[list[float], str, dict[str, Any]]:
    """Return the relevance of the pixels, what was printed, and the file."""
    out = model.parent / "out"
    done = run("explain", model, model.parent / "photo.png", "-o", out, *options)
    assert done.exit_code == 0, done.stderr
    found = lrp.load_relevance(out / "photo.npz")
    return found["relevance"].ravel().tolist(), done.stdout, found


def test_explain_under_every_policy(model: Path) -> None:
    """R = 8: a_i of absorb, a_i·8/6 of ignore, a_i + 2/2 of spread."""
    for options, relevance, policy in (
        ((), [1, 5], "absorb"), (("--bias", "absorb"), [1, 5], "absorb"),
        (("--bias", "ignore"), [8 / 6, 40 / 6], "ignore"), (("--bias", "spread"), [2, 6], "spread"),
    ):  # fmt: skip
        found, printed, file = explained(model, *options)
        assert all(math.isclose(a, b, rel_tol=1e-12) for a, b in zip(found, relevance, strict=True))
        assert file["bias"] == policy
        said = "composite lrp0, float64" if policy == "absorb" else f"composite lrp0, bias {policy}, float64"
        assert said in printed


def test_the_plan_names_the_policy(model: Path) -> None:
    _, printed, _ = explained(model, "--bias", "spread", "--plan")
    assert "LRP0(stabiliser=exact).with_bias('spread')" in printed


def test_the_picture_names_the_policy(model: Path) -> None:
    """The caption's line is drawn: a picture under another policy differs below the map in its text."""
    explained(model)
    absorb = np.asarray(Image.open(model.parent / "out" / "photo.png").convert("L"))
    explained(model, "--bias", "spread")
    spread = np.asarray(Image.open(model.parent / "out" / "photo.png").convert("L"))
    assert (spread < 128).sum() > (absorb < 128).sum()


def test_the_sidecars_policy_goes_with_its_composite(model: Path) -> None:
    write(model.parent, bias="ignore")
    assert explained(model)[2]["bias"] == "ignore"
    assert explained(model, "--bias", "spread")[2]["bias"] == "spread"
    assert explained(model, "--bias", "absorb")[2]["bias"] == "absorb"
    assert explained(model, "-c", "lrp0")[2]["bias"] == "absorb"
    assert explained(model, "-c", "gradient")[2]["bias"] == "absorb"
    assert run("show", model).stdout.splitlines()[-1] == "sidecar: image, 0 classes, composite lrp0, bias ignore"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"bias": "ignored"}, 'key \'bias\' must be one of "absorb", "ignore", "spread", "nonzero", got "ignored"'),
        ({"bias": 1}, "key 'bias' must be one of"),
        (
            {"composite": "gradient", "bias": "spread"},
            "key 'bias': composite 'gradient': bias='spread' says",
        ),
    ],
)
def test_a_sidecars_policy_that_is_none(model: Path, keys: dict[str, Any], words: str) -> None:
    write(model.parent, **keys)
    done = run("explain", model, model.parent / "photo.png")
    assert done.exit_code == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    with pytest.raises(ModelFormatError):
        parse_sidecar({"input": PHOTO, **keys})


def test_a_policy_that_is_none_and_one_that_says_nothing(model: Path) -> None:
    done = run("explain", model, model.parent / "photo.png", "--bias", "drop")
    assert done.exit_code == 2
    assert "'drop' is not one of 'absorb', 'ignore', 'spread', 'nonzero'" in done.stderr
    done = run("explain", model, model.parent / "photo.png", "-c", "guided_backprop", "--bias", "ignore")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert not (model.parent / "explanations").exists()


def test_formula_certify_and_check_take_the_policy(model: Path) -> None:
    pytest.importorskip("sympy")
    pytest.importorskip("flint")
    absorb, ignore = (run("formula", model, model.parent / "photo.png", "--bias", p) for p in ("absorb", "ignore"))
    assert "dense1 (Dense): R_i = Σ_j a_i·w_ij / (Σ_i a_i·w_ij + b_j)·R_j" in absorb.stdout.splitlines()
    assert "dense1 (Dense): R_i = Σ_j a_i·w_ij / (Σ_i a_i·w_ij)·R_j" in ignore.stdout.splitlines()
    file = model.parent / "c.json"
    done = run("certify", model, model.parent / "photo.png", "--bias", "spread", "-o", file)
    assert done.exit_code == 0, done.output
    assert json.loads(file.read_text())["request"]["parameters"] == {"bias": "spread"}
    assert run("verify", file).exit_code == 0
    every = run("check", model, model.parent / "photo.png", "--bias", "spread")
    assert every.exit_code == 0, every.output
    row = next(line for line in every.stdout.splitlines() if line.startswith("lrp0 "))
    assert row.split()[1:3] == ["8", "8"]
    assert any(line.startswith("gradient ") for line in every.stdout.splitlines())


def test_composites_lists_who_takes_a_policy() -> None:
    rows = {line.split()[0]: line for line in run("composites").stdout.splitlines() if line and line[0].isalpha()}
    assert rows["epsilon_plus"].rstrip().endswith("epsilon, stabiliser, bias, dialect")
    assert "bias" not in rows["gradient"]


def test_bounds_follow_the_sidecar_that_is_given(tmp_path: Path) -> None:
    """z = 2a + ½ at pixels of 4 grey levels: beside the model 0 to 63.75, in the other sidecar 0 to 255."""
    net = lrp.Network.sequential([Conv(np.full((1, 1, 1, 1), 2.0), np.array([0.5])), Flatten()])
    loaders.save(net, tmp_path / "net.npz")
    write(tmp_path, composite="epsilon_gamma_box")
    (tmp_path / "other.json").write_text(json.dumps({"input": {**PHOTO, "scale": 1}, "composite": "epsilon_gamma_box"}))
    Image.fromarray(np.array([[4, 20]], dtype=np.uint8)).save(tmp_path / "photo.png")
    assert "range of input: 0 to 63.75" in run("show", tmp_path / "net.npz").stdout.splitlines()
    for given, high in (((), 63.75), (("--sidecar", tmp_path / "other.json"), 255.0), (("--high", 9), 9.0)):
        done = run("explain", tmp_path / "net.npz", tmp_path / "photo.png", "-o", tmp_path / "o", "--plan", *given)
        assert done.exit_code == 0, done.stderr
        assert f"high={high}" in done.stdout
    done = run("explain", tmp_path / "net.npz", tmp_path / "photo.png", "-o", tmp_path / "o", "--high", 3)
    assert "1 of 2 values that node 'conv1' reads (1 to 5) are beyond the bounds 0 to 3 of its z^B-rule" in done.stdout


def test_relevance_that_rounding_has_taken_is_told(tmp_path: Path) -> None:
    """Without its bias z = 0.7·(a_1 − a_2) is 3e-16, one rounding of its terms, and so is the relevance it divides."""
    first = Dense(np.array([[0.7, 0.3], [-0.7, -0.3]]), np.array([1.0, 2.0]))
    net = lrp.Network.sequential([first, Dense(np.array([[1.0], [1.0]]) / 3)])
    loaders.save(net, tmp_path / "net.npz")
    np.save(tmp_path / "x.npy", np.array([[3.3, np.nextafter(3.3, 0)]]))
    command = "explain", tmp_path / "net.npz", tmp_path / "x.npy", "-c", "lrp0", "-o", tmp_path / "o"
    done = run(*command, "--bias", "ignore")
    assert (done.exit_code, "note: rounding is 1e+00 of the start relevance" in done.stdout) == (0, True), done.stdout
    done = run(*command)  # the advice works
    assert (done.exit_code, "note: rounding" in done.stdout) == (0, False)


def vanishing(folder: Path, layers: int = 12) -> Path:
    """Return a chain (a, a′) → (a − a′ + 1, (a + a′)/2 + 5e-5), which keeps (1 − 1e-4, 1) as it is.

    Without its bias the first denominator is −1e-4, of terms near ±1: each layer multiplies relevance by 1e4.
    """
    one = Dense(np.array([[1.0, 0.5], [-1.0, 0.5]], dtype="f4"), np.array([1.0, 5e-5], dtype="f4"))
    loaders.save(lrp.Network.sequential([one] * layers), folder / "deep.npz")
    np.save(folder / "x.npy", np.array([[1 - 1e-4, 1.0]], dtype="f4"))
    return folder / "deep.npz"


def test_relevance_that_is_not_finite_says_what_to_take(tmp_path: Path) -> None:
    """Each way that the error names works, on the command line and in Python."""
    model, words = vanishing(tmp_path), "take bias='absorb' (--bias absorb) or composite='excitation_backprop' (-c"
    command = "explain", model, tmp_path / "x.npy", "-t", 0, "-o", tmp_path / "o"
    done = run(*command, "-c", "lrp0", "--bias", "ignore")
    assert (done.exit_code, done.stderr.count("\n"), words in done.stderr) == (2, 1, True), done.output
    assert "the relevance of its input has 2 values that are not finite; the first is" in done.stderr
    net, x = loaders.load(model), np.load(tmp_path / "x.npy")
    with pytest.raises(NonFiniteError, match="take bias='absorb'") as caught:
        lrp.explain(net, x, target=0, composite="lrp0", bias="ignore")
    assert caught.value.node in {node.name for node in net.nodes}
    assert run(*command, "-c", "lrp0", "--bias", "absorb").exit_code == 0
    assert run(*command, "-c", "excitation_backprop", "--bias", "ignore").exit_code == 0
    lrp.explain(net, x, target=0, composite="lrp0", bias="absorb")
    lrp.explain(net, x, target=0, composite="excitation_backprop", bias="ignore")


def test_relevance_beyond_float32_under_the_papers_denominators(tmp_path: Path) -> None:
    """R = z·(1 + 1e38/z) of z = 1 − (1 − 6e-8): a share a/z·R is beyond float32."""
    net = lrp.Network.sequential([Dense(np.array([[1.0], [-1.0]], dtype="f4"))])
    x = np.array([[1.0, np.nextafter(np.float32(1), np.float32(0))]], dtype="f4")  # z = 6e-8: R grows by 1.7e7
    loaders.save(net, tmp_path / "net.npz")
    np.save(tmp_path / "x.npy", x)
    command = "explain", tmp_path / "net.npz", tmp_path / "x.npy", "--start", "reference=-1e38", "-o", tmp_path / "o"
    done = run(*command, "-c", "lrp0")
    words = "take composite='excitation_backprop' (-c excitation_backprop) or float64 inputs (--float64)"
    assert (done.exit_code, words in done.stderr) == (2, True), done.output
    assert run(*command, "-c", "lrp0", "--float64").exit_code == 0
    assert run(*command, "-c", "excitation_backprop").exit_code == 0


def test_the_note_on_biases_does_not_promise_what_policies_cannot_give(tmp_path: Path) -> None:
    """z = a + 9 of a = 1: nine tenths of R are the bias's."""
    loaders.save(lrp.Network.sequential([Dense(np.ones((1, 1)), np.array([9.0]))]), tmp_path / "net.npz")
    np.save(tmp_path / "x.npy", np.ones((1, 1)))
    done = run("explain", tmp_path / "net.npz", tmp_path / "x.npy", "-c", "lrp0", "-o", tmp_path / "o")
    assert (
        "note: 90.0 % went to biases, whose share no input carries: what is told of the inputs is the 10.0 % that "
        "reached the input. --bias ignore and --bias spread share it otherwise, but make noise where biases are so "
        "large: compare a second composite (-c) instead"
    ) in done.stdout.splitlines()


def test_biases_that_took_more_than_started_are_no_part_of_a_whole(tmp_path: Path) -> None:
    """z = a + 3 of a = −2: R = 1, of which the bias takes 3 and the input −2; policies are no advice there."""
    loaders.save(lrp.Network.sequential([Dense(np.ones((1, 1)), np.array([3.0]))]), tmp_path / "net.npz")
    np.save(tmp_path / "x.npy", np.full((1, 1), -2.0))
    done = run("explain", tmp_path / "net.npz", tmp_path / "x.npy", "-c", "lrp0", "-o", tmp_path / "o")
    assert (
        "note: biases took 300.0 %, more than what started: the input carries -200.0 %. Where both are many times the "
        "start they cancel, and tell little: take another composite (-c), for a transformer attnlrp or cp_lrp"
    ) in done.stdout.splitlines()
    assert "--bias" not in done.stdout


def test_relevance_that_has_grown_is_told_and_fits_a_column(tmp_path: Path) -> None:
    """Rounding counts against what started: against sums of 1e20 it would look like nothing."""
    model = vanishing(tmp_path)
    command = "explain", model, tmp_path / "x.npy", "-c", "lrp0", "--bias", "ignore", "--float64", "-o", tmp_path / "o"
    done = run(*command)
    assert done.exit_code == 0, done.output
    assert "note: rounding is " in done.stdout
    assert max(len(line) for line in done.stdout.splitlines() if "%" in line and "note" not in line) < 80


def test_a_start_that_adds_up_to_nothing_has_no_shares(tmp_path: Path) -> None:
    """Contrastive: f_t − Σ_others f_t/(K − 1) = 0 but for rounding, which is no whole that percents are parts of."""
    loaders.save(lrp.Network.sequential([Dense(np.eye(10, dtype="f4"), np.ones(10, dtype="f4"))]), tmp_path / "n.npz")
    command = "explain", tmp_path / "n.npz", tmp_path / "x.npy", "--start", "contrastive", "-o", tmp_path / "o"
    rounded = 0
    for seed in range(12):
        np.save(tmp_path / "x.npy", np.random.default_rng(seed).standard_normal((1, 10)).astype("f4"))
        done = run(*command)
        assert done.exit_code == 0, done.output
        table = done.stdout[done.stdout.index("\nrelevance of") :]
        rounded += "\nstart                         0" not in table
        assert "%" not in table, table
    assert rounded
