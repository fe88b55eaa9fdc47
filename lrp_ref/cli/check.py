"""``lrp-ref check``: does the network compute what its file says, and do the rules keep their promises on it?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from .. import composites
from ..arrays import Array
from ..canonization import canonize
from ..composites import Composite
from ..errors import LrpError, MissingExtraError, NonFiniteError, ParameterError
from ..explanation import Explanation
from ..explanation import explain as explain_network
from ..heads import heads
from ..network import Network
from ..preprocess import Sidecar, declare, load_sidecar
from . import inputs
from .options import FILE, composite_options, load_network, make_composite, output_option, rule_option
from .output import print_table, progress

Feed = dict[str, Array]
AGREES = 1e-4  # relative difference to onnxruntime, which computes in float32
CONSERVED = 1e-5  # relative difference of start and input up to which a rule is called conservative
LIMITS = {  # relative to the largest number that is compared
    "float64": {"ledger": 1e-12, "canonize": 1e-10, "batch": 1e-9},
    "float32": {"ledger": 1e-4, "canonize": 1e-4, "batch": 1e-3},
}


@dataclass(frozen=True)
class Finding:
    """One check that decides the exit status.

    Attributes:
        check: what was checked.
        measured: the number, or why there is none.
        limit: what it must not exceed; None where the check could not be made.
        holds: whether it holds.
    """

    check: str
    measured: str
    limit: float | None
    holds: bool

    def cells(self) -> list[str]:
        """Return the row of the table."""
        verdict = "not checked" if self.limit is None else "holds" if self.holds else "FAILS"
        return [self.check, self.measured, "" if self.limit is None else f"≤ {self.limit:.0e}", verdict]


@click.command()
@click.argument("model", type=FILE)
@click.argument("input_", metavar="[INPUT]", required=False, type=FILE)
@click.option("-c", "--composite", "names", multiple=True, help="Only these composites; repeatable. Default: all.")
@composite_options
@rule_option
@output_option
@click.option("--sidecar", type=FILE, help="JSON file that describes the input. Default: beside the model.")
@click.option("--float32", is_flag=True, help="Check in float32; default: float64.")
@click.option("--seed", default=0, show_default=True, help="Of the random input, where no INPUT is given.")
def check(model: Path, input_: Path | None, names: tuple[str, ...], **options: Any) -> None:
    """Check MODEL and the rules on it; exit status 1 if a check fails.

    The output must agree with onnxruntime's (if that is installed), with the canonized network's and with that of the
    sample alone; every composite must give finite relevances and close its ledger. Conservation and positivity are
    properties of the rule and are reported. Without INPUT a random input of the network's shape is used.
    """
    sidecar = load_sidecar(model, options["sidecar"])
    net = declare(load_network(model, options["output_name"]), sidecar)
    dtype = "float32" if options["float32"] else "float64"
    chosen = _composites(names, sidecar, options)
    if input_ is None:
        x = random_input(net, sidecar, options["seed"], dtype)
    else:
        ((name, path),) = list(inputs.expand([input_]).items())[:1]
        sample = next(inputs.read(name, path, net, sidecar, model, dtype))
        x = {key: a.astype(dtype) if a.dtype.kind == "f" else a for key, a in sample.x.items()}
    click.echo(f"{model}: {len(net)} nodes, {'random input' if input_ is None else input_}, {dtype}\n")
    limits, findings = LIMITS[dtype], [_runtime(model, x, options["output_name"])]
    findings += [_canonized(net, x, limits["canonize"]), *_alone(net, x, chosen, sidecar, limits["batch"])]
    rows: list[list[str]] = []
    with progress(len(chosen), "composites") as step:
        for name, composite in chosen.items():
            row, holds = _promises(net, x, composite, limits["ledger"])
            rows.append([name, *row])
            findings.append(Finding(f"ledger of {name}", row[4], limits["ledger"], holds))
            step()
    others = [f.cells() for f in findings if not f.check.startswith("ledger of")]
    print_table(("check", "relative difference", "limit", ""), others, right=(1, 2))
    click.echo("")
    headers = ("composite", "start", "at the input", "not conserved", "least R / largest", "ledger residual", "keeps")
    print_table(headers, rows, right=(1, 2, 3, 4, 5))
    failed = [f for f in findings if not f.holds]
    click.echo(f"\n{len(failed)} checks fail: {', '.join(f.check for f in failed)}" if failed else "\nall checks hold")
    if failed:
        raise click.exceptions.Exit(1)


def random_input(net: Network, sidecar: Sidecar | None, seed: int, dtype: str) -> Feed:
    """Return one random sample: uniform within the range of pixels, standard normal for other inputs.

    Raises:
        ParameterError: the shape of an input is not fixed.
    """
    rng, x = np.random.default_rng(seed), {}
    for spec in net.inputs:
        shape = spec.sized(1)
        if (shape is None or None in shape) and sidecar is not None and len(net.inputs) == 1:
            shape = sidecar.shape()
        if shape is None or None in shape:
            raise ParameterError(f"the shape of input '{spec.name}' is not fixed: give an INPUT")
        size = tuple(int(n or 1) for n in shape)
        if sidecar is not None and sidecar.kind == "image" and len(size) == 4:
            low, high = (b.reshape(-1, 1, 1) if sidecar.layout == "NCHW" else b for b in sidecar.bounds())
            x[spec.name] = rng.uniform(low, high, size=size).astype(dtype)
        else:
            x[spec.name] = rng.normal(size=size).astype(dtype)
    return x


def _composites(names: tuple[str, ...], sidecar: Sidecar | None, given: dict[str, Any]) -> dict[str, Composite]:
    """Return the composites to check: the given ones, or all, each with those of the given parameters that it takes."""
    if names:
        return {name: make_composite(name, sidecar, given) for name in names}
    return {
        name: make_composite(
            name, sidecar, {key: given.get(key) for key in composites.takes(name)} | {"rules": given.get("rules", ())}
        )
        for name in composites.names()
    }


def _runtime(model: Path, x: Feed, output: str | None) -> Finding:
    from .. import loaders

    check = "output against onnxruntime"
    if model.suffix.lower() != ".onnx":
        return Finding(check, "not an ONNX file", None, True)
    try:
        found = loaders.check_against_onnxruntime(model, x, output=output)
    except MissingExtraError as error:
        return Finding(check, str(error).split(";")[0], None, True)
    worst = max(c.relative for c in found)
    return Finding(f"{check} (float32)", f"{worst:.1e}", AGREES, worst <= AGREES)


def _outputs(found: Any) -> list[Array]:
    return list(found.values()) if isinstance(found, Mapping) else [found]


def _apart(one: Any, other: Any) -> float:
    """Return the largest difference of the outputs, relative to the largest of the first."""
    gaps = []
    for a, b in zip(_outputs(one), _outputs(other), strict=True):
        size = float(np.abs(a).max(initial=0.0))
        gaps.append(float(np.abs(a - b).max(initial=0.0)) / (size or 1.0))
    return max(gaps)


def _canonized(net: Network, x: Feed, limit: float) -> Finding:
    ready = net.like_input(x)
    gap = _apart(ready.forward(x), canonize(ready, drop_softmax=False).forward(x))
    return Finding("canonized output unchanged", f"{gap:.1e}", limit, gap <= limit)


def _alone(net: Network, x: Feed, chosen: dict[str, Composite], sidecar: Sidecar | None, limit: float) -> list[Finding]:
    """Compare a sample in a batch with the same sample alone: output and relevance."""
    # Arrays with the batch first can be joined and cut whatever the layout of the file is.
    net, x = net.batch_first(), net.feed(x)
    pair = {k: np.concatenate([a, a[..., ::-1] if a.dtype.kind == "f" else a]) for k, a in x.items()}
    findings = []
    both, one = _outputs(net.forward(pair)), _outputs(net.forward(x))
    gap = max(_apart(a, b[:1]) for a, b in zip(one, both, strict=True))
    findings.append(Finding("output of a sample in a batch", f"{gap:.1e}", limit, gap <= limit))
    named = sidecar.composite if sidecar is not None and sidecar.composite in chosen else next(iter(chosen))
    check = f"relevance of a sample in a batch ({named})"
    try:
        alone = explain_network(net, x, composite=chosen[named], start=_start(net), trace=False).relevance
        batch = explain_network(net, pair, composite=chosen[named], start=_start(net), trace=False).relevance
    except NonFiniteError as error:
        return [*findings, Finding(check, str(error), limit, False)]
    except ParameterError as error:
        return [*findings, Finding(check, str(error), None, True)]
    gap = max(_apart(a, b[:1]) for a, b in zip(_outputs(alone), _outputs(batch), strict=True))
    return [*findings, Finding(check, f"{gap:.1e}", limit, gap <= limit)]


def _start(net: Network) -> str:
    """Return where to start: at the logit, or at the output's value where it has none."""
    return "output" if heads(net)[0].lost else "logit"


def _promises(net: Network, x: Feed, composite: Composite, limit: float) -> tuple[list[str], bool]:
    """Return what one composite does with the relevance, as cells, and whether it is finite and accounted for."""
    try:
        e: Explanation = explain_network(net, x, composite=composite, start=_start(net), trace=False)
    except NonFiniteError as error:
        return ["", "", "", "", "", f"FAILS: {error}"], False
    except LrpError as error:
        return ["", "", "", "", "", f"not applicable: {error}"], True
    start = float(e.start_relevance.sum())
    parts = _outputs(e.relevance)
    arrived = float(sum(p.sum() for p in parts))
    missing = abs(start - arrived) / (abs(start) or 1.0)
    least = min(float(p.min(initial=0.0)) for p in parts)
    largest = max(float(np.abs(p).max(initial=0.0)) for p in parts)
    holds = e.ledger.residual <= limit
    conservative, positive = missing <= CONSERVED, least >= 0
    kept = ["conservative"] * conservative + ["positive"] * positive + ["consistent"] * (conservative and positive)
    words = ", ".join(kept) if holds else "FAILS: the ledger does not close"
    shares = (missing, least / (largest or 1.0), e.ledger.residual)
    texts = [f"{start:.4g}", f"{arrived:.4g}", *(f"{c:.1e}" if c else "0" for c in shares)]
    return [*texts, words], holds
