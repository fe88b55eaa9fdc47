"""The benchmark of data sets measures what it says; its demonstration asks for what there is. No time decides."""

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lrp_ref as lrp
from lrp_ref.cli import main

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks import crops, demonstration, questions, scale, scale_run, scale_sets  # noqa: E402
from benchmarks.__main__ import QUESTIONS  # noqa: E402
from benchmarks.options import Options  # noqa: E402
from benchmarks.scale_run import Cell, measured  # noqa: E402


def test_every_question_can_be_asked_for() -> None:
    assert tuple(questions.QUESTIONS) == QUESTIONS


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(scale, "available", lambda name: name != "zarr")
    assert scale.scale(Options()) == []
    assert "zarr is not installed" in capsys.readouterr().err


def test_memory_is_left_out_where_it_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("overhead", "second_process", "memory", "resume", "batches", "sizes")
    for name in names:

        def answer(folder: Path, rounds: int, name: str = name) -> tuple[str, int]:
            return name, rounds

        answer.__name__ = name
        monkeypatch.setattr(scale, name, answer)
    monkeypatch.setattr(scale, "available", lambda name: True)
    assert scale.scale(Options(repeats=7)) == [(name, scale.ROUNDS) for name in names]
    assert scale.scale(Options(repeats=1, memory=False)) == [(name, 1) for name in names if name != "memory"]


# One run -----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from Linux' /proc")
def test_a_run_is_measured_in_a_process_of_its_own(tmp_path: Path) -> None:
    model, data = scale_sets.trivial(tmp_path, 7)
    (found,) = measured([Cell(model, data, str(tmp_path / "out"), {"composite": "epsilon", "batch": 2})])
    assert (found.chunks, found.samples, found.workers) == (4, 7, ())
    assert 0 < found.each < found.first + 3 * found.each <= found.seconds + 1e-6
    assert 20e6 < found.base <= found.peak < 1e9
    x, net = np.load(data), lrp.load(model)
    expected = np.concatenate(
        [lrp.explain(net, part, composite="epsilon").relevance for part in np.split(x, [2, 4, 6])]
    )
    assert np.array_equal(np.load(tmp_path / "out" / "relevance.npy"), expected)
    (again,) = measured([Cell(model, data, str(tmp_path / "out"), {"composite": "epsilon", "batch": 2})])
    assert (again.chunks, again.samples) == (0, 0)


def test_a_run_that_fails_says_why(tmp_path: Path) -> None:
    model, data = scale_sets.trivial(tmp_path, 2)
    with pytest.raises(RuntimeError, match="'none'"):
        measured([Cell(model, data, str(tmp_path / "out"), {"composite": "none"})])


def test_the_memory_of_processes_further_down_counts() -> None:
    import subprocess

    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = scale_run.below()
        assert process.pid in found
        assert len(found) >= 2
        assert all(scale_run.mark(pid) > 1e6 for pid in found)
        process.communicate(b"\n")
    assert process.pid not in scale_run.below()
    assert scale_run.mark(process.pid) == 0


def test_the_sparse_input_takes_no_room(tmp_path: Path) -> None:
    with scale_sets.sparse(tmp_path, 50 << 20) as (model, data):
        x = np.load(data, mmap_mode="r")
        assert x.nbytes == 50 << 20
        assert Path(data).stat().st_blocks * 512 < 1 << 20
        assert lrp.load(model).forward(x[:1]).shape == (1, 2)
    assert not Path(data).exists()


# Tables ------------------------------------------------------------------------------------------------------------


def test_nothing_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("zarr")
    monkeypatch.setattr(scale, "DONE", 3)
    table = scale.resume(tmp_path, 1)
    assert [row[:2] for row in table.rows] == [[".zarr", 0], [".npy", 0]]


def test_batches_are_compared_with_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    monkeypatch.setattr(scale, "COUNTS", {"fashion_cnn": 6})
    monkeypatch.setattr(scale, "COMPARED", (1, 4))
    table = scale.batches(tmp_path, 1)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [(row["dtype"], row["batch"]) for row in rows] == [
        ("float32", 1), ("float32", 4), ("float64", 1), ("float64", 4),
    ]  # fmt: skip
    assert rows[0]["difference"] == rows[2]["difference"] == 0
    assert all(row["difference"] <= row["allowed"] for row in rows)
    assert rows[0]["÷ batch 1 [×]"] == 1


def test_a_sample_that_differs_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One number of one sample, in a store of a batch that is not the first."""
    pytest.importorskip("onnx")
    monkeypatch.setattr(scale, "COUNTS", {"fashion_cnn": 2})
    monkeypatch.setattr(scale, "COMPARED", (1, 2))

    def spoiled(cells: list[Cell]) -> list[scale_run.Measured]:
        (cell,) = cells
        out = Path(cell.out)
        out.mkdir()
        relevance = np.ones((2, 1, 2, 2))
        relevance[1, 0, 1, 1] += 0.25 * (cell.question["batch"] > 1)
        np.save(out / "relevance.npy", relevance)
        return [scale_run.Measured(1, 2, 1.0, 1.0, 1.0, 1, (), 1)]

    monkeypatch.setattr(scale, "measured", spoiled)
    assert [row[5] for row in scale.batches(tmp_path, 1).rows] == [0, 0.25, 0, 0.25]


# Crops -------------------------------------------------------------------------------------------------------------


def test_crops_lie_inside_their_photo() -> None:
    found = crops.boxes(500, 400, 50, np.random.default_rng(0))
    assert found[0] == (50, 0, 450, 400)
    for left, top, right, bottom in found:
        assert 0 <= left < right <= 500
        assert 0 <= top < bottom <= 400
        assert right - left == bottom - top >= crops.LEAST
    assert len(set(found)) > 40


def test_crops_are_cut_alike_each_time(tmp_path: Path) -> None:
    photos, rng = tmp_path / "photos", np.random.default_rng(0)
    (photos / "more").mkdir(parents=True)
    for name, size in {"a.jpg": (40, 50), "more/b.png": (30, 60), "small.png": (10, 90)}.items():
        Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(photos / name)
    (photos / "cut.jpg").write_bytes((photos / "a.jpg").read_bytes()[:400])
    for out in ("one", "two"):
        used, left_out = crops.cut(photos, tmp_path / out, 5, least=20)
        assert used == 2
        assert [Path(line.split(": ")[0]).name for line in left_out] == ["cut.jpg", "small.png"]
    made = [sorted((tmp_path / out).iterdir()) for out in ("one", "two")]
    assert [p.name for p in made[0]] == [f"{k:05d}.jpg" for k in range(5)]
    assert [p.read_bytes() for p in made[0]] == [p.read_bytes() for p in made[1]]
    for path in made[0]:
        with Image.open(path) as picture:
            assert picture.width == picture.height >= 20
    with pytest.raises(ValueError, match="no photo of 100 pixels"):
        crops.cut(photos, tmp_path / "three", 5, least=100)


# The demonstration -------------------------------------------------------------------------------------------------


def test_the_demonstration_asks_for_options_that_there_are(tmp_path: Path) -> None:
    raw = np.arange(2 * 28 * 28, dtype=np.uint8)
    with gzip.open(tmp_path / "t10k-images-idx3-ubyte.gz", "wb") as stream:
        stream.write(bytes(16) + raw.tobytes())
    given = demonstration.fashion(tmp_path, tmp_path)
    x = np.load(given.data)
    assert (x.shape, x.dtype) == ((2, 1, 28, 28), np.float32)
    assert np.array_equal(x.ravel(), raw.astype(np.float32) / 255)
    steps = list(demonstration.steps(given, tmp_path, 2, 10))
    assert [command for command, _ in steps] == ["explain-set", "evaluate", "spray"]
    for command, arguments in steps:
        context = main.commands[command].make_context(command, list(arguments))
        assert context.params


def test_the_class_that_is_predicted_most_often(tmp_path: Path) -> None:
    net = lrp.Network.sequential([lrp.layers.Dense(np.eye(3))])
    lrp.save(net, tmp_path / "net.npz")
    np.save(tmp_path / "x.npy", np.eye(3)[[0, 2, 2, 1, 2]])
    job = lrp.scale.job(tmp_path / "net.npz", tmp_path / "x.npy", composite="epsilon", batch=2)
    lrp.scale.run(job, tmp_path / "out")
    assert demonstration.most_often(tmp_path / "out") == "2"
