"""What of a file is not supported, as one line: hundreds of nodes by operator and reason."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import one_line

Entry = tuple[str, str, str]  # operator, name, reason
NAME = 60  # characters of a name or an operator
REASONS = (None, 160, 80, 40)  # characters of a reason
MOST = 100  # operators and reasons that are looked at


def listed(entries: Sequence[Entry], longest: int) -> str:
    """Return refused nodes on one line.

    Each stands there by itself where there is room; then those of one operator and reason become one, with their
    number and the first of them; then operators of one reason stand together, and reasons become shorter. What does
    not fit even so is counted.

    Args:
        entries: (operator, name, reason) of each node, in the file's order.
        longest: characters.

    Example:
        >>> listed([("Sin", "a", "no"), ("Sin", "b", "no"), ("Cos", "c", "never")], 100)
        "Sin 'a' (no); Sin 'b' (no); Cos 'c' (never)"
        >>> listed([("Sin", "a", "no"), ("Sin", "b", "no"), ("Cos", "c", "never")], 40)
        "Sin ×2, first 'a' (no); Cos 'c' (never)"
    """
    pairs: dict[tuple[str, str], list[str]] = {}
    for kind, name, reason in entries:
        pairs.setdefault((kind, reason), []).append(name)
    if len(entries) <= MOST:
        single = "; ".join(f"{_counted(kind, [name])} ({reason})" for kind, name, reason in entries)
        if len(single) <= longest:
            return single
    left = len(pairs) - MOST
    pairs = dict(list(pairs.items())[:MOST])
    parts = [f"{_counted(kind, names)} ({reason})" for (kind, reason), names in pairs.items()]
    for length in REASONS:
        if left <= 0 and len("; ".join(parts)) <= longest:
            break
        reasons: dict[str, dict[str, None]] = {}
        for (kind, reason), names in pairs.items():
            short = reason if length is None else one_line(reason, length)
            reasons.setdefault(short, {})[_counted(kind, names, first=length is None)] = None
        parts = [f"{', '.join(kinds)} ({reason})" for reason, kinds in reasons.items()]
    return _cut(parts, max(left, 0), longest)


def _counted(kind: str, names: Sequence[str], *, first: bool = True) -> str:
    kind = one_line(kind, NAME)
    number = f" ×{len(names)}" if len(names) > 1 else ""
    if not first:
        return f"{kind}{number}"
    return f"{kind}{number}{', first' if number else ''} '{one_line(names[0], NAME)}'"


def _cut(parts: Sequence[str], left: int, longest: int) -> str:
    """Return as many parts as there is room for, each with its fair part of it, and the number of the others."""
    text = "; ".join(parts)
    if not left and len(text) <= longest:
        return text
    kept = max(1, min(len(parts), longest // (2 * NAME)))
    left += len(parts) - kept
    rest = f"; and {left} more reasons" if left else ""
    room = (longest - len(rest)) // kept - 2
    return "; ".join(one_line(part, room) for part in parts[:kept]) + rest


def told(entries: Sequence[Entry], longest: int) -> str:
    """Return how many nodes are not supported, and which.

    Example:
        >>> told([("Sin", "a", "no")], 100)
        "1 unsupported node: Sin 'a' (no)"
    """
    head = f"{len(entries)} unsupported node{'s' if len(entries) > 1 else ''}: "
    return head + listed(entries, longest - len(head))
