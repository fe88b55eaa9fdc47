"""``lrp-ref diff`` with a trace of a program that nobody knows here, and with the network, which names the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fake_peers
import numpy as np
import pytest
from command import array, run
from fake_peers import chain, numpy_program

import lrp_ref as lrp
from lrp_ref.layers import Dense
from lrp_ref.rules import ZPlus

X = np.random.default_rng(1).normal(size=(12, 4))


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """This package's trace of z⁺, and that of a program with b⁺ in the denominators of one layer, under free names."""
    net = chain()
    lrp.save(net, tmp_path / "net.npz")
    array(tmp_path / "x.npy", X)
    rules = ("-c", "epsilon", "--rule", "Dense=ZPlus", "--trace")
    assert run("explain", tmp_path / "net.npz", tmp_path / "x.npy", *rules, "-o", tmp_path).exit_code == 0
    ours = lrp.explain(net, X, composite=[(Dense, ZPlus())], trace=True)
    ours.save(tmp_path / "ours.npz")
    task = fake_peers.Task(net, {"input": X}, {p.node: p.rule for p in ours.plan}, ours.start_relevance)
    theirs = numpy_program(task, bias_in_zplus=["fc1"]).trace
    free = {f"layer/{name}/out": a for name, a in theirs.values.items()}
    free |= {f"layer/{name}/R_out": a for name, a in theirs.relevance.items()}
    np.savez(tmp_path / "theirs.npz", **free)
    (tmp_path / "names.json").write_text(json.dumps({"value/*": "layer/*/out", "relevance/*": "layer/*/R_out"}))
    return tmp_path / "ours.npz", tmp_path / "theirs.npz"


def test_a_map_in_a_file_names_the_entries(files: Any, tmp_path: Path) -> None:
    done = run("diff", *files, "--map", tmp_path / "names.json")
    assert (done.exit_code, done.stderr) == (1, "")
    assert done.stdout.startswith("first departs at relevance 'relu0': ")
    assert "from fc1: Dense, ZPlus(stabiliser=exact)" in done.stdout
    assert "only in" not in done.stdout
    assert done.stdout.splitlines()[-1] == (
        "--model MODEL names the reason, where it is one that is known of another program"
    )
    assert run("diff", *files, "--map", tmp_path / "names.json", "--tolerance", "10").exit_code == 0


def test_a_map_in_a_file_is_the_same_as_pairs(files: Any, tmp_path: Path) -> None:
    renamed = lrp.peers.trace_from_npz(files[1], {"value/*.": "layer/*/out", "relevance/*.": "layer/*/R_out"})
    renamed.save(tmp_path / "renamed.npz")
    pairs = {name: f"{name}." for name in renamed.values for name in [name.removesuffix(".")]}
    (tmp_path / "pairs.json").write_text(json.dumps(pairs))
    by_file = run("diff", files[0], tmp_path / "renamed.npz", "--map", tmp_path / "pairs.json")
    one_by_one = [option for name, other in pairs.items() for option in ("--map", f"{name}={other}")]
    assert by_file.stdout == run("diff", files[0], tmp_path / "renamed.npz", *one_by_one).stdout
    assert by_file.stdout.startswith("first departs at relevance 'relu0 = relu0.': ")


def test_the_network_names_the_reason(files: Any, tmp_path: Path) -> None:
    options = ("--map", tmp_path / "names.json", "--model", tmp_path / "net.npz")
    done = run("diff", *files, *options, "--rule", "Dense=ZPlus")
    assert (done.exit_code, done.stderr) == (1, "")
    verdict, reason, *_ = done.stdout.splitlines()
    assert verdict.startswith("first departs at relevance 'relu0': ")
    assert "zplus-bias" in reason
    assert "fc1" in reason
    assert "--model MODEL names the reason" not in done.stdout


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "it holds 'layer/input/out', 'layer/fc0/out', 'layer/relu0/out'"),
        ([], "--map NAMES.json"),
        (["--map", "none.json"], "none.json: no such file"),
        (["--map", "wrong.json"], "did you mean 'layer/fc0/out'?"),
        (
            ["--map", "names.json", "-c", "epsilon"],
            "--composite says how a network was explained: give the network too",
        ),
        (["--map", "names.json", "--low", "0"], "--low says how a network was explained"),
        (["--map", "names.json", "--model", "none.npz"], "none.npz"),
        (
            ["--map", "names.json", "--model", "net.npz", "-c", "epsilon"],
            "'fc0' was explained by ZPlus(stabiliser=exact) and has Epsilon(epsilon=1e-06, bias_share=0) in composite",
        ),
        (["--map", "names.json", "--model", "other.npz", "--rule", "Dense=ZPlus"], "is it of this model?"),
    ],
)
def test_what_cannot_be_compared_is_one_line(options: list[str], told: str, files: Any, tmp_path: Path) -> None:
    (tmp_path / "wrong.json").write_text('{"value/fc0": "layer/fc0/oud"}')
    lrp.save(lrp.Network.sequential([Dense(np.ones((4, 2)))]), tmp_path / "other.npz")
    given = [tmp_path / option if option.endswith((".json", ".npz")) else option for option in options]
    done = run("diff", *files, *given)
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert told in done.stderr
