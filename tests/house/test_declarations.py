"""How the package's functions and classes are declared: callable by keyword, values that are frozen."""

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import pytest

import lrp_ref
from lrp_ref import layers, rules
from lrp_ref.base.frozen import Value
from lrp_ref.fast.quotient import Sent
from lrp_ref.layers import LAYERS
from lrp_ref.rules import RULES
from lrp_ref.rules.prepared import PreparedRule
from lrp_ref.rules.rule import Redistribution, WithBias
from lrp_ref.rules.share import Given

MODULES = sorted(
    found.name
    for found in pkgutil.walk_packages(lrp_ref.__path__, "lrp_ref.")
    if found.name.split(".")[1] in {"fast", "layers", "rules"}
)


def own(module: Any) -> Iterator[tuple[str, Any]]:
    for name, thing in vars(module).items():
        if getattr(thing, "__module__", None) == module.__name__ and not name.startswith("__"):
            yield name, thing


def classes() -> list[type]:
    found = (thing for name in MODULES for _, thing in own(importlib.import_module(name)))
    return [thing for thing in found if isinstance(thing, type) and not getattr(thing, "_is_protocol", False)]


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    for name in MODULES:
        for label, thing in own(importlib.import_module(name)):
            if isinstance(thing, FunctionType):
                yield f"{name}.{label}", thing
            elif isinstance(thing, type):
                for method, member in vars(thing).items():
                    plain = member.__func__ if isinstance(member, staticmethod | classmethod) else member
                    if isinstance(plain, FunctionType) and plain.__module__ == name:
                        yield f"{name}.{label}.{method}", plain


WRITTEN = [(name, f) for name, f in functions() if not f.__code__.co_filename.startswith("<")]


def test_there_are_functions_and_classes() -> None:
    assert len(WRITTEN) > 300
    assert len(DATA) > 50


def test_no_argument_is_by_position_only() -> None:
    """A caller may name every argument."""
    named = [
        f"{name}({parameter.name})"
        for name, function in WRITTEN
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY
    ]
    assert named == []


def test_functions_of_a_class_without_self_are_static() -> None:
    """They may be called on a value, too."""
    for cls in classes():
        for name, member in vars(cls).items():
            if isinstance(member, FunctionType):
                assert next(iter(inspect.signature(member).parameters), None) == "self", f"{cls.__name__}.{name}"


DATA = [c for c in classes() if "__dataclass_params__" in vars(c)]


@pytest.mark.parametrize("cls", DATA, ids=lambda c: c.__name__)
def test_values_are_frozen(cls: Any) -> None:
    assert cls.__dataclass_params__.frozen


@pytest.mark.parametrize("cls", [Redistribution, Given, PreparedRule, Sent], ids=lambda c: c.__name__)
def test_bundles_of_arrays_are_compared_by_identity(cls: type) -> None:
    """Comparing their fields would ask an array for its truth value."""
    assert cls.__eq__ is object.__eq__


@pytest.mark.parametrize("cls", [*RULES.values(), *LAYERS.values()], ids=lambda c: c.__name__)
def test_nothing_can_be_added_to_a_rule_or_layer(cls: Any) -> None:
    """A subclass that is not declared frozen would take new attributes, and forget them in a copy."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        object.__new__(cls).remark = "new"


@pytest.mark.parametrize(("folder", "table"), [(rules, RULES), (layers, LAYERS)], ids=["rules", "layers"])
def test_every_rule_and_layer_is_public(folder: Any, table: dict[str, type]) -> None:
    assert set(table) <= set(folder.__all__)
    assert all(getattr(folder, name) is cls for name, cls in table.items())


@pytest.mark.parametrize("cls", [c for c in classes() if issubclass(c, Value)], ids=lambda c: c.__name__)
def test_values_are_compared_hashed_and_shown_as_values(cls: type) -> None:
    """A dataclass' own methods would compare arrays by their truth value and print them whole."""
    assert cls.__eq__ is Value.__eq__
    assert cls.__hash__ is Value.__hash__
    assert cls.__repr__ in {
        Value.__repr__,
        WithBias.__repr__,
        *(vars(base).get("__repr__") for base in cls.__mro__[1:]),
    }
