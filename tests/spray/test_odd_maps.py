"""SpRAy on odd maps, graphs and folders: right, or one line that says what is wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import LrpError, NonFiniteError, ParameterError, ShapeError
from lrp_ref.spray.virelay import _quoted

SPRAY: Any = lrp.spray  # of any arguments
MAPS = np.random.default_rng(0).standard_normal((16, 4, 4))
KINDS = np.repeat([0, 1], 8)


def cluster(maps: Any = MAPS, **options: Any) -> Any:
    return SPRAY.cluster(maps, **({"neighbours": 3, "embedding": "spectral"} | options))


def rank(kinds: Any, **options: Any) -> Any:
    return SPRAY.rank(MAPS.tolist(), kinds, neighbours=3, **options)


def write(folder: Any, **options: Any) -> Any:
    pytest.importorskip("h5py")
    given = {"found": {0: cluster(MAPS[:8])}, "images": np.abs(MAPS), "relevance": MAPS, "labels": KINDS}
    given |= {"prediction": np.eye(2)[KINDS], "names": ["cat-a", "dög"]} | options
    return SPRAY.write_virelay(folder, given.pop("found"), **given)


@pytest.mark.parametrize("scale", [1e300, 1e-300, 2.0**-1022])
def test_points_of_any_size_have_the_same_neighbours(scale: float) -> None:
    points = np.arange(12.0).reshape(6, 2) ** 2
    expected = SPRAY.neighbour_graph(points, 2).toarray()
    np.testing.assert_array_equal(SPRAY.neighbour_graph(points / 128 * scale, 2).toarray(), expected)


def test_lists_and_dense_graphs() -> None:
    assert SPRAY.eigengap([0, 0.01, 0.6]) == (2, 0.59)
    assert SPRAY.spectrum([[0, 1], [1, 0]])[0].tolist() == [0, 2]
    assert SPRAY.neighbour_graph([[0], [1], [3]], 1).toarray().tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]


def test_classes_of_any_kind() -> None:
    assert set(rank(["a-b"] * 8 + ["<c>"] * 8).classes) == {"a-b", "<c>"}
    assert set(rank(np.array(["a"] * 8 + ["b"] * 8, dtype=object)).classes) == {"a", "b"}
    for names in (["no", "yes"], {0: "no", 1: "yes"}):
        assert set(rank(KINDS > 0, names=names).classes) == {"no", "yes"}


def test_a_text_is_read_as_it_was_written() -> None:
    yaml = pytest.importorskip("yaml")
    for text in ("a: #'\"-\n\\", "\x7f\x85\u2028\ufeff\x00", "é中\U0001f600"):
        assert yaml.safe_load(_quoted(text)) == text
    assert _quoted("\ud83d!") == '"\ufffd!"'


def test_a_link_to_an_empty_folder_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "project.yaml").is_file()
    write(tmp_path / ("x" * 250))


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda p: SPRAY.neighbour_graph(MAPS[0] * np.nan, 1), NonFiniteError, "points has 16 values"),
        (lambda p: SPRAY.neighbour_graph([["a"], ["b"]], 1), ParameterError, "expected an array of real"),
        (lambda p: SPRAY.laplacian(np.diag([0.0, 1.0])), ParameterError, "1 points of the graph have no neighbour"),
        (lambda p: SPRAY.spectrum(np.array([[0.0, 1.0], [0.0, 0.0]])), ParameterError, "a symmetric matrix"),
        (lambda p: SPRAY.spectrum(np.ones((2, 3))), ShapeError, "expected a matrix"),
        (lambda p: SPRAY.spectrum(np.ones((2, 2)), 0), ParameterError, "many is 0: give a whole number, 1 or more"),
        (lambda p: SPRAY.eigengap([0, np.nan, 1]), ParameterError, "no ascending list"),
        (lambda p: SPRAY.eigengap([0, 1, 2], 1.5), ParameterError, "most is 1.5"),
        (lambda p: SPRAY.prepare(np.full((1, 2, 1, 1), 1e308)), NonFiniteError, "summed over channels"),
        (lambda p: SPRAY.prepare([[1, 2], [3]]), ParameterError, "relevance: "),
        (lambda p: SPRAY.prepare(MAPS, size=1.5), ParameterError, "size is 1.5"),
        (lambda p: cluster(clusters=1.5), ParameterError, "clusters is 1.5"),
        (lambda p: cluster(seed=-1), ParameterError, "seed is -1"),
        (lambda p: rank(KINDS - 1, names=["a", "b"]), ParameterError, "there is a class -1 without a name"),
        (lambda p: rank(KINDS, names=["a"]), ParameterError, "there is a class 1 without a name"),
        (lambda p: rank(KINDS + 0.5, names=["a", "b"]), ParameterError, "there is a class 0.5 without"),
        (lambda p: rank(np.where(KINDS, np.nan, 1)), ParameterError, "labels: NaN"),
        (lambda p: rank(["a"] * 8 + [None] * 8), ParameterError, "have no order"),
        (lambda p: SPRAY.rank(MAPS[:0], KINDS[:0]), ShapeError, "expected one class for each"),
        (lambda p: write(None), ParameterError, "the folder is None: give a path"),
        (lambda p: write(p / ("x" * 300)), ParameterError, "cannot write .*too long"),
        (lambda p: write("/proc/project"), ParameterError, "cannot write /proc/project: "),
        (lambda p: write(p / "a\0b"), ParameterError, "cannot write"),
        (lambda p: write(p / "a", names=None), ParameterError, "names: None given"),
        (lambda p: write(p / "a", relevance=MAPS * 1e300), NonFiniteError, "relevance, .* in float32 has"),
        (lambda p: write(p / "a", prediction=np.full((16, 2), 1e300)), NonFiniteError, "prediction in float32 has"),
        (lambda p: write(p / "a", prediction=np.ones((16, 3))), ShapeError, "of 2 names at most"),
        (lambda p: write(p / "a", images=MAPS * 1j), ParameterError, "images: complex128"),
        (lambda p: write(p / "a", images=MAPS[:0]), ShapeError, "images of shape .0, 1, 4, 4."),
        (lambda p: write(p / "a", found=[cluster(MAPS[:8])]), ParameterError, "found: list given"),
        (lambda p: write(p / "a", found={0: cluster(MAPS[:8]), "a": cluster(MAPS[8:])}), ParameterError, "a class 'a'"),
        (lambda p: write(p / "a", samples=5), ParameterError, "samples: 5 given"),
        (lambda p: write(p / "a", samples={0: [0.5] * 8}), ParameterError, "samples of class 0 is 0.5"),
        (lambda p: write(p / "a", samples={0: [0] * 8}), ParameterError, "one is named twice"),
    ],
)  # fmt: skip
def test_what_is_refused_in_one_line(call: Any, error: type[LrpError], said: str, tmp_path: Path) -> None:
    with pytest.raises(error) as told:
        call(tmp_path)
    assert re.search(said, str(told.value))
    assert "\n" not in str(told.value)
    assert not list(tmp_path.iterdir())
