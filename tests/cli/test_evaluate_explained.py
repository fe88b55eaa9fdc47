"""``lrp-ref evaluate --explained``: the maps of a store are measured as maps that are computed on the spot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import run
from PIL import Image
from small_stores import NET, X, asked, half, made

import lrp_ref as lrp
from lrp_ref import scale

MEASURED = ("--measures", "pixel_flipping,gini", "--set", "pixel_flipping.steps=4")


def told(folder: Path) -> Any:
    return json.loads((folder / "evaluation.json").read_text())


def given(folder: Path, name: str = "out") -> list[Any]:
    return ["evaluate", folder / "net.npz", folder / "x.npy", "--explained", folder / name, "-o", folder / "results"]


def test_the_numbers_are_those_of_the_method(tmp_path: Path) -> None:
    store = made(tmp_path)
    done = run(*given(tmp_path), *MEASURED, "--seed", 3)
    assert (done.exit_code, done.stderr) == (0, "")
    found = told(tmp_path / "results")
    method = ["evaluate", tmp_path / "net.npz", tmp_path / "x.npy", "--methods", "epsilon_plus", "-o", tmp_path / "m"]
    assert run(*method, *MEASURED, "--seed", 3).exit_code == 0
    expected = told(tmp_path / "m")
    assert found["maps"] == expected["maps"] == ["epsilon_plus", "random"]
    np.testing.assert_allclose(found["values"], expected["values"], rtol=1e-12)
    for one, other in zip(found["curves"], expected["curves"], strict=True):
        np.testing.assert_allclose(one.pop("quartiles"), other.pop("quartiles"), rtol=1e-10, atol=1e-12)
        assert one == other
    assert (found["targets"], found["network"]) == (expected["targets"], expected["network"])
    assert found["numbers"] == list(range(21))
    about = found["explained"]
    assert (about["store"], about["composite"], about["reduce"]) == ("out", "epsilon_plus", "none")
    assert about["network_sha256"] == store.attributes["network_sha256"]
    assert str(tmp_path) not in (tmp_path / "results" / "evaluation.json").read_text()
    assert "epsilon_plus" in done.stdout
    assert {p.name for p in (tmp_path / "results").iterdir()} == {"evaluation.json", "scores.png", "pixel_flipping.png"}
    Image.open(tmp_path / "results" / "scores.png").verify()


def test_the_probability_is_measured_where_the_output_was_explained(tmp_path: Path) -> None:
    rules = [(lrp.layers.Softmax, lrp.rules.Taylor()), ((lrp.layers.Conv, lrp.layers.Dense), lrp.rules.Epsilon(0.1))]
    composite = lrp.Composite(rules)
    made(tmp_path, start="output", composite=composite)
    assert run(*given(tmp_path), *MEASURED).exit_code == 0
    relevance = lrp.explain(NET, X, composite=composite, start="output").relevance
    target = NET.forward(X).argmax(axis=1)
    expected = lrp.evaluate.pixel_flipping(NET.forward, X, relevance, target, steps=4).aopc
    np.testing.assert_allclose(told(tmp_path / "results")["values"][0][0], expected, rtol=1e-9)


def test_another_start_is_told(tmp_path: Path) -> None:
    made(tmp_path, start="one_hot")
    done = run(*given(tmp_path), "--measures", "gini")
    assert done.exit_code == 0
    assert "note: the maps are of the start one_hot; what is measured is the logit of the target" in done.stderr


def test_maps_of_which_a_part_is_kept_are_told(tmp_path: Path) -> None:
    made(tmp_path, reduce="top-2")
    done = run(*given(tmp_path), "--measures", "gini")
    assert done.exit_code == 0
    assert "note: of each map the 2 strongest numbers are kept, the others count as 0" in done.stderr


def test_masks_limits_and_chunks_that_are_left(tmp_path: Path) -> None:
    job = asked(tmp_path)
    store = half(job, tmp_path / "out", [0, 1, 4])
    masks = np.random.default_rng(0).random((21, 6, 6)) < 0.5
    np.save(tmp_path / "masks.npy", masks)
    limited = ("--masks", tmp_path / "masks.npy", "--limit-samples", 10)
    done = run(*given(tmp_path), "--measures", "relevance_mass", *limited)
    assert done.exit_code == 0
    assert "note: " in done.stderr
    assert "3 of 6 chunks are to do: they are left out" in done.stderr
    numbers = [*range(8), 16, 17]
    found = told(tmp_path / "results")
    assert found["numbers"] == numbers
    expected = lrp.evaluate.relevance_mass(scale.maps(store, numbers), masks[numbers])
    np.testing.assert_allclose(found["values"][0][0], expected, rtol=1e-12)
    usual = run(*given(tmp_path), *limited)
    assert usual.exit_code == 0
    assert [m["name"] for m in told(tmp_path / "results")["measures"]][-1] == "context_ratio"
    unused = run(*given(tmp_path), "--measures", "gini", *limited)
    assert "--masks has no effect" in unused.stderr


def test_photos_with_channels_behind(tmp_path: Path) -> None:
    """The sidecar says so: measures see channels in front, as without a store."""
    turned = [("turn", lrp.layers.Transpose((0, 3, 1, 2))), *((n.name, n.layer) for n in NET.nodes)]
    three = np.concatenate([X, X[:, :1]], axis=1).transpose(0, 2, 3, 1)
    kernel = np.concatenate([np.asarray(NET.nodes[0].layer.weight), np.zeros((5, 1, 3, 3))], axis=1)
    turned[1] = ("conv", lrp.layers.Conv(kernel))
    photo = {"kind": "image", "size": [6, 6], "mean": 0, "scale": 0.01, "resize": "crop", "channels": "RGB"}
    (tmp_path / "net.json").write_text(json.dumps({"input": {**photo, "layout": "NHWC"}}))
    made(tmp_path, three, net=lrp.Network.sequential(turned), composite="epsilon")
    assert run(*given(tmp_path), *MEASURED).exit_code == 0
    found = told(tmp_path / "results")
    method = ["evaluate", tmp_path / "net.npz", tmp_path / "x.npy", "--methods", "epsilon", "-o", tmp_path / "m"]
    assert run(*method, *MEASURED).exit_code == 0
    np.testing.assert_allclose(found["values"], told(tmp_path / "m")["values"], rtol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--methods", "gradient"],
            "--methods is about methods, and --explained takes the maps of a store as they are",
        ),
        (["--target", "1"], "--target is about methods"),
        (["--labels"], "--labels is about methods"),
        (["--start", "output"], "--start is about methods"),
        (["--dialect", "captum"], "--dialect is about methods"),
        (["--baseline", "0"], "--baseline is about methods"),
        (["--set", "steps=3"], "--set steps=3 is of a method, and --explained takes maps as they are: leave it out"),
        (["--measures", "ginni"], "unknown measure 'ginni'"),
        (["--measures", "max_sensitivity"], "measure 'max_sensitivity' explains again, and a store has maps alone"),
        (["--measures", "relevance_mass"], "measure 'relevance_mass' needs masks"),
        (["--masks", "masks.png"], "with --explained masks are an .npy file with one for each sample"),
    ],
)
def test_what_is_about_methods_is_refused(tmp_path: Path, arguments: list[str], said: str) -> None:
    made(tmp_path)
    done = run(*given(tmp_path), *arguments)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr
    assert not (tmp_path / "results").exists()


def test_other_models_data_and_stores_are_refused(tmp_path: Path) -> None:
    made(tmp_path)
    np.save(tmp_path / "few.npy", X[:5])
    np.save(tmp_path / "masks.npy", np.ones((3, 6, 6)))
    net, x, out, results = (tmp_path / name for name in ("net.npz", "x.npy", "out", "results"))
    other = lrp.Network.sequential([(n.name, n.layer) for n in NET.nodes[:-1]])
    lrp.save(other, tmp_path / "other.npz")
    for arguments, said in (
        ((tmp_path / "other.npz", x, "--explained", out), "is of another network: of net.npz, hash"),
        ((net, tmp_path / "few.npy", "--explained", out), "is of other data: of its input, fingerprint is"),
        ((net, x, x, "--explained", out), "2 DATA are given: --explained takes the one"),
        ((net, x, "--explained", tmp_path / "none"), "there is no such store"),
        ((net, x, "--explained", out, "--masks", tmp_path / "masks.npy"), "masks have shape (3, 6, 6) for 21 samples"),
        ((net, x, "--explained", out, "--masks", tmp_path / "no.npy"), "no.npy: no such file"),
        ((net, x), "what is to be measured? Give --methods NAME,... or --explained STORE"),
        ((net, x, "--explained", out, "-o", out / "deep"), "is in the store"),
    ):
        done = run("evaluate", "-o", results, *arguments)
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.stderr
        assert said in done.stderr
    assert not results.exists()
