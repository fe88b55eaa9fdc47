"""Writes docs/operators.md: ``python tests/support/operators_page.py``; tests/loaders/test_operators_page.py compares.

What an operator becomes is read off onnx's own cases of it, which are loaded with all inputs but the first one of
floats as constants, run, and compared with the outputs that onnx gives.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from lrp_ref.errors import LrpError
from lrp_ref.layers.base import Layer, Linear
from lrp_ref.loaders import onnx as loader
from lrp_ref.loaders.onnx.file import OLDEST
from lrp_ref.loaders.onnx.fold import SIZES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operators.md"
OWN = "ai.onnx.ml."
HELPERS = ("Flatten", "Reshape", "Identity", "Squeeze", "Unsqueeze", "Transpose")  # how a value lies, not what it is
HEAD = """# ONNX operators

What `lrp_ref.load` makes of each operator of an ONNX file. An operator on constants alone is evaluated when the file is
loaded, if the last column of the table or the list below it says so; of signals, those in the table become layers.

- *since*: the first opset with the operator, of those that are read ({oldest} and later).
- *forward*: *one layer* computes what the operator does; *composed* of several; *moved* is what only changes where
  values lie. Either way the numbers are those of onnx, to rounding.
- *relevance*: what the layers do with it. "Linear" stands for every rule for linear layers, as the composite chooses.
- *tested by*: how many of onnx {version}'s own cases load and agree with the outputs that onnx gives (all inputs but
  the first one of floats are constants), and the tests of this project that name the operator most often.

| operator | since | forward | layers | relevance | tested by | constants |
| --- | --- | --- | --- | --- | --- | --- |
"""


@dataclass
class Seen:
    """What onnx's cases of an operator showed: how many there are, how many agree, and into what they were made."""

    cases: int = 0
    right: int = 0
    layers: dict[str, type[Layer]] = field(default_factory=dict)
    most: int = 0


def seen() -> dict[str, Seen]:
    """Load and run onnx's cases of a single node, by operator."""
    from onnx.backend.test.case import node as cases

    found: dict[str, Seen] = defaultdict(Seen)
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")  # some cases divide by zero on purpose
        for case in cases.collect_testcases(None):
            kinds = [node.op_type for node in case.model.graph.node]
            if len(kinds) != 1 or kinds[0] not in loader.operators():
                continue
            arrays = list(case.data_sets[0][0])
            first = next((k for k, a in enumerate(arrays) if getattr(a, "dtype", None) == np.float32), None)
            if first is None:
                continue
            one = found[kinds[0]]
            one.cases += 1
            _look(one, case, arrays, first, Path(folder) / "case.onnx")
    return found


def _look(one: Seen, case: Any, arrays: list[Any], first: int, path: Path) -> None:
    model = onnx.ModelProto.FromString(case.model.SerializeToString())
    inputs = list(model.graph.input)
    for k, (spec, array) in enumerate(zip(inputs, arrays, strict=False)):
        if k != first and isinstance(array, np.ndarray):
            model.graph.initializer.append(onnx.numpy_helper.from_array(array, spec.name))
    del model.graph.input[:]
    model.graph.input.append(inputs[first])
    path.write_bytes(model.SerializeToString())
    try:
        made = loader.convert(path)
        outputs = made.network.forward(arrays[first])
    except LrpError:
        return
    values = outputs if isinstance(outputs, dict) else {made.network.outputs[0]: outputs}
    given = dict(zip((v.name for v in case.model.graph.output), case.data_sets[0][1], strict=False))
    if not all(_agree(values[value], given[name]) for name, value in made.outputs):
        return
    one.right += 1
    layers = [n.layer for n in made.network.nodes if type(n.layer).__name__ not in HELPERS]
    one.most = max(one.most, len(layers))
    for node in made.network.nodes:
        one.layers.setdefault(type(node.layer).__name__, type(node.layer))


def _agree(ours: Any, theirs: Any) -> bool:
    ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    size = max(1.0, float(np.abs(theirs[np.isfinite(theirs)]).max(initial=0)))
    return ours.shape == theirs.shape and np.allclose(ours, theirs, rtol=2e-5, atol=2e-5 * size, equal_nan=True)


def since() -> dict[str, int]:
    """The first opset of every operator."""
    first: dict[str, int] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        name = f"{OWN}{schema.name}" if schema.domain == "ai.onnx.ml" else schema.name
        if schema.domain in ("", "ai.onnx.ml"):
            first[name] = min(first.get(name, schema.since_version), schema.since_version)
    return first


def rule(kind: type[Layer]) -> str:
    """What a layer does with relevance unless a composite says otherwise."""
    if issubclass(kind, Linear) and kind.own_rule is None:
        return "linear"
    return kind.own_rule or "none of its own: a rule has to be named"


def tests(kind: str, texts: dict[str, str]) -> list[str]:
    """The three test files that name an operator most often."""
    name = re.escape(kind.removeprefix(OWN))
    counts = {file: len(re.findall(rf'["\'.]{name}["\']', text)) for file, text in texts.items()}
    return sorted((file for file, count in counts.items() if count), key=lambda file: (-counts[file], file))[:3]


def rows() -> Iterator[str]:
    shown, first = seen(), since()
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests" / "loaders").glob("*.py"))}
    for kind in sorted(loader.operators(), key=str.lower):
        one = shown.get(kind, Seen())
        layers = ", ".join(f"`{name}`" for name in sorted(one.layers))
        forward = "" if not one.right else ("moved", "one layer")[one.most] if one.most < 2 else "composed"
        relevance = "; ".join(sorted({rule(layer) for layer in one.layers.values()}))
        cases = [f"{one.right} of {one.cases} cases"] if one.cases else []
        tested = ", ".join([*cases, *(f"`{name}`" for name in tests(kind, texts))])
        age = first.get(kind)
        opset = "" if age is None else str(age if kind.startswith(OWN) else max(OLDEST, age))
        yield f"| {kind} | {opset} | {forward} | {layers} | {relevance} | {tested} | {'yes' if kind in SIZES else ''} |"


def page() -> str:
    """Return the page."""
    only = ", ".join(sorted(SIZES.keys() - set(loader.operators())))
    tail = f"\nOn constants alone, but not on signals: {only}.\n"
    return HEAD.format(oldest=OLDEST, version=onnx.__version__) + "\n".join(rows()) + "\n" + tail


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
