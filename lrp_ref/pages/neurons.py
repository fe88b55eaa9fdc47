"""The interactive neuron: a small layer, a rule, and all numbers to change, as a page in a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base import tables
from ..errors import ParameterError, ShapeError
from ..layers import Dense
from ..rules import LRP0, AlphaBeta, Epsilon, Flat, Gamma, GeneralizedGamma, WSquare, ZBox, ZPlus
from ..rules.rule import WithBias
from ..teach.message_tables import MessageTable, messages
from .assembling import document, framed, names, plain
from .rule_json import rule_json

MOST_INPUTS, MOST_OUTPUTS = 6, 3
LEAST, MOST = 1e-60, 1e60  # of a number but 0: products and quotients of several are finite then
COUNTED = ("One neuron", "Two neurons", "Three neurons")
SIGNS = ("positive", "negative", "zero")
SIMPLE = (LRP0, Gamma, GeneralizedGamma, AlphaBeta, ZPlus, WSquare, Flat, ZBox)  # a page has them by name


@dataclass(frozen=True)
class Prediction:
    """A question that is asked before the numbers are shown.

    Attributes:
        question: in words.
        options: what can be answered.
        answer: which of them is right, from 0.
        because: what is said then.
    """

    question: str
    options: Sequence[str]
    answer: int
    because: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.options, str) or not isinstance(self.options, Sequence):
            raise ParameterError(f"Prediction: options must be a list of texts, got {self.options!r:.60}")
        for said in (self.question, self.because, *self.options):
            plain("Prediction: each of question, options and because", said)
        if isinstance(self.answer, bool) or not isinstance(self.answer, int):
            raise ParameterError(f"Prediction: answer must be the number of an option, from 0, got {self.answer!r:.60}")
        if not 0 <= self.answer < len(self.options):
            raise ParameterError(f"Prediction: the answer {self.answer} is none of {len(self.options)} options")


@dataclass(frozen=True, eq=False, repr=False)
class Neuron:
    """A small layer to try a rule on; in a notebook it shows its page. :func:`neuron` makes it.

    Attributes:
        inputs: (I,).
        weights: (I, J).
        bias: (J,).
        relevance: of the units (J,); None for their outputs z_j.
        rule: of ``lrp_ref.rules``.
        title: plain text.
        input_names, output_names: of inputs and units.
        predict: what is asked first, or None.
    """

    inputs: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    relevance: NDArray[np.float64] | None
    rule: Any
    title: str
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    predict: Prediction | None = field(default=None)

    @property
    def table(self) -> MessageTable:
        """Every message, by the textbook."""
        layer = Dense(self.weights, self.bias)
        x = self.inputs[None]
        above = layer.forward(x) if self.relevance is None else self.relevance[None]
        return messages(layer, x, above, self.rule)

    def page(self) -> str:
        """Return the page as text: one HTML file, which asks the network for nothing."""
        return document(
            title=self.title,
            body=f'<main id="neuron" class="neuron">{self._before()}</main>',
            start="neuron.js",
            header=self._header(),
            styles=("page.css", "unit.css", "neuron.css"),
        )

    def _before(self) -> str:
        """Return what is shown until the page's program runs."""
        table = self.table._repr_html_()
        hidden = f"<details><summary>The messages</summary>{table}</details>" if self.predict is not None else table
        return f"<h1>{escape(self.title)}</h1>{hidden}"

    def _header(self) -> dict[str, Any]:
        stated, policy = (
            (self.rule.rule, self.rule.policy) if isinstance(self.rule, WithBias) else (self.rule, "absorb")
        )
        parameters = _parameters(stated) if policy != "nonzero" else None
        sizes = {"inputs": self.inputs, "weights": np.append(self.weights, self.bias)}
        sizes["relevance"] = self.table.relevance_out if self.relevance is None else self.relevance
        return {
            "title": self.title,
            "names": list(self.input_names),
            "outputs": list(self.output_names),
            "spans": {name: _span(values) for name, values in sizes.items()},
            "state": {
                "inputs": self.inputs.tolist(),
                "weights": self.weights.tolist(),
                "bias": self.bias.tolist(),
                "relevance": sizes["relevance"].tolist(),
                "tied": self.relevance is None,
                "rule": "given" if parameters is None else type(stated).__name__,
                "policy": "absorb" if parameters is None else policy,
                "parameters": parameters or {},
            },
            "given": rule_json(self.rule, None, self.inputs.shape) if parameters is None else None,
            "predict": None if self.predict is None else {**vars(self.predict), "options": list(self.predict.options)},
        }

    def _repr_html_(self) -> str:
        return framed(self.page(), title=self.title, height=900 + 90 * len(self.inputs))

    def __repr__(self) -> str:
        return repr(self.table)


def neuron(
    inputs: Any,
    weights: Any,
    bias: Any = None,
    *,
    relevance: Any = None,
    rule: Any = None,
    title: str = "",
    input_names: Sequence[str] = (),
    output_names: Sequence[str] = (),
    predict: int | Prediction | None = None,
) -> Neuron:
    """Return a small layer to try a rule on: what it sends to each input, with every number to change.

    Args:
        inputs: a_i (I,), at most 6.
        weights: w_ij (I, J), at most 3 units; (I,) for one.
        bias: b_j (J,), or a number for one unit; None for 0.
        relevance: R_j (J,), or a number for one unit; None for the units' outputs z_j.
        rule: a named rule of ``lrp_ref.rules``, also with a bias policy; LRP-0 by default.
        title: plain text; how many neurons and inputs there are by default.
        input_names, output_names: a₁, a₂, … and z, or z₁, z₂, … by default.
        predict: what is asked before the numbers are shown: the number k (from 1) of an input, for the sign of R_k, or
            a :class:`Prediction`.

    Raises:
        ShapeError: shapes that do not fit, or a layer too large to be looked at.
        ParameterError: numbers that are not finite, or an input to predict that is not there.
        UnsupportedError: the rule has no textbook form.

    Example:
        >>> import lrp_ref as lrp
        >>> lrp.pages.neuron([1, 2], [1, -0.25], 0.5, relevance=1, rule=lrp.rules.Gamma(0.25))
        R_i = Σ_j a_i·(w_ij + 0.25·w_ij⁺) / (Σ_i a_i·(w_ij + 0.25·w_ij⁺) + (b_j + 0.25·b_j⁺))·R_j
        R_i←j       a_i  j=0 (z=1)      sum
        ───────────────────────────────────
        i=0           1     0.9091   0.9091
        i=1           2    -0.3636  -0.3636
        bias                0.4545   0.4545
        stabiliser               0        0
        dropped                  0        0
        R_j                      1        1
    """
    a, w = numbers("neuron", "inputs", inputs), numbers("neuron", "weights", weights)
    w = w[:, None] if w.ndim == 1 else w
    if a.ndim != 1 or w.ndim != 2 or len(w) != len(a) or not a.size or not w.size:
        raise ShapeError(f"neuron: inputs of shape {a.shape} and weights of shape {w.shape} are not (I,) and (I, J)")
    outs = w.shape[1]
    if len(a) > MOST_INPUTS or outs > MOST_OUTPUTS:
        raise ShapeError(
            f"neuron: {len(a)} inputs and {outs} units; at most {MOST_INPUTS} and {MOST_OUTPUTS} are shown"
        )
    b = np.zeros(outs) if bias is None else numbers("neuron", "bias", bias).reshape(-1)
    r = None if relevance is None else numbers("neuron", "relevance", relevance).reshape(-1)
    for name, values in (("bias", b), ("relevance", r)):
        if values is not None and values.shape != (outs,):
            raise ShapeError(f"neuron: the {name} has {values.size} numbers for {outs} units")
    rule = LRP0() if rule is None else rule
    named = names("neuron: input_names", input_names) or _named("a", len(a))
    output = names("neuron: output_names", output_names) or (("z",) if outs == 1 else _named("z", outs))
    if len(named) != len(a) or len(output) != outs:
        raise ShapeError(f"neuron: {len(named)} names of inputs and {len(output)} of units for {len(a)} and {outs}")
    title = plain("title", title or "") or f"{COUNTED[outs - 1]} of {len(a)} input{'s' if len(a) > 1 else ''}"
    made = Neuron(a, w, b, r, rule, title, named, output)
    if isinstance(predict, int | np.integer) and not isinstance(predict, bool):
        return replace(made, predict=_sign(made, int(predict)))
    return replace(made, predict=question("neuron", predict))


def numbers(where: str, name: str, value: Any, most: float = MOST) -> NDArray[np.float64]:
    """Return finite numbers up to ``most`` as a new array.

    Raises:
        ParameterError: something that is no real number, is not finite, or is so large that sums of products are not.
    """
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiubO":
            raise TypeError(f"{array.dtype} is no kind of real numbers")
        array = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ParameterError(f"{where}: {name} must be finite numbers: {error}") from error
    if not np.isfinite(array).all():
        raise ParameterError(f"{where}: {name} must be finite numbers")
    if (abs(array) > most).any():
        raise ParameterError(f"{where}: {name} must be numbers up to {most:g}, the largest is {abs(array).max():.3g}")
    if (abs(array[array != 0]) < LEAST).any():
        raise ParameterError(f"{where}: {name} must be 0 or numbers from {LEAST:g} on, one is smaller")
    return array


def question(where: str, predict: Any) -> Prediction | None:
    """Return what is asked first.

    Raises:
        ParameterError: it is no Prediction.
    """
    if predict is None or isinstance(predict, Prediction):
        return predict
    raise ParameterError(f"{where}: predict must be a lrp.pages.Prediction, got {predict!r:.60}")


def _named(letter: str, count: int) -> tuple[str, ...]:
    return tuple(letter + "₁₂₃₄₅₆"[k] for k in range(count))


def _sign(made: Neuron, k: int) -> Prediction:
    """Return the question which sign input k (from 1) receives, answered by the textbook."""
    if not 1 <= k <= len(made.inputs):
        raise ParameterError(f"neuron: predict={k}, there are inputs 1 to {len(made.inputs)}")
    value = float(made.table.relevance[k - 1])
    right = 0 if value > 0 else 1 if value < 0 else 2
    name = made.input_names[k - 1]
    because = f"{name} receives R = {tables.number(value).replace('-', '−')}."
    return Prediction(f"Which sign has the relevance of {name}?", SIGNS, right, because)


def _parameters(rule: Any) -> dict[str, float] | None:
    """Return the parameters of a rule that a page has by its name; None for another, which it has as it is."""
    if type(rule) is Epsilon:
        plain = rule.bias_share == 0 and rule.stabiliser_share in (None, 0)
        return {"epsilon": float(rule.epsilon)} if plain else None
    if type(rule) not in SIMPLE or rule.stabiliser.kind != "exact":
        return None
    if isinstance(rule, ZBox):
        low, high = (None if v is None or np.size(v) != 1 else float(np.reshape(v, ())) for v in (rule.low, rule.high))
        return None if low is None or high is None else {"low": low, "high": high}
    if isinstance(rule, AlphaBeta):
        return {"alpha": float(rule.alpha)}
    return {"gamma": float(rule.gamma)} if isinstance(rule, Gamma | GeneralizedGamma) else {}


def _span(values: NDArray[Any]) -> int:
    """Return how far sliders go from 0, so that all values have room."""
    return max(2, int(np.ceil(2 * np.abs(values).max(initial=0))))
