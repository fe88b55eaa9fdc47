"""One value: what a method makes of a batch can be looked at, cut into samples, saved and compared, as LRP's can."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..base.arrays import Array, cut_of, sample_sum, to_numpy
from ..base.tables import number
from ..network.heads import NO_HEAD, Head
from ..network.inputs import batch_first, in_front
from ..propagation.files import write_npz
from ..propagation.reading import pictures
from ..propagation.targets import described, listed
from ..propagation.trace import Trace
from .method import Method


@dataclass(frozen=True, eq=False, repr=False)
class Attribution:
    """What a method returns: a value that can be printed, saved and compared.

    Attributes:
        output: of the network (N, K), in the layout of ``Network.forward``; the logits, where a final sigmoid or
            softmax was left out.
        relevance: of the input, with the shape of the array that was given; a dict by name for several inputs. A
            method that looks at a value inside the network (``at=``) may give that value's, and a map has one channel.
            Its unit is that of the output where ``completeness`` is a number.
        method: with all its parameters.
        explained: what the relevance of each sample should sum to (N,): f(x), or f(x) − f(baseline); NaN where the
            method promises no sum.
        target: the outputs in the score f (N, T); None where LRP started with an array.
        against: the output that is subtracted from them (N,); otherwise None.
        start: what is looked at: "logit" or "output"; of LRP, how its start relevance was chosen.
        found: what else the method found, per sample, by name.
        head: what the output is made of.
        notes: what has to be known to read the relevance, a sentence each.
        probability: of the outputs, with their shape, as of an ``Explanation``.
        output_axis, relevance_axes: the axes that count the samples, as of an ``Explanation``.
        at: the value inside the network whose relevance it is; "" for that of the inputs.
    """

    output: Array
    relevance: Any
    method: Method
    explained: Array
    target: Array | None
    against: Array | None = None
    start: str = "logit"
    found: Mapping[str, Array] = field(default_factory=dict)
    head: Head = NO_HEAD
    notes: tuple[str, ...] = ()
    probability: Array | None = None
    output_axis: int | None = 0
    relevance_axes: tuple[int | None, ...] = (0,)
    at: str = ""

    @property
    def arrived(self) -> Array:
        """The sum of the relevance of all inputs, per sample (N,)."""
        return sum(sample_sum(r) for r in self.maps().values())

    @property
    def completeness(self) -> Array:
        """By how much the sum of the relevance misses what it should be, Σ_i R_i − explained, per sample (N,)."""
        return self.arrived - self.explained

    @property
    def samples(self) -> int:
        """The number of samples N."""
        return len(self.explained)

    @property
    def rules(self) -> str:
        """The method with its parameters, as results print it."""
        return self.method.label

    def negative(self, k: int = 0, colours: tuple[str, str] = ("negative relevance", "positive relevance")) -> str:
        """Return the sentence that says how to read the map of a sample that explains a negative number, else "".

        Args:
            k: the sample.
            colours: what negative and positive relevance look like.
        """
        value = float(to_numpy(self.explained)[k])
        if not value < 0:
            return ""
        return f"what is explained is negative ({number(value)}): {colours[0]} adds to it, {colours[1]} takes from it"

    @property
    def starts_at(self) -> str:
        """What the score is, as text, if that is below the network's output; else ""."""
        return f"score is {self.head.text}" if self.head.text else ""

    def __repr__(self) -> str:
        target = ""
        if self.target is not None:
            against = None if self.against is None else to_numpy(self.against)
            target = f", {listed(to_numpy(self.target), against, self.output_shape)}"
        shapes = ", ".join(str(tuple(r.shape)) for r in self.parts().values())
        missed = [float(abs(c)) for c in to_numpy(self.completeness).flat]
        sums = "" if not missed or any(m != m for m in missed) else f", completeness within {max(missed):.1e}"
        notes = "".join(f"; {note}" for note in self.notes)
        total = number(float(to_numpy(self.arrived).sum()))
        return f"Attribution({self.method!r}, {self.start}{target}: relevance {shapes}, sum {total}{sums}{notes})"

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
        shape, axis = tuple(self.output.shape), self.output_axis
        return shape if axis is None else (*shape[:axis], *shape[axis + 1 :])

    def asked(self, k: int = 0, classes: Sequence[str] = ()) -> str:
        """Return in words what is explained of the k-th sample, such as "output 3" or "3 against 9"."""
        if self.target is None:
            return "a given start"
        against = None if self.against is None else to_numpy(self.against)[k]
        return described(to_numpy(self.target)[k], against, self.output_shape, classes)

    def _repr_html_(self) -> str:
        from html import escape  # only needed here, and `import lrp_ref` should be quick

        return f"<p>{escape(repr(self))}</p>{pictures(self.maps(), self.asked)}"

    def map(self, function: Callable[[Array], Array]) -> Attribution:
        """Return the attribution with ``function`` of every array that has a batch axis in the array's place."""
        places = zip(self.parts().items(), self.relevance_axes, strict=True)
        parts = {key: in_front(function, axis)(part) for (key, part), axis in places}
        chance = self.probability
        return replace(
            self,
            probability=None if chance is None else in_front(function, self.output_axis)(chance),
            output=in_front(function, self.output_axis)(self.output),
            relevance=parts if isinstance(self.relevance, Mapping) else parts["relevance"],
            explained=function(self.explained),
            target=None if self.target is None else function(self.target),
            against=None if self.against is None else function(self.against),
            found={name: function(array) for name, array in self.found.items()},
        )

    def to_numpy(self) -> Attribution:
        """Return the attribution with all its arrays on the host."""
        return self.map(to_numpy)

    def sample(self, k: int | slice) -> Attribution:
        """Return the attribution of the k-th sample alone, or of a slice of samples; arrays keep their batch axis.

        Raises:
            IndexError: there is no such sample.
        """
        cut = cut_of(k, self.samples)
        return self.map(lambda array: array[cut])

    def save(self, path: str | Path, *, remarks: Mapping[str, Any] | None = None) -> Path:
        """Write relevance, output, target and what else was found as .npz, and return the path.

        :func:`lrp_ref.load_relevance` reads the file. The file is there whole or not at all.

        Args:
            path: of the file.
            remarks: further texts, or lists of them, for the file.
        """
        parts = self.parts()
        extra: dict[str, Any] = {**(remarks or {}), "output": self.output, "explained": self.explained}
        extra |= {f"input_relevance/{name}": array for name, array in parts.items()}
        extra |= {f"found/{name}": array for name, array in self.found.items()}
        given = (("target", self.target), ("against", self.against))
        extra |= {k: v for k, v in given if v is not None}
        if self.starts_at:
            extra["starts_at"] = self.starts_at
        extra |= {"start": self.start, "method": repr(self.method), "inputs": list(parts)}
        return write_npz(path, extra, Trace())
