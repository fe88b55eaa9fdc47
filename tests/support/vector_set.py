"""A small folder of conformance vectors whose expected values are worked out here, from the formula, in fractions."""

import hashlib
import json
from collections.abc import Sequence
from decimal import Context, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

F = Fraction
TWENTY = Context(prec=20)


def decimal(x: Fraction) -> str:
    return str(TWENTY.divide(Decimal(x.numerator), Decimal(x.denominator)))


def numbers(shape: Sequence[int], values: Sequence[Any]) -> dict[str, Any]:
    exact = [Fraction(v) for v in values]
    return {"shape": list(shape), "decimal": [decimal(v) for v in exact], "exact": [str(v) for v in exact]}


def number(value: Any) -> dict[str, str]:
    return {"decimal": decimal(Fraction(value)), "exact": str(Fraction(value))}


def ones(*shape: int) -> dict[str, Any]:
    count = 1
    for n in shape:
        count *= n
    return {"shape": list(shape), "decimal": ["1"] * count}


def dense(
    name: str, x: list[Any], w: list[list[Any]], b: list[Any] | None, out: list[Any], eps: Any, *catches: str
) -> Any:
    """R_i = Σ_j x_i w_ij / (z_j + ε sgn z_j) R_j, one sample."""
    inputs, outputs = len(w), len(w[0])
    bias = [F(v) for v in b] if b is not None else [F(0)] * outputs
    z = [sum(F(x[i]) * F(w[i][j]) for i in range(inputs)) + bias[j] for j in range(outputs)]
    stable = [v + (F(eps) if v >= 0 else -F(eps)) for v in z]
    received = [sum(F(x[i]) * F(w[i][j]) / stable[j] * F(out[j]) for j in range(outputs)) for i in range(inputs)]
    return {
        "id": name,
        "layer": {
            "type": "Dense",
            "weight": numbers((inputs, outputs), [v for row in w for v in row]),
            "bias": None if b is None else numbers((outputs,), b),
        },
        "inputs": [numbers((1, inputs), x)],
        "output": numbers((1, outputs), z),
        "rule": {"name": "Epsilon", "epsilon": number(eps)},
        "relevance_out": numbers((1, outputs), out),
        "relevance_in": [numbers((1, inputs), received)],
        "tolerance": {"ulp": 8, "scale": [{"shape": [1, inputs], "decimal": ["16"] * inputs}]},
        "catches": list(catches),
        "choice": None,
        "note": "worked out by hand",
    }


def summed(name: str) -> Any:
    """z = a + b: R_a = a/z R, R_b = b/z R."""
    return {
        "id": name,
        "layer": {"type": "Add"},
        "inputs": [numbers((1, 2), [1, 3]), numbers((1, 2), [3, -1])],
        "output": numbers((1, 2), [4, 2]),
        "rule": {"name": "LRP0"},
        "relevance_out": numbers((1, 2), [2, F(1, 2)]),
        "relevance_in": [numbers((1, 2), [F(1, 2), F(3, 4)]), numbers((1, 2), [F(3, 2), F(-1, 4)])],
        "tolerance": {"ulp": 8, "scale": [ones(1, 2), ones(1, 2)]},
        "catches": ["residual-forgotten"],
        "choice": None,
        "note": "two operands",
    }


def pooled(name: str, option: str, parts: list[Any], *, tie: bool = True) -> Any:
    """A maximum of three numbers that two of them are, if ``tie``."""
    return {
        "id": name,
        "layer": {"type": "MaxPool", "kernel": [3], "stride": [3]},
        "inputs": [numbers((1, 1, 3), [1, 3, 3] if tie else [1, 3, 2])],
        "output": numbers((1, 1, 1), [3]),
        "rule": {"name": "own", "ties": option},
        "relevance_out": numbers((1, 1, 1), [1]),
        "relevance_in": [numbers((1, 1, 3), parts)],
        "tolerance": {"ulp": 8, "scale": [ones(1, 1, 3)]},
        "catches": [],
        "choice": {"topic": "maxpool-ties", "option": option},
        "note": "who wins a tie",
    }


def chain(name: str) -> Any:
    """x=(1, 2) → z=(5, −3) → relu → y=10; y's relevance 4 goes to unit 0 alone: R_x = (3·1, 1·2)/5 · 4."""
    first = {"type": "Dense", "weight": numbers((2, 2), [3, -1, 1, -1]), "bias": None}
    second = {"type": "Dense", "weight": numbers((2, 1), [2, 1]), "bias": None}
    relevance = {
        "fc1": numbers((1, 2), [4, 0]),
        "relu1": numbers((1, 2), [4, 0]),
        "fc2": numbers((1, 1), [4]),
        "input": numbers((1, 2), [F(12, 5), F(8, 5)]),
    }
    nodes = [
        {"name": "fc1", "layer": first, "inputs": ["input"]},
        {"name": "relu1", "layer": {"type": "ReLU"}, "inputs": ["fc1"]},
        {"name": "fc2", "layer": second, "inputs": ["relu1"]},
    ]
    return {
        "id": name,
        "network": {"inputs": ["input"], "nodes": nodes, "output": "fc2"},
        "inputs": {"input": numbers((1, 2), [1, 2])},
        "rules": {"fc1": {"name": "LRP0"}, "relu1": {"name": "Pass"}, "fc2": {"name": "LRP0"}},
        "values": {"fc2": numbers((1, 1), [10])},
        "start": numbers((1, 1), [4]),
        "relevance": relevance,
        "tolerance": {
            "ulp": 8,
            "scale": {k: {"shape": v["shape"], "decimal": ["4"] * len(v["decimal"])} for k, v in relevance.items()},
        },
        "catches": ["absolute"],
        "choice": None,
        "note": "three nodes",
    }


def faulty(name: str) -> Any:
    good = dense(name, [1, 2], [[1], [1]], None, [1], 0)
    kept = {k: good[k] for k in ("id", "layer", "inputs", "catches", "choice")}
    return {
        **kept,
        "rule": {"name": "Epsilon", "epsilon": number(-1)},
        "relevance_out": good["relevance_out"],
        "expect": "refuse",
        "note": "a negative epsilon",
    }


FILES = {
    "core/dense.json": [
        dense("core/dense/plain", [1, 3], [[1], [1]], None, [1], 0, "absolute"),
        dense("core/dense/bias", [1, 2], [[1, -1], [2, 1]], [1, F(1, 2)], [1, -2], 0, "no-bias", "absolute"),
        dense("core/dense/third", [1, 1], [[1], [1]], [1], [1], 0, "no-bias"),
        dense("core/dense/epsilon", [1, 1], [[F(1, 2)], [F(1, 4)]], None, [1], F(1, 4), "epsilon-ignored"),
    ],
    "core/add.json": [summed("core/add/plain")],
    "alternatives/ties.json": [
        pooled("alternatives/ties/first", "first", [0, 1, 0]),
        pooled("alternatives/ties/share", "share", [0, F(1, 2), F(1, 2)]),
        pooled("alternatives/ties/first-none", "first", [0, 1, 0], tie=False),
        pooled("alternatives/ties/share-none", "share", [0, 1, 0], tie=False),
    ],
    "networks/chain.json": [chain("networks/chain/relu")],
    "faulty/rules.json": [faulty("faulty/rules/negative-epsilon")],
}


def read(found: dict[str, Any] | None, count: int = 0) -> list[Fraction]:
    return [F(0)] * count if found is None else [F(v) for v in found["exact"]]


def shared_out(
    x: list[Fraction], w: list[list[Fraction]], b: list[Fraction], eps: Fraction, out: list[Fraction]
) -> list[Fraction]:
    """Σ_j x_i w_ij / (z_j + ε sgn z_j) R_j."""
    z = [sum(x[i] * w[i][j] for i in range(len(x))) + b[j] for j in range(len(b))]
    stable = [v + (eps if v >= 0 else -eps) for v in z]
    return [sum(x[i] * w[i][j] / stable[j] * out[j] for j in range(len(b))) for i in range(len(x))]


def answers(case: dict[str, Any]) -> dict[str, list[float]]:
    """What the faults that a dense case catches answer to it."""
    if case.get("layer", {}).get("type") != "Dense" or "expect" in case:
        return {}
    outputs = case["layer"]["weight"]["shape"][1]
    x, flat, out = (read(v) for v in (case["inputs"][0], case["layer"]["weight"], case["relevance_out"]))
    w = [flat[k : k + outputs] for k in range(0, len(flat), outputs)]
    b, eps = read(case["layer"]["bias"], outputs), F(case["rule"]["epsilon"]["exact"])
    sizes = [[abs(x[i] * v) for v in row] for i, row in enumerate(w)]
    known = {
        "no-bias": shared_out(x, w, [F(0)] * outputs, eps, out),
        "epsilon-ignored": shared_out(x, w, b, F(0), out),
        "absolute": shared_out([F(1)] * len(x), sizes, [F(0)] * outputs, F(0), out),
    }
    return {name: [float(f"{float(v):.6g}") for v in known[name]] for name in case["catches"]}


def write(folder: Path, files: dict[str, list[Any]] | None = None) -> Path:
    """Write the folder and return it."""
    listed, told = {}, {}
    for name, cases in (FILES if files is None else files).items():
        put(
            folder / name,
            {"format": "lrp-vectors", "version": "1.0.0", "group": name.partition("/")[0], "cases": cases},
        )
        listed[name] = entry(folder / name, len(cases))
        told |= {case["id"]: {"answers": answers(case)} for case in cases if answers(case)}
    put(folder / "faults" / "core.json", {"format": "lrp-faults", "version": "1.0.0", "cases": told})
    faults = {"faults/core.json": entry(folder / "faults" / "core.json", len(told))}
    manifest = {"format": "lrp-vectors", "version": "1.0.0", "files": listed, "faults": faults}
    put(folder / "manifest.json", manifest)
    return folder


def put(path: Path, found: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found))


def entry(path: Path, count: int) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "cases": count}
