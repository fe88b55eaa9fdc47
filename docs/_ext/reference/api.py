"""The pages of the API: every public name of the package, from its docstring."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import lrp_ref as lrp

from .parts import first_sentence, table
from .rules_layers import RULES


def modules() -> dict[str, ModuleType]:
    """Return the public modules by the name under which a user has them, without ``lrp_ref.``."""
    found = {name: getattr(lrp, name) for name in lrp.__all__ if isinstance(getattr(lrp, name), ModuleType)}
    for name in ("evaluate.known", "evaluate.quantus"):
        found[name] = import_module(f"lrp_ref.{name}")
    return dict(sorted(found.items()))


def public(module: ModuleType) -> dict[str, Any]:
    """Return the public names of a module: ``__all__``, or the classes and functions that it defines."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [n for n, v in vars(module).items() if not n.startswith("_") and _defined_in(v, module)]
    return {name: getattr(module, name) for name in sorted(names, key=str.lower)}


def _defined_in(value: Any, module: ModuleType) -> bool:
    return (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == module.__name__


def elsewhere(name: str) -> str | None:
    """Return the page, relative to the API's, on which a class of rules, layers or methods is documented."""
    kind, _, own = name.rpartition(".")
    if kind == "rules" and own in RULES:
        return f"../rules/{own}"
    if kind == "layers" and own in lrp.layers.LAYERS:
        return f"../layers/{own}"
    if kind == "methods":
        return next((f"../methods/{m}" for m, k in lrp.methods.METHODS.items() if k.__name__ == own), None)
    return None


def api_pages() -> Iterator[tuple[str, str]]:
    """Yield name and text of every page: the names of ``lrp_ref`` itself, its modules, and their table."""
    top = {n: getattr(lrp, n) for n in lrp.__all__ if not isinstance(getattr(lrp, n), ModuleType)}
    homes = {id(value): f"lrp_ref.{name}" for name, value in top.items()}
    rows = [("[lrp_ref](lrp_ref.md)", "The names that are at hand after `import lrp_ref as lrp`.")]
    blocks = [_entry(f"lrp_ref.{name}", value) for name, value in sorted(top.items(), key=lambda i: i[0].lower())]
    intro = "The names that are at hand after `import lrp_ref as lrp`; the modules below it have pages of their own."
    yield "lrp_ref", "\n\n".join(["# lrp_ref", intro, *blocks])
    for name, module in modules().items():
        entries, links = [], []
        for own, value in public(module).items():
            page = elsewhere(f"{name}.{own}")
            if page is not None:
                links.append((f"[{own}]({page}.md)", first_sentence(value)))
            elif id(value) in homes and (inspect.isclass(value) or inspect.isfunction(value)):
                links.append((f"{{py:obj}}`{own} <{homes[id(value)]}>`", first_sentence(value)))
            elif not isinstance(value, ModuleType):
                entries.append(_entry(f"lrp_ref.{name}.{own}", value))
        told = f"```{{eval-rst}}\n.. py:module:: lrp_ref.{name}\n\n{_docstring(module)}\n```"
        listed = [table(("name", "what"), links)] if links else []
        yield name, "\n\n".join([f"# lrp_ref.{name}", told, *listed, *entries])
        rows.append((f"[lrp_ref.{name}]({name}.md)", first_sentence(module)))
    links_ = "```{toctree}\n:hidden:\n" + "\n".join(["lrp_ref", *modules()]) + "\n```"
    yield "index", f"# API\n\nEvery public name, from its docstring.\n\n{table(('module', 'what'), rows)}\n\n{links_}"


def _docstring(module: ModuleType) -> str:
    return inspect.getdoc(module) or ""


def _entry(name: str, value: Any) -> str:
    if inspect.isclass(value):
        return f"```{{eval-rst}}\n.. autoclass:: {name}\n   :members:\n   :show-inheritance:\n```"
    if inspect.isfunction(value):
        return f"```{{eval-rst}}\n.. autofunction:: {name}\n```"
    module, _, own = name.rpartition(".")
    return f"```{{eval-rst}}\n.. py:data:: {own}\n   :module: {module}\n   :type: {type(value).__name__}\n```"
