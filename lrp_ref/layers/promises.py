"""What a layer says of itself, so that a network can save work."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Promises:
    """What holds of a layer's ``forward``; nothing does unless its class says so, and a test asks each for a proof.

    Attributes:
        stays_finite: finite inputs always give finite outputs, so that nobody need look at them.
        makes_new: the output is an array of its own, of which neither the inputs nor anyone else hold a part.
        writes_over: ``forward_over`` puts the output where the input lay.
        cheap: making the output again costs less than keeping it.
        rectifies: the output is max(x, 0), and so may stand for x where units with x ≤ 0 have no relevance.
        leaves_tape: ``forward_taped`` leaves what the way back can make use of.
        tells_sign: ``nonnegative`` and ``vanishes`` may be believed.
    """

    stays_finite: bool = False
    makes_new: bool = False
    writes_over: bool = False
    cheap: bool = False
    rectifies: bool = False
    leaves_tape: bool = False
    tells_sign: bool = False
