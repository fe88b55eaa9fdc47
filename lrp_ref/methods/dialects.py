"""What other programs compute under the names of methods: their defaults, and where they depart on purpose or not."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import ParameterError, unknown
from .class_activation import GradCAM, GuidedGradCAM
from .expected import ExpectedGradients
from .gradient import Deconvnet, Gradient, GradientTimesInput, GuidedBackprop, Sensitivity
from .method import Method
from .noise import SmoothGrad, SmoothGradSquared, VarGrad
from .occlude import Occlusion
from .paths import IntegratedGradients
from .rescale import DeepLift

# Sets of methods by the program and version whose numbers they give. A method that is missing is not in the program,
# or departs in a way that no parameter says.
DIALECTS: dict[str, dict[str, Method]] = {
    # Weights in float32 beside gradients in float64; the weights of its trapezoid, rule="trapezoid/n", do not sum to 1;
    # σ in the unit of the input.
    "captum-0.9": {
        "sensitivity": Sensitivity(power=1),
        "gradient_x_input": GradientTimesInput(),
        "guided_backprop": GuidedBackprop(),
        "deconvnet": Deconvnet(),
        "integrated_gradients": IntegratedGradients(steps=50, rule="gauss", single="weights"),
        "expected_gradients": ExpectedGradients(samples=5),
        "smoothgrad": SmoothGrad(draws=5, sigma=1.0, relative=False),
        "smoothgrad_squared": SmoothGradSquared(draws=5, sigma=1.0, relative=False),
        "vargrad": VarGrad(draws=5, sigma=1.0, relative=False),
        # Sums in float32, whatever the network computes in, which is no parameter: equal to 1e-7.
        "occlusion": Occlusion(),
        "grad_cam": GradCAM(relu=False, upsample=None),
        "guided_grad_cam": GuidedGradCAM(upsample="nearest"),
        "deeplift": DeepLift(stacked="derivative"),
    },
    # The end of the path counts and its beginning does not; positions in float32; the last draw has no noise.
    "zennit-1.0": {
        "gradient": Gradient(),
        "guided_backprop": GuidedBackprop(),
        "deconvnet": Deconvnet(),
        "integrated_gradients": IntegratedGradients(steps=20, rule="right", single="positions"),
        "smoothgrad": SmoothGrad(draws=20, sigma=0.1, relative=True, last_clean=True),
        # With an array as attr_output: of a function of the output it is measure="score".
        "occlusion": Occlusion(keeps="window", measure="start", overlap="sum", border="wrap"),
    },
    # The beginning of the path counts and its end does not; σ is 1 whatever is asked for.
    "innvestigate-2.1": {
        "gradient": Gradient(),
        "gradient_x_input": GradientTimesInput(),
        "guided_backprop": GuidedBackprop(),
        "integrated_gradients": IntegratedGradients(steps=64, rule="left"),
        "smoothgrad": SmoothGrad(draws=64, sigma=1.0, relative=False),
    },
}


def dialect(name: str) -> Mapping[str, Method]:
    """Return the methods of another program by their names: ``lrp.attribute(..., dialect=name)`` takes one of them.

    Args:
        name: of ``DIALECTS``: the program and its version.

    Raises:
        ParameterError: a program that is not known.

    Example:
        >>> dialect("zennit-1.0")["integrated_gradients"]
        IntegratedGradients(baseline=0, steps=20, rule='right', single='positions')
    """
    if name not in DIALECTS:
        raise unknown("dialect", name, DIALECTS)
    return dict(DIALECTS[name])


def spoken(method: str, name: str) -> Method:
    """Return a method as another program computes it.

    Raises:
        ParameterError: a program that is not known, or a method that it has not.
    """
    methods = dialect(name)
    if method not in methods:
        raise ParameterError(f"dialect '{name}' has no method '{method}': it has {', '.join(sorted(methods))}")
    return methods[method]
