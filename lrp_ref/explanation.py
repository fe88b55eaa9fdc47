"""One call, one value: explain a batch, look at the result, save it, load it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import composites, threads
from .arithmetic import settled
from .arrays import Array, by_name, convert, is_float, like, namespace, sample_sum, to_numpy
from .errors import BackendError, GraphError, ModelFormatError, ParameterError
from .inputs import batch_back, batch_first
from .network import Network
from .start import Start, start_relevance
from .tables import number
from .trace import COLUMNS, Ledger, Row, Trace, read_npz, write_npz
from .walk import Walk, ready, walk_back


@dataclass(frozen=True, eq=False)
class Request:
    """The arguments of an explanation, so that its trace can be made later."""

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


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """What an explanation returns: a value that can be printed, saved, loaded and compared.

    Attributes:
        output: of the network (N, K), as ``Network.forward`` returns it.
        relevance: of the input, with the shape of the array that was given, in the unit of the start relevance; a dict
            by name for several inputs.
        ledger: where the relevance of every node went.
        target: the explained outputs (N, T); None if the start relevance was an array.
        start: how the start relevance was chosen.
        composite: name of the composite.
        plan: the rule of every node.
        start_relevance: what started at the output, with its shape.
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

    def __repr__(self) -> str:
        target = "" if self.target is None else f", target {to_numpy(self.target)[:4].tolist()}"
        return (
            f"Explanation({self.composite}, {self.start}{target}: relevance {self._shapes()}, "
            f"start {number(_total(self.start_relevance))}, arrived at the input {number(self._arrived())}, "
            f"ledger residual {self.ledger.residual:.1e})"
        )

    def _shapes(self) -> str:
        return ", ".join(str(tuple(r.shape)) for r in self._parts().values())

    def _parts(self) -> dict[str, Array]:
        return dict(self.relevance) if isinstance(self.relevance, Mapping) else {"relevance": self.relevance}

    def _arrived(self) -> float:
        return sum(_total(r) for r in self._parts().values())

    def _repr_html_(self) -> str:
        from html import escape

        from . import heatmap

        pictures = ""
        for part, axis in zip(self._parts().values(), self.relevance_axes, strict=True):
            host = batch_first(to_numpy(part), axis)
            if host.ndim == 4 and host.shape[0] and host.dtype.kind == "f":
                pictures += "".join(
                    f'<img src="{heatmap.to_data_uri(heatmap.image(sample))}" alt="relevance">' for sample in host[:4]
                )
        return f"<p>{escape(repr(self))}</p>{pictures}{self.ledger._repr_html_()}"

    def to_numpy(self) -> Explanation:
        """Return the explanation with all its arrays on the host."""
        relevance = {k: to_numpy(v) for k, v in self._parts().items()}
        plan = composites.Plan(replace(p, layer=p.layer.map_arrays(to_numpy)) for p in self.plan)
        return replace(
            self,
            output=to_numpy(self.output),
            relevance=relevance if isinstance(self.relevance, Mapping) else relevance["relevance"],
            ledger=self.ledger.to_numpy(),
            kept=None if self.kept is None else self.kept.to_numpy(),
            again=None if self.again is None else replace(self.again, host=True),
            target=None if self.target is None else to_numpy(self.target),
            plan=plan,
            start_relevance=to_numpy(self.start_relevance),
        )

    def checks(self, *, tolerance: float = 1e-6) -> dict[str, bool]:
        """Return the named checks of Montavon et al. 2017, each over all samples.

        conservative: Σ_i R_i equals the start relevance (relative to it); positive: R_i ≥ 0 everywhere;
        consistent: conservative and positive, so that f = 0 implies R = 0; ledger: what did not arrive is accounted.

        Args:
            tolerance: relative to the sum of a sample's absolute start relevances.
        """
        begin = batch_first(to_numpy(self.start_relevance), self.output_axis)
        start, allowed = sample_sum(begin), tolerance * sample_sum(abs(begin))
        given = zip(self._parts().values(), self.relevance_axes, strict=True)
        parts = [batch_first(to_numpy(r), axis) for r, axis in given]
        arrived = sum(sample_sum(r) for r in parts)
        conservative = bool((abs(arrived - start) <= allowed).all())
        positive = all(bool((r >= -allowed.reshape(-1, *(1,) * (r.ndim - 1))).all()) for r in parts)
        return {
            "conservative": conservative,
            "positive": positive,
            "consistent": conservative and positive,
            "ledger": self.ledger.residual <= tolerance,
        }

    def save(self, path: str | Path, *, trace: bool = True) -> Path:
        """Write relevance, output, target and, unless ``trace`` is False, the trace as .npz; return the path.

        ``Trace.load`` reads the file too.
        """
        extra: dict[str, Any] = {"output": self.output, "start_relevance": self.start_relevance}
        names = list(self._parts())
        extra |= {f"input_relevance/{name}": array for name, array in self._parts().items()}
        if self.target is not None:
            extra["target"] = self.target
        extra |= {"start": self.start, "composite": self.composite, "inputs": names}
        extra["ledger_residual"] = self.ledger.residual
        return write_npz(path, extra, self.trace if trace else Trace())


def load_relevance(path: str | Path) -> dict[str, Any]:
    """Read a saved explanation: a dict with output, relevance, target, start, composite and trace.

    Raises:
        ModelFormatError: no such file, or not a saved explanation.
    """
    extra, trace = read_npz(path)
    names = extra.pop("inputs", None)
    if not isinstance(names, list) or not all(f"input_relevance/{name}" in extra for name in names):
        raise ModelFormatError(f"{path}: a trace, not a saved explanation (it has no relevance of the inputs)")
    parts = {name: extra.pop(f"input_relevance/{name}") for name in names}
    relevance = parts["relevance"] if list(parts) == ["relevance"] else parts
    return {**extra, "relevance": relevance, "trace": trace}


def _total(array: Array) -> float:
    return float(to_numpy(array).sum())


def explain(
    net: Network,
    x: Any,
    *,
    target: Any = None,
    composite: Any = "epsilon",
    start: Any = "logit",
    output: str | None = None,
    canonize: bool = True,
    xp: Any = None,
    trace: bool = False,
) -> Explanation:
    """Explain the outputs of a network by the relevance of its inputs.

    Batches and large networks on the CPU are shared by as many threads as NumPy's BLAS may use (``OMP_NUM_THREADS``,
    ``threadpoolctl.threadpool_limits``); meanwhile the BLAS itself takes one thread, in the whole process.

    Args:
        net: the network.
        x: inputs as :meth:`Network.forward` takes them, (N, ...) or with the batch where ``Input.batch_axis`` says, or
            a dict by name; float64 in, float64 out; float32 in, float32 out.
        target: index of the output to explain: one for all samples, one per sample (N,), several (N, T); None for
            each sample's largest output.
        composite: a preset's name, a ``Composite``, a list of (where, rule), or a rule, which is then used on every
            dense and convolution layer.
        start: start relevance: a name of ``lrp.start.STARTS``, a ``Start``, or an array like the output.
        output: which output to explain, where the network has several; the first by default.
        canonize: merge BatchNorm and drop a final softmax first.
        xp: array module to compute on ("numpy", "cupy"); None for that of ``x``.
        trace: keep all values and relevances while walking. Without it they are freed on the way, large batches are
            walked a few samples at a time, and ``e.trace`` walks once more when it is asked for.

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
    if xp is not None:
        module = by_name(xp)
        x = {k: convert(v, module) for k, v in x.items()} if isinstance(x, Mapping) else convert(x, module)
        net = net.to(module)
    if output is not None and output not in net.outputs:
        raise GraphError(f"'{output}' is no output of the network; there are: {', '.join(net.outputs)}")
    which = 0 if output is None else net.outputs.index(output)
    fed = net.feed(x)
    if not any(is_float(a) for a in fed.values()):
        raise BackendError("no input holds floats or exact numbers, so there is nothing to give relevance to: cast it")
    walk = ready(net, fed, composite, output=which, canonize=canonize)
    n = len(next(iter(fed.values())))
    axis = net.output_axes[which] if net.output_axes else 0

    def some(cut: slice) -> Explanation:
        few = {name: a[cut] for name, a in fed.items()}
        with settled(*few.values()):
            return _explain_few(walk, few, _cut(target, n, cut), start, cut, n, axis, keep=trace)

    with threads.together(*fed.values()) if walk.worth_sharing(fed, whole=trace) else nullcontext():
        count = max(n, 1) if trace else walk.samples(fed, threads.members())
        parts = threads.collect([slice(first, first + count) for first in range(0, max(n, 1), count)], some)
    whole = parts[0] if len(parts) == 1 else _joined(parts)
    given = {i.name: batch_back(fed[i.name], i.batch_axis) for i in net.inputs}
    again = None if trace else Request(net, given, whole.target, composite, start, output, canonize)
    return replace(_as_given(whole, net, axis), again=again)


def _as_given(e: Explanation, net: Network, axis: int) -> Explanation:
    """Return an explanation whose arrays have the batch in front with those in the layout of the network's arrays."""
    places = {i.name: i.batch_axis for i in net.inputs if i.name in e.relevance}
    parts = {name: batch_back(e.relevance[name], place) for name, place in places.items()}
    return replace(
        e,
        output=batch_back(e.output, axis),
        relevance=parts if len(net.inputs) > 1 else next(iter(parts.values())),
        start_relevance=batch_back(e.start_relevance, axis),
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
    if not isinstance(start, str | Start):
        start = like(start, out)  # of the whole batch, or of one sample, which then holds for all
        start = batch_first(start, axis) if start.ndim == out.ndim else start
        start = start[cut] if start.shape == (n, *out.shape[1:]) else start
    begin, targets, described = start_relevance(out, target, start)
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
        kept=Trace(values, relevance) if keep else None,
        target=targets,
        start=described,
        composite=walk.composite,
        plan=walk.plan,
        start_relevance=begin,
    )


def _cut(target: Any, n: int, cut: slice) -> Any:
    """Return the targets of some samples; what holds for all samples stays as it is."""
    if target is None or n == 1 or not hasattr(target, "__len__"):
        return target
    if len(target) == n:
        return target[cut]
    if len(target) != 1 or not hasattr(target[0], "__len__"):
        raise ParameterError(f"{len(target)} targets for {n} samples: give one number, one per sample, or (N, T)")
    return target


def _joined(parts: list[Explanation]) -> Explanation:
    """Join explanations of consecutive samples."""
    xp, first = namespace(parts[0].output), parts[0]

    def join(arrays: Any) -> Array:
        return xp.concatenate(tuple(arrays), axis=0)

    rows = []
    for same in zip(*(p.ledger for p in parts), strict=True):
        columns = {c: join(getattr(r, c) for r in same) for c in COLUMNS}
        size = None if same[0].size is None else join(r.size for r in same)
        rows.append(Row(same[0].node, same[0].rule, **columns, size=size))
    return replace(
        first,
        output=join(p.output for p in parts),
        relevance={k: join(p.relevance[k] for p in parts) for k in first.relevance},
        ledger=Ledger(rows),
        target=None if first.target is None else join(p.target for p in parts),
        start_relevance=join(p.start_relevance for p in parts),
    )
