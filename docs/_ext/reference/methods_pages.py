"""A page for every method beside LRP: docstring, formula, its map of one small image, and the tests that prove it."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from html import escape
from typing import Any

import numpy as np

import lrp_ref as lrp

from .parts import documented, first_sentence, formula, index, proof, raw
from .worked import shown

CODE = """\
import numpy as np
import lrp_ref as lrp
from lrp_ref import layers

edges = np.array([[[[1.0, -1.0], [1.0, -1.0]]], [[[1.0, 1.0], [-1.0, -1.0]]]])
net = lrp.Network.sequential([
    layers.Conv(edges, np.array([0.0, -0.5])), layers.ReLU(), layers.GlobalAveragePool(), layers.Flatten(),
    layers.Dense(np.array([[2.0, -1.0], [1.0, 1.0]]), np.array([-0.25, 0.0])),
])
x = np.array([[[[0.0, 0, 1, 0], [0, 2, 1, 0], [0, 1, 1, 0], [0, 0, 1, 0]]]])
"""
ASKED = {"expected_gradients": ", background=np.zeros((1, 1, 4, 4)), samples=4", "occlusion": ", patch=2"}


def method_pages() -> Iterator[tuple[str, str]]:
    """Yield name and text of every method's page, and of their table."""
    names: dict[str, Any] = {}
    exec(CODE, names)  # noqa: S102  the text above
    (score,) = names["net"].forward(names["x"])[:, 0]
    rows = []
    for name, kind in lrp.methods.METHODS.items():
        call = f'lrp.attribute(net, x, "{name}", target=0{ASKED.get(name, "")})'
        made = eval(call, names)  # noqa: S307  the line above
        (map_,) = made.relevance
        code = f"```python\n{CODE}\ne = {call}\nprint(e)\nprint(e.relevance.round(4))\n```"
        rounded = np.array2string(map_[0].round(4) + 0.0, suppress_small=True)
        yield name, "\n\n".join([
            f"# {name}\n\n{first_sentence(kind)}",
            f"## Formula\n\n{formula(made.method.formula())}",
            f"## Worked numbers\n\n{code}",
            f"```text\n{made!r}\n{rounded}\n```",
            f"{_sum(map_, score)} {_said(map_)}",
            raw(_picture(map_, name)),
            f"## In code\n\n{documented(f'lrp_ref.methods.{kind.__name__}')}",
            f"## What proves it\n\n{proof([], [name, kind.__name__])}",
        ])  # fmt: skip
        rows.append((f"[{name}]({name}.md)", first_sentence(kind)))
    yield "index", index("Methods beside LRP", "method", ("method", "what"), rows)


def _sum(map_: Any, score: float) -> str:
    return f"The score is {shown(float(score))}; the map's sum is {shown(float(map_.sum()))}."


def _said(map_: Any) -> str:
    row, column = np.unravel_index(np.abs(map_[0]).argmax(), map_[0].shape)
    value = map_[0][row, column]
    return f"The largest number, {shown(float(value))}, stands in row {row + 1}, column {column + 1}."


def _picture(map_: Any, name: str) -> str:
    file = io.BytesIO()
    picture = lrp.heatmap.image(map_)
    picture.save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode("ascii")
    told = f"The map of {name}: red where the numbers are above 0, blue where they are below."
    size = f'width="{picture.width}" height="{picture.height}"'
    return f'<figure><img src="data:image/png;base64,{data}" {size} alt="{escape(told)}"></figure>'
