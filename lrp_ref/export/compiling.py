"""``lrp.compile``: an explanation as a graph that onnxruntime runs, called like :func:`lrp_ref.explain`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..errors import BackendError, LrpError, NonFiniteError, ParameterError, require
from ..fast import threads
from ..network.inputs import batch_back
from ..network.network import Network
from ..propagation.explaining import Request, as_given, output_place
from ..propagation.explanation import Explanation
from ..propagation.ledger import COLUMNS, Ledger, Row
from ..propagation.plan import Plan
from ..propagation.start import Difference, Logit, Output, find, require_apart
from .checking import compared, example_of
from .exporting import chosen_composite
from .feeding import fed, numbered
from .no_ledger import NoLedger
from .program import Form, Program, asking, program
from .recorded import Recorded


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
        given, begin = fed(self.net, self._program.asked.blank, x), find(self._program.asked.question.start)
        n, classes = len(next(iter(given.values()))), self.net.classes if self._place == 0 else ()
        targets = numbered(self.net, target, n, sizes=self._sizes, classes=classes)
        try:
            results = self._session.run(
                list(self._program.shown.values()), {**given, **self._adjusted, self._program.recording.asks: targets}
            )
        except Exception as error:  # of the runtime, whose classes are its own
            raise BackendError(f"onnxruntime: {str(error).splitlines()[0]}") from error
        found = dict(zip(self._program.shown, results, strict=True))
        return self._explanation(found, given, begin, predicted=target is None)

    @property
    def _sizes(self) -> tuple[int, ...]:
        """The shape of one sample's output."""
        return tuple(self._program.recording.output.shape[1:])

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
            shown = example_of(net, asked.blank) if example is None else example
            compiled.difference, compiled.core = compared(
                net, asked.question, compiled._output, compiled._sizes, compiled, shown
            )
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
