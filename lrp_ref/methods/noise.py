"""Gradients at samples with noise: their mean, the mean of their squares, their variance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..base.arrays import Array, like, namespace, require_finite
from ..base.frozen import real
from ..errors import ParameterError, ShapeError
from .checks import count
from .method import Made, Method
from .parameters import ByInput, comparable, numbers_like
from .paths import add_weighted
from .scored import Block, Scored

DRAWS = 20


@dataclass(frozen=True, eq=False, repr=False)
class Noisy(Method):
    """Base of the methods that look at the gradients g_k = ∇f(x + σ ξ_k) of K draws of noise ξ, of variance 1.

    The draws are drawn from the seed, the k-th by itself, and are the same for all samples: a sample alone is what it
    is in a batch, and more draws begin with the same ones. None of the methods promises a sum.

    Args:
        draws: K; as many as there are in ``noise``, where that is given, else 20.
        sigma: σ, in the unit of the input; if ``relative`` a part of the range max x − min x of each sample, over all
            its numbers, of every input its own.
        relative: whether it is.
        noise: ξ, (K, *sample) for all samples, or (K, N, ...) with each draw in the layout of the input; a dict of such
            by input, in which an input that is missing has no noise. None draws it from the normal distribution.
        seed: of the draws.
        last_clean: whether the last draw is 0, so that one draw is the gradient.

    Raises:
        ParameterError: fewer than one draw, another number of draws than there are in ``noise``, σ < 0.
        ShapeError: noise that does not fit the input.
    """

    draws: int | None = None
    sigma: float = 0.1
    relative: bool = True
    noise: Any = None
    seed: int = 0
    last_clean: bool = False

    def __post_init__(self) -> None:
        given = list(self.noise.values()) if isinstance(self.noise, Mapping) else [self.noise]
        given = [one for _, one in self.noise.pairs] if isinstance(self.noise, ByInput) else given
        numbers = {int(np.shape(a)[0]) if np.ndim(a) else 0 for a in given if a is not None}
        numbers |= set() if self.draws is None else {self.draws}
        if len(numbers) > 1:
            raise ParameterError(
                f"{self.name}: noise and draws are of {sorted(numbers)} draws: give noise (draws, ...), and leave "
                "draws out"
            )
        object.__setattr__(self, "draws", count(self.name, "draws", next(iter(numbers), DRAWS)))
        object.__setattr__(self, "seed", count(self.name, "seed", self.seed, 0))
        if not real(f"{self.name}: sigma", self.sigma) >= 0:
            raise ParameterError(f"{self.name}: sigma must be ≥ 0, got {self.sigma}")
        object.__setattr__(self, "noise", comparable(self.noise))

    def with_parameters(self, **given: Any) -> Method:
        """Return the method with other parameters: as many draws as there is noise given."""
        follows: dict[str, Any] = {"draws": None} if "noise" in given else {}
        return super().with_parameters(**(follows | given))

    @property
    def number(self) -> int:
        """K."""
        assert self.draws is not None
        return self.draws

    def gradients(self, scored: Scored) -> Iterator[tuple[Block, dict[str, Array]]]:
        """Go through the gradients (n, s, ...) of some draws of some samples at a time, by input."""
        x, noise, deviation = scored.movable, self._noise(scored), self._deviation(scored)
        for block in scored.blocks(self.number):
            variants = {}
            for position, (name, a) in enumerate(x.items()):
                here = self._given(noise[name], block) if name in noise else self._drawn(a, position, block)
                sizes = deviation[name][block.rows].reshape(-1, *(1,) * a.ndim)
                variants[name] = sizes * here
                variants[name] += a[block.rows][:, None]
            yield block, scored.gradients(variants, block)

    def _deviation(self, scored: Scored) -> dict[str, Array]:
        """Return σ of every sample (N,), by input."""
        found = {}
        for name, x in scored.movable.items():
            axes = tuple(range(1, x.ndim))
            sigma = like(self.sigma, x)
            ranges = x.max(axis=axes) - x.min(axis=axes) if self.relative and 0 not in x.shape[1:] else None
            found[name] = namespace(x).broadcast_to(sigma, x.shape[:1]) if ranges is None else sigma * ranges
        return found

    def _noise(self, scored: Scored) -> dict[str, Array]:
        """Return the noise that was given (K, N or 1, ...), by input; {} where it is drawn."""
        if self.noise is None:
            return {}
        named, found = scored.by_input(self.noise, "noise"), {}
        for name, x in scored.movable.items():
            given = named.get(name)
            if given is None:
                found[name] = namespace(x).zeros((self.number, 1, *x.shape[1:]), dtype=x.dtype)
                continue
            array = numbers_like(given, x, "noise")
            require_finite(array, "noise")
            axis = scored.axes.get(name) or 0
            if array.ndim == x.ndim + 1 and axis:
                array = namespace(array).moveaxis(array, axis + 1, 1)
            if array.ndim == x.ndim:
                array = array[:, None]
            if array.shape[1:] not in (x.shape, (1, *x.shape[1:])):
                raise ShapeError(
                    f"noise of shape {array.shape} does not fit input '{name}' of shape {x.shape}: give "
                    f"{(self.number, *x.shape[1:])}, or {(self.number, *x.shape)} with noise of its own for each sample"
                )
            found[name] = array
        return found

    def _given(self, noise: Array, block: Block) -> Array:
        """Return noise that was given for a block (n or 1, s, ...)."""
        few = noise[block.steps]
        here = namespace(noise).moveaxis(few if few.shape[1] == 1 else few[:, block.rows], 0, 1)
        return self._cleaned(here, block)

    def _drawn(self, x: Array, position: int, block: Block) -> Array:
        """Return the noise of the draws of a block (1, s, ...), of an input by its position among them."""
        shape, draws = x.shape[1:], range(block.steps.start, block.steps.stop)
        each = [np.random.default_rng([self.seed, k, position]).standard_normal(shape) for k in draws]
        return self._cleaned(like(np.stack(each)[None], x), block)

    def _cleaned(self, noise: Array, block: Block) -> Array:
        """Return noise whose last draw of all is 0, where it should be."""
        if not self.last_clean or block.steps.stop < self.number:
            return noise
        return namespace(noise).concatenate([noise[:, :-1], noise[:, -1:] * like(0, noise)], axis=1)

    def formula(self) -> str:
        """Return the formula of the draws, which a method adds its own to."""
        unit = "(max x − min x)" if self.relative else "1"
        last = ", ξ_K = 0" if self.last_clean else ""
        return f"g_k = ∇f(x + {self.sigma}·{unit}·ξ_k), k = 1 … {self.draws}{last}"


class SmoothGrad(Noisy):
    """R_i = mean_k ∂f/∂x_i(x + σ ξ_k): the gradient of f smoothed by noise; parameters as of :class:`Noisy`.

    Source: Smilkov et al. 2017.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> layers = [lrp.layers.Dense(np.eye(2)), lrp.layers.ReLU(), lrp.layers.Dense(np.array([[2.0], [-1.0]]))]
        >>> net, noise = lrp.Network.sequential(layers), np.array([[-1.0, 0.0], [1.0, 0.0], [0.5, 0.0], [0.2, -1.0]])
        >>> lrp.attribute(net, np.array([[0.5, 0.5]]), "smoothgrad", noise=noise, sigma=1, relative=False).relevance
        array([[ 1.5 , -0.75]])
    """

    name: ClassVar[str] = "smoothgrad"

    def run(self, scored: Scored) -> Made:
        return Made(_mean(self, scored))

    def formula(self) -> str:
        return f"R_i = mean of g_ki; {super().formula()}"


class SmoothGradSquared(Noisy):
    """R_i = mean_k (∂f/∂x_i(x + σ ξ_k))²; parameters as of :class:`Noisy`.

    Source: Hooker et al. 2019.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> layers = [lrp.layers.Dense(np.eye(2)), lrp.layers.ReLU(), lrp.layers.Dense(np.array([[2.0], [-1.0]]))]
        >>> net, noise = lrp.Network.sequential(layers), np.array([[-1.0, 0.0], [1.0, 0.0], [0.5, 0.0], [0.2, -1.0]])
        >>> x, sigma = np.array([[0.5, 0.5]]), {"sigma": 1, "relative": False}
        >>> lrp.attribute(net, x, "smoothgrad_squared", noise=noise, **sigma).relevance
        array([[3.  , 0.75]])
    """

    name: ClassVar[str] = "smoothgrad_squared"

    def run(self, scored: Scored) -> Made:
        return Made(_mean(self, scored, squared=True))

    def formula(self) -> str:
        return f"R_i = mean of g_ki²; {super().formula()}"


class VarGrad(Noisy):
    """R_i = mean_k (g_ki − mean g_i)²: the variance of the draws, divided by K; parameters as of :class:`Noisy`.

    It is mean g² − mean² g, but found in one pass without the difference of two large numbers, and so never negative.

    Source: Adebayo et al. 2018.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> layers = [lrp.layers.Dense(np.eye(2)), lrp.layers.ReLU(), lrp.layers.Dense(np.array([[2.0], [-1.0]]))]
        >>> net, noise = lrp.Network.sequential(layers), np.array([[-1.0, 0.0], [1.0, 0.0], [0.5, 0.0], [0.2, -1.0]])
        >>> lrp.attribute(net, np.array([[0.5, 0.5]]), "vargrad", noise=noise, sigma=1, relative=False).relevance
        array([[0.75  , 0.1875]])
    """

    name: ClassVar[str] = "vargrad"

    def run(self, scored: Scored) -> Made:
        mean, spread = scored.nothing(), scored.nothing()
        for block, found in self.gradients(scored):
            seen, (_, more) = block.steps.start, block.shape
            for name, g in found.items():
                few, size = block.rows, like(more, g)
                here = g.sum(axis=1) / size
                apart = g - here[:, None]
                shift = here - mean[name][few]
                # Two sets of draws together: their squares about their own means, and what the means differ.
                spread[name][few] += (apart * apart).sum(axis=1)
                spread[name][few] += shift * shift * (like(seen, g) * size / like(seen + more, g))
                mean[name][few] += shift * (size / like(seen + more, g))
        return Made({name: total / like(self.number, total) for name, total in spread.items()})

    def formula(self) -> str:
        return f"R_i = mean of (g_ki − mean of g_i)²; {super().formula()}"


def _mean(method: Noisy, scored: Scored, *, squared: bool = False) -> dict[str, Array]:
    """Return the mean over all draws of the gradients, or of their squares, by input (N, ...)."""
    total = scored.nothing()
    for block, found in method.gradients(scored):
        for name, g in found.items():
            weights = namespace(g).broadcast_to(like(1, g) / like(method.number, g), (1, block.shape[1]))
            add_weighted(total[name][block.rows], g * g if squared else g, weights)
    return total
