"""Pickles, carried out on plain values: what they hold comes back, what they would do is not done."""

from __future__ import annotations

import os
import pickle
import pickletools
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrp_ref.errors import LrpError, ModelFormatError
from lrp_ref.loaders import opcodes
from lrp_ref.loaders.opcodes import Record, interpret

PLAIN = [
    None, True, False, 0, -1, 255, 65536, -(2**40), 2**200, 0.1, -0.0, 1e300, "", "text ä\n\x00", "x" * 300,
    b"", b"\x00\xff", b"y" * 300, bytearray(b"abc"), (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], [1, [2, [3]]], {},
    {"a": 1, 2: "b", None: 3.5},
    {"deep": [{"x": ((), [])}]}, [1.5] * 1000,
]  # fmt: skip


def called(*arguments: Any) -> Any:
    raise AssertionError(f"something was called with {arguments}")


# Older protocols call a function to make bytes.
FIRST = {bytes: 3, bytearray: 5}
CASES = [(value, protocol) for value in PLAIN for protocol in range(FIRST.get(type(value), 0), 6)]


@pytest.mark.parametrize(("value", "protocol"), CASES, ids=repr)
def test_plain_values_come_back(value: Any, protocol: int) -> None:
    back = interpret(pickle.dumps(value, protocol), {})
    assert repr(back) == repr(bytes(value) if isinstance(value, bytearray) else value)


@pytest.mark.parametrize("protocol", range(6))
def test_what_is_met_twice_is_one_value(protocol: int) -> None:
    inner = [1]
    back = interpret(pickle.dumps({"a": inner, "b": (inner, inner)}, protocol), {})
    assert back["a"] is back["b"][0] is back["b"][1]
    loop: list[Any] = []
    loop.append(loop)
    assert (found := interpret(pickle.dumps(loop, protocol), {}))[0] is found


def test_a_maker_is_called_in_place_of_what_the_file_names() -> None:
    content = pickle.dumps(OrderedDict(a=[1, 2]), 2)
    assert interpret(content, {"collections.OrderedDict": dict}) == {"a": [1, 2]}
    with pytest.raises(ModelFormatError, match=r"it names 'collections\.OrderedDict', which is never called"):
        interpret(content, {})


class Plain:
    """An object with attributes."""


@pytest.mark.parametrize("protocol", range(2, 6))
def test_an_object_becomes_a_record_of_its_attributes(protocol: int) -> None:
    value = Plain()
    value.__dict__.update(size=3, inner=[Plain()])
    back = interpret(pickle.dumps(value, protocol), {}, records=lambda name: name.endswith(".Plain"))
    assert isinstance(back, Record)
    assert back.kind == f"{__name__}.Plain"
    assert back.attributes["size"] == 3
    assert back.attributes["inner"][0].attributes == {}


class Reduces:
    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> Any:
        return self.reduced


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "function",
    [os.system, eval, exec, getattr, __import__, called, pickle.loads, np.load, Path.write_text],
    ids=lambda f: f.__name__,
)
def test_nothing_is_called_or_imported(function: Any, protocol: int) -> None:
    content = pickle.dumps([Reduces(function, ("x",))], protocol)
    with pytest.raises(ModelFormatError, match=r"which is never called; no code of a file is run"):
        interpret(content, {"collections.OrderedDict": dict}, records=lambda name: name.startswith("modules."))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "exhausted"),
        (b"\x80\x04", "exhausted"),
        (b"N", "exhausted"),
        (b".", "damaged"),
        (b"(.", "a mark where a value is expected"),
        (b"0.", "damaged"),
        (b"a.", "damaged"),
        (b"]a.", "damaged"),
        (b"NNa.", "appends to what is no list"),
        (b"NNNs.", "sets entries of what is no dict"),
        (b"}]Ns.", "by keys that are neither"),
        (b"})Ns.", "by keys that are neither"),
        (b"}(K\x01u.", "damaged"),
        (b"K\x01K\x02t.", "damaged"),
        (b"h\x05.", "damaged"),
        (b"(q\x00.", "a mark where a value"),
        (b"Nb.", "damaged"),
        (b"NNb.", "sets the state of what has none"),
        (b"N(tR.", "calls what is no function"),
        (b"\x8c\x01aN\x93.", "a name that is no text"),
        (b"cok\nfine\nNR.", "calls what is no function"),
        (b"cmodules\nA\n)R.", "calls what is no function"),
        (b"cok\nfine\n)\x81.", "of what is no class"),
        (b"cmodules\nA\n(Nt\x81.", "made with arguments"),
        (b"cmodules\nA\n)\x81Nb.", "not a dict"),
        (b"cok\nfine.more\n.", "'ok.fine.more'"),
        (b"cmodules\nA.__class__\n.", "'modules.A.__class__'"),
        (b"\x82\x01.", "the instruction EXT1 at byte 0"),
        (b"\x8f.", "the instruction EMPTY_SET at byte 0"),
        (b"Nq\x00P1\n.", "the instruction PERSID at byte 3"),
        (b"NQ.", "refers to something outside itself"),
        (b"I" + b"9" * 5000 + b"\n.", "damaged"),
        (b"X\xff\xff\xff\x7fabc.", "damaged"),
        (b"\x8d" + b"\xff" * 8 + b"abc.", "damaged"),
        (b"X\x02\x00\x00\x00\xff\xfe.", "damaged"),
        (b"S'no end\n.", "damaged"),
        (b"cos\n\\u\n.", "which is never called"),
        (b"\xfe.", "at position 0, opcode b'\\xfe' unknown"),
    ],
)  # fmt: skip
def test_damaged_and_hostile_pickles(content: bytes, reason: str) -> None:
    with pytest.raises(ModelFormatError) as caught:
        interpret(content, {"ok.fine": called}, records=lambda name: name.startswith("modules."))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_persistent_identifier_is_asked_for() -> None:
    assert interpret(b"(X\x01\x00\x00\x00aK\x05tQ.", {}, persistent=lambda pid: {"is": pid}) == {"is": ("a", 5)}


def test_long_programs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opcodes, "OPCODES", 50)
    with pytest.raises(ModelFormatError, match="more than 50 instructions"):
        interpret(b"N0" * 60 + b"N.", {})
    monkeypatch.setattr(opcodes, "MEMO", 3)
    with pytest.raises(ModelFormatError, match="more than 3 entries in its memo"):
        interpret(b"Nq\x00q\x01q\x02q\x03.", {})


def test_values_nested_deeply_end_without_recursion() -> None:
    found = interpret(b"N" + b"\x85" * 500_000 + b".", {})
    assert isinstance(found, tuple)
    assert isinstance(interpret(b"]" * 300_000 + b"a" * 299_999 + b".", {}), list)


def test_every_instruction_is_of_a_kind() -> None:
    """What Python can write is either carried out or refused by name; nothing falls through to a method by chance."""
    done = {*opcodes._PLAIN, *opcodes._FIXED, *opcodes._STEPS, "PROTO", "FRAME", "STOP"}
    refused = {
        "EXT1", "EXT2", "EXT4", "PERSID", "EMPTY_SET", "ADDITEMS", "FROZENSET", "NEWOBJ_EX", "NEXT_BUFFER",
        "READONLY_BUFFER",
    }  # fmt: skip
    assert done | refused == {o.name for o in pickletools.opcodes}
    assert not done & refused


def test_random_programs_end_in_a_value_or_one_error() -> None:
    draw = np.random.default_rng(3)
    codes = [o.code.encode("latin-1") for o in pickletools.opcodes if o.arg is None]
    values = 0
    for _ in range(3000):
        program = b"".join(codes[k] for k in draw.integers(0, len(codes), size=12))
        try:
            interpret(b"N(NNN" + program + b".", {})
            values += 1
        except LrpError as error:
            assert "\n" not in str(error)  # noqa: PT017
    assert values > 20
