"""What is read of a store equals what is computed of all samples at once; what is left out is told."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_stores import LOGITS, NET, SAMPLES, X, asked, explained, half, made

import lrp_ref as lrp
from lrp_ref import scale
from lrp_ref.errors import LrpError, ModelFormatError, ParameterError, ShapeError, UnsupportedError
from lrp_ref.evaluate import report
from lrp_ref.scale import Explained, evaluated, maps, strongest
from lrp_ref.scale.reading.rows import rows
from lrp_ref.scale.sources import Read

KINDS = ["out", "out.zarr"]
TOLERANCE = {"float64": 1e-12, "float32": 1e-5, "float16": 2e-3}  # of max |R|
WHOLE = explained()
BAD = 9  # in chunk 2 of batches of 4
POISONED = X.copy()
POISONED[BAD, 0, 0, 0] = np.nan
FINE = [k for k in range(SAMPLES) if k != BAD]


@pytest.fixture(params=KINDS)
def kind(request: Any) -> str:
    """The name of a store: of .npy files, or of zarr arrays."""
    if request.param.endswith(".zarr"):
        pytest.importorskip("zarr")
    return str(request.param)


def close(found: Any, expected: Any, dtype: str = "float64") -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[dtype] * np.abs(expected).max())


# Maps ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("reduce", ["none", "channels", "top-7"])
def test_maps_are_those_of_all_samples_at_once(tmp_path: Path, kind: str, reduce: str, dtype: str) -> None:
    store = made(tmp_path, name=kind, reduce=reduce, dtype=dtype, together=2)
    expected = WHOLE.relevance
    if reduce == "channels":
        expected = expected.sum(axis=1)
    if reduce == "top-7":
        flat = np.abs(expected).reshape(SAMPLES, -1)
        least = np.sort(flat, axis=1)[:, -7].reshape(-1, 1, 1, 1)
        expected = np.where(np.abs(expected) >= least, expected, 0)
        assert ((expected != 0).sum(axis=(1, 2, 3)) == 7).all()
    found = maps(store, slice(None))
    assert (found.shape, found.dtype) == (expected.shape, "float64" if dtype == "float64" else "float32")
    close(found, expected, dtype)
    for which in ([20, 0, 7, 8, 3], slice(3, 18), slice(20, 2, -3), np.array([], dtype=int), [5, 5]):
        np.testing.assert_array_equal(maps(store, which), found[which])


def test_rows_and_maps_that_are_not_there(tmp_path: Path) -> None:
    store = made(tmp_path)
    np.testing.assert_array_equal(rows(store, "target", [20, 0, 11]), WHOLE.output.argmax(axis=1)[[20, 0, 11]])
    with pytest.raises(ModelFormatError, match="there is no array 'relevanze'"):
        rows(store, "relevanze", [0])
    for which, said in (([0, 21], "no sample 21: the store has 21"), ([-1], "no sample -1"), ([0.5], "got float64")):
        with pytest.raises(ParameterError, match=said):
            maps(store, which)
    with pytest.raises(ParameterError, match="unknown input 'picture'"):
        maps(store, [0], of="picture")


def test_maps_of_one_of_several_inputs(tmp_path: Path) -> None:
    from lrp_ref.layers import Concat, Dense
    from lrp_ref.network import Input, Network, Node

    rng = np.random.default_rng(3)
    nodes = (Node("both", Concat(axis=1), ("a", "b")), Node("fc", Dense(rng.normal(size=(7, 2))), ("both",)))
    net = Network(nodes, (Input("a", (None, 3)), Input("b", (None, 4))), ("fc",))
    x = {"a": rng.normal(size=(6, 3)), "b": rng.normal(size=(6, 4))}
    lrp.save(net, tmp_path / "net.npz")
    job = scale.job(tmp_path / "net.npz", Several(x), composite="epsilon", batch=4)
    for reduce in ("none", "top-2"):
        store = scale.run(replace(job, reduce=reduce), tmp_path / reduce).store
        whole = lrp.explain(net, x, composite="epsilon").relevance
        for name in ("a", "b"):
            expected = whole[name]
            if reduce == "top-2":
                least = np.sort(np.abs(expected), axis=1)[:, -2:-1]
                expected = np.where(np.abs(expected) >= least, expected, 0)
            close(maps(store, slice(0, 6), of=name), expected)
            assert [len(some) for some in Explained(store, of=name)] == [4, 2]
        with pytest.raises(ParameterError, match="maps of several inputs: say of which, a, b"):
            Explained(store)


class Several:
    """Samples of several inputs in memory, as a job reads them."""

    def __init__(self, x: dict[str, Any]) -> None:
        self.x = x
        self.samples = len(next(iter(x.values())))

    def read(self, start: int, stop: int) -> Any:
        return Read({name: array[start:stop] for name, array in self.x.items()})

    def zeros(self) -> dict[str, Any]:
        return {name: np.zeros_like(array[:1]) for name, array in self.x.items()}

    def attributes(self) -> dict[str, Any]:
        return {"name": "memory", "kind": "memory", "sha256": "0" * 64}


# Samples, some at a time -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("together", [1, 2])
def test_all_samples_once_and_in_two_passes_the_same(tmp_path: Path, kind: str, together: int) -> None:
    some = Explained(made(tmp_path, name=kind, together=together))
    assert (len(some), some.notes) == (SAMPLES, [])
    first, second = list(some), list(some)
    assert [len(part) for part in first] == [4] * 5 + [1]
    for field in ("numbers", "relevance", "output", "target"):
        one, other = ([getattr(part, field) for part in parts] for parts in (first, second))
        np.testing.assert_array_equal(np.concatenate(one), np.concatenate(other))
    close(np.concatenate([part.relevance for part in first]), WHOLE.relevance)
    close(np.concatenate([part.output for part in first]), LOGITS.forward(X))
    assert np.concatenate([part.numbers for part in first]).tolist() == list(range(SAMPLES))
    assert np.concatenate([part.target for part in first]).tolist() == NET.forward(X).argmax(axis=1).tolist()
    with pytest.raises(AttributeError):
        first[0].numbers = first[1].numbers


def test_chunks_that_are_to_do_are_left_out_also_when_they_are_done_meanwhile(tmp_path: Path, kind: str) -> None:
    job = asked(tmp_path)
    store = half(job, tmp_path / kind, [0, 2, 5])
    some = Explained(store)
    assert some.notes == ["3 of 6 chunks are to do: they are left out"]
    before = [part.numbers.tolist() for part in some]
    there = [0, 1, 2, 3, 8, 9, 10, 11, 20]
    assert np.concatenate(before).tolist() == there
    job.run_chunk(1, store)
    assert [part.numbers.tolist() for part in some] == before
    assert len(Explained(store)) == 13
    close(np.concatenate([part.relevance for part in some]), WHOLE.relevance[there])


def test_samples_that_are_not_explained_are_left_out(tmp_path: Path, kind: str) -> None:
    store = made(tmp_path, POISONED, name=kind)
    some = Explained(store)
    assert some.numbers.tolist() == FINE
    assert some.notes == ["1 sample is not explained: it is left out"]
    close(np.concatenate([part.relevance for part in some]), WHOLE.relevance[FINE])
    store.fail(2, {"samples": {}})  # it has no target, whatever the reasons say
    assert Explained(store).numbers.tolist() == FINE


def test_a_chunk_that_failed_as_a_whole_is_left_out(tmp_path: Path, kind: str) -> None:
    """Nothing was written of it: in .npy files its targets are 0, which is an output."""
    job = asked(tmp_path)
    store = half(job, tmp_path / kind, [0, 1])
    job.fail(3, store, dict.fromkeys(range(12, 16), "out of memory"), 0.0)
    assert Explained(store).numbers.tolist() == list(range(8))
    assert "4 samples are not explained: they are left out" in Explained(store).notes
    for file in (tmp_path / kind / "errors").glob("*.json"):
        file.unlink()
    assert Explained(store).numbers.tolist() == list(range(8))


@pytest.mark.parametrize("name", [None, "dog"])
def test_samples_of_one_target(tmp_path: Path, kind: str, name: str | None) -> None:
    store = made(tmp_path, name=kind)
    store.attributes["classes"] = ["cat", "dog", "cow"]
    expected = np.flatnonzero(NET.forward(X).argmax(axis=1) == 1)
    assert 2 < len(expected) < SAMPLES
    some = Explained(store, target=name or 1, batch=3)
    assert some.numbers.tolist() == expected.tolist()
    assert [len(part) for part in some] == [3] * (len(expected) // 3) + [len(expected) % 3] * bool(len(expected) % 3)
    close(np.concatenate([part.relevance for part in some]), WHOLE.relevance[expected])
    limited = Explained(store, target=1, limit=2)
    assert limited.numbers.tolist() == expected[:2].tolist()
    assert len(Explained(store, limit=100)) == SAMPLES


def test_what_cannot_be_read_is_one_line(tmp_path: Path, kind: str) -> None:
    job = asked(tmp_path, X[:6], target=2, batch=4)
    empty = half(job, tmp_path / kind, [])
    with pytest.raises(ParameterError, match=r"none of its 2 chunks is done: let 'lrp-ref explain-set' go on"):
        Explained(empty)
    store = half(job, tmp_path / kind, [0, 1])
    told = r"none of its 6 explained samples is explained for output 1; for 2 there are some"
    for options, said in (
        ({"target": 1}, told),
        ({"target": 3}, "target 3 is out of range: the output has 3 classes, 0 to 2"),
        ({"target": -1}, "target -1 is out of range"),
        ({"target": "cat"}, "the network has no class names"),
        ({"target": 1.5}, "target is 1.5: give a whole number"),
        ({"limit": 0}, "limit is 0"),
        ({"batch": 0}, "batch is 0"),
        ({"of": "b"}, "unknown input 'b'"),
    ):
        with pytest.raises(LrpError, match=said) as error:
            Explained(store, **options)
        assert "\n" not in str(error.value)
    poisoned = made(tmp_path, np.full((3, 2, 6, 6), np.nan), name=f"bad{kind}")
    with pytest.raises(ParameterError, match="none of its samples is explained; the first: input 'input' has 72"):
        Explained(poisoned)


def test_sums_of_outputs_have_no_single_target(tmp_path: Path) -> None:
    store = made(tmp_path, target=((0, 1),))
    assert next(iter(Explained(store))).target.tolist() == [[0, 1]] * 4
    with pytest.raises(ParameterError, match="sums of outputs are explained in it: leave the target out"):
        Explained(store, target=1)


def test_a_damaged_store_is_one_line(tmp_path: Path) -> None:
    store = made(tmp_path, reduce="top-2")
    for key, value, said in (
        ("shapes", [[2, 5]], "a place .* is outside of maps of the shape"),
        ("shapes", [[2, -6, 6]], "maps of the shape .*: damaged"),
        ("shapes", [["a"]], "maps of the shape .*: damaged"),
        ("shapes", [], "does not say of which inputs"),
        ("inputs", None, "does not say of which inputs"),
        ("inputs", [3], "does not say of which inputs"),
    ):
        kept = store.attributes[key]
        store.attributes[key] = value
        with pytest.raises(ModelFormatError, match=said) as error:
            list(Explained(store))
        assert "\n" not in str(error.value)
        store.attributes[key] = kept
    assert len(list(Explained(store))) == 6


def test_memory_is_that_of_a_few_samples(tmp_path: Path, kind: str) -> None:
    """16 MB of maps, of which batches of 400 kB are read."""
    job = asked(tmp_path, np.zeros((640, 2, 40, 40)), NARROW, at=("conv",), batch=16, together=2)
    store = half(job, tmp_path / kind, [])
    for chunk in job.chunks():
        part = store.part(chunk)
        arrays = {one.name: np.ones((part.stop - part.start, *one.shape[1:]), one.dtype) for one in store.layout.arrays}
        store.write(part, arrays | {"target": np.zeros(part.stop - part.start, dtype=int)})
        store.done(chunk)
    assert store.layout["relevance"].nbytes > 16e6
    Explained(store)  # what is loaded once

    def peak(read: Any) -> int:
        tracemalloc.start()
        read()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return int(found)

    def all_of_them() -> None:
        for part in Explained(store):
            assert part.relevance.sum() == 16 * 3200

    assert peak(all_of_them) < 4e6
    assert peak(lambda: maps(store, [0, 320, 639])) < 4e6  # no more than the batches that they are in
    assert peak(lambda: strongest(store, at="conv", k=3)) < 4e6


NARROW = lrp.Network.sequential([("conv", lrp.layers.Conv(np.ones((1, 2, 40, 40)))), ("flat", lrp.layers.Flatten())])


# Measures -----------------------------------------------------------------------------------------------------------

MEASURES = ["pixel_flipping", "insertion", "gini", "entropy", "completeness", "sensitivity_n"]


@pytest.mark.parametrize(
    "options", [{}, {"batch": 5}, {"batch": 3, "together": 2}, {"reduce": "channels"}, {"target": 1}]
)
def test_a_report_from_a_store_is_that_of_all_samples_at_once(tmp_path: Path, options: Any) -> None:
    job = asked(tmp_path, **options)
    store = half(job, tmp_path / "out", list(job.chunks()))
    names = MEASURES[:4] if options.get("reduce") else MEASURES
    relevance = maps(store, slice(None))
    target = options.get("target", NET.forward(X).argmax(axis=1))
    whole = explained(target=target).relevance
    close(relevance, whole.sum(axis=1) if options.get("reduce") else whole)
    expected = report(LOGITS, X, {"epsilon_plus": relevance}, measures=names, seed=3, target=target)
    found = evaluated(store, job.source, LOGITS, measures=names, seed=3)
    assert found == expected  # every number, and the curves
    assert [name for name, _, _ in found.curves] == ["epsilon_plus"] * 2 + ["random"] * 2


def test_a_report_of_many_samples_in_single_precision_has_the_same_bits(tmp_path: Path) -> None:
    """Parts are a multiple of the samples that measures go through together, wherever chunks end."""
    x = np.random.default_rng(1).normal(size=(75, 2, 6, 6)).astype("f4")
    net = NET.astype("float32")
    store = made(tmp_path, x, net=net, batch=7)
    relevance = maps(store, slice(None))
    logits = net.until("fc")
    expected = report(logits, x, {"e": relevance}, measures=["pixel_flipping"], target=rows(store, "target", slice(75)))
    found = evaluated(store, asked(tmp_path, x, batch=7).source, logits, measures=["pixel_flipping"], name="e")
    assert found == expected
    assert found.values.dtype == np.float64


def test_masks_limits_and_targets(tmp_path: Path) -> None:
    masks = np.random.default_rng(2).random((SAMPLES, 6, 6)) < 0.4
    job = asked(tmp_path, POISONED)
    store = half(job, tmp_path / "out", list(job.chunks()))
    np.save(tmp_path / "masks.npy", masks)
    seen: list[tuple[int, int]] = []
    found = evaluated(
        store, job.source, LOGITS, masks=np.load(tmp_path / "masks.npy", mmap_mode="r"),
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    target = NET.forward(X[FINE]).argmax(axis=1)
    relevance = maps(store, FINE)
    expected = report(LOGITS, X[FINE], {"epsilon_plus": relevance}, masks=masks[FINE], target=target)
    assert found == expected
    assert [m.name for m in found.measures][-1] == "context_ratio"
    assert seen == [(20, 20)]
    some = Explained(store, target=int(target[0]), limit=4)
    part = evaluated(some, job.source, LOGITS, measures=["gini"], name="own")
    np.testing.assert_array_equal(part["own", "gini"], lrp.evaluate.gini(maps(store, some.numbers)))


def test_samples_that_cannot_be_read_stand_between_others(tmp_path: Path) -> None:
    job = asked(tmp_path, POISONED)
    store = half(job, tmp_path / "out", list(job.chunks()))
    found = evaluated(store, Refusing(job.source, X, BAD), LOGITS, measures=["pixel_flipping"])
    expected = evaluated(store, job.source, LOGITS, measures=["pixel_flipping"])
    assert found == expected
    with pytest.raises(ModelFormatError, match="sample 2 was explained, and cannot be read any more: the file is gone"):
        evaluated(store, Refusing(job.source, X, 2), LOGITS, measures=["pixel_flipping"])


def test_photos_with_their_channels_behind(tmp_path: Path) -> None:
    """Measures want channels in front; the random map is drawn for the photo as they see it."""
    turned = lrp.Network.sequential(
        [("turn", lrp.layers.Transpose((0, 3, 1, 2))), *((n.name, n.layer) for n in NET.nodes)]
    )
    job = asked(tmp_path, X.transpose(0, 2, 3, 1), turned)
    store = half(job, tmp_path / "out", list(job.chunks()))
    found = evaluated(store, job.source, LOGITS, measures=["pixel_flipping", "gini"], order=(0, 3, 1, 2))
    expected = report(LOGITS, X, {"epsilon_plus": WHOLE.relevance}, measures=["pixel_flipping", "gini"])
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-9)


def test_what_cannot_be_measured_is_one_line(tmp_path: Path) -> None:
    job = asked(tmp_path)
    store = half(job, tmp_path / "out", list(job.chunks()))
    np.save(tmp_path / "other.npy", X[:, :, ::-1][:5])
    other = scale.job(tmp_path / "net.npz", tmp_path / "other.npy").source
    calls: list[tuple[Any, type[LrpError], str]] = [
        (lambda: evaluated(store, other, LOGITS), ParameterError, "is of other data: of its input, fingerprint is"),
        (lambda: evaluated(store, job.source, LOGITS, measures=["max_sensitivity"]), ParameterError, "maps alone"),
        (lambda: evaluated(store, job.source, LOGITS, measures=[]), ParameterError, "measures is empty"),
        (lambda: evaluated(store, job.source, LOGITS, masks=np.ones((3, 6, 6))), ShapeError, "for 21 samples"),
        (lambda: evaluated(store, job.source, LOGITS, measures=["ginni"]), ParameterError, "unknown measure 'ginni'"),
        (lambda: evaluated(store, Whole(job.source), LOGITS), UnsupportedError, "the samples are integers"),
    ]
    for call, kind, said in calls:
        with pytest.raises(kind, match=said) as error:
            call()
        assert "\n" not in str(error.value)


class Changed:
    """A source that says of itself what another does."""

    def __init__(self, source: Any) -> None:
        self.source, self.samples = source, source.samples

    def attributes(self) -> Any:
        return self.source.attributes()

    def zeros(self) -> Any:
        return self.source.zeros()


class Whole(Changed):
    def zeros(self) -> Any:
        return {"input": np.zeros((1, 3), dtype=int)}


class Refusing(Changed):
    """A source that cannot read one of its samples."""

    def __init__(self, source: Any, x: Any, lost: int) -> None:
        super().__init__(source)
        self.x, self.lost = x, lost

    def read(self, start: int, stop: int) -> Any:
        kept = [k for k in range(start, stop) if k != self.lost]
        refused = {self.lost: "the file is gone"} if start <= self.lost < stop else {}
        return Read({"input": self.x[kept]}, refused)


# The strongest samples ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", [None, "crp"])
@pytest.mark.parametrize("by", ["sum", "max"])
def test_the_strongest_samples_are_those_of_all_at_once(tmp_path: Path, kind: str, by: str, norm: str | None) -> None:
    twice = np.concatenate([X, X[:5]])  # of equal samples the lower number comes first
    job = asked(tmp_path, twice, at=("fc", "conv"))
    store = half(job, tmp_path / kind, list(job.chunks()))
    for k in (3, 40):
        found = strongest(store, at="conv", k=k, by=by, norm=norm)
        expected = lrp.methods.relmax(NET, twice, at="conv", k=k, by=by, norm=norm)
        np.testing.assert_array_equal(found.samples, expected.samples)
        np.testing.assert_array_equal(found.positions, expected.positions)
        np.testing.assert_allclose(found.values, expected.values, rtol=1e-10)
        assert (found.at, found.kind, found.by, found.norm, found.folder) == (
            "conv", "relevance", by, norm, expected.folder
        )  # fmt: skip


def test_samples_that_are_not_explained_are_not_among_the_strongest(tmp_path: Path, kind: str) -> None:
    job = asked(tmp_path, POISONED, at=("conv",))
    store = half(job, tmp_path / kind, [0, 1, 2, 3])
    kept = [k for k in FINE if k < 16]
    found = strongest(store, at="conv", k=5)
    expected = lrp.methods.relmax(NET, X[kept], at="conv", k=5)
    np.testing.assert_array_equal(found.samples, np.array(kept)[expected.samples])
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-10)
    target = NET.forward(X).argmax(axis=1)
    of_one = [k for k in kept if target[k] == target[0]]
    found = strongest(Explained(store, target=int(target[0])), at="conv", k=2)
    np.testing.assert_array_equal(
        found.samples, np.array(of_one)[lrp.methods.relmax(NET, X[of_one], at="conv", k=2).samples]
    )


def test_what_cannot_be_searched_is_one_line(tmp_path: Path) -> None:
    store = made(tmp_path, at=("conv",))
    for options, said in (
        ({"at": "convv"}, "unknown value of the store 'convv': did you mean 'conv'?"),
        ({"at": "conv", "by": "mean"}, "by='mean'"),
        ({"at": "conv", "norm": "l1"}, "norm='l1'"),
        ({"at": "conv", "k": 0}, "k is 0"),
    ):
        with pytest.raises(ParameterError, match=said):
            strongest(store, **options)
    with pytest.raises(ParameterError, match="keeps no channels"):
        strongest(made(tmp_path, name="bare"), at="conv")
