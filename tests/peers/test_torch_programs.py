"""zennit and Captum, run live: the relevances that they once computed, at every layer, and models left as they were."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

import peers as stored
import torch
from peer_cases import names, network, read
from peer_recipes import recipe
from peers_live import captum_only, zennit_only

import lrp_ref as lrp
from lrp_ref.dialects import Dialect
from lrp_ref.peers import Task
from lrp_ref.peers.asking import ask
from lrp_ref.propagation.composites import resolve

OWN_EPSILON = {"zennit": 1e-6, "captum": 1e-9}  # of denominators that the case's name says nothing of
UNBIASED = ("zplus", "wsquare", "gamma", "alpha2beta1", "epsilon")


CASES = [
    pytest.param(name, marks=zennit_only if name.endswith("zennit") else captum_only)
    for name in names()
    # zero_params is part of no rule that has no bias in the papers
    if name.endswith(("zennit", "captum"))
    and not ("nobias" in name and name.split("__")[1].startswith(("zplus", "ws")))
]


def task_of(name: str) -> Task:
    """Return a stored case as it is asked of the program that computed it."""
    case = read(name)
    chosen, net = recipe(case), network(case)
    composite = resolve(chosen.paper)
    if name.endswith("zennit") and case.rule.endswith("_nobias") and not case.rule.startswith("zbox"):
        composite = replace(composite, bias="ignore")
    if case.peer == "captum" and case.model != "A":  # the ε-rule on max pools too, which is none of this package's
        composite = lrp.Composite(chosen.instead.entries)
    own = Dialect("the program's own ε", (), epsilon=None if case.rule == "lrp0" else OWN_EPSILON[case.peer])
    rules = {p.node: own.rule(p.layer, p.rule) for p in composite.plan(net)}
    return Task(net, {"input": case.arrays["input"]}, rules, case.arrays["start_relevance"])


@pytest.mark.skipif(not CASES, reason="the stored relevances are not here")
@pytest.mark.parametrize("name", CASES)
def test_the_program_gives_what_it_gave_at_every_layer(name: str) -> None:
    case = read(name)
    found = ask(case.peer, task_of(name))
    assert not found.left_out
    assert stored.difference(found.trace.relevance["input"], case.arrays["relevance"]) <= 1e-12
    for layer, relevance in case.relevances().items():
        assert stored.difference(found.trace.relevance[layer], relevance) <= 1e-12, layer


class Residual(torch.nn.Module):
    """x + relu(a x), its sum a bare +."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.a, self.act, self.out = torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3)
        self.double()

    def forward(self, x: Any) -> Any:
        return self.out(self.act(self.a(x)) + x)


def seen(model: torch.nn.Module) -> list[Any]:
    """Return all that an explanation could leave behind in a model."""
    found: list[Any] = []
    for module in model.modules():
        state = {k: v for k, v in vars(module).items() if k not in ("_parameters", "_buffers", "_modules")}
        found.append({k: (len(v) if isinstance(v, dict) else v) for k, v in state.items()})
        found.append(type(module).__dict__.get("forward"))
    for parameter in model.parameters():
        found += [parameter.requires_grad, parameter.grad, parameter.dtype, parameter.detach().clone().numpy().tolist()]
    return found


def way(program: str, model: torch.nn.Module) -> Any:
    if program == "captum":
        from captum.attr import LRP

        return LRP(model)
    from lrp_ref.peers.beside_torch import import_zennit

    return import_zennit().composites.EpsilonPlus()


PROGRAMS = [pytest.param("zennit", marks=zennit_only), pytest.param("captum", marks=captum_only)]


@pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require gradients")
@pytest.mark.parametrize("program", PROGRAMS)
def test_recording_leaves_the_model_as_it_was(program: str) -> None:
    model = Residual().train()
    model.out.weight.requires_grad_(False)
    x = torch.randn(2, 4, dtype=torch.float64)
    before = seen(model)
    trace = lrp.record(way(program, model), model, x, target=[0, 2])
    assert seen(model) == before
    assert not x.requires_grad
    assert x.grad is None
    assert list(trace.values) == ["input", "a", "act", "add()", "out"]
    np.testing.assert_allclose(trace.values["out"], model(x).detach().numpy(), rtol=1e-12)


@pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require gradients")
@pytest.mark.parametrize("program", PROGRAMS)
def test_an_error_in_the_middle_leaves_nothing_behind(program: str) -> None:
    model = Residual().eval()

    def fail(*args: Any) -> None:
        raise RuntimeError("in the middle")

    handle = model.act.register_forward_hook(fail)
    before = seen(model)
    with pytest.raises(RuntimeError, match="in the middle"):
        lrp.record(way(program, model), model, torch.randn(1, 4, dtype=torch.float64))
    assert seen(model) == before
    handle.remove()


@pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require gradients")
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_recorded_model_against_this_package(program: str) -> None:
    """Three lines for a user, and the names of both are paired by themselves."""
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3)).double().eval()
    x = torch.randn(3, 4, dtype=torch.float64)
    dense = [
        lrp.layers.Dense(layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy())
        for layer in (model[0], model[2])
    ]
    net = lrp.Network.sequential([dense[0], lrp.layers.ReLU(), dense[1]])
    epsilon = 1e-9 if program == "captum" else 1e-6
    ours = lrp.explain(net, x.numpy(), target=1, composite=lrp.rules.Epsilon(epsilon), trace=True)
    found = ours.trace.diff(lrp.record(way(program, model), model, x, target=1))
    assert found.equal, found
    assert found.aligned == {"dense1": "0", "relu1": "1", "dense2": "2"}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_bare_plus_is_told(program: str) -> None:
    rng = np.random.default_rng(0)
    nodes = (
        lrp.Node("a", lrp.layers.Dense(rng.normal(size=(4, 4)), rng.normal(size=4)), ("x",)),
        lrp.Node("act", lrp.layers.ReLU(), ("a",)),
        lrp.Node("add", lrp.layers.Add(), ("act", "x")),
        lrp.Node("out", lrp.layers.Dense(rng.normal(size=(4, 2)), rng.normal(size=2)), ("add",)),
    )
    net, x = lrp.Network(nodes, (lrp.Input("x"),), ("out",)), rng.normal(size=(2, 4))
    assert lrp.crosscheck(net, x, peer=program, composite="epsilon").equal
    found = lrp.crosscheck(net, x, peer=program, composite="epsilon", functional_add=True)
    assert found.first == "add"
    assert "residual-forgotten" in found.reason


def test_a_module_that_runs_twice_and_outputs_that_are_tuples() -> None:
    class Twice(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.same, self.cell = torch.nn.Linear(3, 3), torch.nn.LSTM(3, 2, batch_first=True)

        def forward(self, x: Any) -> Any:
            return self.cell(self.same(self.same(x)))[0][:, -1]

    def walk(model: Any, x: Any) -> None:
        model(x.requires_grad_()).sum().backward()

    model, x = Twice(), torch.randn(2, 4, 3)
    trace = lrp.record(walk, model, x)
    assert list(trace.values) == ["input", "same", "same#2", "cell", "getitem()"]
    assert list(trace.relevance) == ["getitem()", "cell", "same#2", "same", "input"]
    assert all(p.grad is None for p in model.parameters())
    expected = torch.autograd.grad(model(x.requires_grad_()).sum(), x)[0]
    np.testing.assert_allclose(trace.relevance["input"], expected.numpy(), rtol=1e-6)


def test_what_cannot_be_recorded_is_said() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2))
    with pytest.raises(lrp.LrpError, match=r"is a str, not a torch\.nn\.Module"):
        lrp.record(lambda m, x: None, "model", torch.zeros(1, 2))
    with pytest.raises(lrp.LrpError, match="int is no explainer: give a zennit Attributor"):
        lrp.record(3, model, torch.zeros(1, 2))
    with pytest.raises(lrp.LrpError, match="no relevance came back"):
        lrp.record(lambda m, x: m(x), model, torch.zeros(1, 2))
