"""Networks: the graph and its errors, what may be fed, names, parts, number systems, and values as values."""

from __future__ import annotations

import pickle
import zlib
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from lrp_ref.arithmetic import rational, to_float
from lrp_ref.errors import BackendError, GraphError, LrpError, NonFiniteError, ShapeError
from lrp_ref.layers import LSTM, Add, Affine, Concat, Conv, Dense, Flatten, Log, MaxPool, ReLU, Split
from lrp_ref.network import Input, Network, Node

RNG = np.random.default_rng(20261121)


@pytest.fixture(autouse=True)
def _seed(request: pytest.FixtureRequest) -> None:
    """Every test draws its own numbers, whichever tests run before it."""
    RNG.bit_generator.state = np.random.default_rng(zlib.crc32(request.node.name.encode())).bit_generator.state


def draw(*shape: int) -> Any:
    """Multiples of 1/4 of both signs."""
    return RNG.integers(-8, 9, size=shape) / 4


def branches() -> tuple[Network, Any, Any]:
    """Two inputs; one layer used twice; a value read by two nodes; two outputs."""
    w, v = draw(3, 3), draw(3, 2)
    shared = Dense(w)
    nodes = (
        Node("once", shared, ("left",)),
        Node("relu", ReLU(), ("once",)),
        Node("twice", shared, ("relu",)),
        Node("sum", Add(), ("twice", "relu", "right")),
        Node("head", Dense(v), ("sum",)),
    )
    return Network(nodes, (Input("left"), Input("right", (None, 3))), ("head", "sum")), w, v


def test_forward_of_a_graph_with_two_inputs_a_reused_layer_and_two_outputs() -> None:
    net, w, v = branches()
    left, right = draw(4, 3), draw(4, 3)
    relu = np.maximum(left @ w, 0)
    total = relu @ w + relu + right
    found = net.forward({"left": left, "right": right})
    assert list(found) == ["head", "sum"]
    assert np.array_equal(found["sum"], total)
    assert np.array_equal(found["head"], total @ v)


def test_values_are_kept_or_freed_after_their_last_use() -> None:
    net, _, _ = branches()
    x = {"left": draw(2, 3), "right": draw(2, 3)}
    assert set(net.values(x)) == {"left", "right", "once", "relu", "twice", "sum", "head"}
    assert set(net.values(x, keep=lambda name: False)) == {"sum", "head"}
    assert set(net.values(x, keep=lambda name: name == "relu")) == {"relu", "sum", "head"}
    assert set(x) == {"left", "right"}, "the caller's dict stays as it is"


def test_consumers_and_lookup() -> None:
    net, _, _ = branches()
    assert [n.name for n in net.consumers("relu")] == ["twice", "sum"]
    assert net.consumers("head") == []
    assert net["sum"].inputs == ("twice", "relu", "right")
    assert len(net) == 5
    with pytest.raises(GraphError, match=r"^no node is called 'Sum'; there are: once, relu, twice, sum, head$"):
        net["Sum"]


# The graph and its errors ------------------------------------------------------------------------------------

X = (Input("x"),)
RELU = Node("r", ReLU(), ("x",))


@pytest.mark.parametrize(
    ("nodes", "inputs", "outputs", "message"),
    [
        ((), X, ("x",), "a network needs at least one node, one input and one output"),
        ((RELU,), (), ("r",), "a network needs at least one node, one input and one output"),
        ((RELU,), X, (), "a network needs at least one node, one input and one output"),
        ((Node("r", ReLU(), ()),), X, ("r",), "node 'r' reads nothing"),
        ((Node("r", ReLU(), ("y",)),), X, ("r",), "node 'r' reads 'y', which no earlier node or input provides"),
        (
            (Node("a", ReLU(), ("b",)), Node("b", ReLU(), ("x",))),
            X,
            ("a",),
            "node 'a' reads 'b', which no earlier node or input provides",
        ),
        ((RELU, RELU), X, ("r",), "the name 'r' is used twice"),
        ((Node("x", ReLU(), ("x",)),), X, ("x",), "the name 'x' is used twice"),
        ((RELU,), X, ("q",), "output 'q' is provided by no node"),
        ((RELU,), X, ("r:0",), "output 'r:0' is provided by no node"),
        ((RELU, Node("r:1", ReLU(), ("r",))), X, ("r",), "the name 'r:1' is that of an output of node 'r'"),
    ],
)
def test_graph_errors(nodes: Any, inputs: Any, outputs: Any, message: str) -> None:
    with pytest.raises(GraphError) as error:
        Network(nodes, inputs, outputs)
    assert str(error.value) == message


def test_an_output_that_a_layer_does_not_have_is_named() -> None:
    reads = Network((RELU, Node("s", ReLU(), ("r:1",))), X, ("s",))
    with pytest.raises(GraphError, match=r"^node 's': there is no value 'r:1': node 'r' has fewer outputs$"):
        reads.forward(np.ones((1, 2)))
    with pytest.raises(GraphError, match=r"^there is no value 'r:2': node 'r' has fewer outputs$"):
        Network((RELU,), X, ("r:2",)).forward(np.ones((1, 2)))


def test_names_may_hold_a_colon() -> None:
    nodes = (Node("conv:0", ReLU(), ("image:0",)), Node("out:0", ReLU(), ("conv:0",)))
    net = Network(nodes, (Input("image:0"),), ("out:0",))
    assert net.forward(np.array([[-1.0, 2.0]])).tolist() == [[0.0, 2.0]]
    assert net.until("conv:0").outputs == ("conv:0",)


# What is fed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "kind", "message"),
    [
        ({"left": np.ones((1, 3))}, GraphError, "the network's inputs are left, right; given: left"),
        (np.ones((1, 3)), GraphError, "the network's inputs are left, right; given: left"),
        (
            {"left": np.ones((1, 3)), "wrong": np.ones((1, 3))},
            GraphError,
            "the network's inputs are left, right; given: left, wrong",
        ),
        (
            {"left": np.ones((1, 3)), "right": np.ones((1, 4))},
            ShapeError,
            "input 'right' has shape (1, 4); the network expects (N, 3)",
        ),
        (
            {"left": np.ones((1, 3)), "right": np.ones(3)},
            ShapeError,
            "input 'right' has shape (3,); the network expects (N, 3)",
        ),
        (
            {"left": np.float64(1), "right": np.ones((1, 3))},
            ShapeError,
            "input 'left' is a single number; the first axis must be the batch",
        ),
        (
            {"left": np.ones((2, 3)), "right": np.ones((1, 3))},
            ShapeError,
            "the inputs have different batch sizes: [1, 2]",
        ),
        (
            {"left": np.array([[1.0, np.nan, 1.0], [1, np.inf, 1]]), "right": np.ones((2, 3))},
            NonFiniteError,
            "input 'left' has 2 values that are not finite; the first is nan at (0, 1)",
        ),
        (
            {"left": [[1.0, 2.0, 3.0]], "right": np.ones((1, 3))},
            BackendError,
            "builtins.list is not a NumPy or CuPy array: convert it first (numpy.asarray(x), tensor.detach().numpy())",
        ),
        (
            {"left": np.ones((1, 3)), "right": None},
            BackendError,
            "input 'right' is None, not an array",
        ),
        (
            {"left": np.ones((1, 3)), "right": np.ones((1, 3), np.float32)},
            ShapeError,
            "the inputs have different dtypes: ['float32', 'float64']",
        ),
    ],
)
def test_feed_errors(x: Any, kind: type[LrpError], message: str) -> None:
    net, _, _ = branches()
    with pytest.raises(kind) as error:
        net.forward(x)
    assert type(error.value) is kind
    assert str(error.value) == message


def test_open_sizes_are_shown() -> None:
    net = Network((Node("flat", Flatten(), ("x",)),), (Input("x", (None, 3, None, 4)),), ("flat",))
    assert net.forward(np.ones((2, 3, 5, 4))).shape == (2, 60)
    with pytest.raises(ShapeError, match=r"^input 'x' has shape \(2, 3, 4\); the network expects \(N, 3, any, 4\)$"):
        net.forward(np.ones((2, 3, 4)))


def test_a_layers_error_gets_the_nodes_name() -> None:
    net = Network.sequential([("flat", Flatten()), ("head", Dense(np.ones((5, 1))))])
    with pytest.raises(ShapeError) as error:
        net.forward(np.ones((1, 2, 2)))
    assert error.value.node == "head"
    assert str(error.value) == "node 'head': Dense: input of shape (1, 4) does not end in 5 features"


def test_a_value_that_is_not_finite_names_its_node_without_a_warning() -> None:
    net = Network.sequential([ReLU(), ("spectrum", Log()), Dense(np.ones((2, 1)))])
    message = r"^node 'spectrum': the output has 1 values that are not finite; the first is -inf at \(1, 0\)$"
    with pytest.raises(NonFiniteError, match=message):
        net.forward(np.array([[1.0, 2.0], [-3.0, 1.0]]))
    huge = Network.sequential([Dense(np.array([[1e300]])), Dense(np.array([[1e300]]))])
    with pytest.raises(NonFiniteError, match=r"node 'dense2'.*inf at"):
        huge.forward(np.array([[1.0]]))


# Names and parts ---------------------------------------------------------------------------------------------


def test_sequential_names() -> None:
    layers = [Conv(np.ones((1, 1, 1))), ReLU(), ("pool", MaxPool(2)), Conv(np.ones((1, 1, 1))), ReLU(), Flatten()]
    net = Network.sequential(layers, input_name="signal")
    assert [n.name for n in net.nodes] == ["conv1", "relu1", "pool", "conv2", "relu2", "flatten1"]
    assert [n.inputs for n in net.nodes] == [("signal",), ("conv1",), ("relu1",), ("pool",), ("conv2",), ("relu2",)]
    assert (net.inputs, net.outputs) == ((Input("signal"),), ("flatten1",))


def test_sequential_refuses_a_name_given_twice() -> None:
    with pytest.raises(GraphError, match="the name 'relu1' is used twice"):
        Network.sequential([("relu1", ReLU()), ReLU()])
    with pytest.raises(GraphError, match="at least one node"):
        Network.sequential([])


def test_until_keeps_what_is_needed() -> None:
    net, w, _ = branches()
    part = net.until("relu")
    assert [n.name for n in part.nodes] == ["once", "relu"]
    assert (part.inputs, part.outputs) == ((Input("left"),), ("relu",))
    x = draw(2, 3)
    assert np.array_equal(part.forward(x), np.maximum(x @ w, 0))
    both = net.until(["twice", "once"])
    assert both.outputs == ("twice", "once")
    assert [n.name for n in both.nodes] == ["once", "relu", "twice"]


def test_until_names_what_is_missing() -> None:
    net, _, _ = branches()
    with pytest.raises(GraphError, match=r"^no value is called 'tail'; there are: once, relu, twice, sum, head$"):
        net.until("tail")


def test_replaced_changes_only_the_named_layers() -> None:
    net, w, v = branches()
    other = Dense(draw(3, 3))
    changed = net.replaced({"twice": other})
    assert changed["twice"].layer == other
    assert changed["once"].layer == net["once"].layer
    assert net["twice"].layer.weight is w, "the network itself stays as it is"
    with pytest.raises(GraphError, match="no node is called 'thrice'"):
        net.replaced({"thrice": other})
    assert changed.outputs == ("head", "sum")
    assert changed["head"].layer.weight is v


# Nodes with several outputs ----------------------------------------------------------------------------------


def test_split_values_are_called_name_and_name_k() -> None:
    nodes = (
        Node("cut", Split((1, 2, 1)), ("x",)),
        Node("joined", Concat(), ("cut:2", "cut")),
        Node("middle", ReLU(), ("cut:1",)),
    )
    net = Network(nodes, X, ("joined", "middle", "cut:2"))
    x = np.array([[1.0, -2.0, 3.0, -4.0]])
    assert list(net.values({"x": x})) == ["x", "cut", "cut:1", "cut:2", "joined", "middle"]
    found = net.forward(x)
    assert found["joined"].tolist() == [[-4.0, 1.0]]
    assert found["middle"].tolist() == [[0.0, 3.0]]
    assert found["cut:2"].tolist() == [[-4.0]]
    assert [n.name for n in net.until("cut:1").nodes] == ["cut"]
    assert [n.name for n in net.until("middle").nodes] == ["cut", "middle"]


def test_all_outputs_of_an_lstm() -> None:
    lstm = LSTM(draw(1, 4, 2, 3), draw(1, 4, 2, 2), draw(1, 4, 2), returns="all")
    net = Network((Node("lstm", lstm, ("x",)), Node("h", Flatten(), ("lstm:1",))), X, ("h", "lstm", "lstm:2"))
    x = draw(2, 5, 3)
    sequence, h, c = lstm.forward(x)
    found = net.forward(x)
    assert np.array_equal(found["h"], h.reshape(2, 2))
    assert np.array_equal(found["h"], sequence[:, -1])
    assert np.array_equal(found["lstm"], sequence)
    assert np.array_equal(found["lstm:2"], c)


# Number systems ----------------------------------------------------------------------------------------------


def mixed() -> Network:
    """A small network with parameters of the dtype float64."""
    return Network.sequential(
        [Conv(draw(2, 1, 2), draw(2)), Affine(draw(2), draw(2)), ReLU(), Flatten(), Dense(draw(6, 2), draw(2))]
    )


@pytest.mark.parametrize("parameters", [np.float32, np.float64])
@pytest.mark.parametrize("inputs", [np.float32, np.float64])
def test_the_inputs_dtype_is_the_outputs_dtype(parameters: Any, inputs: Any) -> None:
    net = mixed()
    x = draw(2, 1, 4)
    values = net.astype(parameters).like_input({"input": x.astype(inputs)}).values({"input": x.astype(inputs)})
    assert {v.dtype for v in values.values()} == {np.dtype(inputs)}
    # Multiples of 1/4 have exact sums in both.
    assert np.array_equal(net.astype(parameters).forward(x.astype(inputs)), net.forward(x))


def test_every_parameter_is_cast_not_only_the_first() -> None:
    net = mixed()
    last = net["dense1"].layer
    some = net.astype("float32").replaced({"dense1": last})
    out = some.forward(draw(1, 1, 4).astype(np.float32))
    assert out.dtype == np.float32


def test_astype_leaves_the_network_as_it_is() -> None:
    net = mixed()
    single = net.astype("float32")
    assert (net.dtype, single.dtype) == (np.float64, np.float32)
    assert {p.dtype for p in single.parameters} == {np.dtype(np.float32)}
    assert len(single.parameters) == 6
    assert Network.sequential([ReLU()]).dtype is None


def test_exact_rationals() -> None:
    net = Network.sequential([Dense(np.array([[0.5], [0.1]]), np.array([0.25])), ReLU()])
    out = rational(net).forward(rational([[1.0, 3.0]]))
    assert out.dtype == object
    assert out[0, 0] == Fraction(3, 4) + 3 * Fraction(0.1)
    assert type(out[0, 0]) is Fraction
    assert to_float(rational(net)) == net


def test_exact_inputs_need_an_exact_network() -> None:
    with pytest.raises(
        ShapeError, match=r"inputs are exact numbers and the network's are not: lrp.arithmetic.rational\(net\)"
    ):
        mixed().forward(rational(draw(1, 1, 4)))


def test_integer_inputs_are_refused_by_the_layer_that_computes() -> None:
    with pytest.raises(BackendError, match=r"node 'conv1': Conv: the input is uint8, the parameters are float64"):
        mixed().forward(np.ones((1, 1, 4), dtype=np.uint8))


# Networks as values ------------------------------------------------------------------------------------------


def test_equality_and_hash() -> None:
    net = mixed()
    same = net.map_arrays(np.copy)
    assert net == same
    assert hash(net) == hash(same)
    assert net != net.astype("float32")
    assert net != net.replaced({"relu1": MaxPool(2)})
    bumped = net["dense1"].layer.weight.copy()
    bumped[0, 0] += 1e-9
    assert net != net.replaced({"dense1": Dense(bumped, net["dense1"].layer.bias)})
    assert net != net.until("relu1")
    assert net != Network(net.nodes, (Input("input", (None, 1, 4)),), net.outputs)


def test_pickling_round_trip() -> None:
    net, _, _ = branches()
    again = pickle.loads(pickle.dumps(net))  # noqa: S301  (our own bytes)
    assert again == net
    x = {"left": draw(1, 3), "right": draw(1, 3)}
    assert np.array_equal(again.forward(x)["head"], net.forward(x)["head"])


def test_networks_are_frozen() -> None:
    net = mixed()
    with pytest.raises(AttributeError):
        net.outputs = ("conv1",)  # type: ignore[misc]


def test_repr_is_a_listing() -> None:
    net, _, _ = branches()
    assert repr(net).splitlines() == [
        "Network left, right → output head, sum",
        "  once   Dense(weight=float64[3, 3])  ← left",
        "  relu   ReLU()                       ← once",
        "  twice  Dense(weight=float64[3, 3])  ← relu",
        "  sum    Add()                        ← twice, relu, right",
        "  head   Dense(weight=float64[3, 2])  ← sum",
    ]


def test_html_is_escaped() -> None:
    net = Network((Node("<b>", ReLU(), ("x&y",)),), (Input("x&y"),), ("<b>",))
    html = net._repr_html_()
    assert "<td>&lt;b&gt;</td><td>ReLU()</td><td>x&amp;y</td>" in html
    assert "<b>" not in html


def test_to_numpy_returns_the_same_arrays() -> None:
    net = mixed()
    assert net.to("numpy") == net
    with pytest.raises(BackendError, match="array module 'torch' is not known: use 'numpy' or 'cupy'"):
        net.to("torch")


# The part above a value -------------------------------------------------------------------------------------------


def test_what_is_since_a_value_makes_of_it_what_the_network_does() -> None:
    net, _, _ = branches()
    fed, names = {"left": draw(4, 3), "right": draw(4, 3)}, [n.name for n in net.nodes]
    whole = net.values(fed)
    for name in names:
        if name in net.outputs:
            continue
        above = net.since(name)
        given = {name: whole[name]} | {i.name: fed[i.name] for i in above.inputs if i.name in fed}
        assert above.inputs[0].name == name
        found = above.forward(given if len(given) > 1 else whole[name])
        found = found if isinstance(found, dict) else {above.outputs[0]: found}
        for output in above.outputs:
            assert (found[output] == whole[output]).all()


def test_a_way_around_a_value_stays_an_input() -> None:
    nodes = (Node("a", ReLU(), ("x",)), Node("b", ReLU(), ("a",)), Node("sum", Add(), ("b", "x")))
    net = Network(nodes, (Input("x", (None, 2)),), ("sum",))
    assert [i.name for i in net.since("b").inputs] == ["b", "x"]
    assert net.since("b").inputs[1] == net.inputs[0]
    assert [n.name for n in net.since(["x", "b"]).nodes] == ["sum"]


def test_a_value_that_nothing_is_above_is_refused() -> None:
    net = Network.sequential([("a", ReLU()), ("b", ReLU())])
    with pytest.raises(GraphError, match="no value is called 'c'; there are: a, b"):
        net.since("c")
    with pytest.raises(GraphError, match="no node above 'b' is needed"):
        net.since("b")
