"""Sidecars and pictures: what comes out is written down here pixel by pixel, or computed with Pillow alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lrp_ref.errors import ModelFormatError
from lrp_ref.loaders.preprocess import EXAMPLE, Sidecar, load_sidecar, parse_sidecar, read_image

MODELS = Path(__file__).parents[2] / "models"
PHOTO = json.loads(EXAMPLE)["input"]


def sidecar(**changes: Any) -> Sidecar:
    """A sidecar of 2 × 2 pixels whose input is the pixel itself, with changes."""
    return parse_sidecar({"input": {**PHOTO, "size": [2, 2], "mean": 0, "scale": 1, **changes}})


def picture(path: Path, pixels: Any, **options: Any) -> Path:
    Image.fromarray(np.asarray(pixels)).save(path, **options)
    return path


def grey(*rows: list[int]) -> np.ndarray:
    return np.array(rows, dtype=np.uint8)


# Pictures --------------------------------------------------------------------------------------------------------


def test_layout_order_of_channels_mean_and_scale(tmp_path: Path) -> None:
    rgb = np.array([[[10, 20, 30], [40, 50, 60]], [[70, 80, 90], [100, 110, 120]]], dtype=np.uint8)
    path = picture(tmp_path / "a.png", rgb)
    x, shown = read_image(path, sidecar())
    assert (x.shape, x.dtype, x.flags.c_contiguous) == ((1, 3, 2, 2), np.float32, True)
    assert x[0, :, 0, 1].tolist() == [40, 50, 60]
    assert x[0, :, 1, 0].tolist() == [70, 80, 90]
    assert (shown == rgb).all()
    assert shown.dtype == np.uint8
    x, shown = read_image(path, sidecar(layout="NHWC", channels="BGR", mean=[1, 2, 3], scale=[1, 10, 100]))
    assert x.shape == (1, 2, 2, 3)
    assert x[0, 0, 1].tolist() == [59, 480, 3700]  # (60 − 1)·1, (50 − 2)·10, (40 − 3)·100
    assert (shown == rgb).all()


def test_float64_is_not_rounded_through_float32(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", grey([1, 2], [3, 4]))
    x, _ = read_image(path, sidecar(channels="L", scale=1 / 255), dtype="float64")
    assert x.dtype == np.float64
    assert x[0, 0].tolist() == [[1 * (1 / 255), 2 * (1 / 255)], [3 * (1 / 255), 4 * (1 / 255)]]


def test_crop_takes_the_centre_and_stretch_everything(tmp_path: Path) -> None:
    path = picture(tmp_path / "wide.png", grey([0, 50, 150, 250], [0, 50, 150, 250]))
    x, shown = read_image(path, sidecar(channels="L"))
    assert x[0, 0].tolist() == [[50, 150], [50, 150]]
    assert shown.tolist() == [[50, 150], [50, 150]]
    tall = picture(tmp_path / "tall.png", grey([0, 50, 150, 250], [0, 50, 150, 250]).T)
    assert read_image(tall, sidecar(channels="L"))[0][0, 0].tolist() == [[50, 50], [150, 150]]
    expected = np.asarray(Image.open(path).resize((2, 2), Image.Resampling.BILINEAR))
    assert read_image(path, sidecar(channels="L", resize="stretch"))[1].tolist() == expected.tolist()
    assert expected.tolist() != [[50, 150], [50, 150]]


@pytest.mark.parametrize("filter_", ["bilinear", "bicubic"])
def test_the_filter_is_pillows(tmp_path: Path, filter_: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, size=(7, 9, 3), dtype=np.uint8)
    path = picture(tmp_path / "a.png", pixels)
    expected = Image.fromarray(pixels).resize((4, 3), Image.Resampling[filter_.upper()])
    _, shown = read_image(path, sidecar(size=[3, 4], resize="stretch", resample=filter_))
    assert (shown == np.asarray(expected)).all()


def test_the_cameras_rotation_is_undone(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that the picture must be turned clockwise by 90°
    path = picture(tmp_path / "a.png", grey([10, 20], [30, 40]), exif=exif)
    assert read_image(path, sidecar(channels="L"))[1].tolist() == [[30, 10], [40, 20]]


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    rgba = np.zeros((2, 2, 4), dtype=np.uint8)
    rgba[0, 0] = [200, 0, 0, 255]
    rgba[1, 1, 3] = 51  # a fifth black, four fifths white: 204
    _, shown = read_image(picture(tmp_path / "a.png", rgba), sidecar())
    assert shown.tolist() == [[[200, 0, 0], [255, 255, 255]], [[255, 255, 255], [204, 204, 204]]]


def test_palettes_with_and_without_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, 9, 8, 7])
    image.putpixel((0, 0), 0)
    image.save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", sidecar())[1].tolist() == [[[0] * 3, [9, 8, 7]], [[9, 8, 7]] * 2]
    image.save(tmp_path / "b.png", transparency=0)
    assert read_image(tmp_path / "b.png", sidecar())[1].tolist() == [[[255] * 3, [9, 8, 7]], [[9, 8, 7]] * 2]


def test_sixteen_bit_grey_becomes_0_to_255(tmp_path: Path) -> None:
    deep = np.array([[0, 65535], [257 * 100, 257 * 100 + 128]], dtype=np.uint16)
    path = picture(tmp_path / "deep.png", deep)
    x, shown = read_image(path, sidecar(channels="L"))
    np.testing.assert_allclose(x[0, 0], [[0, 255], [100, 100 + 128 / 257]], rtol=1e-6)
    assert shown.tolist() == [[0, 255], [100, 100]]
    x, shown = read_image(path, sidecar())
    assert x[0, :, 0, 1].tolist() == [255, 255, 255]
    assert shown.shape == (2, 2, 3)


def test_of_an_animation_the_first_picture(tmp_path: Path) -> None:
    first, second = (Image.new("L", (2, 2), level) for level in (10, 200))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert read_image(tmp_path / "a.gif", sidecar(channels="L"))[1].tolist() == [[10, 10], [10, 10]]


def test_the_photo_is_prepared_as_for_the_published_predictions() -> None:
    """Literally the recipe under which models/samples/README.md states its probabilities."""
    image = Image.open(MODELS / "samples" / "chelsea.png").convert("RGB")  # 451 × 300
    resized = image.resize((337, 224), Image.Resampling.BILINEAR).crop((56, 0, 280, 224))
    expected = ((np.asarray(resized).astype(np.float32) - 127) / 128).transpose(2, 0, 1)
    found = load_sidecar(MODELS / "efficientnet_lite0.onnx")
    assert found is not None
    x, shown = read_image(MODELS / "samples" / "chelsea.png", found)
    assert (x[0] == expected).all()
    assert (shown == np.asarray(resized)).all()


def bad_pictures(folder: Path) -> dict[str, Path]:
    noise = np.random.default_rng(0).integers(0, 256, size=(40, 40, 3), dtype=np.uint8)
    whole = {kind: picture(folder / f"whole.{kind}", noise) for kind in ("png", "jpg", "gif")}
    files = {}
    for kind, path in whole.items():
        files[f"truncated {kind}"] = folder / f"cut.{kind}"
        files[f"truncated {kind}"].write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    files["no picture"] = folder / "noise.png"
    files["no picture"].write_bytes(b"lrp" * 100)
    files["empty"] = folder / "empty.png"
    files["empty"].write_bytes(b"")
    files["not there"] = folder / "missing.png"
    files["a folder"] = folder
    files["32 bit"] = picture(folder / "float.tif", np.ones((2, 2), dtype=np.float32))
    files["a sliver"] = picture(folder / "sliver.png", np.zeros((1, 60000), dtype=np.uint8))
    return files


BAD = {
    "truncated png": "the picture cannot be read",
    "truncated jpg": "the picture cannot be read",
    "truncated gif": "the picture cannot be read",
    "no picture": "not a picture",
    "empty": "not a picture",
    "not there": "there is no such file",
    "a folder": "the picture cannot be read",
    "32 bit": "32 bit numbers",
    "a sliver": "too narrow",
}


@pytest.mark.parametrize("case", BAD)
def test_bad_pictures_are_one_line_with_the_files_name(tmp_path: Path, case: str) -> None:
    path = bad_pictures(tmp_path)[case]
    with pytest.raises(ModelFormatError, match=BAD[case]) as caught:
        read_image(path, sidecar(size=[224, 224]))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("side", [4, 7])
def test_enormous_pictures_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: int) -> None:
    """Above the limit Pillow warns, above twice the limit it raises: both are refused here."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 15)
    path = picture(tmp_path / "a.png", np.zeros((side, side), dtype=np.uint8))
    with pytest.raises(ModelFormatError, match="more than 15 pixels"):
        read_image(path, sidecar())


def test_a_series_is_no_picture(tmp_path: Path) -> None:
    series = parse_sidecar({"input": {"kind": "series", "layout": "NTC"}})
    with pytest.raises(ModelFormatError, match="describes a series"):
        read_image(picture(tmp_path / "a.png", grey([1])), series)


# Sidecars --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.json")), ids=lambda p: p.stem)
def test_the_sidecars_of_the_models_are_valid(path: Path) -> None:
    found = load_sidecar(path.with_suffix(".onnx"))
    assert found is not None
    assert found.classes
    assert found.composite
    assert found.shape() is not None


def test_bounds_are_the_ends_of_the_pixels() -> None:
    low, high = sidecar(mean=[0, 127.5, 255], scale=[1, 2, -1]).bounds()
    assert low.tolist() == [0, -255, 0]
    assert high.tolist() == [255, 255, 255]
    low, high = sidecar(channels="L", mean=5, scale=0.5).bounds()
    assert (low.tolist(), high.tolist()) == ([-2.5], [125.0])


def test_shapes() -> None:
    assert sidecar(size=[5, 7]).shape() == (1, 3, 5, 7)
    assert sidecar(size=[5, 7], layout="NHWC", channels="L").shape() == (1, 5, 7, 1)
    series = {"kind": "series", "layout": "NCT", "length": 9, "channel_names": ["a", "b"]}
    assert parse_sidecar({"input": series}).shape() == (1, 2, 9)
    assert parse_sidecar({"input": {**series, "layout": "NTC"}}).shape() == (1, 9, 2)
    assert parse_sidecar({"input": {"kind": "series", "layout": "NTC"}}).shape() is None
    assert parse_sidecar({"input": {"kind": "text", "length": 9}}).shape() is None


def test_the_sidecar_of_a_text() -> None:
    found = parse_sidecar({"input": {"kind": "text", "tokenizer": "t.json", "length": 9}})
    assert (found.tokenizer, found.length, found.layout) == ("t.json", 9, "NT")
    assert parse_sidecar({"input": {"kind": "text"}}).tokenizer == ""
    for name in ("", "..", "../t.json", "/t.json", "a/t.json", "a\\t.json", 5):
        with pytest.raises(
            ModelFormatError, match=r"key 'input\.tokenizer' must be the name of a file beside the sidecar"
        ):
            parse_sidecar({"input": {"kind": "text", "tokenizer": name}})


def test_no_sidecar_is_none_and_a_named_one_must_exist(tmp_path: Path) -> None:
    assert load_sidecar(".") is None  # a folder without a name
    assert load_sidecar(tmp_path / "net.onnx") is None
    with pytest.raises(ModelFormatError, match="there is no such file"):
        load_sidecar(tmp_path / "net.onnx", tmp_path / "other.json")


WRONG: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"kind": "sound"}, {}, r"'input\.kind' must be one of \"image\", \"series\", \"vector\", \"text\", got \"sound\""),
    ({"size": 224}, {}, r"'input\.size' must be \[height, width\]"),
    ({"size": [224, 0]}, {}, r"'input\.size'"),
    ({"size": [224, True]}, {}, r"'input\.size'"),
    ({"size": [224.0, 224]}, {}, r"'input\.size'"),
    ({"channels": "RGBA"}, {}, r"'input\.channels'"),
    ({"layout": "NTC"}, {}, r"'input\.layout' must be one of \"NCHW\", \"NHWC\""),
    ({"mean": [1, 2]}, {}, r"'input\.mean' must be a number or a list of 3, one per channel, got \[1, 2\]"),
    ({"mean": "127"}, {}, r"'input\.mean'"),
    ({"mean": True}, {}, r"'input\.mean'"),
    ({"mean": float("nan")}, {}, r"'input\.mean'"),
    ({"scale": 0}, {}, r"'input\.scale' must be a non-zero number"),
    ({"scale": [1, 0, 1]}, {}, r"'input\.scale'"),
    ({"resize": "pad"}, {}, r"'input\.resize'"),
    ({"resample": "nearest"}, {}, r"'input\.resample'"),
    ({"sise": [1, 1]}, {}, r"'input\.sise' is not known: did you mean 'size'\?"),
    ({}, {"classes": "cat"}, "'classes' must be a list of texts"),
    ({}, {"classes": ["cat", 1]}, "'classes'"),
    ({}, {"composite": "epsilon_pluss"}, "'composite': unknown composite 'epsilon_pluss': did you mean 'epsilon_plus'"),
    ({}, {"limit": "half"}, "'limit' must be a positive number or a percentile"),
    ({}, {"limit": -1}, "'limit'"),
    ({}, {"source": 3}, "'source' must be a text"),
    ({}, {"class": []}, "'class' is not known: did you mean 'classes'"),
]


@pytest.mark.parametrize(("inner", "outer", "message"), WRONG)
def test_wrong_keys_and_values_are_named(
    tmp_path: Path, inner: dict[str, Any], outer: dict[str, Any], message: str
) -> None:
    (tmp_path / "net.json").write_text(json.dumps({"input": {**PHOTO, **inner}, **outer}))
    with pytest.raises(ModelFormatError, match=message) as caught:
        load_sidecar(tmp_path / "net.onnx")
    assert str(caught.value).startswith(str(tmp_path / "net.json"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", sorted(PHOTO))
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(ModelFormatError, match=rf"key 'input\.{key}' is missing; an example: "):
        parse_sidecar({"input": {k: v for k, v in PHOTO.items() if k != key}})


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"input": []}', '{"input": {"kind": []}}', "[" * 100_000, "\xff"]
)
def test_what_is_no_sidecar_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "net.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelFormatError, match=r"net\.json: ") as caught:
        load_sidecar(tmp_path / "net.onnx")
    assert "\n" not in str(caught.value)


def test_the_reason_against_a_picture_is_said_once(tmp_path: Path) -> None:
    """An error of this package is a ValueError, too: it is not wrapped as one of Pillow's."""
    file = picture(tmp_path / "float.tif", np.ones((2, 2), dtype=np.float32))
    sidecar = parse_sidecar(
        {
            "input": {
                "kind": "image", "size": [2, 2], "channels": "L", "layout": "NCHW", "mean": 0, "scale": 1,
                "resize": "stretch",
            }
        }
    )  # fmt: skip
    with pytest.raises(ModelFormatError) as caught:
        read_image(file, sidecar)
    assert str(caught.value) == f"{file}: a picture of 32 bit numbers; save it with 8 or 16 bit a channel"
