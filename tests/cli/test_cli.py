"""The command line as a user meets it: results, one-line errors with exit status 2, nothing half-written."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import CATS, PHOTO, array, dense_model, pixel_model, run
from PIL import Image

from lrp_ref import Network, layers, loaders
from lrp_ref.cli import job
from lrp_ref.errors import LrpError

ROOT = Path(__file__).parents[2]
MODELS, SAMPLES = ROOT / "models", ROOT / "models" / "samples"


def process(*arguments: object, cwd: Path = ROOT, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, after the statements ``before``."""
    code = f"import sys; {before}\nfrom lrp_ref.cli import main; main(prog_name='lrp-ref')"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False, timeout=120)


@pytest.fixture
def dense(tmp_path: Path) -> Path:
    """z = (x₁ + 2x₂ + ½, −x₁ + 3x₂ − 1)."""
    return dense_model(tmp_path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A network of four pixels, z = (Σx, Σx/2, −Σx), with a sidecar and a picture."""
    Image.fromarray(np.array([[4, 8], [12, 16]], dtype=np.uint8)).save(tmp_path / "photo.png")
    return pixel_model(tmp_path, classes=CATS)


# explain ---------------------------------------------------------------------------------------------------------


def test_relevance_of_a_dense_layer_by_hand(dense: Path, tmp_path: Path) -> None:
    """x = (3, 1): z = (5.5, −1); target 0 gets its logit: R = (3·1, 1·2), the bias ½."""
    x = array(tmp_path / "x.npy", [[3.0, 1.0]])
    done = run("explain", dense, x, "-c", "lrp0", "-o", tmp_path / "out")
    assert (done.exit_code, done.stderr) == (0, "")
    with np.load(tmp_path / "out" / "x.npz") as saved:
        assert saved["input_relevance/relevance"].tolist() == [[3.0, 2.0]]
        assert saved["output"].tolist() == [[5.5, -1.0]]
        assert saved["target"].tolist() == [[0]]
    lines = {line.split("  ")[0]: line.split() for line in done.stdout.splitlines()}
    assert lines["to the input"][3:] == ["5", "90.9", "%"]
    assert lines["to biases"][2:] == ["0.5", "9.1", "%", "fc", "0.5"]
    assert lines["start"][1:] == ["5.5", "100.0", "%"]
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["x.npz"]  # a vector has no picture


def test_target_composite_parameters_and_start(dense: Path, tmp_path: Path) -> None:
    x = array(tmp_path / "x.npy", [[3.0, 1.0]])
    options = ["-t", 1, "-c", "epsilon", "--epsilon", 1, "--start", "one_hot", "-o", tmp_path / "out"]
    assert run("explain", dense, x, *options).exit_code == 0
    with np.load(tmp_path / "out" / "x.npz") as saved:  # z₁ = −1, with ε: −2; R = (−3, 3)/−2
        assert saved["input_relevance/relevance"].tolist() == [[1.5, -1.5]]
    assert run("explain", dense, x, "--start", "reference=5", "-o", tmp_path / "out", "-c", "lrp0").exit_code == 0
    with np.load(tmp_path / "out" / "x.npz") as saved:  # 5.5 − 5 over z = 5.5
        np.testing.assert_allclose(saved["input_relevance/relevance"], [[3 / 11, 2 / 11]], rtol=1e-12)


def test_top_explains_the_largest_outputs_in_their_order(photos: Path, tmp_path: Path) -> None:
    done = run("explain", photos, tmp_path / "photo.png", "--top", 3, "-o", tmp_path / "out")
    assert done.exit_code == 0
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == [f"photo_target{k}.{kind}" for k in (0, 1, 2) for kind in ("npz", "png")]
    told = [line.split(",")[0] for line in done.stdout.splitlines() if line.startswith("relevance of")]
    assert told == ["relevance of Egyptian cat", "relevance of tiger cat", "relevance of catamaran"]
    with np.load(tmp_path / "out" / "photo_target1.npz") as saved:  # x = pixels/4 = 1, 2, 3, 4; weight ½
        assert saved["input_relevance/relevance"].tolist() == [[[[0.5, 1.0], [1.5, 2.0]]]]


def test_pictures_go_through_the_sidecar(photos: Path, tmp_path: Path) -> None:
    done = run("explain", photos, tmp_path / "photo.png", "-o", tmp_path / "out", "--plan", "--ledger")
    assert done.exit_code == 0
    with np.load(tmp_path / "out" / "photo.npz") as saved:
        assert saved["input_relevance/relevance"].tolist() == [[[[1.0, 2.0], [3.0, 4.0]]]]
        assert saved["output"].tolist() == [[10.0, 5.0, -10.0]]
    with Image.open(tmp_path / "out" / "photo.png") as image:
        assert image.info["relevance_limit"] == "4.0"
    assert "Egyptian cat" in done.stdout
    assert "99.33 %" in done.stdout  # 1/(1 + e⁻⁵ + e⁻²⁰)
    assert "because of" in done.stdout
    assert "relevance_out" in done.stdout


@pytest.mark.parametrize(("text", "index"), [("egyptian CAT", 0), ("Egypt", 0), ("tiger", 1), ("catam", 2), ("2", 2)])
def test_targets_by_name(photos: Path, tmp_path: Path, text: str, index: int) -> None:
    assert run("explain", photos, tmp_path / "photo.png", "-t", text, "-o", tmp_path / "out").exit_code == 0
    with np.load(tmp_path / "out" / "photo.npz") as saved:
        assert saved["target"].tolist() == [[index]]


def test_batches_of_an_array_and_a_ledger_file(dense: Path, tmp_path: Path) -> None:
    x = array(tmp_path / "x.npy", [[3.0, 1.0], [1.0, 1.0], [0.0, 2.0]])
    for size in (1, 2):
        ledger = tmp_path / "ledger.csv"
        out = tmp_path / f"out{size}"
        done = run("explain", dense, x, "-c", "lrp0", "-t", 0, "--batch-size", size, "-o", out, "--ledger-file", ledger)
        assert done.exit_code == 0
        assert len(done.stdout.splitlines()) == 3
        found = [np.load(out / f"x_{k}.npz")["input_relevance/relevance"].tolist() for k in range(3)]
        assert found == [[[3.0, 2.0]], [[1.0, 2.0]], [[0.0, 4.0]]]
        with ledger.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [(r["input"], r["target"], r["node"], float(r["relevance_in"]), float(r["bias"])) for r in rows] == [
            ("x_0", "0", "fc", 5.0, 0.5),
            ("x_1", "0", "fc", 3.0, 0.5),
            ("x_2", "0", "fc", 4.0, 0.5),
        ]
    assert run("explain", dense, x, "-o", tmp_path / "o", "--ledger-file", tmp_path / "l.json").exit_code == 0
    rows = json.loads((tmp_path / "l.json").read_text())
    assert [r["input"] for r in rows] == ["x_0", "x_1", "x_2"]
    assert rows[0]["rule"].startswith("Epsilon")


def test_batches_go_over_files_and_keep_their_size(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    plain = job.explain_network

    def recorded(net: Network, x: dict[str, Any], **options: Any) -> Any:
        sizes.append([len(a) for a in x.values()])
        return plain(net, x, **options)

    monkeypatch.setattr("lrp_ref.cli.job.explain_network", recorded)
    x = array(tmp_path / "x.npy", np.arange(1.0, 9.0).reshape(2, 1, 2, 2))  # as float64 as the network's own pictures
    options = ["--batch-size", 2, "-o", tmp_path / "out", "--float64"]
    assert run("explain", photos, tmp_path / "photo.png", x, *options).exit_code == 0
    assert sizes == [[2], [1]]
    found = [
        np.load(tmp_path / "out" / f"{n}.npz")["input_relevance/relevance"].ravel() for n in ("photo", "x_0", "x_1")
    ]
    assert [r.tolist() for r in found] == [[1, 2, 3, 4], [1, 2, 3, 4], [5, 6, 7, 8]]
    assert run("explain", photos, SAMPLES / "digit_1.png", array(tmp_path / "y.npy", np.ones((1, 1, 4, 1))), *options)
    assert sizes[2:] == [[1], [1]]  # other shapes are other batches


def test_one_sample_without_batch_axis_named_inputs_and_float32(photos: Path, tmp_path: Path) -> None:
    onnx_like = Network.sequential([("sum", layers.Dense(np.ones((2, 1), dtype=np.float32)))], input_name="x")
    net = Network(onnx_like.nodes, (type(onnx_like.inputs[0])("x", (None, 2)),), onnx_like.outputs)
    loaders.save(net, tmp_path / "net.npz")
    np.savez(tmp_path / "in.npz", x=np.array([1.5, 2.5], dtype=">f4"), labels=np.arange(3))
    assert run("explain", tmp_path / "net.npz", tmp_path / "in.npz", "-o", tmp_path / "out").exit_code == 0
    with np.load(tmp_path / "out" / "in.npz") as saved:
        assert saved["output"].dtype == np.float32
        assert saved["output"].tolist() == [[4.0]]
    again = run("explain", tmp_path / "net.npz", tmp_path / "in.npz", "-o", tmp_path / "out", "--float64")
    assert again.exit_code == 0
    with np.load(tmp_path / "out" / "in.npz") as saved:
        assert saved["output"].dtype == np.float64


def test_bounds_come_from_the_sidecar_unless_they_are_given(photos: Path, tmp_path: Path) -> None:
    """z^B literally: R_i ∝ x_i w_i − low·w_i⁺ − high·w_i⁻, x = (pixel − 100)/4, low = −25, high = 38.75."""
    weight = np.array([1.0, 2.0, 1.0, -1.0])
    net = Network.sequential([layers.Conv(weight.reshape(1, 1, 2, 2)), layers.Flatten()])
    loaders.save(net, tmp_path / "conv.npz")
    (tmp_path / "conv.json").write_text(json.dumps({"input": {**PHOTO, "mean": 100}}))
    x = (np.array([4.0, 8.0, 12.0, 16.0]) - 100) / 4
    for given, low, high in (([], -25, 38.75), (["--low", -30], -30, 38.75), (["--low", -30, "--high", 50], -30, 50)):
        options = ["-c", "epsilon_gamma_box", "-o", tmp_path / "out", *given]
        assert run("explain", tmp_path / "conv.npz", tmp_path / "photo.png", *options).exit_code == 0
        share = x * weight - low * np.maximum(weight, 0) - high * np.minimum(weight, 0)
        expected = share / share.sum() * (x * weight).sum()
        with np.load(tmp_path / "out" / "photo.npz") as saved:
            np.testing.assert_allclose(saved["input_relevance/relevance"].ravel(), expected, rtol=1e-6)


def test_folders_and_equal_names(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for name in ("b.png", "a.png", "a.bmp"):
        Image.fromarray(np.array([[4, 8], [12, 16]], dtype=np.uint8)).save(folder / name)
    (folder / "notes.md").write_text("no picture")
    done = run("explain", photos, folder, "-o", tmp_path / "out")
    assert done.exit_code == 0
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["a", "a_2", "b"]
    assert [line.split("; ")[-1] for line in done.stdout.splitlines()] == [
        f"{tmp_path / 'out' / name}.png, {tmp_path / 'out' / name}.npz" for name in ("a", "a_2", "b")
    ]
    assert len(list((tmp_path / "out").iterdir())) == 6


def test_the_same_command_twice_writes_the_same_bytes(photos: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert run("explain", photos, tmp_path / "photo.png", "--trace", "-o", tmp_path / name).exit_code == 0
    for file in ("photo.png", "photo.npz"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_the_cat_in_a_process_of_its_own(tmp_path: Path) -> None:
    """The published prediction (models/samples/README.md): Egyptian cat 0.39, tiger cat 0.33, tabby 0.16."""
    pytest.importorskip("onnx")
    done = process("explain", MODELS / "efficientnet_lite0.onnx", SAMPLES / "chelsea.png", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split() for line in done.stdout.splitlines()[2:5]]
    assert [(r[0], round(float(r[-2]) / 100, 2)) for r in rows] == [("285", 0.39), ("282", 0.33), ("281", 0.16)]
    with np.load(tmp_path / "explanations" / "chelsea.npz") as saved:
        relevance = saved["input_relevance/relevance"][0].sum(axis=0)
    # Both eyes and the nose, a sixth of the photo, hold most of the relevance; its margin next to none.
    face = relevance[60:115, 40:105].sum() + relevance[75:125, 155:210].sum() + relevance[160:215, 110:160].sum()
    assert face > 0.4 * relevance.sum()
    margin = relevance.sum() - relevance[8:-8, 8:-8].sum()
    assert abs(margin) < 0.06 * relevance.sum()
    with Image.open(tmp_path / "explanations" / "chelsea.png") as image:
        assert image.width > 3 * 224


def test_a_series_is_drawn_as_a_series(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    done = run("explain", MODELS / "sequence_lstm.onnx", SAMPLES / "vowel_speaker4.npy", "-o", tmp_path / "out")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[2].split()[:3] == ["3", "speaker", "4"]
    with Image.open(tmp_path / "out" / "vowel_speaker4.png") as image:
        assert image.height > 12 * 72  # twelve channels below each other


# Unusable input --------------------------------------------------------------------------------------------------


def broken_onnx(folder: Path) -> Path:
    (folder / "cut.onnx").write_bytes((MODELS / "digits_cnn.onnx").read_bytes()[:50_000])
    return folder / "cut.onnx"


def no_onnx(folder: Path) -> Path:
    (folder / "no.onnx").write_bytes(b"this is no model " * 20)
    return folder / "no.onnx"


def strange_operator(folder: Path) -> Path:
    onnx = pytest.importorskip("onnx")
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("Det", ["x"], ["y"], name="determinant")
    inputs, outputs = [value("x", 1, ["N", 2, 2])], [value("y", 1, ["N"])]
    graph = onnx.helper.make_graph([node], "g", inputs, outputs)
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), folder / "det.onnx")
    return folder / "det.onnx"


def cut_picture(folder: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, size=(40, 40), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "cut.png")
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:800])
    return folder / "cut.png"


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


Case = Callable[[Path], list[object]]
PHOTO_COMMAND: Callable[[Path], list[object]] = lambda p: ["explain", p / "four.npz", p / "photo.png"]  # noqa: E731


def convolution(folder: Path) -> Path:
    """z_1 = x_1 + ½, z_2 = x_2 + ½."""
    net = Network.sequential([layers.Conv(np.ones((1, 1, 1)), np.array([0.5]))])
    loaders.save(net, folder / "convolution.npz")
    return folder / "convolution.npz"


def saved_array(folder: Path) -> Path:
    np.save(folder / "b.npy", np.ones(3))
    return folder / "b.npy"


UNUSABLE: dict[str, tuple[Case, str]] = {
    "truncated ONNX file": (lambda p: ["explain", broken_onnx(p), p / "photo.png"], "cut.onnx: "),
    "not an ONNX file": (lambda p: ["explain", no_onnx(p), p / "photo.png"], "no.onnx: "),
    "unsupported operator": (lambda p: ["show", strange_operator(p)], "Det"),
    "unknown suffix": (lambda p: ["explain", written(p, "net.xyz", ""), p / "photo.png"], "no loader for '.xyz'"),
    "missing model": (lambda p: ["explain", p / "none.onnx", p / "photo.png"], "none.onnx: there is no such file"),
    "missing input": (lambda p: ["explain", p / "four.npz", p / "none.png"], "none.png: there is no such file"),
    "empty folder": (lambda p: [*PHOTO_COMMAND(p)[:2], p / "empty"], "a folder without pictures"),
    "wrong shape": (
        lambda p: ["explain", p / "dense.npz", array(p / "x.npy", np.ones((1, 5)))],
        "node 'fc': ",
    ),
    "NaN": (lambda p: ["explain", p / "dense.npz", array(p / "x.npy", [[1.0, np.nan]])], "the first is nan at (0, 1)"),
    "objects": (
        lambda p: ["explain", p / "dense.npz", array(p / "x.npy", np.array([[1, None]], dtype=object))],
        "holds Python objects, which are never read",
    ),
    "texts": (lambda p: ["explain", p / "dense.npz", array(p / "x.npy", [["a", "b"]])], "expected real numbers"),
    "no sample": (lambda p: ["explain", p / "dense.npz", array(p / "x.npy", np.ones((0, 2)))], "no sample in it"),
    "damaged npy": (lambda p: ["explain", p / "dense.npz", written(p, "x.npy", "no array")], "x.npy: not a readable"),
    "text": (lambda p: ["explain", p / "dense.npz", written(p, "x.txt", "a film")], "text needs a tokenizer"),
    "no sidecar": (lambda p: ["explain", p / "dense.npz", p / "photo.png"], '"kind": "image"'),
    "target out of range": (lambda p: [*PHOTO_COMMAND(p), "-t", 3], "target 3 is out of range"),
    "negative target": (lambda p: [*PHOTO_COMMAND(p), "--target=-1"], "target -1 is out of range"),
    "too many": (lambda p: [*PHOTO_COMMAND(p), "--top", 4], "--top 4: the network has 3 outputs"),
    "unknown class": (lambda p: [*PHOTO_COMMAND(p), "-t", "tigre cat"], "did you mean 'tiger cat' (1)"),
    "several classes": (lambda p: [*PHOTO_COMMAND(p), "-t", "cat"], "Egyptian cat (0), tiger cat (1), catamaran (2)"),
    "no class names": (lambda p: ["explain", p / "dense.npz", p / "photo.png", "-t", "cat"], "no class names"),
    "target and top": (lambda p: [*PHOTO_COMMAND(p), "-t", 1, "--top", 2], "exclude each other"),
    "unknown composite": (lambda p: [*PHOTO_COMMAND(p), "-c", "epsilon_pluss"], "did you mean 'epsilon_plus'?"),
    "parameter out of range": (lambda p: [*PHOTO_COMMAND(p), "-c", "epsilon", "--epsilon", -1], "must be ≥ 0, got -1"),
    "parameter that is none": (lambda p: [*PHOTO_COMMAND(p), "--gamma", 1], "not 'gamma'"),
    "no bounds": (
        lambda p: ["explain", convolution(p), array(p / "x.npy", [[[1.0, 1]]]), "-c", "epsilon_gamma_box"],
        "composite 'epsilon_gamma_box' needs low= and high= (--low and --high), the bounds of what node 'conv1' reads: "
        "input 'input' declares no range",
    ),
    "bias policy of a derivative": (
        lambda p: [*PHOTO_COMMAND(p), "-c", "gradient", "--bias", "ignore"],
        "bias='ignore' says nothing here, for Gradient has no denominator in which a bias could stand; leave bias out",
    ),
    "bad bounds": (lambda p: [*PHOTO_COMMAND(p), "-c", "montavon_vgg16", "--low", "a"], "--low a: give a number"),
    "unknown start": (lambda p: [*PHOTO_COMMAND(p), "--start", "logits"], "did you mean 'logit'?"),
    "bad reference": (lambda p: [*PHOTO_COMMAND(p), "--start", "reference=x"], "reference=2.5"),
    "unknown output": (lambda p: [*PHOTO_COMMAND(p), "--output", "dense2"], "did you mean 'dense1'?"),
    "unknown colours": (lambda p: [*PHOTO_COMMAND(p), "--cmap", "rainbow"], "rainbow"),
    "bad limit": (lambda p: [*PHOTO_COMMAND(p), "--limit", "half"], "'half'"),
    "bad ledger file": (lambda p: [*PHOTO_COMMAND(p), "--ledger-file", p / "l.txt"], ".csv or .json"),
    "unwritable ledger": (lambda p: [*PHOTO_COMMAND(p), "--ledger-file", p / "no" / "l.csv"], "no does not exist"),
    "unreadable picture": (lambda p: ["explain", p / "four.npz", cut_picture(p)], "cut.png: the picture cannot be"),
    "no picture": (lambda p: ["explain", p / "four.npz", written(p, "a.jpg", "x")], "a.jpg: not a picture"),
    "folder is a file": (lambda p: [*PHOTO_COMMAND(p), "-o", p / "four.json"], "four.json"),
    "folder in a file": (lambda p: [*PHOTO_COMMAND(p), "-o", p / "four.json" / "x"], "Not a directory"),
    "result is an input": (lambda p: [*PHOTO_COMMAND(p), "-o", p], "photo.png is read or written by this run"),
    "no sidecar there": (lambda p: [*PHOTO_COMMAND(p), "--sidecar", p / "no.json"], "no.json: there is no such"),
    "sidecar broken": (
        lambda p: [*PHOTO_COMMAND(p), "--sidecar", written(p, "bad.json", '{"input": {"kind": "image"}}')],
        "bad.json: key 'input.channels' is missing",
    ),
    "sidecar no JSON": (lambda p: [*PHOTO_COMMAND(p), "--sidecar", written(p, "bad.json", "{")], "bad.json: not a"),
    "classes do not fit": (
        lambda p: [
            *PHOTO_COMMAND(p),
            "--sidecar",
            written(p, "two.json", json.dumps({"input": PHOTO, "classes": ["a", "b"]})),
        ],
        "names 2 classes; the output has 3 numbers",
    ),
    "diff without file": (lambda p: ["diff", p / "a.npz", p / "b.npz"], "a.npz: no such file"),
    "diff of a network": (lambda p: ["diff", p / "four.npz", p / "four.npz"], "four.npz: expected a file of format"),
    "diff of an array": (
        lambda p: ["diff", saved_array(p), saved_array(p)],
        "b.npy: not a readable trace: a single array",
    ),
    "show a picture": (lambda p: ["show", p / "photo.png"], "a picture, not a model"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_unusable_input_is_one_line_and_leaves_no_file(
    case: str, dense: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    build, expected = UNUSABLE[case]
    arguments = build(tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith("lrp-ref: error: ")
    assert done.stderr.endswith("\n")
    assert done.stderr.count("\n") == 1
    assert expected in done.stderr
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_bad_input_after_a_good_one_leaves_the_good_result(photos: Path, tmp_path: Path) -> None:
    done = run("explain", photos, tmp_path / "photo.png", cut_picture(tmp_path), "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert done.stderr.splitlines()[0] == "lrp-ref: 1 of 2 inputs is refused"
    assert done.stderr.splitlines()[1].startswith(f"  {tmp_path / 'cut.png'}: the picture cannot be read: ")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["photo.npz", "photo.png"]


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    block = "sys.modules['onnx'] = None"
    done = process("explain", MODELS / "digits_cnn.onnx", SAMPLES / "digit_1.png", cwd=tmp_path, before=block)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("lrp-ref: error: onnx is needed to read ONNX files and is not installed")
    assert done.stderr.endswith("run: pip install 'lrp-ref[onnx]', in a clone: pip install -e '.[onnx]'\n")
    assert not list(tmp_path.iterdir())


def test_errors_in_a_process_of_its_own(tmp_path: Path) -> None:
    done = process("explain", no_onnx(tmp_path), SAMPLES / "digit_1.png", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert [p.name for p in tmp_path.iterdir()] == ["no.onnx"]


def test_errors_of_several_lines_become_one(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path, **options: Any) -> None:
        raise LrpError("first\n  second")

    monkeypatch.setattr(loaders, "load", refuse)
    assert run("show", photos).stderr == "lrp-ref: error: first second\n"


def test_unknown_options_are_clicks_own() -> None:
    done = run("explain", "--colour", "m", "i")
    assert done.exit_code == 2
    assert "No such option" in done.stderr


def test_an_interrupt_is_130(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lrp_ref.cli.job.explain_network", stop)
    assert run("explain", photos, tmp_path / "photo.png", "-o", tmp_path / "out").exit_code == 130
    assert not (tmp_path / "out").exists()


def test_a_failed_write_leaves_nothing(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    ledger = tmp_path / "l.csv"
    done = run("explain", photos, tmp_path / "photo.png", "-o", tmp_path / "out", "--ledger-file", ledger)
    assert (done.exit_code, done.stderr) == (2, "lrp-ref: error: No space left on device\n")
    assert not list((tmp_path / "out").iterdir())
    assert not ledger.exists()
    assert not [p for p in tmp_path.iterdir() if ".part" in p.name]


# diff, lists -----------------------------------------------------------------------------------------------------


def test_diff_names_the_first_node_that_departs(photos: Path, tmp_path: Path) -> None:
    for name, epsilon in (("a", 0), ("same", 0), ("b", 1)):
        options = ["--trace", "-c", "epsilon", "--epsilon", epsilon, "-o", tmp_path / name]
        assert run("explain", photos, tmp_path / "photo.png", *options).exit_code == 0
    a, same, b = (tmp_path / name / "photo.npz" for name in ("a", "same", "b"))
    done = run("diff", a, same)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("no difference above 1e-09")
    done = run("diff", a, b)
    assert (done.exit_code, done.stderr) == (1, "")
    # z = 10: without ε R = x, with ε = 1 R = 10/11 x; the largest is 4.
    assert done.stdout.startswith("first departs at relevance 'flatten1': max |a − b| = 0.3636, relative 0.09091")
    assert run("diff", a, b, "--tolerance", "0.1").exit_code == 0
    table = run("diff", a, b, "--all").stdout.splitlines()
    # Verdict, head and rule, three values and three relevances, and how the reason is found.
    assert len(table) == 1 + 2 + 6 + 1
    assert table[-1].startswith("--model MODEL names the reason")


def test_diff_without_traces_compares_the_ends(photos: Path, tmp_path: Path) -> None:
    for name, target in (("a", 0), ("same", 0), ("b", 2)):
        options = ["-t", target, "-o", tmp_path / name]
        assert run("explain", photos, tmp_path / "photo.png", *options).exit_code == 0
    a, same, b = (tmp_path / name / "photo.npz" for name in ("a", "same", "b"))
    assert run("diff", a, same).exit_code == 0
    done = run("diff", a, b)
    assert done.exit_code == 1
    assert "only output and relevance of the input" in done.stderr
    assert "relevance 'input': max |a − b| = 8, relative 2" in done.stdout


def test_lists(photos: Path) -> None:
    shown = run("show", photos).stdout
    assert "2 nodes, 12 parameters, float64" in shown
    assert "3 classes, composite lrp0" in shown
    assert "catamaran" in run("show", photos, "--classes").stdout
    assert "R_i = Σ_j a_i·w_ij / (Σ_i a_i·w_ij + b_j)·R_j" in run("rules").stdout
    composites = run("composites").stdout
    assert "epsilon_gamma_box" in composites
    assert "ZBox(low=.., high=..)" in composites


def test_help_loads_no_heavy_package() -> None:
    heavy = "rich PIL scipy onnx onnxruntime torch"
    before = (
        f"import atexit; atexit.register(lambda: print('loaded', *[m for m in '{heavy}'.split() if m in sys.modules]))"
    )
    done = process("--help", before=before)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "loaded"
