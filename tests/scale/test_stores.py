"""Stores: both kinds hold what was written, in any order and from several processes; damaged ones are one line.

Expected values are plain arrays in memory, and zarr's and NumPy's own reading of the files.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shard_writers import LAYOUT, lost, rows, write_whole

from lrp_ref.errors import ModelFormatError, ParameterError, ShapeError
from lrp_ref.scale import stated
from lrp_ref.scale.appearing import appearing
from lrp_ref.scale.layout import DONE, FAILED, TO_DO, Layout, spec
from lrp_ref.scale.stores import Store, create, open_store
from lrp_ref.scale.zarr_store import ZarrStore

zarr = pytest.importorskip("zarr")

KINDS = ("set.zarr", "set")
FEW = settings(max_examples=12, deadline=None, derandomize=True, database=None)
KEPT: dict[str, tuple[tuple[int, ...], str]] = {
    "relevance": ((2, 3), "float32"), "output": ((4,), "float64"), "target": ((), "int64"),
    "ledger": ((3, 5), "float64"),
}  # fmt: skip


def layout(n: int, batch: int, together: int = 1, kept: dict[str, Any] = KEPT) -> Layout:
    return Layout(tuple(spec(name, n, *one) for name, one in kept.items()), n, batch, batch * together)


def numbers(of: Layout, seed: int = 0) -> dict[str, Any]:
    """An array of every kind of the layout, with some samples that are all zero and some that are all fill value."""
    rng = np.random.default_rng(seed)
    found = {}
    for one in of.arrays:
        a = rng.normal(size=one.shape) * 100
        a[rng.random(len(a)) < 0.2] = 0
        a[rng.random(len(a)) < 0.2] = one.fill if one.dtype != "int64" else -1
        found[one.name] = a.astype(one.dtype)
    return found


def write(store: Store, arrays: dict[str, Any], chunk: int) -> None:
    store.write(store.part(chunk), {name: a[store.part(chunk)] for name, a in arrays.items()})
    store.done(chunk)


def files(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def names(folder: Path) -> list[str]:
    return sorted(f.name for f in folder.iterdir())


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store of 11 samples in 4 chunks, of which the third is to do."""
    store = create(tmp_path / request.param, layout(11, 3), {"composite": "epsilon", "classes": ["a", "ö"]})
    for chunk in (3, 0, 1):
        write(store, numbers(store.layout), chunk)
    return store


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
from lrp_ref.scale.stores import open_store
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


# -- making, and what killed processes leave ------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_a_store_is_made_whole_or_not_at_all(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of = layout(6, 2)
    with pytest.raises(ParameterError, match=r"the folder .*nowhere does not exist"):
        create(tmp_path / "nowhere" / name, of, {})
    (tmp_path / f"there_{name}").mkdir()
    with pytest.raises(ParameterError, match="it is there already"):
        create(tmp_path / f"there_{name}", of, {})
    (tmp_path / f"link_{name}").symlink_to(tmp_path / "gone")
    with pytest.raises(ParameterError, match="it is there already"):
        create(tmp_path / f"link_{name}", of, {})
    with pytest.raises(ParameterError, match=r"cannot write .*: File name too long"):
        create(tmp_path / f"{'n' * 300}{name}", of, {})
    full = OSError(28, "No space left on device")
    before = names(tmp_path)
    kind = type(create(tmp_path / name, of, {}))
    monkeypatch.setattr(kind, "make", classmethod(lambda *_: (_ for _ in ()).throw(full)))
    with pytest.raises(ParameterError, match=r"cannot write .*other.*: No space left on device"):
        create(tmp_path / f"other_{name}", of, {})
    assert names(tmp_path) == sorted([*before, name])


def test_a_store_that_could_not_be_opened_again_is_not_made(tmp_path: Path) -> None:
    for changed in ({"format": 2}, {"samples": 5}, {"batch": 4}, {"together": 0}):
        with pytest.raises(ModelFormatError):
            create(tmp_path / "set", layout(6, 2), changed)
    with pytest.raises(ModelFormatError, match="chunks; at most 100,000,000 are possible"):
        create(tmp_path / "set", layout(10**9, 1, 1, {"target": ((), "int64")}), {})
    assert names(tmp_path) == []


def test_a_disk_that_is_full_is_one_line(made: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        "zarr.storage._local._atomic_write" if made.suffix else f"{type(made).__module__}.NpyStore._put", full
    )
    part, arrays = made.part(2), numbers(made.layout)
    for change in (
        lambda: made.write(part, {name: a[part] for name, a in arrays.items()}),
        lambda: made.write(part, {"target": arrays["target"][part]}),
        lambda: made.mark(2, DONE),
    ):
        with pytest.raises(ParameterError, match=r"^cannot write .*set.*: No space left on device$"):
            change()
    assert made.counts() == {"done": 3, "failed": 0, "left": 1}


def test_what_killed_writes_leave_is_swept(made: Store) -> None:
    before = files(made.path)
    strays = [made.path / "errors" / ".0002.json.k3j5.part"]
    if isinstance(made, ZarrStore):
        strays += [made.path / "relevance" / "c.2.0.0c1f.partial", made.path / "done" / "c.0c1f.partial"]
    for stray in strays:
        stray.write_bytes(b"half")
    assert made.counts()["done"] == 3  # they are no flags
    made.sweep()
    assert files(made.path) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from lrp_ref.scale.appearing import appearing
with appearing(Path(sys.argv[1])) as part:
    (part / "half").write_bytes(b"half")
    if sys.argv[2] == "wait":
        print("ready", flush=True)
        sys.stdin.readline()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="processes are asked for by their numbers")
@pytest.mark.parametrize("name", KINDS)
def test_folders_that_killed_processes_leave_are_swept_and_those_of_others_are_not(tmp_path: Path, name: str) -> None:
    store = create(tmp_path / name, layout(6, 2), {})
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / name.replace("set", "new"), "now"], check=False)
    left = next(p for p in tmp_path.iterdir() if p.name.startswith(".new"))
    left = left.rename(tmp_path / left.name.replace("new", "set"))
    assert (left / "half").exists()
    foreign = [f".{name}.backup", f".{name}.x-00000000.abc.part", ".other.1-00000000.abc.part"]
    elsewhere = f".{name}.1-00000000.abc.part"  # of another machine: it may be at work
    for other in (*foreign, elsewhere):
        (tmp_path / other).mkdir()
    waiting = subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path / name.replace("set", "alive"), "wait"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert waiting.stdout
    assert waiting.stdin
    assert waiting.stdout.readline() == "ready\n"
    alive = next(p for p in tmp_path.iterdir() if p.name.startswith(".alive"))
    alive = alive.rename(tmp_path / alive.name.replace("alive", "set"))
    store.sweep()
    assert names(tmp_path) == sorted([name, *foreign, elsewhere, alive.name])
    waiting.communicate("go\n")
    assert waiting.returncode == -9
    os.utime(tmp_path / elsewhere, (0, 0))
    store.sweep()
    assert names(tmp_path) == sorted([name, *foreign])


@pytest.mark.skipif(os.name != "posix", reason="processes are asked for by their numbers")
def test_who_is_killed_and_begins_again_leaves_nothing(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / "new", "now"], check=False)
    assert len(names(tmp_path)) == 1
    with appearing(tmp_path / "new"):
        pass
    assert names(tmp_path) == ["new"]


def test_appearing_leaves_nothing_after_an_error(tmp_path: Path) -> None:
    def broken(file: bool) -> None:
        with appearing(tmp_path / "new", file=file) as part:
            (part / "new").write_bytes(b"half")
            raise RuntimeError("stop")

    for file in (False, True):
        with pytest.raises(RuntimeError):
            broken(file)
        assert names(tmp_path) == []


# -- reading without the right to write -----------------------------------------------------------------------------


def test_a_store_that_is_read_only_is_never_written(made: Store) -> None:
    store = open_store(made.path, writable=False)
    before = files(made.path)
    for change in (lambda: write(store, numbers(store.layout), 2), lambda: store.fail(2, {}), lambda: store.done(1)):
        with pytest.raises(ParameterError, match="was opened to be read only"):
            change()
    assert files(made.path) == before


READING = """
import os, sys
from lrp_ref.errors import ParameterError
from lrp_ref.scale.stores import create, open_store
open_store(sys.argv[1]).counts()  # what is imported may be another user's
os.setuid(65534)
for writable in (True, False):
    store = open_store(sys.argv[1], writable=writable)
    print(store.counts(), store["target"][:3].tolist(), store.errors())
for change in (lambda: store.mark(0, 1), lambda: create(sys.argv[1] + sys.argv[2], store.layout, {})):
    store = open_store(sys.argv[1])
    try:
        change()
    except ParameterError as error:
        print(error)
"""


@pytest.mark.skipif(os.name != "posix", reason="rights of files")
@pytest.mark.parametrize("name", KINDS)
def test_a_reader_needs_no_right_to_write(name: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        store = create(Path(folder) / name, layout(11, 3), {})
        write(store, numbers(store.layout), 0)
        for path in (Path(folder), *Path(folder).rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        script = READING if os.geteuid() == 0 else READING.replace("os.setuid(65534)\n", "")
        done = subprocess.run(
            [sys.executable, "-c", script, store.path, f"_new{store.suffix}"],
            capture_output=True,
            text=True,
            check=False,
        )
        for path in (Path(folder), *Path(folder).rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
    target = numbers(layout(11, 3))["target"][:3].tolist()
    expected = f"{{'done': 1, 'failed': 0, 'left': 3}} {target} {{}}\n"
    refused = [f"cannot write {path}: Permission denied\n" for path in (store.path, f"{store.path}_new{store.suffix}")]
    assert done.stdout == 2 * expected + "".join(refused), done.stderr


# -- damaged ones ---------------------------------------------------------------------------------------------------


def json_file(store: Path) -> Path:
    return store / ("zarr.json" if store.suffix else "attributes.json")


def restated(**changed: Any) -> Callable[[Path], None]:
    def change(store: Path) -> None:
        content = json.loads(json_file(store).read_text())
        attributes = content["attributes"] if store.suffix else content
        for key, value in changed.items():
            if value == "missing":
                del attributes[key]
            else:
                attributes[key] = value
        json_file(store).write_text(json.dumps(content))

    return change


def replaced(data: bytes) -> Callable[[Path], None]:
    return lambda store: json_file(store).write_bytes(data) and None  # type: ignore[return-value]


EITHER: dict[str, tuple[Callable[[Path], None], str]] = {
    "no attributes": (lambda store: json_file(store).unlink(), "is missing: not a store of explanations"),
    "empty": (replaced(b""), "no JSON"),
    "no text": (replaced(b"\xff\xfe\x00{"), "no JSON"),
    "a list": (replaced(b"[1, 2]"), "no object of JSON"),
    "nested": (replaced(b"[" * 100_000), "no JSON"),
    "an object": (replaced(b"{}"), "not a store of explanations"),
    "format 2": (restated(format=2), "a store of format 2, and this version reads 1"),
    "no format": (restated(format="missing"), "not a store of explanations"),
    "format true": (restated(format=True), "of format True"),
    "format text": (restated(format="1"), "of format '1'"),
    "batch text": (restated(batch="3"), "'batch' is '3'"),
    "batch 0": (restated(batch=0), "'batch' is 0"),
    "batch true": (restated(batch=True), "'batch' is True"),
    "batch none": (restated(batch=None), "'batch' is None"),
    "batch other": (restated(batch=4), "damaged"),
    "batch huge": (restated(batch=10**30), "damaged"),
    "together": (restated(together=[1]), r"'together' is \[1\]"),
    "samples": (restated(samples=12), "damaged"),
    "samples huge": (restated(samples=10**18), "damaged"),
    "arrays text": (restated(arrays="relevance"), "'arrays' is no list of names"),
    "arrays none": (restated(arrays=[]), "'arrays' is no list of names"),
    "arrays numbers": (restated(arrays=[1, 2]), "'arrays' is no list of names"),
    "arrays outside": (restated(arrays=["../../etc"]), "'arrays' is no list of names"),
    "arrays absolute": (restated(arrays=["/etc/passwd"]), "'arrays' is no list of names"),
    "arrays twice": (restated(arrays=["target", "target"]), "names one twice"),
    "arrays more": (restated(arrays=["relevance", "nothing"]), "nothing.* is missing"),
    "arrays the states": (restated(arrays=["done"]), "damaged"),
    "composite": (restated(composite=["epsilon"]), r"'composite' is \['epsilon'\]"),
    "reduce": (restated(reduce=None), "'reduce' is None"),
    "inputs": (restated(inputs="x"), "'inputs' is 'x'"),
    "at": (restated(at=[1]), r"'at' is \[1\]"),
    "classes": (restated(classes={"a": 1}), "'classes' is"),
    "input": (restated(input="x.npy"), "'input' is 'x.npy'"),
    "shapes": (restated(inputs=["x"], shapes=[["2"]]), "'shapes' is"),
    "shapes negative": (restated(inputs=["x"], shapes=[[-2, -3]]), "'shapes' is"),
    "shapes huge": (restated(inputs=["x"], shapes=[[10**6, 10**6]]), "'shapes' is"),
    "shapes of other inputs": (restated(inputs=["x"], shapes=[[2], [3]]), "'shapes' is"),
}  # fmt: skip


def metadata(name: str = "output", **changed: Any) -> Callable[[Path], None]:
    def change(store: Path) -> None:
        file = store / name / "zarr.json"
        content = json.loads(file.read_text())
        file.write_text(json.dumps({k: v for k, v in {**content, **changed}.items() if v != "missing"}))

    return change


def chunked(*sizes: int) -> dict[str, Any]:
    return {"name": "regular", "configuration": {"chunk_shape": list(sizes)}}


def other_zarr(store: Path) -> None:
    import shutil

    shutil.rmtree(store)
    zarr.create_array(store, shape=(4,), chunks=(2,), dtype="float32")


ZARR: dict[str, tuple[Callable[[Path], None], str]] = {
    "another array": (other_zarr, "not a store of explanations"),
    "no array": (lambda store: (store / "ledger" / "zarr.json").unlink(), "ledger/zarr.json is missing"),
    "no states": (lambda store: (store / "done" / "zarr.json").unlink(), "done/zarr.json is missing"),
    "no JSON": (lambda store: (store / "output/zarr.json").write_bytes(b"{") and None, "output/zarr.json is damaged"),
    "a group": (metadata(node_type="group"), "output/zarr.json is damaged"),
    "shape huge": (metadata(shape=[11, 10**15]), "damaged"),
    "shape beyond": (metadata(shape=[11, 10**40]), "damaged"),
    "shape negative": (metadata(shape=[11, -4]), "damaged"),
    "shape text": (metadata(shape="11"), "damaged"),
    "shape floats": (metadata(shape=[11.0, 4]), "damaged"),
    "more samples": (metadata(shape=[10**12, 4]), "damaged: 'output' is float64"),
    "states huge": (metadata("done", shape=[10**14]), "damaged: states"),
    "states of another type": (metadata("done", data_type="int64"), "damaged"),
    "states in one chunk": (metadata("done", chunk_grid=chunked(4)), "damaged: 'done' is uint8"),
    "objects": (metadata(data_type="string"), "damaged|not a readable"),
    "bool": (metadata(data_type="bool"), "damaged|not a readable"),
    "unknown type": (metadata(data_type="float9000"), "not a readable"),
    "chunks": (metadata(chunk_grid=chunked(11, 4)), "damaged: 'output' is cut into"),
    "chunks zero": (metadata(chunk_grid=chunked(0, 0)), "damaged|not a readable"),
    "chunks huge": (metadata(chunk_grid=chunked(10**12, 4)), "damaged: 'output' is cut into"),
    "no chunks": (metadata(chunk_grid="missing"), "not a readable"),
    "a codec of others": (metadata(codecs=[{"name": "numcodecs.pickle"}]), "output/zarr.json is damaged"),
    "no codecs": (metadata(codecs="missing"), "output/zarr.json is damaged"),
    "codecs text": (metadata(codecs=["bytes"]), "output/zarr.json is damaged"),
    "other names": (metadata(chunk_key_encoding={"name": "default", "configuration": {"separator": "/"}}), "damaged"),
    "no names": (metadata(chunk_key_encoding=None), "damaged"),
    "fill of another type": (metadata(fill_value=[]), "not a readable"),
    "version 2": (metadata(zarr_format=2), "not a readable|damaged"),
    "attributes a list": (lambda store: json_file(store).write_text(json.dumps(
        {"zarr_format": 3, "node_type": "group", "attributes": [1]})) and None, "not a store of explanations"),
}  # fmt: skip


def header(name: str, **changed: Any) -> Callable[[Path], None]:
    """Change what the header of an .npy file says, and nothing else."""

    def change(store: Path) -> None:
        data = (store / name).read_bytes()
        said = {"descr": "<f8", "fortran_order": False, "shape": (11, 4), **changed}
        text = repr(said).encode()
        (store / name).write_bytes(data[:10] + text.ljust(117) + b"\n" + data[128:])

    return change


def cut(name: str, size: int) -> Callable[[Path], None]:
    return lambda store: (store / name).write_bytes((store / name).read_bytes()[:size]) and None  # type: ignore[return-value]


def longer(store: Path) -> None:
    (store / "output.npy").write_bytes((store / "output.npy").read_bytes() + b"x" * 8)


def pickled(store: Path) -> None:
    np.save(store / "output.npy", np.array([{}] * 11, dtype=object), allow_pickle=True)


NPY: dict[str, tuple[Callable[[Path], None], str]] = {
    "no array": (lambda store: (store / "ledger.npy").unlink(), "ledger.npy is missing"),
    "no states": (lambda store: (store / "done.npy").unlink(), "done.npy is missing"),
    "empty": (cut("output.npy", 0), "output.npy is damaged"),
    "half a header": (cut("output.npy", 40), "output.npy is damaged"),
    "cut": (cut("output.npy", 200), "output.npy is damaged"),
    "longer": (longer, "as many bytes as its header says"),
    "huge": (header("output.npy", shape=(11, 10**15)), "output.npy is damaged"),
    "beyond": (header("output.npy", shape=(11, 10**30)), "output.npy is damaged"),
    "negative": (header("output.npy", shape=(11, -4)), "output.npy is damaged"),
    "columns first": (header("output.npy", fortran_order=True), "output.npy is damaged"),
    "other type": (header("output.npy", descr=">f8"), "'output' is >f8"),
    "whole numbers": (header("output.npy", descr="<u8"), "'output' is uint64"),
    "records": (header("output.npy", descr=[("a", "<f8")]), "damaged"),
    "code": (header("output.npy", shape="__import__('os').abort()"), "output.npy is damaged"),
    "objects": (pickled, "output.npy is damaged"),
    "one number": (lambda store: np.save(store / "output.npy", np.float64(1)), "damaged"),
    "fewer samples": (lambda store: np.save(store / "output.npy", np.zeros((10, 4))), "'output' is float64"),
    "states of another type": (lambda store: np.save(store / "done.npy", np.zeros(4)), "done.npy is damaged"),
    "more states": (lambda store: np.save(store / "done.npy", np.zeros(5, np.uint8)), r"states \(5,\) of 4 chunks"),
}  # fmt: skip

DAMAGED = (
    [(kind, f"{kind}: {what}", *case) for kind in KINDS for what, case in EITHER.items()]
    + [("set.zarr", f"zarr: {what}", *case) for what, case in ZARR.items()]
    + [("set", f"npy: {what}", *case) for what, case in NPY.items()]
)


@pytest.mark.parametrize(
    ("name", "change", "reason"), [(k, *rest) for k, _, *rest in DAMAGED], ids=[d[1] for d in DAMAGED]
)
def test_a_damaged_store_is_one_line(tmp_path: Path, name: str, change: Callable[[Path], None], reason: str) -> None:
    create(tmp_path / name, layout(11, 3), {})
    change(tmp_path / name)
    before = files(tmp_path / name)
    tracemalloc.start()
    try:
        with pytest.raises(ModelFormatError) as caught:
            open_store(tmp_path / name)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    said = str(caught.value)
    assert re.search(reason, said), said
    assert said.startswith(str(tmp_path / name))
    assert "\n" not in said
    assert taken < 30_000_000
    assert files(tmp_path / name) == before


def test_a_file_of_attributes_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create(tmp_path / "set", layout(11, 3), {"rules": "x" * 2000})
    monkeypatch.setattr(stated, "LARGEST", 1000)
    with pytest.raises(ModelFormatError, match=r"attributes\.json has 2,\d+ bytes; 1,000 are allowed"):
        open_store(tmp_path / "set")


@pytest.mark.parametrize("name", KINDS)
def test_what_is_no_folder_is_one_line(tmp_path: Path, name: str) -> None:
    for reason, make in {
        "there is no such store": lambda path: None,
        "a file; a store of explanations is a folder": lambda path: path.write_bytes(b"x"),
    }.items():
        make(tmp_path / name)
        with pytest.raises(ModelFormatError, match=reason):
            open_store(tmp_path / name)
    with pytest.raises(ModelFormatError, match=r"cannot be read: File name too long|no such store"):
        open_store(tmp_path / f"{'n' * 300}{name}")
    (tmp_path / f"empty_{name}").mkdir()
    with pytest.raises(ModelFormatError, match="not a store of explanations"):
        open_store(tmp_path / f"empty_{name}")


@pytest.mark.parametrize("data", [b"", b"\x03", b"\x01\x00", b"\xff"])
def test_a_damaged_state_is_one_line(made: Store, data: bytes) -> None:
    if made.suffix:
        (made.path / "done" / "c.1").write_bytes(data)
    elif len(data) == 1:
        made._put("done.npy", made._begin["done.npy"] + 1, data)  # type: ignore[attr-defined]
    else:
        (made.path / "done.npy").write_bytes(data)
    with pytest.raises(ModelFormatError, match="damaged"):
        made.states()
    if made.suffix:
        (made.path / "done" / "c.1").unlink()
        (made.path / "done" / "c.4").write_bytes(b"\x01")
        with pytest.raises(ModelFormatError, match=r"done/c\.4 is damaged"):
            made.states()


def huge_frame() -> bytes:
    """A frame of zstd that says it holds 2⁶⁰ bytes."""
    return bytes([0x28, 0xB5, 0x2F, 0xFD, 0xE0]) + (1 << 60).to_bytes(8, "little") + b"\x01\x00\x00"


@pytest.mark.parametrize("data", [b"", b"x", b"\x28\xb5\x2f\xfd", huge_frame()])
@pytest.mark.parametrize("together", [1, 2])
def test_a_damaged_chunk_is_one_line(tmp_path: Path, data: bytes, together: int) -> None:
    of = layout(12, 3, together)
    store, arrays = create(tmp_path / "set.zarr", of, {}), numbers(of)
    for chunk in range(of.chunks):
        write(store, arrays, chunk)
    for name, file in (("relevance", "c.1.0.0"), ("output", "c.1.0")):
        (store.path / name / file).write_bytes(data)
        first = store.part(1).start
        with pytest.raises(ModelFormatError, match=f"'{name}' cannot be read, a file of it is damaged") as caught:
            store[name][first : first + 1]
        assert "\n" not in str(caught.value)
        assert np.array_equal(store[name][:first], arrays[name][:first], equal_nan=True)


def test_an_array_of_a_store_is_read_like_one_of_numpy(made: Store) -> None:
    output, expected = made["output"], numbers(made.layout)["output"]
    assert (len(output), output.shape, output.ndim, output.size) == (11, (11, 4), 2, 44)
    assert np.array_equal(np.asarray(output)[:6], expected[:6], equal_nan=True)
    assert np.array_equal(np.asarray(output, dtype=np.float32)[:6], expected[:6].astype(np.float32), equal_nan=True)
    assert np.array_equal(output[4], expected[4], equal_nan=True)


@pytest.mark.parametrize("data", [b"{", b"[]", b"{}", b'{"chunk": 1}', b'{"chunk": "2"}', b'{"chunk": true}'])
def test_a_damaged_reason_is_one_line(made: Store, data: bytes) -> None:
    (made.path / "errors" / "0002.json").write_bytes(data)
    with pytest.raises(ModelFormatError, match=r"errors/0002\.json is damaged"):
        made.errors()


def test_an_attribute_that_is_not_there(made: Store) -> None:
    with pytest.raises(ModelFormatError, match="lacks the attribute 'shapes'"):
        made.attributes["shapes"]
    assert made.attributes["composite"] == "epsilon"
    assert made.attributes.get("shapes") is None
    assert "shapes" not in made.attributes


def test_an_array_that_is_not_there(made: Store) -> None:
    with pytest.raises(
        ModelFormatError, match="there is no array 'relevance_1'; it has relevance, output, target, ledger"
    ):
        made["relevance_1"]
