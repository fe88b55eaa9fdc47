"""zennit's import, next to a torchvision of another build than torch's."""

from __future__ import annotations

from typing import Any

_KEPT: list[Any] = []  # declarations end with the object that made them


def import_zennit() -> Any:
    """Return zennit with its rules and layers.

    A torchvision that was built for another torch describes compiled operators that are not there; declaring them is
    all that it needs to be imported.
    """
    import torch

    try:
        import zennit.rules
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(library)
        import zennit.rules
    import zennit.layer

    return zennit
