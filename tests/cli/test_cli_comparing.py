"""``lrp-ref compare`` and ``evaluate``: every layout, data set, mask and option; what is refused, and what is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import array, dense_model, run
from PIL import Image

import lrp_ref as lrp
from lrp_ref.cli import comparing
from lrp_ref.layers import Add, Conv, Dense, Embedding, Flatten, ReLU, Softmax, Sum, Transpose
from lrp_ref.network import Input, Network, Node

RNG = np.random.default_rng(11)
CONV, FC = RNG.normal(size=(4, 3, 3, 3)), RNG.normal(size=(4 * 36, 3))
BIAS = RNG.normal(size=4)
PHOTO = {"kind": "image", "size": [8, 8], "mean": 100, "scale": 0.01, "resize": "crop"}
QUICK = ("--methods", "gradient", "--measures", "gini")


def saved(net: Network, path: Path, **photo: Any) -> Path:
    lrp.save(net, path)
    if photo:
        path.with_suffix(".json").write_text(json.dumps({"input": {**PHOTO, **photo}}))
    return path


def colour_model(folder: Path, layout: str = "NCHW") -> Path:
    """A network of photos of 8 × 8 pixels, with its channels in front or behind."""
    turn = [Transpose((0, 3, 1, 2))] if layout == "NHWC" else []
    net = Network.sequential([*turn, Conv(CONV, BIAS), ReLU(), Flatten(), Dense(FC), Softmax()])
    return saved(net, folder / f"{layout}.npz", channels="RGB", layout=layout)


def grey_model(folder: Path) -> Path:
    net = Network.sequential([Conv(CONV[:, :1], BIAS), ReLU(), Flatten(), Dense(FC)])
    return saved(net, folder / "grey.npz", channels="L", layout="NCHW")


def told(folder: Path, name: str = "comparison.json") -> Any:
    return json.loads((folder / name).read_text())


def asked(folder: Path, command: str, *arguments: object, status: int = 0) -> Any:
    """Run a command and return what it wrote."""
    done = run(command, *arguments, "-o", folder / "out")
    assert done.exit_code == status, done.output
    name = "comparison" if command == "compare" else "evaluation"
    return told(folder / "out", f"{name}.json")


MANY = (
    "--methods", "gradient,occlusion,integrated_gradients,epsilon_gamma_box,gradient_x_input", "--set", "patch=3",
    "--measures", "pixel_flipping,gini,pointing_game,relevance_mass,random_logit,input_invariance", "--float64",
)  # fmt: skip


def test_channels_behind_pixels_are_measured_as_channels_in_front(tmp_path: Path) -> None:
    """The same network and photos in both layouts: every number is the same."""
    x = RNG.uniform(-1, 1.5, size=(3, 3, 8, 8))
    masks = array(tmp_path / "m.npy", RNG.random((3, 8, 8)) < 0.5)
    first = asked(tmp_path, "compare", colour_model(tmp_path), array(tmp_path / "a.npy", x), *MANY, "--masks", masks)
    behind = array(tmp_path / "b.npy", x.transpose(0, 2, 3, 1))
    other = asked(tmp_path, "compare", colour_model(tmp_path, "NHWC"), behind, *MANY, "--masks", masks)
    assert first["maps"] == other["maps"]
    assert len(first["maps"]) == 6
    values = [np.array(found["values"], dtype=float) for found in (first, other)]
    np.testing.assert_allclose(*values, rtol=1e-10, atol=1e-12)


def test_windows_of_a_photo_with_its_channels_behind_go_over_pixels(tmp_path: Path) -> None:
    """``attribute``: the sidecar says which axis the channels are."""
    x = RNG.uniform(-1, 1.5, size=(1, 8, 8, 3))
    model = colour_model(tmp_path, "NHWC")
    given = ("-m", "occlusion", "--set", "patch=4", "--float64", "-o", tmp_path / "o")
    assert run("attribute", model, array(tmp_path / "x.npy", x), *given).exit_code == 0
    found = lrp.load_relevance(tmp_path / "o" / "x.npz")["relevance"]
    expected = lrp.attribute(lrp.load(model), x, "occlusion", patch=4, axis=-1).relevance
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.ptp(found.reshape(2, 4, 2, 4, 3), axis=(1, 3, 4)).max() <= 1e-12  # four windows through all channels


def test_a_batch_that_is_not_the_first_axis(tmp_path: Path) -> None:
    weight = RNG.normal(size=(3, 4))
    nodes = (Node("fc", Dense(weight), ("x",)), Node("s", Sum(axes=(1,)), ("fc",)))
    net = Network(nodes, (Input("x", (7, None, 3), batch_axis=1),), ("s",))
    x = RNG.normal(size=(7, 5, 3))
    given = ("--methods", "gradient_x_input", "--measures", "gini,completeness", "--float64", "-t", "2")
    found = asked(tmp_path, "compare", saved(net, tmp_path / "net.npz"), array(tmp_path / "x.npy", x), *given)
    maps = np.moveaxis(x, 1, 0) * weight[:, 2]
    np.testing.assert_allclose(found["values"][0][0], lrp.evaluate.gini(maps), rtol=1e-12)
    assert np.abs(found["values"][0][1]).max() <= 1e-12


def test_a_map_of_units_inside_is_no_map_of_the_input(tmp_path: Path) -> None:
    """The layer has as many units as the input has numbers: the shapes alone would not tell."""
    net = Network.sequential([("d1", Dense(RNG.normal(size=(4, 4)))), ReLU(), Dense(RNG.normal(size=(4, 2)))])
    x = array(tmp_path / "x.npy", RNG.normal(size=(3, 4)))
    model, given = saved(net, tmp_path / "net.npz"), ("--methods", "replace_units,gradient", "--measures", "gini")
    inner = asked(tmp_path, "compare", model, x, *given, "--set", "replace_units.at=d1")
    assert inner["maps"] == ["gradient", "random"]
    assert "of 'd1', inside the network" in next(iter(inner["left_out"].values()))
    assert asked(tmp_path, "compare", model, x, *given)["maps"] == ["replace_units", "gradient", "random"]


def two_softmaxes() -> Network:
    nodes = [(Dense(RNG.normal(size=(4, 3))), Softmax()) for _ in range(2)]
    made = [Node(f"{kind}{k}", layer, ("x" if kind == "d" else f"d{k}",))
            for k, pair in enumerate(nodes) for kind, layer in zip("ds", pair, strict=True)]  # fmt: skip
    return Network((*made, Node("sum", Add(), ("s0", "s1"))), (Input("x", (None, 4)),), ("sum",))


def test_without_a_logit_the_output_is_measured_where_that_is_asked_for(tmp_path: Path) -> None:
    model, x = saved(two_softmaxes(), tmp_path / "net.npz"), array(tmp_path / "x.npy", RNG.normal(size=(3, 4)))
    done = run("compare", model, x, *QUICK, "-o", tmp_path / "no")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "--start output" in done.stderr
    found = asked(tmp_path, "compare", model, x, *QUICK, "--start", "output", "--float64")
    gradient = lrp.attribute(lrp.load(model), np.load(x), "gradient", start="output").relevance
    np.testing.assert_allclose(found["values"][0][0], lrp.evaluate.gini(gradient), rtol=1e-12)


def test_probabilities_or_logits_are_measured(tmp_path: Path) -> None:
    model, x = colour_model(tmp_path), RNG.uniform(-1, 1.5, size=(2, 3, 8, 8))
    given = (model, array(tmp_path / "x.npy", x), "--methods", "gradient", "--measures", "deletion", "--float64")
    net = lrp.load(model)
    target = net.forward(x).argmax(axis=1)
    logits = net.until(net.nodes[-1].inputs[0])
    for start, f in (("logit", logits.forward), ("output", net.forward)):
        found = asked(tmp_path, "compare", *given, "--start", start)
        relevance = lrp.attribute(net, x, "gradient", start=start).relevance
        expected = lrp.evaluate.deletion(f, x, relevance, target).auc
        np.testing.assert_allclose(found["values"][0][0], expected, rtol=1e-10)


# Data sets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (1, 8, 8)])
def test_pixels_in_bytes_are_scaled_as_the_sidecar_says(tmp_path: Path, shape: tuple[int, ...]) -> None:
    pixels = RNG.integers(0, 256, size=(6, *shape), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", images=pixels, labels=np.zeros(6, dtype=np.uint8))
    given = ("--methods", "gradient_x_input", "--measures", "gini", "--float64")
    model = grey_model(tmp_path)
    found = asked(tmp_path, "evaluate", model, tmp_path / "set.npz", *given)
    x = (pixels.reshape(6, 1, 8, 8) - 100.0) * 0.01
    expected = lrp.evaluate.gini(lrp.attribute(lrp.load(model), x, "gradient_x_input").relevance)
    np.testing.assert_allclose(found["values"][0][0], expected, rtol=1e-9)


def test_colours_in_bytes(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, size=(2, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", images=pixels, y=np.zeros(2, dtype=int))
    given = ("--methods", "gradient_x_input", "--measures", "gini", "--float64")
    for layout in ("NCHW", "NHWC"):
        model = colour_model(tmp_path, layout)
        found = asked(tmp_path, "evaluate", model, tmp_path / "set.npz", *given)
        x = (pixels - 100.0) * 0.01
        x = x.transpose(0, 3, 1, 2) if layout == "NCHW" else x
        maps = lrp.attribute(lrp.load(model), x, "gradient_x_input").relevance
        maps = maps if layout == "NCHW" else maps.transpose(0, 3, 1, 2)
        np.testing.assert_allclose(found["values"][0][0], lrp.evaluate.gini(maps), rtol=1e-9)


def test_labels_masks_and_boxes_stand_beside_their_samples_also_where_one_is_refused(tmp_path: Path) -> None:
    x, labels = RNG.normal(size=(8, 1, 8, 8)), RNG.integers(0, 3, size=8)
    x[2, 0, 0, 0] = np.nan
    masks = RNG.random((8, 8, 8)) < 0.4
    np.savez(tmp_path / "set.npz", images=x, labels=labels, masks=masks)
    given = ("--methods", "gradient", "--measures", "relevance_mass", "--labels", "--float64")
    model = grey_model(tmp_path)
    found = asked(tmp_path, "evaluate", model, tmp_path / "set.npz", *given, status=1)
    kept = [0, 1, 3, 4, 5, 6, 7]
    assert found["targets"] == labels[kept].tolist()
    assert [text for text in found["refused"] if "sample 2" in text]
    maps = lrp.attribute(lrp.load(model), x[kept], "gradient", target=labels[kept]).relevance
    expected = lrp.evaluate.relevance_mass(maps, masks[kept])
    np.testing.assert_allclose(found["values"][0][0], expected, rtol=1e-12)
    # The same by a file of masks, of which those of refused samples are passed over.
    np.savez(tmp_path / "bare.npz", images=x, labels=labels)
    by_file = ("--masks", array(tmp_path / "m.npy", masks))
    again = asked(tmp_path, "evaluate", model, tmp_path / "bare.npz", *given, *by_file, status=1)
    assert again["values"] == found["values"]


def test_a_limit_takes_the_first_samples_and_their_masks(tmp_path: Path) -> None:
    x, masks = RNG.normal(size=(9, 1, 8, 8)), RNG.random((9, 8, 8)) < 0.4
    given = ("--methods", "gradient", "--measures", "relevance_mass", "--masks", array(tmp_path / "m.npy", masks))
    model, x_file = grey_model(tmp_path), array(tmp_path / "x.npy", x)
    whole = asked(tmp_path, "evaluate", model, x_file, *given)
    some = asked(tmp_path, "evaluate", model, x_file, *given, "--limit-samples", 4)
    assert (whole["samples"], some["samples"]) == (9, 4)
    assert some["values"][0][0] == whole["values"][0][0][:4]
    assert some["values"][1][0] == whole["values"][1][0][:4]  # the random map of a sample, too


def test_labels_are_counted(tmp_path: Path) -> None:
    net = lrp.load(model := grey_model(tmp_path))
    x = RNG.normal(size=(6, 1, 8, 8))
    labels = net.forward(x).argmax(axis=1)
    labels[:2] = (labels[:2] + 1) % 3
    np.savez(tmp_path / "set.npz", images=x, y=labels)
    done = run("evaluate", model, tmp_path / "set.npz", *QUICK, "-o", tmp_path / "o")
    assert "4 of 6 samples are predicted as they are labelled" in done.stdout


def test_every_number_is_in_the_file(tmp_path: Path) -> None:
    x = RNG.normal(size=(7, 1, 8, 8))
    given = ("--methods", "gradient,occlusion", "--measures", "pixel_flipping", "--set", "pixel_flipping.steps=5")
    model = grey_model(tmp_path)
    found = asked(tmp_path, "evaluate", model, array(tmp_path / "x.npy", x), *given, "--seed", "3", "--float64")
    assert found["seed"] == 3
    assert found["version"] == lrp.__version__
    assert found["methods"]["gradient"] == "Gradient()"
    assert [(c["map"], c["measure"]) for c in found["curves"]] == [
        (name, "pixel_flipping(steps=5)") for name in ("gradient", "occlusion", "random")
    ]
    net = lrp.load(model)
    target = net.forward(x).argmax(axis=1)
    random = lrp.evaluate.random_map(x, 3)
    curve = lrp.evaluate.pixel_flipping(net.forward, x, random, target, steps=5)
    np.testing.assert_allclose(found["values"][2][0], curve.aopc, rtol=1e-10)
    np.testing.assert_allclose(found["curves"][2]["quartiles"][1], np.median(curve.curve, axis=0), rtol=1e-10)
    assert (tmp_path / "out" / "pixel_flipping.png").exists()


# Masks --------------------------------------------------------------------------------------------------------------


def photo(path: Path, pixels: Any) -> Path:
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(path)
    return path


def test_a_mask_is_cut_as_its_photo_was(tmp_path: Path) -> None:
    """A photo of 32 × 16 pixels: its middle half is taken, at half the size."""
    model = grey_model(tmp_path)
    picture = photo(tmp_path / "p.png", RNG.integers(0, 256, size=(16, 32)))
    full = np.zeros((16, 32))
    full[:, 8:16] = 255  # the left half of what the network sees
    given = ("--methods", "gradient", "--measures", "relevance_mass", "--float64")
    by_picture = asked(tmp_path, "compare", model, picture, *given, "--masks", photo(tmp_path / "m.png", full))
    small = np.zeros((1, 8, 8), dtype=bool)
    small[:, :, :4] = True
    by_array = asked(tmp_path, "compare", model, picture, *given, "--masks", array(tmp_path / "m.npy", small))
    alone = asked(tmp_path, "compare", model, picture, *given, "--masks", array(tmp_path / "one.npy", small[0]))
    assert by_picture["values"] == by_array["values"] == alone["values"]
    assert 0 < by_array["values"][0][0][0] < 1


def test_a_folder_of_masks_has_the_names_of_the_inputs(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "masks").mkdir()
    stack = RNG.random((3, 8, 8)) < 0.5
    for name, mask in zip("cab", stack, strict=True):
        photo(tmp_path / "in" / f"{name}.png", RNG.integers(0, 256, size=(8, 8)))
        photo(tmp_path / "masks" / f"{name}.png", 255 * mask)
    given = ("--methods", "gradient", "--measures", "relevance_mass")
    model = grey_model(tmp_path)
    found = asked(tmp_path, "compare", model, tmp_path / "in", *given, "--masks", tmp_path / "masks")
    in_order = array(tmp_path / "m.npy", stack[[1, 2, 0]])
    assert asked(tmp_path, "compare", model, tmp_path / "in", *given, "--masks", in_order)["values"] == found["values"]
    (tmp_path / "masks" / "b.png").unlink()
    done = run("compare", model, tmp_path / "in", *given, "--masks", tmp_path / "masks", "-o", tmp_path / "no")
    assert (done.exit_code, "has no mask of input 'b'" in done.stderr) == (2, True)


def test_boxes_in_place_of_masks(tmp_path: Path) -> None:
    x = array(tmp_path / "x.npy", RNG.normal(size=(3, 1, 8, 8)))
    boxes = array(tmp_path / "b.npy", [[1, 2, 4, 6], [0, 0, 8, 8], [3, 3, 5, 5]])
    given = ("--methods", "gradient", "--measures", "relevance_mass,localisation_accuracy")
    found = asked(tmp_path, "compare", grey_model(tmp_path), x, *given, "--masks", boxes)
    np.savez(tmp_path / "b.npz", boxes=np.load(boxes))
    named = asked(tmp_path, "compare", grey_model(tmp_path), x, *given, "--masks", tmp_path / "b.npz")
    assert found["values"] == named["values"]
    assert found["values"][0][0][1] == 1.0  # the box is the whole picture


def test_with_masks_the_usual_measures_that_need_them_are_added(tmp_path: Path) -> None:
    x = array(tmp_path / "x.npy", RNG.normal(size=(2, 1, 8, 8)))
    given = (grey_model(tmp_path), x, "--methods", "gradient")
    plain = asked(tmp_path, "compare", *given)
    masks = array(tmp_path / "m.npy", np.ones((2, 8, 8)))
    more = asked(tmp_path, "compare", *given, "--masks", masks)
    names = [[m["name"] for m in found["measures"]] for found in (plain, more)]
    assert set(names[1]) > set(names[0])
    assert {m["kind"] for m in more["measures"]} - {m["kind"] for m in plain["measures"]} == {"localisation"}


# What is said -------------------------------------------------------------------------------------------------------


def test_what_has_no_effect_is_said(tmp_path: Path) -> None:
    x = array(tmp_path / "x.npy", RNG.normal(size=(2, 1, 8, 8)))
    masks = array(tmp_path / "m.npy", np.ones((2, 8, 8)))
    done = run("compare", grey_model(tmp_path), x, *QUICK, "--masks", masks, "-o", tmp_path / "o")
    assert (done.exit_code, "--masks has no effect" in done.stderr) == (0, True)
    volume = Network.sequential([Flatten(), Dense(RNG.normal(size=(16, 2)))])
    cubes = array(tmp_path / "v.npy", RNG.normal(size=(2, 2, 2, 2, 2)))
    done = run("compare", saved(volume, tmp_path / "v.npz"), cubes, *QUICK, "--cmap", "seismic", "-o", tmp_path / "v")
    assert (done.exit_code, "--cmap has no effect" in done.stderr) == (0, True)


@pytest.mark.parametrize("shape", [(5,), (3, 9)])
def test_vectors_and_signals_are_drawn_beside_their_numbers(tmp_path: Path, shape: tuple[int, ...]) -> None:
    net = Network.sequential([Flatten(), Dense(RNG.normal(size=(int(np.prod(shape)), 2)))])
    x = array(tmp_path / "x.npy", RNG.normal(size=(2, *shape)))
    asked(tmp_path, "compare", saved(net, tmp_path / "net.npz"), x, *QUICK)
    with Image.open(tmp_path / "out" / "comparison.png") as image:
        found = np.asarray(image.convert("RGB")).astype(int)
    strong = (np.abs(found - [255, 0, 0]).sum(axis=2) < 9) | (np.abs(found - [0, 0, 255]).sum(axis=2) < 9)
    assert strong.sum() > 100  # the ends of the colour map


def test_few_samples_are_not_told_apart(tmp_path: Path) -> None:
    x = RNG.normal(size=(6, 1, 8, 8))
    for count, words in ((5, "fewer than 6 samples"), (6, "Wilcoxon")):
        given = (grey_model(tmp_path), array(tmp_path / "x.npy", x[:count]), *QUICK)
        done = run("compare", *given, "-o", tmp_path / "o")
        assert words in done.stdout
        assert ("*" in done.stdout) is (count == 6)


def test_an_interrupted_run_says_that_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(comparing, "attribute_network", interrupted)
    x = array(tmp_path / "x.npy", RNG.normal(size=(2, 1, 8, 8)))
    for command in ("compare", "evaluate"):
        done = run(command, grey_model(tmp_path), x, *QUICK, "-o", tmp_path / "o")
        assert done.exit_code == 130
        assert "interrupted: nothing is written" in done.stderr
        assert not (tmp_path / "o").exists()


def test_inputs_that_are_refused_are_listed(tmp_path: Path) -> None:
    x = RNG.normal(size=(4, 1, 8, 8))
    x[1:3] = np.nan
    done = run("compare", grey_model(tmp_path), array(tmp_path / "x.npy", x), *QUICK, "-o", tmp_path / "o")
    assert done.exit_code == 1
    assert "2 inputs are refused" in done.stderr
    assert told(tmp_path / "o")["samples"] == 2
    x[:] = np.nan
    done = run("compare", grey_model(tmp_path), array(tmp_path / "x.npy", x), *QUICK, "-o", tmp_path / "no")
    assert (done.exit_code, "none of 4 inputs can be read" in done.stderr) == (2, True)


def test_a_network_of_tokens_or_of_several_inputs_is_refused(tmp_path: Path) -> None:
    nodes = (Node("e", Embedding(RNG.normal(size=(9, 4))), ("ids",)), Node("s", Sum(axes=(1,)), ("e",)))
    tokens = saved(Network(nodes, (Input("ids", (None, 5)),), ("s",)), tmp_path / "t.npz")
    ids = array(tmp_path / "ids.npy", RNG.integers(0, 9, size=(2, 5)))
    both = Network((Node("add", Add(), ("a", "b")),), (Input("a", (None, 2)), Input("b", (None, 2))), ("add",))
    two = np.ones((2, 2))
    np.savez(tmp_path / "ab.npz", a=two, b=two)
    for model, data, words in (
        (tokens, ids, "takes integers"),
        (saved(both, tmp_path / "two.npz"), tmp_path / "ab.npz", "has 2 inputs"),
    ):
        done = run("evaluate", model, data, *QUICK, "-o", tmp_path / "o")
        assert (done.exit_code, done.stderr.count("\n"), words in done.stderr) == (2, 1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--measures", "pixel_flipping", "--set", "pixel_flipping.stpes=2"), "did you mean 'steps'"),
        (("--measures", "abpc", "--set", "abpc.order=morf"), "leave order out"),
        (("--measures", "gini", "--set", "entropy.per=pixel"), "unknown method of --set 'entropy'"),
        (("--measures", "completeness", "--set", "completeness.x=1"), "completeness"),
        (("--measures", "gini", "-t", "9"), "target 9 is out of range"),
        (("--measures", "gini", "--labels"), "DATA holds none"),
        (("--measures", "gini", "--labels", "-t", "1"), "exclude each other"),
        (("--measures", "gini", "--methods", "gradeint"), "did you mean 'gradient'"),
        (("--measures", "relevance_mass", "--masks", "{tmp}/x.npy"), "a mask has 0 (outside) and 1 (inside)"),
        (("--measures", "relevance_mass", "--masks", "{tmp}/short.npy"), "masks have shape (2, 8, 8) for 3 inputs"),
        (("--measures", "relevance_mass", "--masks", "{tmp}/out.npy"), "out.npy: boxes[0]"),
        (("--measures", "relevance_mass", "--masks", "{tmp}/m.png"), "is the mask of one input, and there are 3"),
        (("--measures", "relevance_mass", "--masks", "{tmp}/bad.npz"), "not readable as masks"),
        (("--measures", "relevance_mass", "--masks", "{tmp}/other.npz"), "must be called masks or boxes"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    x = array(tmp_path / "x.npy", RNG.normal(size=(3, 1, 8, 8)))
    array(tmp_path / "short.npy", np.ones((2, 8, 8)))
    array(tmp_path / "out.npy", [[0, 0, 9, 9]] * 3)
    photo(tmp_path / "m.png", np.ones((8, 8)))
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 no archive")
    np.savez(tmp_path / "other.npz", z=np.ones(3))
    given = ["--methods", "gradient", *(part.replace("{tmp}", str(tmp_path)) for part in arguments)]
    done = run("evaluate", grey_model(tmp_path), x, *given, "-o", tmp_path / "o")
    assert (done.exit_code, words in done.stderr) == (2, True), done.stderr
    errors = [line for line in done.stderr.splitlines() if "error" in line]
    assert len(errors) == 1
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": np.ones((2, 1, 8, 8)), "b": np.ones((2, 1, 8, 8))}, "which is the input? Save it as 'input'"),
        ({"images": np.ones((2, 1, 8, 8)), "labels": np.ones(3, dtype=int)}, "'labels' has shape (3,) for 2 samples"),
        ({"images": np.ones((2, 9, 9), dtype=np.uint8), "y": np.ones(2, dtype=int)}, "pixels of shape (2, 9, 9)"),
        ({"images": np.ones((2, 1, 8, 8), dtype=np.int64), "y": np.ones(2, dtype=int)}, "holds int64"),
        ({"images": np.ones((0, 1, 8, 8)), "y": np.ones(0, dtype=int)}, "no sample in it"),
        ({"images": np.array([None, 1]), "y": np.ones(2, dtype=int)}, "Python objects, which are never read"),
    ],
)
def test_data_sets_that_cannot_be_read(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    np.savez(tmp_path / "set.npz", **arrays)
    done = run("evaluate", grey_model(tmp_path), tmp_path / "set.npz", *QUICK, "-o", tmp_path / "o")
    assert (done.exit_code, words in done.stderr, done.stderr.count("\n")) == (2, True, 1), done.stderr


def test_an_input_or_a_mask_is_never_written_over(tmp_path: Path) -> None:
    x = array(tmp_path / "x.npy", [[1.0, 2.0]])
    model = dense_model(tmp_path)
    masks = tmp_path / "comparison.png"
    photo(masks, np.ones((2, 2)))
    before = masks.read_bytes()
    done = run("compare", model, x, *QUICK, "--masks", masks, "-o", tmp_path)
    assert done.exit_code == 2
    assert masks.read_bytes() == before


def test_a_mask_is_resized_by_the_nearest_pixel(tmp_path: Path) -> None:
    """Of every third row and column the middle one counts; a mean over nine pixels would leave nothing."""
    sidecar = lrp.loaders.preprocess.load_sidecar(grey_model(tmp_path))
    wanted = RNG.random((8, 8)) < 0.5
    large = np.zeros((24, 24))
    large[1::3, 1::3] = 255 * wanted
    found = lrp.loaders.preprocess.read_mask(photo(tmp_path / "m.png", large), (8, 8), sidecar)
    np.testing.assert_array_equal(found, wanted)
    with pytest.raises(lrp.errors.ModelFormatError, match="a mask of 24 x 24 pixels"):
        lrp.loaders.preprocess.read_mask(tmp_path / "m.png", (8, 8))
