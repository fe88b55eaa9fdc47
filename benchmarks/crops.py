"""Pictures cut out of the photos of a folder: ``python -m benchmarks.crops PHOTOS OUT --count 1000``.

Of each photo first the largest square in its middle, then squares of other sizes at other places, as many of each photo
as it takes. Which ones is drawn from the seed, so that the same photos always give the same set.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import click
import numpy as np
from PIL import Image

ENDINGS = (".jpg", ".jpeg", ".png")
LEAST = 300  # pixels of a side: more than the 224 to which a network scales them
QUALITY = 90  # of JPEG
FOLDER = click.Path(path_type=Path, file_okay=False)

Box = tuple[int, int, int, int]


def boxes(width: int, height: int, count: int, rng: np.random.Generator, least: int = LEAST) -> list[Box]:
    """Return squares (left, top, right, bottom) inside a photo, the largest in the middle first.

    Args:
        width, height: of the photo, in pixels.
        count: how many.
        rng: draws the others.
        least: side of the smallest.
    """
    shorter, found = min(width, height), []
    for k in range(count):
        side = shorter if not k else int(rng.integers(least, shorter + 1))
        room = width - side, height - side
        left, top = (r // 2 for r in room) if not k else (int(rng.integers(0, r + 1)) for r in room)
        found.append((left, top, left + side, top + side))
    return found


def cut(photos: Path, out: Path, count: int, seed: int = 0, least: int = LEAST) -> tuple[int, list[str]]:
    """Write ``count`` crops of a folder's photos; return how many photos they are of, and which were left out, and why.

    Args:
        photos: a folder; folders in it are looked through.
        out: a folder, which is made.
        count: of the crops.
        seed: of what is drawn.
        least: side of the smallest crop, in pixels; smaller photos are left out.

    Raises:
        ValueError: no photo can be used.
    """
    usable, left_out = [], []
    for path in sorted(p for p in photos.rglob("*") if p.suffix.lower() in ENDINGS):
        try:
            with Image.open(path) as picture:
                picture.load()
                small, narrow = min(picture.size) < least, picture.mode not in ("RGB", "RGBA", "L")
        except OSError as error:
            left_out.append(f"{path}: {error}")
            continue
        if small or narrow:
            left_out.append(f"{path}: {f'a side of less than {least} pixels' if small else 'no photo'}")
        else:
            usable.append(path)
    if not usable:
        raise ValueError(f"{photos}: no photo of {least} pixels or more a side")
    out.mkdir(parents=True, exist_ok=True)
    rng, made = np.random.default_rng(seed), 0
    for k, path in enumerate(usable):
        wanted = math.ceil((count - made) / (len(usable) - k))
        with Image.open(path) as picture:
            photo = picture.convert("RGB")
        for box in boxes(*photo.size, wanted, rng, least):
            photo.crop(box).save(out / f"{made:05d}.jpg", quality=QUALITY)
            made += 1
        if made == count:
            return k + 1, left_out
    return len(usable), left_out


@click.command()
@click.argument("photos", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.argument("out", type=FOLDER)
@click.option("--count", default=1000, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--least", default=LEAST, show_default=True, type=click.IntRange(1), help="Pixels of the shortest side.")
def main(photos: Path, out: Path, count: int, seed: int, least: int) -> None:
    """Cut COUNT pictures out of the PHOTOS of a folder into the folder OUT."""
    if out.exists() and any(out.iterdir()):
        raise click.ClickException(f"{out} is there already and not empty: give another name")
    try:
        of, left_out = cut(photos, out, count, seed, least)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{out}: {count} crops of {of} photos; {len(left_out)} left out")
    for reason in left_out[:5]:
        sys.stderr.write(f"  {reason}\n")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.crops")
