"""What the tests of the tests share: a sample, a faulty twin of a layer, and the demand that a check fails."""

from __future__ import annotations

from typing import Any

import checks
import pytest
from samples import BY_NAME, exactly
from textbook import LINEAR_RULES

BY_RULE = {r.name: r for r in LINEAR_RULES}


def case(name: str, kind: str = "normal") -> tuple[Any, Any, Any]:
    sample = BY_NAME[name]
    return sample.layer(kind), sample.inputs(3, kind), sample.relevances(3, kind)


def turned(layer: Any, fault: type) -> Any:
    """Return the layer as an instance of a faulty class."""
    return fault(**vars(layer))


def caught(check: Any, *args: Any, match: str | None = None, **options: Any) -> None:
    with pytest.raises((AssertionError, TypeError), match=match):
        check(*args, **options)


def messages(name: str, rule: str, layer: Any = None, *, exact: bool = False) -> None:
    """Run the textbook comparison on one sample and one rule."""
    sample = BY_NAME[name]
    layer, xs, (r,) = sample.layer() if layer is None else layer, sample.inputs(3), sample.relevances(3)
    if exact:
        layer, xs, r = exactly(layer), exactly(xs), exactly(r)
    checks.check_messages(sample, layer, xs, r, BY_RULE[rule], exact=exact)
