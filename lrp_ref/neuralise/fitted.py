"""A fitted estimator as plain data: the name of its class and its attributes, from a live object or from a file.

Converters read nothing else, so that scikit-learn is not needed for what it has fitted, and an estimator in memory
and the same one in a file become the same network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from ..base.frozen import frozen, is_array, short
from ..errors import ParameterError, UnsupportedError

LIBRARY = "sklearn"
NUMBERS = "fiub"  # NumPy's kinds of arrays of numbers
PLAIN = (type(None), bool, int, float, str, np.bool_, np.integer, np.floating)
DEEPEST = 64  # values inside each other; an estimator that holds itself is deeper than any
TREES = ("KDTree", "BallTree")
# What a class of one's own may have beside a class of scikit-learn and still compute what that one computes.
HARMLESS = frozenset(
    ("fit", "fit_transform", "fit_predict", "partial_fit", "score", "get_params", "set_params", "get_metadata_routing",
     "_abc_impl")
)  # fmt: skip
REQUESTS = ("set_", "_request")  # scikit-learn gives each derived class methods of its own that are called so
# What everyone derives estimators of their own from, and what computes nothing.
FOUNDATIONS = ("BaseEstimator", "Mixin")


@dataclass(frozen=True)
class Opaque:
    """What is known by its name alone: a function, a class, or an object whose content is not read.

    Attributes:
        name: module and name, of an object those of its class.
    """

    name: str


@dataclass(frozen=True, eq=False, repr=False)
class Fitted:
    """An estimator of scikit-learn as the name of its class and its attributes.

    Values are numbers, texts, None, read-only arrays, ``scipy.sparse.csr_array``, tuples (lists too), frozen sets,
    mappings, nested :class:`Fitted`, and :class:`Opaque` for all others. Of a ``KDTree`` or ``BallTree`` there are
    the points in it, ``data``, and ``sample_weight``.

    Args:
        kind: name of the class, such as "LinearSVC".
        attributes: by name, parameters and what was fitted; as in ``vars(estimator)``.

    Example:
        >>> svm = Fitted("LinearSVC", {"coef_": np.array([[1.0, -2.0]]), "C": 1.0})
        >>> svm
        Fitted(LinearSVC: coef_=float64[1, 2], C=1.0)
        >>> svm["coef_"]
        array([[ 1., -2.]])
        >>> svm.get("gamma", "scale")
        'scale'
    """

    kind: str
    attributes: Mapping[str, Any]

    def __post_init__(self) -> None:
        made = {name: _sealed(value) for name, value in self.attributes.items()}
        object.__setattr__(self, "attributes", MappingProxyType(made))

    @classmethod
    def of(cls, estimator: Any) -> Fitted:
        """Return an estimator of scikit-learn as plain data; scikit-learn is not imported.

        The class may also be one derived from a class of scikit-learn, if it has no other methods for what the
        estimator computes.

        Args:
            estimator: of scikit-learn, fitted or not; a :class:`Fitted` is returned as it is.

        Raises:
            ParameterError: a class instead of an object of it.
            UnsupportedError: not of scikit-learn; a derived class with methods of its own; an estimator that holds
                itself.

        Example:
            >>> class LinearSVC:
            ...     __module__ = "sklearn.svm"
            ...     def __init__(self):
            ...         self.coef_, self.intercept_ = np.array([[1.0, -2.0]]), np.array([0.5])
            >>> Fitted.of(LinearSVC())
            Fitted(LinearSVC: coef_=float64[1, 2], intercept_=float64[1])
        """
        if isinstance(estimator, Fitted):
            return estimator
        if isinstance(estimator, type):
            name = estimator.__name__
            raise ParameterError(f"{name} is a class, not a fitted estimator: pass what {name}(…).fit(…) returns")
        made = _plain(estimator, 0)
        if not isinstance(made, Fitted):
            raise UnsupportedError(f"a {_named(type(estimator))} is not an estimator of scikit-learn")
        return made

    def __getitem__(self, name: str) -> Any:
        """Return an attribute.

        Raises:
            ParameterError: there is none of this name.
        """
        if name in self.attributes:
            return self.attributes[name]
        raise ParameterError(f"{self.kind}: it has no {name}: it was not fitted, or by another version of scikit-learn")

    def __contains__(self, name: object) -> bool:
        return name in self.attributes

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute, or another value where there is none of this name."""
        return self.attributes.get(name, default)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Fitted):
            return NotImplemented
        return self.kind == other.kind and _same(self.attributes, other.attributes)

    def __hash__(self) -> int:
        return hash((self.kind, frozenset(self.attributes)))

    def __repr__(self) -> str:
        return f"Fitted({self.kind}: {', '.join(f'{n}={_short(v)}' for n, v in self.attributes.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Fitted, (self.kind, _opened(self.attributes))


# Live objects --------------------------------------------------------------------------------------------------------


def _plain(value: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise UnsupportedError(f"values inside each other, more than {DEEPEST} deep, as of an estimator in itself")
    if isinstance(value, (*PLAIN, Fitted, Opaque)):
        return value
    if isinstance(value, np.ndarray) and not isinstance(value, np.ma.MaskedArray):
        return array(value)
    if isinstance(value, list | tuple):
        return tuple(_plain(v, depth + 1) for v in value)
    if isinstance(value, dict):
        return {k: _plain(v, depth + 1) for k, v in value.items()}
    if isinstance(value, set | frozenset):
        return frozenset(_plain(v, depth + 1) for v in value)
    if type(value).__module__.startswith("scipy.sparse") and hasattr(value, "tocsr"):
        from scipy.sparse import csr_array

        return csr_array(value)
    found = _of_library(type(value))
    if found is not None and found.__name__ in TREES:
        return tree(found.__name__, np.asarray(value.data), value.sample_weight)
    if found is None or not hasattr(value, "__dict__"):
        return Opaque(_named(value if hasattr(value, "__qualname__") else type(value)))
    replaced = [k for k, v in vars(value).items() if callable(v) and callable(getattr(found, k, None))]
    if replaced:
        raise UnsupportedError(
            f"this {found.__name__} has its own {', '.join(replaced)} instead of its class's: what it computes is not "
            "known"
        )
    return Fitted(found.__name__, {k: _plain(v, depth + 1) for k, v in vars(value).items()})


def array(value: np.ndarray[Any, Any], *, own: bool = False) -> Any:
    """Return a read-only array of numbers or texts, also as objects; :class:`Opaque` for one of anything else.

    Args:
        value: of any kind.
        own: whether nobody else has it, so that it need not be copied.

    Example:
        >>> array(np.array(["cat", "dog"], dtype=object))
        array(['cat', 'dog'], dtype=object)
        >>> array(np.array([1 + 2j]))
        Opaque(name='numpy.ndarray of complex128')
    """
    objects = value.dtype.kind == "O" and all(isinstance(v, PLAIN) for v in value.flat)
    if not objects and value.dtype.kind not in f"{NUMBERS}U":
        return Opaque(f"numpy.ndarray of {value.dtype}")
    if own:
        value.flags.writeable = False
    return value if own else frozen(np.asarray(value))


def tree(kind: str, data: Any, weight: Any) -> Fitted:
    """Return what a density needs of a tree of points: the points (N, D), and their weights (N,) or None."""
    return Fitted(kind, {"data": data, "sample_weight": None if weight is None else np.asarray(weight)})


def is_of_library(module: str) -> bool:
    """Return whether a module is one of scikit-learn.

    Example:
        >>> is_of_library("sklearn.svm._classes"), is_of_library("sklearnex.svm")
        (True, False)
    """
    return module.partition(".")[0] == LIBRARY


def _of_library(kind: type) -> type | None:
    """Return the class of scikit-learn that a class is, or is derived from without methods that compute otherwise."""
    for k, one in enumerate(kind.__mro__):
        if not is_of_library(one.__module__):
            continue
        if k and one.__name__.endswith(FOUNDATIONS):
            return None  # a class of somebody else
        for own in kind.__mro__[:k]:
            changed = [n for n in vars(own) if hasattr(one, n) and not _is_harmless(n)]
            if changed:
                names = ", ".join(changed)
                raise UnsupportedError(
                    f"{_named(kind)} is a {one.__name__} with its own {names}: what it computes is not known"
                )
        return one
    return None


def _is_harmless(name: str) -> bool:
    """Return whether a derived class may have a method of this name of its own."""
    before, behind = REQUESTS
    return name.startswith("__") or name in HARMLESS or (name.startswith(before) and name.endswith(behind))


def _named(what: Any) -> str:
    return f"{getattr(what, '__module__', None) or 'builtins'}.{what.__qualname__}"


# Comparison and the like ---------------------------------------------------------------------------------------------


def _sealed(value: Any) -> Any:
    """Return a value that nobody can write into."""
    if isinstance(value, np.ndarray):
        if value.flags.writeable:
            value = frozen(value)
        return value
    if isinstance(value, list | tuple):
        return tuple(_sealed(v) for v in value)
    if isinstance(value, Mapping):
        return MappingProxyType({k: _sealed(v) for k, v in value.items()})
    return value


def _opened(value: Any) -> Any:
    """Return the same with dictionaries, which can be pickled and copied."""
    if isinstance(value, tuple):
        return tuple(_opened(v) for v in value)
    if isinstance(value, Mapping):
        return {k: _opened(v) for k, v in value.items()}
    return value


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    if hasattr(a, "tocsr") and hasattr(b, "tocsr"):
        return bool(a.shape == b.shape and a.dtype == b.dtype and (a != b).nnz == 0)
    if is_array(a) and is_array(b):
        return bool(a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
    return bool(type(a) is type(b) and (a == b or (a != a and b != b)))  # NaN is the same as NaN here


def _short(value: Any) -> str:
    if isinstance(value, np.generic):
        return repr(value.item())
    if is_array(value):
        return short(value)
    if isinstance(value, tuple | frozenset | Mapping) and len(value) > 8:
        name = "dict" if isinstance(value, Mapping) else type(value).__name__
        return f"{name}[{len(value)}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(_short, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{k!r}: {_short(v)}' for k, v in value.items())}}}"
    return repr(value)
