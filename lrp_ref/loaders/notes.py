"""What a network says of itself where it differs from its file in what no output shows: ``Network.notes``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

HALF = ("float16", "bfloat16")
OF_HALF = (
    "what the file computes in half precision is computed in float32, and not rounded to half precision in between"
)


def of_half(kinds: Sequence[str], what: str) -> tuple[str, ...]:
    """Return what is said of weights that have half precision in the file; nothing where none has.

    Args:
        kinds: the type of each, as NumPy calls it.
        what: what the format calls them.

    Example:
        >>> of_half(["float32", "bfloat16"], "tensors")
        ('1 of 2 tensors are bfloat16 in the file; they are computed with in float32',)
    """
    half = [kind for kind in kinds if kind in HALF]
    if not half:
        return ()
    which = " and ".join(sorted(set(half)))
    return (f"{len(half)} of {len(kinds)} {what} are {which} in the file; they are computed with in float32",)


def of_quantised(steps: Mapping[str, float | None]) -> str:
    """Return what is said of quantised values that are read as real numbers.

    Args:
        steps: for each of them, by its name in the file, the size of the steps that its integers have; None where that
            depends on the input.

    Example:
        >>> of_quantised({"x_q": 0.5})
        "1 quantised value is read as real numbers, not rounded, within the range of its integers (steps of 0.5, 'x_q')"
    """
    number = "1 quantised value is" if len(steps) == 1 else f"{len(steps)} quantised values are"
    said = f"{number} read as real numbers, not rounded"
    sizes = {name: size for name, size in steps.items() if size is not None}
    if not sizes:
        return f"{said} to the integers whose scale depends on the input"
    least, most = min(sizes.values()), max(sizes.values())
    of = next(name for name, size in sizes.items() if size == most)
    its = "its" if len(steps) == 1 else "their"
    range_ = f"{least:.3g}" if least == most else f"{least:.3g} to {most:.3g}"
    which = f"'{of}'" if len(sizes) == 1 else f"the largest of '{of}'"
    return f"{said}, within the range of {its} integers (steps of {range_}, {which})"
