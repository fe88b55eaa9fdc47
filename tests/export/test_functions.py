"""The functions, methods and operators of recorded arrays against NumPy's, in float64 by onnx's own evaluator."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from graphs import Sheet, answer
from scipy.special import erf
from strict import METHODS, StrictArray

from lrp_ref.base.arrays import ARRAY_FUNCTIONS
from lrp_ref.errors import UnsupportedError
from lrp_ref.export.functions import FUNCTIONS
from lrp_ref.export.recorded import Recorded, Recorder
from lrp_ref.export.values import SAMPLES

RNG = np.random.default_rng(31)
X = RNG.normal(size=(4, 3, 5))
Y = RNG.normal(size=(4, 3, 5))
ROW = RNG.normal(size=(3, 1))
WIDE = np.concatenate([[0.0, 0.5, 1.5, 2.5, -0.5, -1.5, 3.0, -3.0], RNG.normal(size=4) * 4]).reshape(4, 3)
INSIDE = RNG.uniform(-0.95, 0.95, (4, 3))
ABOVE = 1.05 + RNG.random((4, 3)) * 3
SMALL = np.array([[1e-18, -1e-18, 1e-9, -1e-9, 1e-3, -0.5, 0.0, 2.0]])
WHOLE = np.array([[7, -7, 0, 3], [-1, 5, -8, 2]])
BY = np.array([[3, 3, 2, -2], [-4, -2, 3, 5]])
MASK = np.array([[True, False, True, False], [False, True, True, False]])
OTHER = np.array([[True, True, False, False], [False, True, False, True]])

Case = tuple[str, tuple[Any, ...], dict[str, Any]]


def _cases() -> list[Case]:
    """Return calls of the functions: arrays of NumPy stand for those that are recorded."""
    plain = {
        WIDE.tobytes(): ("abs", "arctan", "arcsinh", "ceil", "cos", "cosh", "exp", "expm1", "floor", "isfinite",
                         "rint", "sin", "sinh", "tan", "tanh", "ascontiguousarray"),
        INSIDE.tobytes(): ("arccos", "arcsin", "arctanh", "log1p"),
        ABOVE.tobytes(): ("arccosh", "log", "sqrt"),
        SMALL.tobytes(): ("expm1", "log1p", "tanh", "sinh", "arcsinh"),
    }  # fmt: skip
    arrays = {a.tobytes(): a for a in (WIDE, INSIDE, ABOVE, SMALL)}
    cases: list[Case] = [(name, (arrays[key],), {}) for key, names in plain.items() for name in names]
    for name in ("add", "divide", "maximum", "minimum", "multiply"):
        cases += [(name, (X, Y), {}), (name, (X, ROW), {}), (name, (2.5, X), {}), (name, (X, 2), {})]
        cases += [
            (name, (WHOLE, BY), {}),
            (name, (WHOLE, 2), {}),
            (name, (WHOLE, 1.5), {}),
            (name, (WHOLE, WIDE.T[:2]), {}),
        ]
    cases += [(name, (MASK, OTHER), {}) for name in ("add", "maximum", "minimum", "multiply", "logical_and")]
    cases += [("copysign", (X, Y), {}), ("copysign", (0.25, X), {}), ("logical_and", (MASK, True), {})]
    cases += [(name, (X, number), {}) for name in ("maximum", "minimum", "multiply", "add") for number in (0, 0.0, 1.0)]
    cases += [
        ("arange", (5,), {}), ("arange", (2, 6), {}), ("arange", (1, 8, 3), {}), ("arange", (4,), {"dtype": float}),
        ("zeros", ((2, 3),), {"dtype": float}), ("ones", (3,), {"dtype": int}), ("zeros", ((2,),), {"dtype": bool}),
        ("asarray", ([[1, 2], [3, 4]],), {}), ("asarray", (1.5,), {"dtype": float}), ("asarray", (X,), {}),
        ("broadcast_to", (ROW, (2, 3, 4)), {}), ("broadcast_to", (X, (2, 4, 3, 5)), {}),
        ("broadcast_to", (X, X.shape), {}),
        ("concatenate", ((X, Y),), {}), ("concatenate", ((X, Y, X),), {"axis": -1}),
        ("concatenate", ([X],), {"axis": 1}),
        ("concatenate", ((WHOLE, WIDE.T[:2, :2]),), {"axis": 1}),
        ("stack", ((X, Y),), {}), ("stack", ([X, Y, X],), {"axis": 1}), ("stack", ((X, Y),), {"axis": -1}),
        ("stack", ((ROW, ROW),), {"axis": 2}),
        ("moveaxis", (X, 0, 2), {}), ("moveaxis", (X, -1, 0), {}), ("moveaxis", (X, 1, -1), {}),
        ("take", (X, np.array([2, 0, -1])), {"axis": 1}), ("take", (X, np.array([[4, 1], [-5, 0]])), {"axis": -1}),
        ("take", (X, np.array([7, 0])), {}), ("take", (X, 1), {"axis": 1}),
        ("where", (MASK, WIDE.T[:2, :1], 0.0), {}), ("where", (MASK, WHOLE, BY), {}), ("where", (MASK, 1.0, WHOLE), {}),
        ("where", (MASK, MASK, OTHER), {}),
    ]  # fmt: skip
    shapes = [((3, 4), (4, 2)), ((4,), (4, 2)), ((3, 4), (4,)), ((4,), (4,)), ((5, 3, 4), (4, 2)),
              ((5, 1, 3, 4), (2, 4, 2)), ((4,), (5, 4, 2)), ((5, 2, 4), (4,)), ((1, 4), (4, 1)),
              ((2, 1, 4), (2, 4, 1))]  # fmt: skip
    cases += [("matmul", (RNG.normal(size=a), RNG.normal(size=b)), {}) for a, b in shapes]
    return [*cases, ("matmul", (WHOLE, BY.T), {})]


CASES = _cases()


def recorded(sheet: Sheet, value: Any, *, constant: bool) -> Any:
    """Return what NumPy's arrays in the arguments of a call become."""
    if isinstance(value, np.ndarray):
        return sheet.xp.asarray(value) if constant else sheet.feed(value, samples=False)
    if isinstance(value, list | tuple):
        return type(value)(recorded(sheet, v, constant=constant) for v in value)
    return value


def compare(found: np.ndarray, expected: Any, what: str = "", bound: float = 1e-12) -> None:
    expected = np.asarray(expected)
    assert found.shape == expected.shape, f"{what}: {found.shape}, expected {expected.shape}"
    assert found.dtype.kind == expected.dtype.kind, f"{what}: {found.dtype}, expected {expected.dtype}"
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=bound, atol=bound * 1e-6, err_msg=what)
    else:
        assert (found == expected).all(), f"{what}: {found}, expected {expected}"


def same(call: Callable[[Any, Any], Any], *arrays: Any, what: str = "") -> None:
    """Compare what a call makes of recorded inputs, and of constants, with what it makes of NumPy's arrays.

    Args:
        call: takes the array module, and the arguments.
        arrays: the arguments; among them those of NumPy become recorded ones.
        what: is called.
    """
    with np.errstate(all="ignore"):
        expected = call(np, arrays)
    for constant in (False, True):
        sheet = Sheet(dtype=np.float64)
        made = call(sheet.xp, recorded(sheet, arrays, constant=constant))
        if constant:
            assert made.value.data is not None or not made.size, f"{what} of constants is one"
        assert made.shape == np.shape(expected), f"{what}: {made.shape}, expected {np.shape(expected)}"
        assert made.dtype.kind == np.asarray(expected).dtype.kind, f"{what}: {made.dtype}"
        compare(answer(made, sheet), expected, what)


# Functions -----------------------------------------------------------------------------------------------------------


def test_every_function_of_the_module_has_a_case() -> None:
    assert {name for name, _, _ in CASES} | {"empty"} == set(ARRAY_FUNCTIONS)
    assert set(ARRAY_FUNCTIONS) - {"asarray", "moveaxis"} <= set(FUNCTIONS)


@pytest.mark.parametrize("name", sorted({name for name, _, _ in CASES}))
def test_functions(name: str) -> None:
    for k, (_, args, how) in enumerate(case for case in CASES if case[0] == name):
        same(lambda xp, given, h=how: getattr(xp, name)(*given, **h), *args, what=f"{name} {k}")


def test_empty_has_a_shape() -> None:
    made = Recorder().empty((2, 3), dtype=float)
    assert (made.shape, made.dtype.kind) == ((2, 3), "f")


def test_erf() -> None:
    for dtype, bound in ((np.float32, 5e-7), (np.float64, 1e-12)):
        sheet = Sheet(dtype=dtype)
        compare(answer(sheet.xp.erf(sheet.feed(X)), sheet), erf(X), bound=bound)
    assert np.array_equal(sheet.xp.erf(sheet.xp.asarray(X)).get(), erf(X))


@pytest.mark.parametrize("name", ["arcsinh", "expm1", "log1p", "sinh", "tanh", "exp", "log", "erf"])
def test_functions_of_small_and_large_numbers_in_float32(name: str) -> None:
    """By onnxruntime: what is near 0 is not lost in a sum with 1."""
    x = np.concatenate([10.0 ** np.arange(-12, 1.5, 0.5), [20.0, 80.0]])
    x = np.concatenate([x, -x]) if name not in ("log", "log1p") else np.concatenate([x, -x[:20] / 2])
    x = (np.abs(x) if name == "log" else x).astype(np.float32)
    sheet = Sheet()
    found = answer(getattr(sheet.xp, name)(sheet.feed(x)), sheet)
    expected = erf(x.astype(float)) if name == "erf" else getattr(np, name)(x.astype(float))
    np.testing.assert_allclose(found, expected, rtol=4e-6, atol=1e-37)


@pytest.mark.parametrize("name", ["add", "divide", "matmul", "maximum", "minimum", "multiply", "abs", "exp", "sqrt"])
@pytest.mark.parametrize("named", [True, False])
def test_a_result_is_written_into_another_array(name: str, named: bool) -> None:
    one, other = np.abs(X[:, :, :3]), Y[:, :, :3]
    args = (one, other) if name not in ("abs", "exp", "sqrt") else (one,)
    named = named or name in ("maximum", "minimum")  # of which NumPy wants the name

    def call(xp: Any, given: Any) -> Any:
        room = xp.zeros((4, 4, 3), dtype=float)
        target = room[:, 1:]
        function = getattr(xp, name)
        made = function(*given, out=target) if named else function(*given, target)
        made += 1.0
        return room

    same(call, *args)


# Methods and operators -----------------------------------------------------------------------------------------------

REDUCTIONS = ("all", "any", "max", "mean", "min", "prod", "sum")


def test_recorded_arrays_have_what_strict_ones_have() -> None:
    names = {name for name in vars(StrictArray) if not name.startswith("_") or name.endswith("__")}
    own = {"__dict__", "__weakref__", "__module__", "__doc__", "__init__", "__firstlineno__", "__static_attributes__"}
    assert names - own - {"__annotations__"} <= set(dir(Recorded))
    assert set(METHODS) == {*REDUCTIONS, "argmax", "astype", "transpose"}


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions(name: str, keepdims: bool) -> None:
    axes = (None, 0, -1, 1, (0, 2), (-1, 0), (0, 1, 2), (1,), ())
    for x, axis in itertools.product((X, np.round(X).astype(int), X > 0, np.round(X)), axes):
        if name in ("all", "any") and x.dtype.kind != "b":
            continue
        same(
            lambda xp, given, a=axis: getattr(given[0], name)(axis=a, keepdims=keepdims),
            x,
            what=f"{name} {x.dtype} {axis}",
        )
    same(lambda xp, given: getattr(given[0], name)(), np.ones((), dtype=bool if name in ("all", "any") else float))


@pytest.mark.parametrize("name", [*REDUCTIONS, "argmax"])
@pytest.mark.parametrize("axis", [None, 0, 1, 2, (0, 2), (1, 2), (0, 1, 2)])
def test_reductions_of_what_is_broadcast(name: str, axis: Any) -> None:
    """Where a tensor is smaller than the value, every number counts as often as it is repeated."""
    if name == "argmax" and isinstance(axis, tuple):
        return
    for x in (X[:1, :, :1], X[0, 0], ROW, np.round(ROW * 3).astype(int), ROW > 0, np.array([[[1.5]]])):
        if name in ("all", "any") and x.dtype.kind != "b":
            continue
        same(
            lambda xp, given: getattr(xp.broadcast_to(given[0], (4, 3, 5)), name)(axis=axis),
            x,
            what=f"{name} {x.shape}",
        )


def test_the_first_of_equal_numbers_is_the_largest() -> None:
    x = np.array([[1.0, 3.0, 3.0, 0.0], [2.0, 2.0, 2.0, 2.0], [-1.0, -2.0, -1.0, -5.0]])
    for axis, keepdims in itertools.product((None, 0, 1, -1), (False, True)):
        same(lambda xp, given, a=axis, k=keepdims: given[0].argmax(axis=a, keepdims=k), x)
        same(lambda xp, given, a=axis, k=keepdims: given[0].argmax(axis=a, keepdims=k), x.astype(int))
        same(lambda xp, given, a=axis, k=keepdims: given[0].argmax(axis=a, keepdims=k), x > 0)


@pytest.mark.parametrize("dtype", [float, int, bool, np.int64])
def test_astype(dtype: Any) -> None:
    for x in (WIDE, WHOLE, MASK):
        same(lambda xp, given: given[0].astype(dtype), x)
        same(lambda xp, given: given[0].astype(dtype, copy=False), x)


def test_shapes() -> None:
    for order in ((), (0, 2, 1), (2, 0, 1), (-1, 0, 1)):
        same(lambda xp, given, o=order: given[0].transpose(*o), X)
        same(lambda xp, given, o=order: given[0].transpose(o) if o else given[0].T, X)
    for shape in ((12, 5), (-1,), (4, -1), (2, 2, 3, 5), (4, 3, 5, 1), (1, 60)):
        same(lambda xp, given, s=shape: given[0].reshape(*s), X)
        same(lambda xp, given, s=shape: given[0].reshape(s), X)
        same(lambda xp, given, s=shape: xp.broadcast_to(given[0], (4, 3, 5)).reshape(s), ROW)
    x = Recorder().input("x", (3, 5))
    assert (x.ndim, x.size, x.nbytes, len(x), x.T.shape) == (2, 15, 120, 3, (5, 3))
    same(lambda xp, given: given[0].reshape(()), np.ones((1, 1)))
    same(lambda xp, given: given[0].reshape(1, 1), np.ones(()))


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
    "//": lambda a, b: a // b, "%": lambda a, b: a % b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b, "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
}  # fmt: skip
ON_MASKS = {
    "&": lambda a, b: a & b, "|": lambda a, b: a | b, "^": lambda a, b: a ^ b, "==": BINARY["=="], "!=": BINARY["!="],
    "+": BINARY["+"], "*": BINARY["*"], "<": BINARY["<"], ">=": BINARY[">="],
}  # fmt: skip


@pytest.mark.parametrize("sign", BINARY)
def test_operators(sign: str) -> None:
    """Whole numbers of either sign divide as NumPy's do, which round down."""
    operator = BINARY[sign]
    pairs = [(X, Y), (X, ROW), (ROW, X), (X, 2), (3, X), (X, -1.5), (0.5, X), (X, 0.0), (X, 1), (WHOLE, BY), (WHOLE, 3),
             (WHOLE, -3), (20, BY), (WHOLE, 2.5), (WHOLE, WIDE.T[:2, :1]), (X, X),
             (np.round(X), np.round(Y * 2) + 0.25), (MASK, 3), (WHOLE, MASK + 1), (X, np.abs(Y) + 1.0)]  # fmt: skip
    for k, (a, b) in enumerate(pairs):
        if sign in ("/", "//", "%") and type(b) is float and b == 0:
            continue
        same(lambda xp, given: operator(*given), a, b, what=f"{sign} {k}")


def test_powers() -> None:
    for exponent in (2, 3, 0.5, 1, 0, -1.0):
        same(lambda xp, given, e=exponent: given[0] ** e, np.abs(X), what=f"{exponent}")
    for base, exponent in ((X, 2), (X, 3), (2.0, X), (np.abs(X), Y), (WHOLE, 2), (WHOLE, 3), (WHOLE, np.abs(BY))):
        same(lambda xp, given: given[0] ** given[1], base, exponent)


@pytest.mark.parametrize("sign", ON_MASKS)
def test_operators_on_masks(sign: str) -> None:
    operator = ON_MASKS[sign]
    for a, b in ((MASK, OTHER), (MASK, True), (MASK, False), (MASK, MASK[:1]), (MASK, MASK)):
        same(lambda xp, given: operator(*given), a, b, what=f"{sign} {b}")


def test_signs() -> None:
    for x in (X, WHOLE, X * 0):
        same(lambda xp, given: -given[0], x)
        same(lambda xp, given: abs(given[0]), x)
    same(lambda xp, given: ~given[0], MASK)
    same(lambda xp, given: abs(abs(given[0]) * 2.0), X)


def test_products_of_matrices() -> None:
    same(lambda xp, given: given[0] @ given[1], X, X[0].T)
    weight = np.asfortranarray(RNG.normal(size=(5, 2)))
    sheet = Sheet(dtype=np.float64)
    x, w = sheet.feed(X[0]), sheet.xp.asarray(weight)
    forward, back = x @ w, (x @ w) @ w.T
    names = sheet.show(forward), sheet.show(back)
    found = sheet.run()
    compare(found[names[0]], X[0] @ weight)
    compare(found[names[1]], X[0] @ weight @ weight.T)
    assert len(sheet.model().graph.initializer) == 1


IN_PLACE: dict[str, Callable[[Any, Any], Any]] = {}


def _in_place() -> None:
    for name in ("add", "sub", "mul", "truediv"):
        IN_PLACE[name] = lambda a, b, n=name: getattr(a, f"__i{n}__")(b)


_in_place()


@pytest.mark.parametrize("name", IN_PLACE)
def test_operators_in_place(name: str) -> None:
    def call(xp: Any, given: Any) -> Any:
        array = given[0] + 0.0
        same_array = IN_PLACE[name](array, given[1])
        assert same_array is array
        view = array[1:, :, ::2]
        IN_PLACE[name](view, 2)
        return array

    for other in (Y, ROW, 1.5, 2):
        same(call, X, other)

    def mask(xp: Any, given: Any) -> Any:
        array = given[0] & True
        array ^= given[1]
        return array

    same(mask, MASK, OTHER)


def test_an_array_keeps_its_kind_of_numbers() -> None:
    """As in NumPy, floats cannot be put into whole numbers in place, but are rounded to 0 where they are assigned."""
    for xp, array in ((np, WHOLE.copy()), (Recorder(), None)):
        array = xp.asarray(WHOLE) if array is None else array
        with pytest.raises(TypeError):
            array += 1.5
        with pytest.raises(TypeError):
            array /= 2
    narrow = Recorder().input("x", (3, 1))
    with pytest.raises(ValueError, match="does not fit"):
        narrow += narrow.xp.ones((3, 2), dtype=float)

    def call(xp: Any, given: Any) -> Any:
        array = given[0] + 0
        array[:, 1:] = given[1]
        return array

    same(call, WHOLE, WIDE.T[:2, :3])


# What a graph cannot do ----------------------------------------------------------------------------------------------


def test_numbers_that_are_not_known_cannot_be_looked_at() -> None:
    x = Recorder().input("x", (1,))
    for look in (bool, float, int, lambda a: a.get(), lambda a: a.item()):
        with pytest.raises(UnsupportedError, match="only known when the graph runs, and a graph cannot look"):
            look(x > 0 if look is bool else x)
    with pytest.raises(TypeError, match="not known before the graph runs"):
        np.asarray(x)
    constant = x.xp.asarray(np.array(2.5))
    assert bool(constant > 1)
    assert (float(constant), int(constant), constant.item()) == (2.5, 2, 2.5)


def test_arrays_of_others_are_refused() -> None:
    x = Recorder().input("x", (2,))
    for mixing in (
        lambda: x + np.ones(2),
        lambda: np.ones(2) + x,
        lambda: x.xp.maximum(x, np.ones(2)),
        lambda: x.xp.concatenate((x, np.ones(2))),
        lambda: x.__setitem__(0, np.ones(1)),
        lambda: x[np.array([0])],
        lambda: np.exp(x),
        lambda: iter(x),
    ):
        with pytest.raises(TypeError):
            mixing()
    with pytest.raises(AttributeError, match="a graph has no function 'einsum'"):
        _ = x.xp.einsum
    with pytest.raises(UnsupportedError, match="an array of recorded numbers"):
        x.xp.asarray([x, x])


def test_scalars_of_numpy_are_numbers() -> None:
    same(lambda xp, given: xp.maximum(given[0] * np.float64(2), np.float64(0.5))[np.int64(1)], X)


def test_a_part_of_the_samples_cannot_be_taken_or_written() -> None:
    xp = Recorder()
    x = xp.input("x", (3,), samples=True)
    for part in (slice(0, 2), slice(1, None), slice(None, None, 2), slice(None, -1)):
        with pytest.raises(UnsupportedError, match="a part of the samples cannot be"):
            _ = x[part]
        for room in (xp.zeros(x.shape, dtype=float), x + 1.0):
            with pytest.raises(UnsupportedError, match="a part of the samples cannot be"):
                room[part] = 1.0
    for one in (1, 5, -2):
        with pytest.raises(UnsupportedError, match="a part of the samples cannot be"):
            _ = x[one]
    with pytest.raises(UnsupportedError, match="a part of the samples cannot be"):
        _ = xp.arange(x.shape[0] - 1)
    with pytest.raises(UnsupportedError, match="a part of the samples cannot be"):
        x.reshape(-1)[:3] = 0.0


def test_a_mean_over_the_samples_cannot_be_written() -> None:
    x = Recorder().input("x", (3,), samples=True)
    for axis in (None, 0, (0, 1)):
        with pytest.raises(UnsupportedError, match="a mean over the samples"):
            x.mean(axis=axis)
    assert x.mean(axis=1).shape == (SAMPLES,)


def test_several_free_sizes_cannot_be_written() -> None:
    xp = Recorder()
    x = xp.input("x", (3,), samples=True)
    square = x @ x.T
    assert square.shape == (SAMPLES, SAMPLES)
    with pytest.raises(UnsupportedError, match="several free sizes"):
        square.reshape(SAMPLES, 1, SAMPLES)
    with pytest.raises(UnsupportedError, match="a sum over all samples of a constant"):
        xp.ones((SAMPLES, 2), dtype=float).sum(axis=0)
    with pytest.raises(UnsupportedError, match="nothing says how many there are"):
        Recorder().ones((SAMPLES, 2), dtype=float).value.whole()


def test_shapes_that_do_not_fit_are_refused() -> None:
    x = Recorder().input("x", (3, 4))
    for wrong in (
        lambda: x.reshape(5, 2),
        lambda: x.reshape(-1, 5),
        lambda: x.xp.broadcast_to(x, (4,)),
        lambda: x.xp.broadcast_to(x, (1, 4)),
        lambda: x.xp.broadcast_to(x, (3, 5)),
        lambda: x @ x,
        lambda: x + x.T,
        lambda: x.__setitem__(slice(0, 2), x),
    ):
        with pytest.raises(ValueError, match=r"shape|broadcast|reshape"):
            wrong()
    for wrong in (lambda: x[3], lambda: x[0, -5], lambda: x[0, 0, 0]):
        with pytest.raises(IndexError):
            wrong()
