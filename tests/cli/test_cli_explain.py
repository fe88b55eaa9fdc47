"""``lrp-ref explain``: many inputs, several composites, one output against another, what is drawn and what is said."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import CATS, WEIGHT, array, dense_model, pixel_model, run
from PIL import Image

from lrp_ref import Network, heatmap, layers, load_relevance, loaders, rules
from lrp_ref.base import tables
from lrp_ref.cli import drawing, job, output
from lrp_ref.cli.options import with_rules
from lrp_ref.errors import ParameterError
from lrp_ref.heatmap import output as pictures
from lrp_ref.network import Input, Node
from lrp_ref.propagation import files
from lrp_ref.propagation.composites import get

ROOT = Path(__file__).parents[2]
RNG = np.random.default_rng(15)


def saved(net: Network, path: Path) -> Path:
    loaders.save(net, path)
    return path


@pytest.fixture
def dense(tmp_path: Path) -> Path:
    """z = (x₁ + 2x₂ + ½, −x₁ + 3x₂ − 1)."""
    return dense_model(tmp_path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A network of four pixels, z = (Σx, Σx/2, −Σx), with a sidecar, and a folder of five pictures."""
    (tmp_path / "pics").mkdir()
    for k in range(5):
        pixels = np.array([[4, 8], [12, 16]], dtype=np.uint8) + np.uint8(4 * k)
        Image.fromarray(pixels).save(tmp_path / "pics" / f"p{k}.png")
    return pixel_model(tmp_path, classes=CATS)


def relevance(path: Path) -> Any:
    return load_relevance(path)["relevance"]


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def stamps(folder: Path) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}


# A batch is its samples ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, None])
@pytest.mark.parametrize("start", ["contrastive", "softmax_gradient", "log_odds", "logit"])
def test_the_ledger_of_a_sample_does_not_depend_on_its_batch(
    dense: Path, tmp_path: Path, start: str, size: Any
) -> None:
    """A start that adds up to 0 is measured by its absolute values, in a batch as alone."""
    x = array(tmp_path / "x.npy", [[3.0, 1.0], [1.0, -2.0], [0.5, 2.0]])
    options = [] if size is None else ["--batch-size", size]
    done = run("explain", dense, x, "--start", start, "-o", tmp_path / "out", *options)
    assert (done.exit_code, done.stderr) == (0, "")
    for line in done.stdout.splitlines():
        assert float(line.split("ledger residual ")[1].split(";")[0]) < 1e-14, line


def test_the_program_chooses_the_batch(dense: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two numbers a sample: as many as a batch may have. With a wide layer: what fits into the working memory."""
    sizes: list[int] = []
    plain = job.explain_network

    def recorded(net: Network, x: dict[str, Any], **options: Any) -> Any:
        sizes.append(len(next(iter(x.values()))))
        return plain(net, x, **options)

    monkeypatch.setattr("lrp_ref.cli.job.explain_network", recorded)
    run("explain", dense, array(tmp_path / "x.npy", RNG.normal(size=(70, 2))), "-o", tmp_path / "o")
    assert sizes == [64, 6]
    sizes.clear()
    wide = saved(
        Network.sequential([layers.Dense(np.ones((2, 1000))), layers.Dense(np.ones((1000, 2)))]), tmp_path / "w.npz"
    )
    monkeypatch.setattr(
        "lrp_ref.propagation.prepare.WORKING_BYTES", 3 * 8 * 1004 + 5
    )  # 2 + 1000 + 2 numbers a sample, 8 bytes each
    run("explain", wide, array(tmp_path / "y.npy", RNG.normal(size=(7, 2))), "-o", tmp_path / "o2")
    assert sizes == [3, 3, 1]
    sizes.clear()
    run("explain", wide, tmp_path / "y.npy", "-o", tmp_path / "o3", "--batch-size", 5)
    assert sizes == [5, 2]


# Targets ---------------------------------------------------------------------------------------------------------


def test_one_unit_of_a_map(tmp_path: Path) -> None:
    """A 1×1 convolution: R of unit (c, h, w) is w_c·x[h, w] there, and 0 elsewhere."""
    weight = np.array([2.0, -3.0, 5.0])
    net = saved(Network.sequential([layers.Conv(weight.reshape(3, 1, 1, 1))]), tmp_path / "map.npz")
    x = RNG.normal(size=(3, 1, 2, 4))
    done = run("explain", net, array(tmp_path / "x.npy", x), "-c", "lrp0", "-t", "2,1,0", "-o", tmp_path / "o")
    assert done.exit_code == 0, done.stderr
    assert all("output (2, 1, 0)" in line for line in done.stdout.splitlines())
    for k in range(3):
        expected = np.zeros((1, 1, 2, 4))
        expected[0, 0, 1, 0] = 5 * x[k, 0, 1, 0]
        np.testing.assert_allclose(relevance(tmp_path / "o" / f"x_{k}.npz"), expected, rtol=1e-15)
    for wrong, words in (
        ("2,1", "a tuple is one index into a sample's output, here of shape (3, 2, 4)"),
        ("3,0,0", "out of range"),
    ):
        failed = run("explain", net, tmp_path / "x.npy", "-t", wrong, "-o", tmp_path / "o2")
        assert (failed.exit_code, failed.stderr.count("\n")) == (2, 1)
        assert words in failed.stderr
    # Two names of one output are one result.
    run("explain", net, tmp_path / "x.npy", "-t", "2,1,0", "-t", 20, "-o", tmp_path / "o3")
    assert names(tmp_path / "o3") == sorted(f"x_{k}_target20.{s}" for k in range(3) for s in ("npz", "png"))


def test_a_target_that_the_start_does_not_look_at_is_said(photos: Path, tmp_path: Path) -> None:
    command = "explain", photos, tmp_path / "pics" / "p0.png", "-o", tmp_path / "o", "--start", "positive"
    for given, name in ((("-t", 1), "--target"), (("--top", 2), "--top")):
        done = run(*command, *given)
        assert done.exit_code == 0
        assert f"{name} has no effect on relevance: the start 'positive' is every positive output" in done.stderr
    assert not run(*command).stderr


def test_a_sheet_names_bias_policies_and_rules(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    plain = heatmap.grid

    def grid(*a: Any, **k: Any) -> Any:
        seen.append(k["column_labels"])
        return plain(*a, **k)

    monkeypatch.setattr(heatmap, "grid", grid)
    command = "explain", photos, tmp_path / "pics" / "p0.png", "-o", tmp_path / "o", "-c", "epsilon", "-c", "gradient"
    assert run(*command, "--bias", "ignore").exit_code == 0
    assert run(*command, "--rule", "Dense=Zero").exit_code == 0
    assert seen == [["epsilon, bias ignore", "gradient"], ["epsilon, Dense=Zero", "gradient, Dense=Zero"]]


def test_places_of_a_map_have_no_softmax(tmp_path: Path) -> None:
    """They do not compete for one class: a share of e^z over all places would be no probability."""
    model = saved(Network.sequential([layers.Conv(np.ones((2, 1, 1, 1)))]), tmp_path / "map.npz")
    done = run("explain", model, array(tmp_path / "x.npy", np.ones((1, 1, 2, 2))), "-o", tmp_path / "o")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0].split() == ["output", "class", "value"]
    several = run("explain", model, array(tmp_path / "y.npy", np.ones((2, 1, 2, 2))), "-o", tmp_path / "o")
    assert several.stdout.startswith("y_0: output (0, 0, 0); relevance 1, ")


def test_a_sum_of_outputs_is_said(photos: Path, tmp_path: Path) -> None:
    done = run(
        "explain",
        photos,
        tmp_path / "pics" / "p0.png",
        "-t",
        "0+tiger",
        "-o",
        tmp_path / "o",
        "--ledger-file",
        tmp_path / "l.json",
    )
    assert done.exit_code == 0
    assert "\nrelevance of sum of Egyptian cat, tiger cat, start Logit()" in done.stdout
    assert relevance(tmp_path / "o" / "p0.npz").ravel().tolist() == [1.5, 3.0, 4.5, 6.0]  # weight 1 + ½
    assert {row["target"] for row in json.loads((tmp_path / "l.json").read_text())} == {"sum of outputs 0, 1"}


@pytest.mark.parametrize("against", ["2", "catam"])
def test_one_class_against_another(photos: Path, tmp_path: Path, against: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """f₁ − f₂ = Σ (½ + 1)·x; one picture, whose title names both."""
    drawn: list[dict[str, Any]] = []
    plain = heatmap.panel
    monkeypatch.setattr(heatmap, "panel", lambda *a, **k: drawn.append(k) or plain(*a, **k))
    done = run(
        "explain", photos, tmp_path / "pics" / "p0.png", "-t", "tiger", "--against", against, "-o", tmp_path / "o"
    )
    assert (done.exit_code, done.stderr) == (0, "")
    assert names(tmp_path / "o") == ["p0.npz", "p0.png"]
    held = load_relevance(tmp_path / "o" / "p0.npz")
    assert held["relevance"].ravel().tolist() == [1.5, 3.0, 4.5, 6.0]
    assert (held["target"].tolist(), held["against"].tolist(), held["start"]) == ([[1]], [2], "Difference(against=2)")
    assert held["start_relevance"].tolist() == [[0, 5, 10]]
    assert [d["prediction"] for d in drawn] == ["tiger cat against catamaran (predicted: Egyptian cat, 99 %)"]
    assert "relevance of tiger cat against catamaran" in done.stdout


AGAINST: dict[str, tuple[list[object], str]] = {
    "another start": (["--against", 1, "--start", "one_hot"], "leave out --start one_hot, or --against"),
    "no other class": (["--start", "difference"], "add --against CLASS"),
    "the same class": (["-t", "tiger", "--against", 1], "give two different outputs"),
    "the prediction": (["--against", 0], "output 0 is the prediction of sample 0"),
    "out of range": (["--against", 3], "against 3 is out of range: the output has 3 classes, 0 to 2"),
    "unknown": (["--against", "tigre cat"], "did you mean 'tiger cat' (1)"),
    "the largest ones": (["--against", 1, "--top", 2], "--against and --top exclude each other"),
    "several": (["--against", "1+2"], "sets one output against the target, not 2"),
    "ledgers of nothing": (["--ledger-file", "l.csv", "--skip-existing"], "--ledger-file and --skip-existing exclude"),
    "no parameter of any": (["-c", "lrp0", "-c", "epsilon", "--gamma", 1], "not 'gamma'"),
    "limit": (["--limit", "-1"], "a limit is a positive finite number"),
}


@pytest.mark.parametrize("case", AGAINST)
def test_options_that_contradict_each_other(case: str, photos: Path, tmp_path: Path) -> None:
    options, words = AGAINST[case]
    done = run("explain", photos, tmp_path / "pics" / "p0.png", "-o", tmp_path / "o", *options)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("lrp-ref: error: ")
    assert words in done.stderr
    assert not (tmp_path / "o").exists()


def test_a_sample_that_is_predicted_as_the_other_class_alone_is_refused(dense: Path, tmp_path: Path) -> None:
    """z = (5.5, −1) and (0.5, 2): against 1, only the first has another prediction; R = x·(w₀ − w₁) = (6, −1)."""
    x = array(tmp_path / "x.npy", [[3.0, 1.0], [-2.0, 1.0]])
    done = run("explain", dense, x, "--against", 1, "-c", "lrp0", "-o", tmp_path / "o")
    assert done.exit_code == 1
    assert done.stderr.splitlines()[0] == "lrp-ref: 1 of 2 inputs is refused"
    assert "x.npy, sample 1: output 1 is the prediction" in done.stderr
    assert names(tmp_path / "o") == ["x_0.npz"]
    assert relevance(tmp_path / "o" / "x_0.npz").tolist() == [[6.0, -1.0]]


# Several composites ----------------------------------------------------------------------------------------------


def test_several_composites_are_one_sheet_with_one_scale(photos: Path, tmp_path: Path) -> None:
    """LRP-0 gives w·x, the derivative f·w from the same start; the largest |R| of the sheet is f₀ = 10."""
    options = ["-c", "lrp0", "-c", "gradient", "-t", 0, "-t", 1, "-o", tmp_path / "o"]
    done = run("explain", photos, tmp_path / "pics" / "p0.png", *options)
    assert (done.exit_code, done.stderr) == (0, "")
    stems = [f"p0_{name}_target{t}" for name in ("gradient", "lrp0") for t in (0, 1)]
    assert names(tmp_path / "o") == ["p0.png", *(f"{s}.npz" for s in stems)]
    for t, weight in ((0, 1.0), (1, 0.5)):
        assert relevance(tmp_path / "o" / f"p0_lrp0_target{t}.npz").ravel().tolist() == [
            weight * k for k in (1, 2, 3, 4)
        ]
        assert relevance(tmp_path / "o" / f"p0_gradient_target{t}.npz").ravel().tolist() == [10 * weight**2] * 4
    with Image.open(tmp_path / "o" / "p0.png") as image:
        assert image.info["relevance_limits"] == "((10.0, 10.0), (10.0, 10.0))"
    assert [line.split(", ")[-2] for line in done.stdout.splitlines() if line.startswith("relevance of")] == [
        "composite lrp0", "composite lrp0", "composite gradient", "composite gradient",
    ]  # fmt: skip


def test_the_sheet_of_a_signal(tmp_path: Path) -> None:
    weight = RNG.normal(size=(3, 2, 5))
    net = Network.sequential([layers.Conv(weight, padding=2), layers.Flatten(), layers.Dense(RNG.normal(size=(60, 2)))])
    x = array(tmp_path / "x.npy", RNG.normal(size=(1, 2, 20)))
    saved(net, tmp_path / "net.npz")
    done = run(
        "explain", tmp_path / "net.npz", x, "-c", "lrp0", "-c", "epsilon", "-t", 0, "-t", 1, "-o", tmp_path / "o"
    )
    assert (done.exit_code, done.stderr) == (0, "")
    largest = max(np.abs(relevance(p)).max() for p in (tmp_path / "o").glob("*.npz"))
    with Image.open(tmp_path / "o" / "x.png") as image:
        assert float(image.info["relevance_limit"]) == largest


def test_a_composite_that_is_hardly_seen_is_said(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """x = 63 and w = 10 four times: LRP-0 gives w·x = 630, the derivative f·w = 25,200; the limit advised is 630."""
    drawn: list[dict[str, Any]] = []
    plain = heatmap.grid
    monkeypatch.setattr(heatmap, "grid", lambda *a, **k: drawn.append(k) or plain(*a, **k))
    saved(Network.sequential([layers.Flatten(), layers.Dense(10 * WEIGHT)]), photos)
    Image.fromarray(np.full((2, 2), 252, dtype=np.uint8)).save(tmp_path / "white.png")
    command = ["explain", photos, tmp_path / "white.png", "-c", "lrp0", "-c", "gradient", "-o", tmp_path / "o"]
    assert run(*command).exit_code == 0
    assert drawn[0]["remark"] == "lrp0 is faint beside gradient on one scale: --limit 6.3e+02 shows it"
    assert run(*command, "--limit", "6.3e+02").exit_code == 0
    assert (drawn[1]["remark"], drawn[1]["limit"]) == ("", 630.0)


def test_parameters_go_to_the_composites_that_take_them(dense: Path, tmp_path: Path) -> None:
    x = array(tmp_path / "x.npy", [[3.0, 1.0]])
    options = ["-c", "lrp0", "-c", "epsilon", "--epsilon", 0.5, "-t", 0, "-o", tmp_path / "o"]
    assert run("explain", dense, x, *options).exit_code == 0
    assert relevance(tmp_path / "o" / "x_lrp0.npz").tolist() == [[3.0, 2.0]]
    np.testing.assert_allclose(relevance(tmp_path / "o" / "x_epsilon.npz"), [[3 * 5.5 / 6, 2 * 5.5 / 6]], rtol=1e-15)


# What is drawn ---------------------------------------------------------------------------------------------------


def signal_net(shape: tuple[int, ...], tmp_path: Path) -> Path:
    size = int(np.prod(shape))
    return saved(Network.sequential([layers.Flatten(), layers.Dense(np.ones((size, 2)))]), tmp_path / "net.npz")


@pytest.mark.parametrize(
    ("shape", "form"),
    [((30,), "series"), ((1, 30), "series"), ((3, 30), "series"), ((60, 30), "map"), ((2, 9, 9), "map"),
     ((15,), ""), ((2, 3, 4, 5), "")],
)  # fmt: skip
def test_what_is_drawn_without_a_sidecar(shape: tuple[int, ...], form: str, tmp_path: Path) -> None:
    done = run(
        "explain",
        signal_net(shape, tmp_path),
        array(tmp_path / "x.npy", RNG.normal(size=(1, *shape))),
        "-o",
        tmp_path / "o",
    )
    assert (done.exit_code, done.stderr) == (0, "")
    assert names(tmp_path / "o") == (["x.npz", "x.png"] if form else ["x.npz"])


def test_a_signal_obeys_the_colour_map(tmp_path: Path) -> None:
    """All relevances are positive and equal: the plot's colour is the map's end."""
    net, x = signal_net((1, 40), tmp_path), array(tmp_path / "x.npy", np.full((1, 1, 40), 2.0))
    for cmap, end in (("bwr", (255, 0, 0)), ("purple-green", (11, 74, 30))):
        assert run("explain", net, x, "--cmap", cmap, "-o", tmp_path / cmap).exit_code == 0
        with Image.open(tmp_path / cmap / "x.png") as image:
            colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 24)}
        assert end in colours


def test_axes_are_named_by_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []
    plain = heatmap.series
    monkeypatch.setattr(heatmap, "series", lambda *a, **k: seen.append(k | {"shape": a[0].shape}) or plain(*a, **k))
    x = array(tmp_path / "x.npy", RNG.normal(size=(1, 3, 20)))
    net = signal_net((3, 20), tmp_path)
    run("explain", net, x, "-o", tmp_path / "a")
    for step in ({}, {"step": "frame"}):
        layout = {"kind": "series", "layout": "NTC", **step}
        (tmp_path / "s.json").write_text(json.dumps({"input": layout}))
        run("explain", net, x, "-o", tmp_path / "a", "--sidecar", tmp_path / "s.json")
    assert [(s["axis"], s["shape"]) for s in seen] == [("sample", (3, 20)), ("time step", (20, 3)), ("frame", (20, 3))]
    assert seen[0]["channel_names"] == ["channel 0", "channel 1", "channel 2"]


def test_the_channels_of_an_lstm_come_last(tmp_path: Path) -> None:
    lstm = layers.LSTM(RNG.normal(size=(1, 4, 2, 3)), RNG.normal(size=(1, 4, 2, 2)), RNG.normal(size=(1, 4, 2)))
    conv = layers.Conv(RNG.normal(size=(2, 3, 2)))
    turn = layers.Transpose((0, 2, 1))
    for nodes, last in (([lstm], True), ([conv], False), ([turn, conv], True), ([layers.ReLU(), turn, lstm], False)):
        assert drawing._channels_last(Network.sequential(nodes)) is last


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ((3,), ["--cmap", "soft", "--size", 9], "--cmap, --size have no effect: a vector of 3 numbers has no picture"),
        ((1, 30), ["--smooth", "--cmap", "soft"], "--smooth has no effect: a signal is drawn in a size of its own"),
        ((2, 3, 4, 5), ["--limit", "9"], "--limit has no effect: an array of 4 axes has no picture"),
        ((2, 9, 9), ["--smooth", "--cmap", "soft", "--size", 50, "--limit", "9"], ""),
    ],
)
def test_no_option_is_ignored_without_a_word(shape: Any, options: list[object], words: str, tmp_path: Path) -> None:
    x = array(tmp_path / "x.npy", RNG.normal(size=(3, *shape)))
    done = run("explain", signal_net(shape, tmp_path), x, "-o", tmp_path / "o", *options)
    assert done.exit_code == 0
    assert done.stderr.count("\n") == bool(words), "said once, not for each of three samples"
    assert words in done.stderr


def test_the_ledger_is_printed_for_each_of_several_inputs(dense: Path, tmp_path: Path) -> None:
    x = array(tmp_path / "x.npy", [[3.0, 1.0], [1.0, 1.0]])
    done = run("explain", dense, x, "-c", "lrp0", "--ledger", "-o", tmp_path / "o", "-t", 0)
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("fc ")]
    assert [r[2:5] for r in rows] == [["5.5", "5", "0.5"], ["3.5", "3", "0.5"]]


# A negative start ------------------------------------------------------------------------------------------------


def test_a_negative_start_is_said(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """f₂ = −10, all of its relevance is blue."""
    remarks: list[str] = []
    plain = heatmap.panel
    monkeypatch.setattr(heatmap, "panel", lambda *a, **k: remarks.append(k["remark"]) or plain(*a, **k))
    words = "the start itself is negative (-10): {} pulls the output down, {} pulls it up"
    for options, colours in (([], ("blue", "red")), (["--cmap", "purple-orange"], ("purple", "orange"))):
        done = run("explain", photos, tmp_path / "pics" / "p0.png", "-t", 2, "-o", tmp_path / "o", *options)
        assert remarks[-1] == words.format(*colours)
        assert done.stdout.count(words.format(*colours)) == 1
    done = run("explain", photos, tmp_path / "pics", "-t", 2, "-o", tmp_path / "o")
    assert sum("the start itself is negative" in line for line in done.stdout.splitlines()) == 5
    done = run("explain", photos, tmp_path / "pics" / "p0.png", "-o", tmp_path / "o")
    assert remarks[-1] == ""
    assert "is negative" not in done.stdout


# Many inputs -----------------------------------------------------------------------------------------------------


def test_a_damaged_picture_does_not_stop_the_others(photos: Path, tmp_path: Path) -> None:
    for name, content in (("p1.png", b"no picture"), ("p3.png", b"")):
        (tmp_path / "pics" / name).write_bytes(content)
    done = run("explain", photos, tmp_path / "pics", tmp_path / "none.png", "-o", tmp_path / "o")
    assert done.exit_code == 1
    assert names(tmp_path / "o") == [f"p{k}.{s}" for k in (0, 2, 4) for s in ("npz", "png")]
    pics = tmp_path / "pics"
    assert done.stderr.splitlines() == [
        "lrp-ref: 3 of 6 inputs are refused",
        f"  {tmp_path / 'none.png'}: there is no such file",
        f"  {pics / 'p1.png'}, {pics / 'p3.png'}: not a picture that Pillow can read",
    ]
    strict = run("explain", photos, tmp_path / "pics", "-o", tmp_path / "s", "--strict")
    assert (strict.exit_code, strict.stderr.count("\n")) == (2, 1)
    assert names(tmp_path / "s") == ["p0.npz", "p0.png"]


def test_inputs_that_are_all_refused_are_an_error(photos: Path, tmp_path: Path) -> None:
    for k in range(5):
        (tmp_path / "pics" / f"p{k}.png").write_bytes(b"")
    done = run("explain", photos, tmp_path / "pics", "-o", tmp_path / "o", "--ledger-file", tmp_path / "l.csv")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[0] == "lrp-ref: error: all 5 inputs are refused"
    assert not (tmp_path / "o").exists()
    assert not (tmp_path / "l.csv").exists()
    one = run("explain", photos, tmp_path / "pics" / "p0.png", "-o", tmp_path / "o")
    assert (one.exit_code, one.stderr.count("\n")) == (2, 1)


def test_samples_that_are_refused_alike_are_one_place(dense: Path, tmp_path: Path) -> None:
    """An array without its batch axis is read as many samples of a wrong shape: they are one line, not one each."""
    values = np.zeros((40, 7))
    done = run("explain", dense, array(tmp_path / "x.npy", values), array(tmp_path / "y.npy", values[:2]))
    places = f"{tmp_path / 'x.npy'}, samples 0 to 39, {tmp_path / 'y.npy'}, samples 0 to 1: "
    assert done.exit_code == 2
    assert done.stderr.splitlines()[1].startswith(f"  {places}node 'fc': Dense: input of shape (1, 7)"), done.stderr


def test_an_output_inside_that_the_classes_do_not_fit(photos: Path, tmp_path: Path) -> None:
    """The advice of the error works: a sidecar without classes."""
    described = json.loads(photos.with_suffix(".json").read_text())
    photos.with_suffix(".json").write_text(json.dumps({**described, "classes": ["a", "b", "c"]}))
    (tmp_path / "plain.json").write_text(json.dumps({k: v for k, v in described.items() if k != "classes"}))
    inner = loaders.load(photos).nodes[0].name
    command = "explain", photos, tmp_path / "pics" / "p0.png", "-o", tmp_path / "o", "--output", inner
    done = run(*command)
    assert (done.exit_code, "give it a --sidecar without 'classes'" in done.stderr) == (2, True), done.output
    assert run(*command, "--sidecar", tmp_path / "plain.json").exit_code == 0


def test_names_of_classes_stay_on_their_line(photos: Path, tmp_path: Path) -> None:
    described = json.loads(photos.with_suffix(".json").read_text())
    classes = ["a\x1b[31mred\x07\nb", "", "[bold]\u202ec"]
    photos.with_suffix(".json").write_text(json.dumps({**described, "classes": classes}))
    done = run("explain", photos, tmp_path / "pics" / "p0.png", "-o", tmp_path / "o", "--top", 3)
    assert done.exit_code == 0, done.output
    assert all(line.isprintable() for line in done.stdout.splitlines())
    said = {line.split(",")[0] for line in done.stdout.splitlines() if line.startswith("relevance of")}
    assert said == {"relevance of a [31mred b", "relevance of output 1", "relevance of [bold] c"}


@pytest.mark.parametrize("size", [1, 4, 9])
def test_a_bad_sample_does_not_take_its_neighbours_along(tmp_path: Path, size: int) -> None:
    """Samples with NaN are refused when they are read; −log 0 is met in the middle of the network, in a batch."""
    net = Network.sequential([layers.Dense(np.eye(2)), ("log", layers.Log()), layers.Dense(np.array([[1.0], [2.0]]))])
    saved(net, tmp_path / "net.npz")
    x = RNG.uniform(2, 3, size=(9, 2))
    x[2, 0], x[6, 1], x[4, 0] = np.nan, np.inf, 0
    done = run(
        "explain",
        tmp_path / "net.npz",
        array(tmp_path / "x.npy", x),
        "-c",
        "lrp0",
        "--batch-size",
        size,
        "-o",
        tmp_path / "o",
    )
    assert done.exit_code == 1
    good = [k for k in range(9) if k not in (2, 4, 6)]
    assert names(tmp_path / "o") == [f"x_{k}.npz" for k in good]
    for k in good:  # LRP-0 through log by its value: R = w·log x
        np.testing.assert_allclose(relevance(tmp_path / "o" / f"x_{k}.npz")[0], np.log(x[k]) * [1, 2], rtol=1e-12)
    listed = done.stderr.splitlines()
    assert listed[0] == "lrp-ref: 3 of 9 inputs are refused"
    assert sorted(line.split(": ")[0].split(", ")[1] for line in listed[1:]) == ["sample 2", "sample 4", "sample 6"]
    assert "node 'log': the output has 1 values that are not finite" in done.stderr


def test_inputs_of_other_shapes_are_refused_one_by_one(dense: Path, tmp_path: Path) -> None:
    good, bad = array(tmp_path / "a.npy", np.ones((2, 2))), array(tmp_path / "b.npy", np.ones((2, 5)))
    done = run("explain", dense, bad, good, "-o", tmp_path / "o")
    assert done.exit_code == 1
    assert names(tmp_path / "o") == ["a_0.npz", "a_1.npz"]
    assert "b.npy, samples 0 to 1: node 'fc': Dense: input of shape (1, 5)" in done.stderr


def test_a_question_that_is_wrong_ends_before_the_inputs(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five inputs do not repeat five times that there is no class 3."""
    monkeypatch.setattr("lrp_ref.cli.job.explain_network", lambda *a, **k: pytest.fail("nothing is explained"))
    done = run("explain", photos, tmp_path / "pics", "-t", 3, "-o", tmp_path / "o")
    assert (done.exit_code, done.stderr) == (
        2,
        "lrp-ref: error: target 3 is out of range: the output has 3 classes, 0 to 2\n",
    )


def test_equal_names_of_files_and_samples(photos: Path, tmp_path: Path) -> None:
    """p.npy has the samples p_0 and p_1, as two other files are called."""
    pixels = np.arange(1.0, 9.0).reshape(2, 1, 2, 2)
    given = [array(tmp_path / "p.npy", pixels), array(tmp_path / "p_0.npy", 10 * pixels[:1])]
    (tmp_path / "sub").mkdir()
    given.append(array(tmp_path / "sub" / "p_0.npy", 20 * pixels[:1]))
    assert run("explain", photos, *given, "-o", tmp_path / "o").exit_code == 0
    found = {p.stem: relevance(p).sum() for p in (tmp_path / "o").glob("*.npz")}
    assert found == {"p_0": 10.0, "p_1": 26.0, "p_0_2": 100.0, "p_0_2_2": 200.0} or found == {
        "p_0": 10.0, "p_1": 26.0, "p_0_2": 100.0, "p_0_3": 200.0,
    }  # fmt: skip


def test_arrays_beside_pictures_are_left_out_with_a_word(photos: Path, tmp_path: Path) -> None:
    array(tmp_path / "pics" / "x.npy", np.ones((1, 1, 2, 2)))
    done = run("explain", photos, tmp_path / "pics", "-o", tmp_path / "o")
    assert done.exit_code == 0
    assert "its 1 array files are left out beside its pictures" in done.stderr


# Runs that are interrupted ---------------------------------------------------------------------------------------


def test_whole_results_are_left_out_and_others_made_again(photos: Path, tmp_path: Path) -> None:
    command = ["explain", photos, tmp_path / "pics", "-o", tmp_path / "o", "--skip-existing"]
    assert run(*command).exit_code == 0
    first = {p.name: p.read_bytes() for p in (tmp_path / "o").iterdir()}
    before = stamps(tmp_path / "o")
    done = run(*command)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "lrp-ref: 0 explained, 5 left out, whose results are there\n"
    assert stamps(tmp_path / "o") == before
    out = tmp_path / "o"
    (out / "p0.npz").write_bytes(first["p0.npz"][:-40])  # truncated
    (out / "p1.png").write_bytes(first["p1.png"][:-200])
    (out / "p2.npz").unlink()
    (out / "p3.png").unlink()
    done = run(*command)
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["p0", "p1", "p2", "p3"]
    assert {p.name: p.read_bytes() for p in out.iterdir()} == first


def test_results_of_another_question_are_made_again(photos: Path, tmp_path: Path) -> None:
    """Another composite, target, colour map or picture, or another network under the same name."""
    command = ["explain", photos, tmp_path / "pics" / "p0.png", "-o", tmp_path / "o", "--skip-existing"]

    def made(*options: object) -> bool:
        return bool(run(*command, *options).stdout)

    assert made()
    assert not made()
    assert made("-c", "epsilon")
    assert made("-c", "epsilon", "--epsilon", 0.1)
    assert not made("-c", "epsilon", "--epsilon", 0.1)
    assert made("-t", 1)
    assert made("-t", 1, "--cmap", "soft")
    assert not made("-t", 1, "--cmap", "soft", "--batch-size", 3, "--ledger")
    Image.fromarray(np.array([[5, 8], [12, 16]], dtype=np.uint8)).save(tmp_path / "pics" / "p0.png")
    assert made("-t", 1, "--cmap", "soft")
    saved(Network.sequential([layers.Flatten(), layers.Dense(2 * WEIGHT)]), photos)
    assert made("-t", 1, "--cmap", "soft")
    assert not made("-t", 1, "--cmap", "soft")


def test_results_without_a_picture_are_of_one_question_too(dense: Path, tmp_path: Path) -> None:
    x = array(tmp_path / "x.npy", [[3.0, 1.0], [1.0, 2.0]])
    command = ["explain", dense, x, "-o", tmp_path / "o", "--skip-existing", "-c"]
    made = [len(run(*command, name).stdout.splitlines()) for name in ("lrp0", "lrp0", "epsilon", "epsilon", "lrp0")]
    assert made == [2, 0, 2, 0, 2]
    array(tmp_path / "x.npy", [[3.0, 1.0], [1.0, 2.5]])
    assert [line.split(":")[0] for line in run(*command, "lrp0").stdout.splitlines()] == ["x_1"]


def test_two_inputs_have_no_picture_and_several_composites(tmp_path: Path) -> None:
    """a + b by LRP-0: each input's own share of every output."""
    net = Network((Node("sum", layers.Add(), ("a", "b")), Node("fc", layers.Dense(WEIGHT[:2]), ("sum",))),
                  (Input("a"), Input("b")), ("fc",))  # fmt: skip
    saved(net, tmp_path / "net.npz")
    a, b = RNG.uniform(1, 2, size=(2, 3, 2))
    np.savez(tmp_path / "x.npz", a=a, b=b)
    options = ["-c", "lrp0", "-c", "gradient", "-t", 0, "--cmap", "soft", "-o", tmp_path / "o"]
    done = run("explain", tmp_path / "net.npz", tmp_path / "x.npz", *options)
    assert done.exit_code == 0
    assert done.stderr == (
        "lrp-ref: --cmap has no effect: the network has 2 inputs, and only one alone has a picture\n"
    )
    for k in range(3):
        held = relevance(tmp_path / "o" / f"x_{k}_lrp0.npz")
        # The sum shares with the stabiliser ε = 1e-6, dense layers with none.
        np.testing.assert_allclose(held["a"], a[k : k + 1], rtol=2e-6)
        np.testing.assert_allclose(held["b"], b[k : k + 1], rtol=2e-6)
    assert len(names(tmp_path / "o")) == 6


@pytest.mark.parametrize(
    "options",
    [
        ["--top", 2],
        ["-c", "lrp0", "-c", "epsilon"],
        ["-c", "lrp0", "-c", "gradient", "-t", 0, "-t", 2],
        ["-t", 0, "-t", "1+2"],
    ],
)
def test_several_results_of_an_input_are_whole_together(photos: Path, tmp_path: Path, options: list[object]) -> None:
    x = array(tmp_path / "x.npy", RNG.normal(size=(3, 1, 2, 2)))
    command = ["explain", photos, tmp_path / "pics", x, "-o", tmp_path / "o", "--skip-existing", *options]
    assert run(*command).exit_code == 0
    every = names(tmp_path / "o")
    assert run(*command).stdout == ""
    for name in every:
        if name.startswith("p2") or name.startswith("x_1"):
            (tmp_path / "o" / name).unlink()
            done = run(*command)
            assert {line.split(":")[0] for line in done.stdout.splitlines()} == {name[:2] if name[0] == "p" else "x_1"}
            assert names(tmp_path / "o") == every


@pytest.mark.parametrize("where", ["picture", "numbers"])
def test_an_interrupt_leaves_no_half_file(
    photos: Path, tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while the third input's picture, or its numbers, are written to the temporary file."""
    calls = {"n": 0}

    def stopped(plain: Any) -> Any:
        def stop(*a: Any, **k: Any) -> Any:
            calls["n"] += 1
            if calls["n"] == 3:
                file = a[1] if where == "picture" else a[0]
                file.write(b"half")
                raise KeyboardInterrupt
            return plain(*a, **k)

        return stop

    if where == "picture":
        monkeypatch.setattr(Image.Image, "save", stopped(Image.Image.save))
    else:
        monkeypatch.setattr(files.np, "savez_compressed", stopped(np.savez_compressed))
    command = ["explain", photos, tmp_path / "pics", "-o", tmp_path / "o"]
    done = run(*command)
    assert done.exit_code == 130
    words = "lrp-ref: interrupted; 2 inputs have their results: the same command with --skip-existing goes on\n"
    assert done.stderr == words
    assert names(tmp_path / "o") == ["p0.npz", "p0.png", "p1.npz", "p1.png"] + (
        ["p2.png"] if where == "numbers" else []
    )
    monkeypatch.undo()
    done = run(*command, "--skip-existing")
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["p2", "p3", "p4"]


def test_the_advice_of_an_interrupted_run_with_ledgers(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--skip-existing goes with no --ledger-file, so that option must be left out."""
    plain, calls = Image.Image.save, {"n": 0}

    def stop(*a: Any, **k: Any) -> Any:
        calls["n"] += 1
        if calls["n"] == 2:
            raise KeyboardInterrupt
        return plain(*a, **k)

    monkeypatch.setattr(Image.Image, "save", stop)
    command = ["explain", photos, tmp_path / "pics", "-o", tmp_path / "o"]
    done = run(*command, "--ledger-file", tmp_path / "l.csv")
    assert (done.exit_code, done.stderr) == (
        130,
        "lrp-ref: interrupted; 1 input has its results: the same command with --skip-existing and without "
        "--ledger-file goes on\n",
    )
    assert not (tmp_path / "l.csv").exists()
    monkeypatch.undo()
    assert run(*command, "--skip-existing").exit_code == 0


def test_an_interrupted_process_goes_on_where_it_was(photos: Path, tmp_path: Path) -> None:
    for k in range(5, 60):
        Image.fromarray(np.full((2, 2), k + 1, dtype=np.uint8)).save(tmp_path / "pics" / f"p{k}.png")
    code = "from lrp_ref.cli import main; main(prog_name='lrp-ref')"
    command = [sys.executable, "-c", code, "explain", str(photos), str(tmp_path / "pics"), "-o", str(tmp_path / "o")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as begun:
        end = time.monotonic() + 100
        while len(names(tmp_path / "o")) < 8 and time.monotonic() < end:
            time.sleep(0.01)
        begun.send_signal(signal.SIGINT)
        _, said = begun.communicate(timeout=100)
    assert begun.returncode == 130
    assert "--skip-existing goes on" in said
    assert not [n for n in names(tmp_path / "o") if n.startswith(".")]
    done = run("explain", photos, tmp_path / "pics", "-o", tmp_path / "o", "--skip-existing")
    assert done.exit_code == 0
    assert 0 < len(done.stdout.splitlines()) < 60
    assert len(names(tmp_path / "o")) == 120


def test_progress_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A step takes 3 s: a line every 20 s at most, with the time that is left; what is left out tells nothing of it."""
    now = [0.0]
    monkeypatch.setattr(output.time, "monotonic", lambda: now[0])
    with output.progress(10, "explaining") as step:
        step.more(10)
        for _ in range(6):
            step(worked=False)
        for _ in range(14):
            now[0] += 3
            step()
    assert capsys.readouterr().err == "lrp-ref: explaining: 13 of 20, 21 s left\n"


def test_progress_on_a_terminal_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output.sys.stderr, "isatty", lambda: True, raising=False)
    with output.progress(1, "explaining") as step:
        assert step.bar is None, "one input has none"
        step.more(4)
        step()
        task = step.bar.tasks[0]
        assert (task.completed, task.total) == (1, 5)


# Tables and help -------------------------------------------------------------------------------------------------


def test_tables_obey_columns_when_piped(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["explain", photos, tmp_path / "pics" / "p0.png", "-o", tmp_path / "o", "--plan", "--ledger"]
    wide = run(*command).stdout
    assert max(map(len, wide.splitlines())) > 90
    monkeypatch.setenv("COLUMNS", "90")
    narrow = run(*command).stdout
    written = next(line for line in narrow.splitlines() if line.startswith("written: "))
    assert max(len(line) for line in narrow.splitlines() if line != written) <= 90
    for number in ("99.33", "-10", "relevance_out"):
        assert number in narrow
    for nonsense in ("", "0", "-3", "wide"):
        monkeypatch.setenv("COLUMNS", nonsense)
        assert run(*command).stdout == wide


@pytest.mark.parametrize("width", range(1, 120, 7))
def test_a_narrow_table_never_cuts_a_number(width: int) -> None:
    """Texts are folded, headers of numbers too; every number stands whole in a line."""
    headers = ("name", "not conserved", "share", "where it went")
    rows = [["a_name_that_is_long", "-1.234e-05", "99.9 %", "to the input"], ["b", "12", "-0.0 %", ""]]
    text = tables.text(headers, rows, right=(1, 2), width=width)
    for number in ("-1.234e-05", "12", "99.9 %", "-0.0 %"):
        assert number in text
    first = "".join(line.split("  ")[0].strip() for line in text.splitlines() if not line.startswith(("b ", " ")))
    assert "a_name_that_is_long" in first.replace("─", "")
    needed = 8 + len("-1.234e-05") + len("99.9 %") + 8 + 4 * 2
    assert max(map(len, text.splitlines())) <= max(width, needed)


def test_help_lists_what_options_take() -> None:
    text = " ".join(run("explain", "--help").stdout.split()).replace("- ", "-")  # lines also end at a hyphen
    for value in (
        "softmax_gradient",
        "difference (with --against)",
        "reference=VALUE",
        "purple-orange",
        "epsilon_gamma_box",
    ):
        assert value in text
    assert set(heatmap.colormaps()) <= set(text.replace(",", " ").replace(".", " ").split())


def test_pictures_are_whole_or_not_there(tmp_path: Path) -> None:
    """The question of a run is kept in the picture."""
    image = Image.new("RGB", (3, 3))
    image.info["question"] = "abc"
    pictures.save(image, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as again:
        assert again.info["question"] == "abc"


def test_an_array_of_another_number_of_axes_is_refused_as_a_file(photos: Path, tmp_path: Path) -> None:
    """28 rows of a picture are not 28 samples: the error has the shape that the file has."""
    np.save(tmp_path / "rows.npy", np.zeros((28, 28), dtype="float32"))
    grid = tmp_path / "grid.npz"
    spec = Input("image", (None, 1, 28, 28))
    nodes = (Node("flat", layers.Flatten(), ("image",)), Node("top", layers.Dense(np.ones((784, 2))), ("flat",)))
    loaders.save(Network(nodes, (spec,), ("top",)), grid)
    done = run("explain", grid, tmp_path / "rows.npy", "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert "rows.npy: 'image' has shape (28, 28); the network expects (N, 1, 28, 28), or one sample" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_parameters_of_a_rule_are_numbers_none_and_words() -> None:
    (entry, *_) = with_rules(get("attnlrp"), ["p=Product(product='half', gate=None)"]).entries
    assert entry == ("p", rules.Product("half"))
    for text, reason in (
        ("p=Product(gate=0,gate=1)", "gate is given twice"),
        ("p=Product(gate=1.0)", "gate must be 0, 1 or None, got 1.0"),
        ("p=Product(gate=none)", "gate must be 0, 1 or None, got 'none'"),
        ("p=Product(half)", "Product takes gate, product; not 'half'"),
    ):
        with pytest.raises(ParameterError, match=re.escape(reason)):
            with_rules(get("attnlrp"), [text])
