"""The vote of a support vector machine among its classes: nodes behind the scores of the pairs, without any weight."""

from __future__ import annotations

from .captured import reads
from .file import Graph

MACHINE = "ai.onnx.ml.SVMClassifier"
VOTING = {
    "Abs", "Add", "Cast", "Concat", "Div", "Identity", "Less", "Mul", "Neg", "Reshape", "Slice", "Sub", "Sum",
    "ai.onnx.ml.ArrayFeatureExtractor",
}  # fmt: skip
COUNTED = (
    "votes of pairs of classes are counted, which small changes of the input do not change; in its place stands "
    "'{}', the scores of the pairs"
)


def voted(graph: Graph, name: str) -> str | None:
    """Return the scores of pairs of classes that a tensor counts the votes of, None for a tensor that is no vote.

    A vote compares scores (``Less``), and nothing but the scores of one SVMClassifier and constants decides it. As
    scikit-learn's exporter writes it, it has some 35 nodes for three classes and 259 for ten.

    Args:
        graph: the file.
        name: the tensor.
    """
    todo, seen, found, compares = [name], {name}, set[str](), False
    while todo:
        tensor = todo.pop()
        op = graph.makers.get(tensor)
        if op is None:
            if tensor not in graph.constants:
                return None  # the input itself
            continue
        if op.kind == MACHINE and tensor in op.outputs[1:2]:
            found.add(tensor)
            continue
        if op.kind == "Constant":
            continue
        if op.kind not in VOTING:
            return None
        compares = compares or op.kind == "Less"
        new = set(reads(op)) - seen
        seen |= new
        todo += new
    return found.pop() if compares and len(found) == 1 else None
