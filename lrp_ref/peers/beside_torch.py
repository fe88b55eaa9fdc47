"""Imports of programs that stand beside torch: torchvision, of another build, must do no harm."""

from __future__ import annotations

from typing import Any

_KEPT: list[Any] = []  # torch forgets operators with the object that declared them


def import_zennit() -> Any:
    """Return zennit, imported so that a torchvision of another build than torch's does no harm."""
    import torch

    try:
        import zennit.composites
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        # torchvision describes compiled operators that it could not load; declaring them is all that it needs.
        made: Any = torch.library.Library
        library = made("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(library)
        import zennit.composites
    import zennit.attribution
    import zennit.canonizers
    import zennit.layer
    import zennit.rules

    return zennit
