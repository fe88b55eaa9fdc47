"""Where a page comes from: the command that makes it again, versions, hashes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from .. import __version__
from ..base.arrays import to_numpy
from ..errors import LrpError
from ..exact import array_hash, network_hash
from ..propagation.explanation import Explanation


def provenance(e: Explanation, command: str = "") -> list[list[str]]:
    """Return rows of (what, text) about how a page's numbers were made.

    Args:
        e: the explanation.
        command: what makes the page again; "" for the Python line.
    """
    rows = [["made again by", command or call(e)], ["lrp_ref", __version__], ["NumPy", np.__version__]]
    rows.append(["computed in", "exact numbers" if e.output.dtype == object else str(e.output.dtype)])
    if e.again is not None:
        net = e.again.net.to("numpy")
        rows.append(["network (SHA-256)", _hash(lambda: network_hash(net))])
    for name, array in _inputs(e).items():
        rows.append([f"input '{name}' (SHA-256)", _hash(lambda array=array: array_hash(to_numpy(array)))])
    for name, part in e.parts().items():
        rows.append([f"relevance '{name}' (SHA-256)", _hash(lambda part=part: array_hash(to_numpy(part)))])
    return rows


def call(e: Explanation) -> str:
    """Return the call in Python that explains the same, as far as the explanation tells.

    Example:
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([lrp.layers.Dense(np.ones((2, 3)))])
        >>> call(lrp.explain(net, np.ones((1, 2)), target=1, composite="lrp0"))
        'lrp.explain(net, x, target=1, composite="lrp0", start="Logit()").to_html("page.html")'
    """
    target = ""
    if e.target is not None:
        rows = to_numpy(e.target).tolist()
        value: Any = rows if len(rows) > 1 or len(rows[0]) > 1 else rows[0][0]
        target = f", target={value}"
    composite, start = json.dumps(e.composite, ensure_ascii=False), json.dumps(e.start, ensure_ascii=False)
    bias = "" if e.bias == "absorb" else f', bias="{e.bias}"'
    return f'lrp.explain(net, x{target}, composite={composite}{bias}, start={start}).to_html("page.html")'


def _inputs(e: Explanation) -> dict[str, Any]:
    names = set() if e.again is None else {i.name for i in e.again.net.inputs}
    return {name: array for name, array in e.trace.values.items() if name in names}


def _hash(make: Any) -> str:
    try:
        return str(make())
    except LrpError as error:
        return f"none: {error}"
