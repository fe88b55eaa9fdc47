"""Advice in errors works: every error that says what to do is provoked, and what it says is done.

The last test reads the sources: an error with advice that is not in the table fails it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

import lrp_ref as lrp
from lrp_ref import layers, rules
from lrp_ref.arithmetic import ball, rational, to_float
from lrp_ref.cli.options import with_rules
from lrp_ref.errors import LrpError
from lrp_ref.layers import LSTM, Affine, Dense, Flatten, Multiply, Pad, ReLU, Sigmoid, Slice, Softmax, Sum, Tanh
from lrp_ref.network import Input, Network, Node
from lrp_ref.propagation import composites
from lrp_ref.propagation.start import start_relevance
from lrp_ref.rules import edits
from lrp_ref.rules.rule import Group, Rule, Run

PACKAGE = Path(__file__).parents[2] / "lrp_ref"
W1, W2 = np.array([[1.0, -2.0], [0.5, 3.0]]), np.array([[2.0, 1.0, -1.0], [1.0, -1.0, 0.5]])
NET = Network.sequential([Dense(W1), ReLU(), Dense(W2, np.array([0.1, 0.2, 0.3]))])
X = np.array([[1.0, 2.0], [3.0, -1.0]])
F = np.array([[1.0, 3.0, 2.0], [0.0, 1.0, -1.0]])
CELL = LSTM(np.full((1, 4, 2, 3), 0.1), np.full((1, 4, 2, 2), 0.2), np.zeros((1, 4, 2)))
STEPS = np.full((1, 5, 3), 0.5)
GRID = Network.sequential([layers.Conv(np.ones((2, 1, 2, 2))), ReLU(), Flatten(), Dense(np.ones((8, 2)))])
PIXELS = np.linspace(-1, 1, 9).reshape(1, 1, 3, 3)
BASE = composites.get("epsilon").entries


def headed(*added: tuple[str, layers.Layer, tuple[str, ...]]) -> Network:
    nodes = (*NET.nodes, *(Node(*entry) for entry in added))
    return Network(nodes, NET.inputs, (added[-1][0],))


LOST = headed(("p", Sigmoid(), ("dense2",)), ("y", Sum(axes=(1,)), ("p",)))
LOST_SOFT = headed(("s", Softmax(), ("dense2",)), ("t", Softmax(), ("relu1",)), ("m", Sum(axes=(1,)), ("s",)))
SQUASHED = headed(("p", Sigmoid(), ("dense2",)))
SQUARED = headed(("m", Multiply(), ("dense2", "dense2")))
INNER = headed(("s", Softmax(), ("dense2",)), ("y", Dense(np.ones((3, 2))), ("s",)))
NORMED = Network.sequential([("dense1", Dense(W1)), ("bn", Affine(np.array([2.0, 0.5]), np.zeros(2))),
                             ("relu", ReLU()), ("dense2", Dense(W2))])  # fmt: skip
ASIDE = Network((*NET.nodes, Node("aside", Dense(W1), ("relu1",))), NET.inputs, ("dense2", "aside"))
MIXED = headed(("p", Sigmoid(), ("dense2",)), ("y", layers.Concat(), ("dense2", "p")))


@dataclass(frozen=True)
class Advice:
    """How an error comes about, what it says to do, and doing it.

    Attributes:
        provoke: raises the error.
        says: the advice, as it stands in the message.
        follow: does it.
    """

    provoke: Callable[[], Any]
    says: str
    follow: Callable[[], Any]


def explained(net: Network = NET, x: Any = X, **arguments: Any) -> Callable[[], Any]:
    return lambda: lrp.explain(net, x, **arguments).relevance


def saved(folder: Path, net: Network, x: Any) -> Path:
    return lrp.explain(net, x).save(folder / "e.npz")


def with_entry(where: Any, rule: Any) -> lrp.Composite:
    return lrp.Composite([(where, rule)], base=BASE)


def _kernels() -> list[Advice]:
    """Return the advice of kernel machines."""
    v, a, x = np.array([[0.0, 1.0], [2.0, 0.0]]), np.array([[1.0], [1.0]]), np.array([[0.5, 0.5]])
    above = layers.KernelMachine(v, a, np.array([-0.5]), gamma=0.25)
    net = Network.sequential([replace(above, reference=v)])
    beyond = Network.sequential([replace(above, reference=np.array([[50.0, 50.0]]))])
    both = Network.sequential([layers.KernelMachine(v, a * [[1.0], [-1.0]], gamma=0.25)])
    derivatives = [with_entry(layers.KernelMachine, rule) for rule in (rules.Gradient(), rules.Taylor())]
    additive = Network.sequential([layers.AdditiveKernel(v, a, kernel="intersection")])
    epsilon = {kind: with_entry(kind, rules.Epsilon(0.1)) for kind in (layers.KernelMachine, layers.AdditiveKernel)}
    return [
        *(
            Advice(
                explained(both, x, composite=epsilon[layers.KernelMachine]),
                "Gradient() and Taylor() run on it, and a kernel that is such a sum is lrp.layers.AdditiveKernel",
                follow,
            )
            for follow in (
                *(explained(both, x, composite=composite) for composite in derivatives),
                explained(additive, x, composite=epsilon[layers.AdditiveKernel]),
            )
        ),
        *(
            Advice(
                explained(net, x),
                "give points on the other side (reference=, of an estimator towards=), the rule Gradient() or "
                "Taylor(), or explain against a baseline with lrp.attribute(net, x, 'integrated_gradients')",
                follow,
            )
            for follow in (
                explained(beyond, x),
                *(explained(net, x, composite=composite) for composite in derivatives),
                lambda: lrp.attribute(net, x, "integrated_gradients").relevance,
            )
        ),
    ]


def table(folder: Path) -> list[Advice]:
    """Return every piece of advice; several entries where one error offers several ways out."""
    signal, product = (X, X), Multiply()
    words = layers.SoftAssign(W1, hard=True)
    return [
        *_kernels(),
        # descriptors
        Advice(lambda: layers.FisherVector(np.array([1.0, 0.0]), W1, W1 * W1), "leave out components that have none",
               lambda: layers.FisherVector(np.array([1.0]), W1[:1], np.ones((1, 2)))),
        *(
            Advice(lambda: words.relevance_backward(X[:, None], F[:, :2], rules.ZBox(0.0, 1.0)),
                   "rules.LRP0(), rules.Epsilon(...), rules.AlphaBeta(...) run on it",
                   lambda rule=rule: words.relevance_backward(X[:, None], F[:, :2], rule))
            for rule in (rules.LRP0(), rules.Epsilon(0.1), rules.AlphaBeta(2, 1))
        ),
        # sparse matrices
        *(
            Advice(explained(x=csr_array(X)), "lrp.neuralise.explain_sparse(net, matrix) explains it", follow)
            for follow in (lambda: lrp.neuralise.explain_sparse(NET, csr_array(X)), explained(x=csr_array(X).toarray()))
        ),
        # start
        Advice(explained(LOST), "give start='output'", explained(LOST, start="output")),
        Advice(
            explained(LOST_SOFT),
            "a rule for the softmax: (lrp.layers.Softmax, lrp.rules.Pass()) in the composite",
            explained(LOST_SOFT, start="output", composite=with_entry(layers.Softmax, rules.Pass())),
        ),
        Advice(explained(MIXED, target=0, start="probability"), "give start 'logit'",
               explained(MIXED, target=0, start="logit")),
        Advice(explained(start="reference"), "start=lrp.start.Reference(value)",
               explained(start=lrp.start.Reference(0.5))),
        *(
            Advice(explained(target=0, start="difference"), "against=9 or start=lrp.start.Difference(9)", follow)
            for follow in (
                explained(target=0, start="difference", against=2), explained(target=0, start=lrp.start.Difference(2)),
            )
        ),
        Advice(explained(target=0, against=2), "belongs to start='difference'; with start=",
               explained(target=0, against=2, start="difference")),
        Advice(explained(target=0, start=np.ones(3)), "leave target out", explained(start=np.ones(3))),
        Advice(explained(start="logits"), "did you mean 'logit'?", explained(start="logit")),
        *(
            Advice(explained(target=[0, 1, 2]), "give one number, one per sample, or (N, T)", explained(target=right))
            for right in (1, [0, 2], [[0, 1], [1, 2]])
        ),
        *(
            Advice(lambda: start_relevance(F, [0, 1, 2]), "give one number, one per sample, or (N, T)",
                   lambda right=right: start_relevance(F, right))
            for right in (1, [0, 2], [[0, 1], [1, 2]])
        ),
        Advice(lambda: start_relevance(F, [[0, 1], [2]]), "give (N, T)", lambda: start_relevance(F, [[0, 1], [2, 1]])),
        # composites
        Advice(explained(composite=3), "give a name, a rule, or a list of (where, rule)",
               explained(composite="epsilon")),
        Advice(explained(composite=3), "a rule, or a list", explained(composite=rules.Epsilon(0.1))),
        Advice(explained(composite=3), "a list of (where, rule)",
               explained(composite=[(Dense, rules.Epsilon(0.1))])),
        Advice(explained(composite=[("dense1", rules.Flat())]), "add an entry for them",
               explained(composite=[("dense1", rules.Flat()), ("dense2", rules.LRP0())])),
        Advice(explained(composite=[(Dense, rules.Epsilon)]), "a rule with its parameters, such as Epsilon(1e-6)",
               explained(composite=[(Dense, rules.Epsilon(1e-6))])),
        Advice(explained(composite=with_entry("dense", rules.LRP0())), "did you mean 'dense1'?",
               explained(composite=with_entry("dense1", rules.LRP0()))),
        Advice(lambda: composites.get("epsilon_pluss"), "did you mean 'epsilon_plus'?",
               lambda: composites.get("epsilon_plus")),
        *(
            Advice(explained(GRID, PIXELS, composite=name), "needs low= and high= (--low and --high)",
                   explained(GRID, PIXELS, composite=name, low=-1, high=1))
            for name in ("epsilon_gamma_box", "montavon_vgg16")
        ),
        *(
            Advice(explained(SQUASHED, composite=with_entry("p", rules.Pass())),
                   "leave the rule out, or give canonize=False", follow)
            for follow in (
                explained(SQUASHED), explained(SQUASHED, composite=with_entry("p", rules.Pass()), canonize=False),
            )
        ),
        Advice(explained(composite="epsilon_plus", stabiliser=0.1), "give one of lrp.edits, such as lrp.edits.add",
               explained(composite="epsilon_plus", stabiliser=lrp.edits.add(1e-6))),
        Advice(explained(composite="gradient", bias="ignore"), "leave bias out", explained(composite="gradient")),
        Advice(explained(composite=rules.Gradient(), bias="ignore"), "has no denominator in which a bias could stand",
               explained(composite=rules.Gradient())),
        Advice(lambda: Dense(W1).relevance_backward(X, X, rules.ZBox()), "lrp.rules.ZBox(low=0.0, high=1.0)",
               lambda: Dense(W1).relevance_backward(X, X, lrp.rules.ZBox(low=0.0, high=1.0))),
        # layers and rules
        Advice(lambda: layers.SquaredDistance(W1).relevance_backward(X, X, rules.ZBox(-3.0, 3.0)),
               "give LRP0, Epsilon, AlphaBeta or Flat",
               lambda: layers.SquaredDistance(W1).relevance_backward(X, X, rules.Epsilon())),
        Advice(lambda: layers.SquaredDistance(W1, np.ones(2)), "1 in front holds for all centres",
               lambda: layers.SquaredDistance(W1, np.ones((2, 2)))),
        Advice(explained(composite=[(layers.Layer, rules.Rescale())]),
               "lrp.attribute(net, x, 'deeplift', baseline=0) gives one",
               lambda: lrp.attribute(NET, X, "deeplift", baseline=0)),
        Advice(lambda: lrp.attribute(SQUARED, X, "deeplift", target=0),
               "give products='midpoint', its derivative half-way",
               lambda: lrp.attribute(SQUARED, X, "deeplift", target=0, products="midpoint")),
        *(
            Advice(explained(INNER), f"lrp.rules.{name}()" if name == "Taylor" else f"{name}()",
                   explained(INNER, composite=with_entry(layers.Softmax, getattr(rules, name)())))
            for name in ("Taylor", "Zero")
        ),
        *(
            Advice(explained(INNER, composite=with_entry(Softmax, rules.Epsilon())),
                   "Pass(), Zero() and Gradient() run on it",
                   explained(INNER, composite=with_entry(Softmax, rule)))
            for rule in (rules.Pass(), rules.Zero(), rules.Gradient())
        ),
        *(
            Advice(lambda: product.relevance_backward(signal, X, rules.Epsilon()), "Zero() and Gradient() run on it",
                   lambda rule=rule: product.relevance_backward(signal, X, rule))
            for rule in (rules.Zero(), rules.Gradient())
        ),
        Advice(lambda: Dense(W1).relevance_backward(X, X), "name one, such as lrp.rules.Epsilon(1e-6)",
               lambda: Dense(W1).relevance_backward(X, X, lrp.rules.Epsilon(1e-6))),
        *(
            Advice(lambda: product.relevance_backward(signal, X, rules.Product("signal")),
                   "Multiply(gate=0) or (gate=1)",
                   lambda gate=gate: Multiply(gate).relevance_backward(signal, X, rules.Product("signal")))
            for gate in (0, 1)
        ),
        Advice(lambda: product.relevance_backward(signal, X, rules.Product("signal")),
               "a rule that says which, lrp.rules.Product('signal', gate=0)",
               lambda: product.relevance_backward(signal, X, lrp.rules.Product("signal", gate=0))),
        Advice(lambda: product.relevance_backward(signal, X, rules.Product("signal")), "'NODE=Product(gate=0)'",
               lambda: with_rules(lrp.composites.get("epsilon"), ["NODE=Product(gate=0)"])),
        *(
            Advice(lambda: Multiply(held=True), "say which operand is held",
                   lambda gate=gate: Multiply(gate=gate, held=True))
            for gate in (0, 1)
        ),
        Advice(
            lambda: CELL.relevance_backward(STEPS, CELL.forward(STEPS), rules.ZPlus()),
            "lrp.rules.Recurrent(dense=..., state=lrp.rules.Epsilon(1e-3))",
            lambda: CELL.relevance_backward(
                STEPS, CELL.forward(STEPS), lrp.rules.Recurrent(dense=rules.ZPlus(), state=lrp.rules.Epsilon(1e-3))
            ),
        ),
        Advice(
            lambda: CELL.relevance_backward(STEPS, CELL.forward(STEPS), rules.Product("half")),
            "for the products inside a cell give lrp.rules.Recurrent(product=",
            lambda: CELL.relevance_backward(STEPS, CELL.forward(STEPS), lrp.rules.Recurrent(product="half")),
        ),
        Advice(
            lambda: Dense(W1).relevance_backward(X, X, rules.Recurrent()),
            "it is one for recurrent layers, (lrp.layers.RecurrentLayer, lrp.rules.Recurrent()) in a composite",
            lambda: lrp.explain(
                lrp.Network.sequential([CELL]), STEPS, start="output", target=(0, 0),
                composite=[(lrp.layers.RecurrentLayer, lrp.rules.Recurrent())],
            ),
        ),
        Advice(lambda: Affine(), "give a scale, a shift or both",
               lambda: (Affine(W1), Affine(None, W1), Affine(W1, W1))),
        Advice(lambda: Slice((1,), (0,), ()), "give one start, stop and step for each axis",
               lambda: Slice((1,), (0,), (1,), (1,)).forward(X)),
        Advice(lambda: Pad(((1, 1),)).forward(np.ones((1, 2, 3))), "pairs for an input of shape",
               lambda: Pad(((1, 1), (0, 0))).forward(np.ones((1, 2, 3)))),
        Advice(lambda: layers.MaxPool(2, ties="last").forward(np.ones((1, 1, 4))), "'first' or 'share'",
               lambda: [layers.MaxPool(2, ties=t).forward(np.ones((1, 1, 4))) for t in ("first", "share")]),
        Advice(lambda: Rule(()), "rules.Zero() drops all relevance", lambda: rules.Zero().formula()),
        Advice(lambda: Rule(()), "give at least one group", lambda: Rule((Group((Run(),)),)).formula()),
        Advice(lambda: Group(()), "give at least one run", lambda: Group((Run(),)).formula()),
        *(
            Advice(explained(composite=rules.ZBox(np.zeros(5), np.ones(5))),
                   "give a number, one per channel, or an array of the sample's shape",
                   explained(composite=[("dense1", rules.ZBox(-5 * one, 5 * one)), (Dense, rules.LRP0())]))
            for one in (1, np.ones(2))
        ),
        Advice(explained(composite=rules.Reference(np.ones(5))),
               "give a number, one per channel, or an array of the sample's shape",
               explained(composite=[("dense1", rules.Reference(np.ones(2))), (Dense, rules.LRP0())])),
        Advice(lambda: edits.Stabiliser("minus", 1), "use exact, add, clip or relative",
               lambda: [edits.Stabiliser(k, 0.1) for k in ("exact", "add", "clip", "relative")]),
        # arrays, networks, number systems
        Advice(lambda: lrp.explain(NET, X.tolist()), "convert it first (numpy.asarray(x)",
               explained(NET, np.asarray(X.tolist()))),
        Advice(explained(xp="torch"), "use 'numpy' or 'cupy'", explained(xp="numpy")),
        *(
            Advice(lambda: Dense(W1).forward(X.astype("float32")), "(x.astype(...), net.astype(...))", follow)
            for follow in (
                lambda: Dense(W1).forward(X.astype("float32").astype("float64")),
                lambda: NET.astype("float32").forward(X.astype("float32")),
            )
        ),
        Advice(lambda: NET.forward(np.array(1.0)), "the first axis must be the batch", lambda: NET.forward(X)),
        Advice(explained(NET, rational(X)), "lrp.arithmetic.rational(net)", explained(rational(NET), rational(X))),
        Advice(explained(NET, X.astype(int)), "cast it, x.astype(float)", explained(NET, X.astype(int).astype(float))),
        *(
            Advice(explained(rational(Network.sequential([Dense(W1), Tanh(), Dense(W2)])), rational(X)),
                   "use lrp.arithmetic.ball() for rigorous bounds, float64, or replace the activation", follow)
            for follow in (
                explained(Network.sequential([Dense(W1), Tanh(), Dense(W2)])),
                explained(rational(Network.sequential([Dense(W1), layers.HardTanh(), Dense(W2)])), rational(X)),
            )
        ),
        Advice(lambda: rational(np.array([np.nan, 1.0])), "remove them before",
               lambda: rational(np.nan_to_num(np.array([np.nan, 1.0])))),
        Advice(lambda: rational(X, library="sympy"), "use 'fractions' or 'flint'",
               lambda: rational(X, library="fractions")),
        # conditions
        Advice(explained(conditions=[0]), "give the channels by the name of their value, {'conv4': [7, 12]}",
               explained(conditions={"relu1": [0]})),
        *(
            Advice(explained(NORMED, conditions={"bn": [0]}), says, explained(NORMED, conditions=right, **more))
            for says, right, more in (
                ("is not in the network as it is explained, without merged and left out nodes: name 'dense1' instead",
                 {"dense1": [0]}, {}),
                (", or give canonize=False", {"bn": [0]}, {"canonize": False}),
            )
        ),
        Advice(explained(ASIDE, conditions={"relu1": [0], "aside": [1]}), "is not on the way to the output 'dense2': "
               "leave it out", explained(ASIDE, conditions={"relu1": [0]})),
        *(
            Advice(explained(conditions={"relu1": ["0"]}), "give numbers of channels, or booleans; got",
                   explained(conditions={"relu1": right}))
            for right in ([0], 0, [True, False])
        ),
        *(
            Advice(explained(conditions={"relu1": np.ones(3, bool)}), "or the whole shape",
                   explained(conditions={"relu1": np.ones(shape, bool)}))
            for shape in ((2,), (2, 2))
        ),
        Advice(lambda: lrp.spray.eigengap([0.0, 0.1, 0.9], most=1.5), "give a whole number",
               lambda: lrp.spray.eigengap([0.0, 0.1, 0.9], most=2)),
        # files
        Advice(lambda: lrp.Trace.load(created(folder / "b").parent), "a folder; give one of the .npz files in it",
               lambda: lrp.Trace.load(folder / "b" / "e.npz")),
        Advice(
            lambda: saved(folder, rational(NET), rational(X)),
            "lrp.arithmetic.to_float(net) with to_float(x) can be explained and saved",
            lambda: saved(folder, to_float(rational(NET)), to_float(rational(X))),
        ),
        Advice(lambda: saved(folder / "new", NET, X), "create it first", lambda: created(folder / "new")),
    ]  # fmt: skip


def created(folder: Path) -> Path:
    folder.mkdir()
    return saved(folder, NET, X)


COUNT = len(table(Path()))


@pytest.mark.parametrize("number", range(COUNT))
def test_advice_works(number: int, tmp_path: Path) -> None:
    entry = table(tmp_path)[number]
    with pytest.raises(LrpError) as error:
        entry.provoke()
    text = str(error.value)
    assert entry.says in text
    assert "\n" not in text
    entry.follow()


def test_tensors_are_arrays_after_the_advice() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(X, requires_grad=True)
    with pytest.raises(LrpError, match=re.escape("tensor.detach().numpy()")):
        lrp.explain(NET, tensor)
    assert np.array_equal(lrp.explain(NET, tensor.detach().numpy()).relevance, lrp.explain(NET, X).relevance)


def test_balls_bound_what_has_no_exact_value() -> None:
    pytest.importorskip("flint")
    net = Network.sequential([Dense(W1), Tanh(), Dense(W2)])
    found = to_float(lrp.explain(ball(net), ball(X)).relevance)
    np.testing.assert_allclose(found, lrp.explain(net, X).relevance, rtol=1e-12)


def test_a_gate_of_two_axes_is_no_row() -> None:
    """The advice of an inner softmax is not asked for where the graph says that it is a gate."""
    nodes = (Node("a", Softmax(), ("x",)), Node("m", Multiply(), ("a", "x")), Node("f", Flatten(), ("m",)),
             Node("y", Dense(W1), ("f",)))  # fmt: skip
    assert lrp.explain(Network(nodes, (Input("x"),), ("y",)), X).relevance.shape == X.shape


# Completeness ------------------------------------------------------------------------------------------------------

READ = [
    *(f for folder in ("base", "layers", "network", "propagation", "rules") for f in (PACKAGE / folder).rglob("*.py")),
    *(PACKAGE / "arithmetic" / f"{name}.py" for name in ("casts", "rationals")),
]
ADVISES = re.compile(r"\b(give|use|cast|convert|move|leave|say|create|remove|name one|add an|run on)\b|lrp\.")
ELSEWHERE = {
    "give way='taylor', or float64": "takes balls: tests/core/layers/test_kernels.py",
    "move them to one library first": "takes CuPy: tests/fast/test_cupy.py",
    "exact numbers live on the host": "takes CuPy: tests/fast/test_cupy.py",
    "is not fixed: give an INPUT": "of the command line: tests/cli/test_cli_advice.py",
    "is no name, no lrp.start.Start and no array of numbers": "names what there is, and what was given",
}


def _text(node: ast.expr) -> str:
    """Return a message's constant text, blanks where values stand."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "\0" for v in node.values)
    return ""


def _messages() -> list[tuple[str, str]]:
    found = []
    for path in READ:
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Call) and name.endswith("Error") and node.args:
                found.append((f"{path.name}:{node.lineno}", _text(node.args[0])))
    return found


def test_every_advice_is_in_the_table() -> None:
    said = [entry.says for entry in table(Path())]
    missing = []
    for where, message in _messages():
        if not ADVISES.search(message) or any(text in message for text in ELSEWHERE):
            continue
        if not any(text in message or (len(_words(text)) > 1 and _words(text) <= _words(message)) for text in said):
            missing.append(f"{where}: {message!r}")
    assert not missing, "\n".join(missing)


def _words(text: str) -> set[str]:
    """Return what stands in a message whatever its values are: words, without numbers and names in quotes."""
    return set(re.sub(r"'[^']*'|\d+", " ", text).split())
