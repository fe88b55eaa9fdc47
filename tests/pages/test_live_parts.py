"""What the live page computes beside its graph: pictures of drawings, starts by linearity, and what it is made of."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import javascript
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import lrp_ref as lrp
from lrp_ref.errors import ModelFormatError, ParameterError
from lrp_ref.pages import drawn, live

HERE = Path(__file__).parent
PROGRAM = (HERE / "live.mjs").read_text(encoding="utf-8")
SETS: list[dict[str, Any]] = json.loads((HERE / "strokes.json").read_text(encoding="utf-8"))
PEN = {"side": drawn.SIDE, "box": drawn.BOX, "pen": drawn.PEN, "smallest": drawn.SMALLEST}
MODEL = Path(lrp.__file__).parent / "data" / "digits_cnn.npz"
ODD: list[list[list[tuple[float, float]]]] = [
    [], [[(0.5, 0.5)]], [[(0.2, 0.2)], []], [[(0.1, 0.1), (0.1, 0.1), (0.9, 0.1)]], [[(0.0, 0.0), (1.0, 1.0)]],
    [[(0.5, 0.501), (0.5, 0.502)]],
]  # fmt: skip


@cache
def network() -> lrp.Network:
    return live.read(MODEL)[0]


def by_the_twin(sets: list[Any], program: str = PROGRAM) -> NDArray[np.float64]:
    return np.array(javascript.run(program, {"what": "pictures", "sets": sets, "pen": PEN})).reshape(-1, 28, 28)


def test_the_page_and_python_make_one_picture_of_a_drawing() -> None:
    sets = [s["lines"] for s in SETS] + ODD
    made = by_the_twin(sets)
    wanted = np.array([drawn.picture(lines) for lines in sets])
    assert abs(made - wanted).max() <= 1e-6
    assert [bool(ink.any()) for ink in made[-len(ODD) :]] == [False, True, True, True, True, True]


def test_a_pen_of_another_width_would_be_seen() -> None:
    other = javascript.run(PROGRAM, {"what": "pictures", "sets": [SETS[0]["lines"]], "pen": PEN | {"pen": 1.4}})
    assert abs(np.array(other[0]).reshape(28, 28) - drawn.picture(SETS[0]["lines"])).max() > 0.05


@pytest.mark.parametrize("k", range(0, len(SETS), 4))
def test_the_picture_is_that_of_a_round_pen_in_fine_pixels(k: int) -> None:
    """Pillow draws discs and broad lines, 16 pixels for one; centre of mass and box are measured on what comes out."""
    fine, lines = 16, [np.array(line) for line in SETS[k]["lines"]]
    got = drawn.picture(SETS[k]["lines"])
    points = np.concatenate(lines)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (20 - 2 * drawn.PEN) / (high - low).max()

    def ink(shift: NDArray[np.float64]) -> NDArray[np.float64]:
        page = Image.new("L", (28 * fine, 28 * fine))
        draw, r = ImageDraw.Draw(page), drawn.PEN * fine
        for line in lines:
            at = ((line - (low + high) / 2) * scale + 14 + shift) * fine
            draw.line([tuple(p) for p in at], fill=255, width=round(2 * r))
            for x, y in at:
                draw.ellipse((x - r, y - r, x + r, y + r), fill=255)
        return np.asarray(page, dtype=np.float64).reshape(28, fine, 28, fine).mean(axis=(1, 3)) / 255

    def centre(picture: NDArray[Any]) -> NDArray[np.float64]:
        rows, columns = np.indices(picture.shape) + 0.5
        return np.array([(picture * columns).sum(), (picture * rows).sum()]) / picture.sum()

    wanted = ink(14 - centre(ink(np.zeros(2))))
    assert abs(got - wanted).mean() < 0.012
    assert abs(centre(got) - 14).max() < 0.05
    inked = np.argwhere(got > 0.5)
    assert abs((np.ptp(inked, axis=0) + 1).max() - 20) <= 1


def test_the_network_reads_the_stored_drawings() -> None:
    digits = np.array([s["digit"] for s in SETS])
    said = network().forward(np.array([drawn.picture(s["lines"]) for s in SETS])[:, None]).argmax(axis=1)
    threes = digits == 3
    assert threes.sum() == 20
    assert (said == digits)[threes].sum() >= 19
    assert (said == digits)[~threes].mean() >= 0.9
    for name, lines in drawn.SAMPLES.items():
        sample = drawn.picture([drawn.smooth(line) for line in lines])
        assert network().forward(sample[None, None]).argmax() == int(name)


def test_a_smooth_line_goes_through_its_points_and_keeps_a_straight_one() -> None:
    line = drawn.SAMPLES["3"][0]
    assert set(line) <= set(drawn.smooth(line))
    straight = drawn.smooth([(0.0, 0.0), (1.0, 0.5), (2.0, 1.0)])
    assert all(y == pytest.approx(x / 2, abs=1e-4) for x, y in straight)


# Starts --------------------------------------------------------------------------------------------------------------


def unit_explanations(three: NDArray[Any]) -> lrp.Explanation:
    batch = np.repeat(three[None, None].astype(float), 10, axis=0)
    return lrp.explain(network(), batch, target=np.arange(10), composite=live.COMPOSITE, start="one_hot")


def test_every_start_is_made_of_explanations_of_one() -> None:
    three = drawn.picture(SETS[0]["lines"])
    e = unit_explanations(three)
    ledger = np.stack([np.stack([getattr(r, c) for c in live.COLUMNS], axis=-1) for r in e.ledger], axis=1)
    kinds = ("logit", "probability", "contrastive", "log_odds")
    asked: list[dict[str, Any]] = [{"kind": kind, "target": t} for kind in kinds for t in (3, 9)]
    asked += [{"kind": "difference", "target": 3, "against": 9}, {"kind": "difference", "target": 9, "against": 0}]
    given = {"what": "starts", "output": e.output[0].tolist(), "unit": e.relevance.reshape(-1).tolist()}
    answers = javascript.run(
        PROGRAM, given | {"ledger": ledger.reshape(-1).tolist(), "columns": live.COLUMNS, "asked": asked}
    )
    for question, answer in zip(asked, answers, strict=True):
        said = question.get("against")
        start: Any = question["kind"] if said is None else lrp.start.Difference(said)
        one = lrp.explain(
            network(), three[None, None].astype(float), target=question["target"], composite=live.COMPOSITE, start=start
        )
        scale = abs(one.relevance).max()
        assert abs(np.array(answer["map"]) - one.relevance.reshape(-1)).max() <= 1e-10 * max(scale, 1e-9), question
        account = answer["account"]
        wanted = {c: sum(float(getattr(r, c)[0]) for r in one.ledger) for c in ("bias", "stabiliser", "dropped")}
        wanted |= {"from": float(one.started[0]), "arrived": float(one.arrived[0])}
        size = abs(np.array(answer["start"])).sum()
        for name, number in wanted.items():
            assert abs(account[name] - number) <= 1e-10 * size, (question, name)
        assert abs(account["rounding"]) <= 1e-10 * size


PLANTS = [
    ("digits.js", "middle - across / whole", "0"),
    ("digits.js", "high[0] - low[0], high[1] - low[1], smallest", "high[1] - low[1], smallest"),
    ("digits.js", "Math.min(Math.max(reach - d, 0), 1)", "Number(reach - d > 0.5)"),
    ("starts.js", "f[t] : -f[t] / (f.length - 1)", "f[t] : -f[t] / f.length"),
    ("starts.js", "v : -p[k] * v", "v : -p[k]"),
    ("starts.js", "k === against ? -v", "k === against ? v"),
    ("starts.js", "all.at(-1).relevance_in", "all.at(-2).relevance_in"),
]


@pytest.mark.parametrize(("name", "right", "wrong"), PLANTS)
def test_a_planted_fault_is_found(
    name: str, right: str, wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(javascript.ASSETS, tmp_path / "assets"))
    source = (folder / name).read_text(encoding="utf-8")
    assert source.count(right) == 1
    (folder / name).write_text(source.replace(right, wrong), encoding="utf-8")
    monkeypatch.setattr(javascript, "ASSETS", folder)
    check = {
        "digits.js": test_the_page_and_python_make_one_picture_of_a_drawing,
        "starts.js": test_every_start_is_made_of_explanations_of_one,
    }[name]
    with pytest.raises(AssertionError):
        check()


def test_one_class_against_itself_is_nothing() -> None:
    given = {"what": "starts", "output": [1.0, -2.0], "unit": [1.0, 2.0], "ledger": [1.0] * 12, "columns": live.COLUMNS}
    answer = javascript.run(PROGRAM, given | {"asked": [{"kind": "difference", "target": 1, "against": 1}]})[0]
    assert answer["start"] == [0, 0]


# What a page is made of ----------------------------------------------------------------------------------------------


def runtime(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / live.PROGRAM).write_text("/*! ONNX Runtime Web v9.9.9 */ export default 0;")
    (folder / live.WASM).write_bytes(b"\0asm\1\0\0\0")
    return folder


def test_a_runtime_that_is_none_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    with pytest.raises(ParameterError, match="there is no such folder; give the folder 'dist'"):
        live.write(page, runtime=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ParameterError, match=rf"it has no {live.PROGRAM} and no {live.WASM}"):
        live.write(page, runtime=tmp_path / "empty")
    folder = runtime(tmp_path / "dist")
    (folder / live.WASM).write_bytes(b"<html>")
    with pytest.raises(ParameterError, match="is no WebAssembly"):
        live.write(page, runtime=folder)
    (folder / live.PROGRAM).write_text("export default 0;")
    with pytest.raises(ParameterError, match="not that of onnxruntime-web"):
        live.write(page, runtime=folder)
    assert not page.exists()


def test_a_network_that_reads_no_drawings_is_refused(tmp_path: Path) -> None:
    folder = runtime(tmp_path / "dist")
    net = lrp.Network.sequential([lrp.layers.Flatten(), lrp.layers.Dense(np.ones((784, 40)))])
    lrp.save(net, tmp_path / "many.npz")
    with pytest.raises(ModelFormatError, match=r"many\.json says of none"):
        live.write(tmp_path / "page.html", runtime=folder, model=tmp_path / "many.npz")
    said = json.loads(MODEL.with_suffix(".json").read_text())
    (tmp_path / "many.json").write_text(json.dumps(said | {"classes": []}))
    with pytest.raises(ModelFormatError, match=r"room for 2 to 16 classes; the output is \(40,\)"):
        live.write(tmp_path / "page.html", runtime=folder, model=tmp_path / "many.npz")


def test_names_of_classes_are_no_markup(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    rng = np.random.default_rng(0)
    lrp.save(
        lrp.Network.sequential([lrp.layers.Flatten(), lrp.layers.Dense(rng.normal(size=(784, 2)))]), tmp_path / "n.npz"
    )
    said = json.loads(MODEL.with_suffix(".json").read_text())
    hostile = ["</script><img src=x onerror=alert(1)>", "\u202eb"]
    (tmp_path / "n.json").write_text(json.dumps(said | {"classes": hostile, "licence": "<b>"}))
    page = live.write(tmp_path / "p.html", runtime=runtime(tmp_path / "dist"), model=tmp_path / "n.npz").read_text()
    assert "<img" not in page
    assert "<b>" not in page
    assert page.count("</script>") == page.count("<script")


def test_two_pages_are_the_same_to_the_byte(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    folder = runtime(tmp_path / "dist")
    one, two = (live.write(tmp_path / name, runtime=folder).read_bytes() for name in ("a.html", "b.html"))
    assert one == two


def test_weights_stand_in_the_page_once() -> None:
    pytest.importorskip("onnx")
    net, sidecar = live.read(MODEL)
    graph = live.exported(net)
    three = drawn.picture([drawn.smooth(line) for line in drawn.SAMPLES["3"]])
    first = live.first_view(net, sidecar, three)
    layers = {node.name: node.layer for node in net.nodes}
    weighted = [
        n for n in live.nodes(first, graph) if "weight" in n.get("unit", {}) and n["layer"] in ("Conv", "Dense")
    ]
    assert [n["name"] for n in weighted] == ["conv1", "conv2", "conv3", "dense4"]
    for node in weighted:
        at, size = node["unit"]["weight"]
        found = np.frombuffer(graph[at : at + 4 * size], dtype="<f4")
        assert (found == layers[node["name"]].weight.reshape(-1)).all()
