"""Applications on photos: their pieces, on what is known, and their figures, which another program has found."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binomtest

from lrp_ref.gallery.applications import cleaner_heatmap, failures, kangaroo_cam

PAGE = Path(__file__).parents[2] / "docs" / "gallery" / "kangaroo-cam.json"


def test_the_whole_run_finds_what_another_program_found() -> None:
    if not PAGE.exists():
        pytest.skip(f"{PAGE.name} has not been made")
    numbers = json.loads(PAGE.read_text(encoding="utf-8"))["numbers"]
    cam, named = numbers["accuracy"]["CAM"][0], numbers["accuracy_if_named_wallaby"]["CAM"][0]
    at = {threshold: k for k, threshold in enumerate(numbers["thresholds"])}
    assert (numbers["photos"], numbers["named_wallaby"]) == (164, 97)
    found = [
        cam[at[0.2]],
        cam[at[0.4]],
        cam[at[0.6]],
        named[at[0.2]],
        numbers["whole_photo"],
        numbers["middle_of_photo"],
    ]
    assert found == pytest.approx([0.451, 0.427, 0.287, 0.495, 0.140, 0.280], abs=0.02)
    points = [numbers["pointing"]["CAM"], numbers["pointing_if_named_wallaby"]["CAM"]]
    assert points == pytest.approx([0.854, 0.907], abs=0.02)


@pytest.mark.parametrize(("only_one", "only_other", "held"), [(9, 0, "yes"), (0, 9, "no"), (5, 4, "no"), (0, 0, "no")])
def test_a_claim_holds_where_the_sign_test_says_so(only_one: int, only_other: int, held: str) -> None:
    one = np.array([1] * only_one + [0] * only_other + [1, 0])
    other = np.array([0] * only_one + [1] * only_other + [1, 0])
    measured, found = kangaroo_cam._against({"a": one, "b": other}, "a", "b")
    assert found == held
    p = binomtest(only_one, only_one + only_other).pvalue if only_one + only_other else 1
    assert f"p = {p:.2g}" in measured


def test_things_are_shown_first_and_then_the_animals_that_were_named_most_often() -> None:
    names = np.array(["dog", "van", "deer", "deer", "dog", "dog", "hare"])
    assert failures._shown(names, names == "van") == [1, 0, 2, 6]
    assert len(failures._shown(np.array([str(k) for k in range(20)]), np.arange(20) < 9)) == failures.COLUMNS


def test_squares_are_sums_of_pixels() -> None:
    maps = np.random.default_rng(0).random((2, 35, 50))
    found = cleaner_heatmap.squares(maps)
    assert found.shape == (2, 2, 3)
    assert np.isclose(found[1, 1, 2], maps[1, 16:32, 32:48].sum())


def test_the_better_must_be_ahead_on_most_photos() -> None:
    worse = np.linspace(0, 1, 12)
    assert cleaner_heatmap._more(worse + 0.1, worse)[1] == "yes"
    assert cleaner_heatmap._more(worse - 0.1, worse)[1] == "no"
    assert cleaner_heatmap._more(worse - 0.1, worse, sign=-1)[1] == "yes"
    assert cleaner_heatmap._more(worse + np.tile([0.1, -0.11], 6), worse)[1] == "no"


def test_photos_of_a_wheel_have_their_classes_in_their_names(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (12, 9), (200, 200, 200)).save(stream, "JPEG")
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        for name in ("imagenet_01_559.jpg", "imagenet_00_243.jpg", "cifar10_00_3.png", "imagenet_02_x.jpg"):
            wheel.writestr(f"foolbox/data/{name}", stream.getvalue())
    photos, labels = cleaner_heatmap.labelled(tmp_path / "a.whl", 2)
    assert labels.tolist() == [243, 559]
    assert [photo.image.shape for photo in photos] == [(9, 12, 3)] * 2
    assert cleaner_heatmap.labelled(tmp_path / "a.whl", 1)[1].tolist() == [243]
