"""What a page says of a whole explanation: prediction, start, ledger; and what it is asked to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import heatmap
from ..arithmetic import to_float
from ..network.inputs import batch_first
from ..propagation.explanation import Explanation
from ..propagation.ledger import COLUMNS
from ..propagation.targets import described

BEST = 5  # outputs that are listed


@dataclass(frozen=True)
class Words:
    """The words of a text with their relevance.

    Attributes:
        texts: in their order.
        relevance: of each.
        special: which are pieces that a tokenizer added.
    """

    texts: Sequence[str]
    relevance: Any
    special: Sequence[bool] = ()


@dataclass(frozen=True, eq=False)
class Shown:
    """One explanation on a page, of one sample.

    Attributes:
        e: the explanation; of several samples the first is shown.
        name: of the sample and of what is explained, for the choice between several.
        classes: names of the outputs.
        image: the picture as the network sees it, (H, W) or (H, W, 3) uint8; None for one made of the numbers.
        features: names of the numbers of a vector, or of the channels of a series.
        words: of a text.
        sample: which explanations are of one sample, and can be compared.
        chances: probabilities of the outputs, NaN for outputs that are none; None for those of the explanation.
        chance_name: what makes them.
    """

    e: Explanation
    name: str = ""
    classes: Sequence[str] = ()
    image: Any = None
    features: Sequence[str] = ()
    words: Words | None = None
    sample: str = ""
    chances: NDArray[Any] | None = None
    chance_name: str = "probability"


def about(e: Explanation, shown: Shown) -> dict[str, Any]:
    """Return what is said of the whole explanation."""
    output = to_float(batch_first(e.output, e.output_axis)[0]).reshape(-1)
    chances = shown.chances
    if chances is None and e.probability is not None:
        chances = to_float(batch_first(e.probability, e.output_axis)[0]).reshape(-1)
    asked = [] if e.target is None else [int(k) for k in np.asarray(e.target)[0]]
    against = None if e.against is None else int(np.asarray(e.against).reshape(-1)[0])
    order = np.argsort(-np.where(np.isfinite(output), output, -np.inf), kind="stable")
    best = [int(k) for k in order[:BEST]]
    best += [k for k in (*asked, *([] if against is None else [against])) if k not in best]
    outputs = [
        {
            "name": described([k], None, e.output_shape, shown.classes),
            "value": finite(output[k]),
            "chance": None if chances is None or not np.isfinite(chances[k]) else float(chances[k]),
            "asked": k in asked,
            "against": k == against,
        }
        for k in best
    ]
    exact = e.output.dtype == object
    notes = [*e.notes, *(["the numbers are exact; this page shows them rounded to floats"] if exact else [])]
    rows = []
    if e.ledger.made:
        rows = [[r.node, r.rule, *(float(to_float(getattr(r, c))[0]) for c in COLUMNS)] for r in e.ledger]
    return {
        "name": shown.name,
        "sample": shown.sample,
        "asked": e.asked(0, shown.classes),
        "negative": e.negative(0),
        "composite": e.rules,
        "start": e.start,
        "startsAt": e.starts_at,
        "notes": notes,
        "dtype": "exact" if exact else str(e.output.dtype),
        "outputs": outputs,
        "chanceName": shown.chance_name,
        "outputCount": int(output.size),
        "started": float(to_float(np.asarray(e.started)).reshape(-1)[0]),
        "arrived": float(to_float(np.asarray(e.arrived)).reshape(-1)[0]),
        "ledger": rows,
        "ledgerMade": e.ledger.made,
        "left": [],
        "nodes": [],
    }


def waterfall(e: Explanation) -> str:
    """Return where the relevance went as a picture; "" without a ledger."""
    if not e.ledger.made:
        return ""
    start, arrived = (float(to_float(np.asarray(sums)).reshape(-1)[0]) for sums in (e.started, e.arrived))
    told = e.ledger.map(to_float).steps(0)
    return f"<div>{heatmap.waterfall(told, start=start, arrived=arrived, title='Where the relevance went')}</div>"


def finite(value: Any) -> float | None:
    """Return a number for JSON, which has none that is not finite: None."""
    return float(value) if np.isfinite(value) else None
