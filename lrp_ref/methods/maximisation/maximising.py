"""Activation maximisation: inputs, or codes of a generator, that make a score large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...base.arrays import Array, is_float, namespace, require_range, sample_dot
from ...base.frozen import Value
from ...errors import ParameterError, ShapeError, UnsupportedError, unknown
from ...network.inputs import batch_back
from ...network.joining import join
from ...network.network import Network
from ..parameters import comparable
from ..scored import Block, Progress, Scored, joined
from .maximised import Maximised
from .penalties import L2, Penalty
from .steps import OPTIMISERS, blurred, bounded, rolled, shifts


@dataclass(frozen=True, eq=False, repr=False)
class Maximisation(Value):
    """How inputs are made that maximise a score; :func:`maximise` says what each parameter is."""

    shows_defaults = True

    steps: int = 20
    rate: float = 0.1
    penalties: tuple[Penalty, ...] = (L2(),)
    optimiser: str = "ascent"
    jitter: int = 0
    blur: float = 0.0
    bounds: Any = None
    seed: int = 0

    def __post_init__(self) -> None:
        for key in ("penalties", "bounds"):
            object.__setattr__(self, key, comparable(getattr(self, key)))
        for name, least in (("steps", 0), ("jitter", 0), ("seed", 0)):
            given = getattr(self, name)
            if isinstance(given, bool) or not isinstance(given, int) or given < least:
                raise ParameterError(f"maximise: {name} must be a whole number ≥ {least}, got {given!r}")
        for name in ("rate", "blur"):
            if not getattr(self, name) >= 0:
                raise ParameterError(f"maximise: {name} must be ≥ 0, got {getattr(self, name)!r}")
        if self.optimiser not in OPTIMISERS:
            raise unknown("optimiser", self.optimiser, list(OPTIMISERS))
        wrong = next((p for p in self.penalties if not isinstance(p, Penalty)), None)
        if wrong is not None:
            raise ParameterError(f"maximise: {wrong!r} is no penalty: give L2(weight) or TotalVariation(weight)")
        if self.bounds is not None:
            if not isinstance(self.bounds, tuple | list) or len(self.bounds) != 2:
                raise ParameterError(f"maximise: bounds are (low, high), got {self.bounds!r}")
            require_range("maximise: bounds", *self.bounds)

    def formula(self) -> str:
        """Return the formula."""
        return "max_x f(x) − Σ P(x), by steps x ← x + η ∂(f − Σ P)/∂x"

    def ended(self, scored: Scored, progress: Progress | None = None) -> tuple[dict[str, Array], Array]:
        """Return the inputs (N, ...) after all steps by name, and f before every step (N, steps)."""
        names = [name for name, a in scored.receivers.items() if is_float(a)]
        if not names:
            raise UnsupportedError("no input holds floats or exact numbers: tokens cannot be moved along a gradient")
        ended: dict[str, list[Array]] = {name: [] for name in names}
        seen, total, done = [], len(scored) * self.steps, 0
        for block in scored.blocks(1):
            move, scores = OPTIMISERS[self.optimiser](self.rate), []
            x = {name: scored.fed[name][block.rows] for name in names}
            for step in range(self.steps):
                score, gradient = self._looked(scored, block, x, step)
                scores.append(score)
                x = {name: self._moved(move, name, a, gradient[name]) for name, a in x.items()}
                done += block.shape[0]
                if progress is not None:
                    progress(done, total)
            for name, a in x.items():
                ended[name].append(a)
            xp = namespace(scored.output)
            none = xp.zeros((block.shape[0], 0), dtype=scored.output.dtype)
            seen.append(xp.stack(scores, axis=1) if scores else none)
        return {name: joined(parts) for name, parts in ended.items()}, joined(seen)

    def _looked(self, scored: Scored, block: Block, x: dict[str, Array], step: int) -> tuple[Array, dict[str, Array]]:
        """Return the score (n,) and its gradient where the input is looked at, which jitter rolls first."""
        by = {name: self._shift(name, a, step) for name, a in x.items()}
        there = {name: rolled(a, by[name]) for name, a in x.items()}
        variants = {name: a.reshape(*block.shape, *a.shape[1:]) for name, a in there.items()}
        e = scored.explained(variants, block)
        back = {name: rolled(e.relevance[name], tuple(-s for s in by[name])) for name in x}
        return sample_dot(scored.coefficients[block.rows], e.output), back

    def _shift(self, name: str, a: Array, step: int) -> tuple[int, ...]:
        if not self.jitter:
            return ()
        _require_places(name, a, "jitter")
        return shifts(self.jitter, a.ndim - 2, self.seed, step)

    def _moved(self, move: Any, name: str, a: Array, gradient: Array) -> Array:
        """Return an input after one step."""
        for penalty in self.penalties:
            gradient = gradient - penalty.gradient(a)
        a = move(name, a, gradient)
        if self.blur:
            _require_places(name, a, "blur")
            a = blurred(a, self.blur)
        return bounded(a, self.bounds)


def _require_places(name: str, a: Array, what: str) -> None:
    if a.ndim < 3:
        raise ShapeError(f"maximise: {what} moves along spatial axes, and input '{name}' of shape {a.shape} has none")


def maximise(
    net: Network,
    x: Any,
    *,
    target: Any = None,
    against: Any = None,
    steps: int = 20,
    rate: float = 0.1,
    penalties: Sequence[Penalty] = (L2(),),
    optimiser: str = "ascent",
    jitter: int = 0,
    blur: float = 0.0,
    bounds: tuple[Any, Any] | None = None,
    seed: int = 0,
    generator: Network | None = None,
    code_bounds: tuple[Any, Any] | None = None,
    start: str = "logit",
    output: str | None = None,
    canonize: bool = True,
    xp: Any = None,
    progress: Progress | None = None,
) -> Maximised:
    """Return inputs that make a score large, each from a starting point of its own: max_x f(x) − Σ P(x).

    With a generator G it is max_z f(G(z)) − Σ P(z): ``x`` are the codes z to start from, and penalties and bounds are
    those of the codes, which should stay where the generator was trained.

    Args:
        net: the network.
        x: where to start, as :meth:`Network.forward` takes inputs. Integers, such as a label that a generator
            reads, stay what they are.
        target: as of :func:`lrp_ref.explain`; None for the largest output at the start.
        against: the output that is subtracted.
        steps: how many.
        rate: η, their size.
        penalties: what is taken from the score.
        optimiser: "ascent", or "adam".
        jitter: by how many positions at most the input is rolled along each spatial axis before a look; drawn from the
            seed and the number of the step, alike for all samples, so that none depends on its batch.
        blur: σ in positions of a Gaussian over the spatial axes after each step; 0 for none.
        bounds: (low, high) between which the input stays, numbers or arrays like a sample.
        seed: of the jitter.
        generator: G, whose output is the input of ``net``.
        code_bounds: as ``bounds``, of the codes.
        start: "logit" looks below a final sigmoid or softmax, whose derivative vanishes where it is sure.
        output, canonize, xp: as of :func:`lrp_ref.attribute`.
        progress: is called after every step with how many steps of samples are done, and of how many.

    Raises:
        ParameterError: a parameter out of its range; bounds of the input beside a generator, or of codes without one.
        ShapeError: jitter, blur or total variation of an input without spatial axes.
        UnsupportedError: no input to move, only tokens.

    Source: Erhan et al. 2009; Simonyan et al. 2014, §2; with a generator Nguyen et al. 2016.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([lrp.layers.Dense(np.array([[1.0, 0.0], [2.0, 1.0]]))])
        >>> m = lrp.methods.maximise(net, np.zeros((1, 2)), target=0, steps=300, penalties=[lrp.methods.L2(0.5)])
        >>> m.x.round(3), m.scores[:, [0, 1, -1]].round(3)
        (array([[1., 2.]]), array([[0. , 0.5, 5. ]]))
    """
    if generator is not None and bounds is not None:
        raise ParameterError("maximise: bounds= is of the input, which the generator makes: give code_bounds=")
    if generator is None and code_bounds is not None:
        raise ParameterError("maximise: code_bounds= is of a generator's codes, and there is none: give bounds=")
    whole = net if generator is None else join(generator, net)
    limits = bounds if generator is None else code_bounds
    method = Maximisation(steps, rate, tuple(penalties), optimiser, jitter, blur, limits, seed)
    asked: dict[str, Any] = {
        "start": start, "output": output, "canonize": canonize, "xp": xp,
    }  # fmt: skip
    if generator is not None and output is not None:
        asked["output"] = whole.outputs[net.outputs.index(output)] if output in net.outputs else output
    scored = Scored.of(whole, x, target=target, against=against, **asked)
    ended, seen = method.ended(scored, progress)
    fed = {**scored.fed, **ended}
    last = Scored.of(whole.batch_first(), fed, target=scored.target, against=against, **asked)
    module = namespace(seen)
    scores = module.concatenate([seen, last.score.reshape(-1, 1)], axis=1)
    placed = {i.name: batch_back(fed[i.name], i.batch_axis) for i in whole.inputs if i.name in ended}
    moved: Any = placed if len(whole.inputs) > 1 else next(iter(placed.values()))
    code, made = None, moved
    if generator is not None:
        given = {i.name: batch_back(fed[i.name], i.batch_axis) for i in generator.inputs}
        part = generator if xp is None else generator.to(namespace(seen))
        code, made = moved, part.like_input(fed).forward(given)
    return Maximised(made, scores, scored.target, scored.against, last.output, method, code)
