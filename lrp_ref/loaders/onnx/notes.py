"""What a network says of itself where it differs from its file in what no output shows: ``Network.notes``."""

from __future__ import annotations

from collections.abc import Mapping

HALF = ("float16", "bfloat16")
OF_HALF = (
    "what the file computes in half precision is computed in float32, and not rounded to half precision in between"
)


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
