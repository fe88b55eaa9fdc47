"""The declared range of an input: from the network, its file or its sidecar to the bounds of z^B."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exact_numbers import F, exact

import lrp_ref as lrp
from lrp_ref import loaders, rules
from lrp_ref.arithmetic import rational
from lrp_ref.errors import LrpError, ModelFormatError, NonFiniteError, ParameterError, ShapeError
from lrp_ref.layers import Affine, Concat, Conv, Dense, Flatten, Gather, Identity, Pad, ReLU, Split, Transpose, Upsample
from lrp_ref.loaders.preprocess import declare, load_sidecar
from lrp_ref.network import Input, Network, Node
from lrp_ref.propagation import composites

BOX = "epsilon_gamma_box"
ROOT = Path(__file__).resolve().parents[3]


def chain(*layers: Any, low: Any = None, high: Any = None, shape: Any = None) -> Network:
    net = Network.sequential(list(layers))
    return Network(net.nodes, (Input("input", shape, low=low, high=high),), net.outputs)


def conv(channels: int = 1) -> Conv:
    return Conv(np.arange(1.0, 1 + channels).reshape(1, channels, 1), np.array([0.5]))


def box_of(net: Network, composite: Any = BOX, **given: Any) -> Any:
    """Return the bounds of the z^B-rule that a composite plans."""
    (rule,) = [p.rule for p in composites.resolve(composite, given).plan(net) if isinstance(p.rule, rules.ZBox)]
    return [b.tolist() if hasattr(b, "tolist") else b for b in (rule.low, rule.high)]


# An input as a value -------------------------------------------------------------------------------------------------


def test_an_input_holds_its_range_as_numbers() -> None:
    """They are part of its value, and no parameters of the network: casts and counts leave them alone."""
    spec = Input("x", low=np.array([0.0, 0.5], dtype=np.float32), high=[1, F(3, 2)])
    assert (spec.low, spec.high) == ((0.0, 0.5), (1, F(3, 2)))
    assert spec == Input("x", low=[0.0, 0.5], high=(1, F(3, 2)))
    assert spec != Input("x")
    assert hash(spec) == hash(Input("x", low=[0.0, 0.5], high=(1, F(3, 2))))
    assert repr(spec) == "Input(name='x', low=(0.0, 0.5), high=(1, Fraction(3, 2)))"
    assert Input("x", low=np.float64(2)).low == 2
    net = chain(conv(), low=np.zeros((1, 2)), high=1.0)
    assert net.inputs[0].low == ((0.0, 0.0),)
    assert {a.dtype for a in net.astype("float32").arrays()} == {np.dtype("float32")}
    assert net.astype("float32").inputs == rational(net).inputs == net.until("conv1").inputs == net.inputs
    assert len(net.parameters) == 2


@pytest.mark.parametrize(
    ("low", "high", "error", "words"),
    [
        (1, 0, ParameterError, "input 'x': low must be ≤ high everywhere, got low=1, high=0"),
        ([0, 3], [1, 2], ParameterError, "low must be ≤ high everywhere"),
        (0, [1, float("inf")], NonFiniteError, "a bound of input 'x' has 1 values that are not finite"),
        (float("nan"), None, NonFiniteError, "a bound of input 'x'"),
        ([1, 2], [3, 4, 5], ShapeError, "low and high have shapes that do not fit each other"),
    ],
)
def test_bounds_that_are_none(low: Any, high: Any, error: type[LrpError], words: str) -> None:
    with pytest.raises(error, match=words.replace("(", r"\(")):
        Input("x", low=low, high=high)


# From the input to the rule ------------------------------------------------------------------------------------------


def test_the_declared_range_is_that_of_the_rule() -> None:
    """One unit z = 2a + ½ with a in [−1, 3]: q = 2a + 2, which is all of the relevance; γ and ε are not reached."""
    net = chain(Conv(exact([[2]]), exact(F(1, 2))), low=-1, high=3)
    assert box_of(net) == [-1, 3]
    x = exact([[1]])
    by_range, given = lrp.explain(net, x, composite=BOX), lrp.explain(net, x, composite=BOX, low=-1, high=3)
    assert by_range.relevance.tolist() == given.relevance.tolist()
    named = lrp.explain(net, x, composite=[(composites.first(Conv), rules.ZBox())])
    assert named.relevance.tolist() == [[[F(5, 2)]]]
    assert box_of(net, "montavon_vgg16") == [-1, 3]


def test_what_is_given_comes_first() -> None:
    net = chain(conv(), low=-1, high=3)
    assert box_of(net, low=-7) == [-7, 3]
    assert box_of(net, high=np.array([9.0])) == [-1, [9.0]]
    assert box_of(net, [(Conv, rules.ZBox(high=4))]) == [-1, 4]


@pytest.mark.parametrize(
    ("layers", "low", "expected"),
    [
        ([], (0, 1), [0, 1]),
        ([Identity()], (0, 1), [0, 1]),
        ([Pad(((0, 0), (1, 0)))], (0, 1), [0, 1]),
        ([Transpose((0, 2, 1))], (0, 1), [0, 1]),
        ([Upsample((2,)), Identity()], (0, 1), [0, 1]),
        ([Gather((1, 0), axis=1)], (0, 1), None),  # the channels change places
        ([Gather((1, 0), axis=1)], (2, 2), 2),
        ([Flatten()], (0, 1), None),
        ([Flatten()], 2, 2),
        ([Affine(np.ones(2))], 2, None),
        ([ReLU()], 2, None),
    ],
)
def test_the_range_follows_layers_that_only_move_values(layers: Any, low: Any, expected: Any) -> None:
    net = chain(*layers, conv(2), low=low, high=9)
    if expected is not None:
        assert box_of(net)[0] == expected
        return
    with pytest.raises(ParameterError, match=rf"composite '{BOX}' needs low= and high= \(--low and --high\), the boun"):
        box_of(net)
    assert box_of(net, low=3, high=4) == [3, 4]


def test_one_value_of_several_is_not_followed() -> None:
    """Behind a split or a join nobody says which range is whose."""
    net = Network(
        (Node("s", Split((1, 1)), ("x",)), Node("c", conv(), ("s:1",))), (Input("x", low=(0, 1), high=(2, 3)),), ("c",)
    )
    with pytest.raises(ParameterError, match="'s:1' is no input of the network"):
        box_of(net)
    net = Network((Node("j", Concat(), ("x", "x")), Node("c", conv(2), ("j",))), (Input("x", low=0, high=1),), ("c",))
    with pytest.raises(ParameterError, match="'j' is no input of the network"):
        box_of(net)


def test_a_network_without_a_convolution_needs_no_bounds() -> None:
    assert lrp.explain(chain(Dense(np.eye(2))), np.ones((1, 2)), composite=BOX).relevance.tolist() == [
        [1 / (1 + 1e-6), 0]
    ]


def test_a_merged_scale_is_no_longer_between() -> None:
    """A scale and shift before a convolution without padding becomes part of it, so that the input's range is its."""
    net = chain(Affine(np.array([2.0]), np.array([1.0])), conv(), low=0, high=1, shape=(None, 1, 3))
    e = lrp.explain(net, np.full((1, 1, 3), 0.5), composite=BOX)
    (rule,) = [p.rule for p in e.plan if isinstance(p.rule, rules.ZBox)]
    assert (rule.low, rule.high) == (0, 1)


def test_a_rule_without_bounds_says_so_outside_a_network() -> None:
    assert rules.ZBox().formula() == rules.ZBox(0, 1).formula()
    with pytest.raises(
        ParameterError, match=r"l_i of the z\^B-rule is not known: give the rule its bounds, such as lrp"
    ):
        conv().relevance_backward(np.ones((1, 1, 2)), np.ones((1, 1, 2)), rules.ZBox())
    assert eval("rules.ZBox(low=0.0, high=1.0)") == rules.ZBox(0.0, 1.0)  # noqa: S307  (the advice works)


# Beyond the range ----------------------------------------------------------------------------------------------------


def test_an_input_beyond_the_range_is_told() -> None:
    """Two of six values: −0.5 and 1.25, bounds 0 and 1."""
    net = chain(conv(), low=0, high=1)
    x = np.array([[[0.0, 1.0, -0.5]], [[0.25, 1.25, 0.5]]])
    e = lrp.explain(net, x, composite=BOX)
    assert e.notes == (
        "2 of 6 values that node 'conv1' reads (-0.5 to 1.25) are beyond the bounds 0 to 1 of its z^B-rule: "
        "messages may have the wrong sign there",
    )
    assert repr(e).endswith(f"; {e.notes[0]})")
    assert lrp.explain(net, x, composite=BOX, low=-0.5, high=1.25).notes == ()
    assert lrp.explain(net, np.clip(x, 0, 1), composite=BOX).notes == ()
    assert lrp.explain(net, x, composite="epsilon").notes == ()
    assert lrp.explain(net, x[:0], composite=BOX).notes == ()
    assert lrp.explain(rational(net), rational(x), composite=BOX).notes == ()


def test_zeros_that_padding_brings_are_seen_too() -> None:
    net = chain(Pad(((0, 0), (1, 0))), conv(), low=0.5, high=1)
    assert lrp.explain(net, np.ones((1, 1, 2)), composite=BOX).notes[0].startswith("1 of 3 values that node 'conv1'")


def test_float32_inputs_at_the_ends_are_within() -> None:
    """Pixels 0 and 255 scaled by a third in float64 and rounded to float32 do not exceed the bounds so rounded."""
    low, high = (0 - 127) / 3, (255 - 127) / 3
    net = chain(conv(), low=low, high=high).astype("float32")
    x = np.array([[[low, high]]]).astype("float32")
    assert float(x[0, 0, 1]) > high
    assert lrp.explain(net, x, composite=BOX).notes == ()


# Files and sidecars --------------------------------------------------------------------------------------------------

PHOTO = {"kind": "image", "size": [2, 2], "channels": "RGB", "layout": "NCHW", "mean": [0, 1, 2], "scale": [1, -1, 0.5],
         "resize": "stretch"}  # fmt: skip
BOUNDS = ((0.0, -254.0, -1.0), (255.0, 1.0, 126.5))


def saved(folder: Path, sidecar: Any = None, **given: Any) -> Path:
    net = chain(Conv(np.ones((1, 3, 1, 1)), np.array([0.5])), shape=(None, 3, 2, 2), **given)
    loaders.save(net, folder / "net.npz")
    if sidecar is not None:
        (folder / "net.json").write_text(sidecar if isinstance(sidecar, str) else json.dumps(sidecar))
    return folder / "net.npz"


def test_a_range_is_saved_with_the_network(tmp_path: Path) -> None:
    path = saved(tmp_path, low=(0.0, 0.5, 1.0), high=2)
    assert (lrp.load(path).inputs[0].low, lrp.load(path).inputs[0].high) == ((0.0, 0.5, 1.0), 2)
    with np.load(saved(tmp_path)) as file:  # as before there were ranges
        header = json.loads(file["header"].tobytes())
    assert header["inputs"] == [{"name": "input", "shape": [None, 3, 2, 2]}]
    assert lrp.load(saved(tmp_path)).inputs[0].low is None


def test_a_damaged_range_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, low=0.0, high=2.0)
    with np.load(path) as file:
        content = dict(file)
    for wrong in ('"low": 9.0', '"low": "a"', '"low": {"array": "none"}'):
        header = content["header"].tobytes().decode().replace('"low": 0.0', wrong)
        np.savez(path, **{**content, "header": np.frombuffer(header.encode(), dtype=np.uint8)})
        with pytest.raises(ModelFormatError, match=r"net\.npz"):
            lrp.load(path)


def test_load_takes_the_range_of_the_sidecar(tmp_path: Path) -> None:
    """(0 − mean)·scale to (255 − mean)·scale per channel, turned round where the scale is negative."""
    net = lrp.load(saved(tmp_path, {"input": PHOTO}))
    assert (net.inputs[0].low, net.inputs[0].high) == BOUNDS
    x = np.full((1, 3, 2, 2), 0.25)
    e = lrp.explain(net, x, composite=BOX)
    low, high = (np.array(b) for b in BOUNDS)
    assert np.array_equal(e.relevance, lrp.explain(net, x, composite=BOX, low=low, high=high).relevance)
    own = lrp.load(saved(tmp_path, {"input": PHOTO}, low=0, high=1))
    assert (own.inputs[0].low, own.inputs[0].high) == (0, 1)


@pytest.mark.parametrize(
    "sidecar", ["no JSON", "[1, 2]", '{"hidden_size": 768}', {"input": {"kind": "series", "layout": "NTC"}}]
)
def test_another_file_beside_the_model_changes_nothing(tmp_path: Path, sidecar: Any) -> None:
    assert lrp.load(saved(tmp_path, sidecar)) == lrp.load(saved(tmp_path))


def test_a_sidecar_speaks_of_the_only_input(tmp_path: Path) -> None:
    sidecar = load_sidecar(saved(tmp_path, {"input": PHOTO}))
    two = Network((Node("c", Concat(), ("a", "b")),), (Input("a"), Input("b")), ("c",))
    assert declare(two, sidecar) is two
    assert declare(two, None) is two


def test_shipped_models_need_no_bounds() -> None:
    pytest.importorskip("onnx")
    net = lrp.load(ROOT / "models" / "digits_cnn.onnx")
    assert (net.inputs[0].low, net.inputs[0].high) == ((0.0,), (1.0,))
    e = lrp.explain(net, np.random.default_rng(0).random((2, 1, 28, 28)), composite=BOX)
    assert e.notes == ()
    assert e.ledger.residual < 1e-12


def test_a_certificate_names_the_bounds_that_it_took() -> None:
    """They are no part of the model's hash, and a verifier may have the network without its sidecar."""
    pytest.importorskip("flint")
    from lrp_ref.exact import verify

    x = np.array([[[0.25, 0.75], [0.5, 0.125]]])
    for low in (0.0, (0.0, 0.5)):
        net = chain(conv(2), low=low, high=1.5)
        made = lrp.certify(net, x, composite=BOX)
        assert made.certified
        assert made.request.parameters == {"low": list(low) if isinstance(low, tuple) else low, "high": 1.5}
        assert verify(made, chain(conv(2)), x).accepted
