"""A network of video is given clips cut out of longer videos. Where in a clip does it look?

A network that is trained on short clips of long videos never sees how an action began, nor how it ends. Anders and
colleagues explained such a network with LRP, summed the relevance of every frame, and found that the frames next to the
clip's two ends count most: as if the network leaned out to see more. They called it the border effect.

Here a bright shape runs along one of four paths (a line, a circle, a figure of eight, a square), and a clip shows half
a turn at most. The networks are small ones of three-dimensional convolutions, explained with z⁺ on them and ε on the
dense layers; positive relevance is summed over each frame, and each clip counts as much as every other. Several are
trained, with other weights and other clips, for one alone may have its own habits: the table has each of them.

What could imitate the effect, and what stands against it:

- *The architecture.* Frames at the ends lie below fewer windows of the convolutions, so that a network with random
  weights gives them less. It is explained in the same way, on the same clips: the dotted curves.
- *Zeros behind the ends.* The convolutions pad the clip with black frames, which may look like an event. Networks are
  trained again with convolutions that are 'valid' in time and never read beyond the clip. Of these, still fewer windows
  read the outermost frames: compare them with their own dotted curve.
- *Relevance need not matter.* Frames are replaced by frames of nothing but noise, some at the ends, or as many in the
  middle, or scattered by chance; if the ends matter more, more answers are lost there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...network import Network
from ...propagation.explaining import explain
from .. import figures
from ..application import Application, Finding, Found, Held, Run
from ..sources import clips

EACH_END = 2  # frames of a clip that are its border, at either end
BORDER = np.r_[:EACH_END, clips.FRAMES - EACH_END : clips.FRAMES]
MIDDLE = np.arange(clips.FRAMES // 2 - EACH_END, clips.FRAMES // 2 + EACH_END)
EVEN = len(BORDER) / clips.FRAMES  # the border's part where all frames count alike
CLEAR = 1.5  # times that part is a border effect without question
LEARNED = 1.25  # times what untrained networks have there is an effect of training
NETWORKS = 3  # of each kind, with other weights and clips, as one alone may have found its own way
PERIOD = (32.0, 96.0)  # frames that a turn of a path takes: a clip shows half of it at most
SHOWN = 3  # clips in the picture
WITHOUT: dict[str, Any] = {"without the ends": BORDER, "without the middle": MIDDLE, "without any 4": len(BORDER)}
KINDS = {"zero padding": True, "'valid' in time": False}


def run(at: Run) -> Found:
    """Train networks with zeros behind the ends and without, and sum the relevance of every frame."""
    test = clips.videos(np.random.default_rng(at.seed), at.few(400, 20), clips.FRAMES, period=PERIOD)
    x, right, trained, untrained, shown = clips.clips(test.frames), {}, {}, {}, []
    erased: dict[str, list[float]] = {"all frames": [], **{name: [] for name in WITHOUT}}
    for name, padded in KINDS.items():
        hits, curves, blank_curves = [], [], []
        for k in range(at.few(NETWORKS, 1)):
            rng = np.random.default_rng((at.seed, k))
            blank_curves.append(clips.part_of_frames(_relevance(clips.network(rng, padded=padded), x)))
            net = clips.trained(rng, at.few(2500, 60), epochs=at.few(8, 1), padded=padded, period=PERIOD, tell=at.tell)
            hits.append(float((net.forward(x).argmax(axis=1) == test.kind).mean()))
            curves.append(clips.part_of_frames(_relevance(net, x)))
            if padded:
                shown.append(_relevance(net, x[:SHOWN]))
                for gone, frames in (("all frames", None), *WITHOUT.items()):
                    erased[gone].append(_accuracy(net, x, test.kind, frames, rng))
        right[name], trained[name], untrained[name] = hits, np.array(curves), np.array(blank_curves)
    border = {name: curve[:, :, BORDER].sum(axis=2).mean(axis=1) for name, curve in trained.items()}
    even = {name: float(curve[:, :, BORDER].sum(axis=2).mean()) for name, curve in untrained.items()}
    left = {name: float(np.mean(values)) for name, values in erased.items()}
    zeros, valid = KINDS
    return Found(
        sentence=f"The {len(BORDER)} of {clips.FRAMES} frames at a clip's ends get {border[zeros].mean():.0%} of the "
        f"relevance; an even part would be {EVEN:.0%}, untrained networks give {even[zeros]:.0%}.",
        findings=(
            Finding("Relevance gathers on the frames next to the ends of a clip.",
                    _measured(border[zeros], even[zeros]), _held(border[zeros], even[zeros])),
            Finding("It is no trace of the zeros behind the ends: it is there without padding in time.",
                    _measured(border[valid], even[valid]), _held(border[valid], even[valid])),
            Finding("The frames at the ends matter more for the answer than others.",
                    "accuracy " + ", ".join(f"{name} {value:.1%}" for name, value in left.items())
                    + f"; mean of {len(right[zeros])} networks on {len(x)} clips",
                    "yes" if left["without the ends"] == min(left.values()) else "no"),
        ),
        numbers={"clips": len(x), "accuracy": right, "border_frames": len(BORDER), "even": EVEN, "border": border,
                 "border_untrained": even, "accuracy_without": left,
                 "part_of_frames": {name: curve.mean(axis=(0, 1)) for name, curve in trained.items()},
                 "part_of_frames_untrained": {name: curve.mean(axis=(0, 1)) for name, curve in untrained.items()}},
        picture=_picture(x, shown[0], trained, untrained, left),
        alt="Three clips of a moving shape with their maps; the part of relevance of each frame, for trained and for "
        "untrained networks; accuracy without some of the frames.",
    )  # fmt: skip


def _relevance(net: Network, x: NDArray[Any]) -> NDArray[Any]:
    """Return the relevance of every pixel for the class that the network names."""
    return np.asarray(explain(net, x, target=net.forward(x).argmax(axis=1), composite="epsilon_plus").relevance)


def _held(border: NDArray[Any], untrained: float) -> Held:
    """Return whether all networks have clearly more than an even part at the border, or more than the architecture."""
    if (border > CLEAR * EVEN).all():
        return "yes"
    return "in part" if (border > LEARNED * untrained).all() else "no"


def _measured(border: NDArray[Any], untrained: float) -> str:
    each = ", ".join(f"{part:.1%}" for part in border)
    return (
        f"{border.mean():.1%} of positive relevance on {len(BORDER)} of {clips.FRAMES} frames (networks: {each}), "
        f"{border.mean() / EVEN:.2f} times an even part; untrained networks {untrained:.1%}, {untrained / EVEN:.2f} "
        f"times; 'yes' if all are above {CLEAR} times an even part, 'in part' if above {LEARNED} times the untrained"
    )


def _accuracy(net: Network, x: NDArray[Any], kind: NDArray[Any], gone: Any, rng: np.random.Generator) -> float:
    """Return the accuracy with noise in the place of some frames: None, their numbers, or how many of each clip."""
    erased = np.zeros((len(x), clips.FRAMES), bool)
    if isinstance(gone, int):
        erased[:, :gone] = True
        erased = rng.permuted(erased, axis=1)
    elif gone is not None:
        erased[:, gone] = True
    noise = np.clip(clips.blank(rng, x.shape), 0, 1)
    said = net.forward(np.where(erased[:, None, :, None, None], noise, x)).argmax(axis=1)
    return float((said == kind).mean())


def _picture(x: NDArray[Any], relevance: NDArray[Any], trained: dict[str, NDArray[Any]],
             untrained: dict[str, NDArray[Any]], left: dict[str, float]) -> Any:  # fmt: skip
    with figures.sheet(height=860, title="Where in a clip does a network of video look?") as figure:
        above, below = figure.subfigures(2, 1, height_ratios=(1.15, 1))
        rows = above.subplots(2 * SHOWN, 1)
        limit = float(np.quantile(np.abs(relevance), 0.999))
        for k in range(SHOWN):
            strip, heat = (np.concatenate(list(a[k, 0]), axis=1) for a in (x, relevance))
            figures.show_image(rows[2 * k], 1 - strip, title="" if k else "clips, from their first frame to their last")
            figures.show_map(rows[2 * k + 1], heat, limit=limit)
        lines, bars = below.subplots(1, 2, width_ratios=(2.4, 1))
        frames = np.arange(1, clips.FRAMES + 1)
        for from_frame in (0.5, clips.FRAMES - EACH_END + 0.5):
            lines.axvspan(from_frame, from_frame + EACH_END, color="#eeeeee")
        for hue, name in zip(figures.HUES, KINDS, strict=False):
            for curves, label, style in ((trained, name, "-"), (untrained, f"{name}, untrained", ":")):
                each = 100 * curves[name].mean(axis=(0, 1))
                lines.plot(frames, each, color=hue, linestyle=style, label=label)
        lines.axhline(100 / clips.FRAMES, color=figures.PALE, linewidth=1)
        lines.set(xlabel="frame of the clip", ylabel="% of positive relevance", xlim=(0.5, clips.FRAMES + 0.5))
        lines.set_ylim(0, 1.4 * lines.get_ylim()[1])
        lines.legend(ncols=2, loc="upper center")
        names = list(left)[::-1]
        bars.barh(names, [100 * left[name] for name in names], color=figures.HUES[0])
        bars.axvline(100 / len(clips.PATHS), color=figures.PALE, linewidth=1)
        bars.set(xlabel="% of clips right (line: chance)", xlim=(0, 100))
        return figures.finish(figure)


APPLICATION = Application(
    title="A network of video looks at the ends of its clips",
    source="Anders, Montavon, Samek, Müller 2019, 'Understanding patch-based learning of video data by explaining "
    "predictions'",
    data="Generated videos of a moving shape; its path, of which a clip shows a part, is the class (of four).",
    model="Two 3-D convolutions and two dense layers, trained here on 2,500 clips of 16 frames of 24 × 24 pixels; "
    "three of each kind.",
    wing="signals",
    run=run,
    extras=("torch",),
)
