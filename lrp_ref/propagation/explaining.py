"""One call: explain a batch, in parts that threads may divide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..base.arrays import Array, by_name, convert, like, namespace
from ..errors import BackendError, GraphError
from ..network.inputs import batch_back, batch_first
from ..network.network import Network
from . import composites
from .conditions import Conditions
from .conditions import conditions as as_conditions
from .explanation import Explanation
from .ledger import Ledger
from .parts import in_parts
from .prepare import PreparedNetwork, Question, prepare
from .start import Difference, Logit, Output, Start, find, start_relevance
from .targets import class_number, indices, is_tuple, some_targets
from .trace import Trace
from .walk import back, forward


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
    conditions: Conditions | None = None
    host: bool = False

    def trace(self) -> Trace:
        """Walk again and keep everything."""
        e = explain(
            self.net, self.x, target=self.target, composite=self.composite, start=self.start, output=self.output,
            canonize=self.canonize, trace=True, conditions=self.conditions,
        )  # fmt: skip
        return e.trace.to_numpy() if self.host else e.trace

    def on_host(self) -> Request:
        """Return the arguments for a trace on the host."""
        return replace(self, host=True)

    def sample(self, cut: slice, samples: int) -> Request:
        """Return the arguments that explain some samples of N."""
        start = self.start.some(cut, samples) if isinstance(self.start, Start) else self.start[cut]
        x = {name: array[cut] for name, array in self.x.items()}
        conditions = None if self.conditions is None else self.conditions.some(cut, samples)
        target = some_targets(self.target, cut, samples)
        return replace(self, x=x, target=target, start=start, conditions=conditions)


def explain(
    net: Network,
    x: Any,
    *,
    target: Any = None,
    composite: Any = None,
    start: Any = "logit",
    against: Any = None,
    output: str | None = None,
    canonize: bool = True,
    xp: Any = None,
    trace: bool = False,
    conditions: Any = None,
    **parameters: Any,
) -> Explanation:
    """Explain the outputs of a network by the relevance of its inputs.

    On the CPU the samples of a batch, or the layers of a large network, are divided among as many threads as NumPy's
    BLAS may use (``OMP_NUM_THREADS``, ``threadpoolctl.threadpool_limits``), where that pays: see ``workload.Divided``.
    Meanwhile the BLAS itself takes one thread, in the whole process, except beside a large LSTM.

    Args:
        net: the network.
        x: inputs as :meth:`Network.forward` takes them, (N, ...) or with the batch where ``Input.batch_axis`` says, or
            a dict by name; float64 in, float64 out; float32 in, float32 out.
        target: index of the output to explain: one for all samples, or a list or array of one per sample (N,); None
            for each sample's largest output. Several indices per sample (N, T) add up: what is explained is the sum
            of these outputs. Outputs of more axes count in C order; a tuple (c, h, w) is that one unit of a map
            (N, C, H, W) in every sample. A text is the name of a class, of a network that has ``classes``.
        composite: a preset's name, a ``Composite``, a list of (where, rule), or a rule, which is then used on every
            dense and convolution layer; None for the network's own, "epsilon" where it has none.
        start: start relevance: a name of ``lrp.start.NAMES``, a ``Start``, or an array like the output. "logit" starts
            below a final sigmoid or softmax (see :mod:`lrp_ref.network.heads`), "output" at the output as it is.
        against: of the start "difference": the output that the target is set against, in any form of ``target``; what
            is explained is then f_target − f_against.
        output: which output to explain, where the network has several; the first by default.
        canonize: merge BatchNorm and leave out a final softmax or sigmoid first; False explains the network as it is.
        xp: array module to compute on ("numpy", "cupy"); None for that of ``x``.
        trace: keep all values and relevances while walking. Without it they are freed on the way, large batches are
            walked a few samples at a time, and ``e.trace`` walks once more when it is asked for.
        conditions: name of a value → its channels (axis 1) that hand on relevance: a list of numbers, or booleans (C,),
            (N, C), or (N, C, ...) of the whole value, whose sizes may also be 1. What arrives at the others is dropped
            there, in the ledger's row of the node; the trace has what is left. Several conditions all hold. Names are
            those of the network as it is explained, without merged nodes. Of a sequence (N, T, C) axis 1 is the time:
            booleans (1, 1, C) are of its features.
        parameters: of the preset that ``composite`` names (epsilon, gamma, low, high, beta, stabiliser), and for every
            composite ``bias``: "absorb", "ignore", "spread" or "nonzero", see
            :func:`lrp_ref.propagation.composites.get`, and ``dialect``: the program whose numbers are computed, a name
            of ``lrp.dialects.DIALECTS`` or a ``Dialect``; None for the published rules.

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
    Network.required(net, "explain")
    named = net.classes if output_place(net, output) == 0 else ()
    target = class_number(target, named)
    start = find(start, class_number(against, named, "against"))
    composite = composites.usual(net) if composite is None else composite
    chosen = composites.resolve(composite, parameters, caller=explain)
    place = output_place(net, output)
    net, fed = at_the_door(net, x, xp)
    prepared = prepare(net, fed, Question(chosen, place, canonize, start))
    n = len(next(iter(fed.values())))
    shape = prepared.output_shape(fed) if is_tuple(target) or isinstance(start, Difference) else ()
    target = indices(target, n, shape) if is_tuple(target) else target
    begin = start.settled(n, shape) if isinstance(start, Start) else start
    axis = net.output_axes[place] if net.output_axes else 0
    masked = as_conditions(conditions, net, prepared, fed)
    whole = Batch(prepared, target, begin, n, axis, trace, conditions=masked).explanation(fed)
    begun = begin if isinstance(begin, Start) else whole.start_relevance
    again = Request(net.batch_first(), fed, whole.target, chosen, begun, output, canonize, masked)
    how = repr(start) if isinstance(start, Start) else whole.start
    if isinstance(start, Logit) and not canonize and prepared.head.squashed:
        how = repr(Output())  # the network is explained as it is, above its sigmoid or softmax
    return replace(as_given(whole, net, place), again=again, start=how, notes=prepared.notes(fed))


def at_the_door(net: Network, x: Any, xp: Any) -> tuple[Network, dict[str, Array]]:
    """Return the network and its checked inputs in the array module that is asked for; errors as of :func:`explain`."""
    if xp is not None:
        module = by_name(xp)
        x = {k: convert(v, module) for k, v in x.items()} if isinstance(x, Mapping) else convert(x, module)
        net = net.to(module)
    fed = net.feed(x)
    if not any(net.receives(name, a) for name, a in fed.items()) or net.like(fed) is None:
        raise BackendError(
            "no input holds floats, exact numbers or tokens, so there is nothing to give relevance to: cast it, "
            "x.astype(float)"
        )
    return net, fed


def output_place(net: Network, output: str | None) -> int:
    """Return which of the network's outputs is called so; the first for None."""
    if output is not None and output not in net.outputs:
        raise GraphError(f"'{output}' is no output of the network; there are: {', '.join(net.outputs)}")
    return 0 if output is None else net.outputs.index(output)


def as_given(e: Explanation, net: Network, place: int = 0) -> Explanation:
    """Return an explanation whose arrays have the batch in front with those in the layout of the network's arrays.

    Args:
        e: of one of the network's outputs.
        net: the network.
        place: of the output among them.
    """
    axis = net.output_axes[place] if net.output_axes else 0
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


@dataclass(frozen=True, eq=False)
class Batch:
    """What is asked of all samples, of which a few at a time are explained.

    Attributes:
        prepared: the network made ready.
        target, start: of all samples; an array as start has the batch at ``axis``.
        samples: their number.
        axis: of the network's output, in the layout of the file, that counts the samples.
        keep: whether all values and relevances are kept.
        reference: inputs by name (N, ...) that the samples are compared with, for rules that look at them.
        conditions: which channels hand on relevance.
    """

    prepared: PreparedNetwork
    target: Any
    start: Any
    samples: int
    axis: int | None
    keep: bool
    reference: Mapping[str, Array] | None = None
    conditions: Conditions | None = None

    def explanation(self, fed: Mapping[str, Array]) -> Explanation:
        """Explain all samples, in parts that threads may take; all arrays have the batch in front."""
        walks = 1 if self.reference is None else 2
        parts = in_parts(self.prepared, fed, self.explained, whole=self.keep, walks=walks)
        if len(parts) == 1:
            return parts[0]
        xp = namespace(parts[0].output)
        return parts[0].map(lambda *few: xp.concatenate(few, axis=0), *parts[1:])

    def explained(self, fed: Mapping[str, Array], cut: slice) -> Explanation:
        """Explain the samples ``cut``, which are ``fed`` and fit into memory together; all arrays, batch in front."""
        prepared = self.prepared
        values, tapes = forward(prepared, fed, keep=self.keep)
        name = prepared.net.outputs[0]
        out, start, chance = values[name], self._start(values[name], cut), prepared.probability(values)
        begin, targets, how = self.begins(out, chance, cut)
        reference = None
        if self.reference is not None:
            reference, _ = forward(prepared, {key: a[cut] for key, a in self.reference.items()}, keep=self.keep)
        masks = {} if self.conditions is None else self.conditions.some(cut, self.samples).masks
        relevance, rows = back(prepared, values, {name: begin}, tapes, keep=self.keep, reference=reference, masks=masks)
        received = {
            key: relevance[key] if key in relevance else namespace(out).zeros(array.shape, dtype=out.dtype)
            for key, array in fed.items()
            if prepared.net.receives(key, array)
        }
        return Explanation(
            output=out,
            relevance=received,
            ledger=Ledger(rows),
            kept=Trace(values, relevance, prepared.traced) if self.keep else None,
            target=targets,
            start=how,
            composite=prepared.composite,
            bias=prepared.bias,
            plan=prepared.plan if self.conditions is None else self.conditions.noted(prepared.plan),
            start_relevance=begin,
            against=start.indices(out).reshape(len(out)) if isinstance(start, Difference) else None,
            head=prepared.head,
            probability=chance,
            relevance_axes=(0,) * len(received),
            conditions="" if self.conditions is None else str(self.conditions),
        )

    def begins(self, out: Array, probability: Array | None, cut: slice) -> tuple[Array, Array | None, str]:
        """Return the relevance that starts at the output of the samples ``cut``, their targets, and the start's name.

        Args:
            out: the output (n, ...).
            probability: of it, where it has one.
            cut: which samples they are.
        """
        target = some_targets(self.target, cut, self.samples)
        return start_relevance(out, target, self._start(out, cut), first=cut.start, probability=probability)

    def _start(self, out: Array, cut: slice) -> Any:
        """Return the start for the samples ``cut``; an array may also be of one sample, and then holds for all."""
        if isinstance(self.start, Start):
            return self.start.some(cut, self.samples)
        start = like(self.start, out)
        if self.axis is not None and start.ndim == out.ndim:
            start = batch_first(start, self.axis)
        return start[cut] if start.shape == (self.samples, *out.shape[1:]) else start
