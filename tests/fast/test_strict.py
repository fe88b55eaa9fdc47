"""The strict array module itself, what may be called on an array module, and whole explanations on it."""

from __future__ import annotations

import ast
from pathlib import Path

import checks
import numpy as np
import pytest
from samples import Draw, Sample, some
from strict import CUPY_FUNCTIONS, METHODS, STRICT, StrictArray, Synchronisations, to_strict
from walks import small_networks

import lrp_ref as lrp
from lrp_ref import layers
from lrp_ref.base import arrays
from lrp_ref.base.arrays import ARRAY_FUNCTIONS, namespace, to_numpy
from lrp_ref.errors import BackendError

# The strict array module -------------------------------------------------------------------------------------


def test_strict_arrays_refuse_numpy() -> None:
    strict, host = to_strict(np.ones(2)), np.ones(2)
    for mixing in (
        lambda: strict + host,
        lambda: host + strict,
        lambda: strict * np.float64(2),
        lambda: np.float64(2) * strict,
        lambda: np.exp(strict),
        lambda: np.asarray(strict),
        lambda: STRICT.maximum(strict, host),
        lambda: STRICT.concatenate((strict, host)),
        lambda: strict[np.array([0])],
        lambda: strict[strict > 0],
        lambda: strict.__setitem__(0, host[0]),
        lambda: iter(strict),
    ):
        with pytest.raises(TypeError):
            mixing()
    with pytest.raises(AttributeError, match="missing in ARRAY_FUNCTIONS"):
        _ = STRICT.einsum
    with pytest.raises(BackendError, match="numpy and strict in one call"):
        namespace(host, strict)
    with pytest.raises(BackendError, match="strict and numpy in one call"):
        layers.Dense(np.ones((2, 2))).forward(to_strict(np.ones((1, 2))))
    assert np.array_equal(to_numpy(2 * strict - 1), host)
    Synchronisations.count = 0
    assert bool(strict.any())
    assert float(strict.sum()) == 2
    assert Synchronisations.count == 2


def test_what_is_called_exists_in_cupy() -> None:
    assert set(ARRAY_FUNCTIONS) <= CUPY_FUNCTIONS
    assert len(set(ARRAY_FUNCTIONS)) == len(ARRAY_FUNCTIONS)
    assert all(hasattr(np.ndarray, name) for name in METHODS)


def test_the_list_of_array_functions_is_what_is_called() -> None:
    package = Path(arrays.__file__).parents[1]
    called = set()
    folders = ("base", "fast", "rules", "layers", "propagation")
    for path in (p for folder in folders for p in (package / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                owner = node.value.func if isinstance(node.value, ast.Call) else node.value
                if isinstance(owner, ast.Name) and owner.id in ("xp", "namespace"):
                    called.add(node.attr)
    assert called - {"erf", "__name__"} == set(ARRAY_FUNCTIONS)


@pytest.mark.parametrize("name", ["dense", "conv", "residual", "reused"])
@pytest.mark.parametrize("composite", ["epsilon", "epsilon_plus_flat", "epsilon_alpha2_beta1"])
def test_explanations_stay_on_the_strict_module(name: str, composite: str) -> None:
    """The device is waited for once per node and direction, to look for NaN, and a few times at the ends."""
    draw = Draw(name, "normal")
    net, shape = small_networks(draw, bias=True)[name]
    x = draw(3, *shape)
    there, far = net.to(STRICT), to_strict(x)
    Synchronisations.count = 0
    found = lrp.explain(there, far, composite=composite)
    assert Synchronisations.count <= 2 * len(net) + 3
    expected = lrp.explain(net, x, composite=composite)
    assert type(found.relevance) is StrictArray
    checks.close(found.relevance.get(), expected.relevance, rtol=1e-15)
    for row, other in zip(found.ledger, expected.ledger, strict=True):
        checks.close(row.dropped.get(), other.dropped, rtol=1e-15)


@pytest.mark.parametrize("sample", some("Conv-stride", "MaxPool-padding", "LSTM-everything"), ids=lambda s: s.name)
def test_a_layer_on_the_strict_module_stays_there(sample: Sample) -> None:
    moved = to_strict(sample.layer())
    found = moved.forward(*to_strict(sample.inputs()))
    assert all(type(a) is StrictArray for a in checks.outputs(found))
