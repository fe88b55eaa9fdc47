"""Who is asked: an implementation's name, version, language and addresses, as it says them itself."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlsplit

from ..errors import one_line

LONGEST = 200  # characters of what a program says of itself


@dataclass(frozen=True)
class Program:
    """An implementation, as it introduces itself.

    Attributes:
        name, version: such as "captum" and "0.9.0".
        language: it is written in.
        homepage, issues: addresses, http or https; "" for what is none.

    Example:
        >>> str(Program("captum", "0.9.0", "Python"))
        'captum 0.9.0 (Python)'
    """

    name: str = ""
    version: str = ""
    language: str = ""
    homepage: str = ""
    issues: str = ""

    def __str__(self) -> str:
        title = " ".join(part for part in (self.name, self.version) if part)
        return f"{title} ({self.language})" if self.language else title

    def said(self, found: Any) -> Program:
        """Return what ``found`` says, and for what it does not say what is known here.

        Args:
            found: a mapping with some of the attributes; anything else says nothing.

        Example:
            >>> Program("adapter.py:answer").said({"version": 1.5, "homepage": "no address", "more": []})
            Program(name='adapter.py:answer', version='1.5', language='', homepage='', issues='')
        """
        if not isinstance(found, Mapping):
            return self
        told: dict[str, str] = {}
        for name in (f.name for f in fields(self)):
            value = found.get(name)
            text = one_line(str(value), LONGEST).strip() if type(value) in (str, int, float) else ""
            if name in ("homepage", "issues") and not is_address(text):
                text = ""
            told[name] = text or str(getattr(self, name))
        return Program(**told)


def is_address(text: str) -> bool:
    """Return whether a text is an address of the web, and nothing besides.

    Example:
        >>> is_address("https://github.com/pytorch/captum/issues/1"), is_address("javascript:alert(1)")
        (True, False)
        >>> is_address("see https://github.com"), is_address('https://a.b/"><script>')
        (False, False)
    """
    if any(c.isspace() or c in "\"'<>`\\" for c in text):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:  # such as "http://["
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def program_of(function: Any, name: str = "") -> Program:
    """Return what a Python adapter says of itself.

    A dict ``about`` of the function (or object) says it, or one of its module.

    Args:
        function: the adapter.
        name: what it is called where it says nothing.

    Example:
        >>> def adapter(case): ...
        >>> adapter.about = {"name": "mine", "version": "3.2"}
        >>> str(program_of(adapter))
        'mine 3.2 (Python)'
    """
    function = inspect.unwrap(function)
    inner = getattr(function, "__func__", function)
    known = getattr(inner, "__globals__", None)
    if known is None:
        module = getattr(inner, "__module__", None) or type(inner).__module__
        known = vars(sys.modules[module]) if module in sys.modules else {}
    called = getattr(inner, "__qualname__", type(inner).__qualname__)
    found = Program(name or f"{known.get('__name__', '')}:{called}", language="Python")
    return found.said(known.get("about")).said(getattr(function, "about", None))
