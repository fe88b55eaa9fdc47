"""iNNvestigate: its LRP analyzer with a rule for each layer, and every tensor of its walk back."""

from __future__ import annotations

import importlib.metadata
import warnings
from functools import partial
from pathlib import Path

import numpy as np

from ...propagation.trace import Trace
from ..incomplete import below
from ..innvestigate_analyzer import reversed_tensors
from ..innvestigate_rules import NOTES, require_rule
from ..keras_model import to_keras
from ..padding import padding_note
from ..task import Recording, Task


def record(task: Task, folder: Path | None = None) -> Recording:
    """Reverse the Keras model, in a graph of its own; see ``Adapter.record``."""
    import tensorflow as tf

    values = task.network.values({name: np.asarray(x) for name, x in task.inputs.items()})
    usual = tf.keras.backend.floatx()
    tf.keras.backend.set_floatx(values[task.network.outputs[0]].dtype.name)
    try:
        with warnings.catch_warnings(), tf.Graph().as_default(), tf.compat.v1.Session().as_default() as session:
            warnings.simplefilter("ignore")
            model = to_keras(task, values, partial(require_rule, task))
            back = reversed_tensors(task, model)
            tf.compat.v1.keras.backend.get_session()  # sets the variables of the layers that the walk back has made
            seen, arrived = session.run([model.tensors, back], {t: values[name] for name, t in model.fed.items()})
    finally:
        tf.keras.backend.set_floatx(usual)
    run, known = set(model.tensors) - set(model.left_out), set(back) - below(task.network, model.left_out)
    seen = {**task.inputs, **{name: seen[name] for name in values if name in run}}
    trace = Trace(seen, {name: arrived[name] for name in reversed(values) if name in known})
    notes = (*NOTES, *padding_note(model.padded))
    return Recording(trace, "iNNvestigate", importlib.metadata.version("innvestigate"), model.left_out, notes)
