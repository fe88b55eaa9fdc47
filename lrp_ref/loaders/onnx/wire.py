"""The bytes of an ONNX file, gone through once before protobuf makes objects of them.

An empty message takes two bytes in a file and about 200 in memory, and a name may be no text; protobuf minds neither.
"""

from __future__ import annotations

from typing import Any

from ...errors import ModelFormatError
from ..limits import bound

MESSAGE = 256  # bytes of memory that one message may take
DEEPEST = 80  # messages inside each other; protobuf itself stops at 100
LARGEST = 1 << 31  # bytes of a file that protobuf reads
_TEXT, _MESSAGE = 9, 11  # protobuf's numbers of its types


class _Fields:
    """What the fields of one kind of message are, by number: messages themselves, or texts with a name.

    Args:
        descriptor: protobuf's description of the message.
    """

    def __init__(self, descriptor: Any) -> None:
        self._described = {f.number: f.message_type for f in descriptor.fields if f.type == _MESSAGE}
        self._inner: dict[int, _Fields | None] = {}
        self.texts = {f.number: f.name for f in descriptor.fields if f.type == _TEXT and f.name != "doc_string"}

    def inner(self, number: int, known: dict[str, _Fields]) -> _Fields | None:
        """Return the fields of a message in a field of this one; None where the field holds no message."""
        if number not in self._inner:
            found = self._described.get(number)
            if found is not None and found.full_name not in known:
                known[found.full_name] = _Fields(found)
            self._inner[number] = None if found is None else known[found.full_name]
        return self._inner[number]


def scan(content: bytes, descriptor: Any, what: str) -> None:
    """Go through a message and all in it.

    Args:
        content: the file's bytes.
        descriptor: protobuf's description of the outermost message.
        what: the file, as errors have it.

    Raises:
        ModelFormatError: truncated, not the format of protobuf, more messages than memory allows, messages inside
            each other too deep, or a name that is no text in UTF-8.
    """
    try:
        _scan(content, descriptor, what)
    except IndexError as error:
        raise _damaged(what, "it ends inside a number") from error


def _damaged(what: str, reason: str) -> ModelFormatError:
    return ModelFormatError(f"{what}: not an ONNX file, or truncated ({reason})")


def _scan(content: bytes, descriptor: Any, what: str) -> None:
    known: dict[str, _Fields] = {}
    fields, end, place, messages = _Fields(descriptor), len(content), 0, 0
    most = bound(end) // MESSAGE
    outside: list[tuple[_Fields, int]] = []
    while place < end or outside:
        if place == end:
            fields, end = outside.pop()
            continue
        key = content[place]
        place += 1
        if key > 127:
            key, place = _number(content, place - 1, what)
        kind, field = key & 7, key >> 3
        if kind == 2:
            size = content[place]
            place += 1
            if size > 127:
                size, place = _number(content, place - 1, what)
            stop = place + size
            if stop > end:
                raise _damaged(what, f"field {field} at byte {place} ends behind what it is part of")
            inner = fields.inner(field, known)
            if inner is None:
                if field in fields.texts:
                    _check_text(content[place:stop], fields.texts[field], place, what)
                place = stop
                continue
            messages += 1
            outside.append((fields, end))
            fields, end = inner, stop
            if messages > most:
                raise ModelFormatError(f"{what}: more than {most} parts, which would take more memory than is allowed")
            if len(outside) > DEEPEST:
                raise ModelFormatError(f"{what}: parts inside each other, more than {DEEPEST} deep")
        elif kind == 0:
            while content[place] > 127:
                place += 1
            place += 1
        elif kind in (1, 5):
            place += 8 if kind == 1 else 4
        else:
            raise _damaged(what, f"field {field} at byte {place} has the unknown kind {kind}")
        if place > end:
            raise _damaged(what, f"field {field} ends at byte {place}, behind what it is part of")


def _number(content: bytes, place: int, what: str) -> tuple[int, int]:
    """Return a number of several bytes, seven bits in each, and where it ends."""
    value = shift = 0
    while True:
        byte = content[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
        if shift > 63:
            raise _damaged(what, f"a number at byte {place} is longer than 10 bytes")


def _check_text(text: bytes, field: str, place: int, what: str) -> None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise ModelFormatError(f"{what}: a {field} at byte {place} is no text in UTF-8: {text[:40]!r}") from error
