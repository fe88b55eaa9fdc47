"""Local functions of an ONNX file: counted, then put in the place of their calls.

A function that calls the next one twice, forty times over, is a small file and 2⁴⁰ nodes; neither onnx's inliner nor
its checker minds, so that nothing of it is handed to them before it is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ...errors import ModelFormatError, require

NODES = 50_000  # of a graph, also after every function was put in its place; each takes about 3 kB
DEEPEST = 16  # functions that call each other, and graphs inside each other
DEFAULT_DOMAINS = ("", "ai.onnx")

Key = tuple[str, str, str]


@dataclass(frozen=True)
class _Size:
    """What a function becomes: nodes, bytes in the file, and how deep calls go."""

    nodes: int
    bytes: int
    depth: int


def all_nodes(nodes: Iterable[Any], what: str, level: int = 1) -> Iterator[Any]:
    """Yield nodes, and those of graphs inside them.

    Raises:
        ModelFormatError: graphs inside each other too deep.
    """
    if level > DEEPEST:
        raise ModelFormatError(f"{what}: graphs inside each other, more than {DEEPEST} deep")
    for node in nodes:
        yield node
        for graph in inner_graphs(node):
            yield from all_nodes(graph.node, what, level + 1)


def inner_graphs(node: Any) -> Iterator[Any]:
    """Yield the graphs that are attributes of a node."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def inlined(model: Any, limit: int, what: str) -> Any:
    """Return the model with every call of a local function replaced by its nodes.

    Args:
        model: without data in other files.
        limit: bytes that the model may have then.
        what: the file, as errors have it.

    Raises:
        ModelFormatError: two functions of one name, one that calls itself, or more depth, nodes or bytes than allowed.
    """
    _check(model, limit, what)
    if not model.functions:
        return model
    inliner = require("onnx.inliner", extra="onnx", purpose="read ONNX files")
    checker = require("onnx.checker", extra="onnx", purpose="read ONNX files")
    damaged = require("google.protobuf.message", extra="onnx", purpose="read ONNX files").Error
    try:
        return inliner.inline_local_functions(model)
    except (damaged, checker.ValidationError, ValueError, RuntimeError) as error:
        raise ModelFormatError(f"{what}: its functions cannot be put in their places: {error}") from error


def _check(model: Any, limit: int, what: str) -> None:
    functions: dict[Key, Any] = {}
    for function in model.functions:
        key = _key(function, function.name)
        if key in functions:
            raise ModelFormatError(f"{what}: two functions are called '{function.name}'")
        functions[key] = function
    # An attribute of a call may be put wherever the function refers to one.
    given = max((_largest(f.attribute_proto) for f in functions.values()), default=0)
    main = Counter[Key]()
    nodes = 0
    for node in all_nodes(model.graph.node, what):
        nodes += 1
        if functions and (key := _key(node, node.op_type)) in functions:
            main[key] += 1
            given = max(given, _largest(node.attribute))
    calls: dict[Key, Counter[Key]] = {}
    own: dict[Key, tuple[int, int]] = {}
    for key, function in functions.items():
        calls[key], count, references = Counter[Key](), 0, 0
        for node in all_nodes(function.node, what):
            count += 1
            references += sum(1 for a in node.attribute if a.ref_attr_name)
            if (inner := _key(node, node.op_type)) in functions:
                calls[key][inner] += 1
                given = max(given, _largest(node.attribute))
        own[key] = (count, references)
    sizes: dict[Key, _Size] = {}
    for key in functions:  # also one that nobody calls: the inliner looks at it
        _size(key, 1, functions, calls, own, given, sizes, what)
    nodes += sum(n * sizes[key].nodes for key, n in main.items())
    if nodes > NODES:
        raise ModelFormatError(f"{what}: {nodes} nodes with those of its functions; {NODES} are allowed")
    total = sum(n * sizes[key].bytes for key, n in main.items())
    if total > limit:
        raise ModelFormatError(f"{what}: its functions become {total} bytes; {limit} are allowed")


def _size(
    key: Key,
    level: int,
    functions: dict[Key, Any],
    calls: dict[Key, Counter[Key]],
    own: dict[Key, tuple[int, int]],
    given: int,
    sizes: dict[Key, _Size],
    what: str,
) -> _Size:
    """Return what a function becomes; one that calls itself is deeper than any limit."""
    if key not in sizes:
        if level > DEEPEST:
            raise ModelFormatError(
                f"{what}: function '{functions[key].name}' calls itself, or functions call each other more than "
                f"{DEEPEST} deep"
            )
        inner = {k: _size(k, level + 1, functions, calls, own, given, sizes, what) for k in calls[key]}
        count, references = own[key]
        sizes[key] = _Size(
            count + sum(n * inner[k].nodes for k, n in calls[key].items()),
            functions[key].ByteSize() + references * given + sum(n * inner[k].bytes for k, n in calls[key].items()),
            1 + max((i.depth for i in inner.values()), default=0),
        )
    if level + sizes[key].depth - 1 > DEEPEST:
        raise ModelFormatError(f"{what}: functions call each other more than {DEEPEST} deep")
    return sizes[key]


def _key(proto: Any, name: str) -> Key:
    return "" if proto.domain in DEFAULT_DOMAINS else proto.domain, name, getattr(proto, "overload", "")


def _largest(attributes: Iterable[Any]) -> int:
    return max((a.ByteSize() for a in attributes), default=0)
