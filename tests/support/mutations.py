"""Changes to files, by a random generator with a seed: to bytes of any format, to zip archives with JSON, to ONNX.

A change is a function (rng, content, others) → content; ``others`` are files of the same format, to take pieces of.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

Change = Callable[[random.Random, bytes, Sequence[bytes]], bytes]

NUMBERS = (
    0, 1, -1, 2, -2, 3, 4, 5, 7, 16, 63, 64, 65, 127, 128, 255, 256, 1000, 4097, 65_535, 65_536, 10**6, 10**7, 10**8,
    (1 << 31) - 1, 1 << 31, -(1 << 31), 1 << 32, 10**10, 1 << 37, 1 << 40, 1 << 62, (1 << 63) - 1, -(1 << 63),
)  # fmt: skip
NAMES = (
    "", "x", "y", "\0", "a\0b", "../secret", "/etc/passwd", "..\\up", "line\nbreak", "\x1b[31m", "\u202e", "x:1", "x:²",
    "x:" + "9" * 5000, "n" * 20_000, "__class__", "%s%n", "{0.__class__}", "'; drop", "é", "weights.bin",
)  # fmt: skip


# Bytes ---------------------------------------------------------------------------------------------------------------


def _place(rng: random.Random, content: bytes) -> int:
    return rng.randrange(len(content) + 1)


def flip(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 8, 64))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def overwrite(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    at, new = _place(rng, content), rng.randbytes(rng.choice((1, 1, 2, 4, 8, 32)))
    return content[:at] + new + content[at + len(new) :]


def truncate(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    return content[: _place(rng, content)]


def remove(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    at = _place(rng, content)
    return content[:at] + content[at + rng.choice((1, 2, 4, 16, 100)) :]


def repeat(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    at = _place(rng, content)
    piece = content[at : at + rng.choice((1, 2, 8, 40, 200))]
    return content[:at] + piece * rng.choice((1, 1, 2, 10, 100)) + content[at:]


def splice(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    other = rng.choice(others)
    start = _place(rng, other)
    piece = other[start : start + rng.choice((1, 8, 64, 512, len(other)))]
    at = _place(rng, content)
    return content[:at] + piece + content[at + rng.choice((0, len(piece))) :]


def length(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Write a number where one may stand: little or big endian, or as protobuf has it."""
    at, number = _place(rng, content), rng.choice(NUMBERS) & ((1 << 64) - 1)
    size = rng.choice((1, 2, 4, 8))
    new = rng.choice((_varint(number), (number % (1 << 8 * size)).to_bytes(size, rng.choice(("little", "big")))))
    return content[:at] + new + content[at + len(new) :]


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    return bytes((*made, number))


BYTES: tuple[Change, ...] = (flip, overwrite, truncate, remove, repeat, splice, length)


# Values of JSON, and zip archives that have some ---------------------------------------------------------------------


def value(rng: random.Random) -> Any:
    nested: Any = 1
    for _ in range(rng.choice((3, 70, 300))):
        nested = [nested]
    pair = {"tuple": [rng.choice(NUMBERS), rng.choice(NUMBERS)]}
    return rng.choice(
        (rng.choice(NUMBERS), rng.choice(NUMBERS), rng.choice(NAMES), 1.5, float("nan"), float("inf"), None, True, [],
         {}, [1, 2], pair, {"array": "a0"}, {"edit": "POS"}, nested, 10**400)
    )  # fmt: skip


def json_edit(rng: random.Random, tree: Any) -> Any:
    """Return a tree of lists and dicts with one of its parts changed, left out, doubled, or put elsewhere."""
    parents: list[Any] = []
    front = [tree]
    while front:
        one = front.pop()
        if isinstance(one, dict | list) and one:
            parents.append(one)
            front.extend(one.values() if isinstance(one, dict) else one)
    if not parents:
        return value(rng)
    parent = rng.choice(parents)
    key = rng.choice(list(parent)) if isinstance(parent, dict) else rng.randrange(len(parent))
    action = rng.randrange(6)
    if action == 0:
        del parent[key]
    elif action == 1:
        other = rng.choice([v for p in parents for v in (p.values() if isinstance(p, dict) else p)])
        parent[key] = json.loads(json.dumps(other))  # a copy: a tree has no circles
    elif action == 2 and isinstance(parent, dict):
        parent[rng.choice(NAMES)] = value(rng)
    elif action == 3 and isinstance(parent, list):
        parent.insert(rng.randrange(len(parent) + 1), json.loads(json.dumps(parent[key])))
    else:
        parent[key] = value(rng)
    return tree


def _entries(content: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def _zipped(entries: Sequence[tuple[str, bytes]], method: int) -> bytes:
    import warnings

    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", method) as archive:
        warnings.simplefilter("ignore")  # of two entries of one name
        for name, data in entries:
            archive.writestr(name.replace("\0", "_") or "_", data)
    return stream.getvalue()


def zip_entry(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Change the bytes of an entry, or its name, leave it out, or double it; the archive itself is whole."""
    entries = _entries(content)
    k = rng.randrange(len(entries))
    name, data = entries[k]
    action = rng.randrange(6)
    if action == 0:
        entries[k] = (rng.choice((*NAMES[:10], rng.choice(entries)[0])), data)
    elif action == 1:
        del entries[k]
    elif action == 2:
        entries.append((name if rng.random() < 0.5 else rng.choice(NAMES[:10]), data))
    elif action == 3:
        entries[k] = (name, bytes(rng.choice((10**5, 3 * 10**6))))
    else:
        entries[k] = (name, rng.choice(BYTES)(rng, data, [d for _, d in entries]))
    return _zipped(entries, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))


def npz_header(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Change the JSON of an .npz file of a network."""
    import numpy as np

    entries = dict(_entries(content))
    tree = json.loads(np.load(io.BytesIO(entries["header.npy"])).tobytes())
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        tree = json_edit(rng, tree)
    stream = io.BytesIO()
    np.save(stream, np.frombuffer(json.dumps(tree).encode("utf-8", "surrogatepass"), dtype=np.uint8))
    entries["header.npy"] = stream.getvalue()
    return _zipped(list(entries.items()), zipfile.ZIP_STORED)


NPZ: tuple[Change, ...] = (zip_entry, npz_header, npz_header, npz_header)


def skops_schema(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Change the schema of a skops file: any part of it, or one of the numbers and texts that it holds as JSON."""
    entries = dict(_entries(content))
    tree = json.loads(entries["schema.json"])
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        nodes = list(_parts(tree))
        if rng.random() < 0.4:
            tree = json_edit(rng, tree)
        elif rng.random() < 0.5:
            held = [node for node in nodes if node.get("__loader__") == "JsonNode"]
            rng.choice(held)["content"] = json.dumps(value(rng))
        else:  # one node in the place of another, which may also be around it
            first, second = rng.choice(nodes), rng.choice(nodes)
            other = json.loads(json.dumps(second))
            first.clear()
            first.update(other)
            if rng.random() < 0.5:
                first["__id__"] = rng.choice(nodes).get("__id__")
    entries["schema.json"] = json.dumps(tree).encode("utf-8", "surrogatepass")
    return _zipped(list(entries.items()), zipfile.ZIP_STORED)


def _parts(tree: Any) -> list[Any]:
    """Return all nodes of a schema but the first."""
    found: list[Any] = []
    front = [tree]
    while front:
        one = front.pop()
        front.extend(one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
        if isinstance(one, dict) and "__loader__" in one and one is not tree:
            found.append(one)
    return found


def skops_array(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Put another array in the place of one: of another shape or type, with other numbers, or one of the file."""
    import numpy as np

    entries = _entries(content)
    places = [k for k, (name, _) in enumerate(entries) if name.endswith(".npy")]
    k = rng.choice(places)
    array = np.load(io.BytesIO(entries[rng.choice((k, rng.choice(places)))][1]))
    numbers = rng.choice((0.0, -1.0, float("nan"), float("inf"), 1e300, 1e-320, 2.0**40))
    made = rng.choice(
        (array, array.ravel(), array[..., None], np.atleast_1d(array)[:0], np.atleast_1d(array)[:-1],
         np.repeat(array, 3), np.array(numbers), np.full(array.shape, numbers), np.zeros((0, 5)), np.zeros((1, 1)),
         array.astype("U8"),
         np.full(array.shape, rng.choice(NUMBERS[:-12])), array.astype("c16") if array.dtype.kind != "U" else array,
         array.T, np.zeros((1,) * 20), np.zeros(array.shape, "V3"))
    )  # fmt: skip
    stream = io.BytesIO()
    np.save(stream, made)
    entries[k] = (entries[k][0], stream.getvalue())
    return _zipped(entries, zipfile.ZIP_DEFLATED)


SKOPS: tuple[Change, ...] = (zip_entry, skops_array, skops_array, skops_schema, skops_schema, skops_schema)


# ONNX ----------------------------------------------------------------------------------------------------------------

ATTRIBUTES = (
    "axis", "axes", "pads", "kernel_shape", "strides", "dilations", "group", "perm", "alpha", "beta", "to", "mode",
    "keepdims", "num_outputs", "split", "hidden_size", "direction", "layout", "auto_pad", "epsilon", "value", "shape",
    "blocksize", "output_shape", "output_padding", "scales", "ceil_mode", "start", "end", "starts", "ends", "equation",
    "num_heads", "is_causal", "largest", "sorted", "fmod", "approximate", "min", "max", "size", "bias", "num_groups",
)  # fmt: skip


def onnx_edit(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Change one or a few fields of an ONNX file, which stays one as protobuf sees it."""
    import onnx

    model = onnx.ModelProto.FromString(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        # There may be nothing to change, or a number does not fit into its field.
        with contextlib.suppress(IndexError, ValueError, TypeError):
            rng.choice(_EDITS)(rng, model, onnx)
    return bytes(model.SerializeToString())


def _node(rng: random.Random, model: Any) -> Any:
    nodes = [*model.graph.node, *(n for f in model.functions for n in f.node)]
    return rng.choice(nodes)


def _tensor(rng: random.Random, model: Any) -> Any:
    attributes = [a.t for n in model.graph.node for a in n.attribute if a.HasField("t")]
    return rng.choice([*model.graph.initializer, *attributes])


def _a_name(rng: random.Random, model: Any) -> str:
    names = [n for node in model.graph.node for n in (*node.input, *node.output)]
    names += [t.name for t in (*model.graph.initializer, *model.graph.input)]
    return rng.choice(NAMES) if rng.random() < 0.2 else rng.choice(names)


def _attribute_number(rng: random.Random, model: Any, onnx: Any) -> None:
    attribute = rng.choice(_node(rng, model).attribute)
    if attribute.ints:
        k = rng.randrange(len(attribute.ints))
        action = rng.randrange(4)
        if action == 0:
            del attribute.ints[k]
        elif action == 1:
            attribute.ints.extend([rng.choice(NUMBERS)] * rng.choice((1, 1, 2, 70)))
        else:
            attribute.ints[k] = rng.choice(NUMBERS)
    elif attribute.floats:
        attribute.floats[0] = rng.choice((0.0, -1.0, float("nan"), float("inf"), 1e38, 1e-40))
    elif attribute.type == onnx.AttributeProto.FLOAT:
        attribute.f = rng.choice((0.0, -1.0, float("nan"), float("inf"), -3e38, 1e-40))
    elif attribute.type == onnx.AttributeProto.STRING:
        attribute.s = rng.choice(NAMES).encode() if rng.random() < 0.7 else b"\xff\xfe"
    else:
        attribute.i = rng.choice(NUMBERS)


def _attribute_kind(rng: random.Random, model: Any, onnx: Any) -> None:
    attribute = rng.choice(_node(rng, model).attribute)
    attribute.type = rng.choice(onnx.AttributeProto.AttributeType.values())


def _attribute_new(rng: random.Random, model: Any, onnx: Any) -> None:
    numbers = [rng.choice(NUMBERS) for _ in range(rng.choice((1, 2, 4, 70)))]
    given = rng.choice((rng.choice(NUMBERS), numbers, 0.5, rng.choice(NAMES), [0.5, -1.0]))
    node = _node(rng, model)
    node.attribute.append(onnx.helper.make_attribute(rng.choice(ATTRIBUTES), given))


def _attribute_gone(rng: random.Random, model: Any, onnx: Any) -> None:
    node = _node(rng, model)
    del node.attribute[rng.randrange(len(node.attribute))]


def _dims(rng: random.Random, model: Any, onnx: Any) -> None:
    tensor = _tensor(rng, model)
    action = rng.randrange(4)
    if action == 0:
        tensor.dims.append(rng.choice(NUMBERS))
    elif action == 1:
        tensor.dims[:] = list(tensor.dims)[::-1]
    else:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(NUMBERS)


def _data(rng: random.Random, model: Any, onnx: Any) -> None:
    """Other numbers in a constant, as many as before, or a constant of another shape."""
    import numpy as np

    tensor = _tensor(rng, model)
    array = np.array(onnx.numpy_helper.to_array(tensor))
    if rng.random() < 0.3:
        shape = rng.choice([(0,), (), (1,), (2,), (3, 1), (1, 1, 1, 1, 1), array.shape[::-1], (2, *array.shape)])
        array = np.resize(array, shape)
    if array.size and rng.random() < 0.8:
        number = rng.choice(NUMBERS) if array.dtype.kind in "iu" else rng.choice((0, -1, 3, 1e30, np.nan, np.inf))
        array.reshape(-1)[rng.randrange(array.size)] = number
    if rng.random() < 0.2:
        array = array.astype(rng.choice(("f4", "f8", "i8", "i4", "?", "f2", "u1")))
    tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))


def _kind_of_tensor(rng: random.Random, model: Any, onnx: Any) -> None:
    _tensor(rng, model).data_type = rng.choice((*onnx.TensorProto.DataType.values(), 99, -1))


def _outside(rng: random.Random, model: Any, onnx: Any) -> None:
    tensor = _tensor(rng, model)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=rng.choice(NAMES))
    if rng.random() < 0.5:
        tensor.external_data.add(key=rng.choice(("offset", "length")), value=str(rng.choice(NUMBERS)))


def _operator(rng: random.Random, model: Any, onnx: Any) -> None:
    from lrp_ref.loaders.onnx import operators

    _node(rng, model).op_type = rng.choice(
        (*operators(), "If", "Loop", "Scan", "Constant", "Concat", "Range", "ConstantOfShape", "Strange")
    )


def _inputs(rng: random.Random, model: Any, onnx: Any) -> None:
    node = _node(rng, model)
    action = rng.randrange(4)
    if action == 0:
        del node.input[rng.randrange(len(node.input))]
    elif action == 1:
        node.input.append(_a_name(rng, model))
    elif action == 2:
        node.input[rng.randrange(len(node.input))] = rng.choice(node.output)
    else:
        node.input[rng.randrange(len(node.input))] = _a_name(rng, model)


def _outputs(rng: random.Random, model: Any, onnx: Any) -> None:
    node = _node(rng, model)
    if rng.random() < 0.3:
        node.output.append(_a_name(rng, model))
    elif rng.random() < 0.3:
        del node.output[rng.randrange(len(node.output))]
    else:
        node.output[rng.randrange(len(node.output))] = _a_name(rng, model)


def _nodes(rng: random.Random, model: Any, onnx: Any) -> None:
    nodes = list(model.graph.node)
    k = rng.randrange(len(nodes))
    action = rng.randrange(4)
    if action == 0:
        del nodes[k]
    elif action == 1:
        nodes.insert(k, nodes[k])
    elif action == 2:
        rng.shuffle(nodes)
    else:  # many of one kind, each reading what the one before makes
        made = []
        for j in range(rng.choice((3, 40, 300))):
            one = onnx.NodeProto()
            one.CopyFrom(nodes[k])
            one.input[:] = [f"chain{j - 1}" if n == one.input[0] and j else n for n in one.input]
            one.output[0] = f"chain{j}"
            made.append(one)
        nodes[k + 1 : k + 1] = made
        model.graph.output[0].name = made[-1].output[0]
    copies = [onnx.NodeProto.FromString(n.SerializeToString()) for n in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)


def _shape(rng: random.Random, model: Any, onnx: Any) -> None:
    dims = rng.choice(model.graph.input).type.tensor_type.shape.dim
    action = rng.randrange(4)
    if action == 0:
        dims.add().dim_value = rng.choice(NUMBERS)
    elif action == 1:
        del dims[rng.randrange(len(dims))]
    elif action == 2:
        rng.choice(dims).dim_param = rng.choice(("N", "batch", "L", *NAMES))
    else:
        rng.choice(dims).dim_value = rng.choice(NUMBERS)


def _kind_of_input(rng: random.Random, model: Any, onnx: Any) -> None:
    rng.choice(model.graph.input).type.tensor_type.elem_type = rng.choice((*range(25), -1, 99))


def _name(rng: random.Random, model: Any, onnx: Any) -> None:
    lists = (model.graph.input, model.graph.output, model.graph.initializer, model.graph.node, model.functions)
    rng.choice([one for part in lists for one in part]).name = _a_name(rng, model)


def _opset(rng: random.Random, model: Any, onnx: Any) -> None:
    rng.choice(model.opset_import).version = rng.choice((*range(5, 30), *NUMBERS))


def _more_outputs(rng: random.Random, model: Any, onnx: Any) -> None:
    model.graph.output.add().name = _a_name(rng, model)


def _function(rng: random.Random, model: Any, onnx: Any) -> None:
    """Functions that call each other, one of which has a node of the graph."""
    node, depth = rng.choice(model.graph.node), rng.choice((1, 2, 15, 17, 40))
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("local", 1)]
    for k in range(depth):
        called = f"f{k + 1}" if rng.random() < 0.9 else rng.choice(("f0", f"f{k}"))
        calls = [onnx.helper.make_node(called, [a], [b], domain="local") for a, b in (("a", "b"), ("b", "c"))]
        model.functions.append(onnx.helper.make_function("local", f"f{k}", ["a"], ["c"], calls, opsets))
    last = onnx.NodeProto()
    last.CopyFrom(node)
    last.input[:], last.output[:] = ["a"], ["c"]
    model.functions.append(onnx.helper.make_function("local", f"f{depth}", ["a"], ["c"], [last], opsets))
    node.op_type, node.domain = "f0", "local"
    if not any(o.domain == "local" for o in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid("local", 1))


def _inner_graph(rng: random.Random, model: Any, onnx: Any) -> None:
    graph = onnx.GraphProto.FromString(model.graph.SerializeToString())
    for _ in range(rng.choice((0, 3, 20))):
        outer = onnx.helper.make_graph(
            [onnx.helper.make_node("If", ["x"], ["y"], then_branch=graph, else_branch=onnx.GraphProto())], "g", [], []
        )
        graph = outer
    _node(rng, model).attribute.append(onnx.helper.make_attribute("then_branch", graph))


def _sparse(rng: random.Random, model: Any, onnx: Any) -> None:
    values = onnx.helper.make_tensor("sparse", 1, (2,), [1.0, 2.0])
    indices = onnx.helper.make_tensor("indices", 7, (2,), [rng.choice(NUMBERS), 1])
    dims = [rng.choice(NUMBERS) for _ in range(rng.choice((1, 2, 40)))]
    model.graph.sparse_initializer.append(onnx.helper.make_sparse_tensor(values, indices, dims))
    _node(rng, model).input.append("sparse")


_EDITS = (
    _attribute_number, _attribute_number, _attribute_number, _attribute_kind, _attribute_new, _attribute_gone, _dims,
    _data, _data, _data, _kind_of_tensor, _outside, _operator, _operator, _inputs, _inputs, _outputs, _nodes, _shape,
    _shape, _kind_of_input, _name, _opset, _more_outputs, _function, _inner_graph, _sparse,
)  # fmt: skip
ONNX: tuple[Change, ...] = (onnx_edit,) * 9
