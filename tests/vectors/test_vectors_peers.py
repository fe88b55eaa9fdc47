"""``lrp-ref vectors run --peer``: programs that this package has adapters for."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click.testing
import pytest

from lrp_ref.cli import main
from lrp_ref.peers import PEERS
from lrp_ref.peers.task import NoRule, Recording, Task
from lrp_ref.propagation.trace import Trace

ONLY = ("--only", "core/dense/epsilon/*")


def run(*arguments: object) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, ["vectors", "run", *map(str, arguments)], catch_exceptions=False)


def one_line(done: click.testing.Result) -> str:
    assert done.exit_code == 2, done.output
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix("lrp-ref: error: ").strip()


class Theirs:
    """An adapter that has the ε-rule alone and forgets the bias, by lrp_ref."""

    def record(self, task: Task, folder: Path | None = None) -> Recording:
        from lrp_ref import explain
        from lrp_ref.propagation.composites import Composite

        rules: Mapping[str, Any] = task.rules
        if any(type(rule).__name__ != "Epsilon" for rule in rules.values() if rule is not None):
            raise NoRule("no such rule")
        ignoring = [(name, rule.with_bias("ignore")) for name, rule in rules.items() if rule is not None]
        found = explain(task.network, dict(task.inputs), composite=Composite(ignoring), start=task.start,
                        canonize=False, trace=True)  # fmt: skip
        trace: Trace = found.trace
        return Recording(trace, "theirs", "4.5")


def test_a_peer_is_asked_named_and_told_its_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrp_ref.peers.peer.Peer.load", lambda self: Theirs())
    monkeypatch.setattr("lrp_ref.peers.vector_adapter.require", lambda peer, folder: None)
    done = run("--peer", "captum", *ONLY)
    assert done.exit_code == 1, done.output
    assert f"asked: Captum 4.5 (Python), issues: {PEERS['captum'].issues}; lrp-vectors " in done.stdout
    assert "reason: no-bias-in-denominator: 5 of 5 failing cases of Epsilon on Dense\n" in done.stdout
    left = run("--peer", "captum", "--only", "core/dense/gamma/*")
    assert "unsupported: no such rule (" in left.stdout


def test_what_is_not_installed_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *more: None if name == "captum" else found(name, *more)
    )
    said = one_line(run("--peer", "captum", *ONLY))
    assert "pip install captum==0.9.0" in said
    assert "--python" in said


def test_names_and_options_that_do_not_fit_are_told(tmp_path: Path) -> None:
    assert "unknown peer 'zenit': did you mean 'zennit'?" in one_line(run("--peer", "zenit"))
    assert one_line(run("--peer", "captum", "--command", "c")) == "give one of --command, --peer, not both"
    assert "not all" in one_line(run("--peer", "captum", "--command", "c", "--adapter", "a:b"))
    assert one_line(run("--python", tmp_path)).startswith("--python belongs to --peer: give one of zennit, captum")
    assert one_line(run("--peer-folder", tmp_path)).startswith("--peer-folder belongs to --peer")
    assert one_line(run("--peer", "captum", "--python", tmp_path / "none"))


@pytest.mark.parametrize("name", ["captum", "zennit", "lxt", "autolrp"])
def test_an_installed_program_is_asked(name: str) -> None:
    pytest.importorskip(name)
    done = run("--peer", name, *ONLY)
    assert done.exit_code in (0, 1), done.output
    assert re.search(rf"asked: {re.escape(PEERS[name].title)} \d+\.\d+\S* \(Python\)", done.stdout)
