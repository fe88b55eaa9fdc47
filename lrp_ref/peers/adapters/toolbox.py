"""The LRP toolbox, in Python: from the folder that the user names, its repository or ``python`` in it."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...propagation.trace import Trace
from ..chain import chain
from ..installed import folder_of
from ..padding import padding_note
from ..peer import find
from ..source import Provided, package
from ..task import Recording, Task
from ..toolbox_modules import Outside, is_padded, modules

NOTE = "αβ and its parts add 1e-16 to denominators, and nothing else can be set"


def record(task: Task, folder: Path | None = None) -> Recording:
    """Run the toolbox's ``Sequential``, with what goes in and out of each layer; see ``Adapter.record``."""
    whole = folder_of(find("toolbox"), folder)
    below = whole / "python" if (whole / "python" / "modules").is_dir() else whole
    values = task.network.values({k: np.asarray(x) for k, x in task.inputs.items()})
    with package(below, "modules", hidden=("cupy",)) as part:
        tb = part("")
        # Names that NumPy has lost; numbers that weights are drawn from before they are set must not be the user's.
        numpy = Provided(np, float=float, Inf=math.inf, random=np.random.RandomState(0))
        for name in ("sequential", "linear", "convolution", "sumpool", "maxpool", "flatten", "rect", "tanh", "softmax"):
            part(name).np = part(name).numpy = numpy
        found = chain(task, lambda node, x: modules(tb, node.layer, task.rules.get(node.name), x), values)
        seen: dict[str, Any] = dict(task.inputs)
        arrived: dict[str, Any] = {}
        line: list[Any] = [Outside(lambda x: x, partial(_keep, arrived, found.start))]
        for node, made in found.made:
            line += [*made, Outside(partial(_keep, seen, node.name), partial(_keep, arrived, node.name))]
        program = tb.Sequential(line)
        program.forward(values[found.start])
        program.lrp(task.start, None, None)  # the variants that were set
    return Recording(
        Trace(seen, arrived),
        "LRP toolbox",
        "1.3",
        found.left_out,
        (NOTE, *padding_note([node.name for node, made in found.made if is_padded(node.layer, made)])),
    )


def _keep(kept: dict[str, Any], name: str, array: Any) -> Any:
    kept[name] = np.array(array)
    return array
