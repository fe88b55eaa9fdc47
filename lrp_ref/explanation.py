"""One call, one value: explain a batch, look at the result, save it, load it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import composites, threads
from .arithmetic import settled
from .arrays import Array, by_name, convert, cut_of, is_float, like, namespace, sample_sum, to_numpy
from .domain import outside
from .errors import BackendError, GraphError, ModelFormatError
from .heads import NO_HEAD, Head
from .inputs import batch_back, batch_first, in_front
from .network import Network
from .reading import negative_start, page
from .start import Difference, Logit, Output, Start, find, start_relevance
from .tables import number
from .targets import described, indices, is_tuple, listed, some_targets
from .trace import Ledger, Trace, read_npz, write_npz
from .walk import Walk, ready, walk_back
from .workload import Sharing


@dataclass(frozen=True, eq=False)
class Request:
    """The arguments of an explanation, so that its trace can be made later.

    All arrays have the batch in front, and an array as start has all samples.
    """

    net: Network
    x: Any
    target: Any
    composite: Any
    start: Any
    output: str | None
    canonize: bool
    host: bool = False

    def trace(self) -> Trace:
        """Walk again and keep everything."""
        e = explain(
            self.net, self.x, target=self.target, composite=self.composite, start=self.start, output=self.output,
            canonize=self.canonize, trace=True,
        )  # fmt: skip
        return e.trace.to_numpy() if self.host else e.trace

    def sample(self, cut: slice, samples: int) -> Request:
        """Return the arguments that explain some samples of N."""
        start = self.start.some(cut, samples) if isinstance(self.start, Start) else self.start[cut]
        x = {name: array[cut] for name, array in self.x.items()}
        return replace(self, x=x, target=some_targets(self.target, cut, samples), start=start)


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """What an explanation returns: a value that can be printed, saved, loaded and compared.

    Attributes:
        output: of the network (N, K), in the layout of ``Network.forward``; the logits, where a final sigmoid or
            softmax was dropped.
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
        bias: the composite's policy for the relevance of biases: "absorb", "ignore" or "spread".
        notes: what has to be known to read the relevance, a sentence each.
        kept: values and relevances of every node, if the walk kept them; ask for ``trace``, which makes them if not.
        again: the question, so that the walk can be repeated.
        output_axis: the axis of ``output`` and ``start_relevance`` that counts the samples. Ledger, target and trace
            have the samples first.
        relevance_axes: for each part of ``relevance``, its axis that counts the samples.
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
    again: Request | None = None
    output_axis: int = 0
    relevance_axes: tuple[int, ...] = (0,)

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
        return int(self.output.shape[self.output_axis])

    def __repr__(self) -> str:
        target = ""
        if self.target is not None:
            target = f", {listed(to_numpy(self.target), self._against(), self.output_shape)}"
        notes = "".join(f"; {note}" for note in self.notes)
        return (
            f"Explanation({self.rules}, {self.start}{target}: relevance {self._shapes()}, "
            f"start {number(_total(self.started))}, arrived at the input {number(_total(self.arrived))}, "
            f"ledger residual {self.ledger.residual:.1e}{notes})"
        )

    @property
    def starts_at(self) -> str:
        """Where the relevance starts, as text, if that is below the network's output; else ""."""
        return f"start at {self.head.text}" if self.head.text else ""

    @property
    def rules(self) -> str:
        """The composite's name, with its bias policy where that is not "absorb", as results print it."""
        return self.composite if self.bias == "absorb" else f"{self.composite}, bias {self.bias}"

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
        return (*shape[: self.output_axis], *shape[self.output_axis + 1 :])

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

    def map(self, function: Callable[..., Array], *others: Explanation) -> Explanation:
        """Return the explanation with ``function`` of every array that has a batch axis in the array's place.

        Args:
            function: takes an array of this explanation, its samples first, and the same array of each of ``others``.
            others: explanations of other samples by the same network and composite.
        """
        every = (self, *others)

        def of(name: str, axis: int) -> Any:
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
        again = None if self.again is None else replace(self.again, host=True)
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
        consistent: conservative and positive, so that f = 0 implies R = 0; ledger: what did not arrive is accounted.

        Args:
            tolerance: relative to the sum of a sample's absolute start relevances; for positive, to its largest abs(R).
        """
        start, arrived = to_numpy(self.started), to_numpy(self.arrived)
        allowed = tolerance * sample_sum(abs(batch_first(to_numpy(self.start_relevance), self.output_axis)))
        parts = [to_numpy(r) for r in self.maps().values()]
        conservative = bool((abs(arrived - start) <= allowed).all())
        positive = all(bool((r >= -tolerance * _largest(r)).all()) for r in parts)
        return {
            "conservative": conservative,
            "positive": positive,
            "consistent": conservative and positive,
            "ledger": self.ledger.residual <= tolerance,
        }

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
        if self.starts_at:
            extra["starts_at"] = self.starts_at
        extra |= {"start": self.start, "composite": self.composite, "bias": self.bias, "inputs": names}
        extra["ledger_residual"] = self.ledger.residual
        return write_npz(path, extra, self.trace if trace else Trace())


def load_relevance(path: str | Path) -> dict[str, Any]:
    """Read a saved explanation: output, relevance, start, start_relevance, composite, bias, trace, ... in a dict.

    Target, against, probability and starts_at are missing where the explanation has none.

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


def explain(
    net: Network,
    x: Any,
    *,
    target: Any = None,
    composite: Any = "epsilon",
    start: Any = "logit",
    against: Any = None,
    output: str | None = None,
    canonize: bool = True,
    xp: Any = None,
    trace: bool = False,
    **parameters: Any,
) -> Explanation:
    """Explain the outputs of a network by the relevance of its inputs.

    On the CPU the samples of a batch, or the layers of a large network, are shared by as many threads as NumPy's BLAS
    may use (``OMP_NUM_THREADS``, ``threadpoolctl.threadpool_limits``), where that pays: see ``workload.Sharing``.
    Meanwhile the BLAS itself takes one thread, in the whole process, except beside a large LSTM.

    Args:
        net: the network.
        x: inputs as :meth:`Network.forward` takes them, (N, ...) or with the batch where ``Input.batch_axis`` says, or
            a dict by name; float64 in, float64 out; float32 in, float32 out.
        target: index of the output to explain: one for all samples, or a list or array of one per sample (N,); None
            for each sample's largest output. Several indices per sample (N, T) add up: what is explained is the sum
            of these outputs. Outputs of more axes count in C order; a tuple (c, h, w) is that one unit of a map
            (N, C, H, W) in every sample.
        composite: a preset's name, a ``Composite``, a list of (where, rule), or a rule, which is then used on every
            dense and convolution layer.
        start: start relevance: a name of ``lrp.start.NAMES``, a ``Start``, or an array like the output. "logit" starts
            below a final sigmoid or softmax (see :mod:`lrp_ref.heads`), "output" at the output as it is.
        against: of the start "difference": the output that the target is set against, in any form of ``target``; what
            is explained is then f_target − f_against.
        output: which output to explain, where the network has several; the first by default.
        canonize: merge BatchNorm and drop a final softmax or sigmoid first; False explains the network as it is.
        xp: array module to compute on ("numpy", "cupy"); None for that of ``x``.
        trace: keep all values and relevances while walking. Without it they are freed on the way, large batches are
            walked a few samples at a time, and ``e.trace`` walks once more when it is asked for.
        parameters: of the preset that ``composite`` names (epsilon, gamma, low, high, beta, stabiliser), and for every
            composite ``bias``: "absorb", "ignore" or "spread", see :func:`lrp_ref.composites.get`.

    Raises:
        LrpError: any of its kinds, with the node's name where one is involved.

    Source: Bach et al. 2015 (the walk back); Montavon et al. 2019, §10.2 (composites).

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([lrp.layers.Dense(np.array([[1.0], [2.0]]), np.array([0.5]))])
        >>> e = lrp.explain(net, np.array([[3.0, 1.0]]), composite=lrp.rules.LRP0())
        >>> e.output, e.relevance
        (array([[5.5]]), array([[3., 2.]]))
        >>> e.ledger
        node    rule                    relevance_out  relevance_in  bias  stabiliser  dropped  residual
        ────────────────────────────────────────────────────────────────────────────────────────────────
        dense1  LRP0(stabiliser=exact)            5.5             5   0.5           0        0         0
    """
    start = find(start, against)
    chosen = composites.resolve(composite, parameters, caller=explain)
    net, fed, walk = prepared(net, x, chosen, output, canonize, xp, start)
    n = len(next(iter(fed.values())))
    shape = walk.output_shape(fed) if is_tuple(target) or isinstance(start, Difference) else ()
    target = indices(target, n, shape) if is_tuple(target) else target
    begin = start.settled(n, shape) if isinstance(start, Start) else start
    axis = net.output_axes[0 if output is None else net.outputs.index(output)] if net.output_axes else 0

    def some(cut: slice) -> Explanation:
        few = {name: a[cut] for name, a in fed.items()}
        with settled(*few.values()):
            return _explain_few(walk, few, some_targets(target, cut, n), begin, cut, n, axis, keep=trace)

    shared = walk.sharing(fed, whole=trace)
    several = shared in (Sharing.SAMPLES, Sharing.LAYERS)
    with nullcontext() if shared is Sharing.PRODUCTS else threads.together(*fed.values(), several=several):
        count = max(n, 1) if trace else walk.samples(fed, threads.members() if shared is Sharing.SAMPLES else 1)
        parts = threads.collect([slice(first, first + count) for first in range(0, max(n, 1), count)], some)
    xp = namespace(parts[0].output)
    whole = parts[0] if len(parts) == 1 else parts[0].map(lambda *few: xp.concatenate(few, axis=0), *parts[1:])
    begun = begin if isinstance(begin, Start) else whole.start_relevance
    again = None if trace else Request(net.batch_first(), fed, whole.target, chosen, begun, output, canonize)
    how = repr(start) if isinstance(start, Start) else whole.start
    if isinstance(start, Logit) and not canonize and walk.head.squashed:
        how = repr(Output())  # the network is explained as it is, above its sigmoid or softmax
    notes = (*([f"start at {walk.head.text}"] if walk.head.text else []), *outside(walk.net, walk.plan, fed))
    return replace(_as_given(whole, net, axis), again=again, start=how, notes=notes)


def prepared(
    net: Network, x: Any, composite: Any, output: str | None, canonize: bool, xp: Any, start: Any = None
) -> tuple[Network, dict[str, Array], Walk]:
    """Return the network and its checked inputs in their array module, and the walk; errors as of :func:`explain`."""
    if xp is not None:
        module = by_name(xp)
        x = {k: convert(v, module) for k, v in x.items()} if isinstance(x, Mapping) else convert(x, module)
        net = net.to(module)
    if output is not None and output not in net.outputs:
        raise GraphError(f"'{output}' is no output of the network; there are: {', '.join(net.outputs)}")
    fed = net.feed(x)
    if not any(is_float(a) for a in fed.values()):
        raise BackendError(
            "no input holds floats or exact numbers, so there is nothing to give relevance to: cast it, x.astype(float)"
        )
    which = 0 if output is None else net.outputs.index(output)
    return net, fed, ready(net, fed, composite, output=which, canonize=canonize, start=start)


def _as_given(e: Explanation, net: Network, axis: int) -> Explanation:
    """Return an explanation whose arrays have the batch in front with those in the layout of the network's arrays."""
    places = {i.name: i.batch_axis for i in net.inputs if i.name in e.relevance}
    parts = {name: batch_back(e.relevance[name], place) for name, place in places.items()}
    return replace(
        e,
        output=batch_back(e.output, axis),
        relevance=parts if len(net.inputs) > 1 else next(iter(parts.values())),
        start_relevance=batch_back(e.start_relevance, axis),
        probability=None if e.probability is None else batch_back(e.probability, axis),
        output_axis=axis,
        relevance_axes=tuple(places.values()),
    )


def _explain_few(
    walk: Walk, fed: Mapping[str, Array], target: Any, start: Any, cut: slice, n: int, axis: int, *, keep: bool
) -> Explanation:
    """Explain the samples ``cut`` of ``n``, which fit into memory together; the relevance is a dict by input name.

    All arrays have the batch in front, but a start relevance given as an array: it has it at ``axis``.
    """
    name = walk.net.outputs[0]
    wanted = {i.name: fed[i.name] for i in walk.net.inputs}
    memories = dict.fromkeys(walk.remembering)
    values = walk.net.values(wanted, keep=None if keep else lambda value: value not in walk.dropped, memories=memories)
    out = values[name]
    if not isinstance(start, Start):
        start = like(start, out)  # of the whole batch, or of one sample, which then holds for all
        start = batch_first(start, axis) if start.ndim == out.ndim else start
        start = start[cut] if start.shape == (n, *out.shape[1:]) else start
    else:
        start = start.some(cut, n)
    # Exact numbers have no probability: a start that asks for one says so.
    chance = walk.probability(values) if out.dtype.kind == "f" else None
    begin, targets, how = start_relevance(out, target, start, first=cut.start, probability=chance)
    relevance, rows = walk_back(walk, values, {name: begin}, memories, keep=keep)
    received = {
        key: relevance[key] if key in relevance else namespace(out).zeros(array.shape, dtype=out.dtype)
        for key, array in fed.items()
        if is_float(array)
    }
    return Explanation(
        output=out,
        relevance=received,
        ledger=Ledger(rows),
        kept=Trace(values, relevance, walk.traced) if keep else None,
        target=targets,
        start=how,
        composite=walk.composite,
        bias=walk.bias,
        plan=walk.plan,
        start_relevance=begin,
        against=start.indices(out).reshape(len(out)) if isinstance(start, Difference) else None,
        head=walk.head,
        probability=chance,
        relevance_axes=(0,) * len(received),
    )
