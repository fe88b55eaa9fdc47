"""Activation maximisation: stored numbers, closed forms, torch's optimiser and SciPy's filter; prototypes from data."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.arithmetic import rational
from lrp_ref.errors import ParameterError, ShapeError, UnsupportedError
from lrp_ref.layers import Conv, Dense, Embedding, Flatten, Multiply, ReLU, Reshape, Softmax, Tanh
from lrp_ref.methods import L2, Maximisation, TotalVariation, maximise, prototypes
from lrp_ref.methods.maximisation import penalties, steps
from lrp_ref.network import Input, Network, Node
from tests.support import golden_methods
from tests.support.exact_numbers import rationals
from tests.support.golden_methods import MODELS, Golden

RNG = np.random.default_rng(193)
IMAGES = Network.sequential(
    [Conv(RNG.normal(size=(4, 1, 3, 3)), RNG.normal(size=4), padding=1), ReLU(), Flatten(),
     Dense(RNG.normal(size=(144, 3)) / 12, RNG.normal(size=3))]
)  # fmt: skip
START = RNG.normal(size=(4, 1, 6, 6)) / 10


@golden_methods.needed
@pytest.mark.parametrize("model", MODELS)
def test_stored_numbers(model: str) -> None:
    """The stored walks start from a tenth of the stored baseline."""
    golden = Golden(model)
    start, target = 0.1 * golden["baseline"], golden.target
    m = maximise(golden.net, start, target=target)
    assert np.abs(m.x - golden["ref/activation_maximisation_l2"]).max() <= 1e-12
    assert np.abs(m.scores[:, -1] - golden["ref/activation_maximisation_l2/f"]).max() <= 1e-12
    if "ref/activation_maximisation_l2_tv" in golden:
        varied = maximise(golden.net, start, target=target, penalties=[L2(0.01), TotalVariation(0.05)])
        assert np.abs(varied.x - golden["ref/activation_maximisation_l2_tv"]).max() <= 1e-12


def test_of_a_linear_score_the_steps_are_a_geometric_sum_exactly() -> None:
    w, x = rationals(RNG, 3, 2), rationals(RNG, 5, 3)
    m = maximise(Network.sequential([Dense(w)]), x, target=1, steps=6, rate=0.25, penalties=[L2(0.5)])
    fade = Fraction(3, 4)  # 1 − η·2λ
    expected = x * fade**6 + w[:, 1] * Fraction(1, 4) * sum(fade**k for k in range(6))
    assert (m.x == expected).all()
    assert (m.scores[:, 0] == x @ w[:, 1]).all()
    assert (m.scores[:, -1] == expected @ w[:, 1]).all()


@pytest.mark.parametrize("penalty", [L2(0.25), TotalVariation(0.5)])
def test_penalties_have_the_derivative_of_their_value_exactly(penalty: Any) -> None:
    """Of a square the central difference is the derivative, whatever its width."""
    x = rationals(RNG, 2, 2, 3, 4)
    found = penalty.gradient(x)
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += 1
        down[place] -= 1
        assert found[place] == ((penalty.value(up) - penalty.value(down)) / 2)[place[0]]


def test_total_variation_by_loops() -> None:
    x = rationals(RNG, 1, 2, 3, 4)
    for power in (1, 2):
        total = Fraction(0)
        for c in range(2):
            for i in range(3):
                for j in range(4):
                    total += abs(x[0, c, i, j] - x[0, c, i + 1, j]) ** power if i < 2 else 0
                    total += abs(x[0, c, i, j] - x[0, c, i, j + 1]) ** power if j < 3 else 0
        assert TotalVariation(0.5, power).value(x).tolist() == [total / 2]


def test_total_variation_of_sizes_has_the_signs() -> None:
    x = np.array([[[1.0, 3.0, 3.0, 2.0]]])
    assert TotalVariation(1.0, 1).gradient(x).tolist() == [[[-1.0, 1.0, 1.0, -1.0]]]


def test_adam_is_that_of_torch() -> None:
    torch = pytest.importorskip("torch")
    w, v = RNG.normal(size=(5, 4)), RNG.normal(size=(4, 1))
    net, x = Network.sequential([Dense(w), Tanh(), Dense(v)]), RNG.normal(size=(3, 5))
    m = maximise(net, x, target=0, optimiser="adam", rate=0.05, steps=25, penalties=[L2(0.02)])
    t = torch.tensor(x, requires_grad=True)
    adam = torch.optim.Adam([t], lr=0.05)
    for _ in range(25):
        adam.zero_grad()
        loss = -(torch.tanh(t @ torch.tensor(w)) @ torch.tensor(v)).sum() + 0.02 * (t * t).sum()
        loss.backward()
        adam.step()
    assert np.abs(m.x - t.detach().numpy()).max() <= 1e-12


def test_jitter_is_what_rolling_by_hand_gives() -> None:
    m = maximise(IMAGES, START, target=1, jitter=2, seed=7, steps=5, penalties=[])
    x = START
    for step in range(5):
        dy, dx = steps.shifts(2, 2, 7, step)
        there = np.roll(x, (dy, dx), axis=(2, 3))
        assert np.abs(m.scores[:, step] - IMAGES.forward(there)[:, 1]).max() <= 1e-12
        g = lrp.attribute(IMAGES, there, "gradient", target=1).relevance
        x = x + 0.1 * np.roll(g, (-dy, -dx), axis=(2, 3))
    assert np.abs(m.x - x).max() <= 1e-12
    assert np.abs(m.scores[:, -1] - IMAGES.forward(x)[:, 1]).max() <= 1e-12
    drawn = [steps.shifts(2, 2, 7, k) for k in range(200)]
    assert {s for pair in drawn for s in pair} == {-2, -1, 0, 1, 2}
    assert drawn == [steps.shifts(2, 2, 7, k) for k in range(200)]
    assert drawn != [steps.shifts(2, 2, 8, k) for k in range(200)]


def test_blur_is_scipys() -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    for sigma in (1.0, 2.0):
        found = steps.blurred(START, sigma)
        expected = ndimage.gaussian_filter(START, (0, 0, sigma, sigma), mode="nearest", truncate=3.0)
        assert np.abs(found - expected).max() <= 1e-15
    flat = np.full((1, 1, 4, 4), 3.0)
    assert np.abs(steps.blurred(flat, 0.7) - flat).max() <= 1e-14
    m = maximise(IMAGES, START, target=0, steps=1, blur=1.0, penalties=[])
    sharp = maximise(IMAGES, START, target=0, steps=1, penalties=[])
    assert np.abs(m.x - steps.blurred(sharp.x, 1.0)).max() <= 1e-15


def test_bounds_hold_and_the_score_rises() -> None:
    m = maximise(IMAGES, START, target=2, steps=30, rate=0.05, bounds=(-0.5, np.full((1, 6, 6), 0.5)), penalties=[])
    assert m.x.min() == -0.5
    assert m.x.max() == 0.5
    assert (m.scores[:, -1] > m.scores[:, 0] + 1).all()
    free = maximise(IMAGES, START, target=2, steps=30, rate=0.05, penalties=[])
    assert (free.scores[:, -1] > m.scores[:, -1]).all()


def test_the_largest_output_at_the_start_stays_the_target() -> None:
    m = maximise(IMAGES, START)
    assert m.target.ravel().tolist() == IMAGES.forward(START).argmax(axis=1).tolist()
    pair = maximise(IMAGES, START, target=0, against=1, penalties=[])
    out = IMAGES.forward(pair.x)
    assert np.abs(pair.scores[:, -1] - (out[:, 0] - out[:, 1])).max() <= 1e-12
    assert pair.asked(0) == "0 against 1"


def test_the_score_is_the_logit_unless_it_is_asked_otherwise() -> None:
    net = Network.sequential([Dense(np.array([[3.0, -3.0]])), Softmax()])
    x = np.array([[20.0]])
    logit = maximise(net, x, target=0, penalties=[])
    assert np.abs(logit.x - (20 + 20 * 0.1 * 3)).max() <= 1e-12
    assert maximise(net, x, target=0, penalties=[], start="output").x.tolist() == [[20.0]]  # the softmax is sure


@pytest.mark.parametrize("options", [{"jitter": 1, "blur": 0.5}, {"optimiser": "adam"}])
def test_a_sample_alone_is_what_it_is_in_a_batch(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = maximise(IMAGES, START, target=[0, 1, 2, 1], steps=8, seed=3, **options)
    for k, target in enumerate((0, 1, 2, 1)):
        alone = maximise(IMAGES, START[k : k + 1], target=target, steps=8, seed=3, **options)
        assert np.abs(alone.x - whole.x[k : k + 1]).max() <= 1e-12
        assert np.abs(alone.scores - whole.scores[k : k + 1]).max() <= 1e-12
    monkeypatch.setattr("lrp_ref.methods.scored.WORKING_BYTES", 1_000)
    few = maximise(IMAGES, START, target=[0, 1, 2, 1], steps=8, seed=3, **options)
    assert np.abs(few.x - whole.x).max() <= 1e-12


# A generator ------------------------------------------------------------------------------------------------------


def test_a_generator_by_the_chain_rule() -> None:
    g, w = RNG.normal(size=(3, 6)), RNG.normal(size=(6, 2))
    generator, net = Network.sequential([Dense(g), Tanh()]), Network.sequential([Dense(w)])
    z = RNG.normal(size=(4, 3))
    m = maximise(net, z, target=1, generator=generator, steps=12, penalties=[L2(0.03)], code_bounds=(-1.2, 1.2))
    code = z
    for _ in range(12):
        slope = 1 - np.tanh(code @ g) ** 2
        code = np.clip(code + 0.1 * ((slope * w[:, 1]) @ g.T - 2 * 0.03 * code), -1.2, 1.2)
    assert np.abs(m.code - code).max() <= 1e-12
    assert np.abs(m.x - np.tanh(code @ g)).max() <= 1e-12
    assert np.abs(m.scores[:, -1] - (np.tanh(code @ g) @ w)[:, 1]).max() <= 1e-12
    assert np.abs(m.code).max() == 1.2


def test_a_label_that_a_generator_reads_stays() -> None:
    nodes = (
        Node("named", Embedding(np.array([[1.0, -1.0], [0.5, 2.0]])), ("label",)),
        Node("flat", Flatten(), ("named",)),
        Node("product", Multiply(), ("z", "flat")),
        Node("made", Reshape((1, 1, 2)), ("product",)),
    )
    generator = Network(nodes, (Input("z"), Input("label")), ("made",))
    net = Network.sequential([Flatten(), Dense(np.array([[1.0], [2.0]]))])
    fed = {"z": np.zeros((2, 2)), "label": np.array([[0], [1]])}
    m = maximise(net, fed, target=0, generator=generator, steps=1, penalties=[])
    assert np.abs(m.code["z"] - 0.1 * np.array([[1.0, -2.0], [0.5, 4.0]])).max() <= 1e-15
    assert list(m.code) == ["z"]
    assert m.x.shape == (2, 1, 1, 2)
    assert m.scores.tolist() == [[0.0, m.scores[0, 1]], [0.0, m.scores[1, 1]]]


def test_a_generators_bounds_are_those_of_its_codes() -> None:
    generator, net = Network.sequential([Dense(np.eye(2))]), Network.sequential([Dense(np.eye(2))])
    with pytest.raises(ParameterError, match="give code_bounds="):
        maximise(net, np.zeros((1, 2)), generator=generator, bounds=(0, 1))
    with pytest.raises(ParameterError, match="there is none: give bounds="):
        maximise(net, np.zeros((1, 2)), code_bounds=(0, 1))


# The value --------------------------------------------------------------------------------------------------------


def test_no_samples_no_steps_layouts_and_floats() -> None:
    assert maximise(IMAGES, START[:0]).x.shape == (0, 1, 6, 6)
    assert maximise(IMAGES, START[:0]).scores.shape == (0, 21)
    still = maximise(IMAGES, START, steps=0)
    assert (still.x == START).all()
    assert np.abs(still.scores[:, 0] - IMAGES.forward(START).max(axis=1)).max() <= 1e-12
    small = maximise(IMAGES.astype("float32"), START.astype("float32"), jitter=1, blur=0.5, optimiser="adam")
    assert (small.x.dtype, small.scores.dtype) == (np.float32, np.float32)
    net = Network((Node("d", Dense(np.eye(2)), ("x",)),), (Input("x", (2, None), 1),), ("d",))
    turned = maximise(net, np.zeros((2, 5)), target=1, steps=1, penalties=[])
    assert turned.x.tolist() == [[0.0] * 5, [0.1] * 5]
    exact = maximise(rational(IMAGES), rational(START[:1]), target=0, steps=1, penalties=[TotalVariation(0.5)])
    assert isinstance(exact.x[0, 0, 0, 0], Fraction)


def test_progress_tells_every_step() -> None:
    told: list[tuple[int, int]] = []
    maximise(IMAGES, START, steps=3, progress=lambda done, total: told.append((done, total)))
    assert told == [(4, 12), (8, 12), (12, 12)]


def test_it_is_data_that_is_printed_saved_and_drawn(tmp_path: Path) -> None:
    m = maximise(IMAGES, START, target=1, steps=2, penalties=[TotalVariation(0.1)], jitter=1)
    assert m.method == Maximisation(2, 0.1, (TotalVariation(0.1),), jitter=1) != Maximisation(3)
    assert "penalties=(TotalVariation(weight=0.1, power=2),)" in repr(m)
    assert "target [[1], [1], [1], [1]]: f " in repr(m)
    path = m.save(tmp_path / "m.npz")
    with np.load(path) as file:
        assert (file["x/x"] == m.x).all()
        assert (file["scores"] == m.scores).all()
    pytest.importorskip("PIL")
    assert m.picture().width > m.picture(most=1).width
    assert "<img" in m._repr_html_()
    with pytest.raises(ShapeError, match="are no pictures"):
        maximise(Network.sequential([Dense(np.eye(2))]), np.zeros((1, 2))).picture()
    assert "<img" not in maximise(Network.sequential([Dense(np.eye(2))]), np.zeros((1, 2)))._repr_html_()


def test_errors() -> None:
    for wrong, told in (
        ({"steps": -1}, "steps must be a whole number"),
        ({"jitter": 1.5}, "jitter must be a whole number"),
        ({"rate": -0.1}, "rate must be ≥ 0"),
        ({"blur": float("nan")}, "blur must be ≥ 0"),
        ({"optimiser": "adamm"}, "did you mean 'adam'"),
        ({"penalties": [0.1]}, "is no penalty: give L2"),
        ({"bounds": (1, 0)}, "low must be ≤ high"),
        ({"bounds": 1}, r"bounds are \(low, high\)"),
    ):
        with pytest.raises(ParameterError, match=told):
            maximise(IMAGES, START, **wrong)
    flat, x = Network.sequential([Dense(np.eye(2))]), np.zeros((1, 2))
    for wrong in ({"jitter": 1}, {"blur": 1.0}, {"penalties": [TotalVariation()]}):
        with pytest.raises(ShapeError, match="spatial ax"):
            maximise(flat, x, **wrong)
    with pytest.raises(ParameterError, match="use 'ascent'"):
        maximise(rational(flat), rational(x), optimiser="adam")
    for make in (lambda: L2(-1), lambda: TotalVariation(-1.0)):
        with pytest.raises(ParameterError, match="weight must be ≥ 0"):
            make()
    with pytest.raises(ParameterError, match="power must be 1 or 2"):
        TotalVariation(1.0, 3)
    words = Network.sequential([Embedding(np.eye(3)), Flatten(), Dense(np.ones((6, 2)))])
    with pytest.raises(UnsupportedError, match="tokens cannot be moved"):
        maximise(words, np.array([[0, 2]]))


# Prototypes from data ---------------------------------------------------------------------------------------------


def test_prototypes_are_what_sorting_everything_gives() -> None:
    x = RNG.normal(size=(37, 1, 6, 6))
    out = IMAGES.forward(x)
    found = prototypes(IMAGES, (x[k : k + 5] for k in range(0, 37, 5)), k=4)
    for t in range(3):
        best = np.argsort(-out[:, t], kind="stable")[:4]
        assert found.index[t].tolist() == best.tolist()
        assert np.abs(found.score[t] - out[best, t]).max() <= 1e-12
        assert (found.x[t] == x[best]).all()
    one = prototypes(IMAGES, x, target=2)
    assert (one.x[0, 0] == found.x[2, 0]).all()
    assert prototypes(IMAGES, x, target=[2, 0], k=4).index.tolist() == found.index[[2, 0]].tolist()
    assert "best 4 of each; output 0: f " in repr(found)


def test_of_ties_the_earlier_sample_is_better_also_across_batches() -> None:
    net = Network.sequential([Dense(np.ones((1, 1)))])
    x = np.array([[1.0], [2.0], [2.0], [1.0], [2.0]])
    for size in (1, 2, 5):
        assert prototypes(net, [x[k : k + size] for k in range(0, 5, size)], k=4).index.tolist() == [[1, 2, 4, 0]]


def test_only_the_best_samples_are_kept() -> None:
    alive = prototypes(IMAGES, [RNG.normal(size=(8, 1, 6, 6)) for _ in range(3)], k=2)
    assert alive.x.base is None or alive.x.base.size == alive.x.size
    below = Network.sequential([*(n.layer for n in IMAGES.nodes), Softmax()])
    x = RNG.normal(size=(9, 1, 6, 6))
    assert (prototypes(below, x).score == prototypes(IMAGES, x).score).all()  # of the logit


def test_errors_of_prototypes() -> None:
    x = RNG.normal(size=(3, 1, 6, 6))
    with pytest.raises(ParameterError, match="k must be a whole number"):
        prototypes(IMAGES, x, k=0)
    with pytest.raises(ParameterError, match="3 samples, of which the best 4"):
        prototypes(IMAGES, x, k=4)
    with pytest.raises(ParameterError, match="0 samples"):
        prototypes(IMAGES, [])
    with pytest.raises(ParameterError, match="out of range"):
        prototypes(IMAGES, x, target=3)
    two = Network((Node("m", Multiply(), ("a", "b")),), (Input("a"), Input("b")), ("m",))
    with pytest.raises(UnsupportedError, match="2 inputs"):
        prototypes(two, x)


# The tests above can fail -----------------------------------------------------------------------------------------


def test_faults_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = maximise(IMAGES, START, target=1, jitter=2, steps=5, penalties=[TotalVariation(0.05)]).x
    monkeypatch.setattr(penalties, "_neighbours", lambda x: [((slice(None),) * 2 + (slice(1, None),),) * 2])
    assert (
        np.abs(maximise(IMAGES, START, target=1, jitter=2, steps=5, penalties=[TotalVariation(0.05)]).x - right).max()
        > 0.01
    )
    monkeypatch.undo()
    monkeypatch.setattr("lrp_ref.methods.maximisation.maximising.rolled", lambda x, by: x)
    assert (
        np.abs(maximise(IMAGES, START, target=1, jitter=2, steps=5, penalties=[TotalVariation(0.05)]).x - right).max()
        > 0.01
    )
