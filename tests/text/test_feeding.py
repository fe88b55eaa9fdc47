"""Sentences as inputs by name, and sentences and tokenizers that do not fit the network."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.arithmetic import rational
from lrp_ref.errors import LrpError, ParameterError, ShapeError, UnsupportedError
from lrp_ref.layers import (
    LSTM,
    Add,
    Affine,
    Dense,
    Embedding,
    Mean,
    Multiply,
    Number,
    Reshape,
    Softmax,
    Squeeze,
    Sum,
    Unsqueeze,
)  # fmt: skip
from lrp_ref.network import Input, Network, Node
from lrp_ref.text import Vocabulary, feed, require_fit

WORDS = Vocabulary(("<pad>", "<unk>", "not", "good", "bad"))
BARE = Vocabulary(("not", "good", "bad", "film", "a"))  # no padding, nothing for unknown words
F = Fraction
TABLE = [[0, 0], [1, -1], [2, F(1, 2)], [-1, 3], [F(1, 3), 1]]
WEIGHT = [[1, F(1, 2)], [-2, 1]]


def bag(length: int | None = None, kind: str = "", exact: bool = False) -> Network:
    """Look words up and add them; an input of so many pieces."""
    table, weight = (np.array(a, dtype=object) if exact else np.array(a, dtype=float) for a in (TABLE, WEIGHT))
    if exact:
        table, weight = rational(table), rational(weight)
    net = Network.sequential([("words", Embedding(table)), Sum((1,), keepdims=False), Dense(weight)])
    return replace(net, inputs=(Input("input", (None, length), element_type=kind),))


def masked(mask: str = "int64", length: int | None = None) -> Network:
    """Words, segments and positions that are added up, where a mask is 1."""
    draw = np.random.default_rng(1)
    weighs = [("mask", Unsqueeze((2,)), ("attention_mask",))]
    if not mask.startswith("float"):
        weighs.append(("ones", Number(np.ones(1)), ("mask",)))
    nodes = [
        ("words", Embedding(draw.normal(size=(5, 2))), ("input_ids",)),
        ("segments", Embedding(draw.normal(size=(2, 2))), ("token_type_ids",)),
        ("places", Embedding(draw.normal(size=(9, 2))), ("position_ids",)),
        ("both", Add(), ("words", "segments")), ("all", Add(), ("both", "places")), *weighs,
        ("seen", Multiply(gate=1), ("all", weighs[-1][0])), ("sum", Sum((1,), keepdims=False), ("seen",)),
        ("out", Dense(draw.normal(size=(2, 2))), ("sum",)),
    ]  # fmt: skip
    names = {"position_ids": "int64", "attention_mask": mask, "input_ids": "int64", "token_type_ids": "int64"}
    inputs = tuple(Input(name, (None, length), element_type=kind) for name, kind in names.items())
    return Network(tuple(Node(*n) for n in nodes), inputs, ("out",))


def test_one_input_takes_the_ids() -> None:
    x = feed(bag(), WORDS, ["not good", "bad bad"]).x
    assert list(x) == ["input"]
    assert x["input"].tolist() == [[2, 3], [4, 4]]
    assert x["input"].dtype == np.int64


def test_a_fixed_length_is_filled_up() -> None:
    assert feed(bag(5), WORDS, "not good").x["input"].tolist() == [[2, 3, 0, 0, 0]]
    last = Vocabulary(("<unk>", "not", "good", "bad", "[PAD]"))
    assert feed(bag(4), last, "not good").x["input"].tolist() == [[1, 2, 4, 4]]
    assert feed(bag(), WORDS, "not good", length=4).x["input"].tolist() == [[2, 3, 0, 0]]


@pytest.mark.parametrize("mask", ["int64", "float32", "float64", "bool"])
def test_inputs_are_found_by_name(mask: str) -> None:
    fed = feed(masked(mask), WORDS, ["not good", "bad not very good"])
    assert fed.name == "input_ids"
    assert fed.x["input_ids"].tolist() == [[2, 3, 0, 0], [4, 2, 1, 3]]
    assert fed.x["attention_mask"].tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert fed.x["attention_mask"].dtype == (mask if mask.startswith("float") else "int64")
    assert fed.x["token_type_ids"].tolist() == [[0] * 4] * 2
    assert fed.x["position_ids"].tolist() == [[0, 1, 2, 3]] * 2
    assert fed.sentences[1].unknown == ("very",)
    double = feed(masked("float32"), WORDS, "not", dtype="float64").x
    assert double["attention_mask"].dtype == np.float64


def test_padding_changes_nothing_and_gets_nothing() -> None:
    net = masked()
    short, long = (feed(net, WORDS, "not good", length=n) for n in (None, 7))
    assert np.array_equal(net.forward(short.x), net.forward(long.x))
    a, b = (lrp.explain(net, fed.x, target=1) for fed in (short, long))
    words = long.words(b)
    assert words.texts == ("not", "good", "padding")
    assert words.relevance[2] == 0
    np.testing.assert_allclose(words.relevance[:2], short.words(a).relevance, rtol=1e-12)
    np.testing.assert_allclose(
        words.relevance.sum() + sum(long.others(b).values()), b.arrived[0], rtol=1e-12
    )  # what is no word's is told apart
    assert set(long.others(b)) == {"attention_mask", "token_type_ids", "position_ids"}


def test_relevance_of_words_is_exact_on_rationals() -> None:
    """With LRP-0 and no bias every word gets what it adds to the output: v_w · W."""
    net = bag(4, exact=True)
    fed = feed(net, WORDS, "not good bad")
    rule = [((Sum, Dense), lrp.rules.LRP0())]
    found = fed.words(lrp.explain(net, fed.x, target=1, composite=rule, start="output"))
    by_hand = [sum(TABLE[k][d] * F(WEIGHT[d][1]) for d in range(2)) for k in (2, 3, 4, 0)]
    assert found.texts == ("not", "good", "bad", "padding")
    assert [str(r) for r in found.relevance] == [str(r) for r in by_hand]


def test_time_may_be_the_first_axis() -> None:
    net = bag()
    spec = Input("input", (None, None), batch_axis=1, element_type="int64")
    assert feed(replace(net, inputs=(spec,)), WORDS, ["not good", "bad bad"]).x["input"].tolist() == [[2, 4], [3, 4]]


def test_a_larger_tokenizer_is_refused_before_the_run_a_smaller_one_is_not() -> None:
    require_fit(bag(), Vocabulary(("a", "b")))
    with pytest.raises(ParameterError, match="6 pieces, the table of node 'words' 5 rows"):
        feed(bag(), Vocabulary(("a", "b", "c", "d", "e", "f")), "a")


def test_a_number_that_is_no_row_names_the_node() -> None:
    with pytest.raises(LrpError, match=r"node 'words'.*-5 to 4, got 5"):
        lrp.explain(bag(), np.array([[1, 5]]))


@pytest.mark.parametrize(
    ("net", "tokenizer", "texts", "length", "kind", "reason"),
    [
        (bag(), WORDS, "", None, ParameterError, "the sentence is empty"),
        (bag(), WORDS, [], None, ParameterError, "no sentence is given"),
        (bag(), WORDS, ["bad", " "], None, ParameterError, "sentence 1: the sentence is empty"),
        (bag(2), WORDS, "not not good", None, ParameterError, "has 3 pieces, the network takes 2: shorten it"),
        (bag(), WORDS, "not not good", 2, ParameterError, "takes 2: give a larger length"),
        (bag(4), WORDS, "not", 3, ParameterError, "length 3 is asked for, and the network takes 4"),
        (bag(4), BARE, "not", None, ParameterError, "no piece to fill it up with"),
        (bag(), BARE, "nota", None, ParameterError, "lacks 'nota'"),
        (bag(), WORDS, ["not", "not bad"], None, ShapeError, "the network has no mask: explain them one by one"),
        (Network.sequential([Dense(np.eye(2))]), WORDS, "not", None, UnsupportedError, "takes no tokens"),
        (replace(bag(), inputs=(Input("input", (None, 3, 2)),)), WORDS, "not", None, UnsupportedError, "one row"),
    ],
)
def test_what_cannot_be_fed(
    net: Network, tokenizer: Any, texts: Any, length: Any, kind: type[LrpError], reason: str
) -> None:
    with pytest.raises(kind, match=reason) as error:
        feed(net, tokenizer, texts, length=length)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (None, "a sentence is a text, got NoneType"),
        (b"not", "a sentence is a text, got bytes"),
        (["not", 1], "sentence 1: a sentence is a text, got int"),
    ],
)
def test_what_is_no_text(texts: Any, reason: str) -> None:
    with pytest.raises(ParameterError, match=f"^{reason}$"):
        feed(bag(), WORDS, texts)


@pytest.mark.parametrize("length", [0, -1, 4.5, "4"])
def test_a_length_that_is_none(length: Any) -> None:
    assert feed(bag(), WORDS, "not", length=np.int64(4)).x["input"].tolist() == [[2, 0, 0, 0]]
    with pytest.raises(ParameterError, match="give a whole number of pieces, 1 or more"):
        feed(bag(), WORDS, "not", length=length)


def test_inputs_whose_names_say_nothing_are_refused() -> None:
    nodes = (
        Node("a", Embedding(np.eye(3)), ("x",)),
        Node("b", Embedding(np.eye(3)), ("y",)),
        Node("c", Add(), ("a", "b")),
    )
    with pytest.raises(UnsupportedError, match=r"not clear: x, y: give the inputs by name in an \.npz file"):
        feed(Network(nodes, (Input("x"), Input("y")), ("c",)), WORDS, "not")


def test_words_are_found_behind_layers_that_move_them() -> None:
    net = Network.sequential([Reshape((-1,)), ("words", Embedding(np.eye(2))), Mean((1,), keepdims=False)])
    with pytest.raises(ParameterError, match="the table of node 'words' 2 rows"):
        require_fit(net, WORDS)


def test_a_mask_that_hides_everything_leaves_no_relevance() -> None:
    """The output is then a constant: no word has relevance, nothing is NaN, and a note says so."""
    net = masked()
    fed = feed(net, WORDS, ["not good", "bad bad"])
    fed.x["attention_mask"][1] = 0
    e = lrp.explain(net, fed.x, target=1)
    assert np.isfinite(fed.words(e, 0).relevance).all()
    assert (fed.words(e, 1).relevance == 0).all()
    assert (fed.words(e, 0).relevance != 0).all()
    assert e.ledger.residual <= 1e-12
    assert "input 'attention_mask' is 0 throughout in 1 of 2 samples" in " ".join(e.notes)
    fed.x["attention_mask"][1] = 1
    assert "mask" not in " ".join(lrp.explain(net, fed.x, target=1).notes)


@pytest.mark.parametrize("hiding", [-1e4, -3.4e38])
def test_a_mask_of_attention_alone_that_hides_everything(hiding: float) -> None:
    """A softmax does not change with what all scores lose: the network reads the words still, which the note tells."""
    draw = np.random.default_rng(2)
    nodes = [
        ("words", Embedding(draw.normal(size=(5, 2))), ("input_ids",)),
        ("each", Dense(draw.normal(size=(2, 1))), ("words",)), ("scores", Squeeze((2,)), ("each",)),
        ("ones", Number(np.ones(1)), ("attention_mask",)),
        ("loss", Affine(np.array([-hiding]), np.array([hiding])), ("ones",)),
        ("left", Add(), ("scores", "loss")), ("attention", Softmax(axis=1), ("left",)),
        ("weights", Unsqueeze((2,)), ("attention",)), ("read", Multiply(gate=0), ("weights", "words")),
        ("sum", Sum((1,), keepdims=False), ("read",)), ("out", Dense(draw.normal(size=(2, 2))), ("sum",)),
    ]  # fmt: skip
    inputs = (Input("input_ids"), Input("attention_mask"))
    net = Network(tuple(Node(*n) for n in nodes), inputs, ("out",))
    fed = feed(net, WORDS, ["not good", "bad not"])
    fed.x["attention_mask"][0] = 0
    e = lrp.explain(net, fed.x, target=0)
    assert np.isfinite(e.relevance["input_ids"]).all()
    assert e.ledger.residual <= 1e-12
    assert "'attention_mask' is 0 throughout in 1 of 2 samples" in " ".join(e.notes)


@pytest.mark.parametrize(
    ("lengths", "reason"),
    [([4, 2], "lengths"), ([-1, 2], "lengths"), ([2, 2, 2], r"lengths of shape \(3,\) for 2 samples|batch sizes")],
)
def test_lengths_beyond_the_steps_or_of_another_batch_are_refused(lengths: list[int], reason: str) -> None:
    draw = np.random.default_rng(0)
    cell = LSTM(
        draw.normal(size=(1, 4, 2, 2)), draw.normal(size=(1, 4, 2, 2)), draw.normal(size=(1, 4, 2)), lengths=True
    )
    net = Network((Node("words", Embedding(np.eye(3)[:, :2]), ("ids",)), Node("cell", cell, ("words", "lengths"))),
                  (Input("ids"), Input("lengths")), ("cell",))  # fmt: skip
    with pytest.raises(LrpError, match=reason) as error:
        lrp.explain(net, {"ids": np.array([[1, 2, 0], [0, 0, 1]]), "lengths": np.array(lengths)}, start="output")
    assert "\n" not in str(error.value)


def test_free_lengths_of_an_onnx_file_are_fixed(tmp_path: Path) -> None:
    """Of its inputs those of two axes, of which the second is free; a fixed one, and pictures, stay as they are."""
    pytest.importorskip("onnx")
    from onnx_graphs import onnx, write

    whole = onnx.TensorProto.INT64
    table = np.arange(6.0, dtype="f4").reshape(3, 2)
    path = write(
        tmp_path / "net.onnx",
        [("Gather", ["table", "ids"], {}), ("ReduceSum", ["t0"], {}), ("ReduceSum", ["x"], {}),
         ("Cast", ["kind"], {"to": 1}), ("ReduceSum", ["t3"], {}), ("Sum", ["t1", "t2", "t4"], {})],
        shape=("N", "T", 3), weights={"table": table},
        inputs={"ids": (whole, ("N", "T")), "kind": (whole, ("N", 8))},
    )  # fmt: skip
    assert lrp.text.sizes(path, 4) == {"shapes": {"ids": (None, 4)}}
    assert lrp.text.sizes(path, None) == {}
