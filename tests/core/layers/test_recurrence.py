"""The loops of an LSTM over many steps: blocks change nothing, memory is bounded, every step is made once."""

from __future__ import annotations

import tracemalloc
from typing import Any

import checks
import numpy as np
import pytest
from samples import Draw
from test_lstm import LSTM_RULES

from lrp_ref import rules
from lrp_ref.fast import buffers
from lrp_ref.layers import LSTM
from lrp_ref.layers.recurrent import steps as recurrence


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 7, 8, 9])
@pytest.mark.parametrize("returns", ["last", "sequence", "all"])
def test_blocks_of_any_number_of_steps(size: int, returns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven steps in blocks that divide them or do not, and as one."""
    draw = Draw("blocks", "normal")
    layer = LSTM(draw(2, 4, 3, 2), draw(2, 4, 3, 3), draw(2, 4, 3), "bidirectional", returns)
    x = draw(2, 7, 2)
    out = layer.forward(x)
    rs = tuple(draw(*o.shape) for o in checks.outputs(out))

    def everything() -> list[Any]:
        found = [*checks.outputs(layer.forward(x)), layer.vjp(x, rs if returns == "all" else rs[0])]
        for rule in (rules.Epsilon(0.25), LSTM_RULES["gamma"][0]):
            found += checks.columns(layer.redistribute(x, rs, rule))
        return found

    whole = everything()
    monkeypatch.setattr(recurrence, "BLOCK", size * 2 * 2 * 3)  # on the way back; forward it is what a step reads
    for a, b in zip(everything(), whole, strict=True):
        checks.close(a, b, rtol=1e-13)


@pytest.mark.parametrize(("returns", "shape"), [("last", (0, 2)), ("sequence", (0, 4, 2))])
def test_no_samples(returns: str, shape: tuple[int, ...]) -> None:
    layer = LSTM(np.ones((1, 4, 2, 3)), np.ones((1, 4, 2, 2)), np.ones((1, 4, 2)), returns=returns)
    assert layer.forward(np.ones((0, 4, 3))).shape == shape
    assert layer.vjp(np.ones((0, 4, 3)), np.ones(shape)).shape == (0, 4, 3)


def peak(work: Any) -> int:
    """Return the most bytes that ``work`` holds at a time."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_of_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last state takes no memory per step; a way back takes that of the tape and of one block of steps."""
    monkeypatch.setattr(buffers, "LARGE_BYTES", 1 << 60)  # everything comes from the allocator, which is watched
    draw, n, steps, hidden = Draw("long", "normal"), 16, 400, 64
    states = n * steps * hidden * 8  # bytes
    weights = draw(1, 4, hidden, 1), draw(1, 4, hidden, hidden) / 8, draw(1, 4, hidden)
    last, sequence, every = (LSTM(*weights, returns=returns) for returns in ("last", "sequence", "all"))
    x, r = draw(n, steps, 1), draw(n, hidden)
    found = {
        "last": peak(lambda: last.forward(x)) / states,
        "sequence": peak(lambda: sequence.forward(x)) / states,
        "all": peak(lambda: every.forward(x)) / states,
        "relevance": peak(lambda: last.redistribute(x, r, rules.Epsilon(0.25))) / states,
        "derivative": peak(lambda: last.vjp(x, r)) / states,
    }
    assert found["last"] < 1  # no state but the last
    assert found["sequence"] < 3  # every h, and the same as the output
    assert found["all"] < 9  # every h, both parts of every c, their sums and the output
    assert found["relevance"] < 8  # every h, both parts of every c, z of g, and a block
    assert found["derivative"] < 13  # those, and z of all gates


@pytest.mark.parametrize("n", [1, 40])
def test_a_step_is_one_product(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all samples, directions, gates, inputs, states and biases in it."""
    draw, steps, calls = Draw("calls", "normal"), 100, []
    layer, x = LSTM(draw(2, 4, 2, 3), draw(2, 4, 2, 2), draw(2, 4, 2), "bidirectional", "last"), draw(n, steps, 3)
    matmul = np.matmul
    monkeypatch.setattr(np, "matmul", lambda *args, **options: calls.append(1) or matmul(*args, **options))
    layer.forward(x)
    assert len(calls) == steps
    calls.clear()
    layer.vjp(x, draw(n, 4))
    assert len(calls) == 2 * steps
    calls.clear()
    layer.redistribute(x, draw(n, 4), rules.Epsilon(0.25))
    assert len(calls) == 2 * steps


@pytest.mark.parametrize("returns", ["last", "sequence", "all"])
@pytest.mark.parametrize("few", [0, 3, 4])
def test_gates_apart_or_together(few: int, returns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    draw, n = Draw("few", "normal"), 4
    layer = LSTM(draw(2, 4, 3, 2), draw(2, 4, 3, 3), draw(2, 4, 3), "bidirectional", returns)
    x = draw(n, 5, 2)
    alone = [checks.outputs(layer.forward(x[k : k + 1])) for k in range(n)]
    monkeypatch.setattr(recurrence, "FEW", few)
    for k, out in enumerate(checks.outputs(layer.forward(x))):
        checks.close(out, np.concatenate([a[k] for a in alone]), rtol=1e-13)


def test_few_samples_have_a_product_for_each_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    draw, matmul = Draw("gates", "normal"), np.matmul
    layer = LSTM(draw(2, 4, 3, 2), draw(2, 4, 3, 3), draw(2, 4, 3), "bidirectional")
    shapes: list[Any] = []
    monkeypatch.setattr(np, "matmul", lambda a, *rest: shapes.append(a.shape) or matmul(a, *rest))
    for n in (1, 16, 17, 40):
        layer.forward(draw(n, 1, 2))
    assert shapes == [(4, 2, 3, 6), (4, 2, 3, 6), (2, 12, 6), (2, 12, 6)]


@pytest.mark.parametrize(("keep", "gates"), [("last", 0), ("states", 0), ("cell", 1), ("gates", 4)])
def test_what_the_tape_keeps(keep: str, gates: int) -> None:
    draw, count, n, steps, features, hidden = Draw("tape", "normal"), 2, 3, 5, 1, 4
    w, u, b = draw(count, 4, hidden, features), draw(count, 4, hidden, hidden), draw(count, 4, hidden)
    start, xs = (draw(count, hidden, n), draw(count, hidden, n)), [draw(steps, n, features) for _ in range(count)]
    tape = recurrence.steps_forward(recurrence.Weights(w, u, b), xs, start, keep)
    assert tape.h.shape == (steps + 1, count, hidden, n)
    assert tape.parts.shape == (steps if gates else 0, 2, count, hidden, n)
    assert tape.z.shape == (steps if gates else 0, gates, count, hidden, n)
    assert np.array_equal(tape.h[0], start[0])
    assert np.array_equal(tape.x, np.stack(xs, axis=1).transpose(0, 1, 3, 2))
    assert (tape.read[:, :, features] == 1).all()
    for k in range(gates):  # what is kept is what a step computes, gate by gate
        gate = (2, 1, 0, 3)[k]
        for t in range(steps):
            for d in range(count):
                z = w[d, gate] @ xs[d][t].T + u[d, gate] @ tape.h[t, d] + b[d, gate][:, None]
                checks.close(tape.z[t, k, d], z if k == 0 else z / 2, rtol=1e-12)


def test_the_last_state_alone_keeps_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    draw, count, n, steps = Draw("ends", "normal"), 2, 3, 8
    weights = recurrence.Weights(draw(count, 4, 4, 1), draw(count, 4, 4, 4), draw(count, 4, 4))
    start, xs = (draw(count, 4, n), draw(count, 4, n)), [draw(steps, n, 1) for _ in range(count)]
    whole = recurrence.steps_forward(weights, xs, start, "states").h[-1]
    for numbers, kept in ((0, 1), (36, 1), (71, 1), (72, 2), (108, 2), (144, 4), (180, 3), (252, 1), (1 << 20, 8)):
        monkeypatch.setattr(recurrence, "BLOCK", numbers)
        tape = recurrence.steps_forward(weights, xs, start, "last")
        assert len(tape.h) == kept + 1
        checks.close(tape.h[-1], whole, rtol=1e-13)


@pytest.mark.parametrize("kind", [recurrence.Weights, recurrence.Tape, recurrence.Arriving])
def test_bundles_of_arrays_are_equal_only_to_themselves(kind: type) -> None:
    """Comparing their arrays would have no truth value."""
    one, two = (kind(*np.ones((len(kind.__dataclass_fields__), 2))) for _ in range(2))
    assert one == one
    assert one != two
    assert len({one, two}) == 2


class Recorder:
    """Takes every step back by adding one, and notes the blocks and steps."""

    def __init__(self) -> None:
        self.blocks: list[Any] = []
        self.steps: list[int] = []

    def enter(self, steps: slice) -> None:
        self.blocks.append((steps.start, steps.stop))

    def step(self, t: int, h: Any, c: Any) -> tuple[Any, Any]:
        self.steps.append(self.blocks[-1][0] + t)
        return h + 1, c

    def leave(self, steps: slice) -> None:
        assert (steps.start, steps.stop) == self.blocks[-1]


@pytest.mark.parametrize(
    ("numbers", "blocks"),
    [
        (0, [(5, 6), (4, 5), (3, 4), (2, 3), (1, 2), (0, 1)]), (11, [(5, 6), (4, 5), (3, 4), (2, 3), (1, 2), (0, 1)]),
        (12, [(4, 6), (2, 4), (0, 2)]), (18, [(3, 6), (0, 3)]), (24, [(2, 6), (0, 2)]), (36, [(0, 6)]), (99, [(0, 6)]),
    ],
)  # fmt: skip
def test_blocks_of_the_way_back(numbers: int, blocks: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Six steps of six numbers each in blocks of at most so many numbers, or of one step; none is empty."""
    monkeypatch.setattr(recurrence, "BLOCK", numbers)
    states, steps = np.zeros((7, 1, 2, 3)), np.arange(36.0).reshape(6, 1, 2, 3)
    start = np.ones((1, 2, 3))
    tape, recorder = recurrence.Tape(states, states, states, start, 0), Recorder()
    h, c = recurrence.steps_back(tape, recurrence.Arriving(steps, 2 * steps, start, -start), recorder)
    assert recorder.blocks == blocks
    assert recorder.steps == [5, 4, 3, 2, 1, 0]
    assert np.array_equal(h, start + steps.sum(axis=0) + 6)
    assert np.array_equal(c, 2 * steps.sum(axis=0) - start)
