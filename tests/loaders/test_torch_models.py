"""The kinds of small PyTorch models that people export: each loads, equals onnxruntime, and its ledger closes.

Both exporters, with a free batch; ``python tests/support/torch_models.py`` prints the table of all four exports.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("torch")
pytest.importorskip("onnxscript")

import torch_models
from torch_kinds import KINDS

# Kinds that are refused by name in both exports; one that loads fails here, so that the list stays short.
REFUSED = {"embedding_bag": "Loop"}  # a loop over the bags of a batch
NOT_EXPORTED = {("packed_lengths", "dynamo-dynamic")}  # its lengths are values, which torch.export does not follow


@pytest.fixture(scope="module", autouse=True)
def registry() -> Iterator[None]:
    with torch_models.one_registry():
        yield


@pytest.mark.parametrize("how", ["torchscript-dynamic", "dynamo-dynamic"])
@pytest.mark.parametrize("name", KINDS)
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


def test_most_of_the_kinds_are_there() -> None:
    assert len(KINDS) == 51


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
