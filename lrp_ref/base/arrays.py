"""The only file that knows array libraries: which one, dtype, host and device.

The namespace is inferred from the inputs at the door and passed on; it is never chosen by what is installed.
``ARRAY_FUNCTIONS`` is the complete list of what layers, rules and kernels call on it, and so what a new array
module must provide (and ``erf``, for GELU).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import arithmetic
from ..errors import BackendError, NonFiniteError, ParameterError, ShapeError, require

Array = Any  # an array of NumPy, CuPy or a module with the same functions; dtype and shape are in the docstrings
Namespace = Any

ARRAY_FUNCTIONS = (
    "abs", "add", "arange", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "asarray",
    "ascontiguousarray", "broadcast_to", "ceil", "concatenate", "copysign", "cos", "cosh", "divide", "empty", "exp",
    "expm1", "floor", "isfinite", "log", "log1p", "logical_and", "matmul", "maximum", "minimum", "moveaxis",
    "multiply", "ones", "rint", "sin", "sinh", "sqrt", "stack", "take", "tan", "tanh", "where", "zeros",
)  # fmt: skip


def namespace(*arrays: Array) -> Namespace:
    """Return the array module that all ``arrays`` belong to (None entries are skipped).

    Raises:
        BackendError: arrays of two libraries, or something that is no array.

    Example:
        >>> namespace(np.zeros(3)).__name__
        'numpy'
    """
    found: Namespace = None
    for array in arrays:
        if array is None:
            continue
        module = _module_of(array)
        if found is not None and module is not found:
            raise BackendError(
                f"arrays of {found.__name__} and {module.__name__} in one call: move them to one library first "
                "(net.to('cupy'), cupy.asarray(x), x.get())"
            )
        found = module
    if found is None:
        raise BackendError("no array among the arguments, so the array library is not known")
    return found


def _module_of(array: Array) -> Namespace:
    if isinstance(array, np.ndarray | np.generic):
        return np
    root = type(array).__module__.partition(".")[0]
    if root == "cupy":
        return sys.modules["cupy"]
    if root not in ("torch", "jaxlib", "jax", "tensorflow") and hasattr(array, "__array_namespace__"):
        return array.__array_namespace__()
    if root == "scipy":
        raise BackendError(
            f"{type(array).__name__} of shape {array.shape} is a sparse matrix: lrp.neuralise.explain_sparse(net, "
            "matrix) explains it without the array of all its zeros, which is matrix.toarray()"
        )
    raise BackendError(
        f"{type(array).__module__}.{type(array).__name__} is not a NumPy or CuPy array: convert it first "
        "(numpy.asarray(x), tensor.detach().numpy())"
    )


def by_name(name: str | Namespace) -> Namespace:
    """Return the array module called ``name`` ("numpy", "cupy"), or ``name`` itself if it is a module.

    Raises:
        BackendError: a name that is not known.
        MissingExtraError: CuPy is asked for and not installed.
    """
    if not isinstance(name, str):
        return name
    if name == "numpy":
        return np
    if name == "cupy":
        return require("cupy", extra="cupy", purpose="compute on a GPU")
    raise BackendError(f"array module '{name}' is not known: use 'numpy' or 'cupy'")


def to_numpy(array: Array) -> np.ndarray[Any, Any]:
    """Copy an array to the host as a NumPy array (a NumPy array is returned as it is)."""
    if isinstance(array, np.ndarray):
        return array
    if hasattr(array, "get"):
        return np.asarray(array.get())
    return np.asarray(array)


def convert(array: Array, xp: Namespace) -> Array:
    """Return ``array`` as an array of the module ``xp`` (itself when it is one already).

    Raises:
        BackendError: exact numbers, which only NumPy's object arrays hold, for another module.
    """
    if isinstance(array, np.ndarray) and xp is np:
        return array
    if not isinstance(array, np.ndarray) and _module_of(array) is xp:
        return array
    host = to_numpy(array)
    if xp is np:
        return host
    if host.dtype == object:
        raise BackendError(f"exact numbers live on the host, not in {xp.__name__}: use xp='numpy', or to_float() first")
    return xp.asarray(host)


def like(value: Any, x: Array) -> Array:
    """Return numbers ``value`` (scalar, list or array) as an array of the library and number system of ``x``."""
    if x.dtype == object:
        host = to_numpy(value) if hasattr(value, "dtype") else np.asarray(value, dtype=object)
        return arithmetic.cast_like(host, x)
    xp = namespace(x)
    if hasattr(value, "dtype"):
        return convert(value, xp).astype(x.dtype)
    return xp.asarray(value, dtype=x.dtype)


def channelwise(value: Any, x: Array) -> Array:
    """Return ``value`` so that it broadcasts against ``x`` (N, C, ...): a 1-D value runs along the channels."""
    array = like(value, x)
    if array.ndim == 1 and x.ndim > 2:
        return array.reshape((1, array.shape[0]) + (1,) * (x.ndim - 2))
    return array


def fits(shape: Sequence[int], target: Sequence[int]) -> bool:
    """Return whether an array of ``shape`` broadcasts to ``target`` without enlarging it."""
    if len(shape) > len(target):
        return False
    return all(a in (1, b) for a, b in zip(reversed(shape), reversed(target), strict=False))


def cut_of(k: int | slice, samples: int) -> slice:
    """Return the k-th sample, or a slice of samples, as a slice of the batch axis.

    Raises:
        IndexError: there is no such sample.

    Example:
        >>> cut_of(1, 3), cut_of(-1, 3), cut_of(slice(2), 3)
        (slice(1, 2, None), slice(2, 3, None), slice(None, 2, None))
    """
    if isinstance(k, slice):
        return k
    if not -samples <= k < samples:
        raise IndexError(f"sample {k} of {samples}")
    return slice(k % samples, k % samples + 1)


def require_range(what: str, low: Any, high: Any) -> None:
    """Raise unless low ≤ high everywhere: numbers, arrays of any library, or numbers in nested tuples.

    Raises:
        BackendError: arrays of a library that is not known.
        ShapeError: shapes that do not broadcast.
        ParameterError: low > high somewhere, NaN, infinity, or what is no number.
    """
    for bound in (low, high):
        if hasattr(bound, "dtype"):
            _module_of(bound)
        if isinstance(bound, str | Mapping) or (hasattr(bound, "dtype") and bound.dtype.kind not in "biufO"):
            raise ParameterError(f"{what}: bounds must be real numbers, got {bound!r}")
    try:
        hosts = [to_numpy(bound) for bound in (low, high)]
        below = bool((hosts[0] <= hosts[1]).all())
    except ValueError as error:
        raise ShapeError(f"{what}: low and high have shapes that do not fit each other") from error
    except TypeError as error:
        raise ParameterError(f"{what}: bounds must be real numbers, got low={low!r}, high={high!r}") from error
    if any(host.dtype.kind not in "biufO" for host in hosts):
        raise ParameterError(f"{what}: bounds must be real numbers, got low={low!r}, high={high!r}")
    if not below:
        raise ParameterError(f"{what}: low must be ≤ high everywhere, got low={low!r}, high={high!r}")
    if any(host.dtype.kind == "f" and not np.isfinite(host).all() for host in hosts):
        raise ParameterError(f"{what}: bounds must be finite, got low={low!r}, high={high!r}")


def declared(what: str, low: Any, high: Any) -> tuple[Any, Any]:
    """Return the bounds of a declared range, checked: numbers, or nested tuples of them in place of arrays and lists.

    Raises:
        ParameterError, ShapeError: as :func:`require_range`.
        NonFiniteError: a bound that is not finite.
    """
    bounds = [None if bound is None else tuples(to_numpy(bound).tolist()) for bound in (low, high)]
    for bound in bounds:
        if bound is not None:
            require_finite(np.asarray(bound, dtype=float), f"a bound of {what}")
    if None not in bounds:
        require_range(what, *bounds)
    return bounds[0], bounds[1]


def tuples(value: Any) -> Any:
    """Return lists, and lists in lists, as tuples, which have a hash."""
    return tuple(map(tuples, value)) if isinstance(value, list) else value


def sample_sum(x: Array) -> Array:
    """Sum over everything but the batch axis: (N, ...) to (N,)."""
    return x.reshape(x.shape[0], -1).sum(axis=1) if x.shape[0] else x.reshape(0, 1).sum(axis=1)


def sample_dot(a: Array, b: Array) -> Array:
    """Sum of products over everything but the batch axis: (N, ...) and (N, ...) to (N,), without a temporary."""
    n, size = a.shape[0], math.prod(a.shape[1:])
    return namespace(a, b).matmul(a.reshape(n, 1, size), b.reshape(n, size, 1)).reshape(n)


def only(x: Array, mask: Array) -> Array:
    """Return ``x`` where ``mask`` holds and 0 elsewhere; ``x`` is finite.

    NumPy's ``where`` mispredicts a branch at every second element of a random mask; a product does not branch.
    """
    xp = namespace(x)
    if xp is np and x.dtype.kind == "f":
        kept = x * mask
        no_minus(kept)
        return kept
    return xp.where(mask, x, arithmetic.scalar(0, x))


def no_minus(x: Array) -> None:
    """Make every −0.0 a 0.0."""
    if x.dtype.kind == "f":
        x += 0


def write_only(out: Array, x: Array, mask: Array) -> None:
    """Write ``x`` where ``mask`` holds and 0 (or −0.0) elsewhere into ``out``."""
    if isinstance(x, np.ndarray) and x.dtype.kind == "f":
        np.multiply(x, mask, out=out)
    else:
        out[...] = only(x, mask)


def with_sign(size: Any, z: Array) -> Array:
    """Return ``size`` with the sign of every element of ``z``, where 0 and −0.0 count as positive."""
    xp = namespace(z)
    if z.dtype.kind != "f":
        return xp.where(z < 0, -size, size).astype(z.dtype)
    if xp is np:  # bit by bit is faster than copysign
        signed = z + z.dtype.type(0)  # −0.0 + 0.0 is 0.0
        bits = signed.view(f"u{z.itemsize}")
        bits &= bits.dtype.type(1 << (8 * z.itemsize - 1))
        bits |= z.dtype.type(size).view(bits.dtype)
        return signed
    return xp.copysign(size, z + 0.0).astype(z.dtype, copy=False)  # −0.0 + 0.0 is 0.0


def sliding(x: Array, reach: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Array | None:
    """Return all windows over the last axes of a NumPy array as one view (..., *kernel, *positions); else None.

    Args:
        x: (..., *sizes).
        reach: positions from the first to the last that a window reads, per axis.
        stride, dilation: positions from one window, and from one tap, to the next.
    """
    if not isinstance(x, np.ndarray):
        return None
    axes = len(reach)
    kernel = ((r - 1) // d + 1 for r, d in zip(reach, dilation, strict=True))
    positions = ((n - r) // s + 1 for n, r, s in zip(x.shape[-axes:], reach, stride, strict=True))
    steps = ((k * t for k, t in zip(each, x.strides[-axes:], strict=True)) for each in (dilation, stride))
    return np.lib.stride_tricks.as_strided(
        x, (*x.shape[:-axes], *kernel, *positions), (*x.strides[:-axes], *(s for each in steps for s in each))
    )


def known(x: Array) -> bool:
    """Return whether the numbers of an array exist, on the host or a device, and not only when a recording runs."""
    return not getattr(namespace(x), "records", False)


def none_negative(x: Array) -> bool:
    """Return whether an array of floats is known to hold no negative number and no NaN; only NumPy's is looked at."""
    return isinstance(x, np.ndarray) and x.dtype.kind == "f" and x.size > 0 and bool(x.min() >= 0)


def require_none_negative(x: Array, what: str) -> None:
    """Raise if an array holds a negative number; on a device, where that would mean to wait for it, nobody looks.

    Raises:
        ParameterError: with ``what`` and the first negative number.

    Example:
        >>> require_none_negative(np.array([0.0, 2.0]), "counts")
    """
    if isinstance(x, np.ndarray) and x.size and bool((below := x < 0).any()):
        raise ParameterError(f"{what} must not be negative, got {x[below].flat[0]}")


def unbroadcast(x: Array, shape: Sequence[int]) -> Array:
    """Sum ``x`` over the axes that broadcasting ``shape`` to ``x.shape`` had repeated (its adjoint)."""
    extra = x.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(extra + k for k, n in enumerate(shape) if n == 1 and x.shape[extra + k] != 1)
    return (x.sum(axis=axes) if axes else x).reshape(tuple(shape))


def is_float(array: Array) -> bool:
    """Return whether the array holds floats or exact numbers, not indices."""
    return array.dtype.kind in "fO"


def unwarned() -> Any:
    """Return a context in which NumPy gives no floating-point warnings.

    For code that looks for NaN and infinity itself and then raises with the node's name; other libraries give no
    such warnings.
    """
    return np.errstate(all="ignore")


def require_finite(array: Array, what: str, *, total: Array | None = None) -> None:
    """Raise if ``array`` holds NaN or infinity.

    Args:
        array: what is looked at.
        what: how the message calls it.
        total: a sum over the array, where one is known: if it is finite, so is every summand.

    Raises:
        NonFiniteError: with ``what``, how many values, and the index of the first.
    """
    if array.dtype.kind != "f" or not known(array):
        return
    xp = namespace(array)
    with unwarned():
        total = array.sum() if total is None else total
    if bool(xp.isfinite(total).all()):
        return
    finite = xp.isfinite(array)  # the sum alone may overflow
    if bool(finite.all()):
        return
    bad = ~to_numpy(finite)
    first = tuple(int(k) for k in np.argwhere(bad)[0])
    value = float(to_numpy(array)[first])
    raise NonFiniteError(f"{what} has {int(bad.sum())} values that are not finite; the first is {value} at {first}")


def require_indices(array: Array, stop: int, what: str) -> None:
    """Raise unless ``array`` holds integers in 0 … stop − 1.

    On a device only the dtype is looked at: its values are not known without waiting for it.

    Raises:
        ParameterError: with ``what`` and the first value that is out of range, or the dtype.
    """
    if array.dtype.kind not in "iu":
        raise ParameterError(f"{what} must be integers, got {array.dtype}")
    if isinstance(array, np.ndarray) and array.size and not (array.min() >= 0 and array.max() < stop):
        wrong = array[(array < 0) | (array >= stop)].flat[0]
        raise ParameterError(f"{what} must be 0 to {stop - 1}, got {wrong}")


def indices(array: Array, start: int, stop: int, what: str) -> Array:
    """Return whole numbers of any type as integers that can index.

    On a device only the dtype is looked at: its values are not known without waiting for it.

    Raises:
        ParameterError: with ``what`` and the first value that is not whole, or not in start … stop − 1.

    Example:
        >>> indices(np.array([1.0, -1.0]), -2, 2, "rows")
        array([ 1, -1])
    """
    if array.dtype.kind in "iu":
        whole = array
    elif array.dtype.kind == "b":
        raise ParameterError(f"{what} must be integers, got {array.dtype}")
    else:
        whole = array.astype(np.int64)
        if isinstance(array, np.ndarray) and not (whole == array).all():
            raise ParameterError(f"{what} must be whole numbers, got {array[whole != array].flat[0]}")
    if isinstance(whole, np.ndarray) and whole.size and not (whole.min() >= start and whole.max() < stop):
        wrong = whole[(whole < start) | (whole >= stop)].flat[0]
        raise ParameterError(f"{what} must be {start} to {stop - 1}, got {wrong}")
    return whole


def require_dtype(x: Array, parameter: Array, layer: str) -> None:
    """Raise unless an input and a layer's parameter have one dtype, so that nothing is promoted silently.

    Raises:
        BackendError: with both dtypes and what to do.
    """
    if x.dtype != parameter.dtype or x.dtype.kind not in "fO":
        raise BackendError(
            f"{layer}: the input is {x.dtype}, the parameters are {parameter.dtype}: cast one of them, both must be "
            "float32, float64 or exact numbers (x.astype(...), net.astype(...))"
        )
