"""Stores: both kinds hold what was written, in any order and from several processes.

Expected values are plain arrays in memory, and zarr's and NumPy's own reading of the files.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from number_stores import KEPT, KINDS, files, layout, made_at, numbers, write
from shard_writers import LAYOUT, lost, rows, write_whole

from lrp_ref.errors import ParameterError, ShapeError
from lrp_ref.scale.stores.layout import DONE, FAILED, TO_DO, Layout
from lrp_ref.scale.stores.making import Store, create, open_store

zarr = pytest.importorskip("zarr")
FEW = settings(max_examples=12, deadline=None, derandomize=True, database=None)


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return made_at(tmp_path / request.param)


# -- what is written is read ----------------------------------------------------------------------------------------


@st.composite
def layouts(draw: Any) -> Layout:
    inputs = draw(st.integers(1, 2))
    kept: dict[str, Any] = {}
    for k in range(inputs):
        name = "relevance" if inputs == 1 else f"relevance_{k}"
        shape = tuple(draw(st.lists(st.integers(1, 3), max_size=3)))
        kept[name] = (shape, draw(st.sampled_from(["float16", "float32", "float64"])))
        if draw(st.booleans()):
            kept[f"{name}_place"] = (shape, "int64")
    kept |= {"output": ((draw(st.integers(1, 4)),), "float32"), "target": ((), "int64"), "ledger": ((2, 5), "float64")}
    if draw(st.booleans()):
        kept |= {"channels_0_sum": ((3,), "float32"), "channels_0_position": ((3,), "int64")}
    return layout(draw(st.integers(1, 12)), draw(st.integers(1, 4)), draw(st.integers(1, 3)), kept)


@FEW
@given(layouts(), st.randoms(use_true_random=False), st.integers(0, 99))
def test_both_kinds_hold_what_was_written_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, of: Layout, random: Any, seed: int
) -> None:
    folder, arrays = tmp_path_factory.mktemp("stores"), numbers(of, seed)
    stores = [create(folder / name, of, {"seed": seed}) for name in KINDS]
    again = [create(folder / f"again_{name}", of, {"seed": seed}) for name in KINDS]
    order = list(range(of.chunks))
    for store in again:
        for chunk in order:
            write(store, arrays, chunk)
    random.shuffle(order)
    for store in stores:
        for chunk in (*order, order[0]):  # one of them twice
            write(store, arrays, chunk)
    for store, other in zip(stores, again, strict=True):
        opened = open_store(store.path)
        assert opened.layout.chunks == of.chunks
        assert [(a.name, a.shape, a.dtype) for a in opened.layout.arrays] == [
            (a.name, a.shape, a.dtype) for a in of.arrays
        ]
        assert opened.states().tolist() == [DONE] * of.chunks
        for name, a in arrays.items():
            assert np.asarray(opened[name][:]).tobytes() == a.tobytes()  # also where NaN
            assert opened[name].dtype == a.dtype
        assert files(store.path) == files(other.path)  # whole folders, whatever the order


def test_zarr_itself_reads_the_same(tmp_path: Path) -> None:
    of = layout(11, 2, 2)
    store, arrays = create(tmp_path / "set.zarr", of, {}), numbers(of)
    write(store, arrays, 2)
    write(store, arrays, 0)
    group = zarr.open_group(tmp_path / "set.zarr", mode="r")
    for name, a in arrays.items():
        assert np.array_equal(group[name][:4], a[:4], equal_nan=True)
        assert np.array_equal(group[name][8:], a[8:], equal_nan=True)
        assert np.array_equal(
            group[name][4:8], np.full((4, *a.shape[1:]), -1 if name == "target" else np.nan), equal_nan=True
        )
    assert group["done"][:].tolist() == [DONE, TO_DO, DONE]


@pytest.mark.parametrize("name", KINDS)
def test_states_are_those_that_the_libraries_read(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    store = create(tmp_path / name, layout(50, 1), {})
    expected = rng.integers(0, 3, 50)
    for k in rng.permutation(50):
        if expected[k]:
            store.mark(int(k), DONE + FAILED - int(expected[k]))  # another state first
            store.mark(int(k), int(expected[k]))
    done = (
        zarr.open_array(store.path / "done", mode="r")[:] if name.endswith("zarr") else np.load(store.path / "done.npy")
    )
    assert done.tolist() == expected.tolist()
    assert store.states().tolist() == expected.tolist()
    counts = {
        "done": int((expected == 1).sum()),
        "failed": int((expected == 2).sum()),
        "left": int((expected == 0).sum()),
    }
    assert open_store(store.path).counts() == counts


@pytest.mark.parametrize("together", [1, 2])
def test_a_chunk_that_is_all_zero_is_stored(tmp_path: Path, together: int) -> None:
    of = layout(8, 2, together)
    store = create(tmp_path / "set.zarr", of, {})
    zeros = {one.name: np.zeros(one.shape, one.dtype) for one in of.arrays}
    for chunk in range(of.chunks):
        write(store, zeros, chunk)
    assert store.counts() == {"done": of.chunks, "failed": 0, "left": 0}
    group = zarr.open_group(store.path, mode="r")
    for name in KEPT:
        assert not np.asarray(group[name][:]).any()  # neither NaN nor −1
        assert group[name].nchunks_initialized == group[name].nchunks


@pytest.mark.parametrize("together", [1, 2])
def test_a_chunk_that_is_all_fill_value_is_stored_too(tmp_path: Path, together: int) -> None:
    of = layout(8, 2, together)
    store = create(tmp_path / "set.zarr", of, {})
    write(store, {one.name: np.full(one.shape, one.fill).astype(one.dtype) for one in of.arrays}, 0)
    assert {f.name for f in (store.path / "relevance").iterdir()} == {"zarr.json", "c.0.0.0"}


def test_why_a_chunk_failed_is_kept_until_it_is_done(made: Store) -> None:
    made.fail(2, {"samples": {"7": "no 'pic\udc80ture'"}})
    assert made.states().tolist() == [DONE, DONE, FAILED, DONE]
    assert made.errors() == {2: {"chunk": 2, "samples": {"7": "no 'pic\udc80ture'"}}}
    made.done(2)
    assert made.errors() == {}
    assert made.states()[2] == DONE


def test_a_store_travels_to_another_process(made: Store) -> None:
    for store in (made, open_store(made.path, writable=False)):
        there = pickle.loads(pickle.dumps(store))  # noqa: S301
        assert type(there) is type(store)
        assert (there.path, there.writable, there.attributes) == (store.path, store.writable, store.attributes)
        assert np.array_equal(there["output"][:3], store["output"][:3], equal_nan=True)


# -- several writers ------------------------------------------------------------------------------------------------

MARKING = """
import sys
from lrp_ref.scale.stores.making import open_store
store = open_store(sys.argv[1])
sys.stdin.readline()
for chunk in range(int(sys.argv[2]), 400, 2):
    store.mark(chunk, 1 + chunk % 2)
"""


def at_once(script: str, *arguments: tuple[object, ...]) -> None:
    """Run a script in several processes, which begin when all of them are ready."""
    started = [
        subprocess.Popen([sys.executable, "-c", script, *map(str, one)], stdin=subprocess.PIPE, text=True)
        for one in arguments
    ]
    for process in started:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.wait(60) for process in started] == [0] * len(started)
    for process in started:
        assert process.stdin
        process.stdin.close()


@pytest.mark.parametrize("name", KINDS)
def test_two_processes_mark_and_no_flag_is_lost(tmp_path: Path, name: str) -> None:
    create(tmp_path / name, layout(400, 1), {})
    at_once(MARKING, (tmp_path / name, 0), (tmp_path / name, 1))
    assert open_store(tmp_path / name).states().tolist() == [1, 2] * 200


def test_four_processes_write_whole_shards_and_nothing_is_lost(tmp_path: Path) -> None:
    # A hundred runs, and what happens where two processes write halves of a shard: ``python shard_writers.py``.
    assert lost(tmp_path, 3, write_whole) == [0, 0, 0]
    alone = create(tmp_path / "alone.zarr", LAYOUT, {})
    alone.write(slice(0, alone.samples), rows(0, alone.samples))
    for chunk in range(LAYOUT.chunks):
        alone.done(chunk)
    for run in range(3):
        assert files(tmp_path / f"{run}.zarr") == files(alone.path)


def test_less_than_a_shard_is_never_written(made: Store, tmp_path: Path) -> None:
    store = create(tmp_path / "shards.zarr", layout(11, 2, 2), {})
    arrays = numbers(store.layout)
    for part in (slice(0, 2), slice(2, 4), slice(2, 6), slice(8, 10), slice(0, 4, 2)):
        with pytest.raises(ParameterError, match="are no whole chunks of 4"):
            store.write(part, {name: a[part] for name, a in arrays.items()})
    store.write(slice(4, 11), {name: a[4:] for name, a in arrays.items()})  # two of them
    assert np.array_equal(store["ledger"][4:], arrays["ledger"][4:], equal_nan=True)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"target": np.zeros(2, np.int64)}, r"'target' is int64 \(2,\); expected int64 \(3,\)"),
        ({"target": np.zeros(3, np.int32)}, "'target' is int32"),
        ({"output": np.zeros((3, 4), np.float32)}, r"expected float64 \(3, 4\)"),
        ({"relevance_1": np.zeros((3, 2, 3), np.float32)}, "no such array"),
    ],
)
def test_arrays_that_do_not_fit(made: Store, arrays: dict[str, Any], reason: str) -> None:
    before = files(made.path)
    with pytest.raises(ShapeError, match=reason):
        made.write(slice(0, 3), arrays)
    assert files(made.path) == before


@pytest.mark.parametrize(("chunk", "state"), [(4, 1), (-1, 1), (0, 3), (0, -1)])
def test_marks_that_do_not_fit(made: Store, chunk: int, state: int) -> None:
    with pytest.raises(ParameterError, match="has 4 chunks, from 0"):
        made.mark(chunk, state)
    assert made.counts() == {"done": 3, "failed": 0, "left": 1}


def test_an_array_of_a_store_is_read_like_one_of_numpy(made: Store) -> None:
    output, expected = made["output"], numbers(made.layout)["output"]
    assert (len(output), output.shape, output.ndim, output.size) == (11, (11, 4), 2, 44)
    assert np.array_equal(np.asarray(output)[:6], expected[:6], equal_nan=True)
    assert np.array_equal(np.asarray(output, dtype=np.float32)[:6], expected[:6].astype(np.float32), equal_nan=True)
    assert np.array_equal(output[4], expected[4], equal_nan=True)
