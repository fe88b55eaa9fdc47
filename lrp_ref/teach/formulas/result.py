"""What :func:`lrp_ref.symbolic` returns: text, LaTeX, closed forms, and the formulas' numbers elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from html import escape
from typing import Any

import numpy as np

from ...arithmetic.symbols import sympy
from ...errors import ParameterError
from .pages import as_markdown, as_text, latex_blocks
from .printing import Line, Writer
from .values import Condition, Content


@dataclass(frozen=True, eq=False, repr=False)
class Formulas(Content):
    """Every relevance of a small network as a formula; prints as text, and as LaTeX in a notebook.

    Attributes:
        steps: one per node, in execution order.
        start: the relevance that starts, R of the explained outputs.
        gathered: where several nodes read an input of the network: the sum of what they sent.
        inputs: the relevances of each input: object arrays (1, ...) of SymPy expressions, symbols of the last lines.
        letters: what each symbol stands for, with its witness.
        constraints: what is known of parameters, α = 1 + β.
        target: index of the explained output in C order.
        residual: of the whole: R of the outputs − ΣR of the inputs − bias − stabiliser − dropped, simplified.
        numbers: whether the text also shows the numbers inserted.
        refill: from (net, x) to the values of all symbols of the network; used by :meth:`evaluate`.
    """

    @cached_property
    def text(self) -> str:
        """The formulas as text."""
        return as_text(self)

    @cached_property
    def latex(self) -> str:
        """The formulas in LaTeX: one ``aligned`` block per node, separated by blank lines."""
        return "\n\n".join(f"% {title}\n{block}" for title, _, block in latex_blocks(self))

    @cached_property
    def markdown(self) -> str:
        """The formulas as Markdown with ``math`` blocks, as GitHub and notebooks render them."""
        return as_markdown(self)

    @cached_property
    def relevance(self) -> Any:
        """The relevance of the inputs in x, w, b and the rules' parameters alone: SymPy, shape of the input.

        These expressions are long; :attr:`text` is for reading. A dict by name for several inputs.
        """
        known: dict[Any, Any] = {}
        for line in self._lines():
            known[line.symbol] = line.expr.xreplace(known)
        whole = {name: _each(array, lambda e: e.xreplace(known)) for name, array in self.inputs.items()}
        return whole if len(whole) > 1 else next(iter(whole.values()))

    def evaluate(self, net: Any, x: Any) -> Any:
        """Return the relevance that the formulas give for other numbers of the same network.

        Args:
            net: a network of the same layers and shapes, with any weights of the same region.
            x: its input (1, ...), or a dict by name.

        Returns:
            Exact relevances (``Fraction``), shape of the input; a dict by name for several inputs.

        Raises:
            ParameterError: a comparison comes out differently there, so that other formulas hold.
        """
        s = sympy()
        known = {k: s.Rational(v.numerator, v.denominator) for k, v in self.refill(net, x).items()}
        for step in self.steps:
            self._fill(step.forward, known)
            self._require(step.node, step.forward_region, known)
        self._fill(self.start, known)
        for step in reversed(self.steps):
            self._fill((*step.gathered, *step.denominators, *step.relevances), known)
            self._require(step.node, step.region, known)
        self._fill(self.gathered, known)
        whole = {name: _each(a, lambda e: _fraction(e.xreplace(known))) for name, a in self.inputs.items()}
        return whole if len(whole) > 1 else next(iter(whole.values()))

    @staticmethod
    def _fill(lines: tuple[Line, ...], known: dict[Any, Any]) -> None:
        for line in lines:
            known[line.symbol] = line.expr.xreplace(known)

    def _require(self, node: str, region: tuple[Condition, ...], known: dict[Any, Any]) -> None:
        for condition in region:
            if not condition.holds(_fraction(condition.difference.xreplace(known))):
                shown = Writer(self.letters, (), latex=False).expr(condition.difference)
                raise ParameterError(
                    f"node '{node}': the formulas hold for {shown} {condition.relation} 0, which is not so for these "
                    "numbers: call symbolic() with them"
                )

    def _lines(self) -> list[Line]:
        forward = [line for step in self.steps for line in step.forward]
        back = [x for s in reversed(self.steps) for x in (*s.gathered, *s.denominators, *s.relevances)]
        return [*forward, *self.start, *back, *self.gathered]

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.text)}</pre>"

    def _repr_latex_(self) -> str:
        return "\n\n".join(f"$$\n{block}\n$$" for _, _, block in latex_blocks(self))


def _each(array: Any, function: Callable[[Any], Any]) -> Any:
    made = np.empty(array.shape, dtype=object)
    for index in np.ndindex(array.shape):
        made[index] = function(array[index])
    return made


def _fraction(value: Any) -> Fraction:
    return Fraction(int(value.p), int(value.q))
