"""Formats for the fuzz: small files that are right, how they are changed, and what loading one of them may do.

To enter a format, add a :class:`Hostile` to ``HOSTILE``: its suffix, a function that returns the bytes of a few small
files, and the changes that know the format, if any; those of bytes are tried on every format.
"""

from __future__ import annotations

import contextlib
import random
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import mutations
import numpy as np
from mutations import Change

from lrp_ref.errors import LONGEST, LrpError
from lrp_ref.loaders import load
from lrp_ref.loaders.limits import bound

SECONDS = 5.0
LONG = 20_000  # bytes of a file; longer ones are left out, as a change seldom hits anything in them


@dataclass(frozen=True)
class Hostile:
    """One format.

    Attributes:
        suffix: of its files.
        seeds: returns files that load, as bytes; small ones, so that a change hits something.
        changes: that know the format.
        more: returns more seeds, for a long run.
        beside: names and contents of files that lie in the same folder.
    """

    suffix: str
    seeds: Callable[[], Sequence[bytes]]
    changes: tuple[Change, ...] = ()
    more: Callable[[], Sequence[bytes]] | None = None
    beside: tuple[tuple[str, bytes], ...] = ()


# .npz ----------------------------------------------------------------------------------------------------------------


@cache
def npz_seeds() -> tuple[bytes, ...]:
    """One network for each sample of a layer."""
    import tempfile

    from samples import SAMPLES

    from lrp_ref.loaders import save
    from lrp_ref.network import Input, Network, Node

    made = []
    with tempfile.TemporaryDirectory() as folder:
        for sample in SAMPLES:
            names = tuple(f"in{k}" for k in range(len(sample.inputs())))
            node = Node("only", sample.layer("normal"), names)
            save(Network((node,), tuple(Input(n) for n in names), ("only",)), Path(folder) / "net.npz")
            made.append((Path(folder) / "net.npz").read_bytes())
    return tuple(made)


# .onnx ---------------------------------------------------------------------------------------------------------------


def onnx_model(steps: Sequence[tuple[Any, ...]], weights: dict[str, Any], shape: Sequence[Any], opset: int = 17) -> Any:
    """Return a model of (operator, inputs, attributes); step k makes "t{k}", or what "makes" says, the last one "y"."""
    import onnx

    nodes = []
    for k, (kind, reads, given) in enumerate(steps):
        attributes = dict(given)
        makes = attributes.pop("makes", ["y" if k + 1 == len(steps) else f"t{k}"])
        nodes.append(onnx.helper.make_node(kind, reads, makes, name=f"node{k}", **attributes))
    graph = onnx.helper.make_graph(
        nodes,
        "case",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(np.asarray(v), n) for n, v in weights.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8)


def _numbers(*shape: int) -> Any:
    return np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)


def onnx_models() -> Iterator[Any]:
    """Small models that together have most of what files have."""
    import onnx

    yield onnx_model(
        [("Gemm", ["x", "w", "b"], {"transB": 1}), ("Relu", ["t0"], {}), ("Softmax", ["t1"], {"axis": -1})],
        {"w": _numbers(4, 3), "b": _numbers(4)}, ("N", 3),
    )  # fmt: skip
    yield onnx_model(
        [("Conv", ["x", "w", "b"], {"pads": [1, 1, 1, 1], "strides": [1, 2], "dilations": [1, 1], "group": 1}),
         ("BatchNormalization", ["t0", "s", "s", "s", "v"], {}), ("PRelu", ["t1", "a"], {}),
         ("MaxPool", ["t2"], {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
         ("AveragePool", ["t3"], {"kernel_shape": [1, 1], "auto_pad": "SAME_UPPER"}),
         ("Resize", ["t4", "", "f"], {"mode": "nearest", "nearest_mode": "floor",
                                                             "coordinate_transformation_mode": "asymmetric"}),
         ("Pad", ["t5", "p"], {}), ("GlobalAveragePool", ["t6"], {}), ("Flatten", ["t7"], {"axis": 1})],
        {"w": _numbers(2, 1, 3, 3), "b": _numbers(2), "s": _numbers(2), "v": np.ones(2, np.float32),
         "a": _numbers(2, 1, 1), "f": np.array([1, 1, 2, 2], np.float32), "p": np.array([0, 0, 1, 0, 0, 0, 0, 2])},
        ("N", 1, 8, 8),
    )  # fmt: skip
    yield onnx_model(
        [("Shape", ["x"], {}), ("Gather", ["t0", "zero"], {"axis": 0}), ("Unsqueeze", ["t1", "zeros"], {}),
         ("Concat", ["t2", "rest"], {"axis": 0}), ("Reshape", ["x", "t3"], {}),
         ("Transpose", ["t4"], {"perm": [0, 2, 1]}),
         ("Slice", ["t5", "zeros", "two", "one"], {}), ("Split", ["t6", "parts"], {"axis": 2, "makes": ["a", "b"]}),
         ("Add", ["a", "a"], {}), ("Squeeze", ["t8", "two"], {})],
        {"zero": np.array(0), "zeros": np.array([0]), "one": np.array([1]), "two": np.array([2]),
         "rest": np.array([2, -1]), "parts": np.array([1, 1])},
        ("N", 4),
    )  # fmt: skip
    yield onnx_model(
        [("ConstantOfShape", ["s"], {"value": onnx.numpy_helper.from_array(np.array([0.5], np.float32))}),
         ("Expand", ["t0", "e"], {}), ("Tile", ["t1", "r"], {}), ("Range", ["i", "j", "d"], {}),
         ("Cast", ["t3"], {"to": 1}), ("MatMul", ["t2", "m"], {}), ("Mul", ["t5", "t4"], {}),
         ("Concat", ["t6", "t6"], {"axis": 0}), ("Transpose", ["t7"], {}), ("MatMul", ["x", "t8"], {})],
        {"s": np.array([1, 2]), "e": np.array([3, 2]), "r": np.array([1, 1]), "i": np.array(0), "j": np.array(4),
         "d": np.array(1), "m": _numbers(2, 4)},
        ("N", 4),
    )  # fmt: skip
    yield onnx_model(
        [("LSTM", ["x", "w", "r", "b"], {"hidden_size": 2, "direction": "forward", "makes": ["s", "h", "c"]}),
         ("Squeeze", ["h", "zeros"], {})],
        {"w": _numbers(1, 8, 3), "r": _numbers(1, 8, 2), "b": _numbers(1, 16), "zeros": np.array([0])}, ("T", "N", 3),
    )  # fmt: skip
    yield onnx_model(
        [("Sigmoid", ["x"], {}), ("Mul", ["x", "t0"], {}), ("Erf", ["t1"], {}), ("Identity", ["x"], {}),
         ("Pow", ["t3", "two"], {}), ("ReduceMean", ["t4"], {"axes": [1], "keepdims": 1}), ("Sqrt", ["t5"], {}),
         ("Div", ["x", "c"], {}), ("Greater", ["t7", "h"], {}), ("Where", ["t8", "t7", "h"], {}),
         ("Add", ["t6", "t9"], {}),
         ("Clip", ["t10", "h", "two"], {}), ("Tile", ["t11", "r"], {}), ("Expand", ["t12", "e"], {}),
         ("Gather", ["t13", "i"], {"axis": 1}), ("DepthToSpace", ["x"], {"blocksize": 1}), ("Sum", ["x", "x"], {}),
         ("LeakyRelu", ["t14"], {"alpha": 0.1})],
        {"two": np.array(2, np.float32), "c": _numbers(3, 1, 1) + 3, "h": np.array(0, np.float32),
         "r": np.array([1, 2, 1, 1]), "e": np.array([1, 1, 1, 1]), "i": np.array([0, 1])}, ("N", 3, 2, 2),
    )  # fmt: skip
    yield onnx_model(
        [("ConvTranspose", ["x", "w"], {"strides": [2], "output_padding": [1], "auto_pad": "SAME_LOWER"}),
         ("Resize", ["t0", "", "", "s"], {"mode": "linear"}), ("ReduceMax", ["t1"], {"axes": [2], "keepdims": 0})],
        {"w": _numbers(2, 1, 3), "s": np.array([1, 1, 9])}, (1, 2, 4),
    )  # fmt: skip
    sparse = onnx_model([("MatMul", ["x", "w"], {})], {}, ("N", 3))
    values = onnx.helper.make_tensor("w", 1, (2,), [1.5, -2.0])
    indices = onnx.helper.make_tensor("places", 7, (2,), [0, 5])
    sparse.graph.sparse_initializer.append(onnx.helper.make_sparse_tensor(values, indices, [3, 2]))
    yield sparse
    outside = onnx_model([("MatMul", ["x", "w"], {})], {"w": _numbers(3, 2)}, ("N", 3))
    tensor = outside.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, text in (("location", "weights.bin"), ("offset", "8"), ("length", "24")):
        tensor.external_data.add(key=key, value=text)
    yield outside
    regressor = {"coefficients": [1.0, 2.0, 3.0], "intercepts": [0.5]}
    scaler = ("Scaler", ["x"], {"offset": [0.5], "scale": [2.0]})
    ml = onnx_model([scaler, ("LinearRegressor", ["t0"], regressor)], {}, ("N", 3))
    for node in ml.graph.node:
        node.domain = "ai.onnx.ml"
    ml.opset_import.append(onnx.helper.make_opsetid("ai.onnx.ml", 3))
    yield ml
    machine = {
        "support_vectors": [1.0, 2.0, 3.0, -1.0, 0.5, 2.0], "coefficients": [1.0, -2.0], "rho": [0.5],
        "kernel_type": "RBF", "kernel_params": [0.5, 0.0, 3.0],
    }  # fmt: skip
    of_classes = {"vectors_per_class": [1, 1], "classlabels_ints": [0, 1]}
    svm = onnx_model([("SVMRegressor", ["x"], {**machine, "n_supports": 2})], {}, ("N", 3))
    svm.graph.node.append(onnx.helper.make_node("SVMClassifier", ["x"], ["label", "pair"], **machine, **of_classes))
    svm.graph.output.append(onnx.helper.make_tensor_value_info("pair", 1, ["N", 2]))
    for node in svm.graph.node:
        node.domain = "ai.onnx.ml"
    svm.opset_import.append(onnx.helper.make_opsetid("ai.onnx.ml", 3))
    yield svm
    typed = onnx_model([("Add", ["x", "a"], {}), ("Mul", ["t0", "b"], {})], {}, ("N", 3))
    typed.graph.initializer.append(onnx.helper.make_tensor("a", 1, (3,), [1.0, 2.0, 3.0]))
    typed.graph.initializer.append(onnx.helper.make_tensor("b", 11, (1,), [0.5]))
    yield typed
    local = onnx_model([("Twice", ["x", "w"], {})], {"w": _numbers(3, 3)}, ("N", 3))
    local.graph.node[0].domain = "local"
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("local", 1)]
    body = [onnx.helper.make_node("MatMul", ["a", "b"], ["p"]), onnx.helper.make_node("Relu", ["p"], ["c"])]
    local.functions.append(onnx.helper.make_function("local", "Once", ["a", "b"], ["c"], body, opsets))
    calls = [onnx.helper.make_node("Once", [a, "b"], [c], domain="local") for a, c in (("a", "m"), ("m", "c"))]
    local.functions.append(onnx.helper.make_function("local", "Twice", ["a", "b"], ["c"], calls, opsets))
    local.opset_import.append(opsets[1])
    yield local


@cache
def onnx_seeds() -> tuple[bytes, ...]:
    return tuple(model.SerializeToString() for model in onnx_models())


@cache
def onnx_node_cases() -> tuple[bytes, ...]:
    """onnx's own case of every operator, all its inputs but the first in the file."""
    import warnings

    import onnx
    from onnx.backend.test.case import node

    made = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package's own case generators divide by zero on purpose
        cases = node.collect_testcases(None)
    for case in cases:
        model = onnx.ModelProto.FromString(case.model.SerializeToString())
        given = case.data_sets[0][0]
        for k, spec in reversed(list(enumerate(model.graph.input))):
            if k and isinstance(given[k], np.ndarray):
                model.graph.initializer.append(onnx.numpy_helper.from_array(given[k], spec.name))
                del model.graph.input[k]
        content = model.SerializeToString()
        if len(content) < LONG:
            made.append(content)
    return tuple(made)


# Other formats -------------------------------------------------------------------------------------------------------

WEIGHTS = {"fc.weight": np.array([[1.0, -2.0], [0.5, 0.0]], np.float32), "fc.bias": np.array([0.5, -1.0], np.float32)}
DESCRIBED = (("model.architecture.json", b'{"layers": [{"Linear": "fc"}, "ReLU"]}'),)
TOOLBOX = (
    b"Linear 2 2\n1.0 -2.0 0.5 0.0\n0.5 -1.0\nRect\nSoftMax",
    b"Convolution 2 2 1 1 1 1\n1.0 -2.0 0.5 0.0\n0.5\nTanh\nSumPool 2 2 1 1\nFlatten",
)


@cache
def torch_seeds() -> tuple[bytes, ...]:
    """A state dict as a zip file, and as older versions wrote it."""
    import tempfile

    import weights_files

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.pth"
        made = []
        for write in (weights_files.torch_file, weights_files.older_torch_file):
            write(path, WEIGHTS)
            made.append(path.read_bytes())
    return tuple(made)


@cache
def safetensors_seeds() -> tuple[bytes, ...]:
    """A dense layer."""
    import weights_files

    return (weights_files.safetensors_of(WEIGHTS),)


@cache
def keras_seeds(form: str) -> tuple[bytes, ...]:
    """A dense network as Keras 3 and Keras 2 write it; none where h5py is not there to make it."""
    try:
        import keras_files
    except ImportError:
        return ()
    chain = (
        keras_files.entry("InputLayer", "x", batch_shape=[None, 2], dtype="float32"),
        keras_files.entry("Dense", "y", units=2, activation="relu"),
    )
    kernel, bias = WEIGHTS["fc.weight"], WEIGHTS["fc.bias"]
    config = keras_files.sequential(*chain)
    if form == "keras":
        return (keras_files.keras_bytes(config, {"layers/dense/vars/0": kernel, "layers/dense/vars/1": bias}),)
    return (keras_files.h5_bytes(config, {"y/y/kernel:0": kernel, "y/y/bias:0": bias}),)


@cache
def skops_seeds() -> tuple[bytes, ...]:
    """Estimators of every family; the forest among them is refused."""
    import skops_files

    return tuple(path.read_bytes() for path in sorted(skops_files.FOLDER.glob("*.skops")) if path.stem != "forest")


HOSTILE: dict[str, Hostile] = {
    "npz": Hostile(".npz", npz_seeds, mutations.NPZ),
    "onnx": Hostile(".onnx", onnx_seeds, mutations.ONNX, onnx_node_cases, beside=(("weights.bin", bytes(range(64))),)),
    "torch": Hostile(".pth", torch_seeds, beside=DESCRIBED),
    "safetensors": Hostile(".safetensors", safetensors_seeds, beside=DESCRIBED),
    "toolbox": Hostile(".txt", lambda: TOOLBOX),
    "keras": Hostile(".keras", lambda: keras_seeds("keras")),
    "h5": Hostile(".h5", lambda: keras_seeds("h5")),
    "skops": Hostile(".skops", skops_seeds, mutations.SKOPS),
}


# One changed file ----------------------------------------------------------------------------------------------------


def changed(name: str, number: int, *, long: bool = False) -> bytes:
    """Return file ``number`` of a format: the same at every call."""
    known, rng = HOSTILE[name], random.Random(f"{name} {number}")
    seeds: Sequence[bytes] = known.seeds()
    if long and known.more is not None and rng.random() < 0.6:
        seeds = known.more()
    content = rng.choice(seeds)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        pool = known.changes if known.changes and rng.random() < 0.7 else mutations.BYTES
        # What a change cannot read, after another one, it leaves as it is.
        with contextlib.suppress(Exception):
            content = rng.choice(pool)(rng, content, seeds)
    return content


def prepared(folder: Path, name: str) -> Path:
    """Write what lies beside a format's files, and return where the files themselves go."""
    for other, content in HOSTILE[name].beside:
        (folder / other).write_bytes(content)
    return folder / f"model{HOSTILE[name].suffix}"


def fault(path: Path, *, traced: bool = True) -> str | None:
    """Load a file; return what it must not have done, or None.

    Args:
        path: the file.
        traced: whether the memory that is allocated is measured, which takes time.
    """
    allowed, started, said, peak = bound(path.stat().st_size), time.perf_counter(), "", 0
    if traced:
        tracemalloc.start()
    try:
        load(path)
    except LrpError as error:
        said = str(error)
        if type(error) is LrpError or isinstance(error, ImportError):
            return f"{type(error).__name__}: {said}"
        if not said.isprintable() or len(said) > LONGEST or path.name not in said:
            return f"its error is not one line of {LONGEST} characters with the file's name: {said!r}"
        if "Unable to allocate" in said or "MemoryError" in said:
            return f"an allocation beyond memory was tried: {said}"
    except Exception as error:
        return f"{type(error).__name__} is not the package's own: {error}"
    finally:
        if traced:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    seconds = time.perf_counter() - started
    if seconds > SECONDS:
        return f"it took {seconds:.1f} s: {said}"
    return f"{peak} bytes were allocated, {allowed} are allowed: {said}" if peak > allowed else None
