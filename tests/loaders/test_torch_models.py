"""The kinds of small PyTorch models that people export: each loads, equals onnxruntime, and its ledger closes.

Both exporters, with a free batch; ``python tests/support/torch_models.py`` prints the table of all four exports.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("torch")
pytest.importorskip("onnxscript")

import torch_models
from torch_kinds import KINDS, transformers

import lrp_ref as lrp
from lrp_ref.layers import Constant, MatMul, Multiply

# Kinds that are refused by name in both exports; one that loads fails here, so that the list stays short.
REFUSED = {"embedding_bag": "Loop"}  # a loop over the bags of a batch
NOT_EXPORTED = {
    ("packed_lengths", "dynamo-dynamic"),  # its lengths are values, which torch.export does not follow
    ("llama_fused", "torchscript-dynamic"),  # the older exporter knows no nn.RMSNorm
    ("dot_product_grouped", "torchscript-dynamic"),  # nor grouped queries
}
DYNAMIC = ("torchscript-dynamic", "dynamo-dynamic")
TRANSFORMERS = [kind.name for kind in transformers.KINDS]
CASES = [
    *((name, how) for name in KINDS for how in DYNAMIC),
    *((name, "dynamo-dynamic-23") for name in TRANSFORMERS),  # with operators for attention, norms and rotary positions
]
# Norms and activations of the transformers.
PARTS = {
    "llama": {"Normalize": 3, "SiLU": 1}, "llama_fused": {"Normalize": 3, "SiLU": 1},
    "gpt2": {"Normalize": 3, "GELU": 1}, "t5": {"Normalize": 1, "GELU": 1}, "alibi": {"Normalize": 1, "GELU": 1},
    "bert": {"Normalize": 5, "GELU": 2}, "roberta": {"Normalize": 5, "GELU": 2},
    "vit_fused": {"Normalize": 3, "GELU": 1}, "swin": {"Normalize": 3, "GELU": 1},
    "swin_shifted": {"Normalize": 3, "GELU": 1}, "encoder_layer": {"Normalize": 2, "GELU": 1},
    "encoder_layer_causal": {"Normalize": 2}, "decoder_layer": {"Normalize": 3},
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def registry() -> Iterator[None]:
    with torch_models.one_registry():
        yield


@pytest.mark.parametrize(("name", "how"), CASES)
def test_it_loads_equals_onnxruntime_and_its_ledger_closes(name: str, how: str, tmp_path: Path) -> None:
    found = torch_models.outcome(KINDS[name], how, tmp_path)
    if (name, how) in NOT_EXPORTED:
        assert found.exported
        return
    assert not found.exported
    if name in REFUSED:
        assert REFUSED[name] in found.loads, found.told()
        return
    assert found.equal, found.told()
    assert found.closes, found.told()
    if name in TRANSFORMERS:
        seen_as_such(name, lrp.canonize(torch_models.loader.load(tmp_path / f"{name}.{how}.onnx")))


def test_most_of_the_kinds_are_there() -> None:
    assert len(KINDS) == 71


def seen_as_such(name: str, net: lrp.Network) -> None:
    """Assert that weights gate the values, scores have no gate, and no part of a norm or activation is left."""
    kinds = Counter(type(node.layer).__name__ for node in net.nodes)
    scores_and_values = [
        n.layer.gate for n in net.nodes if isinstance(n.layer, MatMul) and "cumsum" not in n.name.lower()
    ]
    gates = Counter(scores_and_values)
    assert gates[0] == gates[None] == kinds["Softmax"] >= 1
    assert not {"Function", "Power", "Exp", "Sigmoid"}.intersection(kinds)
    assert {kind: kinds[kind] for kind in ("Normalize", "GELU", "SiLU") if kinds[kind]} == PARTS.get(name, {})
    # Products of integers count positions; that of a gated MLP has no gate, since neither SiLU nor GELU is a sigmoid.
    open_ = [n for n in net.nodes if isinstance(n.layer, Multiply) and n.layer.gate is None]
    open_ = [n for n in open_ if not any(read.endswith("number") for read in n.inputs)]
    assert len(open_) == (name in ("llama", "llama_fused", "t5", "alibi"))


def test_every_token_has_its_relevance(tmp_path: Path) -> None:
    kind = KINDS["llama"]
    net = torch_models.loader.load(torch_models.export(kind, "dynamo-dynamic", tmp_path)).astype("float64")
    x = kind.samples(2, time=5)["x"].numpy()
    e = lrp.explain(net, x, composite="epsilon", target=1)
    assert e.relevance.shape == (2, 5)
    assert e.relevance.all()


def test_what_reaches_a_class_token_is_a_bias_of_the_ledger(tmp_path: Path) -> None:
    kind = KINDS["vit_fused"]
    net = torch_models.loader.load(torch_models.export(kind, "dynamo-dynamic", tmp_path)).astype("float64")
    e = lrp.explain(net, kind.samples(2)["x"].double().numpy(), composite="epsilon", target=1)
    rows = {row.node: row for row in e.ledger}
    (token,) = (node.name for node in net.nodes if isinstance(node.layer, Constant))
    np.testing.assert_array_equal(rows[token].bias, rows[token].relevance_out)
    assert (abs(rows[token].bias) > 1e-3).all()
    elsewhere = sum(row.bias + row.stabiliser + row.dropped for row in e.ledger)
    reached = e.relevance.sum(axis=(1, 2, 3))
    np.testing.assert_allclose(reached + elsewhere, e.output[:, 1], rtol=1e-9)


@pytest.mark.parametrize("name", ["bert", "vit_fused"])
def test_what_onnxruntimes_optimizer_fuses_is_read_as_well(name: str, tmp_path: Path) -> None:
    optimizer = pytest.importorskip("onnxruntime.transformers.optimizer")
    how, kind = "torchscript-dynamic", KINDS[name]
    path = torch_models.export(kind, how, tmp_path)
    made = optimizer.optimize_model(str(path), model_type="bert", num_heads=2, hidden_size=8, opt_level=0)
    assert any(node.domain == "com.microsoft" for node in made.model.graph.node)
    made.save_model_to_file(str(path))
    found = torch_models.measure(kind, how, path)
    assert found.equal, found.told()
    assert found.closes, found.told()


def test_a_wrong_network_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, how = KINDS["highway"], "torchscript-dynamic"
    path, convert = torch_models.export(kind, how, tmp_path), torch_models.loader.convert

    def spoiled(*arguments: Any, **options: Any) -> Any:
        made = convert(*arguments, **options)
        return replace(made, network=made.network.map_arrays(lambda a: a * 1.0001))

    assert torch_models.measure(kind, how, path).equal
    monkeypatch.setattr(torch_models.loader, "convert", spoiled)
    found = torch_models.measure(kind, how, path)
    assert not found.equal
    assert found.told().startswith("WRONG")
