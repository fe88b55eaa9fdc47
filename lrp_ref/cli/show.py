"""``lrp-ref show``, ``rules`` and ``composites``: what there is."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path
from typing import Any

import click
import numpy as np

from ..base.tables import number
from ..evaluate import MEASURES
from ..evaluate.measures import Measure
from ..layers import Layer
from ..methods import METHODS
from ..network.heads import heads
from ..propagation import composites
from ..rules import RULES, ZBox
from .options import FILE, architecture_option, class_names, output_option
from .output import print_table


@click.command()
@click.argument("model", type=FILE)
@click.option("--classes", is_flag=True, help="List the classes of the sidecar, or of the model, instead.")
@output_option
@architecture_option
def show(model: Path, classes: bool, output_name: str | None, architecture: Path | None) -> None:
    """List the nodes, inputs and outputs of MODEL."""
    from .. import loaders
    from ..loaders.preprocess import load_sidecar

    sidecar = load_sidecar(model)
    net = loaders.load(model, output=output_name, architecture=architecture)
    if classes:
        names = class_names(net, sidecar)
        print_table(("output", "class"), [[str(k), name] for k, name in enumerate(names)], right=(0,))
        return
    rows = [[n.name, repr(n.layer), ", ".join(n.inputs)] for n in net.nodes]
    print_table(("node", "layer", "reads"), rows)
    for spec in net.inputs:
        kind = f", {spec.element_type}" if spec.element_type else ""
        click.echo(f"input {spec.name}: {spec.described()}{kind}")
    axes = net.output_axes or (0,) * len(net.outputs)
    told = {None: " (no axis is the batch)", 0: ""}
    shown = [n + told.get(k, f" (axis {k} is the batch)") for n, k in zip(net.outputs, axes, strict=True)]
    click.echo(f"output {', '.join(shown)}")
    for head in heads(net):
        if head.text:
            click.echo(f"output {head.output}: explanations start at {head.text}")
        if head.lost:
            click.echo(f"output {head.output}: no logit ({head.lost}); start at its value with --start output")
    for name, reason in net.left_out:
        click.echo(f"left out: output {name}: {reason}")
    for text in net.notes:
        click.echo(f"note: {text}")
    count = sum(int(p.size) for p in net.parameters)
    click.echo(f"{len(net)} nodes, {count:,} parameters, {net.dtype}")
    for spec in net.inputs:
        if spec.low is not None and spec.high is not None:
            low, high = np.asarray(spec.low, dtype=float), np.asarray(spec.high, dtype=float)
            click.echo(f"range of {spec.name}: {number(low.min())} to {number(high.max())}")
    if sidecar is not None:
        suits = f", composite {sidecar.composite}" if sidecar.composite else ""
        suits += f", bias {sidecar.bias}" if sidecar.bias != "absorb" else ""
        click.echo(f"sidecar: {sidecar.kind}, {len(sidecar.classes)} classes{suits}")


@click.command("rules")
def list_rules() -> None:
    """List the rules with their formulas."""
    rows = []
    for name, rule in RULES.items():
        value: Any = rule()
        first = (inspect.getdoc(rule) or "").splitlines()[0]
        rows.append([name, value.formula(), first])
    print_table(("rule", "formula of the default", "what"), rows)


@click.command("composites")
def list_composites() -> None:
    """List the composites: which rule where."""
    rows = []
    for name in composites.names():
        accepted = composites.takes(name)
        for where, rule in composites.get(name).entries:
            shown = "ZBox(low=.., high=..)" if isinstance(rule, ZBox) else repr(rule)
            rows.append([name, _place(where), shown, ", ".join(accepted)])
            name, accepted = "", []
    print_table(("composite", "where", "rule", "parameters"), rows)
    click.echo("\nThe first line that fits a node gives its rule; other nodes keep their own way.")


@click.command("methods")
def list_methods() -> None:
    """List the methods that are set beside LRP, with their formulas and parameters."""
    rows = []
    for name, kind in METHODS.items():
        parameters = [
            f.name if f.default is dataclasses.MISSING else f"{f.name}={f.default!r}"
            for f in dataclasses.fields(kind) if f.init
        ]  # fmt: skip
        rows.append([name, _sentence(kind), ", ".join(parameters)])
    print_table(("method", "what", "parameters (--set KEY=VALUE)"), rows)
    click.echo("\nA composite is a method too: LRP by its rules ('lrp-ref composites').")


@click.command("measures")
def list_measures() -> None:
    """List the measures by which methods are compared."""
    rows = [
        [m.name, _sentence(m.function), m.kind, m.better if m.better != "neither" else "", m.unit, _needs(m)]
        for m in MEASURES.values()
    ]
    print_table(("measure", "what", "kind", "better", "unit", "needs"), rows)


def _needs(measure: Measure) -> str:
    """Return what a measure needs beside what every report has: model, samples, maps and targets."""
    return ", ".join(v for v in measure.fields.values() if v in ("masks", "boxes", "net"))


def _sentence(described: Any) -> str:
    """Return the first line of a docstring, without its markup."""
    first = (inspect.getdoc(described) or "").splitlines()[0]
    return re.sub(r":\w+:`(?:\w+\.)*(\w+)`", r"\1", first).replace("``", "")


def _place(where: composites.Where) -> str:
    kinds = where if isinstance(where, tuple) else (where,)
    names = [k.__name__ if isinstance(k, type) else str(k) for k in kinds]
    return "every node" if kinds == (Layer,) else ", ".join(names)
