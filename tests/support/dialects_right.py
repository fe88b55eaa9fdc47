"""The right relevance of every layer but the LSTM, with a place where one sample of a linear layer can go wrong."""

# ruff: noqa: N803  (R and W are the letters of the papers)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from dialects_base import (
    LINEAR,
    ROUTES,
    Array,
    Group,
    Linear,
    Sample,
    Spec,
    UnknownError,
    groups_of,
    hand_back,
    kernel_of,
    moved,
    patches,
    probe,
    shared,
    stabiliser,
)


@dataclass(frozen=True, eq=False)
class Call:
    """A layer, its rule, the operands and the relevance of the output, with batch."""

    spec: Spec
    rule: Spec
    xs: list[Array]
    R: Array

    @property
    def kind(self) -> str:
        return str(self.spec["type"])

    @property
    def name(self) -> str:
        return str(self.rule["name"])


OnSample = Callable[[Sample], "Array | None"]
BACK: dict[str, Callable[[Call], list[Array]]] = {}  # of layers whose files are their own
HELD: dict[str, Callable[[Spec, Array], Linear]] = {}  # matrices that depend on the sample
MATRICES: dict[tuple[int, Any], tuple[Spec, Linear]] = {}

# The right answers -----------------------------------------------------------------------------------------------


def right(c: Call, fault: OnSample | None = None) -> list[Array]:
    """The relevance of every operand."""
    if c.name == "Pass":
        return [c.R.reshape(c.xs[0].shape)]
    if c.name == "Zero":
        return [np.zeros(x.shape) for x in c.xs]
    if c.kind in ("ReLU", "HardSwish"):
        return [c.R]
    if c.kind in BACK:
        return BACK[c.kind](c)
    if c.kind in ROUTES:
        return route_back(c.spec, c.xs, c.R)
    if c.kind == "MaxPool":
        share = first_winner if c.spec.get("ties", "first") == "first" else all_winners
        return [over_windows(c, share)]
    if c.kind == "Multiply":
        return product(c)
    if c.kind not in (*LINEAR, *HELD):
        raise UnknownError(f"no {c.kind}")
    return linear(c, fault)


def matrix(spec: Spec, shapes: list[tuple[int, ...]]) -> Linear:
    key = (id(spec), tuple(shapes))
    if key not in MATRICES:
        MATRICES[key] = (spec, probe(spec, shapes))  # the spec is kept, so that its id stays its own
    return MATRICES[key][1]


def linear(c: Call, fault: OnSample | None) -> list[Array]:
    shapes = [x.shape[1:] for x in c.xs]
    flat = np.concatenate([x.reshape(len(x), -1) for x in c.xs], axis=1)
    received = []
    for n, (a, R) in enumerate(zip(flat, c.R, strict=True)):
        m = HELD[c.kind](c.spec, c.xs[0][n]) if c.kind in HELD else matrix(c.spec, shapes)
        s = Sample(c.spec, c.rule, m, a, R.reshape(-1), shapes, flat[0], flat @ m.W + m.b)
        wrong = fault(s) if fault else None
        received.append(relevance(s) if wrong is None else wrong)
    cuts = np.cumsum([int(np.prod(s)) for s in shapes])[:-1]
    return [p.reshape(-1, *s) for p, s in zip(np.split(np.stack(received), cuts, axis=1), shapes, strict=True)]


def relevance(s: Sample) -> Array:
    return total(groups_of(s)) + shared(s)


def total(groups: list[Group]) -> Array:
    return np.asarray(sum(hand_back(g) for g in groups))


def route_back(spec: Spec, xs: list[Array], R: Array, copies: str = "add") -> list[Array]:
    """Send a number per place through the layer (0 is nowhere), then every relevance where its number came from."""
    places, start = [], 1
    for x in xs:
        places.append(np.arange(start, start + x.size).reshape(x.shape))
        start += x.size
    source, received = moved(spec, places, 0).reshape(-1), np.zeros(start)
    if copies == "add":
        np.add.at(received, source, R.reshape(-1))
    else:
        for i, r in zip(source, R.reshape(-1), strict=True):
            received[i] = r if r != 0 else received[i]
    return [received[p] for p in places]


Share = Callable[[Array, Array], Array]


def over_windows(c: Call, share: Share, copies: str = "add") -> Array:
    """Relevance of a pool: share(values of every tap, R) gives what every tap gets; the padding's is lost."""
    x, fill = c.xs[0], 0.0 if c.spec.get("padding_wins") else -np.inf
    values = np.stack([v for _, v in patches(x, c.spec, kernel_of(c.spec, x), fill)])
    numbers = np.arange(1, x.size + 1).reshape(x.shape)
    places = np.stack([v for _, v in patches(numbers, c.spec, kernel_of(c.spec, x), 0)])
    parts, received = share(values, c.R), np.zeros(x.size + 1)
    if copies == "add":
        np.add.at(received, places.reshape(-1), parts.reshape(-1))
    else:
        order = np.moveaxis(places, 0, -1).reshape(-1), np.moveaxis(parts, 0, -1).reshape(-1)
        for i, r in zip(*order, strict=True):
            received[i] = r if r != 0 else received[i]
    return received[1:].reshape(x.shape)


def all_winners(values: Array, R: Array) -> Array:
    winners = values == values.max(axis=0)
    return winners * R / winners.sum(axis=0)


def first_winner(values: Array, R: Array) -> Array:
    return (np.arange(len(values)).reshape(-1, *(1,) * R.ndim) == values.argmax(axis=0)) * R


def product(c: Call) -> list[Array]:
    how, gate = c.rule["product"], c.rule.get("gate", c.spec.get("gate")) or 0
    g, s = c.xs[gate], c.xs[1 - gate]
    if how == "signal":
        parts = [0 * c.R, c.R]
    elif how == "half":
        parts = [c.R / 2, c.R / 2]
    else:
        g, s = (abs(g), abs(s)) if how == "abs" else (g, s)
        st = stabiliser({"name": "", "stabiliser": c.rule.get("stabiliser")})(g + s)
        ratio = np.divide(c.R, st, out=np.zeros_like(st), where=st != 0)
        parts = [g * ratio, s * ratio]
    return parts if gate == 0 else parts[::-1]
