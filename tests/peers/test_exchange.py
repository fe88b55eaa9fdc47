"""What a task and a recording become in files, and back: everything they hold, and nothing that would be run."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref import rules
from lrp_ref.errors import ModelFormatError, ParameterError, UnsupportedError
from lrp_ref.layers import Concat, Dense, ReLU
from lrp_ref.peers import Recording, Task
from lrp_ref.peers.exchange import (
    NETWORK,
    RECORDING,
    TASK,
    Unnamed,
    read_recording,
    read_task,
    write_recording,
    write_task,
)
from lrp_ref.rules.edits import add, clip
from lrp_ref.rules.groups import Group, Run
from lrp_ref.vectors.own import make_rule, rule_spec

RULES = [
    *(kind() for kind in rules.RULES.values()),
    rules.Epsilon(0.25, bias_share=0.5, stabiliser_share=1),
    rules.Gamma(1 / 3, add(1e-9)),
    rules.AlphaBeta(2, 1, clip(1e-3)),
    rules.ZBox(np.array([-1.0, 0.5]), np.array([[[1.0]], [[2.0]]]), add(0.1)),
    rules.ZBox(low=(0.0, -1.0), high=(1.0, 2.0)),
    rules.Epsilon(0.25).with_bias("ignore"),
    rules.AlphaBeta(2, 1).with_bias("spread"),
    rules.Product("signal", gate=1, stabiliser=add(1e-6)),
    rules.Recurrent(rules.Epsilon(0.1).with_bias("ignore"), rules.LRP0(add(1e-3)), "half"),
]


def task(rule: Any, **more: Any) -> Task:
    nodes = (
        lrp.Node("fc/1:a", Dense(np.arange(6.0).reshape(2, 3), np.ones(3)), ("x",)),
        lrp.Node("relu", ReLU(), ("fc/1:a",)),
        lrp.Node("both", Concat(), ("relu", "y.2")),
    )
    net = lrp.Network(nodes, (lrp.Input("x"), lrp.Input("y.2")), ("both",))
    inputs = {"x": np.array([[1.0, -2.0]]), "y.2": np.array([[3, 4]], np.int64)}
    return Task(net, inputs, {"fc/1:a": rule, "relu": None}, np.array([[0.1, np.nan, 0, 1, 2]], np.float32), **more)


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_a_rule_comes_back_as_it_was(rule: Any, tmp_path: Path) -> None:
    assert make_rule(rule_spec(rule)) == rule
    write_task(task(rule), tmp_path)
    assert read_task(tmp_path).rules == {"fc/1:a": rule, "relu": None}


def test_every_field_of_a_task_comes_back(tmp_path: Path) -> None:
    given = task(rules.LRP0(), functional_add=True)
    write_task(given, tmp_path)
    found = read_task(tmp_path)
    assert found.network == given.network
    assert list(found.inputs) == ["x", "y.2"]
    for name, array in given.inputs.items():
        np.testing.assert_array_equal(found.inputs[name], array)
        assert found.inputs[name].dtype == array.dtype
    np.testing.assert_array_equal(found.start, given.start)
    assert found.start.dtype == np.float32
    told = {"network", "inputs", "rules", "start", "functional_add"}
    assert {f.name for f in dataclasses.fields(Task)} == told, "a new field has to be written too"
    assert found.functional_add


def test_numbers_of_other_kinds_are_floats_for_another_program(tmp_path: Path) -> None:
    write_task(task(rules.Epsilon(Fraction(1, 3))), tmp_path)
    rule: Any = read_task(tmp_path).rules["fc/1:a"]
    assert type(rule.epsilon) is float
    assert rule == rules.Epsilon(1 / 3)


def test_a_rule_without_a_name_stays_one_that_no_program_has(tmp_path: Path) -> None:
    made = rules.Rule((Group((Run(),)),))
    with pytest.raises(ParameterError, match="no rule that a case can name"):
        rule_spec(made)
    write_task(task(made), tmp_path)
    found: Any = read_task(tmp_path).rules["fc/1:a"]
    assert isinstance(found, Unnamed)
    assert repr(found) == found.formula() == repr(made)


def test_exact_numbers_are_no_numbers_of_another_program(tmp_path: Path) -> None:
    given = task(rules.LRP0())
    with pytest.raises(UnsupportedError, match="only real numbers can be saved"):
        write_task(dataclasses.replace(given, network=lrp.arithmetic.rational(given.network)), tmp_path)


def test_a_recording_comes_back(tmp_path: Path) -> None:
    values, relevance = {"x": np.ones((1, 2), np.float32)}, {"b": np.array([[1.0]]), "a/1": np.array([[np.inf]])}
    given = Recording(lrp.Trace(values, relevance), "Program", "1.0", {"a/1": "no rule: ε 'x'"}, ("note",))
    write_recording(given, tmp_path)
    found = read_recording(tmp_path)
    assert (found.program, found.version, found.left_out, found.notes) == ("Program", "1.0", given.left_out, ("note",))
    assert list(found.trace.relevance) == ["b", "a/1"]
    np.testing.assert_array_equal(found.trace.relevance["a/1"], relevance["a/1"])
    assert found.trace.values["x"].dtype == np.float32
    assert [path.name for path in tmp_path.iterdir()] == [RECORDING]


@pytest.mark.parametrize("extra", [{}, {"left_out": 1, "notes": []}, {"left_out": {"a": 1}, "notes": []}])
def test_what_is_no_recording_is_refused(extra: dict[str, Any], tmp_path: Path) -> None:
    from lrp_ref.propagation.files import write_npz

    write_npz(tmp_path / RECORDING, {"program": "P", "version": "1", **extra}, lrp.Trace({}, {}))
    with pytest.raises(ModelFormatError):
        read_recording(tmp_path)


def test_pickled_arrays_are_not_read(tmp_path: Path) -> None:
    write_task(task(rules.LRP0()), tmp_path)
    held = dict(np.load(tmp_path / TASK))
    np.savez(tmp_path / TASK, **{**held, "start": np.array([{}], dtype=object)}, allow_pickle=True)
    with pytest.raises(ModelFormatError):
        read_task(tmp_path)
    assert (tmp_path / NETWORK).is_file()
