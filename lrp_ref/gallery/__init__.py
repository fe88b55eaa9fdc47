"""The gallery: what LRP is known for, each application one short file, run by one command on data that one can have.

``lrp-ref gallery`` lists them and runs them. Each is a question of the literature, its data, a model and an answer: a
picture, numbers, and whether what is claimed held here. Machinery: it serves the command, and may change.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from ..errors import unknown
from . import applications
from .application import Application, Finding, Found, Need, Run
from .record import Record
from .running import missing, run

__all__ = ["Application", "Finding", "Found", "Need", "Record", "Run", "find", "missing", "names", "run"]


def names() -> tuple[str, ...]:
    """Return the names of all applications, in alphabetical order."""
    return tuple(sorted(module.name.replace("_", "-") for module in iter_modules(applications.__path__)))


def find(name: str) -> Application:
    """Return the application of a name.

    Raises:
        ParameterError: there is none; says which name is near.

    Example:
        >>> find("three-against-nine").title
        'What makes a 3 not a 9'
    """
    if name not in names():
        raise unknown("application", name, names())
    found = import_module(f".applications.{name.replace('-', '_')}", __name__)
    assert isinstance(found.APPLICATION, Application)
    return found.APPLICATION
