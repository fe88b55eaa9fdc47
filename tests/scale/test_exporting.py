"""What a store is written as for others: against explanations of the whole array, and what the others' programs read.

ViRelAy's lookup is done here as its version 1.0.0 does it, zennit-crp's files are loaded as arrays.
"""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_stores
from small_stores import SAMPLES, X, explained, half, made

import lrp_ref as lrp
from lrp_ref import scale
from lrp_ref.errors import ParameterError, ShapeError
from lrp_ref.scale.reading import exporting
from lrp_ref.scale.reading.exporting import to_crp, to_npy, to_virelay
from lrp_ref.scale.stores.layout import FAILED, Layout, spec
from lrp_ref.scale.stores.making import create, open_store

h5py = pytest.importorskip("h5py")
pytest.importorskip("zarr")

BROKEN = X.copy()
BROKEN[[2, 9]] = np.nan  # samples that cannot be explained, in the first and in the third chunk
WHOLE = np.delete(np.arange(SAMPLES), [2, 9])


def read(path: Path) -> dict[str, Any]:
    with h5py.File(path) as file:
        return {name: file[name][:] for name in file}


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


# -- arrays of NumPy ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out", "out.zarr"])
@pytest.mark.parametrize("together", [1, 2])
def test_arrays_are_those_of_the_whole_set(tmp_path: Path, name: str, together: int) -> None:
    told: list[tuple[int, int]] = []
    store = made(tmp_path, name=name, together=together, at=("conv",))
    folder = to_npy(store, tmp_path / "arrays", progress=lambda *step: told.append(step))
    e = explained(trace=True)
    for file, expected in {"relevance": e.relevance, "output": e.output}.items():
        found = np.load(folder / f"{file}.npy", mmap_mode="r")
        assert isinstance(found, np.memmap)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    assert np.load(folder / "target.npy").tolist() == e.output.argmax(axis=1).tolist()
    sums = e.trace.relevance["conv"].sum(axis=(2, 3))
    np.testing.assert_allclose(np.load(folder / "channels_0_sum.npy"), sums, rtol=0, atol=1e-12)
    assert told[-1] == (SAMPLES, SAMPLES)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


@pytest.mark.parametrize("name", ["out", "out.zarr"])
def test_arrays_are_a_store_that_a_run_goes_on_with(tmp_path: Path, name: str) -> None:
    job = small_stores.asked(tmp_path)
    store = half(job, tmp_path / name, [0, 3])
    with pytest.raises(ParameterError, match=r"4 of 6 chunks are left to do: .*\(partial=True, --partial\)"):
        to_npy(store, tmp_path / "arrays")
    folder = to_npy(store, tmp_path / "arrays", partial=True)
    relevance = np.load(folder / "relevance.npy")
    done = np.isin(np.arange(SAMPLES) // 4, [0, 3])
    assert np.isnan(relevance[~done]).all()  # not 0, which would be a map
    assert np.isfinite(relevance[done]).all()
    assert (np.load(folder / "target.npy")[~done] == -1).all()
    summary = scale.run(job, folder)
    assert (summary.before, summary.done, summary.left) == (2, 6, 0)
    assert np.array_equal(open_store(folder)["relevance"], made(tmp_path, name="other")["relevance"])


def test_arrays_keep_which_samples_failed_and_why(tmp_path: Path) -> None:
    store = made(tmp_path, BROKEN, name="out.zarr")
    copy = open_store(to_npy(store, tmp_path / "arrays"))
    assert copy.states().tolist() == [FAILED, 1, FAILED, 1, 1, 1]
    assert copy.errors() == store.errors()
    assert set(copy.errors()[2]["samples"]) == {"9"}
    assert np.flatnonzero(np.isnan(copy["relevance"]).any(axis=(1, 2, 3))).tolist() == [2, 9]
    assert copy.attributes == store.attributes


def test_a_copy_is_written_in_the_memory_of_a_chunk(tmp_path: Path) -> None:
    of = Layout((spec("relevance", 4000, (50, 50), "float32"),), 4000, 20, 20)  # 40 MB in chunks of 200 kB
    store = create(tmp_path / "out", of, {})
    rows = np.ones((20, 50, 50), np.float32)
    for chunk in range(of.chunks):
        store.write(store.part(chunk), {"relevance": rows})
        store.done(chunk)
    tracemalloc.start()
    to_npy(store, tmp_path / "arrays")
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken < 2_000_000
    assert (np.load(tmp_path / "arrays" / "relevance.npy", mmap_mode="r") == 1).all()


# -- ViRelAy --------------------------------------------------------------------------------------------------------


def lookup(content: dict[str, Any], sample: int) -> tuple[Any, int, Any]:
    """Return a sample's map, label and prediction as ViRelAy 1.0.0 finds them, ``get_attribution`` of its model."""
    assert sample in content["index"]
    place = np.where(sample == content["index"])[0][0].item()
    return content["attribution"][place], content["label"][place], content["prediction"][place]


@pytest.mark.parametrize("name", ["out", "out.zarr"])
def test_virelay_finds_each_sample_by_its_number(tmp_path: Path, name: str) -> None:
    store = made(tmp_path, BROKEN, name=name)
    content = read(to_virelay(store, tmp_path / "attribution.h5"))
    assert {k: (str(v.dtype), v.shape) for k, v in content.items()} == {
        "index": ("uint32", (19,)), "attribution": ("float32", (19, 3, 6, 6)), "label": ("uint16", (19,)),
        "prediction": ("float32", (19, 3)),
    }  # fmt: skip
    assert content["index"].tolist() == WHOLE.tolist()
    e = explained(X[WHOLE])
    for k, sample in enumerate(WHOLE.tolist()):
        drawn, label, prediction = lookup(content, sample)
        assert np.allclose(drawn.sum(axis=0), e.relevance[k].sum(axis=0), atol=1e-5 * np.abs(e.relevance).max())
        assert np.array_equal(drawn[0], drawn[2])
        assert label == e.output[k].argmax()
        assert np.allclose(prediction, e.output[k], atol=1e-6)


def test_virelay_gets_the_labels_that_are_given(tmp_path: Path) -> None:
    store = made(tmp_path, BROKEN)
    labels = np.arange(SAMPLES) % 3 + 65533
    content = read(to_virelay(store, tmp_path / "attribution.h5", labels=labels))
    assert content["label"].tolist() == labels[WHOLE].tolist()


def colours(folder: Path, shape: tuple[int, ...], **options: Any) -> tuple[scale.Store, Any]:
    """A store of maps of that shape, and the maps."""
    rng = np.random.default_rng(1)
    flat = int(np.prod(shape))
    net = lrp.Network.sequential([lrp.layers.Flatten(), lrp.layers.Dense(rng.normal(size=(flat, 2)))])
    x = rng.normal(size=(5, *shape))
    store = made(folder, x, net=net, composite="lrp0", **options)
    return store, lrp.explain(net, x, composite="lrp0").relevance


@pytest.mark.parametrize("shape", [(3, 4, 5), (4, 5, 3), (1, 4, 5), (4, 5, 1), (4, 5), (7, 4, 5)])
@pytest.mark.parametrize("reduce", ["none", "top-5", "channels"])
def test_maps_of_every_layout_are_drawn(tmp_path: Path, shape: tuple[int, ...], reduce: str) -> None:
    if reduce == "channels" and shape not in ((3, 4, 5), (1, 4, 5), (7, 4, 5)):
        return  # a network that does not name its axes has its channels in front
    store, expected = colours(tmp_path, shape, reduce=reduce)
    if reduce == "top-5":
        flat = expected.reshape(5, -1)
        order = np.argsort(-np.abs(flat), axis=1, kind="stable")[:, 5:]
        np.put_along_axis(flat, order, 0, axis=1)
    found = read(to_virelay(store, tmp_path / "attribution.h5"))["attribution"]
    limit = 1e-6 * np.abs(expected).max()
    ahead = expected.transpose(0, 3, 1, 2) if shape[-1] in (1, 3) and len(shape) == 3 else expected
    summed = ahead.sum(axis=1) if len(shape) == 3 else ahead
    assert found.shape == (5, 3, 4, 5)
    assert np.allclose(found.sum(axis=1), summed, atol=limit)
    if 3 in shape and reduce != "channels":
        assert np.allclose(found, ahead, atol=limit)  # three channels stay as they are


@pytest.mark.parametrize(
    ("changed", "error", "reason"),
    [
        ({"labels": np.zeros(4, int)}, ShapeError, r"labels are int64 \(4,\); expected a whole number for each of 21"),
        ({"labels": np.zeros(SAMPLES)}, ShapeError, "labels are float64"),
        ({"labels": np.arange(SAMPLES) - 1}, ParameterError, "labels go from -1 to 19; ViRelAy reads 0 to 65535"),
        ({"labels": np.arange(SAMPLES) + 65536}, ParameterError, "labels go from 65536"),
        ({"of": "y"}, ParameterError, "unknown input 'y'"),
        ({"path": "attribution.npz"}, ParameterError, r"give a name that ends in \.h5"),
        ({"path": "nowhere/attribution.h5"}, ParameterError, "the folder .*nowhere does not exist"),
        ({"path": "there.h5"}, ParameterError, "it is there already"),
        ({"path": "out/attribution.h5"}, ParameterError, "it lies in the store"),
    ],
)
def test_what_virelay_cannot_be_given(tmp_path: Path, changed: dict[str, Any], error: type, reason: str) -> None:
    store = made(tmp_path)
    (tmp_path / "there.h5").write_bytes(b"mine")
    before = names(tmp_path)
    given = {"path": "attribution.h5"} | changed
    with pytest.raises(error, match=reason):
        to_virelay(store, tmp_path / given.pop("path"), **given)
    assert names(tmp_path) == before
    assert (tmp_path / "there.h5").read_bytes() == b"mine"


def test_what_virelay_cannot_show(tmp_path: Path) -> None:
    net = lrp.Network.sequential([lrp.layers.Dense(np.eye(4))])
    (tmp_path / "flat").mkdir()
    flat = made(tmp_path / "flat", X[:, 0, 0, :4], net=net, composite="lrp0")
    with pytest.raises(ShapeError, match="ViRelAy draws"):
        to_virelay(flat, tmp_path / "attribution.h5")
    sums = made(tmp_path, target=((0, 1),))
    with pytest.raises(ShapeError, match="sums of outputs are explained in it, which are no label: give labels"):
        to_virelay(sums, tmp_path / "attribution.h5")
    assert (
        read(to_virelay(sums, tmp_path / "attribution.h5", labels=np.zeros(SAMPLES, int)))["label"].tolist() == [0] * 21
    )


def test_a_part_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    store = half(small_stores.asked(tmp_path), tmp_path / "out", [1])
    with pytest.raises(ParameterError, match="5 of 6 chunks are left to do"):
        to_virelay(store, tmp_path / "attribution.h5")
    content = read(to_virelay(store, tmp_path / "attribution.h5", partial=True))
    assert content["index"].tolist() == [4, 5, 6, 7]


def test_a_file_that_fails_on_the_way_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = made(tmp_path, at=("conv",))
    before = names(tmp_path)

    def stop(done: int, total: int) -> None:
        if done * 2 > total:
            raise KeyboardInterrupt

    for write, goal in ((to_npy, "arrays"), (to_virelay, "attribution.h5"), (to_crp, "crp")):
        with pytest.raises(KeyboardInterrupt):
            write(store, tmp_path / goal, progress=stop)
        assert names(tmp_path) == before
    monkeypatch.setattr(exporting, "single", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(ParameterError, match=r"cannot write .*attribution\.h5: No space left on device"):
        to_virelay(store, tmp_path / "attribution.h5")
    assert names(tmp_path) == before


# -- zennit-crp -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", [None, "crp"])
def test_caches_of_zennit_crp_are_those_of_a_search_in_the_whole_set(tmp_path: Path, norm: str | None) -> None:
    store = made(tmp_path, name="out.zarr", at=("conv", "fc"))
    told: list[tuple[int, int]] = []
    folder = to_crp(store, tmp_path / "crp", k=6, norm=norm, progress=lambda *step: told.append(step))
    suffix = "unnormed" if norm is None else "normed"
    files = [f"{at}_{what}.npy" for at in ("conv", "fc") for what in ("data", "rel", "rf")]
    folders = [f"RelMax_{by}_{suffix}" for by in ("max", "sum")]
    assert names(folder) == sorted([*folders, *(f"{f}/{file}" for f in folders for file in files)])
    assert told[-1] == (4 * SAMPLES, 4 * SAMPLES)
    assert told == sorted(told)
    arrived = explained(trace=True).trace.relevance
    for by in ("max", "sum"):
        for at in ("conv", "fc"):
            r = arrived[at].reshape(SAMPLES, arrived[at].shape[1], -1)
            strength = r.sum(axis=2) if by == "sum" else r.max(axis=2)
            if norm:
                strength = strength / (np.abs(strength).sum(axis=1, keepdims=True) + 1e-10)
            order = np.argsort(-strength, axis=0, kind="stable")[:6]
            data, rel, rf = (np.load(folder / f"RelMax_{by}_{suffix}" / f"{at}_{s}.npy") for s in ("data", "rel", "rf"))
            assert np.array_equal(data, order)
            np.testing.assert_allclose(rel, np.take_along_axis(strength, order, axis=0), atol=1e-12)
            assert np.array_equal(rf, np.take_along_axis(r.argmax(axis=2), order, axis=0))
            assert (data.dtype, rf.dtype) == (np.int64, np.int64)


def test_a_cache_of_one_value_without_what_failed(tmp_path: Path) -> None:
    store = made(tmp_path, BROKEN, at=("conv", "fc"))
    folder = to_crp(store, tmp_path / "crp", at="fc", by="max", k=40)
    assert [p.name for p in folder.iterdir()] == ["RelMax_max_unnormed"]
    data = np.load(folder / "RelMax_max_unnormed" / "fc_data.npy")
    assert [sorted(column) for column in data.T.tolist()] == [WHOLE.tolist()] * 3
    assert np.isfinite(np.load(folder / "RelMax_max_unnormed" / "fc_rel.npy")).all()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"at": "relu"}, "unknown value of the store 'relu'"),
        ({"by": "mean"}, "give 'sum' or 'max'"),
        ({"norm": "l1"}, "norm"),
        ({"k": 0}, "k"),
    ],
)
def test_what_cannot_be_cached(tmp_path: Path, changed: dict[str, Any], reason: str) -> None:
    store = made(tmp_path, at=("conv",))
    before = names(tmp_path)
    with pytest.raises(ParameterError, match=reason):
        to_crp(store, tmp_path / "crp", **changed)
    assert names(tmp_path) == before
    with pytest.raises(ParameterError, match="keeps no channels"):
        to_crp(made(tmp_path, name="none"), tmp_path / "crp")


def test_a_folder_of_arrays_is_not_called_zarr(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="would be taken for zarr"):
        to_npy(made(tmp_path), tmp_path / "arrays.zarr")
