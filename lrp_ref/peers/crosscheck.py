"""One call: the same explanation by this package and by another program, compared node by node, and the reason named.

c = lrp.crosscheck(net, x, peer="zennit", composite="epsilon_gamma_box", low=0.0, high=1.0)
c                       # agrees, or departs where, by how much and why
c.table()               # every node
c.to_html("zennit.html")
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..base import tables
from ..base.arrays import to_numpy
from ..base.files import replace_file
from ..dialects import Dialect
from ..errors import ParameterError
from ..layers import Unweighted
from ..network.inputs import batch_first
from ..network.network import Network
from ..propagation import composites
from ..propagation.differences import Difference, TraceDiff
from ..propagation.explaining import at_the_door, explain, output_place
from ..propagation.explanation import Explanation
from ..propagation.prepare import Question, prepare
from ..propagation.start import find as find_start
from ..propagation.targets import class_number
from ..rules import Epsilon
from .peer import find
from .rows import HEADERS, RIGHT, Compared, departing, ordered
from .task import Recording, Task

if TYPE_CHECKING:
    from .diagnosis import Diagnosis


ON_MODULES = ("captum", "zennit")
FORGOTTEN = "residual-forgotten"


@dataclass(frozen=True, eq=False, repr=False)
class Crosscheck:
    """What two programs computed from the same weights, inputs, rules and start relevance.

    Attributes:
        peer: name of the other program, as it was asked for.
        explanation: of this package, with its trace.
        recording: of the other program: its trace, its version, what it has no rule for.
        task: what was asked: the network as it is explained, inputs, rules, start relevance.
        found: the comparison of both traces by name.
        rows: one for each node and input, in the order of the walk back.
        diagnosis: why they depart; None where they agree.
        seconds: that this package took, and that the other program took with its start.
        reproduce: the command that does the same again.
        titles: what each sample is called.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([lrp.layers.Dense(np.array([[1.0], [2.0]]), np.array([0.5]))])
        >>> c = lrp.crosscheck(net, np.array([[3.0, 1.0]]), peer="captum", composite="epsilon")  # doctest: +SKIP
        >>> c.equal, c.first  # doctest: +SKIP
        (True, '')
    """

    peer: str
    explanation: Explanation
    recording: Recording
    task: Task
    found: TraceDiff
    rows: tuple[Compared, ...]
    diagnosis: Diagnosis | None
    seconds: tuple[float, float]
    reproduce: str = ""
    titles: tuple[str, ...] = field(default=())

    headers: ClassVar[tuple[str, ...]] = HEADERS

    @property
    def program(self) -> str:
        """The other program with its version."""
        return f"{self.recording.program} {self.recording.version}".strip()

    @property
    def version(self) -> str:
        """The other program's version."""
        return self.recording.version

    @property
    def equal(self) -> bool:
        """Whether every array that both have agrees; what is left out is in ``recording.left_out``."""
        return self.found.first is None

    @property
    def first(self) -> str:
        """The first node, in the order of the walk, whose numbers depart; "" where none does.

        Of a relevance this is the node that handed it back. Where several did (they read the same value), the
        diagnosis tells which one; without one all are named, with "or" between them.
        """
        if self.found.first is None:
            return ""
        named = "" if self.diagnosis is None else self.diagnosis.node
        return named or " or ".join(departing(self.found.first, self.explanation.trace.nodes))

    @property
    def reason(self) -> str:
        """Why the two depart, in a sentence; "" where they agree."""
        return "" if self.diagnosis is None else str(self.diagnosis)

    @property
    def largest(self) -> Compared | None:
        """The row whose relevance differs most, relative to its own largest number."""
        known = [row for row in self.rows if row.relevance is not None]
        return max(known, key=lambda row: row.relative, default=None)

    @property
    def _departure(self) -> Difference | None:
        """The difference of the first node's own step: where the diagnosis finds it, else the first one of all."""
        steps = () if self.diagnosis is None else self.diagnosis.steps
        where = [(step.kind, step.at) for step in steps[:1]]
        return next((row for row in self.found.rows if (row.kind, row.name) in where), self.found.first)

    @property
    def verdict(self) -> str:
        """Whether they agree, else where they depart first and by how much, in one sentence."""
        first, most = self._departure, self.largest
        count, known = len(self.rows), sum(row.relevance is not None for row in self.rows)
        if first is None:
            assert most is not None, "something was compared"
            values = f"{known} values" if known == count else f"{known} of {count} values"
            return (
                f"{self.program} agrees with lrp_ref in the relevance of {values}: largest relative difference "
                f"{most.relative:.1e}, {tables.number(most.ulps)} ulp"
            )
        what = f"the relevance that it hands back to '{first.name}'" if first.kind == "relevance" else "its value"
        note = first.note or f"relative {first.relative:.2g}, {tables.number(first.ulps)} ulp"
        return f"{self.program} departs from lrp_ref at node '{self.first}': {what} differs ({note})"

    @property
    def remarks(self) -> tuple[str, ...]:
        """What else has to be known: what was left out and why, and notes of both programs, a sentence each."""
        reasons: dict[str, list[str]] = {}
        for row in self.rows:
            if row.left_out:
                reasons.setdefault(row.left_out, []).append(f"'{row.node}'")
        left = (f"{self.program} has no rule for {', '.join(nodes)}: {why}" for why, nodes in reasons.items())
        missing = [row.node for row in self.rows if row.relevance is None and row.node not in self.recording.left_out]
        many = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        shown = (f"not compared, as {self.program} shows no relevance there: {', '.join(missing[:5])}{many}",)
        steps = () if self.diagnosis is None else self.diagnosis.steps
        sums = dict.fromkeys(f"'{step.node}'" for step in steps if FORGOTTEN in step.switches)
        plain = (
            f"the sum at node {', '.join(sums)} was walked back by autograd: every branch received the whole relevance",
        )
        idle = not (self.task.start != 0).any()  # there is nothing to hand on, or no sample
        nothing = ("the start relevance is 0 everywhere, so that agreement says nothing",)
        told = (*(nothing if idle else ()), *(plain if sums else ()), *left, *(shown if missing else ()))
        return (*told, *self.recording.notes, *self.explanation.notes)

    def __repr__(self) -> str:
        left = self.recording.left_out
        parts = [self.verdict, self.reason, f"left out: {', '.join(left)}" if left else ""]
        return ". ".join(part.rstrip(".") for part in parts if part)

    def cells(self, *, everything: bool = True) -> list[list[str]]:
        """Return the table's cells, of every node or of those that depart or are left out."""
        return [row.cells() for row in self.rows if everything or row.departs or row.left_out or row.own]

    def table(self, *, everything: bool = True) -> str:
        """Return every node as text, or with ``everything=False`` those that depart or are left out."""
        return tables.text(self.headers, self.cells(everything=everything), right=RIGHT)

    def _repr_html_(self) -> str:
        from .page import section

        return section(self)

    def to_html(self, path: str | Path) -> Path:
        """Write one self-contained page: verdict, reason, pictures of both relevances, all nodes, how to repeat it.

        The file is there whole or not at all.

        Raises:
            ParameterError: the folder does not exist.
        """
        from .page import write

        return write(path, [self])

    def save(self, path: str | Path) -> Path:
        """Write the page (``.html``), the rows with the verdict (``.json``), or into a folder both and the two traces.

        The folder has ``crosscheck.html``, ``crosscheck.json``, ``ours.npz`` and ``theirs.npz``, which ``lrp-ref diff``
        reads; it is made if it is not there.

        Raises:
            ParameterError: the folder of a file does not exist.
        """
        from .page import summary

        target = Path(path)
        if target.suffix == ".html":
            return self.to_html(target)
        if target.suffix == ".json":
            _require_folder(target)
            replace_file(target, lambda stream: stream.write(summary(self).encode()))
            return target
        target.mkdir(parents=True, exist_ok=True)
        self.explanation.save(target / "ours.npz")
        self.recording.trace.save(target / "theirs.npz")
        for name in ("crosscheck.json", "crosscheck.html"):
            self.save(target / name)
        return target


def _require_folder(path: Path) -> None:
    if not path.parent.is_dir():
        raise ParameterError(f"{path}: the folder {path.parent} does not exist; create it first")


def crosscheck(
    net: Network,
    x: Any,
    *,
    peer: str,
    composite: Any = None,
    target: Any = None,
    start: Any = "logit",
    against: Any = None,
    dialect: str | None = None,
    python: str | Path | None = None,
    folder: str | Path | None = None,
    timeout: float = 600,
    tolerance: float | None = None,
    canonize: bool = True,
    output: str | None = None,
    functional_add: bool = False,
    **parameters: Any,
) -> Crosscheck:
    """Explain with this package and with another program, compare every node, and name the reason of a difference.

    The other program gets the network as it is explained (canonized, up to the output that is explained), with the
    same weights, inputs and start relevance, and at every node its own rule of the same name with the same parameters:
    what it makes of that name is what is compared. Its forward pass has to agree first.

    Args:
        net, x, target, composite, start, against, output, canonize: as of :func:`lrp_ref.explain`.
        peer: name of the program, one of ``lrp.peers.PEERS``.
        dialect: name of the switches with which this package computes the program's numbers on purpose, such as
            "zennit-1.0"; None for the papers' rules.
        python: interpreter in which the program is installed, where that is not this one.
        folder: where the program's files are, of programs that are no packages.
        timeout: seconds that the program may take.
        tolerance: relative difference from which on two arrays depart; None: by dtype, as in ``Trace.diff``.
        functional_add: give the program a model whose sums are bare ``+`` instead of modules, as most models have
            them, to see what becomes of the relevance there.
        parameters: of the preset that ``composite`` names.

    Raises:
        ParameterError: an unknown peer or dialect (the nearest is suggested), or what :func:`lrp_ref.explain` refuses.
        NoRule: the program has no rule for what is asked, so that nothing could be compared.
        PeerError: the program is not installed (the message says how), crashes, takes too long, or computes another
            forward pass (the first node that differs is named).

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([lrp.layers.Dense(np.array([[1.0], [2.0]]))])
        >>> lrp.crosscheck(net, np.array([[3.0, 1.0]]), peer="zenit")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        lrp_ref.errors.ParameterError: unknown peer 'zenit': did you mean 'zennit'? known: autolrp, captum, ...
    """
    from .asking import ask

    asked = find(peer)
    if functional_add and peer not in ON_MODULES:
        raise ParameterError(
            f"functional_add (--functional-add) shows what becomes of a bare + in programs that hang rules on modules, "
            f"{' and '.join(ON_MODULES)}; not in {asked.title}: leave it out"
        )
    Network.required(net, "crosscheck")
    composite = composites.usual(net) if composite is None else composite
    named = net.classes if output_place(net, output) == 0 else ()
    start = find_start(start, class_number(against, named, "against"))
    _require_floats(net, x)
    begun = time.perf_counter()
    spoken = {} if dialect is None else {"dialect": dialect}
    ours = explain(
        net, x, target=target, composite=composite, start=start, output=output, canonize=canonize,
        xp="numpy", trace=True, **spoken, **parameters,
    ).to_numpy()  # fmt: skip
    taken = time.perf_counter() - begun
    chosen = composites.resolve(composite, {**parameters, **spoken})
    task = replace(
        the_task(net, x, ours, chosen, start, output, canonize),
        functional_add=functional_add,
    )
    begun = time.perf_counter()
    answer = ask(peer, task, python=python, folder=folder, timeout=timeout)
    seconds = (taken, time.perf_counter() - begun)
    return compared(peer, ours, answer, task, tolerance, seconds, _call(peer, ours, dialect, parameters))


def the_task(
    net: Network, x: Any, ours: Explanation, composite: Any, start: Any, output: str | None, canonize: bool
) -> Task:
    """Return what another program is asked, from an explanation: the network as it was explained, and its rules.

    The rules are those of the composite as they are published, whatever dialect the explanation is in: a program is
    asked for what its names promise. Only the ε that it chooses by itself is told to it.
    """
    net, fed = at_the_door(net, x, "numpy")
    ready = prepare(net, fed, Question(published(composite), output_place(net, output), canonize, start))
    rules = {planned.node: planned.rule for planned in ready.plan}
    if composite.dialect is not None:
        # Denominators that the published rule leaves as they are have the program's own ε.
        own = Dialect(composite.dialect.name, epsilon=composite.dialect.epsilon)
        rules = {planned.node: own.rule(planned.layer, planned.rule) for planned in ready.plan}
        # The ε of pools and sums that nobody asked for is the program's own choice, which the dialect knows.
        unasked = {p.node: p.rule for p in ours.plan if p.why == "default" and isinstance(p.layer, Unweighted)}
        rules |= {node: rule for node, rule in unasked.items() if isinstance(rule, Epsilon)}
    begin = batch_first(to_numpy(ours.start_relevance), ours.output_axis)
    return Task(ready.net, {name: np.asarray(array) for name, array in fed.items()}, rules, begin)


def published(composite: composites.Composite) -> composites.Composite:
    """Return a composite with the rules as they are published, whatever dialect it has."""
    if composite.dialect is None:
        return composite
    return replace(composite, dialect=None, name=composite.name.removesuffix(f" as {composite.dialect.name}"))


def compared(
    peer: str,
    ours: Explanation,
    answer: Recording,
    task: Task,
    tolerance: float | None,
    seconds: tuple[float, float],
    reproduce: str,
) -> Crosscheck:
    """Return both side by side, with the reason where they differ."""
    own, theirs = ours.trace, answer.trace
    known, received = (
        {name: array for name, array in part.items() if name in mine}
        for part, mine in ((theirs.values, own.values), (theirs.relevance, own.relevance))
    )
    theirs = type(theirs)(known, received, theirs.nodes)
    found = own.diff(theirs, tolerance=tolerance, mapping={name: name for name in {**known, **received}})
    diagnosis, steps = None, dict[str, str]()
    if found.first is not None:
        from .diagnosis import diagnose

        rules = {planned.node: planned.rule for planned in ours.plan}
        diagnosis = diagnose(task.network, rules, own, theirs, tolerance=tolerance)
        steps = {node: step.name for step in reversed(diagnosis.steps) for node in step.node.split(" or ")}
    rows = ordered(task.network, own, found, answer.left_out, steps)
    return Crosscheck(peer, ours, replace(answer, trace=theirs), task, found, rows, diagnosis, seconds, reproduce)


def _require_floats(net: Network, x: Any) -> None:
    """Raise for exact numbers, which no other program computes with."""
    arrays = [*(x.values() if isinstance(x, Mapping) else (x,)), *net.parameters]
    if any(getattr(getattr(array, "dtype", None), "kind", "") == "O" for array in arrays):
        raise ParameterError(
            "exact numbers: no other program computes with them; lrp.arithmetic.to_float(net) with to_float(x) can be "
            "crosschecked"
        )


def _call(peer: str, ours: Explanation, dialect: str | None, parameters: Mapping[str, Any]) -> str:
    """Return the call in Python, as far as its arguments are short."""
    given = {"peer": peer, "composite": ours.composite, **({} if dialect is None else {"dialect": dialect})}
    plain = {key: value for key, value in parameters.items() if isinstance(value, (str, int, float))}
    shown = ", ".join(f"{key}={value!r}" for key, value in {**given, **plain}.items())
    return f"lrp.crosscheck(net, x, {shown}{', …' if len(plain) < len(parameters) else ''})"
