"""What activation maximisation ends with: inputs, how their scores rose, and their pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...base.arrays import Array, to_numpy
from ...base.frozen import Value
from ...base.tables import number
from ...errors import ShapeError
from ...propagation.files import write_npz
from ...propagation.targets import described, listed
from ...propagation.trace import Trace

if TYPE_CHECKING:
    from PIL.Image import Image

SHOWN = 10  # samples in a picture


@dataclass(frozen=True, eq=False, repr=False)
class Maximised:
    """Inputs of which a score is large.

    Attributes:
        x: the inputs, in the layout of the network's; a dict by name for several. Of a generator, what it made.
        scores: f before every step and after the last one (N, steps + 1).
        target: the outputs in the score (N, T).
        against: the output that is subtracted (N,), or None.
        output: f_k of ``x`` (N, ...).
        method: how they were made, as data.
        code: what the generator made ``x`` of (N, ...); None without one.
    """

    x: Any
    scores: Array
    target: Array
    against: Array | None
    output: Array
    method: Value
    code: Any = None

    def __repr__(self) -> str:
        against = None if self.against is None else to_numpy(self.against)
        told = listed(to_numpy(self.target), against, tuple(self.output.shape[1:]))
        first, last = (to_numpy(self.scores)[:, k].tolist() for k in (0, -1))
        rises = ", ".join(
            f"{number(float(a))} → {number(float(b))}" for a, b in list(zip(first, last, strict=True))[:4]
        )
        more = f", … {len(first) - 4} more" if len(first) > 4 else ""
        return f"Maximised({self.method!r}, {told}: f {rises}{more})"

    def asked(self, k: int) -> str:
        """Return in words which score the k-th sample maximises."""
        against = None if self.against is None else to_numpy(self.against)[k]
        return described(to_numpy(self.target)[k], against, tuple(self.output.shape[1:]))

    def parts(self) -> dict[str, Array]:
        """Return the inputs by name; the only one is called "x"."""
        return dict(self.x) if isinstance(self.x, Mapping) else {"x": self.x}

    def picture(self, most: int = SHOWN, size: int = 112) -> Image:
        """Return the first inputs side by side, each under its target and score.

        Numbers within 0 … 1 are shown as they are, others stretched from the least to the largest of a sample.

        Args:
            most: samples.
            size: of each, in pixels.

        Raises:
            ShapeError: inputs that are no pictures (N, C, H, W) with one or three channels.
        """
        from ...heatmap import pictures  # Pillow, only needed here

        host = next((to_numpy(a) for a in self.parts().values() if a.ndim == 4 and a.shape[1] in (1, 3)), None)
        if host is None or not len(host):
            shapes = ", ".join(str(tuple(a.shape)) for a in self.parts().values())
            raise ShapeError(f"inputs of shape {shapes} are no pictures (N, 1 or 3, height, width)")
        scale = max(1, size // max(host.shape[2:]))
        tiles, titles = [], []
        for k, sample in enumerate(host[:most]):
            tiles.append(pictures.photo(sample, scale * sample.shape[2], scale * sample.shape[1]).convert("RGB"))
            titles.append(f"{self.asked(k)}\nf {float(to_numpy(self.scores)[k, -1]):.3g}")
        sheet, _ = pictures.sheet_of(tiles, titles, cmap="coldnhot", limit=1.0, colorbar=False)
        return sheet

    def _repr_html_(self) -> str:
        from html import escape

        from ... import heatmap

        try:
            drawn = f'<img src="{heatmap.to_data_uri(self.picture())}" alt="inputs that maximise a score">'
        except ShapeError:
            drawn = ""
        return f"<p>{escape(repr(self))}</p>{drawn}"

    def save(self, path: str | Path) -> Path:
        """Write inputs, scores, targets and the method's repr as .npz, and return the path."""
        extra: dict[str, Any] = {f"x/{name}": a for name, a in self.parts().items()}
        codes = self.code if isinstance(self.code, Mapping) else {"code": self.code}
        extra |= {f"code/{name}": a for name, a in codes.items() if a is not None}
        extra |= {"scores": self.scores, "target": self.target, "output": self.output, "method": repr(self.method)}
        if self.against is not None:
            extra["against"] = self.against
        return write_npz(path, extra, Trace())
