"""An array module that records: its arrays are values of a graph, and what is computed with them becomes its nodes.

Layers, rules and the walk run on it unchanged, as they run on CuPy. Writing into an array, or into a view of it, makes
a new value, which all views see from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arithmetic import Adjustable
from ..errors import UnsupportedError
from . import indexing, sums, values
from .functions import FUNCTIONS, adjusted
from .graph import Graph
from .kernels import Kernels
from .values import BOOL, FLOAT, INT, Value

INTO = {  # operands of functions that take behind them the place of their result
    **dict.fromkeys(("add", "divide", "matmul", "maximum", "minimum", "multiply", "subtract"), 2),
    **dict.fromkeys(("abs", "exp", "log", "negative", "sqrt", "tanh"), 1),
}


class Recorder:
    """The array module of one recording: the functions that ``ARRAY_FUNCTIONS`` lists, and heavy primitives.

    Example:
        >>> import numpy as np
        >>> xp = Recorder()
        >>> x = xp.input("x", (3,))
        >>> y = xp.maximum(2.0 * x + xp.asarray(np.ones(3)), 0.0)
        >>> [call.operator for call in xp.graph.needed([y.value.name])]
        ['Mul', 'Add', 'Relu']
    """

    __name__ = "recorded"
    records = True  # what its arrays hold is not known before the graph runs

    def __init__(self, graph: Graph | None = None) -> None:
        self.graph = Graph() if graph is None else graph
        self.kernels = Kernels(self)

    def __repr__(self) -> str:
        return f"<array module of a graph with {len(self.graph.calls)} nodes>"

    def __getattr__(self, name: str) -> Any:
        if name not in FUNCTIONS:
            raise AttributeError(f"a graph has no function '{name}'")

        def call(*args: Any, out: Recorded | None = None, **how: Any) -> Recorded:
            many = INTO.get(name, len(args))
            if len(args) > many:
                args, out = args[:many], args[many]
            opened = [self.opened(a) for a in args]
            made = self.wrapped(FUNCTIONS[name](self.graph, *opened, **{k: self.opened(v) for k, v in how.items()}))
            if out is None:
                return made
            out[...] = made
            return out

        return call

    def moveaxis(self, x: Recorded, source: int, destination: int) -> Recorded:
        """Return a view with one axis at another place."""
        return x.transpose(indexing.moved(x.ndim, source, destination))

    def input(self, name: str, shape: tuple[int, ...], *, samples: bool = False, dtype: Any = float) -> Recorded:
        """Return an input of the graph.

        Args:
            name: of it.
            shape: without the samples.
            samples: whether their number is a first axis.
            dtype: floats, integers or booleans.
        """
        kind = np.dtype(dtype)
        kind = FLOAT if kind.kind == "f" else INT if kind.kind in "iu" else BOOL
        shape = (values.SAMPLES, *shape) if samples else shape
        if samples and not self.graph.batch:
            self.graph.batch = name
        batch = self.graph.batch if samples else ""
        return self.wrapped(Value(self.graph, shape, kind, name, None, shape, batch))

    def asarray(self, value: Any, dtype: Any = None) -> Recorded:
        """Return numbers of the host as a constant; a recorded array is returned as it is."""
        if isinstance(value, Recorded):
            return value if dtype is None else value.astype(dtype)
        if isinstance(value, list | tuple) and any(isinstance(v, Recorded) for v in value):
            raise UnsupportedError("an array of recorded numbers cannot be written")
        return self.wrapped(Value.constant(self.graph, np.asarray(value, dtype=dtype)))

    def wrapped(self, value: Value) -> Recorded:
        """Return the array that holds a value."""
        return Recorded(self, value)

    def opened(self, value: Any) -> Any:
        """Return the value that an array holds; of lists those of all entries; another object as it is."""
        if isinstance(value, Recorded):
            return value.value
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray):
            raise TypeError(f"an array of NumPy, of shape {value.shape}, next to one of a graph")
        if isinstance(value, list | tuple):
            return type(value)(self.opened(v) for v in value)
        return value


class Recorded:
    """An array of a graph. What it is is known, what numbers it holds is not, unless it is a constant.

    Attributes:
        xp: its array module.
    """

    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]
    __iter__ = None

    def __init__(self, xp: Recorder, value: Value, base: Recorded | None = None, key: Any = None) -> None:
        self.xp, self._value, self._base, self._key = xp, value, base, key
        self._written = 0
        self._seen = 0 if base is None else base._version

    @property
    def _version(self) -> int:
        return self._written + (0 if self._base is None else self._base._version)

    @property
    def value(self) -> Value:
        """The value that it holds now: a view that of its part of the whole."""
        if self._base is not None and self._base._version != self._seen:
            whole = self._base.value
            self._value = _VIEWS[self._key[0]](whole, self._key[1])
            self._seen = self._base._version
        return self._value

    def _write(self, value: Value) -> None:
        """Hold another value, and put it into the array that this one is a view of."""
        self._written += 1
        if self._base is None:
            self._value = value
            return
        whole = self._base.value
        self._base._write(_WRITES[self._key[0]](whole, self._key[1], value))
        self._value, self._seen = value, self._base._version

    def __array_namespace__(self, *, api_version: str | None = None) -> Recorder:
        return self.xp

    def __array__(self, *args: Any, **options: Any) -> Any:
        raise TypeError("what an array of a graph holds is not known before the graph runs")

    shape = property(lambda self: self._value.shape)
    dtype = property(lambda self: self._value.dtype)
    ndim = property(lambda self: len(self._value.shape))
    size = property(lambda self: int(np.prod(self._value.shape, dtype=object)))
    nbytes = property(lambda self: self.size * self._value.dtype.itemsize)
    T = property(lambda self: self.transpose())

    def __len__(self) -> int:
        return int(self.shape[0])

    def __repr__(self) -> str:
        shape = ", ".join("N" if s == values.SAMPLES else str(s) for s in self.shape)
        held = "a constant" if self._value.data is not None else f"value {self._value.name} of a graph"
        return f"{self.dtype.name} ({shape}), {held}"

    def get(self) -> np.ndarray:
        """Return the numbers of a constant on the host.

        Raises:
            UnsupportedError: it is none, so that nobody knows its numbers before the graph runs.
        """
        value = self.value
        if value.data is None:
            raise UnsupportedError(
                "what is computed depends on numbers that are only known when the graph runs, and a graph cannot look"
            )
        return np.broadcast_to(value.numbers, value.shape)

    def __bool__(self) -> bool:
        return bool(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def item(self) -> Any:
        """Return the only number of a constant."""
        return self.get().item()

    def __getitem__(self, key: Any) -> Recorded:
        opened = self.xp.opened(key)
        if any(isinstance(part, Value) for part in (opened if isinstance(opened, tuple) else (opened,))):
            return self.xp.wrapped(indexing.get(self.value, opened))  # a copy, which no view of the array is
        return self._view("part", opened)

    def __setitem__(self, key: Any, new: Any) -> None:
        self._write(indexing.put(self.value, self.xp.opened(key), _value(self, new)))

    def reshape(self, *shape: Any) -> Recorded:
        """Return a view in another shape; always one, where NumPy copies what does not lie side by side."""
        lengths = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
        return self._view("shape", lengths)

    def transpose(self, *order: Any) -> Recorded:
        """Return a view with the axes in another order, the reverse one if none is given."""
        axes = tuple(order[0]) if len(order) == 1 and isinstance(order[0], tuple | list) else order
        return self._view("axes", axes or tuple(range(self.ndim))[::-1])

    def _view(self, kind: str, key: Any) -> Recorded:
        """Return an array that shows a part of this one, or all of it in another shape."""
        return Recorded(self.xp, _VIEWS[kind](self.value, key), self, (kind, key))

    def astype(self, dtype: Any, copy: bool = True) -> Recorded:
        """Return the array as floats, integers or booleans."""
        made = values.cast(self.value, dtype)
        return self.xp.wrapped(made) if copy or made.dtype != self.dtype else self

    def sum(self, axis: Any = None, keepdims: bool = False) -> Recorded:
        """Return the sum along axes."""
        return self.xp.wrapped(sums.total(self.value, axis, keepdims))

    def mean(self, axis: Any = None, keepdims: bool = False) -> Recorded:
        """Return the mean along axes.

        Raises:
            UnsupportedError: one of them is that of the samples.
        """
        if any(values.free(self.shape[k]) for k in sums.axes_of(self.value, axis)):
            raise UnsupportedError("a mean over the samples cannot be written: how many there are is not known")
        left = self.sum(axis, keepdims)
        return left / (self.size / left.size) if left.size else left

    def max(self, axis: Any = None, keepdims: bool = False) -> Recorded:
        """Return the largest along axes."""
        return self.xp.wrapped(sums.extreme(self.value, "Max", axis, keepdims))

    def min(self, axis: Any = None, keepdims: bool = False) -> Recorded:
        """Return the smallest along axes."""
        return self.xp.wrapped(sums.extreme(self.value, "Min", axis, keepdims))

    def prod(self, axis: Any = None, keepdims: bool = False) -> Recorded:
        """Return the product along axes."""
        return self.xp.wrapped(sums.extreme(self.value, "Prod", axis, keepdims))

    def any(self, axis: Any = None, keepdims: bool = False) -> Recorded:
        """Return whether any holds along axes."""
        return self.xp.wrapped(sums.holds(self.value, "Max", axis, keepdims))

    def all(self, axis: Any = None, keepdims: bool = False) -> Recorded:
        """Return whether all hold along axes."""
        return self.xp.wrapped(sums.holds(self.value, "Min", axis, keepdims))

    def argmax(self, axis: Any = None, keepdims: bool = False) -> Recorded:
        """Return where the largest is along an axis."""
        return self.xp.wrapped(sums.argmax(self.value, axis, keepdims))


_VIEWS = {"part": indexing.get, "shape": values.reshape, "axes": values.transpose}  # of the whole
_WRITES: dict[str, Callable[[Value, Any, Value], Value]] = {  # the whole when a view of it was written
    "part": indexing.put,
    "shape": lambda whole, _, new: values.reshape(new, whole.shape),
    "axes": lambda _, order, new: values.transpose(new, np.argsort([o % len(order) for o in order]).tolist()),
}


def _value(array: Recorded, other: Any) -> Value:
    """Return what an operand holds: an array of the same graph, or a number."""
    if isinstance(other, Recorded):
        return other.value
    if type(other) is Adjustable:
        return adjusted(array.xp.graph, other)
    other = other.item() if isinstance(other, np.generic) else other
    if isinstance(other, np.ndarray) or not isinstance(other, bool | int | float):
        raise TypeError(f"an operand of type {type(other).__name__} next to an array of a graph")
    kind = array.dtype if array.dtype.kind == "f" or isinstance(other, float) is False else FLOAT
    kind = INT if kind.kind == "b" and type(other) is int else kind
    return Value.constant(array.xp.graph, np.asarray(other, dtype=BOOL if type(other) is bool else kind))


def _binary(name: str, *, swapped: bool = False, in_place: bool = False) -> Callable[..., Any]:
    function = FUNCTIONS[name]

    def apply(self: Recorded, other: Any) -> Any:
        a, b = self.value, _value(self, other)
        made = function(self.xp.graph, b, a) if swapped else function(self.xp.graph, a, b)
        if not in_place:
            return self.xp.wrapped(made)
        if made.shape != self.shape:
            raise ValueError(f"an operand of shape {b.shape} does not fit into an array of shape {self.shape}")
        if made.dtype != self.dtype:
            raise TypeError(f"{made.dtype.name} cannot be put in place into an array of {self.dtype.name}")
        self._write(made)
        return self

    return apply


_OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "power", "matmul": "matmul", "xor": "not_equal",
}  # fmt: skip
_COMPARISONS = {
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal",
    "and": "logical_and", "or": "logical_or",
}  # fmt: skip
for _name, _function in _OPERATORS.items():
    setattr(Recorded, f"__{_name}__", _binary(_function))
    setattr(Recorded, f"__r{_name}__", _binary(_function, swapped=True))
    setattr(Recorded, f"__i{_name}__", _binary(_function, in_place=True))
for _name, _function in _COMPARISONS.items():
    setattr(Recorded, f"__{_name}__", _binary(_function))
for _name, _function in (("neg", "negative"), ("abs", "abs"), ("invert", "logical_not")):
    setattr(
        Recorded, f"__{_name}__", lambda self, f=FUNCTIONS[_function]: self.xp.wrapped(f(self.xp.graph, self.value))
    )
