"""What a page is asked for that it cannot be: one sentence says what is wrong and where, and no file is written."""

from __future__ import annotations

import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import ModelFormatError, NonFiniteError, ParameterError, ShapeError
from lrp_ref.layers import Conv, Dense, Flatten
from lrp_ref.pages import Prediction, live, neuron, taylor
from lrp_ref.pages.assembling import framed, write

HALF = "a\ud800b"  # half a letter, which UTF-8 cannot hold


def draw(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def explained(x: Any = None, *layers: Any, **options: Any) -> lrp.Explanation:
    net = lrp.Network.sequential(layers or [Dense(draw(3, 2))])
    return lrp.explain(net, draw(1, 3) if x is None else x, composite="epsilon", **options)


def picture() -> lrp.Explanation:
    return explained(draw(1, 1, 4, 4), Conv(draw(2, 1, 2, 2)), Flatten(), Dense(draw(18, 2)))


# Where a page goes ----------------------------------------------------------------------------------------------------


def test_a_path_that_is_none_for_a_page(tmp_path: Path) -> None:
    e = explained()
    for path, why in (
        (tmp_path, "a folder"), ("", "a folder"), (tmp_path / "no" / "p.html", "there is no folder"),
        (f"{tmp_path}/a\0b", "no name of a file"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=why):
            e.to_html(path)
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_disk_names_the_page(tmp_path: Path) -> None:
    path = tmp_path / f"{'x' * 250}.html"
    with pytest.raises(OSError, match="File name too long") as caught:
        write(path, "text")
    assert caught.value.filename == str(path)


def wasm(*sections: bytes) -> bytes:
    return b"\0asm\1\0\0\0" + b"".join(sections)


def runtime(folder: Path, program: str = "export default 0;", code: bytes = wasm(b"\0\2ab")) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / live.PROGRAM).write_text(f"/*! ONNX Runtime Web v9.9.9 */ {program}")
    (folder / live.WASM).write_bytes(code)
    return folder


def test_a_runtime_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    assert live.Runtime.of(runtime(tmp_path / "dist")).version == "9.9.9"
    for folder, name in (
        (runtime(tmp_path / "one", code=wasm(b"\0\3ab")), live.WASM),
        (runtime(tmp_path / "two", code=wasm(b"\0\x80")), live.WASM),
        (runtime(tmp_path / "three", program="const a ="), live.PROGRAM),
    ):
        with pytest.raises(ParameterError, match=f"{name} ends too early"):
            live.write(tmp_path / "page.html", runtime=folder)


def test_the_live_page_is_not_written_over_what_it_is_made_from(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    folder = runtime(tmp_path / "dist")
    model = tmp_path / "n.npz"
    lrp.save(lrp.Network.sequential([Flatten(), Dense(draw(784, 2))]), model)
    said = (Path(__file__).parents[2] / "models" / "digits_cnn.json").read_text()
    model.with_suffix(".json").write_text(said.replace('"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"', '"a", "b"'))
    for path in (model, model.with_suffix(".json"), folder / live.PROGRAM, folder / live.WASM):
        before = path.read_bytes()
        with pytest.raises(ParameterError, match="is made from this file"):
            live.write(path, runtime=folder, model=model)
        assert path.read_bytes() == before


def test_the_live_page_of_a_network_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError, match=r"no\.onnx: there is no such file"):
        live.write(tmp_path / "p.html", runtime=runtime(tmp_path / "dist"), model=tmp_path / "no.onnx")


# The inspector --------------------------------------------------------------------------------------------------------


def test_numbers_beyond_float32_are_refused_and_not_written_as_infinity() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for x, w in ((1e300, 1.0), (1.0, 1e300), (1e300, 1e-300)):
            with pytest.raises(NonFiniteError, match=r"of '\w+' is \S+ at .*a page holds float32"):
                explained(np.array([[x, 1.0]]), Dense(np.array([[w], [1.0]]))).to_html()


def test_what_no_input_has_room_for_is_refused_and_not_left_out() -> None:
    with pytest.raises(ShapeError, match="no input is a picture"):
        explained().to_html(image=np.zeros((3, 3), np.uint8))
    with pytest.raises(ShapeError, match="2 names, but no input has so many"):
        explained().to_html(features=["a", "b"])
    for classes in (["a"], ["a", "b", "c"]):
        with pytest.raises(ShapeError, match="names for outputs of shape"):
            explained().to_html(classes=classes)
    with pytest.raises(ParameterError, match="compare the same samples"):
        explained().to_html(against=picture())


@pytest.mark.parametrize("image", [5, None, [np.zeros((4, 4), np.uint8), None], [1, 2]])
def test_pictures_of_several_samples_that_are_none(image: Any) -> None:
    e = explained(draw(2, 1, 4, 4), Conv(draw(2, 1, 2, 2)), Flatten(), Dense(draw(18, 2)))
    if image is None:
        assert e.to_html(image=image)
        return
    with pytest.raises(ShapeError, match="image"):
        e.to_html(image=image)


def test_names_may_be_numbers_and_arrays_but_not_one_text() -> None:
    page = explained().to_html(classes=np.array([7, 8]), features=range(3))
    assert page == explained().to_html(classes=["7", "8"], features=["0", "1", "2"])
    for given in ("ab", b"ab", {"a", "b"}, 5):
        with pytest.raises(ParameterError, match="must be a list of names"):
            explained().to_html(classes=given)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"title": 5}, {"budget": "1"}, {"budget": True}, {"against": 5}])
def test_arguments_of_another_kind(options: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=f"{next(iter(options))} must be"):
        explained().to_html(**options)


def test_a_height_is_no_markup() -> None:
    for height in ('1px" onload="alert(1)', 0, -5, float("nan"), float("inf"), True):
        with pytest.raises(ParameterError, match="height"):
            framed("<p>", title="t", height=height)  # type: ignore[arg-type]


def test_half_a_letter_is_no_reason_for_a_page_to_fail() -> None:
    e = explained()
    made = neuron([1, 2], [1, 1], title=HALF, input_names=[HALF] * 2, predict=Prediction(HALF, [HALF], 0))
    shown = taylor([1], [1], title=HALF)
    for page in (
        e.to_html(title=HALF, classes=[HALF] * 2), lrp.pages.inspector(e, title=HALF, classes=[HALF] * 2),
        made.page(), made._repr_html_(), shown.page(), shown._repr_html_(),
    ):  # fmt: skip
        assert "a?b" in page
        page.encode()


def test_a_notebook_shows_names_with_half_a_letter() -> None:
    net = lrp.Network.sequential([(HALF, Dense(draw(3, 2), draw(2)))])
    e = lrp.explain(net, draw(1, 3), composite="epsilon")
    for shown in (e._repr_html_(), e.ledger._repr_html_(), repr(e.ledger)):
        assert "a?b" in shown
        shown.encode()


def test_a_notebook_shows_an_input_of_no_channels() -> None:
    e = explained(draw(1, 0, 1, 1), Conv(draw(2, 0, 1, 1), np.ones(2)), Flatten(), Dense(draw(2, 2)))
    assert "<svg" in e._repr_html_()


# The neuron and the expansion ----------------------------------------------------------------------------------------

NO_NUMBERS = [
    ["a", 1],
    [1e-320, 1],
    [[1], [1, 2]],
    [None, 1],
    [1j, 1],
    np.array([1j, 1]),
    [10**400, 1],
    [1e300, 1],
    {1: 2},
]


@pytest.mark.parametrize("given", NO_NUMBERS)
def test_what_are_no_numbers_is_refused_in_every_place(given: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for place in range(3):
            arguments = [[1, 2], [[1, 2], [3, 4]], [1, 2]]
            arguments[place] = given
            with pytest.raises(ParameterError, match=r"neuron: .* must be"):
                neuron(*arguments)
        for options in ({"a": given}, {"weights": given}, {"bias": given}, {"root": given}, {"bounds": given}):
            with pytest.raises(ParameterError, match=r"taylor: .* must be"):
                taylor(**{"a": [1, 1], "weights": [1, 1], **options})


def test_exact_and_tiny_numbers_are_shown() -> None:
    assert "0.3333" in repr(neuron([Fraction(1, 3)], [1]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        neuron([1e-60, 1e60], [1, 1], rule=lrp.rules.Epsilon(0.1)).page()
        taylor([1e-60, 1e-10], [1, 1], -1, bounds=(0, 1)).page()
        assert taylor([1], [1e-10], -1e10).roots() == []
    for place in (neuron, taylor):
        with pytest.raises(ParameterError, match="must be 0 or numbers from 1e-60 on"):
            place([1e-320], [1])
    with pytest.raises(ParameterError, match="the weights are below"):
        taylor([1, 1], [1e-11, 0])
    with pytest.raises(ShapeError, match="the bias has 2 numbers"):
        taylor([1, 1], [1, 1], [1, 2])  # type: ignore[arg-type]


def test_questions_that_are_none() -> None:
    assert neuron([1, 2], [1, 1], predict=np.int64(1)).predict is not None  # type: ignore[arg-type]
    for given in (1.0, "1", [1], True, {"question": "q"}):
        with pytest.raises(ParameterError, match=r"predict must be a lrp\.pages\.Prediction"):
            neuron([1, 2], [1, 1], predict=given)  # type: ignore[arg-type]
        with pytest.raises(ParameterError, match=r"predict must be a lrp\.pages\.Prediction"):
            taylor([1, 2], [1, 1], predict=given)  # type: ignore[arg-type]
    for arguments in (
        (5, ["a"], 0),
        ("q", "ab", 1),
        ("q", ["a"], "0"),
        ("q", ["a"], None),
        ("q", None, 0),
        ("q", [1], 0),
    ):
        with pytest.raises(ParameterError, match="Prediction: "):
            Prediction(*arguments)  # type: ignore[arg-type]
