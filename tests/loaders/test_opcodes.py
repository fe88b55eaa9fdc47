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
from lrp_ref.loaders.allowed import RARE, Record, Table
from lrp_ref.loaders.opcodes import interpret

PLAIN = [
    None, True, False, 0, -1, 255, 65536, -(2**40), 2**64 - 1, -(2**63), 0.1, -0.0, 1e300, "", "text ä\n\x00",
    "x" * 300,
    b"", b"\x00\xff", b"y" * 300, bytearray(b"abc"), (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], [1, [2, [3]]], {},
    {"a": 1, 2: "b", None: 3.5},
    {"deep": [{"x": ((), [])}]}, [1.5] * 1000,
]  # fmt: skip


def called(*arguments: Any) -> Any:
    raise AssertionError(f"something was called with {arguments}")


ANY = Table(instructions=RARE)
OK = Table(
    {"ok.fine": called, "collections.OrderedDict": dict}, frozenset(["ok.word"]),
    records=lambda name: name.startswith("modules."), instructions=RARE,
)  # fmt: skip

# Older protocols call a function to make bytes.
FIRST = {bytes: 3, bytearray: 5}
CASES = [(value, protocol) for value in PLAIN for protocol in range(FIRST.get(type(value), 0), 6)]


@pytest.mark.parametrize(("value", "protocol"), CASES, ids=repr)
def test_plain_values_come_back(value: Any, protocol: int) -> None:
    back = interpret(pickle.dumps(value, protocol), ANY)
    assert repr(back) == repr(bytes(value) if isinstance(value, bytearray) else value)


@pytest.mark.parametrize("protocol", range(6))
def test_what_is_met_twice_is_one_value(protocol: int) -> None:
    inner = [1]
    back = interpret(pickle.dumps({"a": inner, "b": (inner, inner)}, protocol), Table())
    assert back["a"] is back["b"][0] is back["b"][1]
    loop: list[Any] = []
    loop.append(loop)
    assert (found := interpret(pickle.dumps(loop, protocol), Table()))[0] is found


def test_a_maker_is_called_in_place_of_what_the_file_names() -> None:
    content = pickle.dumps(OrderedDict(a=[1, 2]), 2)
    assert interpret(content, Table({"collections.OrderedDict": dict})) == {"a": [1, 2]}
    with pytest.raises(ModelFormatError, match=r"it names 'collections\.OrderedDict', which is never called"):
        interpret(content, Table())


class Plain:
    """An object with attributes."""


@pytest.mark.parametrize("protocol", range(2, 6))
def test_an_object_becomes_a_record_of_its_attributes(protocol: int) -> None:
    value = Plain()
    value.__dict__.update(size=3, inner=[Plain()])
    back = interpret(
        pickle.dumps(value, protocol), Table(records=lambda name: name.endswith(".Plain"), instructions=RARE)
    )
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
        interpret(content, OK)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "exhausted"),
        (b"\x80\x04", "exhausted"),
        (b"N", "exhausted"),
        (b".", "one value"),
        (b"(.", "one value"),
        (b"0.", "damaged"),
        (b"a.", "more values than there are"),
        (b"]a.", "more values than there are"),
        (b"NNa.", "an element for what is no list"),
        (b"NNNs.", "an entry for what is no dictionary"),
        (b"}]Ns.", "no text and no number"),
        (b"})Ns.", "no text and no number"),
        (b"}(K\x01u.", "a key without a value"),
        (b"K\x01K\x02t.", "damaged"),
        (b"h\x05.", "damaged"),
        (b"(q\x00.", "more values than there are"),
        (b"Nb.", "more values than there are"),
        (b"NNb.", "sets the state of what has none"),
        (b"N(tR.", "a call of what is no function"),
        (b"\x8c\x01aN\x93.", "a name that is no text"),
        (b"cok\nfine\nNR.", "a call of what is no function"),
        (b"cmodules\nA\n)R.", "a call of what is no function"),
        (b"cok\nfine\n)\x81.", "of what is no class"),
        (b"cmodules\nA\n(Nt\x81.", "made with arguments"),
        (b"cmodules\nA\n)\x81Nb.", "not a dict"),
        (b"cok\nword\n)R.", "a call of what is no function"),
        (b"NN.", "one value"),
        (b"(K\x01Q.", "refers to something outside itself"),
        (b"I18446744073709551616\n.", "more than 64 bits"),
        (b"\x8a\x09" + bytes(8) + b"\xff.", "more than 64 bits"),
        (b"}(\x8a\x09" + bytes(8) + b"\x01Nu.", "more than 64 bits"),
        (b"cok\nfine.more\n.", "'ok.fine.more'"),
        (b"cmodules\nA.__class__\n.", "'modules.A.__class__'"),
        (b"\x82\x01.", "byte 0: the instruction EXT1"),
        (b"\x8f.", "byte 0: the instruction EMPTY_SET"),
        (b"Nq\x00P1\n.", "byte 3: the instruction PERSID"),
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
        interpret(content, OK)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_persistent_identifier_is_asked_for() -> None:
    assert interpret(b"(X\x01\x00\x00\x00aK\x05tQ.", Table(persistent=lambda pid: {"is": pid})) == {"is": ("a", 5)}


def test_long_programs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opcodes, "OPCODES", 50)
    with pytest.raises(ModelFormatError, match="more than 50 instructions"):
        interpret(b"N0" * 60 + b"N.", Table())
    monkeypatch.setattr(opcodes, "MEMO", 3)
    with pytest.raises(ModelFormatError, match="more than 3 named values"):
        interpret(b"Nq\x00q\x01q\x02q\x03.", Table())


def test_values_nested_deeply_end_without_recursion() -> None:
    found = interpret(b"N" + b"\x85" * 500_000 + b".", Table())
    assert isinstance(found, tuple)
    assert isinstance(interpret(b"]" * 300_000 + b"a" * 299_999 + b".", Table()), list)


def text(length: int) -> bytes:
    return b"X" + length.to_bytes(4, "little") + b"a" * length


def test_instructions_that_few_formats_need_are_refused_where_they_are_not_asked_for() -> None:
    for content, name in (
        (b"(ia\nB\n.", "INST"), (b"(ca\nB\no.", "OBJ"), (b"ca\nB\n)\x81.", "NEWOBJ"),
        (b"\x96" + bytes(8) + b".", "BYTEARRAY8"),
    ):  # fmt: skip
        with pytest.raises(ModelFormatError, match=f"the instruction {name} is refused; say it so"):
            interpret(content, Table(records=lambda name: name == "a.B", advice="say it so"))


MANY = b"(" + b"N" * 100_000
ENTRIES = b"".join(b"J" + k.to_bytes(4, "little") + b"N" for k in range(100_000))
CALLS = {
    "texts": (text(1 << 20) + b"q\x000", b"cok\nfine\nh\x00\x85R0", 61),
    "bytes": (b"B" + (1 << 22).to_bytes(4, "little") + bytes(1 << 22) + b"q\x000", b"cok\nfine\nh\x00\x85R0", 61),
    "lists": (MANY + b"lq\x000", b"cok\nfine\nh\x00\x85R0", 25),
    "arguments": (MANY + b"tq\x000", b"cok\nfine\nh\x00R0", 25),
    "attributes": (b"}(" + ENTRIES + b"uq\x000", b"ca\nB\n)\x81h\x00b0", 25),
    "identifiers": (MANY + b"tq\x000", b"h\x00Q0", 25),
}


@pytest.mark.parametrize("case", CALLS)
def test_what_is_named_once_and_given_to_many_calls_is_counted(case: str) -> None:
    """A maker may copy what it gets: a file of a megabyte would take as much memory as it has calls."""
    begin, call, most = CALLS[case]
    table = Table(
        {"ok.fine": lambda *given: None},
        persistent=lambda given: None,
        records=lambda name: name == "a.B",
        instructions=RARE,
    )
    assert interpret(begin + call * most + b"N.", table) is None
    with pytest.raises(ModelFormatError, match=r"bytes, .* with those before it; 256000000 are allowed"):
        interpret(begin + call * (most + 1) + b"N.", table)


def test_every_instruction_is_of_a_kind() -> None:
    """What Python can write is either carried out or refused by name; nothing falls through to a method by chance."""
    done = {*opcodes._PLAIN, *opcodes._FIXED, *opcodes._STEPS, "PROTO", "FRAME"}
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
    for _ in range(6000):
        program = b"".join(codes[k] for k in draw.integers(0, len(codes), size=12))
        try:
            interpret(b"(NNN" + program + b"t.", ANY)
            values += 1
        except LrpError as error:
            assert "\n" not in str(error)  # noqa: PT017
    assert values > 20
