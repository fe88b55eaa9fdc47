"""zennit and Captum asked by ``crosscheck``: a sum written as a bare +, dialects, the command; nothing left behind."""

from __future__ import annotations

from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

import torch
from command import array, run
from peers_live import captum_only, zennit_only

import lrp_ref as lrp
from lrp_ref.layers import Add, Conv, Dense, Flatten, MaxPool, ReLU
from lrp_ref.network import Input, Network, Node
from lrp_ref.rules import AlphaBeta, Epsilon, Gamma, GeneralizedGamma, WSquare, ZPlus

PROGRAMS = [pytest.param("zennit", marks=zennit_only), pytest.param("captum", marks=captum_only)]
EPSILON = 1e-6


def residual(seed: int = 0) -> Network:
    """Return x → fc0 → ReLU a → (fc1 a) + a → out."""
    rng = np.random.default_rng(seed)
    nodes = (
        Node("fc0", Dense(rng.normal(size=(6, 5)), rng.normal(size=5)), ("x",)),
        Node("a", ReLU(), ("fc0",)),
        Node("fc1", Dense(rng.normal(size=(5, 5)), rng.normal(size=5)), ("a",)),
        Node("add", Add(), ("fc1", "a")),
        Node("out", Dense(rng.normal(size=(5, 3))), ("add",)),
    )
    return Network(nodes, (Input("x"),), ("out",))


X = np.random.default_rng(7).normal(size=(12, 6))


def message(z: Any, arrived: Any) -> Any:
    """R / (z + ε sgn z)."""
    return arrived / (z + EPSILON * np.where(z >= 0, 1, -1))


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_sum_as_a_module_is_split_in_proportion(program: str) -> None:
    c = lrp.crosscheck(residual(), X, peer=program, composite="epsilon")
    assert c.equal, c
    assert len(c.cells()) == 6
    assert max(row.relative for row in c.rows) < 1e-13


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_bare_plus_duplicates_relevance_and_the_report_says_where(program: str) -> None:
    """By hand, from what both programs say of the sum itself: torch's gradient gives all of it to both branches."""
    net = residual()
    c = lrp.crosscheck(net, X, peer=program, composite="epsilon", functional_add=True)
    assert (c.equal, c.first) == (False, "add")
    values, theirs = c.explanation.trace.values, c.recording.trace.relevance
    np.testing.assert_allclose(theirs["fc1"], theirs["add"], rtol=1e-12)
    weight = net["fc1"].layer.weight
    shares = message(values["fc1"], theirs["add"]) @ weight.T
    # zennit adds the whole relevance once more; Captum multiplies what arrives at a value that a module reads by that
    # value, what the sum handed there with it.
    both = values["a"] * shares + theirs["add"] if program == "zennit" else values["a"] * (shares + theirs["add"])
    np.testing.assert_allclose(theirs["a"], both, rtol=1e-9, atol=1e-12)
    assert "residual-forgotten" in c.reason
    assert c.remarks[0] == (
        "the sum at node 'add' was walked back by autograd: every branch received the whole relevance"
    )
    assert c.remarks[0] in unescape(c._repr_html_())


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_command_says_it_too(program: str, tmp_path: Path) -> None:
    lrp.save(residual(), tmp_path / "net.npz")
    files = (tmp_path / "net.npz", array(tmp_path / "x.npy", X))
    options = ("--peer", program, "-c", "epsilon", "--functional-add", "--html", tmp_path / "page.html")
    done = run("crosscheck", *files, *options)
    assert (done.exit_code, done.stderr) == (1, "")
    assert "departs from lrp_ref at node 'add'" in done.stdout
    assert "note: the sum at node 'add' was walked back by autograd" in done.stdout
    assert "was walked back by autograd" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert run("crosscheck", *files, *options[:4]).exit_code == 0


def pictures() -> tuple[Network, Any]:
    rng = np.random.default_rng(3)
    net = Network.sequential(
        [
            ("conv", Conv(rng.normal(size=(3, 2, 3, 3)), rng.normal(size=3), padding=1)), ("relu", ReLU()),
            ("pool", MaxPool(2)), ("conv2", Conv(rng.normal(size=(4, 3, 2, 2)), rng.normal(size=4))), ("relu2", ReLU()),
            ("flat", Flatten()), ("out", Dense(rng.normal(size=(16, 3)), rng.normal(size=3))),
        ]
    )  # fmt: skip
    return net, rng.normal(size=(3, 2, 6, 6))


RULES = {
    "epsilon": Epsilon(0.25), "zplus": ZPlus(), "gamma": Gamma(0.25), "generalised": GeneralizedGamma(0.25),
    "alpha2beta1": AlphaBeta(2, 1), "alpha1beta0": AlphaBeta(1, 0), "wsquare": WSquare(),
}  # fmt: skip
DIALECTS = {"zennit": "zennit-1.0", "captum": "captum-0.9"}
SWITCHES = {  # what departs, from the list of what programs compute under the same names
    "zennit": {"zplus": "zplus-bias", "gamma": "gamma-generalised", "wsquare": "wsquare-bias"},
    "captum": {"gamma": "gamma-bias", "alpha1beta0": "ab-bias-full"},
}
HAS = {"zennit": set(RULES), "captum": {"epsilon", "zplus", "gamma", "generalised", "alpha1beta0"}}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("program", PROGRAMS)
def test_in_its_dialect_a_program_agrees_at_every_node(program: str, rule: str) -> None:
    net, x = pictures()
    composite = [(Conv, RULES[rule]), (Dense, Epsilon(0.25))]
    c = lrp.crosscheck(net, x, peer=program, composite=composite, dialect=DIALECTS[program], tolerance=1e-10)
    assert c.equal, c
    if rule not in HAS[program]:
        assert set(c.recording.left_out) == {"conv", "conv2"}
        return
    assert all(row.relevance is not None for row in c.rows)
    plain = lrp.crosscheck(net, x, peer=program, composite=composite)
    if rule in SWITCHES[program]:
        # The input of conv2 and its output are ≥ 0 where relevance arrives: both rules with γ are one there.
        assert (plain.equal, plain.first) == (False, "conv" if (program, rule) == ("zennit", "gamma") else "conv2")
        assert SWITCHES[program][rule] in plain.reason


def surroundings() -> list[Any]:
    """Return what of torch and NumPy an explanation could change behind one's back."""
    from torch.nn.modules import module

    hooks = [len(v) for k, v in sorted(vars(module).items()) if k.startswith("_global") and hasattr(v, "__len__")]
    return [
        hooks, torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_num_threads(), np.geterr(),
        torch.initial_seed(), torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(),  # noqa: NPY002
        torch.nn.Linear.forward, torch.nn.Module.__call__, torch.Tensor.__add__, torch.nn.functional.linear,
    ]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_is_left_behind(program: str) -> None:
    net, x = residual(), X.copy()
    lrp.crosscheck(net, x, peer=program, composite="epsilon")  # what a first import sets up is there then
    before, weights = surroundings(), [p.tobytes() for p in net.parameters]
    lrp.crosscheck(net, x, peer=program, composite="epsilon")
    lrp.crosscheck(net, x.astype("float32"), peer=program, composite="epsilon", functional_add=True)
    lrp.explain(net, x, composite="epsilon")
    assert surroundings() == before
    assert [p.tobytes() for p in net.parameters] == weights
    assert x.tobytes() == X.tobytes()


@pytest.mark.parametrize("program", PROGRAMS)
def test_float32_stays_float32_and_one_sample_is_its_row(program: str) -> None:
    net, x = residual(), X.astype("float32")
    c = lrp.crosscheck(net, x, peer=program, composite="epsilon")
    assert {a.dtype.name for a in c.recording.trace.relevance.values()} == {"float32"}
    assert {row.relevance.dtype for row in c.rows} == {"float32"}
    alone = lrp.crosscheck(net, X[4:5], peer=program, composite="epsilon").recording.trace.relevance["x"]
    whole = lrp.crosscheck(net, X, peer=program, composite="epsilon").recording.trace.relevance["x"]
    np.testing.assert_allclose(alone[0], whole[4], rtol=1e-11)
