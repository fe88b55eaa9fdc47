"""The frozen vectors: their number and digest, their format, their ledgers, and the generator that wrote them."""

from __future__ import annotations

import ast
import configparser
import decimal
import hashlib
import importlib.resources
import json
import re
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import vector_generator
from vector_generator import generate
from vector_generator.values import decimal as printed
from vector_generator.values import upwards

V1 = Path(__file__).parents[2] / "lrp_ref" / "vectors" / "v1"
MANIFEST = json.loads((V1 / "manifest.json").read_text())
DIGEST = "bd6d2337a582751c78dccd5083af2d900d0dc4a28484ace7911f53120b9f3989"
FROZEN = {  # the digest of all names and digests of the files that a version had
    "1.0.0": "e32908782d5db4009925f2ecf668be3812775f29dc8b028f738a5ff6b38d7c3b",
    "1.1.0": "ecaa97aed1a2d5cc6a083e4c34fb07b8bcb45977adc013257785fea6c0daa3bb",
    "1.2.0": "21f1a7addb9e1fb633a4579b86afcf4bd48ac9df892a7da51b2214dcd82d3621",
}
COUNTS = {"core": 572, "alternatives": 80, "networks": 35, "faulty": 53}
FILES = {name: json.loads((V1 / name).read_text()) for name in MANIFEST["files"]}
FAULTS = {name: json.loads((V1 / name).read_text()) for name in MANIFEST["faults"]}
ANSWERS = {case: found for told in FAULTS.values() for case, found in told["cases"].items()}
CASES = {case["id"]: case for found in FILES.values() for case in found["cases"]}
LAYER_CASES = [c for c in CASES.values() if c["id"].startswith(("core/", "alternatives/"))]
NETWORKS = [c for c in CASES.values() if c["id"].startswith("networks/")]


# What is frozen --------------------------------------------------------------------------------------------------


def test_number_and_digest_are_pinned() -> None:
    assert hashlib.sha256((V1 / "manifest.json").read_bytes()).hexdigest() == DIGEST
    found: Counter[str] = Counter()
    for name, entry in MANIFEST["files"].items():
        assert hashlib.sha256((V1 / name).read_bytes()).hexdigest() == entry["sha256"], name
        assert len(FILES[name]["cases"]) == entry["cases"], name
        assert FILES[name]["group"] == name.partition("/")[0]
        found[FILES[name]["group"]] += entry["cases"]
    for name, entry in MANIFEST["faults"].items():
        assert hashlib.sha256((V1 / name).read_bytes()).hexdigest() == entry["sha256"], name
        assert len(FAULTS[name]["cases"]) == entry["cases"], name
    assert found == COUNTS
    assert len(CASES) == sum(COUNTS.values()), "ids are unique"


def test_every_file_is_listed_and_the_folder_is_small() -> None:
    there = {path.relative_to(V1).as_posix() for path in V1.rglob("*") if path.is_file()}
    others = {"manifest.json", "schema.json", "schema-faults.json", "README.md", "LICENSE"}
    assert there == {*MANIFEST["files"], *MANIFEST["faults"], *others}
    assert sum(path.stat().st_size for path in V1.rglob("*") if path.is_file()) < 3 << 20
    assert "CC0 1.0 Universal" in (V1 / "LICENSE").read_text()


def test_files_of_earlier_versions_have_not_changed() -> None:
    """1.x adds files and changes none: the files of a version have the digest that they had in it."""
    for version, digest in FROZEN.items():
        earlier = [name for name, found in FILES.items() if found["version"] <= version]
        whole = "".join(f"{name} {MANIFEST['files'][name]['sha256']}\n" for name in sorted(earlier))
        assert hashlib.sha256(whole.encode()).hexdigest() == digest, version


def test_the_package_ships_them() -> None:
    found = importlib.resources.files("lrp_ref.vectors") / "v1" / "manifest.json"
    assert json.loads(found.read_text())["format"] == "lrp-vectors"
    told = configparser.ConfigParser()
    told.read(Path(__file__).parents[2] / "setup.cfg", encoding="utf-8")
    assert {"vectors/v1/*", "vectors/v1/*/*.json"} <= set(told["options.package_data"]["lrp_ref"].split())


def test_the_generator_gives_the_same_bytes(tmp_path: Path) -> None:
    generate(tmp_path)
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {*MANIFEST["files"], *MANIFEST["faults"], "manifest.json"}
    for name in written:
        assert (tmp_path / name).read_bytes() == (V1 / name).read_bytes(), name


def test_the_generator_knows_nothing_of_the_fast_code() -> None:
    folder = Path(vector_generator.__file__).parent
    modules = sorted(folder.rglob("*.py"))
    assert len(modules) > 20
    for path in modules:
        for entry in ast.walk(ast.parse(path.read_text())):
            if isinstance(entry, ast.ImportFrom) and not entry.level and (entry.module or "").startswith("lrp_ref"):
                assert entry.module.startswith("lrp_ref.literal") or entry.module == "lrp_ref.errors", path
            if isinstance(entry, ast.ImportFrom) and entry.level:
                depth = len(path.relative_to(folder).parts)
                assert entry.level <= depth, f"{path}: imports from above the generator"


# The format ------------------------------------------------------------------------------------------------------

SCHEMA = json.loads((V1 / "schema.json").read_text())
CHECKER = jsonschema.Draft202012Validator(SCHEMA)


@pytest.mark.parametrize("name", MANIFEST["files"])
def test_the_schema_holds(name: str) -> None:
    found = next(CHECKER.iter_errors(FILES[name]), None)
    assert found is None, f"{list(found.absolute_path)}: {found.message}"


def test_the_schema_refuses_what_is_wrong() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    faults: list[tuple[str, Any]] = [
        ("core/dense.json", lambda case: case.update(catches=[])),
        ("core/dense.json", lambda case: case.update(choice={"topic": "x", "option": "y"})),
        ("core/dense.json", lambda case: case.update(extra=1)),
        ("core/dense.json", lambda case: case["layer"].update(type="Dens")),
        ("core/dense.json", lambda case: case["relevance_in"][0]["decimal"].__setitem__(0, 0.5)),
        ("core/dense.json", lambda case: case["relevance_in"][0]["exact"].__setitem__(0, "1/0")),
        ("alternatives/bias.json", lambda case: case.update(choice=None)),
        ("networks/dense.json", lambda case: case.pop("start")),
        ("faulty/dense.json", lambda case: case.update(expect="pass")),
    ]
    for name, spoil in faults:
        copy = json.loads((V1 / name).read_text())
        copy["cases"] = copy["cases"][:1]
        assert CHECKER.is_valid(copy)
        spoil(copy["cases"][0])
        assert not CHECKER.is_valid(copy)


def test_the_schema_of_what_faults_answer_holds_and_refuses() -> None:
    checker = jsonschema.Draft202012Validator(json.loads((V1 / "schema-faults.json").read_text()))
    for name, found in FAULTS.items():
        assert checker.is_valid(found), name
    told = {"format": "lrp-faults", "version": "1.3.0", "cases": {"core/x": {"answers": {"a": [1, None]}, "zero": {}}}}
    assert checker.is_valid(told)
    for change in ({"answers": {"a": ["1"]}}, {"answers": {}}, {"answers": {"a": [1]}, "zero": {"a": []}}, {"more": 1}):
        assert not checker.is_valid({**told, "cases": {"core/x": {**told["cases"]["core/x"], **change}}})


# What faults answer ----------------------------------------------------------------------------------------------


def test_every_flag_of_a_case_has_its_answer() -> None:
    """Files of earlier versions name the flags that there were; the answers have all of them."""
    new = {"add-by-magnitude", "beta-zero-nan", "bias-by-magnitude", "eps-twice", "eps-no-sign0"}
    new |= {"gamma-small-as-epsilon", "matmul-half-epsilon", "mean-by-magnitude", "softmax-last-axis"}
    for name, found in FILES.items():
        for case in found["cases"]:
            flags, answers = set(case.get("catches", ())), set(ANSWERS.get(case["id"], {"answers": {}})["answers"])
            assert flags <= answers, case["id"]
            assert answers - flags <= (new if found["version"] < "1.3.0" else set()), (name, case["id"])
    assert set(ANSWERS) <= set(CASES)


def test_an_answer_has_as_many_numbers_as_the_inputs_in_six_digits() -> None:
    for name, told in ANSWERS.items():
        case = CASES[name]
        arrived = case["relevance_in"] if "layer" in case else [case["relevance"][n] for n in case["network"]["inputs"]]
        count, samples = sum(len(a["decimal"]) for a in arrived), arrived[0]["shape"][0]
        for flag, numbers in told["answers"].items():
            assert len(numbers) == count, (name, flag)
            assert all(v is None or float(f"{v:.6g}") == v for v in numbers), (name, flag)
        assert set(told["zero"]) <= set(told["answers"])
        assert all(n < samples for zero in told["zero"].values() for n in zero)


HAND = {  # answers of other programs, worked out by hand: autolrp, and what NaN is
    ("core/magnitude/bias", "bias-by-magnitude"): [2 / 3, -1 / 3],  # 1/2 / (1/2 + 1) of R, shared 2 : −1
    ("core/magnitude/bias-of-zero", "eps-twice"): [1 / 4],  # ε in both denominators
    ("core/magnitude/add-lrp0", "add-by-magnitude"): [3 / 4, 2, 1 / 4, 5],
    ("core/magnitude/mean-lrp0", "mean-by-magnitude"): [3 / 4, 1 / 4, 1, 3],
    ("core/magnitude/small-gamma", "gamma-small-as-epsilon"): [1, -1 / 2],
    ("core/magnitude/zero-over-zero-zplus", "zero-division-nan"): [None, None, 2, -1],
    ("core/small/AB-1/alpha2-beta1", "ab-no-bias"): [-2, 1],
    ("core/small/AB-2", "ab-bias-full"): [1, -2],  # captum, run
    ("core/small/W-1", "wsquare-bias"): [1 / 6, 2 / 3],  # zennit, run
    ("core/small/G-1", "gamma-bias"): [1, -2 / 5],  # captum
    ("core/small/AB-4/zplus", "zplus-bias"): [2 / 3, 0],  # zennit
}


@pytest.mark.parametrize("where", HAND, ids="-".join)
def test_answers_of_faults_by_hand(where: tuple[str, str]) -> None:
    case, flag = where
    expected = [v if v is None else float(f"{v:.6g}") for v in HAND[where]]
    assert ANSWERS[case]["answers"][flag] == expected


def arrays(value: Any) -> Any:
    """Yield everything with decimals."""
    if isinstance(value, dict) and "decimal" in value:
        yield value
    for entry in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from arrays(entry)


def test_decimals_are_the_exact_numbers_in_twenty_digits() -> None:
    """By Python's decimal arithmetic, which the generator does not use."""
    context = decimal.Context(prec=20, rounding=decimal.ROUND_HALF_EVEN)
    for case in CASES.values():
        for found in arrays(case):
            if "shape" in found:
                assert len(found["decimal"]) == np.prod(found["shape"], dtype=int), case["id"]
            if found.get("exact") is None:
                continue
            pairs = zip(*((v,) if isinstance(v, str) else v for v in (found["decimal"], found["exact"])), strict=True)
            for told, exact in pairs:
                if exact not in ("NaN", "Infinity"):
                    fraction = Fraction(exact)
                    quotient = context.divide(
                        decimal.Decimal(fraction.numerator), decimal.Decimal(fraction.denominator)
                    )
                    assert decimal.Decimal(told) == quotient, case["id"]


def test_what_is_handed_in_is_exact_in_float32() -> None:
    for case in CASES.values():
        given = [case.get(k) for k in ("layer", "network", "inputs", "rule", "rules", "relevance_out", "start")]
        for found in arrays([g for g in given if g is not None]):
            exact = [found["exact"]] if isinstance(found["exact"], str) else found["exact"]
            for number in (Fraction(v) for v in exact if v not in ("NaN", "Infinity")):
                assert Fraction(float(np.float32(float(number)))) == number, case["id"]


def leaves_the_rationals(layer: dict[str, Any]) -> bool:
    """Whether a layer computes exp or tanh."""
    usual = {"LSTM": ("gate", "activation"), "GRU": ("gate", "activation"), "RNN": ("activation",)}
    named = [layer.get(name, "tanh") for name in usual.get(layer["type"], ())]
    return layer["type"] == "Softmax" or "tanh" in named or layer.get("decay") == "exp"


def inexact(case: dict[str, Any]) -> bool:
    """Whether the numbers of a case are decimals alone."""
    layers = [case["layer"]] if "layer" in case else [n["layer"] for n in case["network"]["nodes"]]
    return any(map(leaves_the_rationals, layers)) and not case["id"].startswith("faulty/")


def test_only_exp_and_tanh_have_no_fractions() -> None:
    for case in CASES.values():
        without = any(found["exact"] is None for found in arrays({k: v for k, v in case.items() if k != "tolerance"})
                      if "exact" in found)  # fmt: skip
        assert without == inexact(case), case["id"]


def test_numbers_print_as_they_should() -> None:
    expected = {"1/3": "0.33333333333333333333", "-2/3": "-0.66666666666666666667", "1/1024": "0.0009765625"}
    expected |= {"123456": "123456", "1/8192": "0.0001220703125", "1/65536": "1.52587890625e-5", "0": "0", "-7": "-7"}
    assert {k: printed(Fraction(k)) for k in expected} == expected
    assert printed(1 - Fraction(1, 10**25)) == "1"
    assert [upwards(Fraction(v)) for v in ("1/3", "1000001/1000000", "7", "1234567")] == [
        "0.333334",
        "1.00001",
        "7",
        "1234570",
    ]


# The ledger ------------------------------------------------------------------------------------------------------


def per_sample(found: dict[str, Any]) -> list[Fraction]:
    """Sums of an array over all but the batch."""
    flat = [Fraction(v) for v in found["exact"] or found["decimal"]]
    size = len(flat) // found["shape"][0]
    return [sum(flat[n * size : (n + 1) * size], Fraction(0)) for n in range(found["shape"][0])]


def gaps(case: dict[str, Any]) -> list[Fraction]:
    """Σ out − Σ in − bias − stabiliser − dropped, per sample, from the JSON alone."""
    ledgers = [case["ledger"]] if "layer" in case else list(case["ledger"].values())
    arrived = case["relevance_in"] if "layer" in case else [case["relevance"][n] for n in case["network"]["inputs"]]
    parts = [per_sample(r) for r in arrived] + [per_sample(column) for one in ledgers for column in one.values()]
    given = per_sample(case["relevance_out"] if "layer" in case else case["start"])
    return [total - sum(part[n] for part in parts) for n, total in enumerate(given)]


@pytest.mark.parametrize("case", [*LAYER_CASES, *NETWORKS], ids=lambda c: c["id"])
def test_the_ledger_closes(case: dict[str, Any]) -> None:
    for gap in gaps(case):
        assert abs(gap) < Fraction(1, 10**15) if inexact(case) else gap == 0


def test_a_wrong_relevance_leaves_a_gap() -> None:
    case = json.loads(json.dumps(CASES["core/dense/epsilon/mixed-signs"]))
    case["relevance_in"][0]["exact"][2] = str(Fraction(case["relevance_in"][0]["exact"][2]) + Fraction(1, 10**20))
    assert gaps(case)[0] != 0


# The cases -------------------------------------------------------------------------------------------------------


def test_every_case_of_core_catches_something() -> None:
    for case in CASES.values():
        if case["id"].startswith("core/"):
            assert case["catches"], case["id"]
            assert case["choice"] is None


def test_every_topic_has_the_same_questions_under_every_option() -> None:
    topics: dict[str, dict[str, set[str]]] = {}
    for case in CASES.values():
        if case.get("choice"):
            topic, option = case["choice"]["topic"], case["choice"]["option"]
            assert case["id"].endswith(f"/{option}")
            topics.setdefault(topic, {}).setdefault(option, set()).add(case["id"].removesuffix(f"/{option}"))
    assert len(topics) == 8
    for options in topics.values():
        assert len(options) >= 2
        assert len({frozenset(names) for names in options.values()}) == 1
        for name in next(iter(options.values())):  # the options do differ
            answers = {json.dumps(CASES[f"{name}/{option}"]["relevance_in"]) for option in options}
            assert len(answers) == len(options), name


def test_every_rule_meets_every_linear_layer() -> None:
    met: dict[str, set[str]] = {}
    for case in LAYER_CASES:
        met.setdefault(case["layer"]["type"], set()).add(case["rule"]["name"])
    every = {"LRP0", "Epsilon", "Gamma", "GeneralizedGamma", "AlphaBeta", "ZPlus", "WSquare", "Flat", "ZBox"}
    for kind in ("Dense", "Conv", "ConvTranspose", "AveragePool", "SumPool", "GlobalAveragePool", "Affine", "Add"):
        assert met[kind] >= every - ({"ZBox"} if kind == "Add" else set()), kind


def test_the_readme_documents_every_name() -> None:
    text = (V1 / "README.md").read_text()
    named = set(re.findall(r"^\| `([A-Za-z0-9-]+)` \|", text, flags=re.MULTILINE))
    used: set[str] = set()
    for case in CASES.values():
        layers = [case["layer"]] if "layer" in case else [n["layer"] for n in case["network"]["nodes"]]
        rules = [case["rule"]] if "rule" in case else list(case["rules"].values())
        used |= {layer["type"] for layer in layers} | set(case.get("catches", []))
        used |= set(ANSWERS.get(case["id"], {"answers": ()})["answers"])
        used |= {rule["name"] for rule in rules if rule["name"] != "NoSuchRule"}
        used |= {case["choice"]["topic"]} if case.get("choice") else set()
        for entry in [*layers, *rules]:
            for parameter in set(entry) - {"type", "name"}:
                assert f"`{parameter}`" in text, parameter
    assert used <= named
    flags = named - used - {"core", "alternatives", "networks", "faulty"}
    assert flags <= {"id", "output", "choice", "ledger", "note", "rule", "tolerance", "catches", "got"}, (
        "a flag that catches nothing"
    )
