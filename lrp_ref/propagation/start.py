"""Start relevance: what is distributed. The choice is a value and is stored in the result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ..arithmetic import scalar
from ..base.arrays import Array, known, like, namespace, require_finite, to_numpy
from ..base.frozen import Value
from ..errors import ParameterError, ShapeError, unknown
from ..layers import Softmax
from .targets import as_indices, indices, is_tuple, some_targets


def _softmax(f: Array) -> Array:
    return Softmax().forward(f)


@dataclass(frozen=True, eq=False, repr=False)
class Start(Value):
    """Base of the start relevances: a function of the outputs f (N, K) and the mask of targets (N, K).

    Class attributes:
        of_logits: whether it speaks of logits, and is refused where the network's output has none.
        keeps_head: whether it starts at the output as the network gives it, above a final sigmoid or softmax.
    """

    shows_defaults: ClassVar[bool] = True
    of_logits: ClassVar[bool] = False
    keeps_head: ClassVar[bool] = False

    def __call__(self, f: Array, target: Array) -> Array:
        """Return the start relevance (N, K) for outputs ``f`` and the 0/1 mask ``target``."""
        raise NotImplementedError

    def settled(self, samples: int, shape: Sequence[int]) -> Start:
        """Return the start with what it names as numbers of outputs.

        Args:
            samples: N.
            shape: of one sample's output.
        """
        return self

    def some(self, cut: slice, samples: int) -> Start:
        """Return the start for the samples ``cut`` of N."""
        return self

    def given(self, f: Array, target: Array, probability: Array | None) -> Array:
        """Return the start relevance where the probabilities (N, K) of the outputs may be known."""
        return self(f, target)


class Logit(Start):
    """R_t = f_t: the value of the target output, below a final sigmoid or softmax (Bach et al. 2015)."""

    of_logits = True

    def __call__(self, f: Array, target: Array) -> Array:
        return f * target


class Output(Start):
    """R_t = f_t: the value of the target output as the network gives it; a final sigmoid or softmax is kept.

    The relevance then has the sign of a probability: what speaks against the class is positive where it is improbable.
    """

    keeps_head = True

    def __call__(self, f: Array, target: Array) -> Array:
        return f * target


class OneHot(Start):
    """R_t = 1 at the target, whatever its value (the default of several programs)."""

    def __call__(self, f: Array, target: Array) -> Array:
        return target


class Positive(Start):
    """R_k = max(f_k, 0) for every output, whatever the target."""

    def __call__(self, f: Array, target: Array) -> Array:
        return namespace(f).maximum(f, scalar(0, f))


class Probability(Start):
    """R_t = p_t: σ(f_t) where the network ends in a sigmoid, else softmax(f)_t.

    A softmax of the network's own goes along its axis, otherwise over all outputs.
    """

    of_logits = True

    def __call__(self, f: Array, target: Array) -> Array:
        return _softmax(f) * target

    def given(self, f: Array, target: Array, probability: Array | None) -> Array:
        if probability is None:
            return self(f, target)
        wanted = namespace(f).where(target > 0, probability, target).astype(f.dtype)
        if f.dtype.kind == "f" and known(f) and bool((wanted != wanted).any()):
            raise ParameterError(
                "start 'probability': an explained output comes out of no sigmoid or softmax; give start 'logit'"
            )
        return wanted


class Contrastive(Start):
    """Target against the others alike: R_t = f_t, R_k = −f_t/(K − 1) (CLRP1: Gu et al. 2018).

    There two explanations are subtracted, of f_t at the target and of f_t spread evenly over the others; relevance is
    linear in what starts, so that one explanation is their difference. The paper shows its positive part, max(R, 0).

    CLRP2 has the second explanation start at a virtual class with the weights −w_t instead. With the z⁺-rule on the top
    layer the difference is a rule there, with the start "logit"; with LRP-0 or ε, for which −w_t and w_t share alike,
    it is 0:

        plus = Group((Run(POS, POS, ZERO), Run(NEG, NEG, ZERO)))
        minus = Group((Run(POS, NEG, ZERO), Run(NEG, POS, ZERO)), weight=-1)
        composite = [("the name of the top layer", Rule((plus, minus))), …]
    """

    of_logits = True

    def __call__(self, f: Array, target: Array) -> Array:
        _one_target(self, target)
        _two_classes("contrastive", f)
        value = (f * target).sum(axis=1, keepdims=True)
        others = scalar(1, f) - target
        return value * target - others * value / scalar(f.shape[1] - 1, f)


class SoftmaxGradient(Start):
    """Target against the others by their probability: R_t = p_t(1 − p_t), R_k = −p_t p_k (SGLRP: Iwana et al. 2019)."""

    of_logits = True

    def __call__(self, f: Array, target: Array) -> Array:
        _one_target(self, target)
        _two_classes("softmax_gradient", f)
        p = _softmax(f)
        p_target = (p * target).sum(axis=1, keepdims=True)
        return p_target * (target - p)


class LogOdds(Start):
    """Log-odds η_t = −log Σ_{k≠t} exp(f_k − f_t), taken through the layer of differences f_t − f_k.

    Soft-min pooling gives each difference R_tk = p_k (f_t − f_k) with p_k = exp(f_k)/Σ_{k'≠t} exp(f_k'); LRP-0 on the
    difference gives R_t = f_t and R_k = −p_k f_k. On a dense top layer with LRP-0 or ε → 0 this is the same as
    merging the differences into its weights (w_t − w_k).

    Source: Montavon et al. 2019, §10.4.
    """

    of_logits = True

    def __call__(self, f: Array, target: Array) -> Array:
        _one_target(self, target)
        _two_classes("log_odds", f)
        xp = namespace(f)
        # Far below every other output of the sample: its exponential is exactly 0.
        below = -4 * xp.abs(f).max(axis=1, keepdims=True) - scalar(10_000, f)
        others = xp.where(target > 0, below, f).astype(f.dtype)
        p = _softmax(others) * (1 - target)
        return f * target - p * f


@dataclass(frozen=True, eq=False, repr=False)
class Difference(Start):
    """Target t against one other output a: R_t = f_t, R_a = −f_a, so that Σ R = f_t − f_a.

    With one class k = a beside the target, the start "log_odds" is this. On a dense top layer with LRP-0 or ε → 0 it is
    the same as merging the difference into its weights (w_t − w_a, b_t − b_a).

    Args:
        against: a: an index for all samples, one per sample (N,), or a tuple, as ``target`` of
            :func:`start_relevance`.

    Raises:
        ParameterError: an index out of range, several targets, or one that is a itself.

    Source: Montavon et al. 2019, §10.4, of two classes.

    Example:
        >>> import numpy as np
        >>> start_relevance(np.array([[1.0, 3.0, 2.0]]), target=1, start=Difference(2))[0]
        array([[ 0.,  3., -2.]])
    """

    of_logits: ClassVar[bool] = True

    against: Any

    def __post_init__(self) -> None:
        if isinstance(self.against, list):  # as an array it can be compared and hashed
            object.__setattr__(self, "against", as_indices(self.against))

    def __call__(self, f: Array, target: Array) -> Array:
        _one_target(self, target)
        against = _mask(f, self.indices(f))
        if known(target) and bool(((target != 0) & (against != 0)).any()):
            raise ParameterError(f"start {self!r} takes two different outputs; the target is the same one")
        return f * target - f * against

    def settled(self, samples: int, shape: Sequence[int]) -> Start:
        return (
            replace(self, against=indices(self.against, samples, shape, "against")) if is_tuple(self.against) else self
        )

    def some(self, cut: slice, samples: int) -> Start:
        return replace(self, against=some_targets(self.against, cut, samples, "against"))

    def indices(self, output: Array) -> Array:
        """Return a for each sample of ``output`` (N, ...) as integers (N, 1)."""
        found = _targets(output, self.against, "against")
        if found.shape[1] != 1:
            raise ParameterError(f"start {self!r} sets one output against the target, not {found.shape[1]}")
        return found


@dataclass(frozen=True, eq=False, repr=False)
class Reference(Start):
    """R_t = f_t − reference: a regression output against a value of interest.

    Not to be confused with :class:`lrp_ref.rules.Reference`, a rule with a reference for the inputs of a layer; the two
    go together where the value is what the network gives for that reference.

    Args:
        value: the reference, in the unit of the explanation's output (of the logit, below a final sigmoid).
    """

    value: Any = 0.0

    def __post_init__(self) -> None:
        if getattr(self.value, "ndim", 0) or isinstance(self.value, str | list | tuple | None):
            said = f"of shape {self.value.shape}" if getattr(self.value, "ndim", 0) else repr(self.value)
            raise ParameterError(f"start Reference: the value is one number, for all outputs; got {said}")

    def __call__(self, f: Array, target: Array) -> Array:
        return (f - scalar(self.value, f)) * target


STARTS: dict[str, Start] = {
    "logit": Logit(),
    "output": Output(),
    "one_hot": OneHot(),
    "positive": Positive(),
    "probability": Probability(),
    "contrastive": Contrastive(),
    "clrp": Contrastive(),
    "softmax_gradient": SoftmaxGradient(),
    "sglrp": SoftmaxGradient(),
    "log_odds": LogOdds(),
}


NAMES = (*STARTS, "difference", "reference")  # the last two take a value


def find(start: Any, against: Any = None) -> Any:
    """Return the start for its name; a :class:`Start` or an array stays what it is.

    Raises:
        ParameterError: a name that is not known or needs a value, or ``against`` where it would be ignored.

    Example:
        >>> find("contrastive"), find("difference", 9)
        (Contrastive(), Difference(against=9))
    """
    if isinstance(start, str) and start == "difference":
        if against is None:
            raise ParameterError(
                "start 'difference' needs its other output: against=9 or start=lrp.start.Difference(9)"
            )
        return Difference(against)
    if against is not None:
        raise ParameterError(f"against={against!r} belongs to start='difference'; with start={start!r} leave it out")
    if not isinstance(start, str):
        return start
    if start == "reference":
        raise ParameterError("start 'reference' needs its value: start=lrp.start.Reference(value)")
    if start not in STARTS:
        raise unknown("start", start, NAMES)
    return STARTS[start]


def called(start: Start) -> str:
    """Return the name of a start, or how it is written where it has none.

    Example:
        >>> called(Logit()), called(Reference(2.5))
        ("'logit'", 'Reference(value=2.5)')
    """
    return next((repr(name) for name, known in STARTS.items() if known == start), repr(start))


def start_relevance(
    output: Array,
    target: Any = None,
    start: Any = "logit",
    *,
    against: Any = None,
    first: int = 0,
    probability: Array | None = None,
) -> tuple[Array, Array | None, str]:
    """Return the relevance that starts at the output.

    Args:
        output: f (N, K) or (N, ...); all outputs of a sample count as classes 0 … K−1 in C order.
        target: an index for all samples; a list or array of one per sample (N,), or of several (N, T) or (1, T), which
            add up; a tuple with a number for each axis of a sample's output, (c, h, w) for (N, C, H, W), is one index
            for all samples, and any other tuple of length N one index per sample; None for the largest output of each
            sample.
        start: a name of ``NAMES``, a :class:`Start`, or an array of the output's shape (or a sample's).
        against: the other output of start "difference", an index in any form of ``target``.
        first: the number of the first sample, for messages.
        probability: of the outputs, of their shape, where the network says what it is.

    Returns:
        Start relevance of the output's shape, the targets (N, T) as integers (None for an array), and a description.

    Raises:
        ParameterError: a target out of range, an unknown name, a start that needs exactly one target.
        ShapeError: an array that does not fit the output.

    Example:
        >>> import numpy as np
        >>> start_relevance(np.array([[1.0, 3.0]]))[0]
        array([[0., 3.]])
        >>> start_relevance(np.array([[1.0, 3.0]]), target=0, start="one_hot")[0]
        array([[1., 0.]])
        >>> start_relevance(np.array([[1.0, 3.0, 2.0]]), target=1, start="difference", against=0)[0]
        array([[-1.,  3.,  0.]])
    """
    start = find(start, against)
    if not isinstance(start, Start):
        if target is not None:
            raise ParameterError("a start relevance given as an array says itself what is explained: leave target out")
        try:
            given = like(start, output)
        except (TypeError, ValueError) as error:
            raise ParameterError(f"start {start!r} is no name, no lrp.start.Start and no array of numbers") from error
        require_finite(given, "the start relevance")
        if given.shape != output.shape and given.shape != output.shape[1:]:
            raise ShapeError(f"start relevance of shape {given.shape} does not fit the output {output.shape}")
        return namespace(output).broadcast_to(given, output.shape), None, "array"
    targets = _targets(output, target)
    settled = start.settled(len(output), output.shape[1:])
    if isinstance(settled, Difference) and known(targets):
        require_apart(targets, settled.indices(output), target is None, first)
    return begun(output, targets, settled, probability), targets, repr(start)


def begun(output: Array, targets: Array, start: Start, probability: Array | None = None) -> Array:
    """Return the relevance that starts at the output (N, ...), for targets (N, T) that are known to be outputs."""
    flat = output.reshape(output.shape[0], math.prod(output.shape[1:]))
    chance = None if probability is None else probability.reshape(flat.shape)
    return start.given(flat, _mask(flat, targets), chance).reshape(output.shape)


def _targets(output: Array, target: Any, what: str = "target") -> Array:
    """Return the targets of outputs (N, ...) as integers (N, T)."""
    n, xp = len(output), namespace(output)
    if not math.prod(output.shape[1:]):
        raise ShapeError(
            f"the output of shape {output.shape} has no numbers for a sample, so there is nothing to explain"
        )
    if target is None:
        return output.reshape(n, -1).argmax(axis=1).reshape(n, 1) if n else xp.zeros((0, 1), dtype=int)
    host = indices(target, n, output.shape[1:], what)
    return xp.broadcast_to(xp.asarray(host), (n, host.shape[1]))


def require_apart(targets: Array, against: Array, predicted: bool, first: int) -> None:
    """Raise if the target of a sample is also what it is set against."""
    same = to_numpy((targets == against).any(axis=1))
    if same.any():
        k = int(same.argmax())
        what = "prediction" if predicted else "target"
        number = int(to_numpy(against)[k, 0])
        raise ParameterError(
            f"output {number} is the {what} of sample {first + k} and also what it is set against: name another "
            "target, or another output against it"
        )


def _mask(f: Array, targets: Array) -> Array:
    xp = namespace(f)
    chosen = (targets.reshape(*targets.shape, 1) == xp.arange(f.shape[1])).any(axis=1)
    return xp.where(chosen, scalar(1, f), scalar(0, f)).astype(f.dtype)


def _one_target(start: Start, target: Array) -> None:
    if target.shape[0] and known(target) and bool((target.sum(axis=1) != 1).any()):
        raise ParameterError(f"start {start!r} contrasts one target with the others; several were given")


def _two_classes(start: str, f: Array) -> None:
    """Raise if there is no other output to compare with: nothing would be compared, whatever the start is called."""
    if f.shape[1] < 2:
        raise ParameterError(f"start '{start}' compares classes; the output has {f.shape[1]}")
