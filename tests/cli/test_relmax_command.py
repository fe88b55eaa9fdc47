"""``lrp-ref relmax``: the strongest samples of the library, out of a store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import run
from small_stores import NET, X, asked, half, made

import lrp_ref as lrp
from lrp_ref.methods import Strongest


@pytest.mark.parametrize(("by", "norm"), [("sum", None), ("max", "crp")])
def test_the_samples_of_the_library_are_printed_and_written(tmp_path: Path, by: str, norm: str | None) -> None:
    made(tmp_path, at=("fc", "conv"))
    asked_norm = [] if norm is None else ["--norm", norm]
    done = run("relmax", tmp_path / "out", "--at", "conv", "-k", 3, "--by", by, *asked_norm, "-o", tmp_path / "found")
    assert (done.exit_code, done.stderr) == (0, "")
    expected = lrp.methods.relmax(NET, X, at="conv", k=3, by=by, norm=norm)
    folder = tmp_path / "found" / expected.folder
    found = Strongest.load(folder, "conv")
    np.testing.assert_array_equal(found.samples, expected.samples)
    np.testing.assert_array_equal(found.positions, expected.positions)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-10)
    head, *rest = done.stdout.splitlines()
    assert head.startswith("21 samples of out (epsilon_plus, network ")
    assert "\n".join(rest).startswith(repr(expected))
    assert rest[-1] == f"written: {', '.join(str(folder / f'conv_{s}.npy') for s in ('data', 'rel', 'rf'))}"


def test_samples_of_one_target_out_of_a_store_that_is_half_done(tmp_path: Path) -> None:
    job = asked(tmp_path, at=("conv",))
    half(job, tmp_path / "out", [0, 2, 3])
    done = run("relmax", tmp_path / "out", "--at", "conv", "-t", 1, "-k", 2, "-o", tmp_path / "found")
    assert done.exit_code == 0
    assert "3 of 6 chunks are to do: they are left out" in done.stderr
    target = NET.forward(X).argmax(axis=1)
    kept = np.array([k for k in (*range(4), *range(8, 16)) if target[k] == 1])
    expected = lrp.methods.relmax(NET, X[kept], at="conv", k=2)
    found = Strongest.load(tmp_path / "found" / "RelMax_sum_unnormed", "conv")
    np.testing.assert_array_equal(found.samples, kept[expected.samples])
    assert f"{len(kept)} samples of out" in done.stdout


def test_what_cannot_be_found_is_one_line(tmp_path: Path) -> None:
    made(tmp_path, at=("conv",))
    made(tmp_path, name="bare")
    for arguments, said in (
        (("out", "--at", "convv"), "unknown value of the store 'convv': did you mean 'conv'?"),
        (("bare", "--at", "conv"), "keeps no channels: make one with 'lrp-ref explain-set ... --at conv'"),
        (("none", "--at", "conv"), "there is no such store"),
        (("out", "--at", "../conv"), "cannot be the name of a file"),
        (("out", "--at", "conv", "-t", "9"), "target 9 is out of range"),
    ):
        done = run("relmax", tmp_path / arguments[0], *arguments[1:], "-o", tmp_path / "found")
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.stderr
        assert said in done.stderr
    assert not (tmp_path / "found").exists()
