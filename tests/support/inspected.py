"""What a page of the inspector holds, read without the page's own programs: its header, explanations and arrays."""

from __future__ import annotations

import base64
import gzip
import json
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Inspected:
    """A page's parts.

    Attributes:
        header: JSON.
        views: the explanations.
        numbers, pixels: all float32 numbers, and all bytes.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        found = re.search(r'<script type="application/json" id="header">(.*?)</script>', text, re.S)
        assert found is not None
        self.header = json.loads(found[1])
        self.views: list[dict[str, Any]] = json.loads(self._block("views"))
        self.numbers: NDArray[np.float32] = np.frombuffer(self._block("numbers"), "<f4")
        self.pixels: NDArray[np.uint8] = np.frombuffer(self._block("bytes"), np.uint8)

    def _block(self, name: str) -> bytes:
        found = re.search(rf'id="block-{name}">([^<]*)<', self.text)
        assert found is not None
        return gzip.decompress(base64.b64decode(found[1]))

    def node(self, name: str, view: int = 0) -> dict[str, Any]:
        return next(n for n in self.views[view]["nodes"] if n["name"] == name)

    def map(self, node: dict[str, Any], channel: int | None = None) -> NDArray[np.float32]:
        """Return a node's map, of all channels or of one."""
        offset, high, wide, _ = node["map"]
        if channel is not None:
            offset = next(row[2] for row in node["channels"] if row[0] == channel)
        return self.numbers[offset : offset + high * wide].reshape(high, wide)

    def messages(self, unit: dict[str, Any]) -> NDArray[np.float32]:
        """Return rows of places, values, weights and messages (4, M)."""
        offset, count = unit["table"]
        return self.numbers[offset : offset + 4 * count].reshape(4, count)
