"""One value: an explanation can be looked at, cut into samples, saved, loaded and compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from ..base.arrays import Array, cut_of, sample_sum, to_numpy
from ..base.tables import number
from ..errors import ModelFormatError
from ..network.heads import NO_HEAD, Head
from ..network.inputs import batch_first, in_front
from ..network.network import Network
from . import composites
from .files import write_npz
from .ledger import Ledger
from .reading import negative_start, page
from .targets import described, listed
from .trace import Trace, read_npz


class Question(Protocol):
    """What an explanation keeps of how it was asked for, so that its trace can be made later."""

    def trace(self) -> Trace:
        """Walk again and keep everything."""

    @property
    def net(self) -> Network:
        """The network that was given, with the batch in front."""

    def on_host(self) -> Question:
        """Return the question whose trace is on the host."""

    def sample(self, cut: slice, samples: int) -> Question:
        """Return the question about some samples of N."""


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """What an explanation returns: a value that can be printed, saved, loaded and compared.

    Attributes:
        output: of the network (N, K), in the layout of ``Network.forward``; the logits, where a final sigmoid or
            softmax was left out.
        relevance: of the input, with the shape of the array that was given, in the unit of the start relevance; a dict
            by name for several inputs.
        ledger: where the relevance of every node went.
        target: the explained outputs (N, T); None if the start relevance was an array.
        start: how the start relevance was chosen.
        composite: name of the composite.
        plan: the rule of every node.
        start_relevance: what started at the output, with its shape.
        against: the output that the target is set against (N,), for the start "difference"; otherwise None.
        head: what the output is made of; its ``text`` says where the explanation starts, if that is below the output.
        probability: of the outputs, with their shape: σ or softmax of the logits; NaN for outputs that are none. None
            where the network ends in neither, or on exact numbers.
        bias: the composite's policy for the relevance of biases: "absorb", "ignore", "spread" or "nonzero".
        notes: what has to be known to read the relevance, a sentence each.
        kept: values and relevances of every node, if the walk kept them; ask for ``trace``, which makes them if not.
        again: the question, so that the walk can be repeated.
        output_axis: the axis of ``output`` and ``start_relevance`` that counts the samples. Ledger, target and trace
            have the samples first.
        relevance_axes: for each part of ``relevance``, its axis that counts the samples.
        conditions: which channels alone handed on relevance, as text; "" where all did.
    """

    output: Array
    relevance: Any
    ledger: Ledger
    target: Array | None
    start: str
    composite: str
    plan: composites.Plan
    start_relevance: Array
    against: Array | None = None
    head: Head = NO_HEAD
    probability: Array | None = None
    bias: str = "absorb"
    notes: tuple[str, ...] = ()
    kept: Trace | None = None
    again: Question | None = None
    output_axis: int | None = 0
    relevance_axes: tuple[int | None, ...] = (0,)
    conditions: str = ""

    @property
    def trace(self) -> Trace:
        """Values and relevances of every node, by name; a walk that did not keep them is repeated once."""
        if self.kept is None:
            repeated = Trace() if self.again is None else self.again.trace()
            object.__setattr__(self, "kept", repeated)
        assert self.kept is not None
        return self.kept

    @property
    def started(self) -> Array:
        """The sum of the relevance that started at the output, per sample (N,)."""
        return sample_sum(batch_first(self.start_relevance, self.output_axis))

    @property
    def arrived(self) -> Array:
        """The sum of the relevance that arrived at all inputs, per sample (N,)."""
        return sum(sample_sum(r) for r in self.maps().values())

    @property
    def samples(self) -> int:
        """The number of samples N."""
        return 1 if self.output_axis is None else int(self.output.shape[self.output_axis])

    def __repr__(self) -> str:
        target = ""
        if self.target is not None:
            target = f", {listed(to_numpy(self.target), self._against(), self.output_shape)}"
        notes = "".join(f"; {note}" for note in self.notes)
        ledger = f"ledger residual {self.ledger.residual:.1e}" if self.ledger.made else "no ledger"
        return (
            f"Explanation({self.rules}, {self.start}{target}: relevance {self._shapes()}, "
            f"start {number(_total(self.started))}, arrived at the input {number(_total(self.arrived))}, "
            f"{ledger}{notes})"
        )

    @property
    def starts_at(self) -> str:
        """Where the relevance starts, as text, if that is below the network's output; else ""."""
        return f"start at {self.head.text}" if self.head.text else ""

    @property
    def rules(self) -> str:
        """The composite with its bias policy, where that is not "absorb", and its conditions, as results print it."""
        bias = "" if self.bias == "absorb" else f", bias {self.bias}"
        return f"{self.composite}{bias}" + (f", only {self.conditions}" if self.conditions else "")

    def _shapes(self) -> str:
        return ", ".join(str(tuple(r.shape)) for r in self.parts().values())

    def parts(self) -> dict[str, Array]:
        """Return the relevance by the name of its input; of the only input it is called "relevance"."""
        return dict(self.relevance) if isinstance(self.relevance, Mapping) else {"relevance": self.relevance}

    def maps(self) -> dict[str, Array]:
        """Return :meth:`parts` with the samples as the first axis of each."""
        given = zip(self.parts().items(), self.relevance_axes, strict=True)
        return {name: batch_first(part, axis) for (name, part), axis in given}

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of one sample's output."""
        shape = tuple(self.output.shape)
        axis = self.output_axis
        return shape if axis is None else (*shape[:axis], *shape[axis + 1 :])

    def _against(self) -> Any:
        return None if self.against is None else to_numpy(self.against)

    def asked(self, k: int = 0, classes: Sequence[str] = ()) -> str:
        """Return in words what is explained of the k-th sample, such as "output 3" or "3 against 9".

        Args:
            k: the sample.
            classes: names of the outputs, if they have any.
        """
        if self.target is None:
            return "a given start"
        against = None if self.against is None else self._against()[k]
        return described(to_numpy(self.target)[k], against, self.output_shape, classes)

    def negative(self, k: int = 0, colours: tuple[str, str] = ("negative relevance", "positive relevance")) -> str:
        """Return the sentence that says how to read the map of a sample whose start is negative; empty for others.

        Args:
            k: the sample.
            colours: what negative and positive relevance look like.

        Example:
            >>> import numpy as np
            >>> import lrp_ref as lrp
            >>> net = lrp.Network.sequential([lrp.layers.Dense(np.array([[-1.0], [-2.0]]))])
            >>> lrp.explain(net, np.array([[1.0, 0.5]])).negative(colours=("blue", "red"))
            'the start itself is negative (-2): blue pulls the output down, red pulls it up'
        """
        target = None if self.target is None else to_numpy(self.target)[k]
        return negative_start(batch_first(to_numpy(self.start_relevance), self.output_axis)[k], target, colours)

    def _repr_html_(self) -> str:
        return page(self)

    def to_html(
        self,
        path: str | Path | None = None,
        *,
        against: Explanation | None = None,
        classes: Sequence[str] = (),
        image: Any = None,
        features: Sequence[str] = (),
        title: str | None = None,
        budget: int | None = None,
    ) -> str:
        """Return the explanation as one HTML file, in which it can be explored without any other; write it to ``path``.

        Args:
            path: where to write it; None for the text alone.
            against: another explanation of the same samples, beside which this one is shown, with their difference.
            classes: names of the outputs.
            image: the input as a picture, (H, W) or (H, W, 3) uint8, or one for each sample; None for one made of the
                input's numbers, where it has 1 or 3 channels.
            features: names of the numbers of a vector, or of the channels of a series.
            title: of the page; None for what is explained.
            budget: bytes of the page: maps and sums of all nodes come first, then units and channels, the strongest
                first; None for 300,000 of a small input and 2,000,000 of others.

        Raises:
            NonFiniteError: relevance that is NaN or infinite, or numbers that are too large for a page's float32.
            ParameterError: no sample, a budget into which not even the least fits, or a path that is none for a file.
            ShapeError: an image, or names of features, that no input has room for.

        Example:
            >>> import numpy as np
            >>> import lrp_ref as lrp
            >>> net = lrp.Network.sequential([lrp.layers.Dense(np.array([[1.0], [2.0]]))])
            >>> lrp.explain(net, np.array([[3.0, 1.0]])).to_html()[:15]
            '<!doctype html>'
        """
        from ..pages import assembling, inspecting  # an explanation shows itself: the one door from the core to a wing

        text = inspecting.page(
            self, against=against, classes=classes, image=image, features=features, title=title, budget=budget
        )
        if path is not None:
            assembling.write(path, text)
        return text

    def map(self, function: Callable[..., Array], *others: Explanation) -> Explanation:
        """Return the explanation with ``function`` of every array that has a batch axis in the array's place.

        Args:
            function: takes an array of this explanation, its samples first, and the same array of each of ``others``.
            others: explanations of other samples by the same network and composite.
        """
        every = (self, *others)

        def of(name: str, axis: int | None) -> Any:
            arrays = [getattr(e, name) for e in every]
            return None if arrays[0] is None else in_front(function, axis)(*arrays)

        places = zip(self.parts(), self.relevance_axes, strict=True)
        parts = {key: in_front(function, axis)(*(e.parts()[key] for e in every)) for key, axis in places}
        changed = {name: of(name, self.output_axis) for name in ("output", "start_relevance", "probability")}
        changed |= {name: of(name, 0) for name in ("target", "against")}
        return replace(
            self,
            relevance=parts if isinstance(self.relevance, Mapping) else parts["relevance"],
            ledger=self.ledger.map(function, *(e.ledger for e in others)),
            kept=None if others or self.kept is None else self.kept.map(function),
            **changed,
        )

    def to_numpy(self) -> Explanation:
        """Return the explanation with all its arrays on the host."""
        plan = composites.Plan((replace(p, layer=p.layer.map_arrays(to_numpy)) for p in self.plan), self.plan.note)
        again = None if self.again is None else self.again.on_host()
        return replace(self.map(to_numpy), again=again, plan=plan)

    def sample(self, k: int | slice) -> Explanation:
        """Return the explanation of the k-th sample alone, or of a slice of samples; arrays keep their batch axis.

        Raises:
            IndexError: there is no such sample.

        Example:
            >>> import numpy as np
            >>> import lrp_ref as lrp
            >>> net = lrp.Network.sequential([lrp.layers.Dense(np.array([[1.0], [2.0]]))])
            >>> e = lrp.explain(net, np.array([[3.0, 1.0], [1.0, 4.0]]), composite="lrp0")
            >>> e.sample(1).relevance, e.sample(1).ledger.residual
            (array([[1., 8.]]), 0.0)
        """
        cut = cut_of(k, self.samples)
        again = None if self.again is None else self.again.sample(cut, self.samples)
        return replace(self.map(lambda array: array[cut]), again=again)

    def checks(self, *, tolerance: float = 1e-6) -> dict[str, bool]:
        """Return the named checks of Montavon et al. 2017, each over all samples.

        conservative: Σ_i R_i equals the start relevance (relative to it); positive: R_i ≥ 0 everywhere;
        consistent: conservative and positive, so that f = 0 implies R = 0; ledger: what did not arrive is accounted
        (left out where the explanation was compiled without one).

        Args:
            tolerance: relative to the sum of a sample's absolute start relevances; for positive, to its largest abs(R).
        """
        start, arrived = to_numpy(self.started), to_numpy(self.arrived)
        allowed = tolerance * sample_sum(abs(batch_first(to_numpy(self.start_relevance), self.output_axis)))
        parts = [to_numpy(r) for r in self.maps().values()]
        conservative = bool((abs(arrived - start) <= allowed).all())
        positive = all(bool((r >= -tolerance * _largest(r)).all()) for r in parts)
        found = {
            "conservative": conservative,
            "positive": positive,
            "consistent": conservative and positive,
        }
        return found | ({"ledger": self.ledger.residual <= tolerance} if self.ledger.made else {})

    def save(self, path: str | Path, *, trace: bool = True, remarks: Mapping[str, Any] | None = None) -> Path:
        """Write relevance, output, target and, unless ``trace`` is False, the trace as .npz; return the path.

        ``Trace.load`` reads the file too. The file is there whole or not at all.

        Args:
            path: of the file.
            trace: whether the file has the trace.
            remarks: further texts, or lists of them, for the file, which :func:`load_relevance` returns by their names.
        """
        extra: dict[str, Any] = {**(remarks or {}), "output": self.output, "start_relevance": self.start_relevance}
        names = list(self.parts())
        extra |= {f"input_relevance/{name}": array for name, array in self.parts().items()}
        given = (("target", self.target), ("against", self.against), ("probability", self.probability))
        extra |= {k: v for k, v in given if v is not None}
        said = (("starts_at", self.starts_at), ("conditions", self.conditions))
        extra |= {key: text for key, text in said if text}
        extra |= {"start": self.start, "composite": self.composite, "bias": self.bias, "inputs": names}
        extra |= {"ledger_residual": self.ledger.residual} if self.ledger.made else {}
        return write_npz(path, extra, self.trace if trace else Trace())


def load_relevance(path: str | Path) -> dict[str, Any]:
    """Read a saved explanation: output, relevance, start, start_relevance, composite, bias, trace, ... in a dict.

    Target, against, probability, starts_at, conditions and ledger_residual are missing where the explanation has none.

    Raises:
        ModelFormatError: no such file, or not a saved explanation.
    """
    extra, trace = read_npz(path)
    names = extra.pop("inputs", None)
    if not isinstance(names, list) or not all(f"input_relevance/{name}" in extra for name in names):
        raise ModelFormatError(f"{path}: a trace, not a saved explanation (it has no relevance of the inputs)")
    parts = {name: extra.pop(f"input_relevance/{name}") for name in names}
    relevance = parts["relevance"] if list(parts) == ["relevance"] else parts
    return {"bias": "absorb", **extra, "relevance": relevance, "trace": trace}  # files from before had one policy


def _largest(array: Array) -> Array:
    """Return the largest absolute number of each sample, so that it broadcasts against ``array`` (N, ...)."""
    flat = abs(array.reshape(len(array), math.prod(array.shape[1:])))
    return flat.max(axis=1, initial=0).reshape(-1, *(1,) * (array.ndim - 1))


def _total(array: Array) -> float:
    return float(to_numpy(array).sum())
