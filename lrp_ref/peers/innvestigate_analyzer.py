"""iNNvestigate's LRP analyzer, with a rule for each layer, a start of its own, and every tensor of its walk back."""

from __future__ import annotations

from functools import partial
from typing import Any

from .innvestigate_rules import rule_of, weighted
from .keras_model import KerasModel, layer_name
from .task import Task


def reversed_tensors(task: Task, model: KerasModel) -> dict[str, Any]:
    """Return name → tensor of the relevance that arrives there.

    Args:
        task: what is asked.
        model: the network in Keras.
    """
    import tensorflow as tf
    from innvestigate.analyzer.relevance_based.relevance_analyzer import LRP

    class Analyzer(LRP):
        def _head_mapping(self, X: Any) -> Any:  # noqa: N803 - the program's own name
            start = task.start.reshape(len(task.start), -1)
            return tf.keras.layers.Lambda(lambda x: tf.zeros_like(x) + start)(X)

        def _reverse_model(self, *args: Any, **more: Any) -> Any:
            inputs, self.tensors = super()._reverse_model(*args, **{**more, "return_all_reversed_tensors": True})
            return inputs, self.tensors

    nodes = [n for n in task.network.nodes if n.name in model.tensors.keys() - model.left_out.keys() and weighted(n)]
    rules = [(partial(_is, layer_name(n.name, task)), rule_of(task, n)) for n in nodes]
    out = model.tensors[task.network.outputs[0]]
    if len(out.shape) > 2:  # the program flattens such an output itself, but fails at it
        out = tf.keras.layers.Flatten()(out)
    whole = tf.keras.Model(list(model.fed.values()), out)
    analyzer = Analyzer(whole, rule=rules or "Z", neuron_selection_mode="all")
    analyzer.create_analyzer_model()
    found = {name: analyzer.tensors.get(id(tensor)) for name, tensor in model.tensors.items()}
    return {name: one["final_tensor"] for name, one in found.items() if one and one["final_tensor"] is not None}


def _is(name: str, layer: Any) -> bool:
    return bool(layer.name == name)
