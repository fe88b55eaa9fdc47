"""Recording a torch model of one's own: what is recorded equals autograd's, and the model is as it was."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

import torch
from peers_live import captum_only, zennit_only
from torch import nn

import lrp_ref as lrp
from lrp_ref.errors import ParameterError, ShapeError
from lrp_ref.peers.beside_torch import import_zennit
from lrp_ref.peers.foreign import reason

X = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(3, 4)


class Block(nn.Module):
    """relu(x + batchnorm(conv(x))), both as large networks have them: written over what is no longer needed."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.relu = nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(inplace=True)

    def forward(self, x: Any) -> Any:
        y = self.bn(self.conv(x))
        y += x
        return self.relu(y)


class Bare(nn.Module):
    """A sum that no module makes, in a block whose children do not return it."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        return torch.relu(self.a(x)) + self.b(x)


def images() -> tuple[Any, Any]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3, stride=2), Block(), Block(), nn.Flatten(), nn.Linear(18, 3)).double()
    return model, torch.randn(2, 1, 7, 7, dtype=torch.float64)


def dense() -> Any:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)).double()


def gradient(model: Any, x: Any) -> None:
    """The simplest explainer: autograd of the outputs' sum, as a user writes it."""
    x.requires_grad_()
    model(x).sum().backward()


def seen(*values: Any) -> list[Any]:
    """Return all that can be found out about models and tensors, as values that are compared."""
    found: list[Any] = []
    for value in values:
        if isinstance(value, nn.Module):
            for module in value.modules():
                for name, own in vars(module).items():
                    held = list(own.items()) if isinstance(own, dict) else list(own) if isinstance(own, list) else own
                    found.append((name, id(own), str([(k, id(v)) for k, v in held] if isinstance(own, dict) else held)))
            found += seen(*value.parameters(), *value.buffers())
        else:
            grad = value.grad if value.is_leaf else None
            found.append((value.requires_grad, value.dtype, value.data_ptr(), id(grad), value.detach().tolist()))
            found.append(None if grad is None else grad.tolist())
    return found


# What is recorded ------------------------------------------------------------------------------------------------


def test_every_module_has_what_autograd_gives() -> None:
    model, x = images()
    model.eval()
    trace = lrp.record(gradient, model, x)
    names = ["0", *(f"{k}.{m}" for k in (1, 2) for m in ("conv", "bn", "add()", "relu")), "3", "4"]
    assert list(trace.values) == ["input", *names]
    assert list(trace.relevance) == ["4", *names[-2::-1], "input"]
    # By hand, without modules written over.
    by_hand = copy.deepcopy(model)
    for block in (by_hand[1], by_hand[2]):
        block.relu.inplace = False
    parts = [x.clone().requires_grad_()]
    parts.append(by_hand[0](parts[-1]))
    for block in (by_hand[1], by_hand[2]):
        conv = block.conv(parts[-1])
        bn = block.bn(conv)
        total = bn + parts[-1]
        parts += [conv, bn, total, block.relu(total)]
    parts.append(by_hand[3](parts[-1]))
    parts.append(by_hand[4](parts[-1]))
    for name, value, expected in zip(trace.values, parts, torch.autograd.grad(parts[-1].sum(), parts), strict=True):
        np.testing.assert_allclose(trace.values[name], value.detach().numpy(), rtol=1e-12, err_msg=name)
        np.testing.assert_allclose(trace.relevance[name], expected.numpy(), rtol=1e-12, err_msg=name)


def test_what_is_computed_between_modules_has_entries() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(Bare(), nn.Linear(4, 2), nn.Identity()).double()
    trace = lrp.record(gradient, model, X.clone())
    assert list(trace.values) == ["input", "0.a", "0.relu()", "0.b", "0.add()", "1", "2"]
    positive = np.maximum(trace.values["0.a"], 0)
    np.testing.assert_allclose(trace.values["0.relu()"], positive, rtol=1e-12)
    np.testing.assert_allclose(trace.values["0.add()"], positive + trace.values["0.b"], rtol=1e-12)
    # Through a bare sum all goes to both sides: what arrives at either is what left the sum.
    for side in ("0.b", "0.relu()"):
        np.testing.assert_array_equal(trace.relevance[side], trace.relevance["0.add()"])
    np.testing.assert_array_equal(trace.relevance["0.a"], trace.relevance["0.add()"] * (trace.values["0.a"] > 0))


def test_functions_that_write_over_and_those_that_do_nothing() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            y = self.a(x).contiguous().to(torch.float64)
            y.mul_(2)  # its value is dropped, y is what it was
            y = y + y.shape[0]
            y -= x
            nn.functional.relu(y, inplace=True)
            weight = self.a.weight.sum()
            return 1 - y.T.T * weight.detach()

    model = Net().double()
    trace = lrp.record(gradient, model, X.clone())
    x = X.clone().requires_grad_()
    before = 2 * model.a(x) + 3 - x
    out = 1 - before.relu() * model.a.weight.sum().detach()
    np.testing.assert_allclose(trace.relevance["input"], torch.autograd.grad(out.sum(), x)[0].numpy(), rtol=1e-12)
    names = ["input", "a", "mul()", "add()", "sub()", "relu()", "sum()", "mul()#2", "sub()#2"]
    assert list(trace.values) == names
    np.testing.assert_allclose(trace.values["sub()"], before.detach().numpy(), rtol=1e-12)
    np.testing.assert_array_equal(trace.relevance["sub()#2"], np.ones((3, 4)))
    assert {"mul()", "sum()", "relu()"}.isdisjoint(trace.relevance)


def test_a_model_that_is_one_module_and_one_without_modules() -> None:
    class Weights(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2, 4, dtype=torch.float64))

        def forward(self, x: Any) -> Any:
            return nn.functional.linear(x, self.weight).tanh()

    trace = lrp.record(gradient, nn.Linear(4, 2).double(), X.clone())
    assert list(trace.relevance) == ["output", "input"]
    np.testing.assert_array_equal(trace.relevance["output"], np.ones((3, 2)))
    assert list(lrp.record(gradient, Weights(), X.clone()).relevance) == ["tanh()", "linear()", "input"]


def test_further_outputs_and_tuples_with_names_keep_their_kind() -> None:
    class Named(NamedTuple):
        twice: Any
        where: Any

    class Pair(nn.Module):
        def forward(self, x: Any) -> Any:
            return Named(x * 2, x.argmax(1))

    class Two(nn.Module):
        def forward(self, x: Any) -> Any:
            return [x * 2, x * 3]

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pair, self.two = Pair(), Two()

        def forward(self, x: Any) -> Any:
            first, second = self.two(self.pair(x).twice)
            return first + second

    trace = lrp.record(gradient, Net(), X.clone())
    assert list(trace.values) == ["input", "pair", "pair:1", "two", "two:1", "add()"]
    np.testing.assert_array_equal(trace.relevance["input"], np.full((3, 4), 10.0))
    np.testing.assert_array_equal(trace.relevance["two:1"], np.ones((3, 4)))


def test_several_inputs_and_those_by_keyword() -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 2), nn.Linear(4, 2)

        def forward(self, x: Any, y: Any = None) -> Any:
            return self.a(x) + self.b(y)

    def walk(model: Any, xs: Any) -> None:
        x, y = (v.requires_grad_() for v in xs)
        model(x, y=y).sum().backward()

    model = Sum().double()
    xs = (X.clone(), -X.clone())
    before = seen(*xs)
    trace = lrp.record(walk, model, xs)
    assert seen(*xs) == before
    assert list(trace.values)[:2] == ["y", "input"]
    np.testing.assert_allclose(trace.relevance["y"], model.b.weight.sum(0).detach().expand(3, 4).numpy(), rtol=1e-12)


@zennit_only
def test_several_inputs_of_a_composite() -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 2, bias=False), nn.Linear(4, 2, bias=False)

        def forward(self, x: Any, y: Any) -> Any:
            return self.a(x) + self.b(y)

    model, start = Sum().double(), np.array([[1.0, 0], [0, 2], [-1, 1]])
    trace = lrp.record(import_zennit().composites.EpsilonPlus(), model, (X, 2 * X), start=start)
    for name, layer, x in (("input", model.a, X), ("input#2", model.b, 2 * X)):
        w, a = layer.weight.detach().numpy().T, x.numpy()
        z = a @ w
        expected = a * ((start / (z + np.where(z >= 0, 1e-6, -1e-6))) @ w.T)
        np.testing.assert_allclose(trace.relevance[name], expected, rtol=1e-9, err_msg=name)
    with pytest.raises(ParameterError, match="an attributor takes one input, not 2"):
        lrp.record(import_zennit().attribution.Gradient(model), model, (X, X))


def test_half_precision_and_no_samples() -> None:
    for dtype, kept in ((torch.float16, "float16"), (torch.bfloat16, "float32"), (torch.float32, "float32")):
        trace = lrp.record(gradient, dense().to(dtype), X.to(dtype))
        assert {str(a.dtype) for a in (*trace.values.values(), *trace.relevance.values())} == {kept}
    trace = lrp.record(gradient, dense(), X[:0])
    assert [a.shape for a in trace.relevance.values()] == [(0, 3), (0, 5), (0, 5), (0, 4)]


@zennit_only
def test_samples_do_not_know_each_other_and_arrays_are_as_good_as_tensors() -> None:
    model, way = dense(), import_zennit().composites.EpsilonPlus()
    whole = lrp.record(way, model, X.numpy(), target=[0, 2, 1])
    for k, target in enumerate((0, 2, 1)):
        alone = lrp.record(way, model, X[k : k + 1], target=target)
        for name in whole.relevance:
            np.testing.assert_allclose(alone.relevance[name], whole.relevance[name][k : k + 1], rtol=1e-12)


@zennit_only
def test_an_attributor_in_use_stays_in_use() -> None:
    model, zennit = dense(), import_zennit()
    with zennit.attribution.Gradient(model, zennit.composites.EpsilonPlus()) as attributor:
        before = seen(model)
        trace = lrp.record(attributor, model, X, start=torch.ones(3, 3))
        assert seen(model) == before
        _, expected = attributor(X, torch.ones(3, 3, dtype=torch.float64))
    np.testing.assert_array_equal(trace.relevance["input"], expected.detach().numpy())


@zennit_only
def test_what_a_canonizer_puts_into_the_model_is_recorded() -> None:
    zennit = import_zennit()
    model, x = images()
    model.eval()

    class Sums(zennit.canonizers.AttributeCanonizer):
        def __init__(self) -> None:
            super().__init__(self.changes)

        @staticmethod
        def changes(name: str, module: Any) -> Any:
            if not isinstance(module, Block):
                return None
            return {"total": zennit.layer.Sum(), "forward": Sums.forward.__get__(module)}

        @staticmethod
        def forward(self: Any, x: Any) -> Any:
            return self.relu(self.total(torch.stack([self.bn(self.conv(x)), x], dim=-1)))

    before = seen(model)
    with torch.no_grad():
        out = model(x)
    trace = lrp.record(zennit.composites.EpsilonPlus(canonizers=[Sums()]), model, x, target=1)
    assert seen(model) == before
    assert "1.total" in trace.values
    for k in ("1", "2"):
        below = {"1": "0", "2": "1.relu"}[k]
        z, parts = trace.values[f"{k}.total"], (trace.values[f"{k}.bn"], trace.values[below])
        np.testing.assert_allclose(parts[0] + parts[1], z, rtol=1e-12)
        shared = trace.relevance[f"{k}.total"] / (z + np.where(z >= 0, 1e-6, -1e-6))
        np.testing.assert_allclose(trace.relevance[f"{k}.bn"], parts[0] * shared, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(trace.values["4"], out.numpy(), rtol=1e-12)


@captum_only
@pytest.mark.parametrize("kind", ["dense", "images", "one output", "maps"])
def test_captum_gives_what_it_gives_without_being_recorded(kind: str) -> None:
    from captum.attr import LRP

    class One(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Linear(4, 1)

        def forward(self, x: Any) -> Any:
            return self.out(x)[:, 0]

    model, x = images() if kind == "images" else (dense(), X)
    target: Any = [1] * len(x)
    theirs: Any = torch.tensor(target)
    if kind == "images":
        model[3] = nn.AvgPool2d(1)
        model[4] = nn.Conv2d(2, 3, 3)
        model.double()
        target, theirs = (2, 0, 0), (2, 0, 0)
    if kind == "one output":
        model, target, theirs = One().double(), None, None
    if kind == "maps":
        model, x = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()).double(), images()[1]
        target, theirs = (1, 2, 3), (1, 2, 3)
    model.eval()
    names = [name for name, module in model.named_modules() if not list(module.children())]
    expected = LRP(model).attribute(x.clone().requires_grad_(), target=theirs)
    trace = lrp.record(LRP(model), model, x, target=target)
    assert [name for name in trace.values if name != "input" and "()" not in name] == names
    np.testing.assert_allclose(trace.relevance["input"], expected.detach().numpy(), rtol=1e-12)


# What is left ----------------------------------------------------------------------------------------------------


def careless(model: Any, x: Any) -> None:
    """An explainer that leaves everything behind that one can leave behind."""
    model.eval()
    first = model[0]
    first.activations, first.rule = [1], "mine"
    first.register_forward_hook(lambda module, given, out: None)
    first.register_full_backward_hook(lambda module, read, made: None)
    x.requires_grad_()
    model(x).sum().backward()
    with torch.no_grad():
        first.weight.clamp_(min=0)
        model[-1].weight.data = model[-1].weight.data.abs()
    first.bias = nn.Parameter(torch.zeros_like(first.bias))
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    if hasattr(model[1], "kept"):
        del model[1].kept
    model.add_module("more", nn.ReLU())
    model.float()


def failing(model: Any, x: Any) -> None:
    careless(model, x)
    raise RuntimeError("in the middle")


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("kind", ["dense", "images"])
def test_what_an_explainer_leaves_behind_is_taken_away(kind: str, train: bool) -> None:
    model, x = images() if kind == "images" else (dense(), X.clone())
    model.train(train)
    model[1].kept = ["by the user"]
    model[-1].weight.requires_grad_(False)
    gradient(model, x)  # gradients that were there before, and are no others afterwards
    x.grad = None
    before = seen(model, x)
    lrp.record(careless, model, x)
    assert seen(model, x) == before
    with pytest.raises(RuntimeError, match="in the middle"):
        lrp.record(failing, model, x)
    assert seen(model, x) == before
    gradient(model, x)  # it still works


def test_running_means_of_a_model_in_training_stay() -> None:
    model, x = images()
    before = seen(model.train())
    lrp.record(gradient, model, x)
    assert seen(model) == before


@captum_only
def test_rules_of_captum_stay_on_the_modules() -> None:
    """Captum deletes them after one call, and the second would silently take others."""
    from captum.attr import LRP
    from captum.attr._utils.lrp_rules import GammaRule

    model = dense()
    model[0].rule = GammaRule(0.5)
    before = seen(model)
    first = lrp.record(LRP(model), model, X, target=1)
    assert seen(model) == before
    second = lrp.record(LRP(model), model, X, target=1)
    assert first.diff(second, tolerance=0).equal
    del model[0].rule
    assert not first.diff(lrp.record(LRP(model), model, X, target=1)).equal


@captum_only
def test_captum_refuses_a_module_that_runs_twice_and_leaves_nothing() -> None:
    from captum.attr import LRP

    same = nn.Linear(4, 4).double()
    model = nn.Sequential(same, same)
    before = seen(model)
    with pytest.raises(RuntimeError, match="more than once"):
        lrp.record(LRP(model), model, X)
    assert seen(model) == before


def test_nothing_of_torch_is_replaced() -> None:
    kinds: list[Any] = [
        torch,
        torch.nn.functional,
        torch.Tensor,
        nn.Module,
        nn.Linear,
        nn.ReLU,
        torch.autograd.Function,
    ]
    before = [{name: id(value) for name, value in vars(kind).items()} for kind in kinds]
    flags = torch.is_grad_enabled(), torch.get_default_dtype(), torch.is_inference_mode_enabled()
    model = dense()
    lrp.record(gradient, model, X)
    with torch.inference_mode():
        assert list(lrp.record(gradient, model, X.clone()).relevance) == ["2", "1", "0", "input"]
    assert (torch.is_grad_enabled(), torch.get_default_dtype(), torch.is_inference_mode_enabled()) == flags
    assert [{name: id(value) for name, value in vars(kind).items()} for kind in kinds] == before


# What is refused -------------------------------------------------------------------------------------------------


@zennit_only
def test_targets_starts_and_outputs_that_do_not_fit_are_named() -> None:
    zennit, model = import_zennit(), dense()
    way = zennit.composites.EpsilonPlus()
    for options, kind, message in (
        ({"target": 3}, ParameterError, "target 3 is out of range: the output has 3 classes, 0 to 2"),
        ({"target": -1}, ParameterError, "target -1 is out of range"),
        ({"target": [1, 2]}, ParameterError, "2 targets for 3 samples"),
        ({"target": [[1, 2]] * 3}, ParameterError, "2 targets for each sample, expected one"),
        ({"target": 1, "start": np.ones((3, 3))}, ParameterError, "give target or start, not both"),
        ({"start": np.ones((3, 2))}, ShapeError, r"has shape \(3, 2\), the output \(3, 3\)"),
    ):
        with pytest.raises(kind, match=message):
            lrp.record(way, model, X, **options)
    with pytest.raises(ParameterError, match=r"the model returns a tuple, not a tensor \(N, ...\)"):
        lrp.record(way, nn.LSTM(4, 3).double(), X)
    with pytest.raises(ParameterError, match="an input of int64 takes no gradient"):
        lrp.record(way, nn.Sequential(nn.Embedding(4, 2)), torch.tensor([[1, 2]]))
    with pytest.raises(ParameterError, match=r"walked back through '\d' 4 times, and a trace is one walk"):
        lrp.record(zennit.attribution.SmoothGrad(model, n_iter=4), model, X, target=1)
    with pytest.raises(ParameterError, match="the attributor explains another model"):
        lrp.record(zennit.attribution.Gradient(dense()), model, X)


def test_functions_have_their_own_target() -> None:
    with pytest.raises(ParameterError, match="a function has its own target and start"):
        lrp.record(gradient, dense(), X, target=1)
    with pytest.raises(ParameterError, match="Linear is a class"):
        lrp.record(nn.Linear, dense(), X)


@captum_only
def test_other_methods_of_captum_are_no_lrp() -> None:
    from captum.attr import LRP, IntegratedGradients

    model = dense()
    with pytest.raises(ParameterError, match="IntegratedGradients is not its LRP"):
        lrp.record(IntegratedGradients(model), model, X)
    with pytest.raises(ParameterError, match="captum starts with the output at target"):
        lrp.record(LRP(model), model, X, start=np.ones((3, 3)))
    with pytest.raises(ParameterError, match="captum's object explains another model"):
        lrp.record(LRP(dense()), model, X)


# A sum that no module makes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "program", [pytest.param("zennit", marks=zennit_only), pytest.param("captum", marks=captum_only)]
)
def test_the_trace_of_a_residual_model_says_what_happened_and_where(program: str) -> None:
    """Both programs send the whole relevance into both sides of a bare +, and the diff names that sum."""
    model, x = images()
    model = nn.Sequential(model[0], nn.ReLU(), model[1], nn.Conv2d(2, 3, 3)).eval().double()
    model[2].bn.running_mean.normal_()
    model[2].bn.running_var.uniform_(0.5, 2)
    start = np.zeros((2, 3, 1, 1))
    start[:, 1] = model(x).detach().numpy()[:, 1]
    stem, block, head = ({k: v.numpy() for k, v in model[j].state_dict().items()} for j in (0, 2, 3))
    conv, affine = lrp.layers.Conv, lrp.layers.Affine
    bn = [block[f"bn.{k}"] for k in ("weight", "bias", "running_mean", "running_var")]
    nodes = (
        lrp.Node("stem", conv(stem["weight"], stem["bias"], stride=2), ("x",)),
        lrp.Node("act", lrp.layers.ReLU(), ("stem",)),
        lrp.Node("branch", conv(block["conv.weight"], block["conv.bias"], padding=1), ("act",)),
        lrp.Node("norm", affine.batch_norm(*bn, epsilon=1e-5), ("branch",)),
        lrp.Node("sum", lrp.layers.Add(), ("norm", "act")),
        lrp.Node("end", lrp.layers.ReLU(), ("sum",)),
        lrp.Node("head", conv(head["weight"], head["bias"]), ("end",)),
    )
    net = lrp.Network(nodes, (lrp.Input("x"),), ("head",))
    epsilon = 1e-6 if program == "zennit" else 1e-9
    composite = lrp.Composite([(affine, lrp.rules.Pass() if program == "zennit" else lrp.rules.Epsilon(epsilon)),
                               (conv, lrp.rules.Epsilon(epsilon))])  # fmt: skip
    ours = lrp.explain(net, x.numpy(), start=start, composite=composite, canonize=False, trace=True).trace
    if program == "captum":
        from captum.attr import LRP

        theirs = lrp.record(LRP(model), model, x, target=(1, 0, 0))
    else:
        zennit = import_zennit()
        way = zennit.composites.LayerMapComposite(
            [(nn.BatchNorm2d, zennit.rules.Pass()), (nn.ReLU, zennit.rules.Pass()),
             (nn.Conv2d, zennit.rules.Epsilon(epsilon))]
        )  # fmt: skip
        theirs = lrp.record(way, model, x, start=start)
    # What happened: both sides get all of it, so that twice the relevance goes on.
    np.testing.assert_allclose(theirs.relevance["2.bn"], theirs.relevance["2.add()"], rtol=1e-9)
    found = ours.diff(theirs)
    assert found.aligned["sum"] == "2.add()"
    assert {row.name for row in found.rows if row.kind == "value" and row.departs} == set()
    assert found.first is not None
    assert (found.first.name, found.first.kind) == ("norm", "relevance")
    why = reason(net, ours, theirs, found, composite=composite)
    assert why.node == "sum"
    # Captum multiplies what comes to the other side by the operand, since a module with a rule reads that too.
    more = ("gradient-times-input",) if program == "captum" else ()
    assert why.switches == ("residual-forgotten", *more)
