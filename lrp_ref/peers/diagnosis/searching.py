"""The smallest set of switches that predicts another program's relevance at one name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...base.arrays import unwarned
from ...errors import LrpError
from ...network.network import Node
from ...propagation.plan import WEIGHTED
from .agreement import LEAST, Limits, gaps, off, rows, scale
from .changes import Change, Switches, concerned, other_rules, pairs, same, switched
from .numbers import (
    EPSILON,
    SPARE,
    changes_with_epsilon,
    fitted_epsilon,
    fitted_gamma,
    fitted_shares,
    fitted_weights,
    usual_epsilons,
)
from .recorded import Cone, Recorded

Array = np.ndarray[Any, Any]

FORGOTTEN, DOUBLED, TIMES_INPUT = "branch-forgotten", "branch-doubled", "times-input"
NOISE = 8  # times what random rounding does to a prediction, up to which a difference is rounding
NOISY = 1e-3  # relative departures below which it is asked whether they are rounding
CLOSER = 0.2  # of the plain prediction's difference, which a prediction that is right has at most
MOST = 2e10  # multiplications that the search at one name may take


@dataclass(frozen=True, eq=False)
class Explained:
    """A set of changes that predicts all numbers at a name.

    Attributes:
        changes: node → what is computed there in place of its rule.
        ids: of all of them, sorted.
        says: a part of a sentence for each id.
        predicted: the numbers.
        off: by how much they differ at most, relative to the largest of a sample.
    """

    changes: Mapping[str, Change]
    ids: tuple[str, ...]
    says: tuple[str, ...]
    predicted: Array
    off: float

    @property
    def numbers(self) -> dict[str, float]:
        """The parameters that were found in the numbers."""
        return {name: v for change in self.changes.values() for name, v in change.numbers.items()}


@dataclass(frozen=True, eq=False)
class Spot:
    """A name at which the relevance is not what the rules make of what arrived above it.

    Attributes:
        cone: what hands relevance to it.
        limits: from where on numbers depart.
        plain: what the rules make.
        got: what was recorded.
        noise: what rounding can do to it (N, 1), absolute.
        explained: the smallest sets of changes that predict it; empty where none does.
        weak: sets that predict it where too few numbers differ to name one.
    """

    cone: Cone
    limits: Limits
    plain: Array
    got: Array
    noise: Array
    explained: tuple[Explained, ...] = ()
    weak: tuple[Explained, ...] = ()

    @property
    def name(self) -> str:
        """The name of the value."""
        return self.cone.name

    @property
    def differing(self) -> Array:
        """Which numbers clearly differ from the plain prediction (N, numbers)."""
        limit = np.maximum(self.limits.agrees * scale(self.plain, self.got), self.noise)
        found: Array = gaps(self.plain, self.got) > limit
        return found

    def fits(self, predicted: Array | None) -> bool:
        """Whether all numbers are those that are predicted, to rounding."""
        if predicted is None or predicted.shape != self.got.shape:
            return False
        limit = np.maximum(self.limits.agrees * scale(predicted, self.got), self.noise)
        if not (gaps(predicted, self.got) <= limit).all():
            return False
        return off(predicted, self.got) <= CLOSER * off(self.plain, self.got)

    def equations(self, nodes: Sequence[Node]) -> int:
        """Return how many of the numbers that differ do not follow from each other.

        A node with one output unit scales all of its inputs by one factor: however many they are, they tell one number.
        """
        wrong = self.differing.sum(axis=1)
        told = np.zeros(len(wrong), dtype=int)
        for node in nodes:
            arrived = self.cone.arrived(node, {})
            told = told + sum((rows(r) != 0).sum(axis=1) for r in arrived)
        return int(np.minimum(wrong, told).sum())


def departure(recorded: Recorded, name: str) -> Spot | None:
    """Return the departure of the relevance at a name from what the rules make of what arrived above it, if any.

    Args:
        recorded: the other program's numbers.
        name: of a value that others read.
    """
    cone, got, limits = recorded.cone(name), recorded.relevance[name], recorded.limits["relevance", name]
    plain = cone.predict({})
    silent = np.zeros((len(got), 1))
    if plain.shape != got.shape:
        return Spot(cone, limits, plain, got, silent)
    distance = off(plain, got)
    if distance <= limits.departs:
        return None
    spot = Spot(cone, limits, plain, got, silent)
    if distance < NOISY or limits.dtype != "float64":
        spot = replace(spot, noise=NOISE * cone.noise(limits.dtype)[:, None])
        if (gaps(plain, got) <= np.maximum(limits.departs * scale(plain, got), spot.noise)).all():
            return None
    return spot


def searched_here(spot: Spot, switches: Switches, seen: Sequence[Explained] = ()) -> Spot:
    """Return a spot with the smallest sets of changes that predict its numbers.

    Args:
        spot: where relevance departs.
        switches: those that are known.
        seen: sets that explained other names, which are tried before all others of their size.
    """
    if spot.plain.shape != spot.got.shape:
        return spot
    search, weak = _Search(spot, switches), tuple[Explained, ...]()
    for ways in search.levels(seen):
        found, strong = list[Explained](), list[Explained]()
        for explained, proven in ways:
            if all(_what(explained) != _what(other) for other in found):
                found.append(explained)
                strong += [explained] if proven else []
        if strong:
            return replace(spot, explained=tuple(strong))
        weak = weak or tuple(found)
    return replace(spot, weak=weak)


def _what(explained: Explained) -> Any:
    return explained.ids, tuple(explained.changes), tuple(c.ids for c in explained.changes.values())


class _Search:
    """The search at one name: levels of growing size, each a stream of what predicts all numbers."""

    def __init__(self, spot: Spot, switches: Switches) -> None:
        self.spot, self.cone, self.switches = spot, spot.cone, switches
        self.recorded = spot.cone.recorded
        self.layers = {node.name: self.recorded.layer(node) for node in self.cone.nodes}
        self.rules = {node.name: self.recorded.rules[node.name] for node in self.cone.nodes}
        self.many = int(spot.differing.sum()) >= LEAST
        work = sum(work_at(self.recorded, node) for node in self.cone.nodes)
        self.affordable = MOST / max(work, 1.0)

    def levels(self, seen: Sequence[Explained]) -> Iterator[Iterator[tuple[Explained, bool]]]:
        """Yield the ways of each size."""
        yield self._singles()
        yield self._usual(())
        yield self._own_numbers(self._usual)
        yield self._others()
        yield self._found_numbers(())
        yield self._own_numbers(self._found_numbers)
        yield self._seen(seen)
        count = sum(len(self.concerned(n)) for n in self.layers)
        if count * count <= self.affordable:
            yield self._pairs()
        if count * 60 <= self.affordable:
            yield self._numbers_and_one()

    # Checks ----------------------------------------------------------------------------------------------------------

    def predict(self, changes: Mapping[str, Any]) -> Array | None:
        """Return what rules predict; None where one does not run."""
        try:
            return self.cone.predict(changes)
        except (LrpError, ArithmeticError, AssertionError, TypeError, ValueError):
            return None

    def check(self, changes: Mapping[str, Change], equations: int = 0) -> Iterator[tuple[Explained, bool]]:
        """Yield the changes if they predict all numbers, and whether that is proof.

        Args:
            changes: node → what is computed there.
            equations: how many numbers that do not follow from each other have to differ.
        """
        predicted = self.predict({name: change.rule for name, change in changes.items()})
        if not self.spot.fits(predicted):
            return
        assert predicted is not None
        ids = tuple(sorted({key for change in changes.values() for key in change.ids}))
        says = tuple(dict.fromkeys(text for change in changes.values() for text in change.says))
        made = Explained(changes, ids, says, predicted, off(predicted, self.spot.got))
        nodes = [n for n in self.cone.nodes if n.name in changes]
        yield made, self.many and (not equations or self.spot.equations(nodes) >= equations)

    def concerned(self, name: str) -> list[str]:
        """Return the ids of the switches that change a node's rule."""
        return concerned(self.layers[name], self.rules[name], self.switches)

    def each(self, make: Callable[[str], Change | None]) -> Iterator[dict[str, Change]]:
        """Yield a change at all nodes that it concerns together, then at each alone."""
        found = {name: change for name in self.layers if (change := make(name)) is not None}
        if len(found) > 1:
            yield found
        for name, change in found.items():
            yield {name: change}

    # Levels ----------------------------------------------------------------------------------------------------------

    def _singles(self) -> Iterator[tuple[Explained, bool]]:
        for key in self.switches:
            for changes in self.each(lambda n, k=key: switched(self.layers[n], self.rules[n], (k,), self.switches)):  # type: ignore[misc]
                yield from self.check(changes)
        yield from self._structure()

    def _structure(self) -> Iterator[tuple[Explained, bool]]:
        """Yield what happens where a value is read more than once, and at the input of the network."""
        try:
            parts = self.cone.contributions({})
        except LrpError:
            return
        if len(parts) > 1:
            for k, (node, _) in enumerate(self.cone.direct):
                ways = (
                    (FORGOTTEN, -parts[k], f"what '{node.name}' hands back is not counted"),
                    (DOUBLED, parts[k], f"what '{node.name}' hands back is counted twice"),
                )
                for key, more, says in ways:
                    yield from self._structural(key, self.spot.plain + more, says, node.name)
        if self.cone.direct and self.cone.name in {i.name for i in self.recorded.network.inputs}:
            product = self.spot.plain * self.cone.value
            says = "the relevance of the input is multiplied by the input"
            yield from self._structural(TIMES_INPUT, product, says, self.cone.direct[0][0].name)

    def _structural(self, key: str, predicted: Array, says: str, node: str) -> Iterator[tuple[Explained, bool]]:
        if self.spot.fits(predicted):
            change = Change((key,), self.rules[node], (says,), {})
            yield Explained({node: change}, (key,), (says,), predicted, off(predicted, self.spot.got)), self.many

    def _found_numbers(self, ids: tuple[str, ...]) -> Iterator[tuple[Explained, bool]]:
        """Yield rules with a number in the place of another, under the switches ``ids``, at one node or all of them."""
        done = list(self._usual(ids))
        yield from done
        if done or self.affordable < 200:
            return
        for node in self.cone.nodes:
            name, got = node.name, self.spot.got
            if ids and switched(self.layers[name], self.rules[name], ids, self.switches) is None:
                continue
            given = (self.layers[name], self.rules[name])

            def predict(rule: Any, name: str = name) -> Array | None:
                return self.predict({name: rule})

            families = [
                fitted_weights(*given, ids, self.switches, predict, got),
                fitted_gamma(*given, ids, self.switches, predict, got),
                *([] if ids else [fitted_shares(*given, predict, got)]),
                fitted_epsilon(*given, ids, self.switches, predict, got),
            ]
            for family in families:
                for change in family:
                    yield from self.check({name: change}, len(change.numbers) + SPARE)

    def _own_numbers(
        self, find: Callable[[tuple[str, ...]], Iterator[tuple[Explained, bool]]]
    ) -> Iterator[tuple[Explained, bool]]:
        """Yield switches whose ε is their own, with another one: of layers that were asked for no rule."""
        for key in dict.fromkeys(k for n, r in self.rules.items() if r is None for k in self.concerned(n)):
            yield from find((key,))

    def _usual(self, ids: tuple[str, ...]) -> Iterator[tuple[Explained, bool]]:
        """Yield the ε that programs have by default; of several that fit the one that fits best."""
        every = [list(usual_epsilons(self.layers[n], self.rules[n], ids, self.switches)) for n in self.layers]
        best: tuple[Explained, bool] | None = None
        together = list(zip(*every, strict=True)) if len({len(e) for e in every}) == 1 and len(every) > 1 else []
        tries = [dict(zip(self.layers, changes, strict=True)) for changes in together]
        tries += [{name: change} for name, changes in zip(self.layers, every, strict=True) for change in changes]
        for changes in tries:
            for found in self.check(changes, SPARE):
                if best is None or (found[1], -found[0].off) > (best[1], -best[0].off):
                    best = found
        if best is not None:
            yield best

    def _others(self) -> Iterator[tuple[Explained, bool]]:
        rules = self.recorded.rules
        weighted = [n for n, node in self.recorded.nodes.items() if isinstance(node.layer, WEIGHTED)]
        for name in self.layers:
            elsewhere = [rule for n, rule in rules.items() if rule is not None and n != name]
            first = weighted[:1] == [name] and not any(same(rules[name], rule) for rule in elsewhere)
            for change in other_rules(self.layers[name], self.rules[name], elsewhere, first=first):
                yield from self.check({name: change}, SPARE)

    def _seen(self, seen: Sequence[Explained]) -> Iterator[tuple[Explained, bool]]:
        """Yield the pairs, and switches with an ε, that explained other names."""
        found = {(key, e.numbers["epsilon"]) for e in seen if "epsilon" in e.numbers for key in e.ids}
        for key, value in sorted(pair for pair in found if pair[0] in self.switches and pair[0] != EPSILON):
            ways = [
                changes_with_epsilon(self.layers[n], self.rules[n], (key,), self.switches, value, "")
                for n in self.layers
            ]
            every = {n: next(way, None) for n, way in zip(self.layers, ways, strict=True)}
            for changes in self.each(lambda n, every=every: every[n]):  # type: ignore[misc]
                yield from self.check(changes, SPARE)
        for ids in dict.fromkeys(change.ids for e in seen for change in e.changes.values() if len(change.ids) == 2):
            known = tuple(key for key in ids if key in self.switches)
            if len(known) == 2:
                for changes in self.each(lambda n, k=known: switched(self.layers[n], self.rules[n], k, self.switches)):  # type: ignore[misc]
                    yield from self.check(changes)

    def _pairs(self) -> Iterator[tuple[Explained, bool]]:
        for name in self.layers:
            for ids in pairs(self.layers[name], self.rules[name], self.switches):
                change = switched(self.layers[name], self.rules[name], ids, self.switches)
                if change is not None:
                    yield from self.check({name: change})
        yield from self._pairs_of_nodes()

    def _pairs_of_nodes(self) -> Iterator[tuple[Explained, bool]]:
        """Yield one switch at a node and another one at another, where several hand relevance to the name."""
        if len(self.layers) < 2:
            return
        ways = {
            name: [
                change
                for key in self.concerned(name)
                if (change := switched(self.layers[name], self.rules[name], (key,), self.switches)) is not None
            ]
            for name in self.layers
        }
        names = list(self.layers)
        for i, one in enumerate(names):
            for other in names[i + 1 :]:
                for a in ways[one]:
                    for b in ways[other]:
                        if a.ids != b.ids:
                            yield from self.check({one: a, other: b})

    def _numbers_and_one(self) -> Iterator[tuple[Explained, bool]]:
        for key in dict.fromkeys(key for n in self.layers for key in self.concerned(n)):
            yield from self._found_numbers((key,))


def work_at(recorded: Recorded, node: Node) -> float:
    """Return about how many multiplications one run of a node's layer takes."""
    xs, name = [recorded.values[n] for n in node.inputs], recorded.outputs(node.name)[0]
    made = recorded.values[name]
    with unwarned():
        products = recorded.layer(node).products(xs[0].shape, made.shape)
    each = products[0] * products[1] * len(made) if products else 0
    return float(each + sum(x.size for x in xs) + made.size)
