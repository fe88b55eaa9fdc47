"""Hostile Keras files: each is one error of the package, and nothing is read, run or allocated that must not be."""

from __future__ import annotations

import io
import json
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import entry, h5_bytes, hdf5, keras_bytes, sequential, zipped

import lrp_ref as lrp
from lrp_ref.errors import LrpError, ModelFormatError
from lrp_ref.loaders.keras.objects import Bytes, Damaged, Objects

h5py = pytest.importorskip("h5py", reason="writes HDF5")

X = entry("InputLayer", "x", batch_shape=[None, 4])
DENSE = sequential(X, entry("Dense", "fc", units=3, use_bias=False))
KERNEL = np.arange(12, dtype=np.float32).reshape(4, 3)
PLACE = "layers/dense/vars/0"
ALLOWED = 256_000_000
MUTATIONS = int(os.environ.get("LRP_REF_MUTATIONS", "150"))  # of each kind; 7,000 in a long run


def refused(path: Path, *words: str, kind: type[LrpError] = ModelFormatError) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(kind) as caught:
            lrp.load(path)
        assert tracemalloc.get_traced_memory()[1] < ALLOWED
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) <= 600 + len(str(path))
    for word in words:
        assert word in message


def with_weights(path: Path, content: bytes) -> Path:
    members = {"config.json": json.dumps(DENSE).encode(), "model.weights.h5": content}
    path.write_bytes(zipped(members))
    return path


def made(folder: Path, make: Callable[[Any], None]) -> Path:
    """A .keras file with the HDF5 file that ``make`` fills."""
    with h5py.File(stream := io.BytesIO(), "w") as file:
        make(file)
    return with_weights(folder / "model.keras", stream.getvalue())


# HDF5 ----------------------------------------------------------------------------------------------------------------


def test_the_file_that_they_all_differ_from_is_read(tmp_path: Path) -> None:
    net = lrp.load(made(tmp_path, lambda file: file.create_dataset(PLACE, data=KERNEL)))
    np.testing.assert_array_equal(net.forward(np.eye(4)), KERNEL)


@pytest.mark.parametrize("link", ["soft", "external"])
def test_links_other_than_hard_ones_are_not_followed(link: str, tmp_path: Path) -> None:
    (tmp_path / "secret.h5").write_bytes(hdf5({"kernel": KERNEL}))

    def make(file: Any) -> None:
        file.create_dataset("other", data=KERNEL)
        target = str(tmp_path / "secret.h5")
        file[PLACE] = h5py.SoftLink("/other") if link == "soft" else h5py.ExternalLink(target, "/kernel")

    refused(made(tmp_path, make), "only hard links")


def test_storage_in_another_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(KERNEL.tobytes())

    def make(file: Any) -> None:
        file.create_dataset(PLACE, (4, 3), "f4", external=[(str(tmp_path / "secret"), 0, 48)])

    refused(made(tmp_path, make), "stored in another file")


def test_a_virtual_dataset_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.h5").write_bytes(hdf5({"kernel": KERNEL}))

    def make(file: Any) -> None:
        layout = h5py.VirtualLayout((4, 3), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "kernel", (4, 3))
        file.create_virtual_dataset(PLACE, layout)

    refused(made(tmp_path, make), "stored in another file")


def test_a_group_in_itself_is_no_endless_walk(tmp_path: Path) -> None:
    def make(file: Any) -> None:
        file.create_dataset(PLACE, data=KERNEL)
        file["layers/again"] = file["layers"]

    refused(made(tmp_path, make), "there twice")


def test_groups_that_double_are_no_long_walk(tmp_path: Path) -> None:
    """Each group holds the next twice: 2^40 paths in a small file."""

    def make(file: Any) -> None:
        group = file
        for _ in range(40):
            below = group.create_group("a")
            group["b"] = below
            group = below

    refused(made(tmp_path, make), "there twice")


def test_a_chain_of_groups_is_bounded(tmp_path: Path) -> None:
    refused(made(tmp_path, lambda file: file.create_group("/".join("g" * 70))), "65 levels")


@pytest.mark.parametrize(("shape", "how"), [
    ((1 << 30, 1 << 30), {"chunks": (1024, 1024)}),
    ((1 << 30, 1 << 30), {"chunks": (1024, 1024), "compression": "gzip"}),
    ((1 << 16, 1 << 16), {"chunks": (1 << 14, 1 << 14)}),
    ((1 << 20, 1 << 10), {}),
])  # fmt: skip
def test_a_shape_without_its_numbers_is_refused(shape: tuple[int, ...], how: dict[str, Any], tmp_path: Path) -> None:
    refused(made(tmp_path, lambda file: file.create_dataset(PLACE, shape, "f4", **how)), "dataset")


def test_a_dataset_of_which_a_part_is_missing_is_refused(tmp_path: Path) -> None:
    def make(file: Any) -> None:
        file.create_dataset(PLACE, (4, 3), "f4", chunks=(2, 3))[:2] = KERNEL[:2]

    refused(made(tmp_path, make), "not stored whole")


def test_a_part_that_unpacks_to_more_than_it_claims_is_not_unpacked(tmp_path: Path) -> None:
    import zlib

    def make(file: Any) -> None:
        dataset = file.create_dataset(PLACE, (4, 3), "f4", chunks=(4, 3), compression="gzip")
        dataset.id.write_direct_chunk((0, 0), zlib.compress(bytes(1 << 28), 9))

    refused(made(tmp_path, make), "claims 48")


def test_zeros_that_shrink_too_far_are_refused(tmp_path: Path) -> None:
    def make(file: Any) -> None:
        file.create_dataset(PLACE, data=np.zeros((1 << 22, 3), "f4"), chunks=(1 << 22, 3), compression="gzip")

    refused(made(tmp_path, make), "that claims")


@pytest.mark.parametrize("how", [{"compression": "lzf"}, {"fletcher32": True}, {"scaleoffset": 2}])
def test_only_gzip_and_shuffle_are_undone(how: dict[str, Any], tmp_path: Path) -> None:
    refused(
        made(tmp_path, lambda file: file.create_dataset(PLACE, data=KERNEL, chunks=(4, 3), **how)),
        "only gzip and shuffle",
    )


@pytest.mark.parametrize("dtype", ["c8", "S8", "V6", "V2", "?", h5py.string_dtype(), h5py.vlen_dtype("f4"),
                                   h5py.ref_dtype, np.dtype([("a", "f4")]), np.dtype(("f4", (2,))),
                                   h5py.enum_dtype({"a": 1}, "i4"), np.longdouble])  # fmt: skip
def test_only_plain_numbers_are_read(dtype: Any, tmp_path: Path) -> None:
    refused(made(tmp_path, lambda file: file.create_dataset(PLACE, (4, 3), dtype)), "dataset")


def test_a_value_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    kernel = np.where(KERNEL == 5, np.nan, KERNEL).astype("f4")
    path = made(tmp_path, lambda file: file.create_dataset(PLACE, data=kernel))
    refused(path, "not finite", kind=LrpError)


@pytest.mark.parametrize("value", [
    np.array(["{}"] * 1000, dtype=h5py.string_dtype()), np.arange(3), np.array([b"x" * 10] * 3), 1.5,
])  # fmt: skip
def test_a_config_that_is_not_one_text_is_refused(value: Any, tmp_path: Path) -> None:
    """An array of texts may have each entry point to the same large one."""
    (tmp_path / "model.h5").write_bytes(hdf5({"fc/fc/kernel:0": KERNEL}, {"model_config": value}))
    refused(tmp_path / "model.h5", "not one text")


def patched(folder: Path, at: Callable[[bytes], int], form: str, value: int) -> Path:
    """An .h5 file with another number at one place."""
    data = bytearray(originals()["model.h5"])
    struct.pack_into(form, data, at(bytes(data)), value)
    (folder / "model.h5").write_bytes(data)
    return folder / "model.h5"


@pytest.mark.parametrize(("at", "form", "value", "reason"), [
    (lambda data: 8, "<B", 2, "newer form"),
    (lambda data: 13, "<B", 4, "other sizes"),
    (lambda data: 24, "<Q", 512, "cut off"),
    (lambda data: 40, "<Q", 1 << 40, "cut off"),
    (lambda data: data.index(b"HEAP") + 8, "<Q", 1 << 34, "outside the file"),
    (lambda data: data.index(b"HEAP") + 24, "<Q", (1 << 64) - 1, "outside the file"),
    (lambda data: data.index(b"TREE") + 4, "<B", 1, "a tree that is none"),
    (lambda data: data.index(b"TREE") + 5, "<B", 1, ""),
    (lambda data: data.index(b"TREE") + 6, "<H", 65535, ""),
    (lambda data: data.index(b"SNOD") + 6, "<H", 65535, ""),
    (lambda data: data.index(b"GCOL") + 24, "<Q", 1 << 60, ""),
    (lambda data: data.index(struct.pack("<Q", 216)), "<Q", 200, "not as many in the file"),
])  # fmt: skip
def test_numbers_that_lead_out_of_the_file_are_not_believed(
    at: Callable[[bytes], int], form: str, value: int, reason: str, tmp_path: Path
) -> None:
    refused(patched(tmp_path, at, form, value), reason)


def test_an_object_that_goes_on_in_itself_is_no_loop() -> None:
    message = struct.pack("<HHBxxxQQ", 0x10, 16, 0, 16, 24)  # the block goes on at itself
    header = struct.pack("<BBHIIxxxx", 1, 0, 60000, 1, 24)
    with pytest.raises(Damaged, match="goes on in itself"):
        Objects(Bytes(header + message)).header(0)


@pytest.mark.parametrize("how", [{"libver": "latest"}, {"userblock_size": 512}])
def test_a_file_in_another_form_says_how_to_write_it(how: dict[str, Any], tmp_path: Path) -> None:
    with h5py.File(tmp_path / "model.h5", "w", **how) as file:
        file.create_dataset("fc/kernel", data=KERNEL)
    refused(tmp_path / "model.h5", "earliest" if "libver" in how else "not an HDF5 file")


# zip and JSON --------------------------------------------------------------------------------------------------------


def test_a_config_of_more_than_10_megabytes_is_refused(tmp_path: Path) -> None:
    config = json.dumps(DENSE).encode() + b" " * (11 << 20)
    (tmp_path / "model.keras").write_bytes(zipped({"config.json": config, "model.weights.h5": hdf5({PLACE: KERNEL})}))
    refused(tmp_path / "model.keras", "allowed")
    (tmp_path / "model.h5").write_bytes(hdf5({"fc/kernel": KERNEL}, {"model_config": config.decode()}))
    refused(tmp_path / "model.h5", "longer than")


def test_a_config_that_is_nested_too_deep_is_refused(tmp_path: Path) -> None:
    config: Any = DENSE
    for k in range(40):
        config = sequential({**config, "name": f"m{k}"}, name=f"m{k}")
    (tmp_path / "model.keras").write_bytes(keras_bytes(config, {PLACE: KERNEL}))
    refused(tmp_path / "model.keras", "deep")


def test_a_compressed_bomb_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps(DENSE))
        archive.writestr("model.weights.h5", bytes(1 << 28))
    refused(tmp_path / "model.keras", "claims")


@pytest.mark.parametrize("missing", ["config.json", "model.weights.h5"])
def test_a_file_without_its_parts_is_damaged(missing: str, tmp_path: Path) -> None:
    members = {"config.json": json.dumps(DENSE).encode(), "model.weights.h5": hdf5({PLACE: KERNEL})}
    del members[missing]
    (tmp_path / "model.keras").write_bytes(zipped(members))
    refused(tmp_path / "model.keras", missing)


def test_names_that_climb_are_names_only(tmp_path: Path) -> None:
    members = {"../evil": b"x", "/etc/evil": b"x", "config.json": json.dumps(DENSE).encode()}
    (tmp_path / "model.keras").write_bytes(zipped({**members, "model.weights.h5": hdf5({PLACE: KERNEL})}))
    assert lrp.load(tmp_path / "model.keras").outputs == ("fc",)
    assert [p.name for p in tmp_path.iterdir()] == ["model.keras"]
    assert not (tmp_path.parent / "evil").exists()


@pytest.mark.parametrize("layer", [
    entry("MaxPooling2D", "p", pool_size=[1 << 20, 1 << 20], padding="same"),
    entry("AveragePooling2D", "p", pool_size=[1, 1]),
    entry("UpSampling2D", "p", size=[1 << 20, 1 << 20], interpolation="bilinear"),
    entry("UpSampling2D", "p", size=[1 << 30, 1 << 30]),
    entry("ZeroPadding2D", "p", padding=[1 << 40, 1 << 40]),
    entry("ZeroPadding2D", "p", padding=[1 << 70, 1 << 70]),
    entry("Reshape", "p", target_shape=[1 << 70, -1]),
    entry("Cropping2D", "p", cropping=[1 << 70, 1]),
    entry("GlobalAveragePooling2D", "p", keepdims=3),
])  # fmt: skip
def test_large_numbers_in_a_config_allocate_nothing(layer: dict[str, Any], tmp_path: Path) -> None:
    config = sequential(entry("InputLayer", "x", batch_shape=[None, 1 << 20, 1 << 20, 1]), layer)
    (tmp_path / "model.keras").write_bytes(keras_bytes(config, {PLACE: KERNEL}))
    refused(tmp_path / "model.keras", kind=LrpError)


# Mutations -----------------------------------------------------------------------------------------------------------


def originals() -> dict[str, bytes]:
    chain = sequential(
        entry("InputLayer", "x", batch_shape=[None, 6, 6, 2]), entry("Conv2D", "c", padding="same", activation="relu"),
        entry("MaxPooling2D", "p"), entry("Flatten", "f"), entry("Dense", "d", activation="softmax"),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    shapes = {"c": {"kernel": (3, 3, 2, 3), "bias": (3,)}, "d": {"kernel": (27, 2), "bias": (2,)}}
    values = {k: {n: rng.normal(size=s).astype("f4") for n, s in its.items()} for k, its in shapes.items()}
    stored = {"c": "conv2d", "d": "dense"}
    by_number = {f"layers/{stored[k]}/vars/{j}": a for k, its in values.items() for j, a in enumerate(its.values())}
    by_name = {f"{k}/{k}/{name}:0": a for k, its in values.items() for name, a in its.items()}
    return {"model.keras": keras_bytes(chain, by_number), "model.h5": h5_bytes(chain, by_name)}


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """The file with some bytes or bits changed, a piece cut out, doubled or exchanged, or its end missing."""
    data = bytearray(content)
    kind = rng.integers(6)
    a, b = sorted(int(k) for k in rng.integers(0, len(data), 2))
    size = int(rng.integers(1, 64))
    if kind == 0:
        del data[a:]
    elif kind == 1:
        del data[a : a + size]
    elif kind == 2:
        data[a:a] = data[b : b + size]
    elif kind == 3:
        data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]
    else:
        for _ in range(int(rng.integers(1, 20))):
            place = int(rng.integers(len(data)))
            data[place] = int(rng.integers(256)) if kind == 4 else data[place] ^ (1 << int(rng.integers(8)))
    return bytes(data)


VALUES = (
    None,
    True,
    0,
    -1,
    1 << 40,
    1 << 70,
    1.5,
    float("nan"),
    "",
    "x",
    [],
    [[]],
    {},
    [None, -3],
    {"class_name": "Dense"},
)


def exchanged(content: bytes, rng: np.random.Generator) -> bytes:
    """A .keras file whose config has another value at one to three places."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    for _ in range(int(rng.integers(1, 4))):
        places = list(_places(config))
        parent, key = places[int(rng.integers(len(places)))]
        other, its = places[int(rng.integers(len(places)))]
        value = other[its] if rng.integers(2) else VALUES[int(rng.integers(len(VALUES)))]
        parent[key] = json.loads(json.dumps(value))
    return zipped({**members, "config.json": json.dumps(config).encode()})


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


@pytest.mark.parametrize(("name", "change"), [
    ("model.keras", mutated), ("model.h5", mutated), ("model.keras", exchanged),
])  # fmt: skip
def test_damaged_files_are_errors_of_the_package_alone(
    name: str, change: Callable[[bytes, np.random.Generator], bytes], tmp_path: Path
) -> None:
    content, rng = originals()[name], np.random.default_rng(1)
    assert len(lrp.load(_written(tmp_path / name, content)).nodes) == 8
    messages = []
    for _ in range(MUTATIONS):
        try:
            lrp.load(_written(tmp_path / name, change(content, rng)))
        except LrpError as error:
            messages.append(str(error))
    assert len(messages) > MUTATIONS / 10  # the others are changed in numbers, or where nobody reads
    assert all("\n" not in said and len(said) <= 600 + len(str(tmp_path)) for said in messages)


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
