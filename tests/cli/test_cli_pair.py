"""``lrp-ref pair``: what it prints and writes, against the numbers of the library and of the formula."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import array, dense_model, pixel_model, run
from PIL import Image

import lrp_ref as lrp
from lrp_ref.bilrp import load_pairs
from lrp_ref.errors import ModelFormatError
from lrp_ref.layers import Concat, Dense
from lrp_ref.network import Input, Network, Node

ROOT = Path(__file__).parents[2]


def test_numbers_of_two_vectors(tmp_path: Path) -> None:
    """φ = (x₁ + 2x₂ + ½, −x₁ + 3x₂ − 1) of (1, 1) and (2, 0): (3.5, 1) and (2.5, −3); LRP-0 by hand."""
    a, b = array(tmp_path / "a.npy", [[1.0, 1.0]]), array(tmp_path / "b.npy", [[2.0, 0.0]])
    done = run("pair", dense_model(tmp_path), a, b, "-c", "lrp0", "-o", tmp_path / "o")
    assert (done.exit_code, done.stderr) == (0, "")
    # R_ij = Σ_m a_i w_im b_j w_jm: (1·2 + (−1)(−2), 0), (2·2 + 3·(−2), 0).
    assert load_pairs(tmp_path / "o" / "a_b.npz")["pairs"].tolist() == [[[4.0, 0.0], [-2.0, 0.0]]]
    rows = [line.rsplit(maxsplit=1) for line in done.stdout.splitlines()[1:]]
    told = {row[0].strip(): row[1] for row in rows if len(row) == 2}
    assert told["similarity"] == "5.75"
    assert told["pairs"] == "2"
    assert told["bias of x"] == "3"  # ½ · 2 + (−1)(−2)
    assert told["bias of y"] == "-0.5"  # 3 · ½ + 2 · (−1)
    assert told["lost by both"] == "1.25"
    assert done.stdout.splitlines()[0] == "similarity 5.75 of a and b, 2 units, lrp0"
    assert done.stdout.splitlines()[-1] == f"written: {tmp_path / 'o' / 'a_b.npz'}"
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == ["a_b.npz"]


def test_two_pictures(tmp_path: Path) -> None:
    digits = [ROOT / "models" / "samples" / f"digit_{k}.png" for k in (3, 5)]
    model = ROOT / "models" / "digits_cnn.onnx"
    pytest.importorskip("onnx")
    command = ("pair", model, *digits, "--output", "pool2", "-c", "epsilon_plus", "--cosine", "--pool", "4")
    done = run(*command, "--strongest", "3", "-o", tmp_path)
    assert (done.exit_code, done.stderr) == (0, "")
    x, y = (np.asarray(Image.open(path), dtype="float32")[None, None] / 255 for path in digits)
    e = lrp.explain_pair(lrp.load(model).until("pool2"), x, y, composite="epsilon_plus", normalised=True)
    saved = load_pairs(tmp_path / "digit_3_digit_5.npz")
    np.testing.assert_allclose(saved["pairs"], e.matrix(4), rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(saved["left"], e.left, rtol=1e-4, atol=1e-7)
    assert (saved["grids"], saved["composite"], saved["normalised"]) == (((7, 7), (7, 7)), "epsilon_plus", True)
    with Image.open(tmp_path / "digit_3_digit_5.png") as drawn:
        assert drawn.width > 600
    assert done.stdout.startswith("cosine 0.")


def test_a_pool_is_chosen_for_large_pictures_and_a_channel_that_is_last_is_summed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    net = lrp.Network.sequential([lrp.layers.Transpose((0, 3, 1, 2)), lrp.layers.GlobalAveragePool()])
    lrp.save(net, tmp_path / "net.npz")
    kind = {"kind": "image", "size": [70, 40], "channels": "RGB", "layout": "NHWC", "mean": 0, "scale": 1}
    (tmp_path / "net.json").write_text(json.dumps({"input": {**kind, "resize": "stretch"}}))
    for name in "ab":
        array(tmp_path / f"{name}.npy", rng.normal(size=(1, 70, 40, 3)))
    arguments = [tmp_path / f for f in ("net.npz", "a.npy", "b.npy")]
    done = run("pair", *arguments, "-o", tmp_path)
    assert done.exit_code == 0, done.stderr
    saved = load_pairs(tmp_path / "a_b.npz")
    assert saved["grids"] == ((24, 14), (24, 14))  # 70 pixels, 32 features at most: 3 pixels a feature
    assert saved["pairs"].shape == (1, 336, 336)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["dense.npz", "a.npy", "two.npy"], "two.npy: 2 samples; a pair is one of each file: save x[:1]"),
        (["dense.npz", "a.npy", "none.npy"], "none.npy"),
        (["dense.npz", "a.npy", "a.npy", "-c", "epsilom"], "did you mean 'epsilon'?"),
        (["dense.npz", "a.npy", "a.npy", "--output", "conv9"], "conv9"),
        (["four.npz", "p.png", "p.png", "--limit", "much"], "limit"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments: list[str], reason: str, tmp_path: Path) -> None:
    dense_model(tmp_path)
    pixel_model(tmp_path)
    array(tmp_path / "a.npy", [[1.0, 1.0]])
    array(tmp_path / "two.npy", [[1.0, 1.0], [2.0, 1.0]])
    Image.fromarray(np.array([[0, 80], [160, 240]], dtype=np.uint8)).save(tmp_path / "p.png")
    given = [tmp_path / a if "." in a else a for a in arguments]
    done = run("pair", *given, "-o", tmp_path / "o")
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert reason in done.stderr


def test_pairs_that_are_too_many_are_refused_before_they_are_made_and_the_advice_works(tmp_path: Path) -> None:
    net = lrp.Network.sequential([lrp.layers.GlobalAveragePool()])
    lrp.save(net, tmp_path / "net.npz")
    x = array(tmp_path / "x.npy", np.ones((1, 2, 160, 160)))
    command: list[Any] = ["pair", tmp_path / "net.npz", x, x, "-o", tmp_path]
    done = run(*command, "--pool", "1")
    assert done.exit_code == 2
    assert "the pairs of 25600 features with 25600, of 1 samples, take 5,242,880,000 bytes" in done.stderr
    assert "--pool 8" in done.stderr
    assert run(*command, "--pool", "8").exit_code == 0


def test_other_files_are_no_pairs(tmp_path: Path) -> None:
    net = lrp.Network.sequential([lrp.layers.Dense(np.eye(2))])
    lrp.explain(net, np.ones((1, 2))).save(tmp_path / "e.npz")
    with pytest.raises(ModelFormatError, match=r"e\.npz: a trace or an explanation, not saved pairs"):
        load_pairs(tmp_path / "e.npz")
    with pytest.raises(ModelFormatError, match="no such file"):
        load_pairs(tmp_path / "none.npz")


def test_of_several_inputs_one_is_named(tmp_path: Path) -> None:
    weight = np.array([[1.0, 0.0], [2.0, 1.0], [1.0, 0.0], [2.0, 1.0]])
    nodes = (Node("both", Concat(1), ("p", "long")), Node("out", Dense(weight), ("both",)))
    lrp.save(Network(nodes, (Input("p"), Input("long")), ("out",)), tmp_path / "net.npz")
    for name, factor in (("a", 1.0), ("b", 2.0)):
        np.savez(tmp_path / f"{name}.npz", p=np.array([[factor, 0.0]]), long=np.array([[0.0, factor]]))
    command: list[Any] = ["pair", tmp_path / "net.npz", tmp_path / "a.npz", tmp_path / "b.npz", "-c", "lrp0"]
    folder = tmp_path / "o"
    done = run(*command, "-o", folder)
    assert done.exit_code == 2
    assert "inputs that receive relevance: p, long; name the one whose features are paired with --at" in done.stderr
    # φ = (p₁ + 2l₂, l₂): of p the pairs are R_11 = p₁p'₁, of the other R_22 = (2·2 + 1·1) l₂l'₂.
    for at, pairs in (("p", [[[2.0, 0.0], [0.0, 0.0]]]), ("long", [[[0.0, 0.0], [0.0, 10.0]]])):
        assert run(*command, "--at", at, "-o", folder).exit_code == 0
        assert load_pairs(folder / "a_b.npz")["pairs"].tolist() == pairs
    wrong = run(*command, "--at", "q", "-o", folder)
    assert wrong.exit_code == 2
    assert "--at q: no input that receives relevance; there are: p, long" in wrong.stderr


def test_the_model_is_not_written_over(tmp_path: Path) -> None:
    model = dense_model(tmp_path).rename(tmp_path / "a_b.npz")
    a, b = (array(tmp_path / f"{one}.npy", [[1.0, 1.0]]) for one in ("a", "b"))
    held = model.read_bytes()
    done = run("pair", model, a, b, "-o", tmp_path)
    assert done.exit_code == 2
    assert f"{model} is read or written by this run; choose another folder with -o" in done.stderr
    assert model.read_bytes() == held
    assert run("pair", model, a, b, "-o", tmp_path / "o").exit_code == 0


def test_options_of_the_picture_are_told_where_there_is_none(tmp_path: Path) -> None:
    a = array(tmp_path / "a.npy", [[1.0, 1.0]])
    command: list[Any] = ["pair", dense_model(tmp_path), a, a, "-o", tmp_path / "o"]
    assert run(*command).stderr == ""
    told = run(*command, "--strongest", "3", "--limit", "2")
    assert told.exit_code == 0
    assert told.stderr == "lrp-ref: --strongest, --limit without effect: a picture is drawn of two pictures only\n"


def test_a_command_of_one_composite_refuses_a_second(tmp_path: Path) -> None:
    model, a = dense_model(tmp_path), array(tmp_path / "a.npy", [[1.0, 1.0]])
    for command in (("pair", model, a, a), ("certify", model, a), ("formula", model)):
        done = run(*command, "-c", "lrp0", "-c", "epsilon")
        assert done.exit_code == 2, command
        assert done.stderr == (
            "lrp-ref: error: --composite lrp0 and epsilon: this command takes one; run it once for each\n"
        )
    assert run("formula", model, "-c", "lrp0", "-c", "lrp0").exit_code == 0
