"""Generated clips of a stick figure that waves, walks, jumps or kicks, and the motion vectors of such clips.

Motion vectors are what a compressed video stores in place of most of its pixels: for every block of a frame, where in
the frame before its content came from. They are found here as encoders do, by trying every shift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ACTIONS = ("wave", "walk", "jump", "kick")
FRAMES, SIZE, BLOCK, REACH = 32, 48, 4, 3  # frames; sides of a frame and of a block, and longest shift, in pixels
ACTS = (12, 18)  # frames that an action lasts; before and after, the figure stands still
MOVED = 0.15  # by how much a pixel changes, of 1, where the figure is said to move
THRIFT = 0.6  # by how much a shift must match better than none, summed over the block


@dataclass(frozen=True)
class Actions:
    """Clips of actions.

    Attributes:
        frames: (N, FRAMES, SIZE, SIZE), 0…1, float32.
        kind: what is done, by its number in :data:`ACTIONS`.
        moving: (N, FRAMES − 1, blocks, blocks), where the figure itself moves between two frames.
        during: (N, FRAMES − 1), whether the action is under way.
    """

    frames: NDArray[Any]
    kind: NDArray[Any]
    moving: NDArray[Any]
    during: NDArray[Any]


def actions(rng: np.random.Generator, count: int) -> Actions:
    """Return clips of one figure each; a ball rolls through all of them, and has nothing to do with the action."""
    kind = rng.integers(len(ACTIONS), size=count)
    time = np.arange(FRAMES)
    lasts = rng.integers(*ACTS, size=(count, 1))
    begins = rng.integers(1, FRAMES - 1 - lasts)
    acting = (time >= begins) & (time < begins + lasts)
    figure = _figure(kind, rng, np.clip(time - begins, 0, lasts), lasts)
    ball = _ball(rng, count, time)
    seen = np.maximum(figure, ball) + np.float32(0.02) * rng.standard_normal(figure.shape, dtype=np.float32)
    changed = np.asarray(blocks(np.abs(np.diff(figure, axis=1)) > MOVED).any(axis=(-3, -1)))
    return Actions(np.clip(seen, 0, 1), kind, changed, acting[:, :-1])


def _figure(kind: NDArray[Any], rng: np.random.Generator, now: NDArray[Any], lasts: NDArray[Any]) -> NDArray[Any]:
    """Return the brightness of the figures, of which each has acted for ``now`` of its frames."""
    wave, walk, jump, kick = (kind[:, None] == k for k in range(len(ACTIONS)))
    side, pace = rng.choice([-1.0, 1.0], (len(kind), 1)), rng.uniform(0.55, 0.8, (len(kind), 1))
    swing = np.sin(2 * np.pi * np.round(pace * lasts / 6) / lasts * now)  # as many times as end where it began
    x = SIZE / 2 + rng.uniform(-6, 6, (len(kind), 1)) + walk * side * (now - lasts / 2) * 0.9
    y = SIZE / 2 + 2 + rng.uniform(-2, 2, (len(kind), 1)) - jump * 5 * np.abs(swing)
    beside, raised = 0.35, 2.5  # angles of a limb, from hanging down, in radians
    one_arm = np.where(wave, raised * np.minimum(1, np.minimum(now, lasts - now) / 3) + 0.6 * swing, beside)
    arms = [side * (one_arm + walk * 0.7 * swing), -side * (beside - walk * 0.7 * swing)]
    spread = 0.25 + jump * 0.3 * np.abs(swing)
    legs = [side * (spread - walk * 0.6 * swing + kick * 1.2 * np.abs(swing)), -side * (spread + walk * 0.6 * swing)]
    neck, hip = y - 8, y + 2
    limbs = [(x, neck, x, hip)]
    limbs += [(x, neck + 1, x + 10 * np.sin(a), neck + 1 + 10 * np.cos(a)) for a in arms]
    limbs += [(x, hip, x + 11 * np.sin(a), hip + 11 * np.cos(a)) for a in legs]
    distance = np.min([_from_limb(*limb) for limb in limbs], axis=0)
    head = _from_limb(x, neck - 3, x, neck - 3) - np.float32(1.6)
    return np.asarray(np.clip(np.float32(1.8) - np.minimum(distance, head), 0, 1))


def _from_limb(x0: NDArray[Any], y0: NDArray[Any], x1: NDArray[Any], y1: NDArray[Any]) -> NDArray[Any]:
    """Return how far every pixel is from a line between two points, (N, FRAMES, SIZE, SIZE)."""
    ends = (np.broadcast_to(a, np.broadcast_shapes(x0.shape, x1.shape)) for a in (x0, y0, x1, y1))
    x0, y0, x1, y1 = (np.asarray(a, np.float32)[..., None, None] for a in ends)
    at_y, at_x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    length = np.maximum((x1 - x0) ** 2 + (y1 - y0) ** 2, np.float32(1e-6))
    along = np.clip(((at_x - x0) * (x1 - x0) + (at_y - y0) * (y1 - y0)) / length, 0, 1)
    return np.asarray(np.hypot(at_x - x0 - along * (x1 - x0), at_y - y0 - along * (y1 - y0)))


def _ball(rng: np.random.Generator, count: int, time: NDArray[Any]) -> NDArray[Any]:
    """Return the brightness of a ball that rolls along the upper or lower edge."""
    speed = rng.uniform(1, 1.6, (count, 1)) * rng.choice([-1, 1], (count, 1))
    x = np.abs((rng.uniform(0, SIZE, (count, 1)) + speed * time) % (2 * SIZE) - SIZE)
    y = np.where(rng.random((count, 1)) < 0.5, 4.0, SIZE - 4.0) + 0 * x
    return np.asarray(np.clip(np.float32(3) - _from_limb(x, y, x, y), 0, 1))


def blocks(frames: NDArray[Any]) -> NDArray[Any]:
    """Return frames (..., H, W) cut into blocks, (..., H / BLOCK, BLOCK, W / BLOCK, BLOCK)."""
    *lead, height, width = frames.shape
    return frames.reshape(*lead, height // BLOCK, BLOCK, width // BLOCK, BLOCK)


def motion_vectors(frames: NDArray[Any]) -> NDArray[Any]:
    """Return by how many pixels (x, y) each block of a frame has moved since the frame before.

    Every shift of up to :data:`REACH` pixels is tried; the one of the smallest sum of absolute differences wins, if it
    is clearly better than none.

    Args:
        frames: of one clip, (T, H, W), 0…1.

    Returns:
        (T − 1, H / BLOCK, W / BLOCK, 2), whole numbers.

    Example:
        >>> frames = np.zeros((2, 8, 8))
        >>> frames[0, 4:8, 3:6], frames[1, 4:8, 4:7] = 1, 1
        >>> motion_vectors(frames)[0, 1, 1].tolist()
        [1, 0]
    """
    shifts = np.array([(x, y) for y in range(-REACH, REACH + 1) for x in range(-REACH, REACH + 1)])
    shifts = shifts[np.argsort(np.abs(shifts).sum(axis=1), kind="stable")]  # of equal ones, the shortest
    padded = np.pad(frames[:-1], ((0, 0), (REACH, REACH), (REACH, REACH)), mode="edge")
    height, width = frames.shape[1:]
    costs = []
    for x, y in shifts:
        before = padded[:, REACH - y : REACH - y + height, REACH - x : REACH - x + width]
        costs.append(blocks(np.abs(frames[1:] - before)).sum(axis=(-3, -1)))
    cost = np.stack(costs)
    cost[1:] += THRIFT
    return np.asarray(shifts[cost.argmin(axis=0)])
