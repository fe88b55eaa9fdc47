"""The kinds of layer: Linear, Elementwise, Route. A layer is a frozen value of arrays and keeps no state.

Every layer has ``forward(*xs)``, ``vjp(x, g)`` (the transposed Jacobian at x applied to g),
``relevance_backward(x, relevance, rule)`` and ``redistribute`` (the same with the ledger's columns).
Several operands are passed as a tuple; several outputs come back as a tuple.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from ..base.arrays import Array, is_float, namespace, unbroadcast
from ..base.frozen import Value
from ..errors import ParameterError, ShapeError, UnsupportedError
from ..rules.cells import Recurrent
from ..rules.edits import ONES, ZERO, Edit
from ..rules.rescale import Rescale
from ..rules.rule import AnyRule, Group, Redistribution, Rule, Run, Seen, Universal
from ..rules.share import NOTHING, Given, share
from .promises import Promises


class Layer(Value):
    """Base of all layers.

    Class attributes:
        operands: number of inputs, or None for any number from 1.
        own_rule: what ``rule=None`` does, in words, or None where a rule has to be named.
        promises: what holds of ``forward``. A subclass with a ``forward``, or a way back, of its own promises nothing
            until it says so.
        moves: whether every output is an input or a constant, and which one does not depend on the numbers.
        tokens: whether integers that it reads receive relevance, since they say what, not where or how many.
        recurrent: whether its products follow each other, one a time step, so that only the BLAS can divide them.

    What a layer decides by its numbers it says with ``kinks`` and ``compared``, what it multiplies with ``products``.
    """

    operands: ClassVar[int | None] = 1
    own_rule: ClassVar[str | None] = None
    promises: ClassVar[Promises] = Promises()
    moves: ClassVar[bool] = False
    tokens: ClassVar[bool] = False
    recurrent: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        base = next(c for c in cls.__mro__[1:] if issubclass(c, Layer))
        # A kind of layer (Route, Unweighted) computes nothing itself: its promises are about those that complete it.
        ways = ("forward", "redistribute", "_redistribute", "own")
        goes_otherwise = any(getattr(cls, way, None) is not getattr(base, way, None) for way in ways)
        if goes_otherwise and base.forward is not Layer.forward and "promises" not in vars(cls):
            cls.promises = Promises()

    @property
    def open_between(self) -> tuple[Any, Any]:
        """The bounds between which a rectifier hands its input on, None for an open side; unless said, a ReLU's."""
        return 0, None

    @property
    def kinks(self) -> tuple[float, ...]:
        """Where an activation changes its branch: inputs on either side are treated differently."""
        return ()

    @property
    def keeps_channels(self) -> bool:
        """Whether a bound per channel of the input is one per channel of the output, in a layer that moves values."""
        return False

    def takes(self, xs: tuple[Array, ...]) -> list[bool]:
        """Return which operands take relevance: numbers and tokens; other integers count or point."""
        return [self.tokens or self.moves or is_float(x) for x in xs]

    def compared(self, x: Array, beyond: object) -> Array | None:
        """Return the inputs (K, N, ...) of which each output takes the largest, None for a layer that takes none.

        A layer that takes the smallest returns their negatives.

        Args:
            x: the input (N, ...), or another array of its shape.
            beyond: what stands for positions outside the input.
        """
        return None

    def products(self, read: tuple[int, ...], made: tuple[int, ...]) -> tuple[int, int] | None:
        """Return the number of weights, and of the columns of one sample that they are multiplied with.

        Args:
            read, made: shapes of the first input and the first output.

        Returns:
            None for a layer whose weights are no matrix that is multiplied with columns.
        """
        return None

    def forward(self, *xs: Array) -> Any:
        """Return the layer's output (a tuple for several outputs) for inputs (N, ...)."""
        raise NotImplementedError

    def forward_over(self, x: Array) -> None:
        """Write the output of :meth:`forward` over its only input x, of floats; for layers that promise it."""
        raise NotImplementedError

    def forward_then(self, finish: Callable[[Array], object], *xs: Array) -> Any:
        """Return the output of :meth:`forward` after ``finish`` was called on all of it, or on each of its parts.

        Args:
            finish: takes a part of the output that may still be in the cache, and may write into it.
            xs: as for :meth:`forward`.
        """
        out = self.forward(*xs)
        finish(out)
        return out

    def forward_taped(self, *xs: Array) -> tuple[Any, Any]:
        """Return the output, and what :meth:`redistribute` can make use of once, as ``given.tape``, or None."""
        return self.forward(*xs), None

    def pull(self, xs: tuple[Array, ...], g: Any) -> tuple[Array, ...]:
        """Return the transposed Jacobian at ``xs`` applied to ``g``, one array per operand."""
        raise NotImplementedError

    def pull_at(self, xs: tuple[Array, ...], z: Any, g: Any) -> tuple[Array, ...]:
        """Return what :meth:`pull` does where the output z is at hand; for layers whose derivative is told by it."""
        return self.pull(xs, g)

    def multipliers(self, here: Seen, there: Seen, gs: tuple[Array, ...], rule: Rescale) -> tuple[Array, ...]:
        """Return what the rescale rule makes of multipliers of the outputs, one array per operand.

        Args:
            here: what the layer reads and makes of the samples.
            there: the same of the reference, of the same shapes.
            gs: multipliers, one array per output.
            rule: with its parameters.

        Raises:
            UnsupportedError: the layer has none, and what it reads differs from the reference.
        """
        if any(bool((x != b).any()) for x, b in zip(here.xs, there.xs, strict=True)):
            raise UnsupportedError(
                f"{type(self).__name__} has no multipliers of the rescale rule: it neither is linear, nor acts on each "
                "number alone, nor takes a largest one"
            )
        return self.pull(here.xs, gs if isinstance(here.z, tuple) else gs[0])

    def vjp(self, x: Any, g: Any) -> Any:
        """Return the transposed Jacobian at ``x`` applied to ``g`` (shape of the output).

        Args:
            x: the input (N, ...), or a tuple for several operands.
            g: array of the output's shape, or a tuple for several outputs.

        Returns:
            An array of the shape of ``x``, or a tuple for several operands.

        Raises:
            ShapeError: ``g`` has not the shape of the layer's output, or not one array per output.
        """
        xs = self._operands(x)
        given = g if isinstance(g, tuple) else (g,)
        several = self._require_shapes(given, xs, "gradient")
        pulled = self.pull(xs, given if several else given[0])
        return pulled if isinstance(x, tuple) else pulled[0]

    def relevance_backward(self, x: Any, relevance: Any, rule: AnyRule | None = None) -> Any:
        """Return the relevance of the inputs.

        Args:
            x: the input (N, ...), or a tuple for several operands.
            relevance: of the layer's output (same shape), in any unit; a tuple for several outputs.
            rule: a rule of ``lrp_ref.rules``; None for the layer's own way.

        Returns:
            An array of the shape of ``x``, or a tuple for several operands.

        Raises:
            ShapeError: ``relevance`` has not the shape of the layer's output, or not one array per output.
            ParameterError, UnsupportedError: the rule is missing, or is not one for this layer.
        """
        received = self.redistribute(x, relevance, rule).relevances
        return received if isinstance(x, tuple) else received[0]

    def redistribute(
        self, x: Any, relevance: Any, rule: AnyRule | None = None, *, given: Given = NOTHING
    ) -> Redistribution:
        """Return the relevance of the inputs together with the ledger's columns, per sample.

        Args:
            x, relevance, rule: as in :meth:`relevance_backward`.
            given: what the caller has already: the layer's output for ``x``, the rule made ready, a tape.
        """
        xs = self._operands(x)
        relevances = relevance if isinstance(relevance, tuple) else (relevance,)
        namespace(*xs, *relevances)
        if isinstance(rule, Universal):
            if given is NOTHING:  # in a walk they fit
                self._require_shapes(relevances, xs, "relevance")
            return rule.compared(self, Seen(xs, given.z), given.reference, relevances)
        if isinstance(self, Linear):
            given = replace(given, z=self.forward(*xs)) if given.z is None else given
            return self.shared(xs, relevances, rule, given)
        if given.tape is not None:
            return self._redistribute_taped(xs, relevances, rule, given)
        return self._redistribute(xs, relevances, rule, given.z)

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        """Return whether the output is ≥ 0 everywhere, given which inputs are, by the layer and not by values."""
        return False

    def vanishes(self, above: bool) -> bool:
        """Return whether its own way gives R_i = 0 wherever a_i ≤ 0, given whether that holds of its output."""
        return False

    def _redistribute(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, z: Any
    ) -> Redistribution:
        raise NotImplementedError

    def _redistribute_taped(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, given: Given
    ) -> Redistribution:
        raise NotImplementedError

    def _require_shapes(self, given: tuple[Array, ...], xs: tuple[Array, ...], kind: str) -> bool:
        """Raise unless ``given`` have the shapes of the outputs; return whether there are several, as a tuple."""
        name, blank = type(self).__name__, self._blank(xs)
        outputs = blank if isinstance(blank, tuple) else (blank,)
        self._expect(given, len(outputs), kind)
        n = min({x.shape[0] for x in xs} - {1}, default=1)  # an operand of one sample goes with all
        for array, output in zip(given, outputs, strict=True):
            shape = (n, *output.shape[1:])
            if array.shape != shape:
                raise ShapeError(f"{name}: the output has shape {shape}, its {kind} has shape {array.shape}")
        return isinstance(blank, tuple)

    def _blank(self, xs: tuple[Array, ...]) -> Any:
        """Return the outputs for none of the samples, which have the shapes of all but for that."""
        return self.forward(*(a[:0] for a in xs))

    def _operands(self, x: Any) -> tuple[Array, ...]:
        xs = x if isinstance(x, tuple) else (x,)
        if not xs or (self.operands is not None and len(xs) != self.operands):
            raise ShapeError(f"{type(self).__name__} takes {self.operands or 'at least 1'} inputs, got {len(xs)}")
        return xs

    def _expect(self, given: tuple[Array, ...], outputs: int, kind: str = "relevance") -> None:
        if len(given) != outputs:
            name = type(self).__name__
            raise ShapeError(f"{name}: the number of outputs is {outputs}, that of their {kind}s {len(given)}")

    def _refuse(self, rule: AnyRule | None, suggested: str = "Gradient") -> ParameterError | UnsupportedError:
        name = type(self).__name__
        if rule is None and isinstance(self, Linear):
            return ParameterError(f"{name} has no rule of its own: name one, such as lrp.rules.Epsilon(1e-6)")
        if rule is None:
            one = f"(lrp.layers.{name}, lrp.rules.{suggested}())"
            return ParameterError(
                f"{name} has no rule of its own: name one in the composite, {one}, or Zero() for no relevance below it "
                f"(lrp-ref explain --rule {name}={suggested})"
            )
        if isinstance(rule, Recurrent):
            return UnsupportedError(
                f"{rule!r} is not a rule for {name}: it is one for recurrent layers, "
                "(lrp.layers.RecurrentLayer, lrp.rules.Recurrent()) in a composite"
            )
        return UnsupportedError(
            f"{rule!r} is not a rule for {name}: its own way is {self.own_rule or 'none'}; "
            "Pass(), Zero() and Gradient() run on it, Pass() only where input and output have one shape"
        )


def same_shape(layer: Layer, relevance: Array, z: Array) -> None:
    """Raise if ``relevance`` has not the shape of the layer's output ``z``."""
    if relevance.shape != z.shape:
        raise ShapeError(
            f"{type(layer).__name__}: the output has shape {z.shape}, its relevance has shape {relevance.shape}"
        )


class Linear(Layer):
    """A layer z_j = Σ_i a_i w_ij + b_j. Rules run on it through :func:`lrp_ref.rules.share.share`."""

    def edited(self, weights: Edit, bias: Edit) -> Linear:
        """Return the same layer with edited weights and bias."""
        raise NotImplementedError

    def bias_map(self, z: Array) -> Array | None:
        """Return the bias so that it broadcasts against the output ``z``, or None without a bias."""
        return None

    def present(self, xs: tuple[Array, ...]) -> tuple[Array, ...]:
        """Return the numbers that say, by being 0, that an input is not there: the operands themselves."""
        return xs

    def evenly(self) -> Linear:
        """Return the layer of ones over which a rule spreads its shares of bias and stabiliser."""
        return self.edited(ONES, ZERO)

    def multipliers(self, here: Seen, there: Seen, gs: tuple[Array, ...], rule: Rescale) -> tuple[Array, ...]:
        """Return the transpose."""
        return self.pull(here.xs, gs[0])

    def default(self) -> Rule | None:
        """Return the rule that ``rule=None`` stands for, if the layer has one."""
        return None

    def shared(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, given: Given
    ) -> Redistribution:
        """Check rule and shapes, and let ``share`` execute the rule; ``given.z`` is the output."""
        rule = self.default() if rule is None else rule
        if not isinstance(rule, Rule):
            raise self._refuse(rule)
        self._expect(relevances, 1)
        (relevance,) = relevances
        same_shape(self, relevance, given.z)
        return share(self, xs, relevance, rule, given)


class Unweighted(Linear):
    """A linear layer whose weights are fixed positive numbers and that has no bias; LRP-0 is its own rule."""

    own_rule = "LRP-0: in proportion to the inputs"
    promises = Promises(tells_sign=True)

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return all(inputs)

    def default(self) -> Rule | None:
        """Return LRP-0."""

        return Rule((Group((Run(),)),))


class Elementwise(Layer):
    """A nonlinearity y_i = f(x_i). Its own rule passes the relevance unchanged: R_i = R_j."""

    own_rule = "R_i = R_j"

    def slope(self, x: Array) -> Array:
        """Return f'(x), same shape."""
        raise NotImplementedError

    def pull(self, xs: tuple[Array, ...], g: Any) -> tuple[Array, ...]:
        """Return f'(x) g."""
        (x,) = xs
        return (self.slope(x) * g,)

    def multipliers(self, here: Seen, there: Seen, gs: tuple[Array, ...], rule: Rescale) -> tuple[Array, ...]:
        """Return g times the quotient of the differences, f'(x) where the input hardly differs."""
        (x,), (b,) = here.xs, there.xs
        return (gs[0] * rule.quotient(here.z - there.z, x - b, self.slope(x)),)

    def _redistribute(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, z: Any
    ) -> Redistribution:
        if rule is not None:
            raise self._refuse(rule)
        self._expect(relevances, 1)
        (x,), (relevance,) = xs, relevances
        same_shape(self, relevance, x)
        return Redistribution.routed(relevances, relevance)


class OwnWay(Layer):
    """A layer of one output that hands relevance down in a way of its own, which no rule changes."""

    def own(self, xs: tuple[Array, ...], relevance: Array) -> Redistribution:
        """Return where the relevance goes: as the derivative does, unless a layer says otherwise."""
        return Redistribution.routed(self.pull(xs, relevance), relevance)

    def _redistribute(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, z: Any
    ) -> Redistribution:
        if rule is not None:
            raise self._refuse(rule)
        self._expect(relevances, 1)
        (relevance,) = relevances
        same_shape(self, relevance, self.forward(*xs) if z is None else z)
        return self.own(xs, relevance)


class Route(Layer):
    """A layer that only moves values: its relevance goes where the value came from, through its transpose.

    What leads nowhere (constants in padding) or was never read (cropped borders) is in the ledger: relevance of
    output positions without a source is dropped.
    """

    own_rule = "relevance goes where the value came from"
    moves = True
    promises = Promises(tells_sign=True)

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return all(inputs)

    def vanishes(self, above: bool) -> bool:
        return above  # an input that is not read receives nothing

    def _redistribute(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, z: Any
    ) -> Redistribution:
        if rule is not None:
            raise self._refuse(rule)
        z = self.forward(*xs) if z is None else z
        outputs = z if isinstance(z, tuple) else (z,)
        self._expect(relevances, len(outputs))
        for relevance, output in zip(relevances, outputs, strict=True):
            same_shape(self, relevance, output)
        received = self.pull(xs, relevances if isinstance(z, tuple) else relevances[0])
        return Redistribution.routed(received, relevances[0], dropped=self.lost(relevances))

    def multipliers(self, here: Seen, there: Seen, gs: tuple[Array, ...], rule: Rescale) -> tuple[Array, ...]:
        """Return the transpose."""
        return self.pull(here.xs, gs if isinstance(here.z, tuple) else gs[0])

    def lost(self, relevances: tuple[Array, ...]) -> Array | None:
        """Return the relevance (N,) of output positions that have no source, or None if every one has."""
        return None


def pull_broadcast(xs: Sequence[Array], gs: Sequence[Array]) -> tuple[Array, ...]:
    """Sum each ``g`` over the axes along which its operand was broadcast."""
    return tuple(unbroadcast(g, x.shape) for x, g in zip(xs, gs, strict=True))
