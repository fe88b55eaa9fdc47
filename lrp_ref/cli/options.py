"""Options that several commands share: composites with parameters, starts, targets."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np

from ..dialects import DIALECTS
from ..errors import ParameterError, nearest, unknown
from ..layers import LAYERS
from ..loaders.preprocess import Sidecar
from ..network.canonization import canonize
from ..network.network import Network
from ..propagation import composites, start
from ..propagation.differences import TOLERANCES
from ..rules import RULES, AnyRule
from ..rules.groups import ALIASES, BIAS_POLICIES
from .output import warn

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(path_type=Path)
FEW = 12  # classes that an error lists


BIAS = click.Choice([*BIAS_POLICIES, *ALIASES])  # help shows the former alone
PARAMETERS = ("epsilon", "gamma", "beta", "low", "high", "bias")
BIAS_HELP = (
    "What becomes of the relevance of biases: they absorb it (the papers' denominators, the default), are left out of "
    "the denominators, or spread it evenly over the inputs of their unit, or over those that are not 0."
)
COMPOSITES = ", ".join(composites.names())
STARTS = f"{', '.join(start.STARTS)}, difference (with --against), reference=VALUE"


def one_composite(command: F) -> F:
    """Add the choice of a composite to a command that takes one; a second one is refused, not preferred in silence."""

    def only(context: click.Context, parameter: click.Parameter, names: tuple[str, ...]) -> str | None:
        if len(set(names)) > 1:
            raise ParameterError(f"--composite {' and '.join(names)}: this command takes one; run it once for each")
        return names[0] if names else None

    text = "Which rules; 'lrp-ref composites' lists them. Default: the sidecar's, or epsilon."
    return click.option("-c", "--composite", multiple=True, callback=only, help=text)(command)


def tolerance_option(command: F) -> F:
    """Add the relative difference from which on two arrays depart to a command that compares traces."""
    defaults = ", ".join(f"{limit:g} for {dtype}" for dtype, limit in reversed(TOLERANCES.items()))
    text = f"max |a − b| / max |a| from which on two arrays depart. Default: by dtype, {defaults}."
    return click.option("--tolerance", type=click.FloatRange(min=0), metavar="NUMBER", help=text)(command)


def dialect_option(command: F) -> F:
    """Add the choice of a program whose numbers are computed to a command that explains by composites."""
    text = f"Compute what another program does under the same names: {', '.join(DIALECTS)}. Default: the papers' rules."
    return click.option("--dialect", "spoken", metavar="NAME", help=text)(command)


def composite_options(command: F) -> F:
    """Add the parameters of composites to a command."""
    for option in (
        click.option("--bias", type=BIAS, metavar=f"[{'|'.join(BIAS_POLICIES)}]", help=BIAS_HELP),
        click.option("--high", metavar="NUMBER[,...]", help="Largest value of the input, or one per channel."),
        click.option("--low", metavar="NUMBER[,...]", help="Least value of the input; default: the sidecar's."),
        click.option("--beta", type=float, help="β of beta_smooth."),
        click.option("--gamma", type=float, help="γ of the composite."),
        click.option("--epsilon", type=float, help="ε of the composite."),
    ):
        command = option(command)
    return command


def rule_option(command: F) -> F:
    """Add rules for single nodes or kinds of layers to a command."""
    shown = (
        "Rule of a node (by name or pattern) or of a kind of layer, before the composite's: Softmax=Zero, "
        "'fc1=Epsilon(epsilon=0.1)'; repeatable."
    )
    return click.option("--rule", "rules", multiple=True, metavar="WHERE=RULE", help=shown)(command)


def with_rules(composite: composites.Composite, texts: Sequence[str]) -> composites.Composite:
    """Return the composite with the rules of ``--rule`` in front; they become part of its name.

    Raises:
        ParameterError: no WHERE=RULE, or a rule that is not known.

    Example:
        >>> with_rules(composites.get("epsilon"), ["Softmax=Zero"]).name
        'epsilon, Softmax=Zero'
        >>> with_rules(composites.get("epsilon"), ["mul=Product(gate=0)"]).entries[0]
        ('mul', Product(product='signal', gate=0, stabiliser=exact))
    """
    if not texts:
        return composite
    entries = []
    for text in texts:
        where, sign, name = (part.strip() for part in text.partition("="))
        if not where or not sign:
            raise ParameterError(f"--rule {text}: write it like Softmax=Zero (a node or a kind of layer, and a rule)")
        entries.append((LAYERS.get(where, where), _rule(name)))
    return composites.Composite(
        entries,
        name=", ".join((composite.name, *texts)),
        base=(*composite.entries, *composite.base),
        bias=composite.bias,
    )


def _rule(text: str) -> AnyRule:
    """Return the rule for its name, with its parameters in brackets where it has any: Epsilon(epsilon=0.1).

    Raises:
        ParameterError: a rule or a parameter that is not known, or a value that it cannot have.
    """
    found = re.fullmatch(r"(\w+)\s*(?:\((.*)\))?", text)
    if found is None or found[1] not in RULES:
        raise unknown("rule", text if found is None else found[1], RULES)
    rule, given = RULES[found[1]], dict[str, Any]()
    plain = (int, float, str, type(None), type(MISSING))  # rules and stabilisers in rules are not written here
    numbers = {field.name for field in fields(rule) if field.init and isinstance(field.default, plain)}
    for part in filter(None, (part.strip() for part in (found[2] or "").split(","))):
        key, sign, value = (word.strip() for word in part.partition("="))
        if not sign or key not in numbers:
            takes = f"takes {', '.join(sorted(numbers))}" if numbers else "takes no parameters"
            raise ParameterError(f"--rule ...={text}: {found[1]} {takes}; not '{part}'")
        if key in given:
            raise ParameterError(f"--rule ...={text}: {key} is given twice")
        given[key] = _value(value)
    try:
        return rule(**given)
    except TypeError as error:  # a parameter without a default, or a word for a number
        raise ParameterError(f"--rule ...={text}: {error}") from None


def _value(text: str) -> Any:
    """Return a number, None, or the word that it is."""
    if text == "None":
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text.strip("'\"")


def warn_unused_rules(net: Network, texts: Sequence[str], *, canonized: bool = True) -> None:
    """Say on stderr which rules of ``--rule`` are for a kind of layer that the network, as explained, has not."""
    nodes = (canonize(net) if canonized and texts else net).nodes
    for text in texts:
        where = text.partition("=")[0].strip()
        if where in LAYERS and not any(isinstance(node.layer, LAYERS[where]) for node in nodes):
            warn(f"--rule {text} has no effect: no node of the network, as it is explained, is a {where}")


def make_composite(
    name: str | None, net: Network, sidecar: Sidecar | None, given: dict[str, Any]
) -> composites.Composite:
    """Return the composite that was asked for, the sidecar's or the network's; all else as in :func:`find_preset`."""
    preset, parameters = find_preset(name, net, sidecar, given)
    composite = with_rules(composites.resolve(preset, parameters), given.get("rules", ()))
    return composite if given.get("spoken") is None else composite.spoken(given["spoken"])


def find_preset(
    name: str | None, net: Network, sidecar: Sidecar | None, given: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return the preset that was asked for, the sidecar's with its bias policy, or the network's; and its parameters.

    Raises:
        ParameterError: an unknown name, a parameter that the composite does not take, or one out of its range.
    """
    parameters = {key: given[key] for key in PARAMETERS if given.get(key) is not None}
    parameters |= {key: _numbers(key, parameters[key]) for key in ("low", "high") if key in parameters}
    if name is None and sidecar is not None:
        parameters = ({"bias": sidecar.bias} if sidecar.bias != "absorb" else {}) | parameters
    preset = name or (sidecar.composite if sidecar else "") or composites.usual(net)
    composites.resolve(preset, parameters)
    return preset, parameters


def make_composites(
    names: Sequence[str], net: Network, sidecar: Sidecar | None, given: dict[str, Any]
) -> dict[str, composites.Composite]:
    """Return the composites that were asked for, or the sidecar's, by name; each takes those parameters that it has.

    Raises:
        ParameterError: as :func:`find_preset`; a parameter that none of them takes.
    """
    chosen = tuple(dict.fromkeys(names)) or (None,)
    taken = {name: composites.takes(name) for name in names}
    found = {}
    for name in chosen:
        others = {key for other, keys in taken.items() if other != name for key in keys}
        own = {key: v for key, v in given.items() if name is None or key not in others or key in taken.get(name, ())}
        composite = make_composite(name, net, sidecar, own)
        found[name or composite.name] = composite
    return found


def _numbers(option: str, text: str) -> Any:
    """Return a number, or an array where there are several with commas between them."""
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        raise ParameterError(f"--{option} {text}: give a number, or one per channel with commas between them") from None
    return found[0] if len(found) == 1 else np.array(found)


def output_option(command: F) -> F:
    """Add the choice of the value that is explained."""
    text = "Which output: one of the file, or a tensor or node inside it. Default: the first of the file."
    return click.option("--output", "output_name", metavar="NAME", help=text)(command)


def architecture_option(command: F) -> F:
    """Add the description of the network of a file that has weights alone."""
    text = "JSON or TOML file that describes the network of a weights file. Default: NAME.architecture.json beside it."
    return click.option("--architecture", metavar="FILE", type=FILE, help=text)(command)


def load_network(model: Path, output: str | None, architecture: Path | None = None, **options: Any) -> Network:
    """Return the network of a file with the output that was asked for; say what is not as one might expect.

    That is: which of the file's outputs it has not, a batch that is not the first axis, and what it notes of itself.
    ``options`` are the loader's.
    """
    from .. import loaders

    net = loaders.load(model, output=output, architecture=architecture, **options)
    tell_notes(net, model)
    return net


def tell_notes(net: Network, model: Path) -> None:
    """Say on stderr what of the network of a file is not as one might expect."""
    for spec in net.inputs:
        if spec.batch_axis != 0:
            click.echo(f"note: input '{spec.name}' is {spec.described()}", err=True)
    for name, reason in net.left_out:
        click.echo(f"note: output '{name}' of {model} is left out: {reason}", err=True)
    for text in net.notes:
        click.echo(f"note: {text}", err=True)


def make_start(text: str | None, against: Any = None) -> Any:
    """Return the start relevance for its name; ``reference=VALUE`` for a regression, the difference with ``against``.

    Example:
        >>> make_start("reference=2.5")
        Reference(value=2.5)
    """
    if against is not None:
        if text not in (None, "difference"):
            raise ParameterError(f"--against is for the start 'difference': leave out --start {text}, or --against")
        return start.Difference(against)
    text = text or "logit"
    if text == "difference":
        raise ParameterError("start 'difference' needs the class that the target is set against: add --against CLASS")
    name, _, value = text.partition("=")
    if name != "reference":
        return start.find(text)
    try:
        return start.Reference(float(value))
    except ValueError:
        raise ParameterError(f"start '{text}': write the value of interest like reference=2.5") from None


def warn_unused_target(begin: Any, given: str) -> None:
    """Say on stderr that a target which was given changes nothing of a start that is of all outputs."""
    if isinstance(begin, start.Positive):
        warn(f"{given} has no effect on relevance: the start 'positive' is every positive output, whatever the target")


def class_names(net: Network, sidecar: Sidecar | None) -> tuple[str, ...]:
    """Return the names of the outputs: those of the sidecar, or those that the model itself brings.

    Example:
        >>> from lrp_ref.neuralise import Fitted, from_fitted
        >>> held = {"coef_": np.array([[1.0, -2.0]]), "classes_": np.array(["ham", "spam"])}
        >>> class_names(from_fitted(Fitted("LinearSVC", held)), None)
        ('spam',)
    """
    return (sidecar.classes if sidecar else ()) or net.classes


def find_outputs(text: str, classes: Sequence[str]) -> Any:
    """Return the target of ``explain`` for a class, for a unit c,h,w of a map, or for a sum of classes A+B.

    Raises:
        ParameterError: as :func:`find_target`.

    Example:
        >>> find_outputs("1,0,2", ()), find_outputs("3+9", ()), find_outputs("cat", ["dog", "cat"])
        ((1, 0, 2), ((3, 9),), 1)
    """
    wanted = text.strip().casefold()
    if wanted in (name.casefold() for name in classes):
        return find_target(text, classes)
    if re.fullmatch(r"\d+(\s*,\s*\d+)+", wanted):
        return tuple(int(part) for part in wanted.split(","))
    if "+" in wanted.removeprefix("+"):
        return (tuple(find_target(part, classes) for part in text.split("+")),)
    return find_target(text, classes)


def find_target(text: str, classes: Sequence[str]) -> int:
    """Return the index of a class: a number, a name in any case, or the one name that it begins or is a word of.

    Raises:
        ParameterError: no such class (the nearest are named), or several.

    Example:
        >>> find_target("egyptian", ["tabby", "Egyptian cat", "tiger cat"])
        1
        >>> find_target("cat", ["tabby", "Egyptian cat", "tiger cat", "catamaran"])
        Traceback (most recent call last):
        lrp_ref.errors.ParameterError: class 'cat' may be one of: Egyptian cat (1), tiger cat (2), catamaran (3)
    """
    wanted, names = text.strip().casefold(), [c.casefold() for c in classes]
    found = [k for k, name in enumerate(names) if name == wanted]
    if not found and re.fullmatch(r"[+-]?\d+", wanted):
        return int(wanted)
    if not classes:
        raise ParameterError(f"target '{text}': the model has no class names; give the number of an output")
    if not found and wanted:
        word = re.compile(rf"\b{re.escape(wanted)}\b")
        found = [k for k, name in enumerate(names) if name.startswith(wanted) or word.search(name)]
    if not found:
        near = dict.fromkeys(nearest(wanted, classes, most=3))
        hint = ", ".join(f"'{name}' ({classes.index(name)})" for name in near)
        listed = f": {', '.join(classes)}" if len(classes) <= FEW else "; 'lrp-ref show MODEL --classes' lists them"
        if len(classes) == 1:
            raise ParameterError(
                f"unknown class '{text}': the model has one output, > 0 for '{classes[0]}' and < 0 against it: "
                f"leave the target out, or give '{classes[0]}'"
            )
        raise ParameterError(
            f"unknown class '{text}': {f'did you mean {hint}? ' if hint else ''}"
            f"the model has {len(classes)} classes{listed}"
        )
    if len(found) > 1:
        more = f" and {len(found) - 8} more" if len(found) > 8 else ""
        shown = ", ".join(f"{classes[k]} ({k})" for k in found[:8])
        raise ParameterError(f"class '{text}' may be one of: {shown}{more}")
    return found[0]
