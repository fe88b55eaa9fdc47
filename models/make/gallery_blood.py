"""Make gallery/bccd_60.tar: every sixth blood smear of BCCD, at half its size, with its boxes.

git clone https://github.com/Shenggan/BCCD_Dataset && tar cf bccd.tar -C BCCD_Dataset BCCD
python models/make/gallery_blood.py bccd.tar
"""

from __future__ import annotations

import argparse
import io
import sys
import tarfile
from pathlib import Path

from PIL import Image

MODELS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(MODELS.parent))

from lrp_ref.gallery import voc  # noqa: E402

EVERY, COUNT, QUALITY = 6, 60, 90
BOX = "<object><name>{}</name><bndbox><ymin>{}</ymin><xmin>{}</xmin><ymax>{}</ymax><xmax>{}</xmax></bndbox></object>"


def main() -> None:
    """Read the archive of the whole set, and write one of a part of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path, help="a tar archive of the set")
    photos = list(voc.photos(parser.parse_args().data))[::EVERY][:COUNT]
    path = MODELS / "gallery" / "bccd_60.tar"
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for photo in photos:
            height, width = (side // 2 for side in photo.image.shape[:2])
            stream = io.BytesIO()
            picture = Image.fromarray(photo.image).resize((width, height), Image.Resampling.BOX)
            picture.save(stream, "JPEG", quality=QUALITY, optimize=True)
            boxes = "".join(BOX.format(label, *(side // 2 for side in box)) for label, box in photo.objects)
            for ending, content in (
                (".jpg", stream.getvalue()),
                (".xml", f"<annotation>{boxes}</annotation>".encode()),
            ):
                member = tarfile.TarInfo(photo.name + ending)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
