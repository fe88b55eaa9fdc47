"""Are the eyes open or closed? A network says so from brain waves, or seems to.

Sturm et al. gave single trials of EEG to a deep network and drew the relevance of its electrodes on the head. Their
motor imagery cannot be had here; what can be shown is their method, on two minutes of one person whose eyes were open
or closed. Of every second the power of five frequency bands at 14 electrodes goes to a small network, and LRP hands
"closed against open" back to the electrodes. Blinks and moving eyes are electric: one expects the electrodes above the
eyes, AF and F, to be most relevant.

Before one believes a map one asks whether the network knows anything. A second begins every quarter of a second, which
makes four times as many to learn from, and neighbours that are alike, whatever the eyes do. Cut by chance into a part
to learn from and a part to test on, every second of the test has neighbours that were learnt. Cut into blocks of time,
none has. And there is a control that needs no map at all: the answers are moved along the recording, by a part of its
length, so that they have nothing to do with the eyes any more. Whatever is still "right" then was read from the time,
not from the eyes. Seconds that do not overlap, cut by chance, tell how much of that is the overlap.

The heads show the relevance of the electrodes for "closed" in seconds that were not learnt and are answered rightly:
red for, blue against. Two of them belong to the network tested in blocks, two to that tested on seconds by chance. A
network that is no better in blocks than a guess knows nothing of the eyes, and its map shows what it has learnt by
heart.

Four samples with spikes of more than 400 µV are filled in from their neighbours. Seconds in which the eyes change are
left out, and of the parts to learn from those that overlap the test.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers import ReLU
from ...network import Network
from ...propagation.explaining import explain
from .. import figures
from ..application import Application, Finding, Found, Need, Run
from ..sources.eeg import PLACES, RATE, read, show_head
from ..training import dense, fit

SECOND, STEP = RATE, 32  # samples of a window, and between the beginnings of two
BANDS = ((0.5, 4.0), (4.0, 8.0), (8.0, 13.0), (13.0, 30.0), (30.0, 45.0))  # Hz
BLOCKS, MOVED, HIDDEN = 6, 5, 32
OPEN, CLOSED = 0, 1
WAYS = {"in blocks": (True, 1), "by chance": (False, 1), "by chance, no overlap": (False, SECOND // STEP)}
FRONT = ("AF3", "F7", "F3", "F4", "F8", "AF4")


def run(at: Run) -> Found:
    """Ask in blocks and by chance, with the answers as they are and moved along the recording."""
    signals, closed = read(at.file("eeg_eye_state.arff.xz"))
    powers = band_powers(signals)
    epochs, moves, count = at.few(40, 2), at.few(MOVED, 1), at.few(BLOCKS, 2)
    right: dict[str, list[float]] = {way: [] for way in WAYS}
    heads: dict[str, NDArray[Any]] = {}
    base: dict[str, float] = {}
    for move in range(moves + 1):
        answers_then = np.roll(closed, move * len(closed) // (moves + 1))
        for k, (way, (in_blocks, every)) in enumerate(WAYS.items()):
            at.tell(f"asking {way}", len(WAYS) * move + k, len(WAYS) * (moves + 1))
            x, y, starts = (values[::every] for values in windows(powers, answers_then))
            parts = starts * count // len(closed) if in_blocks else at.rng.integers(0, count, len(starts))
            answers, heat = asked(x, y, starts, parts, at.rng, epochs)
            right[way].append(float((answers == y).mean()))
            if not move:
                heads[way] = np.stack([mean(heat[(answers == y) & (y == eyes)]) for eyes in (CLOSED, OPEN)])
                base[way] = float(max((y == OPEN).mean(), (y == CLOSED).mean()))
    front = {way: in_front(head) for way, head in heads.items()}
    blocks, chance, apart = (right[way] for way in WAYS)
    usual = base["in blocks"]
    above = sum(blocks[0] > moved for moved in blocks[1:])
    knows = blocks[0] > usual and above == moves
    expected = len(FRONT) / len(PLACES)
    moved = float(np.mean(chance[1:]))
    return Found(
        sentence=f"Cut by chance, {chance[0]:.0%} are right, with moved answers {moved:.0%}: it reads the time. Cut in "
        f"blocks of time: {blocks[0]:.0%}.",
        findings=(
            Finding("The state of the eyes can be told from one second of EEG.",
                    f"cut by chance {chance[0]:.1%}, in blocks of time {blocks[0]:.1%}; always the more frequent "
                    f"answer {usual:.1%}; with answers moved along the recording {np.min(blocks[1:]):.1%} to "
                    f"{np.max(blocks[1:]):.1%} in blocks ({above} of {moves} below the real ones)",
                    "yes" if knows else "no"),
            Finding("Neighbouring windows leak the answer where they are divided by chance.",
                    f"with moved answers, which have nothing to do with the eyes: {moved:.1%} right cut by chance "
                    f"(mean of {moves} moves), {np.mean(apart[1:]):.1%} where windows do not overlap, "
                    f"{np.mean(blocks[1:]):.1%} in blocks",
                    "yes" if moved > usual + 0.1 else "no"),
            Finding("Frontal electrodes (AF, F), where blinks are seen, are the most relevant.",
                    f"they have {front['in blocks']:.0%} of |relevance| in blocks and {front['by chance']:.0%} by "
                    f"chance, being {expected:.0%} of the electrodes"
                    + ("" if knows else "; the network knows too little for its map to say anything of the brain"),
                    ("yes" if front["in blocks"] > 1.25 * expected else "no") if knows else "not tested"),
            Finding("Relevance of single trials shows motor imagery over the motor cortex (Sturm et al.).",
                    "those recordings cannot be had here", "not tested"),
        ),
        numbers={"most_frequent": base, "right": {way: some[0] for way, some in right.items()},
                 "right_with_moved_answers": {way: some[1:] for way, some in right.items()}, "in_front": front,
                 "electrodes": list(PLACES), "relevance": {way: dict(zip(("closed", "open"), head, strict=True))
                                                           for way, head in heads.items()}},
        picture=_picture(signals, closed, heads, right, usual),
        alt="The signal of an electrode with the times of closed eyes, four heads with the relevance of electrodes, "
        "and bars of right answers: high by chance even with moved answers, and near one half in blocks.",
    )  # fmt: skip


def band_powers(signals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log-variance of each second in each band, (W, E, B), of windows that begin every ``STEP`` samples."""
    from scipy.signal import butter, sosfiltfilt

    bands = [sosfiltfilt(butter(4, band, "band", fs=RATE, output="sos"), signals, axis=0) for band in BANDS]
    seconds = np.lib.stride_tricks.sliding_window_view(np.stack(bands, axis=-1), SECOND, axis=0)[::STEP]
    return np.asarray(np.log(seconds.var(axis=-1)))


def windows(powers: NDArray[Any], closed: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return powers, answers and first samples of the windows in which the eyes do not change."""
    starts = np.arange(len(powers)) * STEP
    part = np.lib.stride_tricks.sliding_window_view(closed, SECOND)[starts].mean(axis=1)
    kept = (part == 0) | (part == 1)
    return powers[kept], part[kept].astype(np.int64), starts[kept]


def asked(
    x: NDArray[Any], y: NDArray[Any], starts: NDArray[Any], parts: NDArray[Any], rng: np.random.Generator, epochs: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the answers (N,) of networks that learnt from the other parts, and the relevance of electrodes (N, E)."""
    answers, heat = np.zeros_like(y), np.zeros(x.shape[:2])
    for part in np.unique(parts):
        test = parts == part
        near = np.abs(starts[:, None] - starts[test]).min(axis=1) < SECOND
        learnt = ~near if (np.diff(parts) >= 0).all() else ~test
        scaled = ((x - x[learnt].mean(axis=0)) / x[learnt].std(axis=0)).reshape(len(x), -1).astype(np.float32)
        net = Network.sequential([dense(rng, scaled.shape[1], HIDDEN), ReLU(), dense(rng, HIDDEN, 2)])
        net = fit(net, scaled[learnt], y[learnt], epochs=epochs, rate=1e-2)
        e = explain(net, scaled[test], start="difference", target=CLOSED, against=OPEN, composite="epsilon")
        answers[test] = e.output.argmax(axis=1)
        heat[test] = e.relevance.reshape(-1, *x.shape[1:]).sum(axis=2)
    return answers, heat


def mean(heat: NDArray[Any]) -> NDArray[Any]:
    """Return the mean relevance of each electrode, (N, E) → (E,); 0 where there is no window."""
    return np.asarray(heat.sum(axis=0) / max(len(heat), 1))


def in_front(heads: NDArray[Any]) -> float:
    """Return the part of |relevance| on frontal electrodes, of heads (…, E)."""
    front = np.array([name in FRONT for name in PLACES])
    return float(np.abs(heads)[..., front].sum() / np.abs(heads).sum())


def _picture(signals: NDArray[Any], closed: NDArray[Any], heads: Any, right: Any, base: float) -> Any:
    with figures.sheet(800, title="Eyes open or closed?") as figure:
        top, bottom = figure.subfigures(2, 1, height_ratios=(1, 3))
        axes, seconds = top.subplots(), np.arange(len(closed)) / RATE
        axes.plot(seconds, signals[:, 0] - np.median(signals[:, 0]), linewidth=0.5, color=figures.INK)
        axes.fill_between(seconds, -150, 250, where=closed == CLOSED, color=figures.HUES[4], alpha=0.35, linewidth=0)
        axes.set(
            ylim=(-150, 250), xlim=(0, seconds[-1]), xlabel="time [s]", ylabel="AF3 [µV]", title="orange: eyes closed"
        )
        left, side = bottom.subfigures(1, 2, width_ratios=(5, 4))
        for row, (way, head) in zip(left.subplots(2, 2), list(heads.items())[:2], strict=True):
            for axes, values, eyes in zip(row, head, ("closed", "open"), strict=True):
                show_head(axes, values, float(np.abs(head).max()), f"cut {way}: eyes {eyes}")
        axes, names = side.subplots(), list(right)
        for k, label in enumerate(("real answers", "moved answers")):
            heights = [100 * (np.mean(right[way][1:]) if k else right[way][0]) for way in names]
            bars = axes.bar(np.arange(len(names)) + 0.4 * k - 0.2, heights, 0.36, label=label, color=figures.HUES[k])
            axes.bar_label(bars, fmt="%.0f %%", label_type="center", color="white", fontsize=14)
        axes.axhline(
            100 * base, color=figures.INK, linewidth=1, linestyle="--", label="always the more frequent answer"
        )
        axes.set(
            xticks=range(len(names)),
            xticklabels=[f"cut {way}".replace(", ", ",\n") for way in names],
            ylim=(0, 122),
            ylabel="right answers [%]",
        )
        axes.legend(loc="upper left")
        return figures.finish(figure)


APPLICATION = Application(
    title="Eyes open or closed, and what a leak looks like",
    source="Sturm, Lapuschkin, Samek and Müller 2016, J. Neurosci. Methods 274 (the method)",
    data="117 s of EEG of one person, 14 electrodes, eyes open or closed (EEG Eye State, Roesler 2013).",
    model="Dense 70-32-2 on the power of five bands at 14 electrodes, trained once for each sixth that is left out.",
    wing="signals",
    run=run,
    extras=("torch",),
    needs=(
        Need("eeg_eye_state.arff.xz", "117 s of EEG, eyes open or closed",
             "models/gallery of the project (UCI Machine Learning Repository, doi:10.24432/C57G7J)", "CC BY 4.0",
             shipped=True),
    ),
)  # fmt: skip
