"""Files like those of ``torch.save`` that would run code, take memory or never end: one line, and nothing is done."""

from __future__ import annotations

import os
import struct
import time
import tracemalloc
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import weights_files as w

from lrp_ref.errors import LrpError, ModelFormatError, UnsupportedError
from lrp_ref.loaders import load
from lrp_ref.loaders.torch import read
from lrp_ref.loaders.torch.description import TABLE

ONE = {"weight": np.ones((1, 1), np.float32), "bias": np.zeros(1, np.float32)}
DATA = {"0": np.arange(4, dtype=np.float32).tobytes()}
FLOATS = "FloatStorage"


def refused(path: Path) -> LrpError:
    """The error of a file, which is one short line that names it, and comes soon."""
    start = time.process_time()
    with pytest.raises((ModelFormatError, UnsupportedError)) as caught:
        load(path, architecture={"layers": [{"Linear": ""}]})
    message = str(caught.value)
    assert path.name in message
    assert len(message) <= 600
    assert message.isprintable()
    assert time.process_time() - start < 5
    return caught.value


@cache
def programs() -> dict[str, tuple[bytes, str]]:
    """Programs, and a word of why they are refused; those that would run write a file called "touched"."""
    command = w.text("touch touched")
    code = w.text("open('touched', 'w')")
    other = w.name("torch._utils._rebuild_tensor_v2.__globals__", "os")
    parameter = w.name("torch._utils", "_rebuild_parameter")
    ok = w.tensor(FLOATS, "0", 4, (2, 2), (2, 1))
    instance = "ios\nsystem\n"
    stack = lambda module, name: w.text(module) + w.text(name) + b"\x93"  # noqa: E731
    return {
        "os.system": (w.call(w.name("os", "system"), command), "os.system"),
        "posix.system": (w.call(w.name("posix", "system"), command), "posix.system"),
        "eval": (w.call(w.name("builtins", "eval"), code), "builtins.eval"),
        "exec by Python 2's name": (w.call(w.name("__builtin__", "exec"), code), "__builtin__.exec"),
        "getattr": (w.call(w.name("builtins", "getattr"), w.name("torch", "FloatStorage"), w.text("a")), "getattr"),
        "import": (w.call(w.name("importlib", "import_module"), w.text("os")), "importlib.import_module"),
        "subprocess": (w.call(w.name("subprocess", "Popen"), command), "subprocess.Popen"),
        "torch.load": (w.call(w.name("torch", "load"), command), "torch.load"),
        "torch.hub": (w.call(w.name("torch.hub", "load"), command), "torch.hub.load"),
        "a name with dots": (w.call(w.name("collections", "OrderedDict.fromkeys"), command), "OrderedDict.fromkeys"),
        "a dotted module": (w.call(other, command), "__globals__"),
        "a space in the module": (w.call(b"ccollections OrderedDict\nx\n", command), "x"),
        "stack global": (stack("os", "system") + w.several(command) + b"R", "os.system"),
        "stack global of numbers": (w.number(1) + w.number(2) + b"\x93", "no text"),
        "stack global by memo": (w.text("os") + b"q\x00" + b"h\x00" + w.text("system") + b"\x93", "os.system"),
        "instance": (b"(" + command + instance.encode(), "INST"),
        "object": (b"(" + w.name("os", "system") + command + b"o", "os.system"),
        "object of an allowed name": (b"(" + w.name("collections", "OrderedDict") + b"o", "OBJ"),
        "new object": (w.name("collections", "OrderedDict") + b")\x81", "NEWOBJ"),
        "new object, extended": (w.name("collections", "OrderedDict") + b")}\x92", "NEWOBJ_EX"),
        "extension registry": (b"\x82\x01", "EXT1"),
        "persistent id as text": (b"Pstorage\n", "PERSID"),
        "buffers": (b"\x97", "NEXT_BUFFER"),
        "byte array": (b"\x96" + struct.pack("<Q", 1) + b"a", "BYTEARRAY8"),
        "a set": (b"\x8f", "EMPTY_SET"),
        "build on a dictionary": (b"}}b", "BUILD"),
        "build on a name": (w.name("torch", "FloatStorage") + b"}b", "BUILD"),
        "build on a tensor": (ok + b"}b", "BUILD"),
        "call of a tensor": (ok + b")R", "no function"),
        "call of a text": (w.text("os.system") + b")R", "no function"),
        "call of a storage class": (w.name("torch", FLOATS) + w.several(w.number(4)) + b"R", "no function"),
        "call with a list": (w.name("collections", "OrderedDict") + b"]R", "no function"),
        "call of the mark": (b"()R", "more values"),
        "OrderedDict of other things": (w.call(w.name("collections", "OrderedDict"), w.number(3)), "pairs"),
        "OrderedDict of several": (w.call(w.name("collections", "OrderedDict"), b"]", b"]"), "pairs"),
        "parameter without its hooks": (w.call(parameter, ok), "other"),
        "parameter of a number": (w.call(parameter, b"K\x01", b"\x88", b"}"), "other"),
        "whole model": (w.name("__main__", "Net") + b")R", "torch.save(model.state_dict(), FILE)"),
        "storage too small": (w.tensor(FLOATS, "0", 4, (3, 2), (2, 1)), "reaches to place 5"),
        "storage too small by stride": (w.tensor(FLOATS, "0", 4, (2, 2), (3, 1)), "reaches to place 4"),
        "storage too small by offset": (w.tensor(FLOATS, "0", 4, (2, 2), (2, 1), 1), "reaches to place 4"),
        "negative stride": (w.tensor(FLOATS, "0", 4, (2, 2), (-2, 1), 2), "from 0 on"),
        "negative offset": (w.tensor(FLOATS, "0", 4, (2, 2), (2, 1), -1), "from 0 on"),
        "negative size": (w.tensor(FLOATS, "0", 4, (-2, 2), (2, 1)), "from 0 on"),
        "size of 2⁶⁴": (w.tensor(FLOATS, "0", 4, (1 << 64, 0), (2, 1)), "64 bits"),
        "size of 2⁶², stride 0": (
            w.entries({"weight": w.tensor(FLOATS, "0", 4, (1 << 62, 1), (0, 1)), "bias": ok}), "no array can have"),
        "a gigabyte by stride 0": (
            w.entries({"weight": w.tensor(FLOATS, "0", 4, (1 << 14, 1 << 14), (0, 0)), "bias": ok}), "needs"),
        "sizes without strides": (w.tensor(FLOATS, "0", 4, (2, 2), (1,)), "2 sizes and 1 strides"),
        "40 axes": (w.tensor(FLOATS, "0", 4, (1,) * 40, (1,) * 40), "axes"),
        "sizes that are flags": (
            w.call(w.REBUILD, w.storage(FLOATS, "0", 4), b"\x88", b")", b")", b"\x89", b"}"), "from 0 on"),
        "tensor of three arguments": (w.call(w.REBUILD, w.storage(FLOATS, "0", 4), b"K\x00", b")"), "arguments"),
        "tensor of no storage": (w.call(w.REBUILD, b"N", b"K\x00", b")", b")", b"\x89", b"}"), "without a storage"),
        "storage that is part of another": (
            w.several(w.text("storage"), w.name("torch", FLOATS), w.text("0"), w.text("cpu"), w.number(4),
                      w.several(w.text("1"), w.number(0), w.number(4))) + b"Q", "part of another one"),
        "storage of another class": (w.storage("load", "0", 4), "torch.load"),
        "storage of a function": (
            w.several(w.text("storage"), w.REBUILD, w.text("0"), w.text("cpu"), w.number(4)) + b"Q", "class is none"),
        "storage of seven entries": (
            w.several(w.text("storage"), w.name("torch", FLOATS), w.text("0"), w.text("cpu"), w.number(4), b"N", b"N")
            + b"Q", "no storage of a tensor"),
        "storage of a text": (
            w.several(w.text("storage"), w.text(FLOATS), w.text("0"), w.text("cpu"), w.number(4)) + b"Q", "is none"),
        "storage by number": (
            w.several(w.text("storage"), w.name("torch", FLOATS), w.number(0), w.text("cpu"), w.number(4)) + b"Q",
            "key is no text"),
        "storage with another word": (w.several(*[w.text("module")] * 5) + b"Q", "no storage"),
        "storage that is a path": (w.tensor(FLOATS, "../0", 4, (2, 2), (2, 1)), "missing"),
        "storage of −1 elements": (w.tensor(FLOATS, "0", -1, (0,), (1,)), "no size"),
        "storage of too many elements": (w.tensor(FLOATS, "0", 1 << 40, (1 << 40,), (1,)), "has 16 bytes"),
        "storage of two types": (
            w.listed(w.tensor(FLOATS, "0", 4, (4,), (1,)), w.tensor("IntStorage", "0", 4, (4,), (1,))), "two types"),
        "dictionary that is its own key": (b"}q\x00(h\x00h\x00u", "no text and no number"),
        "key of nested tuples": (b"}(" + b")" + b"2\x86" * 60 + b"K\x01u", "no text and no number"),
        "two tensors of one path": (w.entries({"a.b": ok, "a": w.entries({"b": ok})}), "two tensors are called 'a.b'"),
        "list in itself": (b"]q\x00h\x00a", "nested more than"),
        "list a thousand times in itself": (b"]q\x00(" + b"h\x00" * 1000 + b"e", "values"),
        "lists of lists of lists": (
            b"]q\x000]q\x01(" + b"h\x00" * 1000 + b"e0](" + b"h\x01" * 1001 + b"e", "1000000 values"),
        "nested deep": (b"]" * 100_000 + b"a" * 99_999, "nested more than"),
        "long keys inside each other": (
            b"}" + b"".join(b"(" + w.text("k" * 900) + b"}" for _ in range(3)) + b"u" * 3, "more than 1000 characters"),
        "long names of many": (
            b"]q\x00" + ok + b"a0}(" + w.text("k" * 900) + b"](" + b"h\x00" * 40_000 + b"eu", "characters"),
        "values beyond the stack": (b"\x86", "more values"),
        "pop of nothing": (b"0", "damaged"),
        "mark of nothing": (b"t", "damaged"),
        "memo of nothing": (b"h\x07", "damaged"),
        "two values": (b"}}", "one value"),
        "no value": (b"", "one value"),
        "a mark at the end": (b"(", "one value"),
        "odd dictionary": (b"(K\x01d", "key without a value"),
        "entries for a list": (b"](K\x01K\x02u", "no dictionary"),
        "elements for a dictionary": (b"}(K\x01e", "no list"),
        "a million instructions": (b"}" + b"N0" * 500_000, "instructions"),
        "many names": (b"N" + b"".join(b"r" + struct.pack("<I", k) for k in range(100_001)), "named values"),
        "a long integer": (b"\x8b" + struct.pack("<I", 100_000) + b"\x7f" * 100_000, "64 bits"),
        "digits": (b"I" + b"9" * 5000 + b"\n", "damaged"),
        "a text that is cut off": (b"X" + struct.pack("<I", 1 << 31), "damaged"),
        "a text of 2⁶⁰": (b"\x8d" + struct.pack("<Q", 1 << 60), "damaged"),
        "text that is no UTF-8": (b"X" + struct.pack("<I", 2) + b"\xff\xff", "damaged"),
        "no instruction": (b"\xff", "damaged"),
        "control characters in a name": (w.name("a\x1b[2J", "b\x07"), "\\x1b"),
        "a long name": (w.name("a" * 10_000, "b"), "aaa…"),
    }  # fmt: skip


CASES = sorted(programs())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("older", [False, True], ids=["zip", "older"])
def test_a_hostile_program_is_refused_in_one_line_and_not_run(
    case: str, older: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, reason = programs()[case]
    path = tmp_path / "net.pth"
    if older:
        w.older_torch_file(path, {})
        head = path.read_bytes()
        start = head.index(w.program(w.entries({})))
        keys = w.program(w.listed(w.text("0")))
        path.write_bytes(head[:start] + w.program(code) + keys + struct.pack("<Q", 4) + DATA["0"])
    else:
        w.torch_zip(path, w.program(code), DATA)
    message = str(refused(path))
    if not older or reason not in ("missing", "has 16 bytes"):
        assert reason in message
    assert not (tmp_path / "touched").exists()


LARGE = ("lists of lists of lists", "list a thousand times in itself", "a text of 2⁶⁰", "storage of too many elements",
         "a gigabyte by stride 0", "nested deep")  # fmt: skip


@pytest.mark.parametrize("case", LARGE)
def test_a_program_that_would_take_memory_takes_little(case: str, tmp_path: Path) -> None:
    w.torch_zip(path := tmp_path / "net.pth", w.program(programs()[case][0]), DATA)
    tracemalloc.start()
    try:
        with pytest.raises(ModelFormatError):
            load(path, architecture={"layers": [{"Linear": ""}]})
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


def test_nothing_is_imported_and_no_pickle_is_loaded(tmp_path: Path) -> None:
    import subprocess
    import sys

    w.torch_file(tmp_path / "net.pth", ONE)
    code = (
        "import sys; from lrp_ref.loaders.torch import read; "
        f"read({str(tmp_path / 'net.pth')!r})['weight']; print(*sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "torch" not in done.stdout.split()


def test_the_allowed_names_are_these() -> None:
    """Whoever adds one has to change two places."""
    kinds = ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
    assert set(TABLE.makers) | TABLE.names == {
        "collections.OrderedDict", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter",
        *(f"torch.{kind}Storage" for kind in kinds),
    }  # fmt: skip


# -- the zip around it -------------------------------------------------------------------------------------------------


def test_zip_entries_that_lie_are_refused(tmp_path: Path) -> None:
    code, storages = w.described_state(ONE)
    good = tmp_path / "good.pth"
    w.torch_zip(good, code, storages)
    data = good.read_bytes()
    assert list(read(good)) == ["weight", "bias"]
    start = data.index(b"PK\x01\x02")

    def changed(place: int, layout: str, value: int) -> Path:
        other = bytearray(data)
        struct.pack_into(layout, other, start + place, value)
        (path := tmp_path / "bad.pth").write_bytes(other)
        return path

    refused(changed(8, "<H", 1))  # encrypted
    refused(changed(10, "<H", 12))  # bzip2
    refused(changed(24, "<I", 1 << 31))  # size
    refused(changed(20, "<I", 1 << 31))  # size in the file
    refused(changed(42, "<I", 1 << 31))  # place
    refused(changed(16, "<I", 7))  # checksum
    for cut in (10, len(data) // 2, len(data) - 10):
        (path := tmp_path / "bad.pth").write_bytes(data[:cut])
        refused(path)


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    code = w.program(w.entries({"weight": w.tensor(FLOATS, "0", 1 << 26, (1 << 26,), (1,))}))
    w.torch_zip(path, code, {"0": bytes(1 << 28)}, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    refused(path)


def test_entries_that_overlap_are_refused(tmp_path: Path) -> None:
    code, storages = w.described_state(ONE)
    w.torch_zip(path := tmp_path / "net.pth", code, storages)
    data = bytearray(path.read_bytes())
    places = [k for k in range(len(data)) if data[k : k + 4] == b"PK\x01\x02"]
    first = struct.unpack_from("<I", data, places[2] + 42)[0]
    struct.pack_into("<I", data, places[3] + 42, first + 1)
    path.write_bytes(data)
    refused(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_occur_twice_lead_out_or_are_missing_are_refused(tmp_path: Path) -> None:
    code, storages = w.described_state(ONE)
    path = tmp_path / "net.pth"
    w.torch_zip(path, code, storages)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/data.pkl", code)
    refused(path)
    w.torch_zip(path, code, {"0": storages["0"]})
    assert "'1' is missing" in str(refused(path))
    w.torch_zip(path, code, {**storages, "../../../evil": b"x"})
    assert len(read(path)) == 2  # nobody asks for it, and nothing is written anywhere
    w.torch_zip(path, code, storages, folder="a")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("b/data.pkl", code)
    assert "2 entries NAME/data.pkl" in str(refused(path))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "0 entries NAME/data.pkl" in str(refused(path))
    w.torch_zip(path, code, storages)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/constants.pkl", code)
    assert "TorchScript" in str(refused(path))


def test_byte_orders(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    code = w.program(w.entries({"weight": w.tensor(FLOATS, "0", 1, (1, 1), (1, 1))}))
    for order, data in ((b"little", struct.pack("<f", 1.5)), (b"big", struct.pack(">f", 1.5))):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("m/data.pkl", code)
            archive.writestr("m/data/0", data)
            archive.writestr("m/byteorder", order)
        assert read(path)["weight"] == 1.5
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", code)
        archive.writestr("m/data/0", data)
        archive.writestr("m/byteorder", "middle")
    assert "byteorder" in str(refused(path))


def test_other_files_say_how_to_save_them_again(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    for content in (b"", b"\x80\x02}.", b"model weights", bytes(100), b"\x80\x02\x8a\x0a"):
        path.write_bytes(content)
        assert "torch.save(model.state_dict(), FILE)" in str(refused(path))
    w.older_torch_file(path, ONE)
    assert read(path)["weight"] == 1
    data = path.read_bytes()
    for cut in (3, 20, 40, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:cut])
        refused(path)
    path.write_bytes(data.replace(w.number(1001), w.number(1002)))
    assert "torch.save(torch.load(" in str(refused(path))
    path.write_bytes(data.replace(struct.pack("<Q", 1), struct.pack("<Q", 1 << 60)))
    refused(path)
    (folder := tmp_path / "folder.pth").mkdir()
    refused(folder)
    os.mkfifo(tmp_path / "pipe.pth")
    refused(tmp_path / "pipe.pth")
