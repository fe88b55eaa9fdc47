"""A project for ViRelAy: the keys that its version 1.0.0 reads, by h5py alone, and ViRelAy's own classes if it is here.

Passing shows that ViRelAy opens the project and draws from it, not that its pages look as they should.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import MissingExtraError, NonFiniteError, ParameterError, ShapeError
from lrp_ref.spray import Clusters, rank, virelay, write_virelay

h5py = pytest.importorskip("h5py")
yaml = pytest.importorskip("yaml")
pytest.importorskip("sklearn")

NAMES = ("cat: black", 'dog "Ö"', "horse")
LABELS = np.array([0, 2] * 12)
RNG = np.random.default_rng(0)
IMAGES = RNG.random((24, 1, 9, 7))
MAPS = IMAGES * RNG.normal(size=(24, 1, 9, 7))
OUTPUT = RNG.normal(size=(24, 3))
GIVEN: dict[str, Any] = {
    "images": IMAGES, "relevance": MAPS, "labels": LABELS, "prediction": OUTPUT, "names": NAMES, "name": "tags: found",
}  # fmt: skip


@pytest.fixture(scope="module")
def found() -> dict[int, Clusters]:
    return {k: lrp.spray.cluster(MAPS[k == LABELS], neighbours=3) for k in (0, 2)}


@pytest.fixture(scope="module")
def project(found: dict[int, Clusters], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was moved after it was written: no path in it may name where it was."""
    place = tmp_path_factory.mktemp("virelay")
    made = write_virelay(place / "made", found, **GIVEN)
    assert made == place / "made" / "project.yaml"
    return (place / "made").rename(place / "moved")


def test_the_project_file(project: Path) -> None:
    made = yaml.safe_load((project / "project.yaml").read_text())["project"]
    assert made["name"] == "tags: found"
    assert made["dataset"]["type"] == "hdf5"
    assert (made["dataset"]["input_width"], made["dataset"]["input_height"]) == (7, 9)
    assert made["attributions"]["attribution_strategy"] == "true_label"
    (analysis,) = made["analyses"]
    assert "-" not in analysis["analysis_method"]  # its server cannot ask for a method with a hyphen
    paths = [made["label_map"], made["dataset"]["path"], *made["attributions"]["sources"], *analysis["sources"]]
    assert sorted([*paths, "project.yaml"]) == sorted(p.name for p in project.iterdir())
    known = json.loads((project / "label-map.json").read_text())
    assert [(k["index"], k["word_net_id"], k["name"]) for k in known] == [
        (k, f"{k:05d}", name) for k, name in enumerate(NAMES)
    ]


def test_the_arrays(project: Path, found: dict[int, Clusters]) -> None:
    with h5py.File(project / "data.h5") as file:
        assert file["data"].shape == (24, 3, 9, 7)  # three channels: of one its server makes no picture
        assert file["data"].dtype == np.uint8  # its numbers are no guess of the viewer's
        assert np.array_equal(file["data"][:, 1], np.rint(IMAGES[:, 0] * 255))
        assert np.array_equal(file["label"], LABELS)
        assert file["label"].dtype.kind == "u"
    with h5py.File(project / "attribution.h5") as file:
        assert sorted(file) == ["attribution", "index", "label", "prediction"]
        assert np.allclose(file["attribution"][:].sum(axis=1), MAPS[:, 0], atol=1e-6)
        assert np.array_equal(file["index"], np.arange(24))
        assert np.array_equal(file["label"], LABELS)
        assert np.allclose(file["prediction"], OUTPUT)
    with h5py.File(project / "analysis.h5") as file:
        assert sorted(file) == ["00000", "00002"]  # as the label map has them
        for kind, clusters in found.items():
            group = file[f"{kind:05d}"]
            assert np.array_equal(group["index"], np.flatnonzero(kind == LABELS))
            assert np.array_equal(group["cluster/kmeans"], clusters.labels)
            assert group["cluster/kmeans"].attrs["k"] == clusters.k
            assert group["cluster/kmeans"].attrs["embedding"] == "spectral"
            assert np.allclose(group["embedding/spectral"], clusters.vectors)
            assert np.allclose(group["embedding/spectral"].attrs["eigenvalue"], clusters.eigenvalues)
            assert np.allclose(group["embedding/tsne"], clusters.embedding)


def installed(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        pytest.skip("ViRelAy is not installed; version 1.0.0 needs Python 3.13: pip install virelay")


def test_virelay_s_own_class_loads_it(project: Path, found: dict[int, Clusters]) -> None:
    loaded = installed("virelay.model").Project(str(project / "project.yaml"))
    assert loaded.name == "tags: found"
    assert [c.human_readable_name for c in loaded.get_analysis_categories("SpRAy")] == [NAMES[0], NAMES[2]]
    sample, attribution = loaded.get_sample(3), loaded.get_attribution(3)
    assert sample.data.shape == attribution.data.shape == (9, 7, 3)
    assert sample.labels[0].name == attribution.labels[0].name == NAMES[2]
    assert np.allclose(attribution.prediction, OUTPUT[3])
    for kind, clusters in found.items():
        for embedding in loaded.get_analysis_embedding_names("SpRAy"):
            analysis = loaded.get_analysis("SpRAy", f"{kind:05d}", "kmeans", embedding)
            assert np.array_equal(analysis.clustering, clusters.labels)
            assert np.array_equal(analysis.attribution_indices, np.flatnonzero(kind == LABELS))
    loaded.close()


def test_virelay_s_server_shows_it(project: Path) -> None:
    workspace = installed("virelay.model").Workspace()
    workspace.add_project(str(project / "project.yaml"))
    server = installed("virelay.server").Server(workspace)
    client = server.app.test_client()
    asked = "category=00002&clustering=kmeans&embedding"
    addresses = ["", "/dataset/3", "/dataset/3/image", "/attributions/3", f"/analyses/SpRAy?{asked}=spectral"]
    addresses += [f"/analyses/SpRAy?{asked}=tsne", "/attributions?indices=1,3&imageMode=overlay"]
    addresses += [
        f"/attributions/3/heatmap?colorMap={colours}&superimpose={over}"
        for colours in server.color_maps
        for over in ("true", "false")
    ]
    for address in addresses:
        assert client.get(f"/api/projects/0{address}").status_code == 200, address
    workspace.close()


def test_images_of_other_kinds() -> None:
    grey = np.array([0, 128, 255] * 3, np.uint8).reshape(1, 3, 3)
    assert np.array_equal(virelay._images(grey)[0, 2], grey[0])
    assert np.array_equal(virelay._images(np.stack([grey / 255] * 3, axis=1))[0, 1], grey[0])
    assert virelay._images(np.linspace(-1, 1, 9).reshape(1, 1, 3, 3))[0, 0].ravel().tolist()[::4] == [0, 128, 255]
    assert not virelay._images(np.zeros((1, 3, 3))).any()
    assert virelay._images(np.full((1, 3, 3), 7.0)).max() == 0  # one number alone has no contrast


def test_a_ranking_and_some_of_the_samples(tmp_path: Path) -> None:
    write_virelay(tmp_path / "ranked", rank(MAPS, LABELS, neighbours=3), **GIVEN)
    right = {2: [3, 5, 7, 11, 13]}
    some = {2: lrp.spray.cluster(MAPS[right[2]], neighbours=2, embedding="spectral")}
    made = write_virelay(tmp_path / "some", some, samples=right, **GIVEN)
    with h5py.File(made.parent / "analysis.h5") as file:
        assert np.array_equal(file["00002/index"], right[2])
        assert list(file["00002/embedding"]) == ["spectral"]


def test_what_is_not_written(found: dict[int, Clusters], tmp_path: Path) -> None:
    def refused(error: type[Exception], words: str, clusters: Any = None, where: str = "new", **changed: Any) -> None:
        with pytest.raises(error, match=words) as caught:
            write_virelay(tmp_path / where, found if clusters is None else clusters, **GIVEN | changed)
        assert "\n" not in str(caught.value)
        assert not [path for path in tmp_path.iterdir() if path.name != "full"]  # nothing is left behind

    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    refused(ParameterError, "it is there already", where="full")
    refused(ParameterError, "does not exist", where="no/folder")
    refused(ParameterError, "unknown strategy 'true': did you mean 'true_label'", strategy="true")
    refused(ShapeError, "23 maps", relevance=MAPS[:23])
    refused(ShapeError, "24 labels, 23 predictions", prediction=OUTPUT[:23])
    refused(NonFiniteError, "relevance has 1512", relevance=MAPS * np.nan)
    refused(ShapeError, "expected one channel or 3", images=np.zeros((24, 2, 9, 7)))
    refused(ShapeError, "with 3 rows and columns or more", relevance=MAPS[..., :2])
    refused(ParameterError, "labels go from 0 to 2, and there are 2 names", names=NAMES[:2])
    refused(ShapeError, "labels are float64", labels=LABELS * 1.0)
    refused(ShapeError, "class 1: clusters of 12 maps for 0 samples", {1: found[0]})
    refused(ShapeError, "samples= says which they are", samples={0: [1, 2]})
    refused(ParameterError, "a class 7", {7: found[0]})
    refused(ParameterError, "a class 'cat'", {"cat": found[0]})
    refused(ParameterError, "give one class or more", {})
    other = lrp.spray.cluster(MAPS[LABELS == 2], neighbours=3, embedding="spectral")
    refused(ParameterError, "all embedded in the same way", {0: found[0], 2: other})


def test_a_project_is_there_whole_or_not_at_all(
    found: dict[int, Clusters], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(virelay, "_analysis", lambda *_: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space left"):
        write_virelay(tmp_path / "new", found, **GIVEN)
    assert not list(tmp_path.iterdir())


def test_without_h5py_one_line_says_what_to_do(
    found: dict[int, Clusters], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"lrp-ref\[virelay\]"):
        write_virelay(tmp_path / "new", found, **GIVEN)
