"""Files of the LRP toolbox: what their modules compute, written out as the toolbox does, and files that are damaged."""

from __future__ import annotations

import itertools
import math
import pickle
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref import layers
from lrp_ref.errors import LrpError, ModelFormatError, ParameterError, UnsupportedError

DATA = Path(__file__).parents[3] / "shared" / "data"
Spec = tuple[Any, ...]  # kind, then sizes and strides, then weights and biases

rng = np.random.default_rng(5)
LINEAR: Spec = ("Linear", (3, 2), rng.normal(size=(3, 2)), rng.normal(size=2))
CONVOLUTION: Spec = ("Convolution", (2, 3, 2, 4, 2, 1), rng.normal(size=(2, 3, 2, 4)), rng.normal(size=4))
SECOND: Spec = ("Convolution", (1, 2, 4, 3, 1, 1), rng.normal(size=(1, 2, 4, 3)), rng.normal(size=3))
NETS: dict[str, tuple[Spec, ...]] = {
    "xor": (("Linear", (2, 3), rng.normal(size=(2, 3)), rng.normal(size=3)), ("Tanh", ()), LINEAR, ("SoftMax", ())),
    "image": (CONVOLUTION, ("Rect", ()), SECOND, ("Tanh", ())),
    "pools": (("MaxPool", (2, 3, 1, 2)), ("SumPool", (3, 2, 2, 1)), CONVOLUTION, ("SoftMax", ())),
    "flat": (CONVOLUTION, ("Flatten", ()), ("Linear", (48, 2), rng.normal(size=(48, 2)), rng.normal(size=2))),
    "vector": (("Flatten", ()), ("Rect", ()), ("Linear", (12, 1), rng.normal(size=(12, 1)), rng.normal(size=1))),
    "rectified": (("Rect", ()), CONVOLUTION, ("Flatten", ())),
    "one": (("Linear", (1, 3), rng.normal(size=(1, 3)), rng.normal(size=3)),),
}
SHAPES = {"xor": (2,), "image": (6, 7, 2), "pools": (9, 14, 2), "flat": (6, 6, 2), "vector": (2, 3, 2)}
SHAPES |= {"rectified": (5, 6, 2), "one": (1,)}


def windows(x: Any, sizes: Sequence[int]) -> Iterator[tuple[int, int, Any]]:
    """Yield the windows (N, h, w, D) of images (N, H, W, D), whole ones only, by place in the output."""
    h, w, down, across = sizes
    for i, j in itertools.product(range((x.shape[1] - h) // down + 1), range((x.shape[2] - w) // across + 1)):
        yield i, j, x[:, i * down : i * down + h, j * across : j * across + w]


def literal(spec: Spec, x: Any) -> Any:
    """Return what the toolbox's module computes, window by window, images with their channels last."""
    kind, sizes = spec[:2]
    if kind == "Linear":
        return (
            np.array([[sum(a * w for a, w in zip(row, col, strict=True)) for col in spec[2].T] for row in x]) + spec[3]
        )
    if kind in ("Convolution", "SumPool", "MaxPool"):
        places = list(windows(x, (*sizes[:2], *sizes[-2:])))
        depth = sizes[3] if kind == "Convolution" else x.shape[3]
        out = np.zeros((len(x), places[-1][0] + 1, places[-1][1] + 1, depth))
        for i, j, part in places:
            if kind == "Convolution":
                out[:, i, j] = (part[..., None] * spec[2]).sum(axis=(1, 2, 3)) + spec[3]
            elif kind == "SumPool":
                out[:, i, j] = part.sum(axis=(1, 2)) / math.sqrt(sizes[0] * sizes[1])
            else:
                out[:, i, j] = part.max(axis=(1, 2))
        return out
    if kind == "Flatten":
        return x.reshape(len(x), -1)
    if kind == "SoftMax":
        return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    return np.maximum(x, 0) if kind == "Rect" else np.tanh(x)


def line(values: Any) -> str:
    return " ".join(repr(float(v)) for v in np.asarray(values).reshape(-1))


def written(specs: Sequence[Spec], *, legacy: bool = False) -> str:
    lines = []
    for kind, sizes, *weights in specs:
        lines.append(" ".join(map(str, (kind, *sizes))))
        if weights and legacy and kind == "Linear":
            lines += [line(row) for row in weights[0]] + [line(weights[1])]
        else:
            lines += [line(part) for part in weights]
    return "\n".join(lines) + "\n"


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The toolbox's classes, as far as a pickle sees them."""
    monkeypatch.setitem(sys.modules, "modules", types.ModuleType("modules"))
    made = {}
    for kind in (
        "Sequential",
        "Linear",
        "Convolution",
        "SumPool",
        "MaxPool",
        "Flatten",
        "Rect",
        "Tanh",
        "SoftMax",
        "Odd",
    ):
        name = f"modules.{kind.lower()}"
        cls = type(kind, (), {"__module__": name})
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
        setattr(sys.modules[name], kind, cls)
        made[kind] = cls
    return made


def pickled(specs: Sequence[Spec], classes: Any, protocol: int, dtype: str = "f8") -> bytes:
    return pickle.dumps(sequential(specs, classes, dtype), protocol)


def sequential(specs: Sequence[Spec], classes: Any, dtype: str = "f8") -> Any:
    def module(kind: str, sizes: tuple[int, ...], *weights: Any) -> Any:
        made = classes[kind]()
        made.X = made.Y = None
        if kind == "Linear":
            made.m, made.n = sizes
        elif kind == "Convolution":
            (made.fh, made.fw, made.fd, made.n), made.stride = sizes[:4], sizes[4:]
        elif sizes:
            made.pool, made.stride = sizes[:2], list(sizes[2:])
        if weights:
            made.W, made.B = (np.asarray(part, dtype=dtype) for part in weights)
        return made

    whole = classes["Sequential"]()
    whole.modules = [module(*spec) for spec in specs]
    return whole


@pytest.mark.parametrize("name", NETS)
def test_a_text_file_computes_what_the_toolbox_computes(name: str, tmp_path: Path) -> None:
    (path := tmp_path / "net.txt").write_text(written(NETS[name]))
    net = lrp.load(path)
    for n in (0, 1, 3):
        x = rng.normal(size=(n, *SHAPES[name]))
        expected = x
        for spec in NETS[name]:
            expected = literal(spec, expected) if n else expected
        out = net.forward(x)
        if n:
            assert out.shape == expected.shape
            assert np.abs(out - expected).max() <= 1e-13 * max(1, np.abs(expected).max())
        assert out.dtype == np.float64
    assert net.inputs[0].element_type == "float64"


@pytest.mark.parametrize("name", [name for name in NETS if name != "one"])
def test_the_older_form_has_a_line_for_each_row(name: str, tmp_path: Path) -> None:
    (path := tmp_path / "net.txt").write_text(written(NETS[name], legacy=True))
    (other := tmp_path / "other.txt").write_text(written(NETS[name]))
    assert lrp.load(path) == lrp.load(other)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", NETS)
def test_a_pickled_network_is_that_of_the_text(name: str, protocol: int, modules: Any, tmp_path: Path) -> None:
    (path := tmp_path / "net.nn").write_bytes(pickled(NETS[name], modules, protocol))
    (text := tmp_path / "net.txt").write_text(written(NETS[name]))
    assert lrp.load(path) == lrp.load(text)


def test_pickled_arrays_of_other_types_and_orders(modules: Any, tmp_path: Path) -> None:
    path, specs = tmp_path / "net.nn", [("Linear", (3, 2), LINEAR[2], LINEAR[3])]
    path.write_bytes(pickled(specs, modules, 2, ">f8"))
    (dense,) = lrp.load(path).nodes
    assert isinstance(dense.layer, layers.Dense)
    assert dense.layer.weight.dtype == np.dtype("=f8")
    assert np.array_equal(dense.layer.weight, LINEAR[2])
    path.write_bytes(pickled([("Linear", (3, 2), np.asfortranarray(LINEAR[2]), LINEAR[3])], modules, 4))
    assert lrp.load(path).nodes[0].layer == dense.layer
    path.write_bytes(pickled(specs, modules, 3, "f4"))
    assert lrp.load(path).dtype == np.float32
    whole = modules["Sequential"]()
    whole.modules = [modules["Linear"]()]
    whole.modules[0].W, whole.modules[0].B = LINEAR[2].astype("f4"), LINEAR[3]
    path.write_bytes(pickle.dumps(whole))
    assert {a.dtype for a in lrp.load(path).arrays()} == {np.dtype(float)}


def test_objects_as_python_2_pickled_them(tmp_path: Path) -> None:
    """Classes without a base: INST in the oldest protocol, OBJ in the second, and the attributes by BUILD."""
    path = tmp_path / "net.nn"
    path.write_bytes(b"(imodules.sequential\nSequential\n(dS'modules'\n(l(imodules.rect\nRect\n(dbasb.")
    assert [type(n.layer) for n in lrp.load(path).nodes] == [layers.ReLU]
    inner = b"(cmodules.tanh\nTanh\no}b"
    path.write_bytes(b"\x80\x02(cmodules.sequential\nSequential\no}U\x07modules](" + inner + b"esb.")
    assert [type(n.layer) for n in lrp.load(path).nodes] == [layers.Tanh]


def test_relevance_of_a_max_pool_is_divided_among_equal_winners(tmp_path: Path) -> None:
    (path := tmp_path / "net.txt").write_text("MaxPool 1 2 1 2\nFlatten\n")
    e = lrp.explain(lrp.load(path), np.array([[[[3.0], [3.0]]]]), target=0)
    assert e.relevance.tolist() == [[[[1.5], [1.5]]]]


def test_the_input_says_what_the_file_says_of_it(tmp_path: Path) -> None:
    path = tmp_path / "net.txt"
    for name, shape in (("xor", (None, 2)), ("image", (None, None, None, 2)), ("pools", (None, None, None, 2))):
        path.write_text(written(NETS[name]))
        assert lrp.load(path).inputs[0].shape == shape
    path.write_text(written(NETS["vector"]))
    assert lrp.load(path).inputs[0].shape is None
    path.write_text("Rect\nFlatten\nLinear 2 1\n1 2\n3\n")
    assert lrp.load(path).forward(np.ones((1, 2, 1))).tolist() == [[6.0]]


def test_an_output_is_chosen_by_name(tmp_path: Path) -> None:
    (path := tmp_path / "net.txt").write_text(written(NETS["xor"]))
    assert lrp.load(path, output="tanh1").outputs == ("tanh1",)
    with pytest.raises(ParameterError, match=r"did you mean 'tanh1'\?"):
        lrp.load(path, output="tanh2")


# Damaged files -------------------------------------------------------------------------------------------------------

GOOD = "Linear 2 1\n1 2\n3\nRect\n"
ROWS = "Linear 2 2\n1 2\n3 4\n5 6\n"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["no module"]),
        ("1 2 3\n", ["line 1", "'1' is no module", "not a network of the LRP toolbox"]),
        ("Softmax\n", ["line 1", "'Softmax'"]),
        (GOOD.replace("2 1", "2"), ["line 1", "2 whole numbers from 1"]),
        (GOOD.replace("2 1", "2 1 1"), ["line 1", "2 whole numbers"]),
        (GOOD.replace("2 1", "2 0"), ["line 1", "2 whole numbers from 1"]),
        (GOOD.replace("2 1", "2 -1"), ["line 1", "2 whole numbers from 1"]),
        (GOOD.replace("2 1", "2 1.0"), ["line 1", "2 whole numbers from 1"]),
        (GOOD.replace("2 1", f"2 {9**99}"), ["line 1", "2 whole numbers from 1"]),
        (GOOD.replace("2 1", "999999999 999999999"), ["line 2", "2 weights", "999999998000000001 in one line"]),
        (GOOD.replace("1 2", "1 2 3"), ["line 2", "3 weights"]),
        (GOOD.replace("1 2", "1 nan"), ["line 2", "'nan'", "no finite number"]),
        (GOOD.replace("1 2", "1 -inf"), ["line 2", "'-inf'", "no finite number"]),
        (GOOD.replace("1 2", "1 1e999"), ["line 2", "'1e999'", "no finite number"]),
        (GOOD.replace("1 2", "1 1_0"), ["line 2", "'1_0'", "no finite number"]),
        (GOOD.replace("1 2", "1 two"), ["line 2", "'two' among its weights is no number"]),
        (GOOD.replace("1 2", "1 0x10"), ["line 2", "'0x10' among its weights is no number"]),
        (GOOD.replace("1 2", "1 " + "x" * 5000), ["line 2", "'" + "x" * 24 + "'"]),
        (GOOD.replace("\n3\n", "\n3 4\n"), ["line 3", "2 biases for 1 outputs"]),
        (GOOD.replace("\n3\n", "\n"), ["line 3", "'Rect' among its biases"]),
        ("Linear 2 1\n1 2\n", ["line 2", "a line of biases is missing"]),
        ("Linear 2 1\n\n3\n", ["line 2", "a line of weights is missing"]),
        ("Linear 2 1", ["line 1", "a line of weights is missing"]),
        (GOOD + "Rect 3\n", ["line 5", "Rect is followed by nothing"]),
        (GOOD + "\nRect\n", ["line 6", "text behind an empty line"]),
        (GOOD + "Linear 2 1\n1 2\n3\n", ["line 5", "it takes 2 numbers, and gets 1"]),
        (GOOD + "SumPool 1 1 1 1\n", ["line 5", "a SumPool of what is no image"]),
        ("SumPool 1 1 1 1\nLinear 1 1\n1\n1\n", ["line 2", "a Flatten is missing"]),
        (ROWS.replace("3 4", "3 4 5"), ["line 3", "3 weights; the rows above have 2"]),
        (ROWS.replace("3 4\n", ""), ["line 3", "a line of biases is missing"]),
        ("Convolution 1 1 1 1 1 1\n1\n1\nConvolution 1 1 2 1 1 1\n1 1\n1\n", ["line 4", "takes 2 numbers, and gets 1"]),
        ("Convolution 2 1 1 1 1 1\n1\n1\n", ["line 2", "1 weights; Convolution 2 1 1 1 has 2 in one line"]),
    ],
)  # fmt: skip
def test_a_damaged_text_names_file_and_line(text: str, parts: list[str], tmp_path: Path) -> None:
    (path := tmp_path / "net.txt").write_text(text)
    refused(path, *parts)


def test_other_damage_of_a_text(tmp_path: Path) -> None:
    path = tmp_path / "net.txt"
    path.write_bytes(b"Linear 2 1\n1 \xff\xfe2\n3\n")
    refused(path, "line 2", r"\\xff\\xfe2")
    path.write_bytes(b"\xff\x00Linear\n")
    refused(path, "line 1", "is no module")
    path.write_text(GOOD + "LSTM 3 4\n")
    with pytest.raises(UnsupportedError, match=r"net\.txt: line 5: 'LSTM' is not read; known: Linear, Conv"):
        lrp.load(path)
    path.write_bytes(GOOD.replace("\n", "\r\n").encode() + b"\r\n")
    assert len(lrp.load(path)) == 2


def test_a_text_cut_anywhere_is_refused_or_shorter(tmp_path: Path) -> None:
    (path := tmp_path / "net.txt").write_text(written(NETS["xor"]))
    content = path.read_bytes()
    for end in range(len(content)):
        path.write_bytes(content[:end])
        try:
            lrp.load(path)
        except LrpError as error:
            assert str(path) in str(error)  # noqa: PT017  both outcomes are looked at


def refused(path: Path, *parts: str) -> None:
    with pytest.raises(ModelFormatError) as caught:
        lrp.load(path)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) <= 600 + len(str(path))
    for part in (str(path), *parts):
        assert part in text


def changed(classes: Any, **attributes: Any) -> bytes:
    """Return a pickled network of one convolution with other attributes."""
    whole = sequential([CONVOLUTION], classes)
    for name, value in attributes.items():
        setattr(whole.modules[0], name, value)
    return pickle.dumps(whole, 4)


@pytest.mark.parametrize(
    ("attributes", "parts"),
    [
        ({"W": np.ones((2, 3, 2))}, ["module 1 (Convolution)", "(2, 3, 2); 4 axes"]),
        ({"W": np.ones((1,) * 9)}, ["without a type or a shape"]),
        ({"W": np.ones((2, 0, 2, 4))}, ["module 1 (Convolution)", "4 axes"]),
        ({"W": np.full((2, 3, 2, 4), np.nan)}, ["module 1 (Convolution): W", "not finite"]),
        ({"W": np.ones((2, 3, 2, 4), int)}, ["module 1 (Convolution): W is int64"]),
        ({"W": np.ones((2, 3, 2, 4), complex)}, ["something else than real numbers"]),
        ({"W": np.array([{}])}, ["something else than real numbers"]),
        ({"W": [1.0]}, ["module 1 (Convolution): W is no array"]),
        ({"W": None}, ["module 1 (Convolution): W is no array"]),
        ({"B": np.ones(3)}, ["module 1 (Convolution)", "3 biases for 4 outputs"]),
        ({"stride": (2,)}, ["module 1 (Convolution): stride is not 2 whole numbers"]),
        ({"stride": (2, 0)}, ["stride is not 2 whole numbers"]),
        ({"stride": (2, True)}, ["stride is not 2 whole numbers"]),
        ({"stride": "22"}, ["stride is not 2 whole numbers"]),
    ],
)  # fmt: skip
def test_a_damaged_module_is_named(attributes: Any, parts: list[str], modules: Any, tmp_path: Path) -> None:
    (path := tmp_path / "net.nn").write_bytes(changed(modules, **attributes))
    refused(path, *parts)


def test_strides_may_be_numpy_s_integers(modules: Any, tmp_path: Path) -> None:
    (path := tmp_path / "net.nn").write_bytes(changed(modules, stride=(np.int64(2), np.int32(1))))
    assert lrp.load(path).nodes[1].layer.stride == (2, 1)


def test_all_modules_that_are_not_read_are_named(modules: Any, tmp_path: Path) -> None:
    path = tmp_path / "net.nn"
    path.write_bytes(pickled([("Odd", ()), LINEAR, ("Odd", ())], modules, 4))
    with pytest.raises(UnsupportedError, match=r"net\.nn: not read: module 1 \(Odd\), module 3 \(Odd\); known: Lin"):
        lrp.load(path)
    path.write_bytes(pickled([], modules, 4))
    refused(path, "no module in it")
    inside = modules["Sequential"]()
    inside.modules = [inside]
    path.write_bytes(pickle.dumps(inside))
    refused(path, "inside itself")
    nested = sequential([LINEAR], modules)
    outer = modules["Sequential"]()
    outer.modules = [nested, modules["Rect"]()]
    path.write_bytes(pickle.dumps(outer))
    assert [type(n.layer) for n in lrp.load(path).nodes] == [layers.Dense, layers.ReLU]


def test_sizes_that_lie_are_refused_before_anything_is_allocated(modules: Any, tmp_path: Path) -> None:
    path, content = tmp_path / "net.nn", pickled([LINEAR], modules, 2)
    forged = content.replace(b"K\x03K\x02\x86", b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86", 1)
    assert forged != content
    path.write_bytes(forged)
    refused(path, "an array of shape (2147483647, 2147483647) with 48 bytes")
    path.write_bytes(content.replace(b"K\x03K\x02\x86", b"J\xff\xff\xff\xffK\x02\x86", 1))
    refused(path, "whole numbers")


def test_a_file_that_is_too_long_is_not_read(modules: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path := tmp_path / "net.nn").write_bytes(pickled([LINEAR], modules, 2))
    monkeypatch.setattr("lrp_ref.loaders.toolbox.pickled.LIMIT", 100)
    refused(path, "more than 100 bytes; refused")


@pytest.mark.parametrize(("program", "reason"), [
    (b"cnumpy\ndtype\n(X\x02\x00\x00\x00f8tR(K\x03X\x01\x00\x00\x00xtb.", "an array without an order of its bytes"),
    (b"ccopy_reg\n_reconstructor\n(cnumpy\nndarray\nc__builtin__\nobject\nNtR.", "an object of what is no module"),
    (b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00utf-8tR.", "bytes in another encoding than Latin-1"),
])  # fmt: skip
def test_what_a_pickle_of_arrays_calls_is_refused_with_other_arguments(
    program: bytes, reason: str, tmp_path: Path
) -> None:
    (path := tmp_path / "net.nn").write_bytes(program)
    refused(path, reason)


def test_what_a_file_names_again_and_again_is_counted(modules: Any, tmp_path: Path) -> None:
    path = tmp_path / "net.nn"
    inner = sequential([], modules)
    for _ in range(6):  # 100⁶ networks without a module
        outer = modules["Sequential"]()
        outer.modules = [inner] * 100
        inner = outer
    path.write_bytes(pickle.dumps(inner, 2))
    refused(path, "more than 10000 modules")
    whole = sequential([("Linear", (700, 700), np.ones((700, 700)), np.ones(700))], modules)
    whole.modules[0].W = whole.modules[0].W.astype(">f8")  # each module would have a copy in the machine's order
    whole.modules *= 60
    path.write_bytes(pickle.dumps(whole, 2))
    assert len(lrp.load(path).nodes) == 60
    whole.modules *= 2
    path.write_bytes(pickle.dumps(whole, 2))
    refused(path, "module 66 (Linear): W needs 3920000 bytes", "are allowed")


def test_random_damage_of_a_pickle_never_escapes_as_another_error(modules: Any, tmp_path: Path) -> None:
    path, draw = tmp_path / "net.nn", np.random.default_rng(1)
    for protocol in range(6):
        content = pickled(NETS["flat"], modules, protocol)
        for _ in range(150):
            damaged = bytearray(content)
            for place in draw.integers(0, len(content), size=3):
                damaged[place] = int(draw.integers(0, 256))
            path.write_bytes(bytes(damaged[: draw.integers(len(content) // 2, len(content) + 1)]))
            try:
                lrp.load(path)
            except LrpError as error:
                assert "\n" not in str(error)  # noqa: PT017


# The toolbox's own models --------------------------------------------------------------------------------------------


def present(name: str) -> Path:
    if not (path := DATA / name).exists():
        pytest.skip(f"{path} is absent: the toolbox's models are not distributed")
    return path


def test_lenet_recognises_the_digits_of_the_test_set() -> None:
    """The toolbox says 99.23 %; its weights as they were published, rounded to three digits, recognise one more."""
    scipy = pytest.importorskip("scipy.io")
    net = lrp.load(present("toolbox_LeNet-5.txt"))
    images = scipy.loadmat(present("mnist_test_images.mat"))["data"].reshape(-1, 28, 28, 1)
    labels = scipy.loadmat(present("mnist_test_labels.mat"))["data"].reshape(-1)
    x = np.pad(images / 127.5 - 1, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=-1)
    right = sum(
        int((net.forward(x[k : k + 500]).argmax(axis=1) == labels[k : k + 500]).sum()) for k in range(0, len(x), 500)
    )
    assert right == 9924


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("toolbox_LeNet-5.txt", (32, 32, 1)),
        ("toolbox_xor.txt", (2,)),
        ("gait_Cnn1DC8_part0_model.txt", (606, 1, 1)),
        ("gait_MlpLinear_part0_model.txt", (101, 6)),
    ],
)
def test_the_toolbox_s_models_compute_what_their_modules_say(name: str, shape: tuple[int, ...]) -> None:
    path = present(name)
    x = np.random.default_rng(0).normal(size=(2, *shape))
    expected, lines = x, iter(path.read_text().splitlines())
    for header in lines:
        kind, *numbers = header.split()
        sizes = tuple(map(int, numbers))
        weights = []
        if kind in ("Linear", "Convolution"):
            shaped = sizes[: 2 if kind == "Linear" else 4]
            weights = [np.array(next(lines).split(), float).reshape(s) for s in (shaped, shaped[-1:])]
        expected = literal((kind, sizes, *weights), expected)
    out = lrp.load(path).forward(x)
    assert np.abs(out - expected).max() <= 1e-12 * max(1, np.abs(expected).max())


def test_the_gait_networks_answer_as_recorded() -> None:
    with np.load(present("gait_golden.npz")) as stored:
        golden = {k: stored[k] for k in ("X", "Y", "split0", "MlpLinear_y_pred", "MlpLinear_R_pred_act_epsilon")}
    x, subject = golden["X"][golden["split0"]], golden["Y"][golden["split0"]].argmax(axis=1)
    cnn = lrp.load(present("gait_Cnn1DC8_part0_model.txt"))
    channel_major = x.transpose(0, 2, 1).reshape(len(x), 606, 1, 1)
    assert round(float((cnn.forward(channel_major).argmax(axis=1) == subject).mean()), 6) == 0.847619
    linear = lrp.load(present("gait_MlpLinear_part0_model.txt"))
    assert np.abs(linear.forward(x) - golden["MlpLinear_y_pred"]).max() <= 1e-12
    e = lrp.explain(linear, x, target=subject, composite=lrp.rules.Epsilon(1e-5))
    assert np.abs(e.relevance - golden["MlpLinear_R_pred_act_epsilon"]).max() <= 1e-12
