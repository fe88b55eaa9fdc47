"""Making a certificate: float64 and balls side by side, at a precision that settles every comparison."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..arithmetic import ball, modular, precision, random_primes
from ..base.arrays import Array, is_float, to_numpy
from ..errors import LrpError, ParameterError, UndecidedError, UnsupportedError
from ..layers import Linear, RecurrentLayer
from ..network.network import Network
from ..propagation import composites
from ..propagation.explaining import explain
from ..propagation.explanation import Explanation
from ..propagation.prepare import PreparedNetwork, prepare
from ..propagation.prepare import Question as Asked
from ..propagation.start import Start
from ..rules import ZBox
from ..rules.edits import NEG, POS, ZERO
from .decisions import decisions
from .enclosure import Enclosure, balls, distance, enclose, up
from .exact import Identities, cast_inputs, identities
from .hashes import array_hash, network_hash
from .rows import Decision, NodeReport, Unit
from .value import Certificate, Hashes, Request

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Runs:
    """One explanation, made in floats and in balls.

    Attributes:
        prepared: the network as it was walked.
        fed: its inputs by name.
        floats: made in float64.
        exact: made in balls, or in a prime field.
        bits: precision of these.
    """

    prepared: PreparedNetwork
    fed: Mapping[str, Array]
    floats: Explanation
    exact: Explanation
    bits: int


@dataclass(frozen=True, eq=False)
class Question:
    """The arguments of ``explain`` in float64."""

    net: Network
    fed: dict[str, Array]
    composite: Any
    arguments: dict[str, Any]

    def explained(self, cast: Any = None, **changes: Any) -> Explanation:
        """Explain with every float cast into another number system, and keep the trace."""
        net, fed = (self.net, self.fed) if cast is None else (cast(self.net), cast_inputs(self.fed, cast))
        return explain(net, fed, composite=self.composite, trace=True, **{**self.arguments, **changes})


def certify(
    net: Network, x: Any, *, target: Any = None, composite: Any = None, start: Any = "logit",
    output: str | None = None, canonize: bool = True, bits: int = 128, limit: int = 4096, system: str = "auto",
    model_hash: str | None = None, say: Say | None = None, **parameters: Any,
) -> Certificate:  # fmt: skip
    """Run float64 and balls, and return rigorous bounds on the float64 explanation's true error at every node.

    Formula: abs(float − true) ≤ sup of abs(ball − float); ulp of the largest abs(value) of that sample at that node.

    Args:
        net: the network; float32 parameters are taken as the float64 that they are.
        x: inputs (N, ...), or a dict by name; floats are taken as float64.
        target, composite, start, output, canonize: as in :func:`lrp_ref.explain`.
        bits: precision of the balls at first; it is doubled until every comparison is certain and every ball
            tighter than a float64 ulp.
        limit: the highest precision. What is undecided there is decided in a prime field, where equal values are
            equal, and reported; where that has no values (tanh), the verdict is "not certified".
        system: number system for the ledger's identities: "auto", "rational", "field" or "none".
        model_hash: SHA-256 of the model's file; by default that of the network in memory.
        say: called with a line at every stage.
        parameters: of the composite, as in :func:`lrp_ref.explain`.

    Raises:
        LrpError: what ``explain`` raises in float64.
        MissingExtraError: python-flint is not installed.

    Source: Johansson 2017 (balls).

    Example:
        >>> from ..layers import Dense
        >>> net = Network.sequential([Dense(np.array([[0.1], [0.7]]), np.array([0.2]))])
        >>> certificate = certify(net, np.array([[0.3, 0.4]]))
        >>> certificate.verdict, certificate.bits, certificate.worst.relevance_ulp < 2
        ('certified', 128, True)
    """
    say = say or (lambda line: None)
    composite = composites.usual(net) if composite is None else composite
    preset = isinstance(composite, str)
    chosen = composites.resolve(composite, parameters, caller=certify)
    if net.output_axes and not isinstance(start, str | Start):
        raise ParameterError(
            "the output's batch is not its first axis: give start by name, or net.batch_first() and arrays with the "
            "batch first"
        )
    net, fed = in_float64(net, x)
    arguments = {"target": target, "start": start, "output": output, "canonize": canonize}
    question = Question(net, fed, chosen, arguments)
    say("float64")
    floats = question.explained()
    found = None if floats.target is None else to_numpy(floats.target)
    told = _with_bounds(parameters, floats) if preset else parameters
    request = Request(
        composite if preset else repr(chosen), _plain(told), preset, None if found is None else found.tolist(),
        target is None, start if isinstance(start, str) else repr(start), output, canonize,
    )  # fmt: skip
    hashes = Hashes(
        model_hash or network_hash(net), {k: array_hash(a) for k, a in fed.items()},
        {k: array_hash(r) for k, r in _parts(floats, fed).items()}, {},
    )  # fmt: skip
    exact, used, note = _settled(replace(question, arguments={**arguments, "target": found}), bits, limit, say)
    proof = identities(net, fed, composite=chosen, system=system, **{**arguments, "target": found})
    say("bounds")
    if exact is None:
        return Certificate(f"not certified: {note}", request, hashes, identities=proof)
    which = 0 if output is None else net.outputs.index(output)
    prepared = prepare(net, fed, Asked(chosen, which, canonize, start))
    runs = Runs(prepared, fed, floats, exact, used)
    return _made(runs, proof, request, hashes, (note,) if note else ())


def in_float64(net: Network, x: Any) -> tuple[Network, dict[str, Array]]:
    """Return network and inputs on the host, the batch in front, floats as float64, after :meth:`Network.feed`."""
    fed = {k: to_numpy(a).astype("float64") if is_float(a) else to_numpy(a) for k, a in net.feed(x).items()}
    return net.batch_first().to("numpy").astype("float64"), fed


def _with_bounds(parameters: Mapping[str, Any], e: Explanation) -> dict[str, Any]:
    """Return the parameters of a preset with the bounds that the input declares, which the network does not hash."""
    boxes = [p.rule for p in e.plan if isinstance(p.rule, ZBox)]
    return {**({"low": boxes[0].low, "high": boxes[0].high} if boxes else {}), **parameters}


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v.tolist() if hasattr(v, "tolist") else v for k, v in parameters.items()}


def _parts(e: Explanation, fed: Mapping[str, Array]) -> dict[str, Array]:
    """Return the relevance by input name."""
    if isinstance(e.relevance, Mapping):
        return dict(e.relevance)
    return {next(k for k, a in fed.items() if is_float(a)): e.relevance}


def _settled(question: Question, bits: int, limit: int, say: Say) -> tuple[Explanation | None, int, str]:
    """Return the explanation at the first precision that settles everything, that precision, and a note."""
    reason, undecided = "", False
    while True:
        say(f"balls of {bits} bits")
        try:
            with precision(bits):
                e = question.explained(lambda a, bits=bits: ball(a, bits=bits))
                loose = _loose(e)
            if loose is None:
                return e, bits, ""
            reason, undecided = f"balls of {bits} bits are wider than a float64 ulp at '{loose}'", False
        except UndecidedError as error:
            reason, undecided = " ".join(str(error).split()), True
        except UnsupportedError as error:
            return None, 0, " ".join(str(error).split())
        if 2 * bits > limit:
            break
        bits *= 2
    if not undecided:
        return None, 0, reason
    say("prime field")
    primes = random_primes(secrets.randbits(128))
    try:
        with precision(bits):
            e = question.explained(lambda a: modular(a, bits=bits, primes=primes))
    except LrpError as error:
        return None, 0, f"{reason}; and in a prime field: {' '.join(str(error).split())}"
    return e, bits, f"tie that {bits} bits do not separate, taken as equal because it is so modulo {primes}: {reason}"


def _loose(e: Explanation) -> str | None:
    """Return the first value whose balls are too wide."""
    for part in (e.trace.values, e.trace.relevance):
        for name, array in part.items():
            if array.dtype == object and enclose(array).loose.any():
                return name
    return None


def _made(runs: Runs, proof: Identities, request: Request, hashes: Hashes, notes: tuple[str, ...]) -> Certificate:
    prepared, floats, exact = runs.prepared, runs.floats, runs.exact
    with precision(runs.bits):
        values = {k: enclose(a) for k, a in exact.trace.values.items() if a.dtype == object}
        relevance = {k: enclose(a) for k, a in exact.trace.relevance.items() if a.dtype == object}
        bounds = {k: distance(exact.trace.values[k], floats.trace.values[k]) for k in values}
        nodes = tuple(_reports(runs, values, relevance, bounds))
        largest = {k: float(b.max(initial=0.0)) for k, b in bounds.items()}
        made = tuple(decisions(prepared.net, prepared.plan, exact.trace.values, values, largest, relevance))
        if request.chosen and request.target is not None:
            made = (*made, _target(prepared.net.outputs[0], values, bounds, request.target))
        residual = max((up(v.abs_upper()) for r in exact.ledger for v in balls(r.residual)), default=0.0)
        open_ = [r.node for r in exact.ledger if not all(v.contains(0) for v in balls(r.residual))]
        truth = {k: relevance.get(k) or enclose(a) for k, a in _parts(exact, runs.fed).items()}
    verdict = _verdict(open_, proof, made, notes)
    if any(isinstance(n.layer, RecurrentLayer) for n in prepared.net.nodes):
        notes = (
            *notes,
            "a recurrent layer is one node: its steps have no rows, and its denominators and kinks are no decisions",
        )
    if proof.refused:
        notes = (*notes, f"no exact identities: {proof.refused}")
    hashes = replace(hashes, truth={k: array_hash(t.midpoint) for k, t in truth.items()})
    return Certificate(verdict, request, hashes, runs.bits, nodes, made, residual, proof, notes, truth)


def _verdict(open_: list[str], proof: Identities, made: tuple[Decision, ...], notes: tuple[str, ...]) -> str:
    if open_ or proof.nonzero:
        return f"not certified: the ledger does not close at {', '.join(dict.fromkeys((*open_, *proof.nonzero)))}"
    return "certified with ties" if notes or any(d.ties for d in made) else "certified"


def _reports(
    runs: Runs, values: Mapping[str, Enclosure], relevance: Mapping[str, Enclosure], bounds: Mapping[str, Array]
) -> Iterator[NodeReport]:
    rules = {p.node: p.label for p in runs.prepared.plan}
    layers = {n.name: n for n in runs.prepared.net.nodes}
    for name, true in relevance.items():
        error = distance(runs.exact.trace.relevance[name], runs.floats.trace.relevance[name])
        with np.errstate(divide="ignore", invalid="ignore"):
            own = np.where(error == 0, 0.0, error / np.where(true.midpoint == 0, 0.0, np.spacing(abs(true.midpoint))))
        kappa, where = _condition(layers.get(name), runs.floats, values)
        yield NodeReport(
            name, rules.get(name, ""), _largest(bounds[name]), _largest(bounds[name] / values[name].ulp),
            _largest(error), _largest(error / true.ulp), _largest(own), _unit(error / true.ulp), kappa, where,
        )  # fmt: skip


def _condition(node: Any, floats: Explanation, values: Mapping[str, Enclosure]) -> tuple[float | None, Unit]:
    """Return the largest (Σ|z_ij| + |b_j|)/|z_j| of a linear layer, and its unit; units without any z_ij have none."""
    if node is None or not isinstance(node.layer, Linear):
        return None, ()
    layer, xs = node.layer, tuple(np.abs(floats.trace.values[n]) for n in node.inputs)
    z = np.abs(values[node.name].midpoint)
    size = layer.edited(POS, ZERO).forward(*xs) - layer.edited(NEG, ZERO).forward(*xs)
    bias = layer.bias_map(z)
    size = size if bias is None else size + np.abs(bias)
    with np.errstate(divide="ignore", invalid="ignore"):
        kappa = np.where(size == 0, 0.0, size / z)
    return _largest(kappa), _unit(kappa)


def _target(name: str, values: Mapping[str, Enclosure], bounds: Mapping[str, Array], target: Any) -> Decision:
    """Whether the explained output is certainly the largest: its distance to the second."""
    n = len(values[name].midpoint)
    out, error = values[name].midpoint.reshape(n, -1), bounds[name].reshape(n, -1).max(axis=1, initial=0.0)
    first = np.asarray(target).reshape(n, -1)[:, :1]
    others = np.where(np.arange(out.shape[1]) == first, -np.inf, out)
    gaps = np.take_along_axis(out, first, axis=1)[:, 0] - others.max(axis=1, initial=-np.inf)
    sample = int(gaps.argmin())
    ties = int((gaps == 0).sum())
    close = int(((gaps != 0) & (gaps <= 2 * error)).sum())
    return Decision(name, "target", n, close, ties, float(gaps.min()), (sample, int(first[sample, 0])))


def _largest(array: Array) -> float:
    return float(array.max(initial=0.0))


def _unit(array: Array) -> Unit:
    return tuple(int(k) for k in np.unravel_index(int(array.argmax()), array.shape)) if array.size else ()
