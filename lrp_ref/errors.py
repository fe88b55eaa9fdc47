"""Every error that lrp_ref raises on purpose, and the check for optional packages.

Each message is one line: what is wrong, where (node, file, offset), which shapes or values, what to do.
"""

from __future__ import annotations

import importlib
import itertools
import re
from collections.abc import Iterable
from types import ModuleType
from typing import Any

LONGEST = 600  # characters of a message
NAME = 200  # characters of a name that is compared with known ones


def one_line(text: str, longest: int = LONGEST) -> str:
    """Return text on one line: what cannot be printed is escaped, of a text that is too long the middle is left out.

    Names come from files that anybody may have written: a terminal must not obey what is in them, nor a long one
    hide the reason, which stands behind it.

    Example:
        >>> one_line("node '\\x1b[2J\\n': no\\u202e shape")
        "node '\\\\x1b[2J ': no\\\\u202e shape"
        >>> one_line("node 'aaaaaaaaaaaaaaaaaaaaaaaaa': no shape", 26)
        "node 'aaaaaaaaaa … o shape"
    """
    text = text[: 2 * longest] + text[2 * longest :][-2 * longest :]
    text = re.sub(r"\s*[\r\n]\s*", " ", text)
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    if len(text) <= longest:
        return text
    tail = longest * 3 // 10
    return f"{text[: longest - tail - 3]} … {text[-tail:]}"


class LrpError(Exception):
    """Base of every error that lrp_ref raises on purpose.

    Args:
        message: says what is wrong and what to do; see :func:`one_line` for what becomes of it.

    Attributes:
        node: name of the network node where it happened, or None outside a network.

    Example:
        >>> str(ShapeError("input has 3 channels, the weight expects 1").at("conv1"))
        "node 'conv1': input has 3 channels, the weight expects 1"
    """

    node: str | None = None

    def __init__(self, message: str = "") -> None:
        super().__init__(one_line(str(message)))

    def at(self, node: str) -> LrpError:
        """Return this error with the node's name in front of its message (the innermost name wins)."""
        if self.node is not None:
            return self
        named = type(self)(f"node '{node}': {self}")
        named.node = node
        return named

    def adding(self, words: str) -> LrpError:
        """Return this error, of the same node, with more words behind its message."""
        longer = type(self)(f"{self}{words}")
        longer.node = self.node
        return longer


class ShapeError(LrpError, ValueError):
    """Arrays whose shapes do not fit each other or the layer."""


class BackendError(LrpError, TypeError):
    """Arrays of different array libraries in one call, or an array library that is not known."""


class GraphError(LrpError, ValueError):
    """A network whose nodes, inputs or outputs do not form a valid graph."""


class UnsupportedError(LrpError, NotImplementedError):
    """An operator, rule or option that lrp_ref does not implement."""


class ModelFormatError(LrpError, ValueError):
    """A model, trace or sidecar file that is damaged, or is not of the format it claims."""


class ParameterError(LrpError, ValueError):
    """A parameter out of its range, or a name that is not known."""


class NonFiniteError(LrpError, ArithmeticError):
    """NaN or infinity in an input, an activation or a relevance."""


class UndecidedError(LrpError, ArithmeticError):
    """A comparison that a number system cannot decide: two balls overlap, or a symbol has no value.

    Args:
        message: as in every error.
        operands: the two numbers, so that the unit they came from can be found.
    """

    def __init__(self, message: str, operands: tuple[object, ...] = ()) -> None:
        super().__init__(message)
        self.operands = operands

    def among(self, what: str, array: Any) -> UndecidedError:
        """Return this error with the index of the unit, if one of the operands is an element of ``array`` (N, ...).

        Elements are compared by identity, as their values are what cannot be compared.
        """
        if not self.operands or getattr(getattr(array, "dtype", None), "kind", None) != "O":
            return self
        operands = {id(o) for o in self.operands}
        for index, element in zip(_indices(array.shape), array.flat, strict=True):
            if id(element) in operands:
                return UndecidedError(f"{what} of unit {index}: {self}")
        return self


def _indices(shape: tuple[int, ...]) -> Iterable[tuple[int, ...]]:
    return itertools.product(*(range(n) for n in shape))


class MissingExtraError(LrpError, ImportError):
    """An optional package that is needed and not installed."""


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional package, or say which extra brings it.

    Args:
        module: name to import, such as ``"onnx"``.
        extra: the extra of lrp-ref that installs it.
        purpose: what it is needed for, as in "to read ONNX files".

    Raises:
        MissingExtraError: the package is not installed.

    Example:
        >>> require("json", extra="none", purpose="read JSON").__name__
        'json'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(
            f"{package} is needed to {purpose} and is not installed ({error}); run: pip install 'lrp-ref[{extra}]', "
            f"in a clone: pip install -e '.[{extra}]'"
        ) from error


def unknown(kind: str, name: str, known: Iterable[str]) -> ParameterError:
    """Return the error for a name that is not known, with the nearest known name (see :func:`nearest`).

    Example:
        >>> str(unknown("composite", "epsilon_pluss", ["epsilon", "epsilon_plus"]))
        "unknown composite 'epsilon_pluss': did you mean 'epsilon_plus'? known: epsilon, epsilon_plus"
    """
    names = sorted(known)
    name = str(name)
    near = nearest(name, names)
    hint = f"did you mean '{near[0]}'? " if near else ""
    shown = name if len(name) <= NAME else f"{name[:NAME]}..."
    return ParameterError(f"unknown {kind} '{shown}': {hint}known: {', '.join(names)}")


def nearest(name: str, known: Iterable[str], *, most: int = 1) -> list[str]:
    """Return the known names nearest to a name, in any case: by spelling, by a beginning, or by a word in common.

    Of a name with commas each part counts as a name of its own, as in "tench, Tinca tinca". One of more than 200
    characters, which may come from a file, is near to none: to compare it would take long.

    Example:
        >>> nearest("Tinca", ["goldfish, Carassius auratus", "tench, Tinca tinca", "cock"])
        ['tench, Tinca tinca']
        >>> nearest("eps", ["lrp0", "epsilon", "epsilon_plus"], most=2)
        ['epsilon', 'epsilon_plus']
        >>> nearest("house cat", ["tabby", "Egyptian cat", "hourglass"])
        ['Egyptian cat']
    """
    if len(name) > NAME:
        return []
    scored = [(_likeness(name.casefold().strip(), one.casefold()), one) for one in known]
    best = sorted((pair for pair in scored if pair[0] >= 0.5), key=lambda pair: -pair[0])
    return [one for _, one in best[:most]]


def _likeness(wanted: str, name: str) -> float:
    """Return how near two names are, from 0 to 1; 0.5 and more is worth a hint."""
    import difflib  # only needed here, and `import lrp_ref` should be quick

    if not wanted:
        return 0.0
    matcher = difflib.SequenceMatcher(b=wanted)
    found = 0.0
    for part in (name, *(p.strip() for p in name.split(","))):
        matcher.set_seq1(part)
        # A ratio means the less, the shorter the names are: two of four letters are often the same.
        ratio = matcher.ratio() - (0.1 if len(wanted) > 3 else 0.0)
        found = max(found, ratio, 0.8 - len(part) / 1000 if part.startswith(wanted) else 0.0)
    ours, theirs = ([w for w in re.split(r"[\W_]+", text) if len(w) > 1] for text in (wanted, name))
    same = {w for w in ours if difflib.get_close_matches(w, theirs, n=1, cutoff=0.8)}
    return max(found, 0.5 + 0.3 * len(same) / max(len(ours), len(theirs))) if same else found
