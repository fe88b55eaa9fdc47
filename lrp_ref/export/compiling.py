"""``lrp.compile``: an explanation as a graph that onnxruntime runs, called like :func:`lrp_ref.explain`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..base.arrays import Array, is_float, to_numpy
from ..errors import BackendError, LrpError, NonFiniteError, ParameterError, ShapeError, UnsupportedError, require
from ..fast import threads
from ..network.inputs import batch_back
from ..network.network import Network
from ..propagation.explaining import Request, as_given, at_the_door, explain, output_place
from ..propagation.explanation import Explanation
from ..propagation.ledger import COLUMNS, Ledger, Row
from ..propagation.plan import Plan
from ..propagation.start import Difference, Logit, Output, find, require_apart
from ..propagation.targets import class_number, indices, is_tuple
from .exporting import chosen_composite
from .program import Form, Program, asking, program
from .recorded import Recorded

WORSE = 10.0  # times the error of the float32 core that a compiled explanation may have
SLIGHT = 1e-3  # of the sum of all absolute relevances: what is below it is rounding of float32 in any case
MOST = 0.5  # of the sum of all absolute relevances, whatever the error of the float32 core


class NoLedger(Ledger):
    """The ledger of an explanation that was compiled without one: it says so to whoever looks into it."""

    made = False

    def __init__(self) -> None:
        super().__init__(())

    def _refuse(self) -> Any:
        raise UnsupportedError("this explanation was compiled without its ledger: lrp.compile(..., ledger=True)")

    def __getitem__(self, index: Any) -> Any:
        self._refuse()

    def __iter__(self) -> Any:
        self._refuse()

    def __len__(self) -> int:
        return int(self._refuse())

    @property
    def residual(self) -> float:
        """NaN: nobody knows."""
        return math.nan

    def map(self, function: Callable[..., Array], *others: Ledger) -> Ledger:
        """Return itself: there are no columns."""
        return self

    def sample(self, k: int | slice) -> Ledger:
        """Return itself."""
        return self

    def to_numpy(self) -> Ledger:
        """Return itself."""
        return self

    def __repr__(self) -> str:
        return "no ledger: compiled without one; lrp.compile(..., ledger=True) makes it"

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>"


class Compiled:
    """An explanation that onnxruntime computes: a network, a composite, and sizes of one sample.

    Attributes:
        difference: the largest difference to the NumPy core in float64, as a share of the largest relevance; None
            where it was not checked.
        core: the same of the NumPy core in float32, on the same example.
    """

    def __init__(self, net: Network, made: Program, place: int, session: Any) -> None:
        self.net, self._program, self._place, self._session = net, made, place, session
        self.difference: float | None = None
        self.core: float | None = None
        self._plan = _on_host(made.recording.prepared.plan)
        self._adjusted = {k: np.array(v, dtype=made.graph.dtype) for k, v in made.graph.adjustable.items()}

    def __repr__(self) -> str:
        sizes = ", ".join(f"{n} {tuple(a.shape[1:])}" for n, a in self._program.asked.blank.items())
        checked = "not checked against the NumPy core"
        if self.difference is not None:
            checked = (
                f"differs from the NumPy core in float64 by {self.difference:.1e} of the largest relevance "
                f"(the core in float32 by {self.core:.1e})"
            )
        return f"Compiled({self._program.recording.prepared.composite}, {sizes}, {self.engine}: {checked})"

    def __copy__(self) -> Compiled:
        """Return itself, which nothing changes."""
        return self

    def __deepcopy__(self, memo: Any) -> Compiled:
        """Return itself, which nothing changes."""
        return self

    def __reduce__(self) -> Any:
        """Return what makes it once more where it is unpickled, for what onnxruntime has loaded cannot be moved."""
        asked = self._program.asked
        question = asked.question
        how = {
            "start": question.start, "output": self._output, "canonize": question.canonize, "ledger": asked.ledger,
            "shapes": {name: array.shape[1:] for name, array in asked.blank.items()}, "check": False,
        }  # fmt: skip
        return _made_again, (self.net, question.composite, how, self.difference, self.core)

    @property
    def engine(self) -> str:
        """What computes it, with its version."""
        return f"onnxruntime {require('onnxruntime', extra='runtime', purpose='run a graph').__version__}"

    @property
    def _output(self) -> str | None:
        """The name of the output that is explained; None for the first."""
        return None if self._place == 0 else self.net.outputs[self._place]

    def __call__(self, x: Any, *, target: Any = None) -> Explanation:
        """Return the explanation of a batch.

        Args:
            x: inputs as :meth:`Network.forward` takes them; floats of any type are rounded to float32.
            target: one output for all samples (a tuple such as c, h, w in a map), one per sample (N,), or K numbers
                for one sample, which is then explained K times by one forward pass; names where the network has
                classes; None for the largest.

        Returns:
            An :class:`lrp_ref.Explanation` with float32 arrays. Its ``trace`` walks once more, in NumPy.

        Raises:
            ShapeError: sizes of a sample that it was not compiled for.
            NonFiniteError: NaN or infinity in the input or in the result.
            ParameterError: a target that is no output, or several that add up.
        """
        fed, begin = self._fed(x), find(self._program.asked.question.start)
        n = len(next(iter(fed.values())))
        targets = self._targets(target, n)
        try:
            results = self._session.run(
                list(self._program.shown.values()), {**fed, **self._adjusted, self._program.recording.asks: targets}
            )
        except Exception as error:  # of the runtime, whose classes are its own
            raise BackendError(f"onnxruntime: {str(error).splitlines()[0]}") from error
        found = dict(zip(self._program.shown, results, strict=True))
        return self._explanation(found, fed, begin, predicted=target is None)

    def _fed(self, x: Any) -> dict[str, Array]:
        """Return checked inputs, floats as float32 and integers as the graph takes them."""
        _, fed = at_the_door(self.net, x, None)
        blank, ready = self._program.asked.blank, {}
        for name, array in fed.items():
            if array.dtype.kind not in "fiub":
                raise BackendError(
                    f"input '{name}' holds {array.dtype}, a compiled explanation computes in float32: use lrp.explain"
                )
            if array.shape[1:] != blank[name].shape[1:]:
                raise ShapeError(
                    f"input '{name}' has samples of shape {array.shape[1:]}, compiled for {blank[name].shape[1:]}: "
                    "compile once more, with these sizes in shapes="
                )
            kind = np.dtype(np.float32) if is_float(blank[name]) else blank[name].dtype
            if not is_float(blank[name]) and is_float(array):
                raise ShapeError(f"input '{name}' takes integers, got {array.dtype}")
            with np.errstate(over="ignore"):
                ready[name] = np.ascontiguousarray(to_numpy(array), dtype=kind)
            if kind.kind == "f" and not np.isfinite(ready[name]).all():
                raise NonFiniteError(f"input '{name}' has numbers that float32 cannot hold")
            if kind.kind == "f":
                _require_size(name, array, ready[name])
        return ready

    @property
    def _sizes(self) -> tuple[int, ...]:
        """The shape of one sample's output."""
        return tuple(self._program.recording.output.shape[1:])

    def _targets(self, target: Any, n: int) -> Array:
        """Return one target per sample, −1 for the largest output."""
        named: Sequence[str] = self.net.classes if self._place == 0 else ()
        target = class_number(target, named)
        if isinstance(target, list | tuple | range):
            numbers = [class_number(t, named) for t in target]
            # A tuple with a number per axis is one index into an output, for all samples.
            target = tuple(numbers) if is_tuple(target) and len(target) == len(self._sizes) else numbers
        if target is None:
            return np.full(n, -1, dtype=np.int64)
        several = len(target) if isinstance(target, list) or getattr(target, "ndim", False) else 1
        found = to_numpy(indices(target, several if n == 1 and several else n, self._sizes))
        if found.shape[1] != 1:
            raise ParameterError(
                f"targets of shape {found.shape} add up, which a compiled explanation does not: explain them with "
                "lrp.explain, or add explanations of one target each"
            )
        if len(found) > n and any(i.batch_axis is None for i in self.net.inputs):
            raise ParameterError(
                f"{len(found)} targets of a network whose arrays are one sample, without an axis for several "
                "explanations: explain one at a time"
            )
        return np.ascontiguousarray(
            np.broadcast_to(found[:, 0], (max(len(found), n) if n == 1 else n,)), dtype=np.int64
        )

    def _explanation(
        self, found: dict[str, Array], fed: dict[str, Array], begin: Any, *, predicted: bool
    ) -> Explanation:
        recording, asked = self._program.recording, self._program.asked
        prepared, canonized = recording.prepared, asked.question.canonize
        relevance = {name: found[shown] for name, shown in self._program.relevances.items()}
        for name, array in relevance.items():
            if not np.isfinite(array).all():
                raise NonFiniteError(
                    f"the relevance of input '{name}' is not finite in float32, as shares grow where denominators "
                    "nearly vanish: take lrp.explain in float64, or another composite"
                )
        several = {name: self._for_each(a, found) for name, a in fed.items()}
        ledger: Ledger = NoLedger()
        if asked.ledger:
            columns = found["ledger"]
            rows = [(r.node, r.rule) for r in recording.ledger]
            ledger = Ledger(
                Row(node, rule, *(columns[:, k, c] for c in range(len(COLUMNS)))) for k, (node, rule) in enumerate(rows)
            )
        chance, output = found.get("probability"), self._for_each(found["output"], found)
        against = None
        if isinstance(begin, Difference):
            against = begin.indices(output)
            require_apart(found["explained"], against, predicted, 0)
            against = against.reshape(len(output))
        e = Explanation(
            output=output,
            relevance=relevance,
            ledger=ledger,
            target=found["explained"],
            start=repr(Output() if isinstance(begin, Logit) and prepared.head.squashed and not canonized else begin),
            composite=prepared.composite,
            plan=self._plan,
            start_relevance=found["start"],
            against=against,
            head=prepared.head,
            probability=None if chance is None else self._for_each(chance, found),
            bias=prepared.bias,
            notes=(*prepared.notes(fed), f"computed by {self.engine} in float32"),
            relevance_axes=(0,) * len(relevance),
        )
        again = Request(
            self.net.batch_first(), several, found["explained"], asked.question.composite, begin, self._output,
            asked.question.canonize,
        )  # fmt: skip
        return replace(as_given(e, self.net, self._place), again=again)

    def _for_each(self, array: Array, found: dict[str, Array]) -> Array:
        """Return one sample once for each of its targets."""
        many = len(found["explained"])
        return np.repeat(array, many, axis=0) if len(array) == 1 and many != 1 else array


def _on_host(plan: Plan) -> Plan:
    """Return a plan of which the layers hold numbers instead of constants of a graph."""

    def host(array: Any) -> Any:
        return array.get() if isinstance(array, Recorded) else array

    return Plan([replace(planned, layer=planned.layer.map_arrays(host)) for planned in plan], note=plan.note)


def compile(  # noqa: A001  the name under which the package has it, as re.compile
    net: Network,
    composite: Any = None,
    *,
    start: Any = "logit",
    output: str | None = None,
    canonize: bool = True,
    shapes: Any = None,
    ledger: bool = False,
    example: Any = None,
    check: bool = True,
    **parameters: Any,
) -> Compiled:
    """Return the explanation of a network as a function that onnxruntime computes in float32.

    What depends on network, composite and sizes alone is made once, in float64; the rest is one graph without Python
    between its nodes. It takes as many threads as NumPy's BLAS may use.

    Args:
        net, composite, start, output, canonize: as :func:`lrp_ref.explain` takes them.
        shapes: of one sample, where the network leaves sizes free: a tuple, or a dict by name.
        ledger: whether the graph makes the ledger too, which takes some of the time that was saved.
        example: inputs of the sizes that it is made for, on the first of which the result is compared with the NumPy
            core; None for one sample of random numbers, in the range that the network's input declares, or around 0.
        check: whether it is compared; an explanation that differs by more than rounding is an error, not a warning.
        parameters: of the preset, ``bias`` and ``dialect``, as :func:`lrp_ref.explain` takes them.

    Raises:
        MissingExtraError: onnxruntime or onnx is not installed.
        UnsupportedError: nodes that cannot be written, all of them named.
        LrpError: any other of its kinds; a result that differs from the NumPy core's.

    Example:
        >>> from lrp_ref.layers import Dense
        >>> net = Network.sequential([Dense(np.array([[1.0], [2.0]]), np.array([0.5]))])
        >>> compiled = compile(net, "epsilon", shapes=(2,))
        >>> compiled(np.array([[3.0, 1.0]])).relevance.round(4).tolist()
        [[3.0, 2.0]]
    """
    Network.required(net, "compile")
    if "target" in parameters or "targets" in parameters:
        raise ParameterError("the target is given at the call: lrp.compile(net, ...)(x, target=3)")
    runtime = require("onnxruntime", extra="runtime", purpose="run a graph")
    require("onnx", extra="onnx", purpose="write a graph")
    chosen = chosen_composite(net, composite, parameters, (), compile)
    if example is not None:
        first = {name: array[:1] for name, array in net.feed(example).items()}
        if not all(map(len, first.values())):
            raise ParameterError("the example has no sample that could be compared: give one, or leave it out")
        places = {i.name: i.batch_axis for i in net.inputs}
        example = {name: batch_back(array, places[name]) for name, array in first.items()}
        shapes = {name: array.shape[1:] for name, array in first.items()} if shapes is None else shapes
    asked = asking(
        net, composite=chosen, targets="input", start=start, output=output, canonize=canonize, shapes=shapes,
        ledger=ledger,
    )  # fmt: skip
    made = program(asked, Form(opset=21, optimize="speed"))
    session = _session(runtime, made)
    compiled = Compiled(net, made, output_place(net, output), session)
    if check:
        try:
            _check(compiled, _example(compiled) if example is None else example)
        except LrpError as error:
            if example is not None or type(error) is LrpError:
                raise
            raise type(error)(
                f"{error} (compared on one sample of random numbers: give one of your own, example=, or check=False)"
            ) from error
    return compiled


def _made_again(
    net: Network, composite: Any, how: dict[str, Any], difference: float | None, core: float | None
) -> Compiled:
    """Return a compiled explanation that was checked where it was pickled."""
    made = compile(net, composite, **how)
    made.difference, made.core = difference, core
    return made


def _require_size(name: str, given: Array, rounded: Array) -> None:
    """Raise if what is left of a sample in float32 has lost most digits, as below 1e-38, or all."""
    if given.dtype.itemsize <= rounded.dtype.itemsize or not given.size:
        return
    axes = tuple(range(1, given.ndim))
    largest, left = np.abs(to_numpy(given)).max(axis=axes), np.abs(rounded).max(axis=axes)
    lost = (largest > 0) & (left < np.finfo(np.float32).tiny)
    if lost.any():
        k = int(lost.argmax())
        raise BackendError(
            f"input '{name}' has in sample {k} no number above {largest[k]:.1e}, which float32 rounds to 0 or to a few "
            "digits: scale it, or use lrp.explain in float64"
        )


def _session(runtime: Any, made: Program) -> Any:
    """Return the model loaded, with as many threads as the BLAS may use."""
    model, beside = made.loadable()
    options = runtime.SessionOptions()
    with threads.together(np.zeros(1)):
        options.intra_op_num_threads = threads.members()
    options.log_severity_level = 4  # what goes wrong is an error here, with the runtime's words
    held = [runtime.OrtValue.ortvalue_from_numpy(array) for array in beside.values()]
    options.add_external_initializers(list(beside), held)
    try:
        return runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of the runtime, whose classes are its own
        raise BackendError(f"onnxruntime does not take the graph: {str(error).splitlines()[0]}") from error


def _example(compiled: Compiled) -> dict[str, Array]:
    """Return one sample of random numbers for every input, in its layout."""
    rng, found = np.random.default_rng(0), {}
    lengths = {n.inputs[1]: n.inputs[0] for n in compiled.net.nodes if getattr(n.layer, "lengths", False)}
    for one in compiled.net.inputs:
        blank = compiled._program.asked.blank[one.name]
        shape = tuple(blank.shape[1:]) if one.batch_axis is None else (1, *blank.shape[1:])
        array: Any
        if one.name in lengths:  # all of the sequence where that is an input: of no steps nothing could be compared
            sequence = compiled._program.asked.blank.get(lengths[one.name])
            array = np.full(shape, 1 if sequence is None else sequence.shape[1])
        elif not is_float(blank):
            array = rng.integers(0, 2, size=shape)
        elif one.low is not None and one.high is not None:
            low, high = np.asarray(one.low, dtype=float), np.asarray(one.high, dtype=float)
            if low.ndim == 1 and len(shape) > 2:
                low, high = (b.reshape(-1, *(1,) * (len(shape) - 2)) for b in (low, high))
            array = low + (high - low) * rng.random(shape)
        else:
            array = rng.normal(size=shape)
        found[one.name] = array if not one.batch_axis else np.moveaxis(array, 0, one.batch_axis)
    return found


def _check(compiled: Compiled, example: Any) -> None:
    """Compare with the NumPy core in float64, and that with itself in float32."""
    asked, net = compiled._program.asked, compiled.net
    begin, target = find(asked.question.start), None
    if isinstance(begin, Difference):  # the example's largest output may be the one that others are set against
        against = int(np.reshape(indices(begin.against, 1, compiled._sizes, "against"), -1)[0])
        target = (against + 1) % int(np.prod(compiled._sizes))
    got = compiled(example, target=target)
    fed = example if isinstance(example, Mapping) else {net.inputs[0].name: example}
    question = asked.question
    how: dict[str, Any] = {
        "composite": question.composite, "start": question.start, "canonize": question.canonize,
        "target": got.target, "output": compiled._output,
    }  # fmt: skip
    wide, narrow = (
        explain(
            net.astype(dtype),
            {k: np.asarray(v, dtype=dtype if is_float(np.asarray(v)) else None) for k, v in fed.items()},
            **how,
        )
        for dtype in ("float64", "float32")
    )
    exact = wide.maps()

    def apart(maps: Mapping[str, Array]) -> tuple[float, float]:
        """Return the largest difference, and the sum of all, each as a share of the same of the relevances."""
        both = [(np.abs(maps[k] - exact[k]), np.abs(exact[k])) for k in exact if exact[k].size]
        largest = (
            max((float(d.max()) for d, _ in both), default=0.0),
            max((float(r.max()) for _, r in both), default=0.0),
        )
        total = float(sum(d.sum() for d, _ in both)), float(sum(r.sum() for _, r in both))
        return largest[0] / (largest[1] or 1.0), total[0] / (total[1] or 1.0)

    # A winner of a pool that rounding changes moves all of its relevance, and hardly any of the whole: the sum decides.
    (compiled.difference, differs), (compiled.core, rounds) = apart(got.maps()), apart(narrow.maps())
    if differs > MOST:
        raise LrpError(
            f"float32 does not hold this explanation: what is compiled differs by {differs:.1e} of all relevance from "
            f"the NumPy core in float64 (the core in float32 by {rounds:.1e}): use lrp.explain in float64"
        )
    if differs > max(SLIGHT, WORSE * rounds):
        raise LrpError(
            f"the compiled explanation differs from the NumPy core by {differs:.1e} of all relevance (the core in "
            f"float32 by {rounds:.1e}): use lrp.explain, and report the network"
        )
