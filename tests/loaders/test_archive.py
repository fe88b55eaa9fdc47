"""Zip files that lie, and the limits of what a file may take."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lrp_ref.errors import ModelFormatError
from lrp_ref.loaders import archive, limits
from lrp_ref.loaders.archive import Archive


def zipped(path: Path, *entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as made:
        for name, data in entries:
            made.writestr(name, data)
    return path


def read_all(path: Path) -> None:
    with Archive(path) as found:
        for name in found.sizes:
            found.read(name)


def refused(path: Path, *parts: str) -> None:
    with pytest.raises(ModelFormatError) as caught:
        read_all(path)
    for part in (str(path), *parts):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def changed(path: Path, place: Callable[[bytes], int], value: bytes) -> Path:
    content = bytearray(path.read_bytes())
    at = place(bytes(content))
    content[at : at + len(value)] = value
    path.write_bytes(content)
    return path


def central(entry: str, field: int) -> Callable[[bytes], int]:
    """Where a field of an entry's record in the list at the end is."""
    return lambda content: content.rindex(entry.encode()) - 46 + field


def test_entries_are_read_whole(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", ("one", b"1" * 3_000), ("two/three", b""), ("four", b"\x00\xff"))
    with Archive(path) as found:
        assert found.sizes == {"one": 3_000, "two/three": 0, "four": 2}
        assert found.read("one") == b"1" * 3_000
        assert found.read("two/three", 0) == b""
        assert found.read("four", 2) == b"\x00\xff"
        assert found.size == path.stat().st_size


def test_a_missing_entry_and_one_above_the_callers_limit_are_named(tmp_path: Path) -> None:
    with Archive(zipped(tmp_path / "a.zip", ("one", b"12345"))) as found:
        with pytest.raises(ModelFormatError, match="entry 'two' is missing"):
            found.read("two")
        with pytest.raises(ModelFormatError, match="entry 'one' claims 5 bytes; 4 are allowed"):
            found.read("one", 4)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + bytes(60), b"no zip file at all" * 9])
def test_what_is_no_zip_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    refused(tmp_path / "a.zip", "not a zip file")


def test_a_high_ratio_is_refused_above_a_megabyte(tmp_path: Path) -> None:
    refused(zipped(tmp_path / "a.zip", ("zeros", bytes(2_000_000))), "'zeros' claims 2000000 bytes in", "200 times")
    with Archive(zipped(tmp_path / "a.zip", ("zeros", bytes(1_000_000)))) as found:
        assert found.read("zeros") == bytes(1_000_000)


def test_entries_that_take_more_than_the_file_may_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "a.zip", *((f"part{k}", bytes(900_000)) for k in range(4)))
    monkeypatch.setattr(limits, "LEAST", 3_600_000)
    with Archive(path):
        pass
    monkeypatch.setattr(limits, "LEAST", 3_500_000)
    refused(path, "claim 3600000 bytes; 3500000 are allowed")


def test_too_many_entries_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "a.zip", *((str(k), b"") for k in range(5)))
    monkeypatch.setattr(archive, "MEMBERS", 4)
    refused(path, "5 entries; 4 are allowed")


def test_a_list_of_entries_that_is_too_long_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "a.zip", *((f"{k:02000}", b"") for k in range(50)))
    monkeypatch.setattr(archive._File, "most", 70_000)
    refused(path, "list of entries has more than 70000 bytes")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    refused(zipped(tmp_path / "a.zip", ("one", b"1"), ("one", b"2")), "entry 'one' is there twice")


def test_entries_in_each_other_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", ("one", b"1" * 40), ("two", b"2" * 40), method=zipfile.ZIP_STORED)
    refused(changed(path, central("two", 42), struct.pack("<L", 0)), "overlaps")


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", ("one", b"1"), ("two", b"2"))
    refused(changed(path, central("two", 8), b"\x01"), "entry 'two' is encrypted")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_of_compression_are_refused(method: int, tmp_path: Path) -> None:
    refused(zipped(tmp_path / "a.zip", ("one", b"1" * 99), method=method), f"method {method}")


@pytest.mark.parametrize(("claimed", "reason"), [(101, "has 100"), (99, "entry 'one'")])
def test_a_size_that_lies_is_found_when_it_is_read(claimed: int, reason: str, tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", ("one", b"12345" * 20))
    refused(changed(path, central("one", 24), struct.pack("<L", claimed)), reason)


def test_changed_bytes_are_found_by_their_checksum(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", ("one", b"12345"), method=zipfile.ZIP_STORED)
    refused(changed(path, lambda content: content.index(b"12345"), b"6"), "entry 'one' is damaged", "CRC")


# Limits --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(-1, 3), (2.0,), (True,), ("4",), (None,)])
def test_a_size_that_is_none_is_refused(shape: tuple[object, ...]) -> None:
    with pytest.raises(ModelFormatError, match="sizes are integers"):
        limits.size_of(shape, 4, "file: tensor 'w'")


def test_sizes_do_not_overflow() -> None:
    assert limits.size_of((1 << 57, 2), 8, "w") == 1 << 61
    assert limits.size_of((), 8, "w") == 8
    assert limits.size_of((1 << 58, 0), 8, "w") == 0
    for shape in ((1 << 62, 4), (1 << 59, 0), (1 << 32, 0, 1 << 32)):
        with pytest.raises(ModelFormatError, match="which no array can have"):
            limits.size_of(shape, 8, "w")


def test_json_is_read_with_its_limits() -> None:
    def read(text: bytes, longest: int = 1000) -> object:
        return limits.json_value(text, "file: header", longest=longest, deepest=3)

    assert read('{"a": [["[[[[", "\\"[[[", 1e3, -0.5, null, true, "é"]]}'.encode()) == {
        "a": [["[[[[", '"[[[', 1000.0, -0.5, None, True, "é"]]
    }
    for text, reason in (
        (b"1" * 999, "allowed"),
        (b"[[[[]]]]", "nested more than 3 deep"), (b"[" * 900, "nested"), (b'{"a": 1, "a": 2}', "key twice"),
        (b"{", "no JSON"), (b"\xff", "no JSON"), (b"", "no JSON"),
    ):  # fmt: skip
        with pytest.raises(ModelFormatError, match=reason):
            read(text, 998)
    with pytest.raises(ModelFormatError, match="no JSON"):
        read(b"1" * 5000, 9999)  # more digits than Python turns into a number
