"""Which classes to look at first: those whose explanations fall apart most clearly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base import tables
from ..base.arrays import Array, to_numpy
from ..base.frozen import Value, short
from ..base.tables import number
from ..errors import ParameterError, ShapeError, unknown
from .clusters import Clusters, cluster

Progress = Callable[[int, int], None]
ORDERS = ("gap", "second")


@dataclass(frozen=True, eq=False, repr=False)
class Ranking(Value):
    """Classes by how clearly their explanations fall into two groups or more, the clearest first.

    Attributes:
        classes: their numbers or names.
        found: the clusters of each.
        by: "gap" or "second": what they are ordered by.
    """

    classes: tuple[Any, ...]
    found: tuple[Clusters, ...]
    by: str = "gap"

    def __getitem__(self, name: Any) -> Clusters:
        """Return the clusters of a class."""
        if name not in self.classes:
            raise ParameterError(f"no class {name!r}; ranked are {', '.join(map(str, self.classes))}")
        return self.found[self.classes.index(name)]

    def __repr__(self) -> str:
        return tables.text(_HEADS, self._rows(), right=(1, 2, 3, 4, 5))

    def _repr_html_(self) -> str:
        return tables.html(_HEADS, self._rows(), right=(1, 2, 3, 4, 5))

    def _rows(self) -> list[list[str]]:
        pairs = zip(self.classes, self.found, strict=True)
        return [
            [str(c), str(len(f.labels)), number(f.split), number(f.second), number(f.gap), str(f.chosen)]
            for c, f in pairs
        ]


_HEADS = ("class", "maps", "gap from 2 clusters on", "second eigenvalue", "largest gap", "clusters")


def rank(
    relevance: Array,
    labels: Sequence[Any] | Array,
    *,
    by: str = "gap",
    names: Sequence[str] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Ranking:
    """Return the classes ordered by how clearly their explanations fall into two groups or more.

    By "gap", the published order: the largest λ_{k+1} − λ_k, k ≥ 2, first. By "second": the smallest λ₂ first, which is
    that of the graph that is nearest to falling in two, however many groups its parts have again. Either is a hint
    where to look, no test: classes that are several things by nature, such as high boots and low ones, fall apart as
    well. In the gallery's application *spray-tag* it was λ₂ that found the class with the artefact.

    Args:
        relevance: maps of all classes, as of :func:`cluster`.
        labels: of the class of each map (N,).
        by: "gap" or "second".
        names: of the classes, by their whole numbers.
        progress: called with (done, total) classes.
        options: of :func:`cluster`; ``embedding`` is "spectral" unless asked otherwise.

    Raises:
        ShapeError: labels that are not as many as the maps.
        ParameterError: another order, labels that cannot be told apart, or one without a name.
        LrpError: as :func:`cluster`, with the class in front.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> maps, labels = rng.normal(size=(60, 4, 4)), np.repeat([3, 7], 30)
        >>> maps[45:, 0, 0] += 20
        >>> print(rank(maps, labels, neighbours=5))
        class  maps  gap from 2 clusters on  second eigenvalue  largest gap  clusters
        ─────────────────────────────────────────────────────────────────────────────
        7        30                  0.4543                  0       0.4543         2
        3        30                  0.1454             0.3177       0.3177         1
    """
    if by not in ORDERS:
        raise unknown("order of classes", str(by), ORDERS)
    maps, kinds = _array("relevance", relevance), _array("labels", labels)
    if not maps.ndim or kinds.ndim != 1 or len(kinds) != len(maps) or not len(kinds):
        raise ShapeError(
            f"labels of shape {kinds.shape} for {len(maps) if maps.ndim else 0} maps; expected one class for each map"
        )
    different = _different(kinds)
    titles = different if names is None else [_title(kind, names) for kind in different]
    found: list[tuple[Any, Clusters]] = []
    for done, (kind, name) in enumerate(zip(different, titles, strict=True)):
        try:
            made = cluster(maps[np.flatnonzero(kinds == kind)], **({"embedding": "spectral"} | options))
        except (ParameterError, ShapeError) as error:
            raise type(error)(f"class {name}: {error}") from error
        found.append((name, made))
        if progress is not None:
            progress(done + 1, len(different))
    found.sort(key=lambda pair: -pair[1].split if by == "gap" else pair[1].second)
    return Ranking(tuple(name for name, _ in found), tuple(made for _, made in found), by)


def _array(what: str, values: Any) -> NDArray[Any]:
    try:
        return to_numpy(values) if hasattr(values, "dtype") else np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise ShapeError(f"{what}: rows of different lengths ({error})") from error


def _different(kinds: NDArray[Any]) -> list[Any]:
    """Return the classes, each once and in order, as numbers or texts of Python."""
    found = list(dict.fromkeys(kinds.tolist()))
    if any(kind != kind for kind in found):
        raise ParameterError("labels: NaN among them, which is no class")
    try:
        return sorted(found)
    except TypeError:
        raise ParameterError("labels: classes of several kinds, which have no order; give numbers, or texts") from None


def _title(kind: Any, names: Any) -> Any:
    """Return the name of a class, by its whole number."""
    try:
        known = names if isinstance(names, Mapping) else dict(enumerate(names))
    except TypeError:
        raise ParameterError(
            f"names: {short(names)} given; expected the names of the classes, such as a list"
        ) from None
    if kind not in known:
        raise ParameterError(
            f"labels: there is a class {kind!r} without a name; names are of {len(known)} classes, from 0"
        )
    return known[kind]
