"""The checks of the battery, as functions that raise AssertionError; the fault tests demand that they can fail.

Each takes a layer, its operands and relevance; none computes an expected value with what it checks.
"""

from __future__ import annotations

import pickle
from fractions import Fraction
from typing import Any

import numpy as np
from samples import Draw, exactly
from strict import StrictArray, Synchronisations, to_strict

from lrp_ref import rules
from lrp_ref.layers import RecurrentLayer
from lrp_ref.layers.base import Layer, Linear
from lrp_ref.rules.edits import KEEP, ZERO
from lrp_ref.rules.rule import Redistribution

NO_RULE = object()  # where a layer has no rule of its own: the checks leave its relevance out


def outputs(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def floats(xs: tuple[Any, ...]) -> list[int]:
    """Positions of the operands that carry signals, not lengths."""
    return [k for k, x in enumerate(xs) if x.dtype.kind in "fO"]


def close(found: Any, expected: Any, *, rtol: float = 1e-12, scale: float | None = None, what: str = "") -> None:
    """Compare with a tolerance relative to the largest expected number, and demand dtype and shape."""
    assert found.shape == expected.shape, f"{what}: shape {found.shape}, expected {expected.shape}"
    assert found.dtype == expected.dtype, f"{what}: dtype {found.dtype}, expected {expected.dtype}"
    if found.dtype == object:
        assert (found == expected).all(), f"{what}: {found} is not exactly {expected}"
        return
    size = np.abs(expected).max(initial=0.0) if scale is None else scale
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * size, err_msg=what)


def same_bits(a: Any, b: Any, what: str) -> None:
    assert a.dtype == b.dtype, f"{what}: dtype {a.dtype} and {b.dtype}"
    assert a.shape == b.shape, f"{what}: shape {a.shape} and {b.shape}"
    assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), f"{what}: {a} and {b}"


def pull(layer: Layer, xs: tuple[Any, ...], gs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return ``layer.vjp`` with one array or a tuple of g, as the layer has one output or several."""
    several = isinstance(layer.forward(*xs), tuple)
    return layer.vjp(xs, gs if several else gs[0])


def told(layer: Layer, xs: tuple[Any, ...], rs: tuple[Any, ...], rule: Any) -> Redistribution:
    return layer.redistribute(xs, rs, rule)


def columns(r: Redistribution) -> tuple[Any, ...]:
    """All arrays of a redistribution."""
    return (*r.relevances, r.bias, r.stabiliser, r.dropped)


def check_adjoint(layer: Layer, xs: tuple[Any, ...], gs: tuple[Any, ...]) -> None:
    """⟨A v, g⟩ = ⟨v, Aᵀ g⟩ per sample, A v = forward(v) − forward(0)."""
    if isinstance(layer, Linear):
        layer = layer.edited(KEEP, ZERO)
    at_zero = outputs(layer.forward(*(x * 0 for x in xs)))
    out = [y - y0 for y, y0 in zip(outputs(layer.forward(*xs)), at_zero, strict=True)]
    back = pull(layer, xs, gs)
    for x, b in zip(xs, back, strict=True):
        assert b.shape == x.shape, f"the transpose returns {b.shape} for an operand of {x.shape}"
        assert b.dtype == x.dtype, f"the transpose returns {b.dtype} for an operand of {x.dtype}"
    for n in range(len(xs[0])):
        left = sum(np.sum(y[n] * g[n]) for y, g in zip(out, gs, strict=True))
        right = sum(np.sum(x[n] * b[n]) for x, b in zip(xs, back, strict=True))
        size = sum(np.sum(abs(y[n] * g[n])) for y, g in zip(out, gs, strict=True))
        tolerance = 0 if xs[0].dtype == object else 1e-12 * (1 + size)
        assert abs(left - right) <= tolerance, f"⟨Av, g⟩ = {left}, ⟨v, Aᵀg⟩ = {right}"


def check_differences(layer: Layer, xs: tuple[Any, ...], gs: tuple[Any, ...], draw: Draw, step: float = 1e-5) -> None:
    """⟨v, vjp(g)⟩ is the central difference of ⟨f, g⟩ in direction v, operand by operand."""
    back = pull(layer, xs, gs)
    for k in floats(xs):
        direction = draw(*xs[k].shape)

        def value(t: float, k: int = k, v: Any = direction) -> float:
            moved = tuple(x + t * v if j == k else x for j, x in enumerate(xs))
            return float(sum((y * g).sum() for y, g in zip(outputs(layer.forward(*moved)), gs, strict=True)))

        # Richardson's extrapolation of two central differences: an error of order step⁴.
        coarse = (value(2 * step) - value(-2 * step)) / (4 * step)
        fine = (value(step) - value(-step)) / (2 * step)
        expected, found = (4 * fine - coarse) / 3, float((back[k] * direction).sum())
        size = 1 + float(np.abs(back[k] * direction).sum())
        assert abs(expected - found) <= 1e-7 * size, f"operand {k}: difference {expected}, derivative {found}"


def check_linearity(layer: Layer, xs: tuple[Any, ...], rs: tuple[Any, ...], others: tuple[Any, ...], rule: Any) -> None:
    """Redistribution is linear in the relevance, with all columns of the ledger."""
    mixed = told(layer, xs, tuple(2 * r - 0.75 * s for r, s in zip(rs, others, strict=True)), rule)
    one, two = told(layer, xs, rs, rule), told(layer, xs, others, rule)
    size = max(max(np.abs(c).max(initial=0.0) for c in columns(part)) for part in (one, two))
    for m, a, b in zip(columns(mixed), columns(one), columns(two), strict=True):
        close(m, 2 * a - 0.75 * b, rtol=1e-13, scale=8 * size, what="linear in R")


def check_purity(layer: Layer, xs: tuple[Any, ...], rs: tuple[Any, ...], rule: Any) -> None:
    """Read-only inputs and parameters stay as they are, nothing is kept, two calls give the same bits."""
    layer = layer.map_arrays(_frozen)
    xs, rs = tuple(map(_frozen, xs)), tuple(map(_frozen, rs))
    before = pickle.dumps((vars(layer), xs, rs))
    names = set(vars(layer))
    calls = []
    for _ in range(2):
        out = outputs(layer.forward(*xs))
        back = pull(layer, xs, rs)
        shared = columns(told(layer, xs, rs, rule)) if rule is not NO_RULE else ()
        calls.append([np.array(a) for a in (*out, *back, *shared)])
    assert set(vars(layer)) == names, f"the layer kept {set(vars(layer)) - names}"
    assert pickle.dumps((vars(layer), xs, rs)) == before, "an input or a parameter was changed"
    for a, b in zip(*calls, strict=True):
        same_bits(a, b, "two calls")


def _frozen(array: Any) -> Any:
    copy = np.array(array)
    copy.flags.writeable = False
    return copy


def check_dtype(layer: Layer, xs: tuple[Any, ...], rs: tuple[Any, ...], rule: Any, dtype: Any) -> None:
    """Output, derivative, relevance and ledger have the dtype of the input."""

    def cast(a: Any) -> Any:
        return a.astype(dtype) if a.dtype.kind == "f" else a

    layer, xs, rs = layer.map_arrays(cast), tuple(map(cast, xs)), tuple(map(cast, rs))
    found = {"forward": outputs(layer.forward(*xs)), "vjp": pull(layer, xs, rs)}
    if rule is not NO_RULE:
        found["relevance and ledger"] = columns(told(layer, xs, rs, rule))
    for what, arrays in found.items():
        for array in arrays:
            assert array.dtype == dtype, f"{what}: {dtype} became {array.dtype}"


def check_batch(layer: Layer, xs: tuple[Any, ...], rs: tuple[Any, ...], rule: Any, *, rtol: float = 1e-13) -> None:
    """Row k of a batch of any size is the single sample's result."""
    size = len(xs[0])

    def run(rows: slice) -> tuple[Any, ...]:
        some, part = tuple(x[rows] for x in xs), tuple(r[rows] for r in rs)
        shared = columns(told(layer, some, part, rule)) if rule is not NO_RULE else ()
        return (*outputs(layer.forward(*some)), *pull(layer, some, part), *shared)

    singles = [run(slice(k, k + 1)) for k in range(size)]
    for n in range(2, size + 1):
        for j, whole in enumerate(run(slice(0, n))):
            for k in range(n):
                alone = singles[k][j][0]
                bound = np.abs(alone).max(initial=0.0) * rtol + 1e-300
                # Ledger columns are sums that may cancel: their size is that of the relevance.
                bound += rtol * float(sum(np.abs(r[k]).sum() for r in rs)) if alone.ndim == 0 else 0
                np.testing.assert_allclose(whole[k], alone, rtol=rtol, atol=bound, err_msg=f"row {k} of {n}")


def check_empty(layer: Layer, xs: tuple[Any, ...], rs: tuple[Any, ...], rule: Any) -> None:
    """A batch of no samples gives arrays of no samples."""
    none, nothing = tuple(x[:0] for x in xs), tuple(r[:0] for r in rs)
    for found, full in zip(outputs(layer.forward(*none)), rs, strict=True):
        assert found.shape == (0, *full.shape[1:]), f"forward: {found.shape}"
    for found, full in zip(pull(layer, none, nothing), xs, strict=True):
        assert found.shape == (0, *full.shape[1:]), f"vjp: {found.shape}"
    if rule is not NO_RULE:
        shared = told(layer, none, nothing, rule)
        for found, full in zip(shared.relevances, xs, strict=True):
            assert found.shape == (0, *full.shape[1:]), f"relevance: {found.shape}"
        assert {c.shape for c in (shared.bias, shared.stabiliser, shared.dropped)} == {(0,)}


def check_backend(layer: Layer, xs: tuple[Any, ...], rs: tuple[Any, ...], rule: Any) -> None:
    """The strict array module gives NumPy's results, without a NumPy array and without waiting for the device."""
    there, far_xs, far_rs = to_strict(layer), to_strict(xs), to_strict(rs)
    far_rule = rule if rule is NO_RULE else to_strict(rule)
    Synchronisations.count = 0
    found = (*outputs(there.forward(*far_xs)), *pull(there, far_xs, far_rs))
    expected = (*outputs(layer.forward(*xs)), *pull(layer, xs, rs))
    if rule is not NO_RULE:
        found += columns(told(there, far_xs, far_rs, far_rule))
        expected += columns(told(layer, xs, rs, rule))
    assert Synchronisations.count == 0, f"the device was waited for {Synchronisations.count} times"
    for a, b in zip(found, expected, strict=True):
        assert type(a) is StrictArray, f"a {type(a).__name__} among the strict module's results"
        close(a.get(), np.asarray(b), rtol=1e-15, what="strict module")


def check_exact(layer: Layer, xs: tuple[Any, ...], rs: tuple[Any, ...], rule: Any) -> None:
    """On rationals every number stays a rational, and rounds to the float result."""
    there, exact_xs, exact_rs = exactly(layer), exactly(xs), exactly(rs)
    found = (*outputs(there.forward(*exact_xs)), *pull(there, exact_xs, exact_rs))
    expected = (*outputs(layer.forward(*xs)), *pull(layer, xs, rs))
    if rule is not NO_RULE:
        found += columns(told(there, exact_xs, exact_rs, rule))
        expected += columns(told(layer, xs, rs, rule))
    for a, b in zip(found, expected, strict=True):
        numbers = np.asarray(a, dtype=object).ravel().tolist()
        kinds = {type(v) for v in numbers} - {Fraction, int}
        assert a.dtype == object, f"rationals became {a.dtype}"
        assert not kinds or all(v == -np.inf for v in numbers if type(v) is float), f"rationals became {kinds}"
        close(a.astype(b.dtype), b, rtol=1e-13, what="rationals")


def check_ledger(shared: Redistribution, rs: tuple[Any, ...], *, rtol: float = 1e-12) -> None:
    """Σ R_out = Σ R_in + bias + stabiliser + dropped, per sample; exactly on rationals."""
    for n in range(len(rs[0])):
        out, size = sum(np.sum(r[n]) for r in rs), sum(np.sum(abs(r[n])) for r in rs)
        back = sum(np.sum(r[n]) for r in shared.relevances)
        moved = sum(np.sum(abs(r[n])) for r in shared.relevances)
        residual = out - (back + shared.bias[n] + shared.stabiliser[n] + shared.dropped[n])
        exact = rs[0].dtype == object
        assert residual == 0 if exact else abs(residual) <= rtol * (size + moved), f"residual {residual} of {size}"


def check_messages(
    sample: Any, layer: Linear, xs: tuple[Any, ...], r: Any, rule: Any, *, exact: bool, dtype: Any = np.float64
) -> None:
    """The fast rule is the sum of the textbook's messages, and its ledger the sum of the textbook's columns.

    The tolerance comes from the dtype of the fast rule and from each unit's condition number Σ_i |R_{i<-j}| / |R_j|,
    which is Σ|z_ij|/|z_j| for the z-rule: exact numbers agree exactly. The textbook computes in float64.
    """
    cast = layer if exact else layer.map_arrays(lambda a: a.astype(dtype))
    shared = cast.redistribute(
        *((xs, r) if exact else (tuple(x.astype(dtype) for x in xs), r.astype(dtype))), rule.rule
    )
    matrix = sample.matrix(layer, exact=exact)
    for n in range(len(r)):
        a = np.concatenate([x[n].ravel() for x in xs])
        said = rule.messages(a, matrix, r[n : n + 1].ravel(), exact)
        got = np.concatenate([part[n].ravel() for part in shared.relevances])
        pairs = [(got, said.relevance), (shared.bias[n], said.bias.sum())]
        pairs += [(shared.stabiliser[n], said.stabiliser.sum()), (shared.dropped[n], said.dropped.sum())]
        if exact:
            for found, expected in pairs:
                assert np.all(found == expected), f"{rule.name} on {sample.name}: {found} is not {expected}"
            continue
        bound = tolerance(said, r[n : n + 1].ravel(), dtype)
        for found, expected in pairs:
            error = np.abs(np.asarray(found - expected)).max(initial=0.0)
            assert error <= bound, f"{rule.name} on {sample.name}: off by {error}, allowed {bound}"


def tolerance(said: Any, r: Any, dtype: Any) -> float:
    """Return the rounding allowed: ε · (number of terms) · Σ_j Σ_i|R_{i<-j}| · condition of unit j."""
    weight = np.abs(said.messages).sum(axis=0) + np.abs(said.bias) + np.abs(said.stabiliser) + np.abs(r)
    condition = np.divide(weight, np.abs(r), out=np.ones_like(weight), where=r != 0)
    return float(8 * np.finfo(dtype).eps * len(said.messages) * (weight * condition).sum()) + 1e-300


def check_conservative(shared: Redistribution, rs: tuple[Any, ...]) -> None:
    """Σ R_in = Σ R_out for every sample, exactly on rationals."""
    for n in range(len(rs[0])):
        out, back = sum(np.sum(r[n]) for r in rs), sum(np.sum(r[n]) for r in shared.relevances)
        size = sum(np.sum(abs(r[n])) for r in rs)
        assert abs(out - back) <= (0 if rs[0].dtype == object else 1e-11 * size), f"{back} of {out} arrives"


def check_positive(shared: Redistribution) -> None:
    """No input receives negative relevance."""
    for r in shared.relevances:
        assert (r >= 0).all(), f"negative relevance: {r}"


def own_rule(layer: Layer) -> Any:
    """Return a rule that the layer takes: its own, ε where one has to be named, or NO_RULE."""
    if layer.own_rule is not None:
        return None
    if isinstance(layer, Linear):
        return rules.Epsilon(0.125)
    return rules.Recurrent(rules.Epsilon(0.125), rules.Epsilon(0.25)) if isinstance(layer, RecurrentLayer) else NO_RULE


def signed(sample: Any, kind: str) -> tuple[tuple[Any, ...], Any]:
    """Return operands and relevance with every combination of signs: any, all positive, all negative, zero."""
    xs, (r,) = sample.inputs(5, kind), sample.relevances(5, kind)
    turned = []
    for x in xs:
        x = x.copy()
        x[1], x[2], x[4] = abs(x[1]), -abs(x[2]), x[4] * 0
        turned.append(x)
    r = r.copy()
    r[2], r[3] = abs(r[2]), -abs(r[3])
    return tuple(turned), r


def same_relevance(one: Any, other: Any, what: str) -> None:
    for a, b in zip(columns(one), columns(other), strict=True):
        assert (a.reshape(b.shape) == b).all(), what
