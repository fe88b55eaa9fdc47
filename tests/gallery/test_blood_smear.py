"""White cells: the masks of boxes, the patches that are drawn, and that the smears of the project are there."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lrp_ref.gallery.applications import blood_smear
from lrp_ref.gallery.sources import voc

SMEARS = Path(__file__).parents[2] / "models" / "gallery" / "bccd_60.tar"


def test_patches_of_a_white_cell_have_their_middle_in_its_box() -> None:
    image = np.zeros((100, 120, 3), np.uint8)
    image[40:60, 50:90] = 255
    smear = voc.Photo("one", image, [("WBC", (40, 50, 60, 90)), ("RBC", (0, 0, 9, 9))])
    assert blood_smear.mask(smear, "WBC").sum() == 20 * 40
    x, y = blood_smear.drawn(np.random.default_rng(0), [smear], 60)
    assert x.shape == (60, 3, 48, 48)
    assert y.tolist() == [0] * 30 + [1] * 30
    middle = x[:, 0, 23:25, 23:25]
    assert (middle[y == 1].max(axis=(1, 2)) == 1).all()
    assert (middle[y == 0].min(axis=(1, 2)) == 0).all()


def test_the_project_has_sixty_smears_of_half_the_size() -> None:
    smears = list(voc.photos(SMEARS))
    assert len(smears) == 60
    assert {smear.image.shape for smear in smears} == {(240, 320, 3)}
    assert {label for smear in smears for label, _ in smear.objects} == {"WBC", "RBC", "Platelets"}
