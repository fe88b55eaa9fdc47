"""Pools as operators of a graph, forward and back, against loops over the windows."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from graphs import Sheet

from lrp_ref import layers
from lrp_ref.layers.base import Layer
from lrp_ref.literal import windows

BOUND = 1e-6  # of errors, relative to the largest number of a result
MANY = 240  # pools of every kind


@dataclass(frozen=True)
class Pool:
    """A pool and what one sample of its input looks like."""

    kind: str
    shape: tuple[int, ...]
    options: tuple[tuple[str, Any], ...]

    def layer(self) -> Layer:
        made: Layer = getattr(layers, self.kind)(**dict(self.options))
        return made

    @property
    def lies(self) -> windows.Geometry:
        own = dict(self.options)
        fields = (own[key] for key in ("kernel", "stride", "padding", "dilation", "ceil_mode"))
        return windows.Geometry(self.shape[1:], *fields)

    def linear(self, x: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return z and Aᵀ g of a sum or a mean: window by window, tap by tap."""
        own, lies, z, y = dict(self.options), self.lies, np.zeros(g.shape), np.zeros(x.shape)
        for p in lies.positions():
            pixels = [pixel for _, pixel in lies.pixels(p)]
            count = {"SumPool": 1, "AveragePool": self.counted(p) if own.get("count_include_pad") else len(pixels)}
            weight = own.get("factor", 1) / max(count[self.kind], 1)
            for pixel in pixels:
                z[(..., *p)] += weight * x[(..., *pixel)]
                y[(..., *pixel)] += weight * g[(..., *p)]
        return z, y

    def counted(self, p: tuple[int, ...]) -> int:
        """Return how many taps of a window lie on the input or its padding, not beyond."""
        lies, found = self.lies, 0
        for tap in itertools.product(*map(range, lies.kernel)):
            rows = zip(p, lies.stride, tap, lies.dilation, lies.padding, lies.size, strict=True)
            found += all(i * s + k * d < n + a + b for i, s, k, d, (a, b), n in rows)
        return found

    def winners(self, x: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return z and what each position gets of g: all of a window's, or its share of it among those that tie."""
        lies, z, y = self.lies, np.full(g.shape, -np.inf), np.zeros(x.shape)
        share = dict(self.options)["ties"] == "share"
        for n, c in np.ndindex(x.shape[:2]):
            for p in lies.positions():
                pixels = [pixel for _, pixel in lies.pixels(p)]
                if not pixels:
                    continue
                best = max(x[(n, c, *pixel)] for pixel in pixels)
                won = [pixel for pixel in pixels if x[(n, c, *pixel)] == best]
                z[(n, c, *p)] = best
                for pixel in won if share else won[:1]:
                    y[(n, c, *pixel)] += g[(n, c, *p)] / (len(won) if share else 1)
        return z, y


def _drawn(kind: str) -> Iterator[Pool]:
    """Yield pools of one, two and three axes."""
    rng = np.random.default_rng(len(kind))
    while True:
        axes = int(rng.choice((1, 2, 3), p=(0.35, 0.5, 0.15)))
        most = {1: 10, 2: 7, 3: 4}[axes]
        dilated = rng.random() < 0.3
        rows = []
        for _ in range(axes):
            n, k, s = (
                int(rng.integers(1, most + 1)),
                int(rng.integers(1, 5 if axes < 3 else 3)),
                int(rng.integers(1, 5)),
            )
            d = int(rng.integers(1, 4)) if dilated else 1
            reach = d * (k - 1) + 1
            pads = (0, 0) if rng.random() < 0.4 else tuple(map(int, rng.integers(0, reach, 2)))
            rows.append((n, k, s, pads, d))
        size, kernel, stride, padding, dilation = zip(*rows, strict=True)
        more: dict[str, Any] = {}
        if kind == "MaxPool":
            more["ties"] = "share" if rng.random() < 0.3 else "first"
        if kind == "SumPool":
            more["factor"] = float(rng.choice((1, 0.5)))
        if kind == "AveragePool":
            more["count_include_pad"] = bool(rng.random() < 0.5)
        options = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation,
                   "ceil_mode": bool(rng.random() < 0.4), **more}  # fmt: skip
        pool = Pool(kind, (int(rng.integers(1, 3)), *size), tuple(options.items()))
        try:
            if 0 not in pool.lies.counts:
                yield pool
        except ValueError:  # no window fits
            continue


@cache
def pools(kind: str) -> list[Pool]:
    return list(itertools.islice(_drawn(kind), MANY))


def marks(pool: Pool) -> set[str]:
    """Return what is special about a pool."""
    own, lies = dict(pool.options), pool.lies
    found = {f"{len(lies.size)} axes"} | {f"{k} {own[k]}" for k in ("ties", "count_include_pad") if k in own}
    ends = []
    for n, k, s, (a, b), d, m in zip(
        *(getattr(lies, f) for f in ("size", "kernel", "stride", "padding", "dilation", "counts")), strict=True
    ):
        reach = d * (k - 1) + 1
        ends.append((m - 1) * s + reach > n + a + b)
        each = {"overlap": s < reach, "stride over kernel": s > reach, "padding": a + b > 0, "asymmetric": a != b,
                "dilation": d > 1 and k > 1, "size 1": n == 1, "remainder": (n + a + b - reach) % s > 0}  # fmt: skip
        found |= {mark for mark, holds in each.items() if holds}
    return found | ({"overhang"} if any(ends) else set())


@cache
def expected(kind: str, many: int = MANY) -> list[tuple[Pool, tuple[np.ndarray, ...]]]:
    """Return all pools of a kind, each with x, g, and what the loops make of them."""
    rng, found = np.random.default_rng(5), []
    for pool in pools(kind)[:many]:
        x = rng.normal(size=(3, *pool.shape)).astype(np.float32).astype(float)
        if kind == "MaxPool":  # of few numbers, so that many tie
            x = rng.integers(-2, 2, x.shape) / 2.0
        g = rng.normal(size=(3, pool.shape[0], *pool.lies.counts)).astype(np.float32).astype(float)
        found.append((pool, (x, g, *(pool.winners(x, g) if kind == "MaxPool" else pool.linear(x, g)))))
    return found


KINDS = ("SumPool", "AveragePool", "MaxPool")


def test_the_pools_are_of_every_kind() -> None:
    for kind in KINDS:
        found = Counter(mark for pool in pools(kind) for mark in marks(pool))
        assert len(found) == (11 if kind == "SumPool" else 13)
        assert min(found.values()) >= 12, found


@pytest.mark.parametrize("opset", [17, 19])  # means of windows with gaps are an operator's from 19 on
@pytest.mark.parametrize("kind", KINDS)
def test_pools_are_their_windows(kind: str, opset: int) -> None:
    are_their_windows(expected(kind), opset)


def are_their_windows(some: list[tuple[Pool, tuple[np.ndarray, ...]]], opset: int) -> None:
    """Compare pools in one graph, forward and back, with what the loops make."""
    sheet, names = Sheet(opset=opset), []
    for pool, (x, g, _, _) in some:
        layer, there, back = pool.layer(), sheet.feed(x), sheet.feed(g)
        (y,) = layer.pull((there,), back)
        names.append((sheet.show(layer.forward(there)), sheet.show(y)))
    session = sheet.session()
    for samples in (3, 1):
        feeds = {name: a[:samples] for name, a in sheet.feeds.items()}
        found = dict(zip((name for name, *_ in sheet.shown), session.run(None, feeds), strict=True))
        for (pool, (_, _, *wanted)), pair in zip(some, names, strict=True):
            for name, each in zip(pair, wanted, strict=True):
                assert found[name].shape == each[:samples].shape, pool
                inside = np.isfinite(each[:samples])  # the maximum of a window in the padding is −∞
                assert (np.isfinite(found[name]) == inside).all(), pool
                error = np.abs(found[name][inside] - each[:samples][inside]).max(initial=0.0)
                assert error <= BOUND * np.abs(each[np.isfinite(each)]).max(initial=0.0), f"{pool}: {error}"


@pytest.mark.parametrize("opset", [17, 23])
def test_few_operators_stand_for_a_pool(opset: int) -> None:
    """Windows are not taken apart into slices where an operator has them."""
    for kind, options, forward, back in (
        ("MaxPool", {"kernel": 3, "stride": 2, "padding": 1}, "MaxPool", "ScatterElements"),
        ("MaxPool", {"kernel": 2}, "MaxPool", "ScatterElements"),
        (
            "AveragePool",
            {"kernel": 3, "stride": 2, "padding": 1, "count_include_pad": False},
            "AveragePool",
            "ConvTranspose",
        ),
        ("SumPool", {"kernel": 2, "stride": 1, "ceil_mode": True}, "AveragePool", "ConvTranspose"),
        ("AveragePool", {"kernel": 2}, "AveragePool", "Resize"),
    ):
        sheet, layer = Sheet(opset=opset), getattr(layers, kind)(**options)
        x = sheet.feed(np.ones((2, 3, 8, 8)))
        z = layer.forward(x)
        (y,) = layer.pull((x,), sheet.feed(np.ones((2, *z.shape[1:]))))
        sheet.show(z)
        sheet.show(y)
        assert forward in sheet.operators()
        assert back in sheet.operators()
        assert len(sheet.operators()) <= 14, sheet.operators()


@pytest.mark.parametrize("kind", KINDS)
def test_pools_of_four_axes(kind: str) -> None:
    """Runtimes have operators for three axes at most; windows of more are taken apart."""
    own = {"SumPool": {"factor": 1.0}, "AveragePool": {"count_include_pad": True}, "MaxPool": {"ties": "first"}}[kind]
    lies = {"kernel": (2, 1, 2, 2), "stride": (1, 2, 1, 2), "padding": ((1, 0), (0, 0), (0, 1), (0, 0))}
    options = {**lies, "dilation": (1, 1, 1, 1), "ceil_mode": False, **own}
    pool = Pool(kind, (2, 3, 3, 2, 4), tuple(options.items()))
    rng = np.random.default_rng(8)
    x, g = rng.integers(-2, 3, (3, *pool.shape)) / 2.0, rng.normal(size=(3, 2, *pool.lies.counts))
    are_their_windows([(pool, (x, g, *(pool.winners(x, g) if kind == "MaxPool" else pool.linear(x, g))))], 19)
