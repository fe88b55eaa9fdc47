"""The page of one exported explanation in three hosts, followed literally; without lrp_ref where it says so."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import numpy as np
import pytest
from browser import Page, served
from snippets import ROOT, blocks, matches

import lrp_ref as lrp

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

PAGE = ROOT / "docs" / "hosts.md"
BLOCKS = blocks(PAGE)
FILES = {block.file: block for block in BLOCKS if block.file}
PRINTED = {block.code.strip(): block.printed for block in BLOCKS if block.kind == "sh"}
RULES: dict[str, Any] = {"composite": "epsilon_gamma_box", "low": 0.0, "high": 1.0}

# A program for which lrp_ref is not installed, whatever the environment has.
WITHOUT = "import runpy, sys; sys.modules['lrp_ref'] = None; runpy.run_path({!r}, run_name='__main__')"


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "COLUMNS": "120"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def without_lrp_ref(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    return run(folder, sys.executable, "-c", WITHOUT.format(program))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the page, what it exports, and onnxruntime-web where there is one."""
    made = tmp_path_factory.mktemp("hosts")
    for name, block in FILES.items():
        (made / name).write_text(block.code, encoding="utf-8")
    (made / "models").symlink_to(ROOT / "models")
    modules = Path(os.environ.get("LRP_REF_NODE_MODULES", ROOT / "docs" / "node_modules"))
    if (modules / "onnxruntime-web").is_dir():
        (made / "node_modules").symlink_to(modules.resolve())
        for name in ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"):
            shutil.copy(modules / "onnxruntime-web" / "dist" / name, made)
    done = run(made, sys.executable, "export.py")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    (made / "export.txt").write_text(done.stdout, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser.chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def in_python(folder: Path) -> tuple[list[str], np.ndarray]:
    done = without_lrp_ref(folder, "explain.py")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.splitlines(), np.fromfile(folder / "python.f32", dtype=np.float32)


def in_node(folder: Path) -> tuple[list[str], np.ndarray]:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    done = run(folder, "node", "explain.mjs")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.splitlines(), np.fromfile(folder / "node.f32", dtype=np.float32)


def in_browser(opened: Page, url: str) -> tuple[list[str], np.ndarray]:
    opened.open(url)
    said = opened.wait("return document.querySelector('#said').textContent", lambda text: "float64" in text)
    assert re.fullmatch(r"At γ = 0\.25: \d\.\de-\d+ of the largest relevance from float64\.", said), said
    link = "return fetch(document.querySelector('a').href).then(answer => answer.arrayBuffer())"
    fetched = opened.run(f"{link}.then(bytes => Array.from(new Float32Array(bytes)))")
    return accounts(opened), np.array(fetched, dtype=np.float32)


def accounts(opened: Page) -> list[str]:
    """Return what stands below the maps."""
    texts = opened.run("return [...document.querySelectorAll('figcaption')].map(f => f.textContent)")
    return [text for text in texts if text.startswith("class")]


def needs_modules(folder: Path) -> None:
    if not (folder / "node_modules").exists():
        pytest.skip("onnxruntime-web is not installed (npm ci --prefix docs)")


@pytest.fixture(scope="module", params=["python", "node", "browser", "file"])
def host(request: pytest.FixtureRequest, folder: Path) -> tuple[list[str], np.ndarray]:
    """What a host prints, and the relevance that it computes."""
    if request.param == "python":
        return in_python(folder)
    needs_modules(folder)
    if request.param == "node":
        return in_node(folder)
    opened = request.getfixturevalue("chromium")
    if request.param == "browser":
        with served(folder) as address:
            return in_browser(opened, f"{address}/explain.html")
    done = without_lrp_ref(folder, "alone.py")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    found = in_browser(opened, (folder / "alone.html").as_uri())
    loaded = opened.run("return performance.getEntriesByType('resource').map(e => e.name.slice(0, 5))")
    assert set(loaded) <= {"data:"}
    return found


def explained(gamma: float) -> lrp.Explanation:
    digit = np.load(ROOT / "models/samples/digits_test200.npz")["images"][60:61, None].astype("float32") / 255
    ten = np.repeat(digit.astype("float64"), 10, axis=0)
    return lrp.explain(lrp.load(ROOT / "models/digits_cnn.onnx"), ten, target=np.arange(10), gamma=gamma, **RULES)


def numbers(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"-?\d+\.\d+", text)]


def departs(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


def test_the_page_says_what_is_exported(folder: Path) -> None:
    assert matches((folder / "export.txt").read_text(encoding="utf-8"), PRINTED["python export.py"])


def test_a_host_computes_what_lrp_ref_computes(host: tuple[list[str], np.ndarray]) -> None:
    assert departs(host[1], explained(0.25).relevance.ravel()) < 1e-5


def test_a_host_computes_what_python_computes(host: tuple[list[str], np.ndarray], folder: Path) -> None:
    """Hence two of them differ by no more than the sum; the page has the measured differences."""
    assert departs(host[1], in_python(folder)[1]) < 5e-6


def test_a_host_prints_what_the_page_says(host: tuple[list[str], np.ndarray]) -> None:
    """Numbers may differ in the last digit, as they are rounded there."""
    lines = PRINTED["python explain.py"].splitlines()
    assert len(host[0]) == len(lines) == 10
    for line, shown in zip(host[0], lines, strict=True):
        assert line.split(":")[0] == shown.split(":")[0]
        np.testing.assert_allclose(numbers(line), numbers(shown), atol=0.0015)


def test_the_numbers_of_the_page_are_lrp_ref_s() -> None:
    e = explained(0.25)
    for k, line in enumerate(PRINTED["python explain.py"].splitlines()):
        arrived = e.relevance[k].sum()
        np.testing.assert_allclose(numbers(line), [e.output[k, k], arrived, e.output[k, k] - arrived], atol=0.0015)


def test_the_slider_explains_anew(folder: Path, chromium: Page) -> None:
    needs_modules(folder)
    with served(folder) as address:
        before, _ = in_browser(chromium, f"{address}/explain.html")
        chromium.run("const i = document.querySelector('input'); i.value = 1.8; i.dispatchEvent(new Event('input'))")
        text = "return document.querySelector('figure:nth-child(4)').textContent"
        chromium.wait(text, lambda now: now != before[2])
        e = explained(1.8)
        for k, line in enumerate(accounts(chromium)):
            np.testing.assert_allclose(numbers(line)[:2], [e.output[k, k], e.relevance[k].sum()], atol=0.0015)
        assert chromium.run("return document.querySelector('output').textContent") == "1.8"


def test_the_page_as_a_file_says_that_it_needs_a_server(folder: Path, chromium: Page) -> None:
    needs_modules(folder)
    chromium.open((folder / "explain.html").as_uri())
    assert chromium.run("return document.querySelector('#said').textContent").startswith("Loading. Opened as a file")


def test_a_program_that_needs_lrp_ref_is_seen(folder: Path) -> None:
    done = without_lrp_ref(folder, "export.py")
    assert done.returncode == 1
    assert "lrp_ref" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("program", ["explain.py", "explain.mjs"])
def test_a_relevance_that_departs_is_seen(folder: Path, tmp_path: Path, program: str) -> None:
    shutil.copytree(folder, tmp_path / "wrong", symlinks=True)
    expected = np.fromfile(folder / "relevance.f64")
    expected[np.abs(expected).argmin()] += 3e-5 * np.abs(expected).max()
    expected.tofile(tmp_path / "wrong" / "relevance.f64")
    if program == "explain.py":
        done = without_lrp_ref(tmp_path / "wrong", program)
    else:
        needs_modules(folder)
        done = run(tmp_path / "wrong", "node", program)
    assert done.returncode == 1
    assert "AssertionError" in done.stderr or "departs by" in done.stderr


def test_the_programs_are_short() -> None:
    assert max(len(FILES[name].code.splitlines()) for name in ("explain.py", "explain.mjs", "alone.py")) <= 30
    assert max(len(line) for block in FILES.values() for line in block.code.splitlines()) <= 120
