"""``lrp-ref spray``: the clusters of the library, of the maps of a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import run
from PIL import Image
from small_stores import asked, half, made

import lrp_ref as lrp
from lrp_ref.scale import Explained, maps

pytest.importorskip("sklearn")
RNG = np.random.default_rng(8)
# The first output reads one corner, the second the other: samples of one class rest on the same.
WEIGHT = np.zeros((2, 8, 8))
WEIGHT[0, :3, :3] = 1
WEIGHT[1, 5:, 5:] = 1
NET = lrp.Network.sequential([
    ("flat", lrp.layers.Flatten()), ("fc", lrp.layers.Dense(WEIGHT.reshape(2, 64).T)),
])  # fmt: skip
KIND = np.repeat([0, 1], (25, 15))[RNG.permutation(40)]
X = 0.1 * RNG.random((40, 1, 8, 8)) + WEIGHT[KIND][:, None]
QUICK = ("--neighbours", 12, "--embedding", "spectral")


def stored(folder: Path, x: Any = X, **options: Any) -> Any:
    return made(folder, x, net=NET, composite="lrp0", batch=7, **options)


def test_the_clusters_of_the_library_are_printed_and_written(tmp_path: Path) -> None:
    store = stored(tmp_path)
    done = run("spray", tmp_path / "out", *QUICK, "--size", 4, "-o", tmp_path / "results")
    assert done.exit_code == 0
    expected = lrp.spray.cluster(maps(store, slice(None)), neighbours=12, size=4, embedding="spectral")
    assert expected.sizes == (25, 15)
    with np.load(tmp_path / "results" / "clusters.npz") as file:
        found = dict(file)
    for name in ("labels", "eigenvalues", "embedding", "means"):
        np.testing.assert_array_equal(found[name], getattr(expected, name))
    assert found["numbers"].tolist() == list(range(40))
    np.testing.assert_array_equal(found["targets"], KIND)
    about = json.loads(str(found["about"]))
    assert (about["store"], about["composite"], about["options"]["size"]) == ("out", "lrp0", 4)
    assert str(tmp_path) not in str(found["about"])
    Image.open(tmp_path / "results" / "clusters.png").verify()
    assert done.stderr == "lrp-ref: note: 40 maps, each compared with every other one: N² = 1,600 distances\n"
    lines = done.stdout.splitlines()
    assert lines[0].startswith("40 maps of out (lrp0, network ")
    assert lines[1].startswith("the largest gap of eigenvalues, ")
    assert "says 2 clusters (0, 0, " in lines[1]
    first = ", ".join(map(str, np.flatnonzero(KIND == 0)[:6]))
    assert lines[4].split() == f"0 25 62.5 % 0: 25 {first}, …".split()
    assert lines[5].split()[:4] == ["1", "15", "37.5", "%"]


def test_the_samples_of_one_target(tmp_path: Path) -> None:
    store = stored(tmp_path)
    few = ("--neighbours", 4, "--limit", 9, "--clusters", 3, "--graph", "average", "--seed", 4)
    done = run("spray", tmp_path / "out", *QUICK, "-t", 1, *few, "-o", tmp_path / "results")
    assert done.exit_code == 0
    some = Explained(store, target=1, limit=9)
    expected = lrp.spray.cluster(
        maps(store, some.numbers), neighbours=4, embedding="spectral", clusters=3, graph="average", seed=4
    )
    with np.load(tmp_path / "results" / "clusters.npz") as file:
        assert file["numbers"].tolist() == np.flatnonzero(KIND == 1)[:9].tolist() == some.numbers.tolist()
        np.testing.assert_array_equal(file["labels"], expected.labels)
        options = json.loads(str(file["about"]))["options"]
    assert (options["seed"], options["clusters"], options["graph"], options["neighbours"]) == (4, 3, "average", 4)
    first = some.numbers[expected.members(0)][:6].tolist()
    assert f"1: {expected.sizes[0]} {', '.join(map(str, first))}" in " ".join(done.stdout.split())
    assert "3 were asked for" in done.stdout or expected.chosen == 3
    assert "9 maps of out" in done.stdout


def test_maps_of_zeros_are_left_out_and_told(tmp_path: Path) -> None:
    x = X.copy()
    x[[3, 30]] = 0
    store = stored(tmp_path, x)
    done = run("spray", tmp_path / "out", *QUICK, "-o", tmp_path / "results")
    assert done.exit_code == 0
    assert "note: 2 maps are 0 everywhere and left out: of sample 3, 30\n" in done.stderr
    kept = [k for k in range(40) if k not in (3, 30)]
    expected = lrp.spray.cluster(maps(store, kept), neighbours=12, embedding="spectral")
    with np.load(tmp_path / "results" / "clusters.npz") as file:
        assert file["numbers"].tolist() == kept
        np.testing.assert_array_equal(file["labels"], expected.labels)


def test_photos_with_their_channels_behind(tmp_path: Path) -> None:
    """Channels are summed, not rows; the sidecar says which they are."""
    x = np.concatenate([X, X[:, :, ::-1], X], axis=1)
    wide = np.concatenate([WEIGHT.reshape(2, 64).T] * 3)
    layers = [("flat", lrp.layers.Flatten()), ("fc", lrp.layers.Dense(wide))]
    photo = {"kind": "image", "size": [8, 8], "mean": 0, "scale": 0.01, "resize": "crop", "channels": "RGB"}
    (tmp_path / "net.json").write_text(json.dumps({"input": {**photo, "layout": "NHWC"}}))
    behind = lrp.Network.sequential([("turn", lrp.layers.Transpose((0, 3, 1, 2))), *layers])
    made(tmp_path, x.transpose(0, 2, 3, 1), net=behind, composite="lrp0")
    assert run("spray", tmp_path / "out", *QUICK, "-o", tmp_path / "results").exit_code == 0
    front = lrp.explain(lrp.Network.sequential(layers), x, composite="lrp0").relevance
    expected = lrp.spray.cluster(front, neighbours=12, embedding="spectral")
    with np.load(tmp_path / "results" / "clusters.npz") as file:
        np.testing.assert_allclose(file["means"], expected.means, rtol=1e-9)
        np.testing.assert_array_equal(file["labels"], expected.labels)


def test_a_store_that_is_half_done_is_told(tmp_path: Path) -> None:
    half(asked(tmp_path, X, NET, composite="lrp0", batch=7), tmp_path / "out", [0, 1, 3])
    done = run("spray", tmp_path / "out", *QUICK, "-o", tmp_path / "results")
    assert done.exit_code == 0
    assert "3 of 6 chunks are to do: they are left out" in done.stderr
    assert "21 maps of out" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-t", "7"], "target 7 is out of range: the output has 2 classes, 0 to 1"),
        (["-t", "cat"], "the model has no class names; give the number of an output"),
        (["--input", "b"], "unknown input 'b'"),
        (["--limit", "3"], "3 maps cannot have 10 neighbours each"),
        (["--clusters", "41"], "clusters is 41; give a number from 1 to that of the maps, 40"),
        (["-o", "IN"], "is in the store"),
    ],
)
def test_what_cannot_be_clustered_is_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    stored(tmp_path)
    options = [str(tmp_path / "out" / "errors") if a == "IN" else a for a in arguments]
    done = run("spray", tmp_path / "out", "-o", tmp_path / "results", *options)
    assert done.exit_code == 2
    assert said in done.stderr
    assert [line for line in done.stderr.splitlines() if "note:" not in line] == [done.stderr.splitlines()[-1]]
    assert not (tmp_path / "results").exists()


def test_no_store_and_only_zeros_are_one_line(tmp_path: Path) -> None:
    done = run("spray", tmp_path / "none")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "there is no such store; 'lrp-ref explain-set' makes one" in done.stderr
    stored(tmp_path, np.zeros((12, 1, 8, 8)))
    done = run("spray", tmp_path / "out", "-o", tmp_path / "results")
    assert done.exit_code == 2
    assert "all 12 maps are 0 everywhere: nothing to compare" in done.stderr
