"""The same recording, two questions: which digit is it, and who speaks? Do the answers lie in other frequencies?

Two networks of one shape hear the same spectrograms; one is trained to tell the digit, the other to tell the speaker.
LRP then says where in time and frequency each found its answer. In the paper that this comes from, the second question
was the speaker's sex, and the answer lay low, at the pitch of the voice. Here all six speakers are men, as far as is
known; so the question is who it is.

Positive relevance is added up per frequency band, as a fraction of that of the clip, and the two questions are compared
clip by clip. Two trainings of one question differ too; so every network is trained twice, and how far apart the two
profiles of one question are says what is chance. Then the bands are tested: those that one question has more of than
the other are silenced (set to their mean), and both networks are asked again.

How to read the picture: time goes to the right and frequency upwards; red speaks for the answer, blue against it. A
convolution that takes every second row leaves a comb in the maps; so the bands of the chart are pairs of rows.

Traps: the first takes of each speaker and digit test and the others train, so that no recording is in both, but they
are the same six voices. And each speaker has a microphone and a room: what is fainter than a 100,000th of the loudest
power is cut off as silence, and loudness is taken away, yet a network that tells speakers may still tell microphones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers import Flatten, ReLU
from ...network import Network
from ...propagation import composites
from ...propagation.explaining import explain
from .. import figures
from ..analysis import signs
from ..application import Application, Finding, Found, Need, Run
from ..sources import speech
from ..training import conv, dense, fit

TASKS = ("digit", "speaker")
TEST = 10  # first takes of each speaker and digit
PITCH = 250.0  # Hz, below which a man's voice has its fundamental
FORMANTS = (500.0, 1000.0)  # Hz, where vowels have their first formant
PAIRS = speech.BANDS // 2  # bands of two rows
SILENCED = 6  # of them
CENTRES = (2 * np.arange(PAIRS) + 1) * speech.WIDTH  # Hz


def run(at: Run) -> Found:
    """Train a network for each question twice, and compare where their relevance is."""
    clips = speech.read(at.file("spoken_digits_8khz.npz"), every=at.few(1, 10))
    answers = {"digit": clips.digit, "speaker": clips.speaker}
    test = clips.take < TEST
    x, n = clips.spectrograms[test], int(test.sum())
    rules = composites.get("epsilon_gamma_box", low=0.0, high=speech.DECADES)
    nets: dict[str, list[Network]] = {task: [] for task in TASKS}
    maps: dict[str, list[NDArray[Any]]] = {task: [] for task in TASKS}
    for k in range(2):
        for j, task in enumerate(TASKS):
            y = answers[task]
            net = fit(network(int(y.max()) + 1, at.seed + k), clips.spectrograms[~test], y[~test], batch=32,
                      epochs=at.few(5, 1), decay=1e-2, seed=at.seed + k)  # fmt: skip
            nets[task].append(net)
            maps[task].append(explain(net, x, target=y[test], composite=rules).relevance[:, 0])
            at.tell(f"{task}, training {k + 1}", 2 * k + j + 1, 4)
    right = {task: [accuracy(net, x, answers[task][test]) for net in nets[task]] for task in TASKS}
    profiles = {task: [profile(m) for m in maps[task]] for task in TASKS}
    both = {task: np.mean(profiles[task], axis=0) for task in TASKS}  # of both trainings, per clip
    mean = {task: both[task].mean(axis=0) for task in TASKS}
    between = apart(mean["digit"], mean["speaker"])
    seeds = {task: apart(*(p.mean(axis=0) for p in profiles[task])) for task in TASKS}
    low = {task: both[task][:, CENTRES < PITCH].sum(axis=1) for task in TASKS}
    formants = {task: both[task][:, (FORMANTS[0] < CENTRES) & (FORMANTS[1] > CENTRES)].sum(axis=1) for task in TASKS}
    lower = int((low["speaker"] > low["digit"]).sum())
    higher = int((formants["digit"] > formants["speaker"]).sum())
    order = np.argsort(mean["digit"] - mean["speaker"])
    bands = {"the digit's": order[-SILENCED:], "the speaker's": order[:SILENCED]}
    usual = clips.spectrograms[~test].mean(axis=(0, 3))[0]
    after = {
        whose: {t: float(np.mean([accuracy(net, silenced(x, some, usual), answers[t][test]) for net in nets[t]]))
                for t in TASKS}
        for whose, some in bands.items()
    }  # fmt: skip
    usually = {t: float(np.mean(right[t])) for t in TASKS}
    lost = {whose: {t: usually[t] - one[t] for t in TASKS} for whose, one in after.items()}
    crossed = [lost["the digit's"]["digit"] > lost["the digit's"]["speaker"],
               lost["the speaker's"]["speaker"] > lost["the speaker's"]["digit"]]  # fmt: skip
    told = "; ".join(
        f"{w} bands silenced: digit {o['digit']:.1%}, speaker {o['speaker']:.1%}" for w, o in after.items()
    )
    return Found(
        sentence=f"Below {PITCH:.0f} Hz lies {low['speaker'].mean():.0%} of the relevance for who speaks and "
        f"{low['digit'].mean():.0%} of that for what is said.",
        findings=(
            Finding("Different questions about the same sound are answered from different frequency bands.",
                    f"the profiles of the two questions differ by {between:.3f} (total variation), those of two "
                    f"trainings of one question by {seeds['digit']:.3f} (digit) and {seeds['speaker']:.3f} (speaker)",
                    "yes" if between > 2 * max(seeds.values()) else "in part" if between > max(seeds.values())
                    else "no"),
            Finding("Who speaks is heard at the pitch of the voice (claimed of the speaker's sex).",
                    f"below {PITCH:.0f} Hz {low['speaker'].mean():.1%} against {low['digit'].mean():.1%}, more on "
                    f"{lower} of {n} clips", signs.held([lower], n)),
            Finding("What is said is heard at the formants of the vowels.",
                    f"{FORMANTS[0]:.0f} to {FORMANTS[1]:.0f} Hz {formants['digit'].mean():.1%} against "
                    f"{formants['speaker'].mean():.1%}, more on {higher} of {n} clips", signs.held([higher], n)),
            Finding("Each network needs the bands that its relevance is in more than the other does.",
                    f"right before: digit {usually['digit']:.1%}, speaker {usually['speaker']:.1%}; "
                    f"{told}", "yes" if all(crossed) else "in part" if any(crossed) else "no"),
            Finding("The speaker's sex is told from the lowest band.", "no recording of a woman is in the data",
                    "not tested"),
        ),
        numbers={"clips": n, "right": right, "profile": mean, "between_questions": between, "between_trainings": seeds,
                 "below_pitch": {t: float(low[t].mean()) for t in TASKS}, "more_below_pitch": lower,
                 "at_formants": {t: float(formants[t].mean()) for t in TASKS}, "more_at_formants": higher,
                 "right_after_silencing": after, "bands_hz": {w: np.sort(CENTRES[b]) for w, b in bands.items()}},
        picture=_picture(clips, test, maps, profiles, {"nothing": usually} | after),
        alt="Spectrograms of spoken digits with the relevance for the digit and for the speaker; the relevance of both "
        "by frequency; and how often both networks are right once bands are silenced.",
    )  # fmt: skip


def network(answers: int, seed: int) -> Network:
    """Return an untrained network: three convolutions that halve time and frequency, and a dense layer."""
    rng = np.random.default_rng(seed)
    size = speech.BANDS // 8 * speech.FRAMES // 8
    return Network.sequential([
        conv(rng, 1, 12, 5, 5, stride=2, padding=2), ReLU(), conv(rng, 12, 24, 3, 3, stride=2, padding=1), ReLU(),
        conv(rng, 24, 32, 3, 3, stride=2, padding=1), ReLU(), Flatten(), dense(rng, 32 * size, answers),
    ])  # fmt: skip


def accuracy(net: Network, x: NDArray[Any], answers: NDArray[Any]) -> float:
    """Return how often the network is right."""
    return float((net.forward(x).argmax(axis=1) == answers).mean())


def profile(maps: NDArray[Any]) -> NDArray[Any]:
    """Return the fraction of the positive relevance of each clip (N, BANDS, FRAMES) that every pair of rows has."""
    bands = np.maximum(maps, 0).reshape(len(maps), PAIRS, -1).sum(axis=2)
    return np.asarray(bands / np.maximum(bands.sum(axis=1, keepdims=True), 1e-12))


def apart(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the total variation between two profiles: the part that would have to move, 0 to 1."""
    return float(np.abs(a - b).sum() / 2)


def silenced(x: NDArray[Any], bands: NDArray[Any], usual: NDArray[Any]) -> NDArray[Any]:
    """Return the spectrograms with bands, pairs of rows, set to what they usually are."""
    rows, changed = np.concatenate([2 * bands, 2 * bands + 1]), x.copy()
    changed[:, :, rows] = usual[rows, None]
    return changed


def _picture(clips: Any, test: Any, maps: Any, profiles: Any, right: dict[str, dict[str, float]]) -> Any:
    shown = [int(np.flatnonzero((clips.digit[test] == d) & (clips.speaker[test] == s))[0])
             for d, s in ((3, 0), (6, 1), (7, 3), (8, 5))]  # fmt: skip
    hues = dict(zip(TASKS, figures.HUES, strict=False))
    with figures.sheet(820, title="What is said, and who says it: where LRP hears it") as figure:
        left, charts = figure.subfigures(1, 2, width_ratios=(7, 5))
        rows = left.subplots(3, len(shown))
        for axes, k in zip(rows.T, shown, strict=True):
            digit, speaker = clips.digit[test][k], clips.speaker[test][k]
            figures.show_image(axes[0], 1 - clips.spectrograms[test][k, 0, ::-1] / speech.DECADES,
                               title=f"“{digit}”, speaker {speaker + 1}")  # fmt: skip
            for one, task in zip(axes[1:], TASKS, strict=True):
                figures.show_map(one, maps[task][0][k, ::-1], limit="99.5%", title=f"for the {task}")
            for one in axes:
                one.set_aspect("auto")
        rows[0, 0].set_ylabel("0 to 4 kHz")
        upper, lower = charts.subplots(2, 1, height_ratios=(3, 2))
        for task in TASKS:
            for k, one in enumerate(profiles[task]):
                upper.plot(CENTRES, 100 * one.mean(axis=0), color=hues[task], linewidth=1 + (k == 0),
                           label=f"{task} (thin: trained again)" if k == 0 else None)  # fmt: skip
        upper.set(xlabel="Hz", ylabel="positive relevance in 125 Hz, %", xlim=(0, 4000), ylim=(0, None))
        upper.legend()
        for k, task in enumerate(TASKS):
            lower.bar(np.arange(3) - 0.2 + 0.4 * k, [100 * one[task] for one in right.values()], 0.38,
                      color=hues[task], label=task)  # fmt: skip
        lower.set_xticks(range(3), ["as it is", *(f"{whose[4:]} bands\nsilenced" for whose in list(right)[1:])])
        lower.set(ylabel="right, % of test clips", ylim=(0, 105))
        return figures.finish(figure)


APPLICATION = Application(
    title="Spoken digits: what is said and who says it",
    source="Becker et al. 2018, arXiv:1807.03418 (AudioMNIST)",
    data="3,000 spoken digits of six speakers, 50 takes each (Free Spoken Digit Dataset); the first 10 takes test.",
    model="Two networks of three convolutions on spectrograms of 64 bands, trained for 5 epochs; each twice.",
    wing="signals",
    run=run,
    needs=(
        Need("spoken_digits_8khz.npz", "3,000 spoken digits", "https://github.com/Jakobovski/free-spoken-digit-dataset",
             "CC BY-SA 4.0"),
    ),
    extras=("torch",),
)  # fmt: skip
