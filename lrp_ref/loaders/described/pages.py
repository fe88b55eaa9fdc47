"""The table of kinds as Markdown, for docs/export/pytorch.md.

python -m lrp_ref.loaders.described.pages
"""

from __future__ import annotations

import json

from .kinds import MODULES, REQUIRED, Module


def table() -> str:
    """Return a row for every kind: how it is written, its tensors, and its options with their defaults.

    Example:
        >>> print(table().splitlines()[0])
        | kind | written | tensors | options and their defaults |
    """
    rows = ["| kind | written | tensors | options and their defaults |", "| --- | --- | --- | --- |"]
    for one in (one for kind, one in MODULES.items() if kind == one.kinds[0]):
        rows.append(f"| {', '.join(one.kinds)} | {_written(one)} | {_tensors(one)} | {_options(one)} |")
    return "\n".join(rows)


def _written(one: Module) -> str:
    kind = one.kinds[0]
    if one.tensors:
        return f'`{{"{kind}": "NAME"}}`'
    if one.main == "inputs":
        return f'`{{"{kind}": ["A", "B"]}}`'
    alone = "" if one.main and one.options[one.main] is REQUIRED else f'`"{kind}"`'
    value = f'`{{"{kind}": {one.main}}}`' if one.main else ""
    return ", ".join(part for part in (alone, value) if part)


def _tensors(one: Module) -> str:
    return ", ".join((*one.tensors, *(f"({name})" for name in one.unused)))


def _options(one: Module) -> str:
    shown = {key: "needed" if default is REQUIRED else json.dumps(default) for key, default in one.options.items()}
    return ", ".join(f"{key} {default}" for key, default in shown.items() if key != "inplace")


if __name__ == "__main__":
    print(table())
