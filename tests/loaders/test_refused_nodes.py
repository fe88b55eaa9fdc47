"""Errors stay one line of at most 600 characters, whatever stands in a file, and still say all of it."""

from __future__ import annotations

import time

import pytest

from lrp_ref.errors import LrpError, ModelFormatError, ShapeError, UndecidedError, one_line
from lrp_ref.loaders.refusals import listed, told


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("a\n  b\r\n\tc\td", "a b c\\td"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("turned\u202eround", "turned\\u202eround"),
        ("half\udcff", "half\\udcff"),
        ("Größe ≤ 3 · 数", "Größe ≤ 3 · 数"),
        ("back\\slash", "back\\slash"),
    ],
)
def test_what_cannot_be_printed_is_escaped(text: str, right: str) -> None:
    assert one_line(text) == right
    assert str(ModelFormatError(text)) == right
    assert str(ShapeError("s").adding(text)) == f"s{right}"
    assert str(ShapeError("s").at(text)) == f"node '{right}': s"
    assert one_line(right) == right


@pytest.mark.parametrize("length", [601, 10**4, 10**7])
def test_a_long_message_keeps_its_beginning_and_its_end(length: int) -> None:
    text = str(UndecidedError("file: " + "\x00" * length + ": the reason", ("operand",)))
    assert len(text) == 600
    assert text.startswith("file: \\x00\\x00")
    assert text.endswith("\\x00: the reason")


def test_an_error_without_a_message_has_none() -> None:
    assert str(LrpError()) == ""


def test_each_node_is_named_where_there_is_room() -> None:
    entries = [("Sin", "wave", "no layer"), ("Cos", "c", "no layer"), ("Sin", "again", "no layer")]
    assert listed(entries, 200) == "Sin 'wave' (no layer); Cos 'c' (no layer); Sin 'again' (no layer)"
    assert told(entries[:1], 200) == "1 unsupported node: Sin 'wave' (no layer)"


def test_hundreds_of_nodes_are_named_by_operator_and_reason() -> None:
    entries = [("MatMul", f"layer{k}.product", "two signals") for k in range(240)]
    entries += [("Softmax", f"layer{k}.softmax", "axis 0 is the batch") for k in range(12)]
    entries += [("Where", "mask", "its condition is computed")]
    text = told(entries, 500)
    assert text == (
        "253 unsupported nodes: MatMul ×240, first 'layer0.product' (two signals); Softmax ×12, first "
        "'layer0.softmax' (axis 0 is the batch); Where 'mask' (its condition is computed)"
    )


def test_operators_of_one_reason_stand_together_when_there_are_many() -> None:
    entries = [(f"Operator{k}", f"node{k}", "operator not supported") for k in range(20)]
    text = listed(entries, 500)
    assert text.startswith("Operator0 'node0', Operator1 'node1', ")
    assert text.endswith("Operator19 'node19' (operator not supported)")


def test_long_reasons_are_shortened_so_that_all_are_named() -> None:
    entries = [(f"Op{k}", "name" * 30, f"reason {k} " + "because " * 40 + f"end {k}") for k in range(5)]
    text = listed(entries, 400)
    assert len(text) <= 400
    assert all(f"Op{k} (reason {k} because" in text and f"end {k})" in text for k in range(5))


def test_what_does_not_fit_is_counted_in_linear_time() -> None:
    entries = [(f"Op{k}" * 90, "x" * 900, f"reason {k} " + "y" * 900) for k in range(50_000)]
    started = time.perf_counter()
    text = told(entries, 300)
    assert time.perf_counter() - started < 2
    assert len(text) <= 300
    assert text.startswith("50000 unsupported nodes: Op0Op0")
    assert text.endswith("; and 49998 more reasons")
