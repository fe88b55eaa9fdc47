"""Recorded arrays for tests: what is fed, what is asked for, and the graph run by onnxruntime or by onnx itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from evaluator import evaluate

from lrp_ref.export.graph import Graph
from lrp_ref.export.recorded import Recorded, Recorder
from lrp_ref.export.values import SAMPLES

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

Numbers = np.ndarray[Any, Any]


class Sheet:
    """One graph with as many inputs and outputs as a test has questions.

    Args:
        opset, dtype, flips: of the graph.
    """

    def __init__(self, *, opset: int = 18, dtype: Any = np.float32, flips: bool = False) -> None:
        self.graph = Graph(opset=opset, dtype=np.dtype(dtype), flips=flips)
        self.xp = Recorder(self.graph)
        self.fed: list[tuple[str, np.dtype[Any], list[Any]]] = []
        self.shown: list[tuple[str, str, np.dtype[Any], list[Any]]] = []
        self.feeds: dict[str, Numbers] = {}
        self._model: Any = None

    def feed(self, array: Numbers, *, samples: bool = True) -> Recorded:
        """Return a recorded array that will hold these numbers, whose first axis the graph does not know."""
        name = f"in{len(self.fed)}"
        kind = {"f": self.graph.dtype, "i": np.dtype(np.int64), "b": np.dtype(bool)}[array.dtype.kind]
        self.fed.append((name, kind, ["N", *array.shape[1:]] if samples else list(array.shape)))
        self.feeds[name] = array.astype(kind)
        return self.xp.input(name, array.shape[1:] if samples else array.shape, samples=samples, dtype=array.dtype)

    def show(self, array: Recorded) -> str:
        """Ask for what a recorded array holds; the name that it has among the outputs is returned."""
        name = f"out{len(self.shown)}"
        value = array.value.whole()
        kind = self.graph.dtype if value.dtype.kind == "f" else value.dtype
        self.shown.append((name, value.reference(), kind, [described(n) for n in array.shape]))
        return name

    def model(self) -> Any:
        """Return the graph, which the full checker has passed."""
        if self._model is None:
            self._model = self.graph.model(self.fed, self.shown, {})
            onnx.checker.check_model(self._model, full_check=True)
        return self._model

    def operators(self) -> list[str]:
        """Return the operators of the graph, in order."""
        return [node.op_type for node in self.model().graph.node]

    def run(self, feeds: dict[str, Numbers] | None = None) -> dict[str, Numbers]:
        """Return the outputs by name: by onnxruntime, or by onnx's own evaluator where the graph has float64."""
        feeds, names = feeds or self.feeds, [name for name, *_ in self.shown]
        if self.graph.dtype == np.float64:
            return dict(zip(names, evaluate(self.model(), feeds), strict=True))
        return dict(zip(names, self.session().run(None, feeds), strict=True))

    def session(self) -> Any:
        """Return onnxruntime's session."""
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        return runtime.InferenceSession(self.model().SerializeToString(), options, providers=["CPUExecutionProvider"])


def described(size: int) -> Any:
    """Return a size as a file states it: free ones by a name."""
    many, rest = divmod(size, SAMPLES)
    return size if rest or not many else "N" if many == 1 else f"{many}N"


def answer(made: Recorded, sheet: Sheet) -> Numbers:
    """Return what one recorded array holds."""
    name = sheet.show(made)
    return sheet.run()[name]
