"""``lrp-ref export-set``: what is written and printed, and that each refusal is one line and leaves nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import run
from small_stores import SAMPLES, X, asked, half, made

from lrp_ref.scale import open_store

h5py = pytest.importorskip("h5py")
pytest.importorskip("zarr")

BROKEN = X.copy()
BROKEN[7] = np.nan


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in zarr of 21 samples, of which one is not explained."""
    return made(tmp_path_factory.mktemp("made"), BROKEN, name="out.zarr", at=("conv",)).path


def export(*arguments: object) -> Any:
    done = run("export-set", *arguments)
    assert "Traceback" not in done.output
    return done


def test_arrays(store: Path, tmp_path: Path) -> None:
    done = export(store, tmp_path / "arrays", "--as", "npy")
    assert done.exit_code == 0
    assert done.stderr == (
        f"lrp-ref: note: {store}: 1 sample is not explained: NaN stands for them, and −1 for targets\n"
    )
    lines = [line.split() for line in done.stdout.splitlines()[2:]]
    assert [line[0] for line in lines] == sorted(f"arrays/{p.name}" for p in (tmp_path / "arrays").glob("*.npy"))
    assert ["arrays/relevance.npy", "float64", "(21,", "2,", "6,", "6)", "12.1", "kB"] in lines
    copy, whole = open_store(tmp_path / "arrays"), open_store(store)
    for one in whole.layout.arrays:
        assert np.asarray(copy[one.name]).tobytes() == np.asarray(whole[one.name][:]).tobytes()


def test_maps_for_virelay(store: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", np.arange(SAMPLES) * 10)
    done = export(store, tmp_path / "attribution.h5", "--labels", tmp_path / "labels.npy")
    assert done.exit_code == 0
    assert "attribution.h5: prediction float32 (20, 3) 240 bytes" in " ".join(done.stdout.split())
    assert done.stderr == f"lrp-ref: note: {store}: 1 sample is not explained: it is left out\n"
    with h5py.File(tmp_path / "attribution.h5") as file:
        assert sorted(file) == ["attribution", "index", "label", "prediction"]
        assert file["label"][:].tolist() == [10 * k for k in range(SAMPLES) if k != 7]
    assert export(store, tmp_path / "attribution.hdf5", "--as", "virelay").exit_code == 0


def test_caches_of_zennit_crp(store: Path, tmp_path: Path) -> None:
    done = export(store, tmp_path / "crp", "--as", "crp", "--at", "conv", "-k", "3", "--by", "max")
    assert done.exit_code == 0
    assert sorted(p.name for p in (tmp_path / "crp").rglob("*.npy")) == ["conv_data.npy", "conv_rel.npy", "conv_rf.npy"]
    assert np.load(tmp_path / "crp" / "RelMax_max_unnormed" / "conv_data.npy").shape == (3, 5)
    assert "crp/RelMax_max_unnormed/conv_rel.npy" in done.stdout
    assert export(store, tmp_path / "all", "--as", "crp").exit_code == 0
    assert len(list((tmp_path / "all").rglob("*.npy"))) == 6


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["goal"], "goal: say what to write, --as npy or --as crp, or give a name that ends in .h5 for ViRelAy"),
        (["goal.h5", "--as", "npy"], "--as npy makes a folder, and the name is a file's"),
        (["goal", "--as", "virelay"], "ViRelAy reads HDF5: give a name that ends in .h5"),
        (["goal.zarr", "--as", "npy"], "would be taken for zarr"),
        (["goal.h5", "--at", "conv"], "--at is of --as crp, and"),
        (["goal.h5", "-k", "3"], "-k is of --as crp, and"),
        (["goal.h5", "--by", "sum"], "--by is of --as crp, and"),
        (["goal.h5", "--norm", "crp"], "--norm is of --as crp, and"),
        (["goal", "--as", "npy", "--labels", "l.npy"], "--labels is of --as virelay, and"),
        (["goal", "--as", "crp", "--of", "x"], "--of is of --as virelay, and"),
        (["goal.h5", "--labels", "none.npy"], "none.npy"),
        (["goal.h5", "--of", "y"], "unknown input 'y'"),
        (["goal", "--as", "crp", "--at", "fc"], "unknown value of the store 'fc'"),
        (["nowhere/goal.h5"], "the folder"),
        (["there", "--as", "npy"], "there is there already"),
        (["there.h5"], "there.h5: it is there already"),
    ],
)
def test_what_cannot_be_written_is_one_line(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there").mkdir()
    Path("there.h5").write_bytes(b"mine")
    done = export(store, *arguments)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert reason.replace("there is there", "there: it is there") in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["there", "there.h5"]


def damaged(store: Path, what: str) -> None:
    if what == "nothing":
        return
    if what == "text":
        store.write_text("no folder")
        return
    store.mkdir()
    content: Any = {"zarr_format": 3, "node_type": "group", "attributes": {}}
    if what == "format 2":
        content["attributes"] = {"format": 2, "arrays": ["relevance"]}
    (store / "zarr.json").write_text(what if what == "{" else json.dumps(content))


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("nothing", "there is no such store"), ("text", "a file; a store of explanations is a folder"),
        ("{", "no JSON"), ("zarr of something else", "not a store of explanations"),
        ("format 2", "a store of format 2, and this version reads 1"),
    ],
)  # fmt: skip
def test_what_is_no_store_is_one_line(tmp_path: Path, what: str, reason: str) -> None:
    damaged(tmp_path / "set.zarr", what)
    done = export(tmp_path / "set.zarr", tmp_path / "goal", "--as", "npy")
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert reason in done.stderr
    assert not (tmp_path / "goal").exists()


def test_a_store_that_no_job_has_made_is_one_line(tmp_path: Path) -> None:
    from lrp_ref.scale.stores.layout import Layout, spec
    from lrp_ref.scale.stores.making import create

    create(tmp_path / "set", Layout((spec("relevance", 3, (2,), "float32"),), 3, 2, 2), {})
    done = export(tmp_path / "set", tmp_path / "goal.h5")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "lacks the attribute 'inputs'" in done.stderr


def test_a_store_that_is_not_finished(tmp_path: Path) -> None:
    half(asked(tmp_path, at=("conv",)), tmp_path / "set", [0, 2])
    for goal, kind in (("arrays", "npy"), ("attribution.h5", "virelay"), ("crp", "crp")):
        refused = export(tmp_path / "set", tmp_path / goal, "--as", kind)
        assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
        assert (
            "4 of 6 chunks are left to do: let 'lrp-ref explain-set' go on, or ask for what is there" in refused.stderr
        )
        assert not (tmp_path / goal).exists()
        done = export(tmp_path / "set", tmp_path / goal, "--as", kind, "--partial")
        assert done.exit_code == 0
        assert "4 of 6 chunks are to do" in done.stderr
    assert open_store(tmp_path / "arrays").counts() == {"done": 2, "failed": 0, "left": 4}
    with h5py.File(tmp_path / "attribution.h5") as file:
        assert file["index"][:].tolist() == [0, 1, 2, 3, 8, 9, 10, 11]
