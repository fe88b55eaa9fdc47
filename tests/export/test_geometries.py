"""Convolutions and their transposes as operators of a graph, against the matrix that their definition says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from convolutions import GEOMETRIES, Geometry
from graphs import Sheet

from lrp_ref.fast import convolution

MANY = 1200
BOUND = 1e-6  # of errors, relative to the largest number of a result


def _axis(rng: np.random.Generator, axes: int) -> dict[str, Any]:
    """Return one axis on which at least one window lies: image, kernel, stride, pads and dilation."""
    most = {1: 9, 2: 6, 3: 4}[axes]
    while True:
        kernel, stride = int(rng.integers(1, {1: 6, 2: 4, 3: 3}[axes])), int(rng.integers(1, 5))
        dilation = int(rng.choice((1, 1, 2, 3)))
        image = int(rng.integers(1, most + 1))
        if rng.random() < 0.1:
            image = kernel
        pads = (0, 0)
        if rng.random() < 0.6:
            most_pad = dilation * (kernel - 1) + 1 if rng.random() < 0.7 else kernel + 3
            pads = int(rng.integers(0, most_pad + 1)), int(rng.integers(0, most_pad + 1))
        if image + sum(pads) > dilation * (kernel - 1):
            return {"image": image, "kernel": kernel, "stride": stride, "pads": pads, "dilation": dilation}


def _drawn() -> Iterator[Geometry]:
    """Yield geometries of one, two and three axes, strides of 1 among them as often as others."""
    rng = np.random.default_rng(22)
    for k in range(MANY):
        axes = int(rng.choice((1, 2, 3), p=(0.35, 0.45, 0.2)))
        along = [_axis(rng, axes) for _ in range(axes)]
        stride = tuple(a["stride"] for a in along) if rng.random() < 0.6 else (1,) * axes
        groups = int(rng.choice((1, 1, 2, 3)))
        inner = 1 if groups > 1 and rng.random() < 0.5 else int(rng.integers(1, 4))
        shape = {key: tuple(a[key] for a in along) for key in ("image", "kernel", "pads", "dilation")}
        outs = int(rng.integers(1, 4 if axes < 3 else 3))
        yield Geometry(f"{k}", stride=stride, groups=groups, inner=inner, outs=outs, **shape)


ALL = [*GEOMETRIES, *_drawn()]


def kinds(geometry: Geometry) -> set[str]:
    """Return what is special about a geometry."""
    found = {f"{len(geometry.image)} axes"}
    reaches = [d * (k - 1) + 1 for d, k in zip(geometry.dilation, geometry.kernel, strict=True)]
    rows = zip(geometry.image, geometry.kernel, geometry.stride, geometry.pads, geometry.dilation, reaches, strict=True)
    for n, k, s, (a, b), d, reach in rows:
        marks = {
            "asymmetric": a != b, "stride": s > 1, "dilation": d > 1 and k > 1, "size 1": n == 1, "flat": k == 1,
            "stride over kernel": s > reach, "pad over kernel": max(a, b) >= reach, "whole": n == reach and a == b == 0,
            "remainder": (n + a + b - reach) % s > 0, "remainder behind": (n + a + b - reach) % s > b,
        }  # fmt: skip
        found |= {mark for mark, holds in marks.items() if holds}
    if geometry.groups > 1:
        found.add("depthwise" if geometry.inner == 1 else "groups")
    return found


def test_the_geometries_are_of_every_kind() -> None:
    found = Counter(kind for geometry in ALL for kind in kinds(geometry))
    assert len(ALL) >= 1200
    assert len(found) == 15
    assert min(found.values()) >= 50, found


@cache
def matrix_of(geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Return weights, and the matrix (inputs, outputs) that the definition makes of them."""
    rng = np.random.default_rng(crc32(geometry.name.encode()))
    w = rng.normal(size=(geometry.groups * geometry.outs, geometry.inner, *geometry.kernel))
    w = w.astype(np.float32).astype(float)
    ins, outs = (geometry.groups * geometry.inner, *geometry.image), (len(w), *geometry.out)
    matrix = np.zeros((*ins, *outs))
    for o, c, k in geometry.terms():
        matrix[(*c, *o)] += w[k]
    return w, matrix.reshape(np.prod(ins), np.prod(outs))


class Recording:
    """Geometries in one graph: forward, and back."""

    def __init__(self, geometries: Sequence[Geometry], *, flips: bool) -> None:
        self.geometries, self.sheet = geometries, Sheet(opset=17, flips=flips)
        xp, rng = self.sheet.xp, np.random.default_rng(24)
        self.names = []
        for geometry in geometries:
            w, _ = matrix_of(geometry)
            x = rng.normal(size=(3, geometry.groups * geometry.inner, *geometry.image))
            g = rng.normal(size=(3, len(w), *geometry.out))
            there, back, weight = self.sheet.feed(x), self.sheet.feed(g), xp.asarray(w)
            z = convolution.convolve(there, weight, geometry.lies, xp)
            y = convolution.convolve_adjoint(back, weight, geometry.lies, geometry.image, xp)
            assert z.shape[1:] == g.shape[1:]
            assert y.shape[1:] == x.shape[1:]
            self.names.append((there.value.name, back.value.name, self.sheet.show(z), self.sheet.show(y)))
        self.runs = self.sheet.session()

    def run(self, samples: int) -> Iterator[tuple[Geometry, np.ndarray, tuple[np.ndarray, ...]]]:
        """Yield every geometry with its matrix and, one row per sample, x, g, and what the graph makes of them."""
        feeds = {name: a[:samples] for name, a in self.sheet.feeds.items()}
        made = dict(zip((name for name, *_ in self.sheet.shown), self.runs.run(None, feeds), strict=True))
        for geometry, (x, g, z, y) in zip(self.geometries, self.names, strict=True):
            there = (feeds[x], feeds[g], made[z], made[y])
            assert made[z].shape == (samples, *feeds[g].shape[1:]), geometry
            assert made[y].shape == (samples, *feeds[x].shape[1:]), geometry
            yield (
                geometry,
                matrix_of(geometry)[1],
                tuple(a.reshape(samples, np.prod(a.shape[1:])).astype(float) for a in there),
            )


@pytest.fixture(scope="module", params=[False, True], ids=["transposed", "flipped"])
def recording(request: pytest.FixtureRequest) -> Recording:
    return Recording(ALL, flips=request.param)


def test_forward_and_back_are_the_matrix_and_its_transpose(recording: Recording) -> None:
    for geometry, matrix, (x, g, z, y) in recording.run(3):
        for found, expected in ((z, x @ matrix), (y, g @ matrix.T)):
            error, size = np.abs(found - expected).max(), np.abs(expected).max()
            assert error <= BOUND * size, f"{geometry}: {error} of {size}"


def test_a_sample_alone_is_as_exact(recording: Recording) -> None:
    """One sample may have one number, of terms that cancel: the bound is relative to the terms."""
    for geometry, matrix, (x, g, z, y) in recording.run(1):
        for start, of, found in ((x, matrix, z), (g, matrix.T, y)):
            error, size = np.abs(found - start @ of), np.abs(start) @ np.abs(of)
            assert (error <= BOUND * size).all(), geometry


def test_back_is_the_adjoint_of_forward(recording: Recording) -> None:
    """⟨A x, g⟩ = ⟨x, Aᵀ g⟩ of what the graph itself makes."""
    for geometry, matrix, (x, g, z, y) in recording.run(3):
        size = (np.abs(x) @ np.abs(matrix) * np.abs(g)).sum(axis=1)
        assert (np.abs((z * g).sum(axis=1) - (x * y).sum(axis=1)) <= BOUND * size).all(), geometry


def test_a_graph_runs_without_samples(recording: Recording) -> None:
    assert all(z.size == y.size == 0 for _, _, (_, _, z, y) in recording.run(0))


def test_only_a_stride_of_1_is_flipped(recording: Recording) -> None:
    """Where a graph is to be small there is one copy of the weights; else strides of 1 have two and run faster.

    Padding as large as a window, which the flipped kernel would have to crop, is the other exception.
    """
    counts = Counter(recording.sheet.operators())
    flipped = sum(kinds(geometry) & {"stride", "pad over kernel"} == set() for geometry in ALL)
    assert counts["Conv"] + counts["ConvTranspose"] == 2 * len(ALL)
    if not recording.sheet.graph.flips:
        assert counts["ConvTranspose"] == len(ALL)
        assert len(recording.sheet.model().graph.initializer) < 1.02 * len(ALL)
    else:
        assert counts["Conv"] - len(ALL) == flipped
