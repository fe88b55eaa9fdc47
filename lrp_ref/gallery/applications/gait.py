"""Where in a step does a network see that somebody walks with an injury?

A person steps with both feet on plates that measure force across the way, along it, and upwards: six curves, each in
101 points from the first touch of the ground to the last. Two networks tell injured from healthy gait, a linear one and
a convolutional one. Both were trained by others; the relevances of the linear one were stored by another program, the
LRP toolbox, so that ours can be compared with them number by number.

The mean curves of the injured recordings that were held out are coloured by their mean relevance for "injured" in the
convolutional network: red speaks for it, blue against; grey lines are the means of those to learn from. No recording of
a single person is drawn, for the licence of the data does not allow them to be handed on. Which side is the injured one
is not said with the data; the first differs more.

The strips below have the mean |relevance| of single recordings, the difference of the mean relevance of injured and of
healthy ones, both for "injured", and how much the curves themselves differ (Cohen's d on the recordings to learn from),
for which no network is asked. Single maps are not differences: LRP-ε shares the answer among the values as they are,
and force is large in the middle of every step, healthy or not. Taken between the groups, what all steps have in common
cancels out. In a linear network the difference of mean relevance is the weight times the difference of the curves, so
that it follows them in part by construction.

Maps are tested by what happens when their points are taken away: the most relevant values of each recording become the
mean of all, and the network is asked again; beside it stand values by chance. Gradient × input is no rival here: in a
network of ReLUs it is LRP-ε but for the small ε.

The recordings come without names of persons, and each person's steps are scattered among them. That a step identifies
its person, and which part of it does (Horst et al.), can therefore not be shown here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from ... import evaluate
from ...errors import ModelFormatError
from ...network import Network
from ...propagation.explaining import explain
from ...rules import Epsilon
from .. import figures
from ..application import Application, Finding, Found, Need, Run
from ..sources import given

HEALTHY, INJURED = 0, 1
CHANNELS = tuple(f"{what}, {side} side" for side in ("first", "second") for what in ("across", "along", "upwards"))
CNN = "convolutional"
FILES = {"linear": "gait_MlpLinear_part0_model.txt", CNN: "gait_Cnn1DC8_part0_model.txt"}
STORED = 1e-5  # ε of the stored relevance
CHANGED = (0, 10, 20, 40, 60, 90, 120, 150)  # of 606 values


def run(at: Run) -> Found:
    """Explain both networks, compare with stored relevance and with what differs, and change values."""
    data = read(at.file("gait_golden.npz"))
    test, train = data["split0"][: at.few(len(data["split0"]), 40)], data["split_train"]
    x, y = data["X"][test], data["Y"][test].argmax(axis=1)
    learnt, of_learnt = data["X"][train], data["Y"][train].argmax(axis=1)
    single: dict[str, NDArray[Any]] = {}
    between: dict[str, NDArray[Any]] = {}
    accuracy: dict[str, float] = {}
    for name, file in FILES.items():
        at.tell(f"explaining the {name} network", len(single), 3)
        net = at.network(file)
        e = explain(net, fed(name, x), target=y, composite=Epsilon(STORED))
        injured = explain(net, fed(name, x), target=INJURED, composite=Epsilon(STORED)).relevance
        single[name], accuracy[name] = unfed(name, e.relevance), float((e.output.argmax(axis=1) == y).mean())
        between[name] = _difference(unfed(name, injured), y)
    departs = float(np.abs(single["linear"] - data["MlpLinear_R_pred_act_epsilon"][: len(test)]).max())
    largest = float(np.abs(single["linear"]).max())
    strips = (np.abs(single[CNN]).mean(axis=0), np.abs(between[CNN]), np.abs(cohen(learnt, of_learnt)))
    rho = {name: [_rank(np.abs(single[name]).mean(axis=0), strips[2]), _rank(np.abs(between[name]), strips[2])]
           for name in FILES}  # fmt: skip
    alike = float(np.median([_rank(a, b) for a, b in zip(*single.values(), strict=True)]))
    quarters = [[float(part.sum() / np.abs(some).sum()) for part in np.array_split(np.abs(some).sum(axis=(0, 2)), 4)]
                for some in single.values()]  # fmt: skip
    curves = changed(net, x, y, learnt.mean(axis=0), {"LRP": single[CNN], "by chance": at.rng.random(x.shape)})
    falls = {name: float(curve[1:].mean()) for name, curve in curves.items()}
    follows = [min(rho[name][k] for name in FILES) >= 0.5 for k in (0, 1)]
    return Found(
        sentence=f"Our relevance departs from the toolbox's by {departs:.0e}; {CHANGED[-1]} of 606 values replaced "
        f"by LRP leave {curves['LRP'][-1]:.0%} right, by chance {curves['by chance'][-1]:.0%}.",
        findings=(
            Finding("LRP-ε here is that of the LRP toolbox (Lapuschkin et al. 2016).",
                    f"largest difference {departs:.1e} of relevances up to {largest:.2f}, over {len(test)} recordings",
                    "yes" if departs < 1e-12 else "no"),
            Finding("Values that LRP finds relevant carry the answer.",
                    f"right answers of the convolutional network, {accuracy[CNN]:.1%}, become {falls['LRP']:.1%} when "
                    f"values are replaced by LRP, {falls['by chance']:.1%} by chance (mean of {CHANGED[1]} to "
                    f"{CHANGED[-1]} values)",
                    "yes" if falls["LRP"] < falls["by chance"] else "no"),
            Finding("What is relevant is where injured and healthy gait differ (Slijepčević et al. 2021).",
                    f"Spearman's ρ with |Cohen's d| over 606 points: |relevance| of single recordings "
                    f"{rho['linear'][0]:+.2f} (linear) and {rho[CNN][0]:+.2f} (convolutional), difference between "
                    f"the groups {rho['linear'][1]:+.2f} and {rho[CNN][1]:+.2f}",
                    "yes" if all(follows) else "in part" if any(follows) else "no"),
            Finding("Networks of different kinds look at the same parts of a step.",
                    f"median over recordings of Spearman's ρ between their maps {alike:+.2f}; quarters of the step "
                    f"have {_told(quarters[0])} of |relevance| in the linear, {_told(quarters[1])} in the other",
                    "yes" if alike > 0.5 else "in part" if alike > 0.3 else "no"),
            Finding("Gait is unique to a person, and relevance shows by what (Horst et al. 2019).",
                    "the recordings have no names of persons", "not tested"),
        ),
        numbers={"accuracy": accuracy, "recordings": len(test), "departs": departs, "largest": largest,
                 "rho_single_and_between": rho, "rho_of_networks": alike, "quarters": quarters, "changed": CHANGED,
                 "right_when_changed": curves},
        picture=_picture(x, y, unfed(CNN, injured), learnt, of_learnt, strips, curves),
        alt="Six curves of force over a step coloured by relevance, three strips of relevance and of the difference "
        "between healthy and injured, and right answers falling as values are replaced.",
    )  # fmt: skip


def read(path: Path) -> dict[str, NDArray[Any]]:
    """Return recordings, their classes, numbers of those to test and to train on, and the stored relevance."""
    data = given.arrays(path, X="N 101 6", Y="N 2", split0="T", split_train="L", MlpLinear_R_pred_act_epsilon="T 101 6")
    for name in ("split0", "split_train"):
        numbers = data[name]
        if numbers.dtype.kind not in "iu" or numbers.min() < 0 or numbers.max() >= len(data["X"]):
            raise ModelFormatError(f"{path}: '{name}' are no numbers of its {len(data['X'])} recordings")
        if set(data["Y"][numbers].argmax(axis=1).tolist()) != {HEALTHY, INJURED}:
            raise ModelFormatError(f"{path}: '{name}' are not recordings of both classes")
    return data


def _difference(values: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(values[y == INJURED].mean(axis=0) - values[y == HEALTHY].mean(axis=0))


def _rank(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(spearmanr(a.ravel(), b.ravel()).statistic)


def fed(name: str, x: NDArray[Any]) -> NDArray[Any]:
    """Return recordings (N, 101, 6) as a network takes them: (N, 606), or channel after channel (N, 606, 1, 1)."""
    return x.reshape(len(x), -1) if name == "linear" else x.transpose(0, 2, 1).reshape(len(x), -1, 1, 1)


def unfed(name: str, values: NDArray[Any]) -> NDArray[Any]:
    """Return what has the shape of a network's input as recordings have it, (N, 101, 6)."""
    if name == "linear":
        return values.reshape(len(values), -1, len(CHANNELS))
    return values.reshape(len(values), len(CHANNELS), -1).transpose(0, 2, 1)


def cohen(x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    """Return by how many standard deviations the mean of class 1 is above that of class 0, at each point.

    Example:
        >>> cohen(np.array([[0.0], [2.0], [4.0], [6.0]]), np.array([0, 0, 1, 1])).round(3)
        array([2.828])
    """
    one, other = x[y == 1], x[y == 0]
    spread = ((len(one) - 1) * one.var(axis=0, ddof=1) + (len(other) - 1) * other.var(axis=0, ddof=1)) / (len(x) - 2)
    return np.asarray((one.mean(axis=0) - other.mean(axis=0)) / np.sqrt(np.maximum(spread, 1e-12)))


def changed(
    net: Network, x: NDArray[Any], y: NDArray[Any], usual: NDArray[Any], orders: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Return how often the convolutional network is right when values become the usual ones, by their order."""

    def lead(flat: NDArray[Any]) -> NDArray[Any]:
        outputs = net.forward(fed(CNN, flat.reshape(-1, *usual.shape)))
        return np.asarray(outputs - outputs[:, ::-1])

    given, fill = x.reshape(len(x), -1), usual.ravel()
    made = {}
    for name, order in orders.items():
        flipped = evaluate.pixel_flipping(lead, given, order.reshape(given.shape), y, fill=fill, steps=CHANGED)
        made[name] = (flipped.curve > 0).mean(axis=0)
    return made


def _told(parts: list[float]) -> str:
    return ", ".join(f"{part:.0%}" for part in parts)


def _picture(x: Any, y: Any, heat: Any, learnt: Any, of_learnt: Any, strips: Any, curves: Any) -> Any:
    force, relevance = x[y == INJURED].mean(axis=0), heat[y == INJURED].mean(axis=0)
    limit = float(np.percentile(np.abs(relevance), 99))
    named = "|relevance| of single recordings", "|relevance of injured − of healthy|", "|force of injured − of healthy|"
    with figures.sheet(860, title="Where in a step is an injury seen?") as figure:
        top, bottom = figure.subfigures(2, 1, height_ratios=(3, 2))
        for k, axes in enumerate(top.subplots(2, 3, sharex=True).flat):
            for of, dash in ((HEALTHY, "--"), (INJURED, "-")):
                label = "mean, " + ("injured" if of else "healthy")
                usual = learnt[of_learnt == of][:, :, k].mean(axis=0)
                axes.plot(usual, dash, color=figures.PALE, linewidth=1, label=label)
            axes.scatter(range(101), force[:, k], c=relevance[:, k], cmap="bwr", vmin=-limit, vmax=limit, s=24,
                         edgecolors=figures.PALE, linewidths=0.4)  # fmt: skip
            axes.set_title(CHANNELS[k])
        top.axes[0].legend(fontsize=11)
        top.supxlabel("time on the ground [%]; force between least and most of all", fontsize=11)
        left, side = bottom.subfigures(1, 2, width_ratios=(3, 2))
        for axes, name, some in zip(left.subplots(3, 1), named, strips, strict=True):
            axes.imshow(some.T, aspect="auto", cmap="Reds", interpolation="nearest")
            axes.set(yticks=[1, 4], yticklabels=["first side", "second"], title=name, xticks=[])
        axes = side.subplots()
        for name, curve in curves.items():
            axes.plot(CHANGED, 100 * curve, marker="o", label=f"{name}" if name == "by chance" else f"by {name}")
        axes.set(xlabel="values replaced by the mean of all", ylabel="right answers [%]", ylim=(50, 100))
        axes.legend()
        return figures.finish(figure)


APPLICATION = Application(
    title="Where in a step is an injury seen?",
    source="Slijepčević et al. 2021, ACM Trans. Comput. Healthcare 3(2); Horst et al. 2019, Scientific Reports 9",
    data="970 recordings of ground reaction forces, healthy and injured gait; 105 of them are held out for the test.",
    model="A linear network and a 1-D CNN, trained by others with the LRP toolbox; given.",
    wing="signals",
    run=run,
    needs=tuple(
        Need(
            file,
            what,
            "https://github.com/sebastian-lapuschkin/explaining-deep-clinical-gait-classification",
            "academic use",
        )
        for file, what in (
            ("gait_golden.npz", "970 recordings of gait, and stored relevances"),
            ("gait_MlpLinear_part0_model.txt", "a linear network"),
            ("gait_Cnn1DC8_part0_model.txt", "a convolutional network"),
        )
    ),
)
