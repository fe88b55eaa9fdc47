"""Expected gradients: integrated gradients from many baselines at once, as a mean over draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..base.arrays import Array, convert, indices, like, namespace, require_finite, sample_dot
from ..errors import ParameterError, ShapeError
from ..network.inputs import batch_first
from .checks import count
from .method import Made, Method
from .parameters import comparable, numbers_like
from .scored import Scored

DRAWS = 200  # as a rule of thumb: the mean of their error is a fourteenth of that of one draw


@dataclass(frozen=True, eq=False, repr=False)
class ExpectedGradients(Method):
    """R_i = E (x_i − b_i) ∂f/∂x_i(b + α (x − b)) over baselines b of a background and α from 0 … 1.

    The expectation is a mean over draws, and sums to f(x) − E f(b) but for what the draws miss: ``completeness``.
    ``found`` has E f(b), the mean over the whole background, as "baseline_score". All samples have the same draws, so
    that one alone is what it is in a batch.

    Args:
        background: the baselines (M, *sample), in the layout of the input, or a dict of such by input.
        samples: K, the number of draws; those of alpha or index, where they are given, else 200.
        seed: of the draws.
        alpha: the α of every draw, (K,), or (K, N) for every sample its own; None draws them.
        index: which baseline, likewise; None draws them.

    Raises:
        ParameterError: no background, fewer than one draw, or draws of different number or out of range.
        ShapeError: a background that does not fit the input, or draws for another number of samples.

    Source: Erion et al. 2021; Lundberg & Lee 2017 (GradientSHAP).

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> layers = [lrp.layers.Dense(np.eye(2), np.array([-1.0, 0.0])), lrp.layers.ReLU()]
        >>> net = lrp.Network.sequential([*layers, lrp.layers.Dense(np.array([[2.0], [-1.0]]))])
        >>> b, draws = np.array([[0.0, 0.0], [2.0, 0.0]]), {"alpha": [0.5, 0.5], "index": [0, 1]}
        >>> a = lrp.attribute(net, np.array([[4.0, 1.0]]), "expected_gradients", background=b, **draws)
        >>> a.relevance, a.explained, a.completeness
        (array([[ 6., -1.]]), array([4.]), array([1.]))
    """

    name: ClassVar[str] = "expected_gradients"

    background: Any = None
    samples: int | None = None
    seed: int = 0
    alpha: Any = None
    index: Any = None

    def __post_init__(self) -> None:
        given = [a for a in (self.alpha, self.index) if a is not None]
        if any(np.ndim(a) not in (1, 2) for a in given):
            raise ParameterError(
                f"{self.name}: alpha and index must be (draws,), or (draws, N) for N samples; got shapes "
                f"{[np.shape(a) for a in given]}"
            )
        numbers = {int(np.shape(a)[0]) for a in given}
        numbers |= set() if self.samples is None else {self.samples}
        if len(numbers) > 1:
            raise ParameterError(
                f"{self.name}: alpha, index and samples are of {sorted(numbers)} draws: give as many of each, and "
                "leave samples out"
            )
        object.__setattr__(self, "samples", count(self.name, "samples", next(iter(numbers), DRAWS)))
        object.__setattr__(self, "seed", count(self.name, "seed", self.seed, 0))
        for key in ("background", "alpha", "index"):
            object.__setattr__(self, key, comparable(getattr(self, key)))

    def with_parameters(self, **given: Any) -> Method:
        """Return the method with other parameters: as many draws as there are α or indices given."""
        follows: dict[str, Any] = {"samples": None} if {"alpha", "index"} & given.keys() else {}
        return super().with_parameters(**(follows | given))

    def run(self, scored: Scored) -> Made:
        assert self.samples is not None
        x, rows, total = scored.movable, self._rows(scored), scored.nothing()
        alpha, index = self._draws(scored, len(next(iter(rows.values()))))
        for block in scored.blocks(self.samples):
            few = block.rows
            a, i = (array[few if len(array) > 1 else slice(None), block.steps] for array in (alpha, index))
            apart, variants = {}, {}
            for name, given in x.items():
                b = namespace(given).take(rows[name], i, axis=0)  # (n or 1, s, ...)
                apart[name] = given[few][:, None] - b
                variants[name] = apart[name] * a.reshape(*a.shape, *(1,) * (given.ndim - 1)) + b
            for name, g in scored.gradients(variants, block).items():
                total[name][few] += (apart[name] * g).sum(axis=1)
        relevance = {name: t / like(self.samples, t) for name, t in total.items()}
        start = _mean_score(scored, rows)
        return Made(relevance, scored.score - start, {"baseline_score": start})

    def _rows(self, scored: Scored) -> dict[str, Array]:
        """Return the baselines by input (M, ...)."""
        if self.background is None:
            raise ParameterError(f"{self.name} needs baselines: give background=, an array (M, *sample)")
        named, found = scored.by_input(self.background, "background"), {}
        for name, x in scored.movable.items():
            if name not in named:
                raise ParameterError(f"{self.name}: the background has nothing for input '{name}': give every input")
            given = numbers_like(named[name], x, "background")
            if given.ndim == x.ndim:
                given = batch_first(given, scored.axes.get(name) or 0)
            if given.shape[1:] != x.shape[1:] or not len(given):
                raise ShapeError(
                    f"background of shape {given.shape} does not fit input '{name}' of shape {x.shape}: give at least "
                    f"one baseline (M, {', '.join(map(str, x.shape[1:]))})"
                )
            require_finite(given, "background")
            found[name] = given
        numbers = {name: len(a) for name, a in found.items()}
        if len(set(numbers.values())) > 1:
            raise ShapeError(f"{self.name}: the inputs have backgrounds of different length: {numbers}")
        return found

    def _draws(self, scored: Scored, baselines: int) -> tuple[Array, Array]:
        """Return α and the places of the baselines, (N, K) or (1, K)."""
        x = next(iter(scored.movable.values()))
        rng = np.random.default_rng(self.seed)
        drawn = rng.random(self.samples), rng.integers(baselines, size=self.samples)
        found = []
        for what, given, default in (("alpha", self.alpha, drawn[0]), ("index", self.index, drawn[1])):
            host = np.asarray(default if given is None else given)
            each = host[None] if host.ndim == 1 else host.T
            if len(each) not in (1, len(x)):
                raise ShapeError(
                    f"{self.name}: {what} of shape {host.shape} is for {len(each)} samples, and there are {len(x)}: "
                    f"give ({self.samples},) or ({self.samples}, {len(x)})"
                )
            found.append(each)
        alpha = like(found[0], x)
        if not ((found[0] >= 0) & (found[0] <= 1)).all():
            raise ParameterError(f"{self.name}: alpha must lie between 0 and 1")
        index = indices(found[1], 0, baselines, f"{self.name}: index")
        return alpha, convert(index, namespace(x))

    def formula(self) -> str:
        return f"R_i = mean over {self.samples} draws of (x_i − b_i)·∂f/∂x_i(b + α·(x − b))"


def _mean_score(scored: Scored, rows: dict[str, Array]) -> Array:
    """Return the mean of f over all baselines, which differs between samples with their targets (N,)."""
    m = len(next(iter(rows.values())))
    if set(rows) == set(scored.fed):  # all that the network reads: their outputs are the same for every sample
        outputs = scored.outputs_of(rows)
        mean = outputs.sum(axis=0, keepdims=True) / like(m, outputs)
        return sample_dot(scored.coefficients, namespace(mean).broadcast_to(mean, scored.output.shape))
    totals = scored.score * 0
    for block in scored.blocks(m):
        some, xp = {name: a[block.steps] for name, a in rows.items()}, namespace(totals)
        variants = {name: xp.broadcast_to(a, (block.shape[0], *a.shape)) for name, a in some.items()}
        totals[block.rows] += scored.values(variants, block).sum(axis=1)
    return totals / like(m, totals)
