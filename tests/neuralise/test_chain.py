"""Layers that are one are one: the same outputs and relevance, number by number, on rationals."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.layers import Affine, Centred, Concat, Dense, Gather, ReLU
from lrp_ref.neuralise.chain import behind, chain, merged, side_by_side


def exact(*values) -> np.ndarray:
    return np.vectorize(Fraction, otypes=[object])(np.asarray(values, dtype=object))


X = exact([1, "-2/3", 4], [0, 5, "1/7"])
SCALES = {
    "centred": Centred(exact(1, "1/2", -3), exact(2, "-1/3", 5)),
    "centre": Centred(exact(0, 4, "2/5")),
    "affine": Affine(exact(3, "1/4", -1), exact("1/2", 0, 7)),
    "scale": Affine(exact(2, "-2/9", 1)),
    "shift": Affine(None, exact(1, 2, "3/2")),
    "dense": Dense(exact([1, 0, "1/2"], [-2, 3, 1], ["1/3", 1, -1]), exact(1, "-1/4", 0)),
    "turn": Dense(exact([0, 1, "5/2"], [2, 3, 1], [1, "1/9", -1])),
}
SCORES = Dense(exact([1, "-1/2"], [3, 2], [-1, "4/3"]), exact("1/5", -2))


@pytest.mark.parametrize("names", list(product(SCALES, SCALES)), ids="-".join)
@pytest.mark.parametrize("dense", [False, True])
def test_what_is_merged_computes_the_same(names, dense: bool) -> None:
    net = chain([*((f"{name}{k}", SCALES[name]) for k, name in enumerate(names)), ("scores", SCORES)])
    one = merged(net, dense=dense)
    assert (one.forward(X) == net.forward(X)).all()
    scalers = [name.startswith("centre") for name in names]
    if dense and not any(scalers):
        assert [n.name for n in one.nodes] == ["scores"]
    elif all(scalers):
        assert [n.name for n in one.nodes] == [f"{names[0]}0", "scores"]
    kept = [n.name for n in one.nodes]
    assert len(set(kept)) == len(kept)
    assert one.composite == net.composite == "lrp0"


@pytest.mark.parametrize("names", list(product(("centred", "centre"), repeat=2)), ids="-".join)
def test_two_scalers_share_as_one(names) -> None:
    """R = (x − r) w_eff, with r where the chain of both is 0, and the derivative for w_eff."""
    net = merged(chain([*((f"s{k}", SCALES[name]) for k, name in enumerate(names)), ("scores", SCORES)]))
    start = exact([1, "2/3"], [-1, 5])
    e = lrp.explain(net, X, start=start)
    first, second = (SCALES[name] for name in names)
    one = exact(1, 1, 1)
    scales = [one if s.scale is None else s.scale for s in (first, second)]
    zero = first.reference + second.reference / scales[0]
    share = start / net.forward(X)
    expected = (X - zero) * scales[0] * scales[1] * (share @ SCORES.weight.T)
    assert (e.relevance == expected).all()
    assert all((row.residual == 0).all() for row in e.ledger)


def test_what_several_read_stays() -> None:
    net = chain([("scale", SCALES["scale"]), ("turn", SCALES["turn"])])
    two = side_by_side([net, net], Concat(1), "both")
    assert [n.name for n in two.nodes] == ["scale_0", "turn_0", "scale_1", "turn_1", "both"]
    assert (two.forward(X) == np.concatenate([net.forward(X)] * 2, axis=1)).all()
    front = behind([("front", SCALES["scale"])], two)
    assert merged(front).nodes[0].name == "front"
    assert (merged(front).forward(X) == front.forward(X)).all()


def test_what_stands_between_stays() -> None:
    net = chain([("scale", SCALES["scale"]), ("relu", ReLU()), ("turn", SCALES["turn"]), ("some", Gather((2, 0))),
                 ("scores", Dense(exact([1], [2])))])  # fmt: skip
    assert merged(net) == net
    one = merged(chain([("scale", SCALES["scale"]), ("some", Gather((2, 0))), ("shift", Affine(None, exact(1, 2))),
                        ("scores", Dense(exact([1], [2])))]))  # fmt: skip
    assert [n.name for n in one.nodes] == ["scale", "some", "scores"]


def test_notes_and_size_of_the_input() -> None:
    net = chain([("scores", SCORES)], features=3, notes=("one",))
    whole = behind([("scale", SCALES["scale"])], net, features=3, notes=("two",))
    assert whole.notes == ("two", "one")
    assert whole.inputs[0].shape == (None, 3)
    with pytest.raises(lrp.errors.ShapeError, match=r"expects \(N, 3\)"):
        whole.forward(X[:, :2])
