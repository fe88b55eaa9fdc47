"""The command that is running, as it can be given again."""

from __future__ import annotations

import shlex
from typing import Any

import click
from click.core import ParameterSource


def command_line(context: click.Context) -> str:
    """Return the command with the arguments and options that were given, quoted for a shell.

    Example:
        >>> @click.command()
        ... @click.argument("model")
        ... @click.option("--rule", "rules", multiple=True)
        ... @click.option("--all", "everything", is_flag=True)
        ... def show(model, rules, everything):
        ...     print(command_line(click.get_current_context()))
        >>> show(["my net.npz", "--rule", "fc=Pass", "--all"], "show", standalone_mode=False)
        lrp-ref show 'my net.npz' --rule fc=Pass --all
    """
    words = ["lrp-ref", *_names(context)]
    given = [p for p in context.command.params if context.get_parameter_source(p.name or "") is GIVEN]
    for parameter in sorted(given, key=lambda p: isinstance(p, click.Option)):
        value = context.params[parameter.name or ""]
        for one in value if isinstance(value, (tuple, list)) else (value,):
            words += _words(parameter, one)
    return shlex.join(words)


def _names(context: click.Context) -> list[str]:
    """Return the names of a command and of the groups that it is in, without the program's."""
    above = context.parent
    inside = above is not None and above.parent is not None
    return [*(_names(above) if above is not None and inside else ()), context.info_name or ""]


GIVEN = ParameterSource.COMMANDLINE


def _words(parameter: click.Parameter, value: Any) -> list[str]:
    if not isinstance(parameter, click.Option):
        return [str(value)]
    name = max(parameter.opts, key=len)
    return [name] if parameter.is_flag else [name, str(value)]
