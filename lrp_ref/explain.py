"""The two loops: forward through the nodes, back with the relevance; errors get the node's name here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import composites
from .arrays import Array, by_name, convert, is_float, namespace, require_finite, sample_sum, to_numpy, unwarned
from .canonize import canonize as canonize_network
from .errors import BackendError, GraphError, LrpError, ModelFormatError
from .network import Network, value_name
from .start import start_relevance
from .tables import number
from .trace import Ledger, Row, Trace, read_npz, write_npz


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """What an explanation returns: a value that can be printed, saved, loaded and compared.

    Attributes:
        output: of the network (N, K).
        relevance: of the input, with its shape (N, ...), in the unit of the start relevance; a dict by name for
            several inputs.
        ledger: where the relevance of every node went.
        trace: values and relevances of every node (empty if ``trace=False`` was asked for).
        target: the explained outputs (N, T); None if the start relevance was an array.
        start: how the start relevance was chosen.
        composite: name of the composite.
        plan: the rule of every node.
        start_relevance: what started at the output, with its shape.
    """

    output: Array
    relevance: Any
    ledger: Ledger
    trace: Trace
    target: Array | None
    start: str
    composite: str
    plan: composites.Plan
    start_relevance: Array

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
        for part in self._parts().values():
            host = to_numpy(part)
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
            trace=self.trace.to_numpy(),
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
        begin = to_numpy(self.start_relevance)
        start, allowed = sample_sum(begin), tolerance * sample_sum(abs(begin))
        parts = [to_numpy(r) for r in self._parts().values()]
        arrived = sum(sample_sum(r) for r in parts)
        conservative = bool((abs(arrived - start) <= allowed).all())
        positive = all(bool((r >= -allowed.reshape(-1, *(1,) * (r.ndim - 1))).all()) for r in parts)
        return {
            "conservative": conservative,
            "positive": positive,
            "consistent": conservative and positive,
            "ledger": self.ledger.residual <= tolerance,
        }

    def save(self, path: str | Path) -> Path:
        """Write relevance, output, target and trace as .npz (readable by ``Trace.load`` too); return the path."""
        extra: dict[str, Any] = {"output": self.output, "start_relevance": self.start_relevance}
        names = list(self._parts())
        extra |= {f"input_relevance/{name}": array for name, array in self._parts().items()}
        if self.target is not None:
            extra["target"] = self.target
        extra |= {"start": self.start, "composite": self.composite, "inputs": names}
        extra["ledger_residual"] = self.ledger.residual
        return write_npz(path, extra, self.trace)


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
    trace: bool = True,
) -> Explanation:
    """Explain the outputs of a network by the relevance of its inputs.

    Args:
        net: the network.
        x: inputs (N, ...), or a dict by name; float64 in, float64 out; float32 in, float32 out.
        target: index of the output to explain: one for all samples, one per sample (N,), several (N, T); None for
            each sample's largest output.
        composite: a preset's name, a ``Composite``, a list of (where, rule), or a rule, which is then used on every
            dense and convolution layer.
        start: start relevance: a name of ``lrp.start.STARTS``, a ``Start``, or an array like the output.
        output: which output to explain, where the network has several; the first by default.
        canonize: merge BatchNorm and drop a final softmax first.
        xp: array module to compute on ("numpy", "cupy"); None for that of ``x``.
        trace: keep all values and relevances; without it they are freed on the way.

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
    net = net.like_input(fed)
    if canonize:
        # Canonizing may rename the outputs, never reorder them; the sizes of the inputs are known now.
        sized = tuple(replace(i, shape=(None, *fed[i.name].shape[1:])) for i in net.inputs)
        net = canonize_network(replace(net, inputs=sized))
    name, chosen = net.outputs[which], composites.resolve(composite)
    chosen.check_names(net)
    net = net.until(name)
    plan = chosen.plan(net, check_names=False)
    values = net.values({i.name: fed[i.name] for i in net.inputs})
    out = values[name]
    begin, targets, described = start_relevance(out, target, start)
    relevance, rows = _walk_back(net, plan, values, {name: begin}, keep=trace)
    received = {
        key: relevance[key] if key in relevance else namespace(out).zeros(array.shape, dtype=out.dtype)
        for key, array in fed.items()
        if is_float(array)
    }
    return Explanation(
        output=out,
        relevance=received if len(fed) > 1 else next(iter(received.values())),
        ledger=Ledger(rows),
        trace=Trace(values, relevance) if trace else Trace(),
        target=targets,
        start=described,
        composite=chosen.name,
        plan=plan,
        start_relevance=begin,
    )


def _walk_back(
    net: Network, plan: composites.Plan, values: dict[str, Array], relevance: dict[str, Array], *, keep: bool
) -> tuple[dict[str, Array], list[Row]]:
    """Hand the relevance from node to node, last to first; returns it by name, and the ledger's rows."""
    rows = []
    for node, planned in zip(reversed(net.nodes), reversed(plan), strict=True):
        names = [node.name]
        while (more := value_name(node.name, len(names))) in values:
            names.append(more)
        if not any(n in relevance for n in names):
            continue
        outputs = tuple(values[n] for n in names)
        arrived = tuple(
            relevance[n] if n in relevance else namespace(v).zeros(v.shape, dtype=v.dtype)
            for n, v in zip(names, outputs, strict=True)
        )
        xs = tuple(values[n] for n in node.inputs)
        try:
            with unwarned():
                z = outputs if len(outputs) > 1 else outputs[0]
                shared = node.layer.redistribute(xs, arrived, planned.rule, z=z)
            for received in shared.relevances:
                require_finite(received, "the relevance of its input")
        except LrpError as error:
            raise error.at(node.name) from error
        rows.append(_row(node.name, planned.label, arrived, shared))
        for source, received in zip(node.inputs, shared.relevances, strict=True):
            if is_float(values[source]):
                relevance[source] = relevance[source] + received if source in relevance else received
        if not keep:
            for n in names:
                values.pop(n)
                relevance.pop(n, None)
    # A value that several nodes read is complete only after the last of them: the order is that of the walk.
    return {n: relevance[n] for n in reversed(values) if n in relevance}, rows


def _row(node: str, rule: str, arrived: tuple[Array, ...], shared: Any) -> Row:
    out = sum(sample_sum(r) for r in arrived)
    received = sum(sample_sum(r) for r in shared.relevances)
    residual = out - received - shared.bias - shared.stabiliser - shared.dropped
    size = sum(sample_sum(abs(r)) for r in arrived)
    return Row(node, rule, out, received, shared.bias, shared.stabiliser, shared.dropped, residual, size)
