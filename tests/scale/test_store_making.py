"""Stores are made whole or not at all, swept of what killed processes leave, and read without the right to write."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from number_stores import KINDS, files, layout, made_at, names, numbers, write

from lrp_ref.errors import ModelFormatError, ParameterError
from lrp_ref.scale.stores.appearing import appearing
from lrp_ref.scale.stores.layout import DONE
from lrp_ref.scale.stores.making import Store, create, open_store
from lrp_ref.scale.stores.zarr_store import ZarrStore

zarr = pytest.importorskip("zarr")


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return made_at(tmp_path / request.param)


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


@pytest.mark.parametrize("name", ["set.npy", "set.TXT", "set.h5"])
def test_a_store_is_not_called_as_a_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ParameterError, match=f"cannot write .*{name}: a store is a folder"):
        create(tmp_path / name, layout(6, 2), {})
    assert names(tmp_path) == []


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

    module = type(made).__module__
    ways = (
        ["zarr.storage._local._atomic_write", f"{module}.replace_file"] if made.suffix else [f"{module}.NpyStore._put"]
    )
    for way in ways:
        monkeypatch.setattr(way, full)
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
from lrp_ref.scale.stores.appearing import appearing
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
from lrp_ref.scale.stores.making import create, open_store
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
