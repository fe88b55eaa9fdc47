"""A network of video is given clips cut out of longer videos. Where in a clip does it look?

A network that is trained on short clips of long videos never sees how an action began, nor how it ends. Anders and
colleagues explained such a network with LRP, summed the relevance of every frame, and found that the frames next to the
clip's two ends count most: as if the network leaned out to see more. They called it the border effect.

Here a bright shape runs along one of four paths (a line, a circle, a figure of eight, a square), and mostly a clip shows
less than one turn. The network is a small one of three-dimensional convolutions, explained with z⁺ on them and ε on the
dense layers; positive relevance is summed over each frame, and each clip counts as much as every other.

What could imitate the effect, and what stands against it:

- *The architecture.* Frames at the ends lie below fewer windows of the convolutions, so that a network with random
  weights gives them less. It is explained in the same way, on the same clips: the curve that has learned nothing.
- *Zeros behind the ends.* The convolutions pad the clip with black frames, which may look like an event. The same
  network is trained again with convolutions that are 'valid' in time and never read beyond the clip.
- *Relevance is no use.* Frames are replaced by frames of nothing but noise, some at the ends, or as many in the
  middle, or scattered by chance; if the ends matter more, more answers are lost there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from ...network import Network
from ...propagation.explaining import explain
from .. import clips, figures
from ..application import Application, Finding, Found, Held
from ..running import Run

EACH_END = 2  # frames of a clip that are its border, at either end
BORDER = np.r_[:EACH_END, clips.FRAMES - EACH_END : clips.FRAMES]
MIDDLE = np.arange(clips.FRAMES // 2 - EACH_END, clips.FRAMES // 2 + EACH_END)
EVEN = len(BORDER) / clips.FRAMES  # the border's part where all frames count alike
CLEAR = 1.5  # times that part is a border effect without question
UNTRAINED = 5  # networks with random weights
SHOWN = 3  # clips in the picture


def run(at: Run) -> Found:
    """Train with zeros behind the ends and without, and sum the relevance of every frame."""
    test = clips.videos(np.random.default_rng(at.seed + 1), at.few(500, 20), clips.FRAMES)
    x, parts, right, erased = clips.clips(test.frames), {}, {}, {}
    for name, padded in (("zero padding", True), ("'valid' in time", False)):
        net = clips.trained(at.rng, at.few(3000, 60), epochs=at.few(8, 1), padded=padded, tell=at.tell)
        said = net.forward(x).argmax(axis=1)
        right[name] = float((said == test.kind).mean())
        parts[name] = clips.part_of_frames(_relevance(net, x))
        untrained = [
            clips.network(np.random.default_rng(at.seed + k), padded=padded) for k in range(at.few(UNTRAINED, 1))
        ]
        parts[f"{name}, untrained"] = np.mean([clips.part_of_frames(_relevance(one, x)) for one in untrained], axis=0)
        if padded:
            relevance = _relevance(net, x[:SHOWN])
            erased = _erased(net, x, test.kind, at.rng)
    border = {name: float(part[:, BORDER].sum(axis=1).mean()) for name, part in parts.items()}
    more, in_more = _more(parts, "zero padding")
    more_valid, in_more_valid = _more(parts, "'valid' in time")
    lost = {name: right["zero padding"] - value for name, value in erased.items()}
    return Found(
        sentence=f"The {len(BORDER)} frames at a clip's ends get {border['zero padding']:.0%} of the relevance; "
        f"evenly it were {EVEN:.0%}, untrained {border['zero padding, untrained']:.0%}.",
        findings=(
            Finding("Relevance gathers on the frames next to the ends of a clip.",
                    _measured(border, "zero padding", in_more, len(x)), _held(border["zero padding"], more)),
            Finding("It is no trace of the zeros behind the ends: it is there without padding in time.",
                    _measured(border, "'valid' in time", in_more_valid, len(x)),
                    _held(border["'valid' in time"], more_valid)),
            Finding("The frames at the ends matter for the answer.",
                    f"accuracy {right['zero padding']:.1%}; without the {len(BORDER)} at the ends {erased['ends']:.1%}, "
                    f"without {len(MIDDLE)} in the middle {erased['middle']:.1%}, by chance {erased['chance']:.1%}",
                    "yes" if lost["ends"] > max(lost["middle"], lost["chance"]) else "no"),
        ),
        numbers={"clips": len(x), "accuracy": right, "border_frames": len(BORDER), "even": EVEN, "border": border,
                 "part_of_frames": {name: part.mean(axis=0) for name, part in parts.items()},
                 "above_untrained": {"zero padding": in_more, "'valid' in time": in_more_valid},
                 "p_of_sign_test": {"zero padding": more, "'valid' in time": more_valid}, "accuracy_without": erased},
        picture=_picture(x, relevance, parts, right["zero padding"], erased),
        alt="Three clips of a moving shape with their maps; the part of relevance of each frame, high at both ends in the "
        "trained networks and low there in untrained ones; accuracy without some frames.",
    )  # fmt: skip


def _relevance(net: Network, x: NDArray[Any]) -> NDArray[Any]:
    """Return the relevance of every pixel for the class that the network names."""
    return np.asarray(explain(net, x, target=net.forward(x).argmax(axis=1), composite="epsilon_plus").relevance)


def _more(parts: dict[str, NDArray[Any]], name: str) -> tuple[float, float]:
    """Return p of a sign test that more than an even part is at the border, and in which part of the clips it is."""
    above = parts[name][:, BORDER].sum(axis=1) > np.maximum(parts[f"{name}, untrained"][:, BORDER].sum(axis=1), EVEN)
    return float(binomtest(int(above.sum()), len(above), alternative="greater").pvalue), float(above.mean())


def _held(border: float, p: float) -> Held:
    """Return yes for a border of clearly more than an even part, in part for one that is more than chance alone."""
    return "no" if p >= 0.01 else "yes" if border > CLEAR * EVEN else "in part"


def _measured(border: dict[str, float], name: str, above: float, count: int) -> str:
    return (
        f"{border[name]:.1%} of positive relevance on {len(BORDER)} of {clips.FRAMES} frames, {border[name] / EVEN:.2f} "
        f"times an even part (untrained: {border[f'{name}, untrained'] / EVEN:.2f} times); above both in {above:.0%} "
        f"of {count} clips; 'yes' from {CLEAR} times on"
    )


def _erased(net: Network, x: NDArray[Any], kind: NDArray[Any], rng: np.random.Generator) -> dict[str, float]:
    """Return the accuracy with frames of noise in the place of some frames."""
    noise = np.clip(clips.blank(rng, x.shape), 0, 1)
    chance = rng.permuted(np.tile(np.arange(clips.FRAMES), (len(x), 1)), axis=1)[:, : len(BORDER)]
    found = {}
    for name, frames in (("ends", BORDER), ("middle", MIDDLE), ("chance", chance)):
        gone = np.zeros((len(x), clips.FRAMES), bool)
        np.put_along_axis(gone, np.broadcast_to(frames, (len(x), len(BORDER))), True, axis=1)
        said = net.forward(np.where(gone[:, None, :, None, None], noise, x)).argmax(axis=1)
        found[name] = float((said == kind).mean())
    return found


def _picture(x: NDArray[Any], relevance: NDArray[Any], parts: dict[str, NDArray[Any]], whole: float,
             erased: dict[str, float]) -> Any:  # fmt: skip
    with figures.sheet(height=860, title="Where in a clip does a network of video look?") as figure:
        above, below = figure.subfigures(2, 1, height_ratios=(1.25, 1))
        rows = above.subplots(2 * SHOWN, 1)
        limit = float(np.quantile(np.abs(relevance), 0.999))
        for k in range(SHOWN):
            strip, heat = (np.concatenate(list(a[k, 0]), axis=1) for a in (x, relevance))
            figures.show_image(rows[2 * k], strip, title="" if k else "clips, from their first frame to their last")
            figures.show_map(rows[2 * k + 1], heat, limit=limit)
        lines, bars = below.subplots(1, 2, width_ratios=(2.4, 1))
        frames = np.arange(1, clips.FRAMES + 1)
        lines.axvspan(0.5, EACH_END + 0.5, color="#eeeeee")
        lines.axvspan(clips.FRAMES - EACH_END + 0.5, clips.FRAMES + 0.5, color="#eeeeee")
        for hue, name in zip(figures.HUES, ("zero padding", "'valid' in time"), strict=False):
            lines.plot(frames, 100 * parts[name].mean(axis=0), color=hue, label=name)
            untrained = 100 * parts[f"{name}, untrained"].mean(axis=0)
            lines.plot(frames, untrained, color=hue, linestyle=":", label=f"{name}, untrained")
        lines.axhline(100 / clips.FRAMES, color=figures.PALE, linewidth=1)
        lines.set(
            xlabel="frame of the clip", ylabel="% of positive relevance", xlim=(0.5, clips.FRAMES + 0.5), ylim=(0, None)
        )
        lines.legend(ncols=2, loc="upper center")
        names = ("all frames", "without ends", "without middle", "without any 4")
        values = [100 * v for v in (whole, erased["ends"], erased["middle"], erased["chance"])]
        bars.barh(names[::-1], values[::-1], color=figures.HUES[0])
        bars.set(xlabel="% of clips right", xlim=(0, 100))
        return figures.finish(figure)


APPLICATION = Application(
    title="A network of video looks at the ends of its clips",
    source="Anders, Montavon, Samek, Müller 2019, 'Understanding patch-based learning of video data by explaining "
    "predictions'",
    data="generated videos of a moving shape; its path, of which a clip shows a part, is the class (four, chance 25 %).",
    model="two 3-D convolutions and two dense layers, trained here on 3,000 clips of 16 frames of 24 × 24 pixels.",
    wing="signals",
    run=run,
    extras=("torch",),
)
