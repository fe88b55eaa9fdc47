"""A network of video leans out of its clips. Shall it be shown the video faster?

A network that puts much relevance on the first and last frames of its clips seems to want to see more of the video than
it gets. It can be given that without training it again: of the video, every second or every fourth frame is put into
the clip, which then reaches twice or four times as far. Anders and colleagues did so, and the accuracy of their network
rose; how far to go was read from the relevance, which moved away from the ends.

Here the videos are generated: a shape runs along one of four paths, of which one turn takes between 16 and 96 frames.
The network was trained on clips of 16 frames in a row, at the videos' own speed.

**Mind how the data are made.** A path's class is plainer the more of a turn is seen, so that ×2 must help whoever can
still follow the shape: that is put into the data, not found. What is not put in is whether *this* network can use it,
having been trained at ×1. So slow videos, of which a clip shows less than half a turn, are counted apart from fast
ones, which are seen nearly whole already and only get faster than anything the network was trained on: the former
should gain, the latter should not. And the shape may be shown with less of its path: of clips that show half as much,
each frame twice, fewer should be right.

The maps use z⁺ on convolutions and ε on dense layers; the curve is the part of positive relevance of each frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from ...propagation.explaining import explain
from .. import figures
from ..application import Application, Finding, Found, Held, Run
from ..sources import clips

STEPS = {1: "every frame", 2: "every second frame", 4: "every fourth frame"}  # that goes into the clip
EACH_END = 2  # frames of a clip that are its border, at either end
BORDER = np.r_[:EACH_END, clips.FRAMES - EACH_END : clips.FRAMES]
EVEN = len(BORDER) / clips.FRAMES  # the border's part where all frames count alike
SLOW = 2 * clips.FRAMES  # a turn of more frames is slow: a clip shows less than half of it


def run(at: Run) -> Found:
    """Train at the videos' own speed, then show them faster."""
    net = clips.trained(at.rng, at.few(4000, 60), epochs=at.few(8, 1), tell=at.tell)
    test = clips.videos(np.random.default_rng(at.seed + 1), at.few(600, 20))
    x = {step: clips.clips(test.frames, step) for step in STEPS}
    right, relevance = {}, {}
    for step, given in x.items():
        said = net.forward(given).argmax(axis=1)
        right[step] = said == test.kind
        relevance[step] = np.asarray(explain(net, given, target=said, composite="epsilon_plus").relevance)
        at.tell(f"×{step}", len(right), len(STEPS))
    halved = net.forward(np.repeat(x[1][:, :, : clips.FRAMES // 2], 2, axis=2)).argmax(axis=1) == test.kind
    parts = {step: clips.part_of_frames(given) for step, given in relevance.items()}
    border = {step: part[:, BORDER].sum(axis=1) for step, part in parts.items()}
    slow = test.period > SLOW
    accuracy = {step: float(hit.mean()) for step, hit in right.items()}
    by_speed = {name: {step: float(hit[which].mean()) for step, hit in right.items()}
                for name, which in (("slow", slow), ("fast", ~slow))}  # fmt: skip
    gained, lost = (int((one & ~other & slow).sum()) for one, other in ((right[2], right[1]), (right[1], right[2])))
    p = _sign(gained, lost)
    smaller = int((border[2] < border[1]).sum())
    p_border = _sign(smaller, len(slow) - smaller)
    of_slow, of_fast = by_speed["slow"], by_speed["fast"]
    told, of_all = (", ".join(f"×{step} {by[step]:.1%}" for step in STEPS) for by in (of_slow, accuracy))
    return Found(
        sentence=f"Shown every second frame, the network knows {of_slow[2]:.0%} of slow videos in place of "
        f"{of_slow[1]:.0%}, and {of_fast[2]:.0%} of fast ones in place of {of_fast[1]:.0%}.",
        findings=(
            Finding("Every second frame raises the accuracy on long videos, without training.",
                    f"{told} of {int(slow.sum())} slow videos; ×2 gains {gained} and loses {lost} (p {p:.2g}). "
                    f"The data are made so that more of a path tells more. Slow and fast: {of_all}",
                    "yes" if p < 0.01 else "no"),
            Finding("The gain is that of seeing more: slow videos gain, and fast ones do not.",
                    "; ".join(f"{name} ×1 {by[1]:.1%}, ×2 {by[2]:.1%}, ×4 {by[4]:.1%}" for name, by in by_speed.items())
                    + f"; half of the path, each frame twice: {halved.mean():.1%}",
                    _seen(by_speed, float(halved.mean()), accuracy[1])),
            Finding("Shown faster, the network looks less at the ends of its clips.",
                    ", ".join(f"×{step} {border[step].mean():.1%}" for step in STEPS)
                    + f" of positive relevance on {len(BORDER)} of {clips.FRAMES} frames; less at ×2 than at ×1 "
                    f"in {smaller} of {len(slow)} videos (p {p_border:.2g})", "yes" if p_border < 0.01 else "no"),
        ),
        numbers={"videos": len(slow), "slow": int(slow.sum()), "slow_above_frames": SLOW, "accuracy": accuracy,
                 "by_speed": by_speed, "half_the_path": float(halved.mean()), "gained": gained, "lost": lost, "p": p,
                 "border": {step: float(part.mean()) for step, part in border.items()}, "border_even": EVEN,
                 "border_smaller_at_2": smaller, "p_border": p_border,
                 "part_of_frames": {step: part.mean(axis=0) for step, part in parts.items()}},
        picture=_picture(x, relevance, right, parts, by_speed, accuracy),
        alt="One video as a clip of every, every second and every fourth frame, with maps; the part of relevance of "
        "each frame; accuracy at the three speeds for slow and fast videos.",
    )  # fmt: skip


def _sign(more: int, less: int) -> float:
    """Return p of a sign test that more is not by chance."""
    return float(binomtest(more, more + less, alternative="greater").pvalue) if more + less else 1.0


def _seen(by_speed: dict[str, dict[int, float]], halved: float, usual: float) -> Held:
    """Return whether slow videos gain more than fast ones, and half of the path costs."""
    slow, fast = (by_speed[name][2] - by_speed[name][1] for name in ("slow", "fast"))
    return "yes" if slow > 0 >= fast and halved < usual else "in part" if slow > max(0, fast) else "no"


def _picture(x: dict[int, NDArray[Any]], relevance: dict[int, NDArray[Any]], right: dict[int, NDArray[Any]],
             parts: dict[int, NDArray[Any]], by_speed: dict[str, dict[int, float]],
             accuracy: dict[int, float]) -> Any:  # fmt: skip
    shown = int(np.argmax(right[2] & ~right[1]))  # a video that is understood only when it is shown faster
    with figures.sheet(height=860, title="The same network, shown the video faster") as figure:
        above, below = figure.subfigures(2, 1, height_ratios=(1.25, 1))
        rows = above.subplots(2 * len(STEPS), 1)
        limit = max(float(np.quantile(np.abs(relevance[step][shown]), 0.999)) for step in STEPS)
        for k, step in enumerate(STEPS):
            strip, heat = (np.concatenate(list(a[step][shown, 0]), axis=1) for a in (x, relevance))
            mark = "right" if right[step][shown] else "wrong"
            figures.show_image(rows[2 * k], 1 - strip, title=f"{STEPS[step]} (×{step}): the network is {mark}")
            figures.show_map(rows[2 * k + 1], heat, limit=limit)
        lines, bars = below.subplots(1, 2, width_ratios=(1.6, 1))
        frames = np.arange(1, clips.FRAMES + 1)
        for step in STEPS:
            lines.plot(frames, 100 * parts[step].mean(axis=0), label=f"×{step}")
        lines.axhline(100 / clips.FRAMES, color=figures.PALE, linewidth=1)
        lines.set(xlabel="frame of the clip", ylabel="% of positive relevance", ylim=(0, None))
        lines.legend(ncols=3, loc="upper center")
        for name, values in (("all", accuracy), *by_speed.items()):
            bars.plot([f"×{step}" for step in STEPS], [100 * values[step] for step in STEPS], marker="o", label=name)
        bars.set(ylabel="% of videos right", ylim=(40, 100))
        bars.legend(title="videos")
        return figures.finish(figure)


APPLICATION = Application(
    title="Fast-forward: more of a video for the same network",
    source="Anders, Montavon, Samek, Müller 2019, 'Understanding patch-based learning of video data by explaining "
    "predictions'",
    data="600 generated videos of a moving shape; its path is the class (of four).",
    model="Two 3-D convolutions and two dense layers, trained here on 4,000 clips of 16 frames in a row.",
    wing="signals",
    run=run,
    extras=("torch",),
)
