"""Selective scan: the recurrence of a state space whose step, input and output matrices depend on the input (Mamba)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..arithmetic import no_exact_value, scalar
from ..base.arrays import Array, Namespace, namespace, only, require_dtype, sample_dot, sample_sum
from ..errors import ParameterError, ShapeError
from ..fast.quotient import divide
from ..rules.edits import Stabiliser
from ..rules.rule import AnyRule, Redistribution
from ..rules.scan import Selection
from .base import Layer, same_shape

DECAYS = ("exp", "linear")
NAMES = ("x", "delta", "b", "c", "state")


@dataclass(frozen=True, eq=False, repr=False)
class SelectiveScan(Layer):
    """States that decay and are fed at every step, by amounts which the input selects (Mamba's S6).

    Formula, for each channel d and its states s, from h_0 = 0 on:

    h_t,ds = exp(Δ_td a_ds)·h_{t−1},ds + (Δ_td x_td)·B_ts,  y_td = Σ_s C_ts h_t,ds + skip_d x_td

    Relevance: the sums y_t and h_t are shared in proportion to their parts, and each product as ``rules.Selection``
    says. Its own rule is Selection("signal"): the decay, Δ, B and C are constants, and x takes all. Under "half" the
    products are taken in the order of the formula: C_t·h_t; decay·h_{t−1}, of which the exponential passes what it gets
    to Δ_t a, and so to Δ_t; (Δ_t x_t)·B_t, of whose first factor Δ_t and x_t get half each: ¼ for x_t, ¼ for Δ_t, ½ for
    B_t. skip_d x_td is x_td's alone. Parameters get nothing; B and C get the sum over the channels that share them.

    Operands are x (N, T, D), Δ (N, T, D), B (N, T, S), C (N, T, S), and with ``state`` the initial h_0 (N, D, S).

    Args:
        a: (D, S), as a rule negative, so that states decay.
        skip: (D,), or None for none.
        decay: "exp", or "linear" for 1 + Δ a, the first two terms of its series (an explicit Euler step). That is not
            what Mamba computes: it has a value on rationals, so that rules can be checked exactly.
        state: whether the last operand is the initial state.

    Raises:
        ShapeError: parameters or operands whose shapes do not fit each other, with all of them.
        ParameterError: another decay.
        UnsupportedError: "exp" on rationals.

    Source: Gu & Dao 2023 (Mamba), §3.2 and its algorithm 2; relevance: Rezaei Jafari et al. 2024 (MambaLRP).

    Example:
        >>> import numpy as np
        >>> layer = SelectiveScan(np.array([[-0.5]]), decay="linear")
        >>> one, x = np.ones((1, 2, 1)), np.array([[[4.0], [1.0]]])
        >>> layer.forward(x, one, one, one).ravel()
        array([4., 3.])
        >>> layer.relevance_backward((x, one, one, one), np.array([[[0.0], [3.0]]]))[0].ravel()
        array([2., 1.])
    """

    operands: ClassVar[int | None] = None
    own_rule: ClassVar[str | None] = "Selection('signal'): Δ, B, C and the decay are constants"

    a: Array
    skip: Array | None = None
    decay: str = "exp"
    state: bool = False

    def __post_init__(self) -> None:
        if self.decay not in DECAYS:
            raise ParameterError(f"SelectiveScan: decay must be one of {', '.join(DECAYS)}, got {self.decay!r}")
        if self.a.ndim != 2:
            raise ShapeError(f"SelectiveScan: a must be (channels, states), got shape {self.a.shape}")
        if self.skip is not None and self.skip.shape != self.a.shape[:1]:
            raise ShapeError(f"SelectiveScan: skip must be {self.a.shape[:1]}, got {self.skip.shape}")

    # -- forward --------------------------------------------------------------------------------------------------

    def _checked(self, xs: tuple[Array, ...]) -> tuple[Array, ...]:
        """Return the operands, with an initial state in any case; raise for shapes that do not fit."""
        names = NAMES if self.state else NAMES[:-1]
        if len(xs) != len(names):
            raise ShapeError(f"SelectiveScan takes {len(names)} inputs ({', '.join(names)}), got {len(xs)}")
        xp, x, (channels, states) = namespace(*xs, self.a), xs[0], self.a.shape
        if x.ndim != 3 or x.shape[2] != channels:
            raise ShapeError(f"SelectiveScan: x of shape {x.shape} is not (N, time, {channels})")
        n, steps, _ = x.shape
        for name, given in zip(names, xs, strict=True):
            shape = (n, channels, states) if name == "state" else (n, steps, states if name in ("b", "c") else channels)
            if given.shape != shape:
                raise ShapeError(f"SelectiveScan: {name} of shape {given.shape} is not {shape}, as a and x make it")
            require_dtype(given, self.a, "SelectiveScan")
        return xs if self.state else (*xs, _zeros((n, channels, states), x, xp))

    def _decay(self, delta: Array) -> Array:
        """Return the factors (N, D, S) by which the states of one step decay, of its Δ (N, D)."""
        exponent = delta[..., None] * self.a
        if self.decay == "linear":
            return exponent + scalar(1, exponent)
        no_exact_value(exponent, "exp")
        return namespace(exponent).exp(exponent)

    def _slope(self, decay: Array) -> Array:
        """Return the derivative of the factors by Δ, (N, D, S) or the same for every sample."""
        return decay * self.a if self.decay == "exp" else self.a

    def _steps_forward(self, xs: tuple[Array, ...], kept: Array | None) -> Array:
        """Return y; write the states after every step into ``kept`` (T, N, D, S), if it is given."""
        x, delta, b, c, h = xs
        y = namespace(x).empty(x.shape, dtype=x.dtype)
        for t in range(x.shape[1]):
            fed = delta[:, t] * x[:, t]
            h = self._decay(delta[:, t]) * h + fed[..., None] * b[:, t, None]
            if kept is not None:
                kept[t] = h
            out = (h * c[:, t, None]).sum(axis=2)
            y[:, t] = out if self.skip is None else out + self.skip * x[:, t]
        return y

    def forward(self, *xs: Array) -> Array:
        """Return y (N, T, D)."""
        whole = self._checked(xs)
        # Without samples nothing is computed: a file may declare as many steps as it likes.
        return (
            self._steps_forward(whole, None) if xs[0].shape[0] else namespace(*xs).empty(xs[0].shape, dtype=xs[0].dtype)
        )

    def _states(self, whole: tuple[Array, ...]) -> Array:
        """Return an array for the states after every step, (T, N, D, S): all that the way back keeps of them."""
        x, first = whole[0], whole[-1]
        return namespace(x).empty((x.shape[1], *first.shape), dtype=x.dtype)

    # -- backward -------------------------------------------------------------------------------------------------

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return the derivative: back-propagation through time."""
        whole = self._checked(xs)
        x, delta, b, c, first = whole
        xp, kept = namespace(*xs, g), self._states(whole)
        self._steps_forward(whole, kept)
        received = [xp.empty(a.shape, dtype=g.dtype) for a in whole]
        below = _zeros(first.shape, g, xp)
        for t in reversed(range(x.shape[1])):
            here, before, at = g[:, t], kept[t - 1] if t else first, c[:, t, None] * g[:, t, :, None] + below
            decay, fed = self._decay(delta[:, t]), (at * b[:, t, None]).sum(axis=2)
            through = delta[:, t] * fed
            received[0][:, t] = through if self.skip is None else through + self.skip * here
            received[1][:, t] = x[:, t] * fed + (self._slope(decay) * before * at).sum(axis=2)
            received[2][:, t] = ((delta[:, t] * x[:, t])[..., None] * at).sum(axis=1)
            received[3][:, t] = (kept[t] * here[..., None]).sum(axis=1)
            below = decay * at
        received[4][...] = below
        return tuple(received[: len(xs)])

    def _redistribute(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, z: Any
    ) -> Redistribution:
        rule = Selection() if rule is None else rule
        if not isinstance(rule, Selection):
            raise self._refuse(rule)
        self._expect(relevances, 1)
        (relevance,), whole = relevances, self._checked(xs)
        xp, kept, half = namespace(*xs, relevance), self._states(whole), rule.product == "half"
        y = self._steps_forward(whole, kept)
        same_shape(self, relevance, y)
        sent, taken, dropped = _sent(relevance, y, rule.stabiliser, xp)
        x, delta, b, c, first = whole
        received = [_zeros(a.shape, relevance, xp) for a in whole]
        # A product gives this part to the factor on the way to x, and to the other one under "half".
        part = scalar(1, x) / scalar(2 if half else 1, x)
        below = _zeros(first.shape, relevance, xp)
        for t in reversed(range(x.shape[1])):
            before, here, decay = kept[t - 1] if t else first, sent[:, t], self._decay(delta[:, t])
            at, lost = _damped(part * (c[:, t, None] * here[..., None] + below), kept[t], rule.stabiliser, xp)
            taken = taken + lost
            fed = part * delta[:, t] * x[:, t] * (at * b[:, t, None]).sum(axis=2)
            received[0][:, t] = part * fed if self.skip is None else part * fed + self.skip * x[:, t] * here
            below = decay * at
            if half:
                received[1][:, t] = part * (fed + (below * before).sum(axis=2))
                received[2][:, t] = part * b[:, t] * ((delta[:, t] * x[:, t])[..., None] * at).sum(axis=1)
                received[3][:, t] = part * c[:, t] * (kept[t] * here[..., None]).sum(axis=1)
        received[4] = part * below * first
        told = Redistribution.routed(received[: len(xs)], relevance, dropped=dropped)
        return Redistribution(told.relevances, told.bias, taken, told.dropped)


def _sent(relevance: Array, y: Array, stabiliser: Stabiliser, xp: Namespace) -> tuple[Array, Array, Array]:
    """Return R/(y + ε sgn y), and per sample (N,) what the stabiliser takes and what sums that are 0 drop."""
    offset = stabiliser.offset(y)
    message, dead = divide(relevance, y if offset is None else y + offset, xp)
    dropped = sample_sum(only(relevance, dead))
    return message, _nothing(relevance, xp) if offset is None else sample_dot(message, offset), dropped


def _damped(gain: Array, h: Array, stabiliser: Stabiliser, xp: Namespace) -> tuple[Array, Array]:
    """Return R/(h + ε sgn h) of states that receive R = gain·h, and what the stabiliser takes, (N,).

    Where ε = 0 that is the gain itself, but for states that are 0: R is 0 there, and nothing is handed on.
    """
    offset = stabiliser.offset(h)
    if offset is None:
        return only(gain, h != 0), _nothing(gain, xp)
    message, _ = divide(gain * h, h + offset, xp)
    return message, sample_dot(message, offset)


def _nothing(like: Array, xp: Namespace) -> Array:
    return _zeros(like.shape[:1], like, xp)


def _zeros(shape: tuple[int, ...], like: Array, xp: Namespace) -> Array:
    """Return zeros of the number system of ``like``."""
    zeros = xp.zeros(shape, dtype=like.dtype)
    return zeros + scalar(0, like) if like.dtype == object else zeros
