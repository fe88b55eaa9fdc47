"""Edits and stabilisers one by one: values by hand on both sides of every border, what they print and refuse."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from exact_numbers import F, exact

from lrp_ref.errors import ParameterError
from lrp_ref.rules import edits
from lrp_ref.rules.edits import EXACT, Boost, Stabiliser, add, clip, relative

# Boost -------------------------------------------------------------------------------------------------------

# x + γ x⁺ and x + γ x⁻ for γ = 1/4
BOOSTED = [(F(-2), F(-2), F(-5, 2)), (F(-1, 2), F(-1, 2), F(-5, 8)), (F(0), F(0), F(0)), (F(3), F(15, 4), F(3))]


@pytest.mark.parametrize("gamma", [0.25, F(1, 4)], ids=["float", "fraction"])
@pytest.mark.parametrize(("value", "up", "down"), BOOSTED)
def test_a_boosted_number_is_a_boosted_array(gamma: Any, value: F, up: F, down: F) -> None:
    for part, wanted in (("pos", up), ("neg", down)):
        edit = Boost(gamma, part)
        assert edit.number(value) == edit(exact([value]))[0, 0] == wanted
        assert type(edit.number(value)) is type(edit(exact([value]))[0, 0]) is Fraction
        assert edit(np.array([[float(value)]], dtype=np.float32)).tolist() == [[float(wanted)]]
    assert type(Boost(0.25, "pos").number(2.0)) is float
    assert Boost(0.25, "neg").number(-2.0) == -2.5


def test_a_boost_is_a_frozen_value() -> None:
    boost = Boost(0.25, "pos")
    assert repr(boost) == "boost(0.25, pos)"
    assert boost == Boost(0.25, "pos")
    assert hash(boost) == hash(Boost(0.25, "pos"))
    assert len({boost, Boost(0.25, "neg"), Boost(0.5, "pos"), edits.POS}) == 4
    assert [field.name for field in dataclasses.fields(boost)] == ["name", "pattern", "gamma", "part"]
    for name in ("name", "pattern", "gamma", "part"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(boost, name, None)


# Stabilisers -------------------------------------------------------------------------------------------------

Z = [F(-2), F(-1), F(-1, 2), F(-1, 4), F(0), F(1, 4), F(1, 2), F(1), F(2)]
# By the table of the class, with ε = 1/2 and sgn(0) = +1; the RMS of one number z alone is |z|.
STABLE = {
    "exact": lambda z: z,
    "add": lambda z: z + F(1, 2) if z >= 0 else z - F(1, 2),
    "clip": lambda z: max(z, F(1, 2)) if z >= 0 else min(z, F(-1, 2)),
    "relative": lambda z: z * F(3, 2),
}


@pytest.mark.parametrize("dtype", [object, np.float32, np.float64], ids=["exact", "float32", "float64"])
@pytest.mark.parametrize("kind", STABLE)
@pytest.mark.parametrize("value", Z)
def test_a_stabilised_denominator(kind: str, value: F, dtype: Any) -> None:
    if kind == "relative" and dtype is object:
        return
    stabiliser, z = Stabiliser(kind, F(1, 2)), np.array([[value]]).astype(dtype)
    stable, offset = stabiliser(z), stabiliser.offset(z)
    assert stable.tolist() == [[STABLE[kind](value)]]
    assert stable.dtype == z.dtype
    assert (offset is None) == (kind == "exact")
    if offset is not None:
        assert offset.tolist() == [[STABLE[kind](value) - value]]
        assert offset.dtype == z.dtype


def test_the_root_mean_square_is_that_of_each_sample() -> None:
    z = np.array([[[1.0, -7.0], [5.0, 5.0]], [[-0.5, 0.5], [0.5, -0.5]], [[0.0, 0.0], [0.0, 0.0]]])  # 5, 1/2, 0
    size = np.array([5.0, 0.5, 0.0]).reshape(3, 1, 1) / 4
    assert np.array_equal(relative(0.25).offset(z), np.where(z < 0, -size, size))
    for shape in ((0, 2), (2, 0), (3, 0, 2)):
        assert relative(0.25).offset(np.zeros(shape)).shape == shape


def test_a_stabiliser_of_strength_zero_adds_nothing() -> None:
    z = np.array([[1.0, -1.0, 0.0]])
    for stabiliser in (EXACT, Stabiliser("exact", 0.5), add(0), clip(0), relative(0)):
        assert stabiliser.offset(z) is None
        assert stabiliser(z) is z
        assert stabiliser.formula("z") == "z"
        assert not stabiliser.never_zero(z)


def test_stabilisers_are_values() -> None:
    assert Stabiliser() == EXACT == Stabiliser("exact", 0)
    assert (add(2), clip(2), relative(2)) == tuple(Stabiliser(kind, 2) for kind in ("add", "clip", "relative"))
    assert [repr(s) for s in (EXACT, add(0.5), clip(2), relative(F(1, 3)))] == [
        "exact", "add(0.5)", "clip(2)", "relative(Fraction(1, 3))"]  # fmt: skip
    for epsilon in (-1, -0.5, -1e-9, float("nan")):
        with pytest.raises(ParameterError, match="epsilon must be ≥ 0"):
            add(epsilon)
    with pytest.raises(ParameterError, match="is not known"):
        Stabiliser("none")
