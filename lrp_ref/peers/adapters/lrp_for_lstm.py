"""LRP_for_LSTM, from the folder that the user names: its model with weights set, and its function for one layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...layers import Dense
from ...propagation.trace import Trace
from ..installed import folder_of
from ..lstm_model import find_model, one_class, passes, single, strength
from ..peer import find
from ..source import package
from ..task import Recording, Task

MODEL, RULE = "LSTM.LSTM_bidi", "LSTM.LRP_linear_layer"


def record(task: Task, folder: Path | None = None) -> Recording:
    """Run the program sample by sample, as it takes one text at a time; see ``Adapter.record``."""
    alone = len(task.network.nodes) == 1 and isinstance(task.network.nodes[0].layer, Dense)
    with package(folder_of(find("lrp_for_lstm"), folder), "code") as part:
        steps = [(_layer if alone else _text)(task, part, k) for k in range(len(task.start))]
    values, relevance = ({name: np.stack([s[j][name] for s in steps]) for name in steps[0][j]} for j in (0, 1))
    return Recording(Trace({**task.inputs, **values}, relevance), "LRP_for_LSTM", "2020-04-24")


def _layer(task: Task, part: Any, k: int) -> tuple[dict[str, Any], dict[str, Any]]:
    node, (name,) = task.network.nodes[0], task.network.nodes[0].inputs
    weight, bias, (epsilon, factor) = single(task, node)
    x, r = np.asarray(task.inputs[name])[k], task.start[k]
    z = weight.T @ x + bias
    received = part(RULE).lrp_linear(x, weight, bias, z, r, len(x), epsilon, factor)
    return {node.name: z}, {node.name: r, name: received}


def _text(task: Task, part: Any, k: int) -> tuple[dict[str, Any], dict[str, Any]]:
    model = find_model(task)
    passes(task, model)
    epsilon, factor = strength(task, model)
    words = np.asarray(task.network.values(dict(task.inputs))[model.words])[k]
    program = part(MODEL).LSTM_bidi.__new__(part(MODEL).LSTM_bidi)  # its __init__ would unpickle files
    program.__dict__.update(model.weights(), E=words)
    program.set_input(range(len(words)))
    scores = program.forward()
    calls: list[Any] = []  # of the layers' function; the first two are the scores' shares to the last states

    def kept(*xs: Any, **more: Any) -> Any:
        calls.append(part(RULE).lrp_linear(*xs, **more))
        return calls[-1]

    part(MODEL).lrp_linear = kept
    left, right, _ = program.lrp(range(len(words)), one_class(task.start[k], scores), epsilon, factor)
    last = {"Left": program.h_Left[len(words) - 1], "Right": program.h_Right[len(words) - 1]}
    hidden, read = {"Left": calls[0], "Right": calls[1]}, {"Left": left, "Right": right, "both": left + right}
    values = model.named(dict.fromkeys(read, words), last) | {model.scores.name: scores}
    return values, model.named(read, hidden) | {model.scores.name: task.start[k]}
