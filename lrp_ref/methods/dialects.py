"""Methods as other programs compute them, on purpose: named sets of methods with the parameters that reproduce them."""

from __future__ import annotations

from collections.abc import Mapping

from .class_activation import GradCAM, GuidedGradCAM
from .method import Method
from .occlude import Occlusion

DIALECTS: Mapping[str, Mapping[str, Method]] = {
    "captum-0.9": {
        # Sums in float32, whatever the network computes in, which is no parameter: equal to 1e-7.
        "occlusion": Occlusion(),
        "grad_cam": GradCAM(relu=False, upsample=None),
        "guided_grad_cam": GuidedGradCAM(upsample="nearest"),
    },
    "zennit-1.0": {
        # With an array as attr_output: of a function of the output it is measure="score".
        "occlusion": Occlusion(keeps="window", measure="start", overlap="sum", border="wrap"),
    },
}
"""By the name of the program and its version, the methods that differ from this package's, by their names."""
