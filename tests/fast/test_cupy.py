"""The same numbers on a GPU: CPU and GPU agree, and nothing of NumPy is left in a result.

These tests need CuPy and a CUDA device and are skipped elsewhere. What can be known without a device (no NumPy array
slips in, only functions that CuPy has are called) is tested everywhere with the strict array module.
"""

from __future__ import annotations

import gc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks import NO_RULE, columns, outputs, own_rule, pull
from samples import SAMPLES, Draw, Sample
from textbook_nets import BOUNDS, LITERAL, conv_net, residual_net

import lrp_ref as lrp
from lrp_ref import rules
from lrp_ref.arithmetic import rational
from lrp_ref.base.arrays import convert, namespace, to_numpy
from lrp_ref.errors import BackendError, NonFiniteError
from lrp_ref.layers import Conv, Dense, LeakyReLU, ReLU
from lrp_ref.layers.base import Linear
from lrp_ref.network import Network
from lrp_ref.propagation import composites
from lrp_ref.propagation.trace import Trace
from lrp_ref.rules.edits import add, clip, relative

pytestmark = pytest.mark.cupy
DTYPES = [np.float32, np.float64]
LINEAR = [s for s in SAMPLES if isinstance(s.layer(), Linear)]
RULES = [
    rules.LRP0(add(0.125)), rules.LRP0(clip(0.25)), rules.LRP0(relative(0.25)), rules.Epsilon(0.125, bias_share=1),
    rules.Gamma(0.25, add(0.125)), rules.GeneralizedGamma(0.25, add(0.125)), rules.AlphaBeta(2, 1, add(0.125)),
    rules.ZPlus(), rules.WSquare(), rules.Flat(), rules.ZBox(-5, 5, add(0.125)), rules.Reference(0.75),
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def cupy() -> Any:
    """CuPy, or a skip that says what is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what CuPy has to say about its installation while it is imported
        module = pytest.importorskip("cupy", reason="CuPy is not installed", exc_type=ImportError)
        try:
            devices = module.cuda.runtime.getDeviceCount()
        except Exception as error:
            pytest.skip(f"CuPy finds no CUDA device: {error}")
    if not devices:
        pytest.skip("CuPy finds no CUDA device")
    return module


def there(value: Any, cupy: Any) -> Any:
    """Return arrays, layers and tuples of them on the device."""
    if isinstance(value, tuple):
        return tuple(there(v, cupy) for v in value)
    return cupy.asarray(value) if isinstance(value, np.ndarray) else value.map_arrays(cupy.asarray)


def cast(value: Any, dtype: Any) -> Any:
    """Return floats as ``dtype``; integers stay."""
    if isinstance(value, tuple):
        return tuple(cast(v, dtype) for v in value)
    if isinstance(value, np.ndarray):
        return value.astype(dtype) if value.dtype.kind == "f" else value
    return value.map_arrays(lambda a: cast(a, dtype))


def agree(found: Any, expected: Any, dtype: Any, cupy: Any, what: str, size: float = 0.0) -> None:
    """Demand a CuPy array of the same shape and dtype whose numbers differ by rounding alone."""
    assert type(found) is cupy.ndarray, f"{what}: a {type(found).__name__}"
    assert found.dtype == expected.dtype == dtype, f"{what}: {found.dtype}"
    assert found.shape == expected.shape, what
    tolerance = 2e4 * np.finfo(dtype).eps
    scale = max(size, float(np.abs(expected[np.isfinite(expected)]).max(initial=0.0)))
    np.testing.assert_allclose(found.get(), expected, rtol=tolerance, atol=tolerance * scale, err_msg=what)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)
def test_every_layer(sample: Sample, dtype: Any, cupy: Any) -> None:
    """Forward, derivative, relevance and ledger of every registered layer."""
    layer, xs, rs = (cast(v, dtype) for v in (sample.layer("normal"), sample.inputs(3, "normal"), sample.relevances(3)))
    far = there(layer, cupy), there(xs, cupy), there(rs, cupy)
    found = (*outputs(far[0].forward(*far[1])), *pull(*far))
    expected = (*outputs(layer.forward(*xs)), *pull(layer, xs, rs))
    rule = own_rule(layer)
    if rule is not NO_RULE:
        found += columns(far[0].redistribute(far[1], far[2], rule))
        expected += columns(layer.redistribute(xs, rs, rule))
    size = float(sum(np.abs(r).sum() for r in rs))
    for k, (a, b) in enumerate(zip(found, expected, strict=True)):
        agree(a, b, dtype, cupy, f"{sample.name}, array {k}", size if b.ndim == 1 else 0.0)


@pytest.mark.parametrize("rule", RULES, ids=repr)
@pytest.mark.parametrize("sample", LINEAR, ids=lambda s: s.name)
def test_every_rule_on_every_linear_layer(sample: Sample, rule: Any, cupy: Any) -> None:
    layer, xs, rs = sample.layer("normal"), sample.inputs(3, "normal"), sample.relevances(3, "normal")
    found = there(layer, cupy).redistribute(there(xs, cupy), there(rs, cupy), rule)
    expected = layer.redistribute(xs, rs, rule)
    size = float(sum(np.abs(r).sum() for r in (*rs, *expected.relevances)))
    for k, (a, b) in enumerate(zip(columns(found), columns(expected), strict=True)):
        agree(a, b, np.float64, cupy, f"{rule} on {sample.name}, array {k}", size)


@pytest.mark.parametrize("name", ["dense", "conv"])
def test_bounds_per_channel_may_be_of_either_library(name: str, cupy: Any) -> None:
    draw = Draw(name, "normal")
    layer = Dense(draw(3, 2), draw(2)) if name == "dense" else Conv(draw(2, 3, 2), draw(2), padding=1)
    x = np.clip(draw(2, 3) if name == "dense" else draw(2, 3, 4), -1, 1)
    r = draw(*layer.forward(x).shape)
    low, high = np.array([-1.0, -2.0, -1.5]), np.array([1.0, 1.5, 2.0])
    expected = layer.relevance_backward(x, r, rules.ZBox(low, high))
    for bounds in ((low, high), (cupy.asarray(low), cupy.asarray(high))):
        found = there(layer, cupy).relevance_backward(there(x, cupy), there(r, cupy), rules.ZBox(*bounds))
        agree(found, expected, np.float64, cupy, "z^B")


# Networks and explanations -----------------------------------------------------------------------------------


def test_a_network_moves_and_comes_back(cupy: Any) -> None:
    draw = Draw("network", "normal")
    net = Network.sequential([Conv(draw(2, 1, 2), draw(2)), LeakyReLU(draw(2)), ReLU()])
    far = net.to("cupy")
    assert {type(p) for p in far.parameters} == {cupy.ndarray}
    assert far == net, "equal values, wherever they lie"
    assert far.to("numpy") == net
    assert {type(p) for p in far.to("numpy").parameters} == {np.ndarray}
    assert far.to(cupy) == far
    assert far.astype("float32").dtype == np.float32
    x = draw(2, 1, 5)
    agree(far.forward(cupy.asarray(x)), net.forward(x), np.float64, cupy, "forward")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("build", [conv_net, residual_net])
@pytest.mark.parametrize("name", LITERAL)
def test_explanations_agree(name: str, build: Any, dtype: Any, cupy: Any) -> None:
    net, shape = build()
    x = Draw(f"explain {name}", "normal")(3, *shape).astype(dtype)
    composite = composites.get(name, **BOUNDS.get(name, {}))
    here = lrp.explain(net, x, target=1, composite=composite)
    far = lrp.explain(net, x, target=1, composite=composite, xp="cupy")
    for what in ("output", "relevance", "start_relevance"):
        agree(getattr(far, what), getattr(here, what), dtype, cupy, what)
    for row in far.ledger:
        for column in ("relevance_out", "relevance_in", "bias", "stabiliser", "dropped", "residual", "size"):
            assert type(getattr(row, column)) is cupy.ndarray, f"{column} of {row.node}"
    for arrays in (far.trace.values, far.trace.relevance):
        assert {type(a) for a in arrays.values()} == {cupy.ndarray}
    assert type(far.target) is cupy.ndarray
    assert far.ledger.residual < 1e3 * np.finfo(dtype).eps
    assert here.trace.diff(far.trace, tolerance=2e4 * float(np.finfo(dtype).eps)).equal
    assert namespace(far.relevance) is cupy


def test_inputs_and_network_on_the_device(cupy: Any) -> None:
    net, shape = conv_net()
    x = Draw("device", "normal")(2, *shape)
    expected = lrp.explain(net, x, composite="epsilon_plus").relevance
    found = lrp.explain(net.to("cupy"), cupy.asarray(x), composite="epsilon_plus").relevance
    agree(found, expected, np.float64, cupy, "relevance")
    back = lrp.explain(net.to("cupy"), cupy.asarray(x), composite="epsilon_plus", xp="numpy").relevance
    assert np.array_equal(back, expected)
    targets = cupy.asarray([2, 0])
    one = lrp.explain(net, x, target=targets, xp="cupy")
    assert one.target.get().tolist() == [[2], [0]]
    start = lrp.explain(net, x, start=cupy.ones((2, 3)), xp="cupy").relevance
    agree(start, lrp.explain(net, x, start=np.ones((2, 3))).relevance, np.float64, cupy, "start")


@pytest.mark.parametrize("start", list(lrp.start.STARTS))
def test_starts_agree(start: str, cupy: Any) -> None:
    f = Draw(start, "normal")(3, 4)
    expected, targets, _ = lrp.start.start_relevance(f, [0, 3, 1], start)
    found, there_targets, _ = lrp.start.start_relevance(cupy.asarray(f), [0, 3, 1], start)
    agree(found, expected, np.float64, cupy, start)
    assert there_targets.get().tolist() == targets.tolist()


def test_the_libraries_do_not_mix(cupy: Any) -> None:
    net, shape = residual_net()
    x = np.ones((1, *shape))
    with pytest.raises(BackendError, match="arrays of cupy and numpy in one call: move them to one library first"):
        net.forward(cupy.asarray(x))
    with pytest.raises(BackendError, match="arrays of numpy and cupy in one call"):
        lrp.explain(net.to("cupy"), x)


def test_exact_numbers_stay_on_the_host(cupy: Any) -> None:
    net, shape = residual_net()
    with pytest.raises(BackendError, match="exact numbers live on the host"):
        lrp.explain(rational(net), rational(np.ones((1, *shape))), xp="cupy")


def test_what_is_not_finite_is_found(cupy: Any) -> None:
    """CuPy gives no floating-point warnings: the check after every node is all there is."""
    net = Network.sequential([("huge", Dense(np.array([[1e300]]))), ("over", Dense(np.array([[1e300]])))])
    with pytest.raises(NonFiniteError, match=r"^node 'over': the output has 1 values that are not finite; the first"):
        lrp.explain(net, np.ones((1, 1)), xp="cupy")
    with pytest.raises(NonFiniteError, match=r"^input 'input' has 1 values"):
        lrp.explain(net, np.array([[np.nan]]), xp="cupy")


@pytest.mark.parametrize("build", [conv_net, residual_net])
def test_an_empty_batch(build: Any, cupy: Any) -> None:
    net, shape = build()
    e = lrp.explain(net, np.zeros((0, *shape)), composite="epsilon_plus_flat", xp="cupy")
    assert e.relevance.shape == (0, *shape)
    assert e.ledger.residual == 0


# Back on the host --------------------------------------------------------------------------------------------


def test_to_numpy_brings_everything_back_and_frees_the_device(cupy: Any) -> None:
    net, shape = conv_net()
    x = Draw("memory", "normal")(2, *shape)
    lrp.explain(net, x, composite="epsilon_plus", xp="cupy")  # libraries allocate their workspaces once
    gc.collect()
    pool = cupy.get_default_memory_pool()
    before = pool.used_bytes()
    far = lrp.explain(net, x, composite="epsilon_plus", xp="cupy")
    assert pool.used_bytes() > before
    host = far.to_numpy()
    table, relevance = far.ledger.table(), far.relevance.get()
    del far
    gc.collect()
    assert pool.used_bytes() == before, "the copy on the host keeps device memory alive"
    arrays = [host.output, host.relevance, host.target, host.start_relevance]
    arrays += [*host.trace.values.values(), *host.trace.relevance.values()]
    arrays += [getattr(r, c) for r in host.ledger for c in ("relevance_out", "bias", "residual", "size")]
    assert {type(a) for a in arrays} == {np.ndarray}
    assert np.array_equal(host.relevance, relevance)
    assert host.ledger.table() == table


def test_results_on_the_device_print_save_and_check(tmp_path: Path, cupy: Any) -> None:
    net, shape = conv_net()
    x = Draw("printing", "normal")(2, *shape)
    here, far = (lrp.explain(net, x, composite="epsilon_plus", target=0, xp=xp) for xp in (None, "cupy"))
    assert far.checks() == here.checks()
    assert repr(far).startswith("Explanation(epsilon_plus, Logit(), target [[0], [0]]: relevance (2, 1, 4, 5)")
    assert far._repr_html_().count("<img") == 2
    saved = lrp.load_relevance(far.save(tmp_path / "e.npz"))
    assert np.array_equal(saved["relevance"], far.relevance.get())
    assert Trace.load(tmp_path / "e.npz").diff(far.trace, tolerance=0).equal
    table = lrp.messages(there(net["dense2"].layer, cupy), far.trace.values["relu3"], far.output, rules.LRP0())
    assert type(table.messages) is np.ndarray
    assert convert(to_numpy(far.output), cupy).dtype == np.float64
