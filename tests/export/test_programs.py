"""Programs of random steps on recorded arrays: NumPy says what they make, and what is called nonnegative is."""

from __future__ import annotations

from typing import Any

import numpy as np
from graphs import Sheet
from hypothesis import given, settings
from hypothesis import strategies as st

Pair = tuple[np.ndarray[Any, Any], Any]

UNARY = ("abs", "tanh", "negative", "exp", "floor", "rint", "sqrt")
BINARY = ("add", "subtract", "multiply", "maximum", "minimum")
NUMBERS = (0.0, 1.0, 2.0, -0.5, 0, 1)


def _function(xp: Any, name: str, *operands: Any) -> Any:
    """Return what a function makes of operands that stay small."""
    if name == "exp":
        return xp.exp(xp.minimum(*operands, 1.0))
    if name == "sqrt":
        return xp.sqrt(xp.abs(*operands))
    if name == "negative":
        return -operands[0]
    return getattr(xp, name)(*operands) if name != "subtract" else operands[0] - operands[1]


def _step(draw: Any, pairs: list[Pair], xp: Any) -> Pair:
    """Return another array, made of those that there are; the first axis, the samples, stays the first."""
    host, array = draw(st.sampled_from(pairs))
    kind = draw(
        st.sampled_from(["unary", "binary", "number", "reduce", "where", "join", "part", "turn", "write", "divide"])
    )
    if kind == "unary":
        name = draw(st.sampled_from(UNARY))
        return _function(np, name, host), _function(xp, name, array)
    if kind == "number":
        name, number = draw(st.sampled_from(BINARY)), draw(st.sampled_from(NUMBERS))
        return _function(np, name, host, number), _function(xp, name, array, number)
    if kind == "reduce":
        name, axis = draw(st.sampled_from(("sum", "mean", "max", "min"))), draw(st.sampled_from((1, 2, (1, 2))))
        return tuple(getattr(a, name)(axis=axis, keepdims=True) for a in (host, array))  # type: ignore[return-value]
    if kind == "part":
        key = (slice(None), slice(None, None, draw(st.sampled_from((1, -1)))), slice(0, 1))
        return host[key], array[key]
    if kind == "turn":
        if host.shape[1] != host.shape[2]:
            return host, array
        return host.transpose(0, 2, 1), array.transpose(0, 2, 1)
    if kind == "divide":
        by = abs(host) + 1.0, abs(array) + 1.0
        return host / by[0], array / by[1]
    other, its = draw(st.sampled_from(pairs))
    if kind == "where":
        bound = draw(st.sampled_from((0.0, 0.25)))
        return np.where(host > bound, host, other), xp.where(array > bound, array, its)
    if kind == "join":
        return np.stack((host + other, other + host)).max(axis=0), xp.stack((array + its, its + array)).max(axis=0)
    if kind == "write":
        made, there = host + other * 0.0, array + its * 0.0
        part = (slice(None), slice(0, 1))
        made[part] = np.broadcast_to(other, made.shape)[part]
        there[part] = xp.broadcast_to(its, there.shape)[part]
        return made, there
    name = draw(st.sampled_from(BINARY))
    return _function(np, name, host, other), _function(xp, name, array, its)


@settings(max_examples=120, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_programs(data: st.DataObject) -> None:
    sheet = Sheet(dtype=np.float64)
    xp = sheet.xp
    x = np.random.default_rng(3).normal(size=(3, 2, 2))
    row, constant = x[:1, :, :1] + 0.25, np.arange(4.0).reshape(1, 2, 2) - 1
    free = sheet.feed(x)
    n = free.shape[0]
    pairs: list[Pair] = [(x, free), (row, sheet.feed(row, samples=False)), (constant, xp.asarray(constant))]
    pairs += [
        (np.zeros((3, 2, 1)), xp.zeros((n, 2, 1), dtype=float)),
        (np.ones((1, 1, 1)), xp.ones((1, 1, 1), dtype=float)),
    ]
    for _ in range(data.draw(st.integers(4, 12))):
        made = _step(data.draw, pairs, xp)
        if np.abs(made[0]).max() < 1e4:
            pairs.append(made)
    names = [sheet.show(array) for _, array in pairs]
    found = sheet.run()
    for name, (host, array) in zip(names, pairs, strict=True):
        assert found[name].shape == host.shape
        np.testing.assert_allclose(found[name], host, rtol=1e-11, atol=1e-11 * (1 + np.abs(host).max()))
        assert not array.value.nonnegative or host.min() >= 0, array
