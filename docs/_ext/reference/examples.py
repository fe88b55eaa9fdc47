"""A small example of every layer and every rule, as the source that the reference shows and evaluates.

Numbers are rationals where the layer has exact values on them. Relevance comes in as 1 at each output.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """A layer with inputs.

    Attributes:
        layer: source of the layer, without ``lrp.layers.`` in front.
        inputs: source of each operand.
        rule: source of the rule, without ``lrp.rules.`` in front; "" for the layer's own way.
    """

    layer: str
    inputs: tuple[str, ...]
    rule: str = ""


def _of(layer: str, *inputs: str, rule: str = "") -> Example:
    return Example(layer, inputs, rule)


SIGNED, FLOATS, POSITIVE = "rational([[-1.5, 0, 2]])", "np.array([[-1.5, 0.0, 2.0]])", "np.array([[0.25, 1.0, 4.0]])"
WIDE = "rational([[[1, 3, 2, -1]]])"
DENSE = "Dense(rational([[1, -0.5], [-0.25, 1], [3, -0.5]]), rational([0.5, -0.25]))"
THREE = "rational([[1, 2, 0.5]])"
_CELL = "np.ones((1, {gates}, 1, 1)), np.full((1, {gates}, 1, 1), 0.5), np.zeros((1, {gates}, 1))"
_STEPS = "np.array([[[1.0], [-1.0], [2.0]]])"
_SCAN = ("rational([[[4], [1]]])", *("rational([[[1], [1]]])",) * 3)

LAYERS: dict[str, Example] = {
    "Abs": _of("Abs()", SIGNED),
    "Add": _of("Add((1, -1))", "rational([[3, 1]])", "rational([[1, 2]])"),
    "AdditiveKernel": _of(
        'AdditiveKernel(rational([[1, 3], [4, 0]]), rational([[2], [-1]]), kernel="intersection")',
        "rational([[2, 5]])",
    ),
    "Affine": _of("Affine(rational([2, -1]), rational([0.5, 1]))", "rational([[1, 3]])", rule="LRP0()"),
    "AveragePool": _of("AveragePool(2)", WIDE),
    "Bounds": _of("Bounds(low=rational([-1, -1, 0]), high=rational([1, 1, 1.5]))", SIGNED),
    "CELU": _of("CELU(0.5)", FLOATS),
    "Centred": _of("Centred(rational([1, 0]), rational([2, 0.5]))", "rational([[2, 3]])"),
    "Clip": _of("Clip(0, 1)", SIGNED),
    "Compare": _of('Compare("greater", rational([1, 1, 1]))', SIGNED),
    "Concat": _of("Concat()", "rational([[1, 2]])", "rational([[3]])"),
    "Constant": _of("Constant(rational([0.5, -1]))", "rational([[1, 2]])"),
    "Conv": _of("Conv(rational([[[1, -0.5]]]), rational([0.25]))", WIDE, rule="Gamma(0.25)"),
    "ConvTranspose": _of(
        "ConvTranspose(rational([[[1, -0.5]]]), rational([0.25]), stride=2)", "rational([[[1, 2]]])", rule="LRP0()"
    ),
    "Dense": _of(DENSE, THREE, rule="Epsilon(0.25)"),
    "Distance": _of("Distance(np.array([[0.0, 0.0]]), offset=np.array([1.0]))", "np.array([[3.0, 4.0]])"),
    "ELU": _of("ELU()", FLOATS),
    "Embedding": _of("Embedding(rational([[0, 1], [2, 3]]))", "np.array([[1, 0]])"),
    "Exp": _of("Exp()", FLOATS),
    "FeatureDistance": _of('FeatureDistance(rational([[1, 3]]), "chi2")', "rational([[3, 1]])"),
    "FisherVector": _of(
        "FisherVector(np.array([0.5, 0.5]), np.array([[-1.0], [1.0]]), np.ones((2, 1)))",
        "np.array([[[-1.0], [2.0]]])",
    ),
    "Flatten": _of("Flatten()", "rational([[[1, 2], [3, 4]]])"),
    "Function": _of('Function("softsign")', SIGNED),
    "GELU": _of("GELU()", FLOATS),
    "GRU": _of(f"GRU({_CELL.format(gates=3)})", _STEPS, rule="Recurrent()"),
    "Gather": _of("Gather((2, 0))", SIGNED),
    "GeneralLSTM": _of(
        f"GeneralLSTM({_CELL.format(gates=4)}, peephole=np.full((1, 3, 1), 0.25))", _STEPS, rule="Recurrent()"
    ),
    "GlobalAveragePool": _of("GlobalAveragePool()", WIDE),
    "GlobalMaxPool": _of("GlobalMaxPool()", WIDE),
    "HardSigmoid": _of("HardSigmoid(0.25)", SIGNED),
    "HardSwish": _of("HardSwish()", SIGNED),
    "HardTanh": _of("HardTanh()", SIGNED),
    "Identity": _of("Identity()", SIGNED),
    "KernelMachine": _of(
        'KernelMachine(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([[1.0], [-1.0]]), kernel="rbf", gamma=0.5)',
        "np.array([[1.0, 0.5]])",
    ),
    "LSTM": _of(f"LSTM({_CELL.format(gates=4)})", _STEPS, rule="Recurrent()"),
    "LeakyReLU": _of("LeakyReLU(0.25)", SIGNED),
    "LocalResponseNorm": _of("LocalResponseNorm(3, alpha=3.0, beta=1.0)", "rational([[1, 2, 0]])"),
    "Log": _of("Log()", POSITIVE),
    "LogCount": _of("LogCount()", "np.array([[0.0, 1.0, 4.0]])"),
    "LogSumExp": _of("LogSumExp((1,))", "np.log(np.array([[1.0, 3.0]]))"),
    "MatMul": _of("MatMul(gate=0)", "rational([[[1, -2]]])", "rational([[[3], [0.5]]])"),
    "Max": _of("Max((1,), keepdims=False)", "rational([[[1, 2], [4, 3]]])"),
    "MaxPool": _of("MaxPool(2)", WIDE),
    "Mean": _of("Mean()", WIDE),
    "Multiply": _of("Multiply(gate=0)", "rational([[0.5, 1]])", "rational([[3, -2]])"),
    "Normalize": _of("Normalize()", "np.array([[1.0, 2.0, 6.0]])"),
    "Number": _of("Number(rational([1]))", "np.array([[1, 0, 3]])"),
    "Pad": _of("Pad(((1, 1),))", "rational([[1, 2]])"),
    "PairDifference": _of("PairDifference()", "rational([[5, 2, 1]])"),
    "Power": _of("Power()", SIGNED),
    "Prod": _of("Prod()", "rational([[[2, 3, 4]]])"),
    "RNN": _of(
        'RNN(rational([[[[1]]]]), rational([[[[0.5]]]]), rational([[[0]]]), activation="relu")',
        "rational([[[1], [2], [-5]]])",
        rule="Recurrent(lrp.rules.LRP0(), lrp.rules.LRP0())",
    ),
    "ReLU": _of("ReLU()", SIGNED),
    "Reshape": _of("Reshape((2, 2))", "rational([[1, 2, 3, 4]])"),
    "SELU": _of("SELU()", FLOATS),
    "SelectiveScan": _of('SelectiveScan(rational([[-0.5]]), decay="linear")', *_SCAN),
    "Shrink": _of("Shrink(0.5, 0.25)", SIGNED),
    "SiLU": _of("SiLU()", FLOATS),
    "Sigmoid": _of("Sigmoid()", FLOATS),
    "SignedRoot": _of("SignedRoot()", "np.array([[4.0, -9.0, 0.0]])"),
    "Slice": _of("Slice((1,), (0,), (2,), (1,))", SIGNED),
    "SoftAssign": _of("SoftAssign(rational([[0], [1]]), hard=True)", "rational([[[0.125], [0.75], [1.25]]])"),
    "SoftMin": _of("SoftMin()", "np.log(np.array([[1.0, 3.0]]))"),
    "Softmax": _of("Softmax()", "np.array([[0.0, 1.0, 2.0]])", rule="Taylor()"),
    "Softplus": _of("Softplus()", FLOATS),
    "Split": _of("Split((1, 2))", SIGNED),
    "SquaredDistance": _of("SquaredDistance(rational([[0, 0], [3, 0]]))", "rational([[1, 2]])"),
    "Squeeze": _of("Squeeze((1,))", "rational([[[1, 2]]])"),
    "Step": _of("Step()", SIGNED),
    "Sum": _of("Sum()", WIDE),
    "SumPool": _of("SumPool(2)", WIDE),
    "Swish": _of("Swish(1.702)", FLOATS),
    "Tanh": _of("Tanh()", FLOATS),
    "ThresholdedReLU": _of("ThresholdedReLU(1)", SIGNED),
    "Transpose": _of("Transpose()", "rational([[[1, 2], [3, 4]]])"),
    "UnitNorm": _of('UnitNorm("l1")', "rational([[3, -1]])"),
    "Unsqueeze": _of("Unsqueeze((1,))", "rational([[1, 2]])"),
    "Upsample": _of("Upsample((2,))", "rational([[[1, 2]]])"),
    "Where": _of("Where()", "rational([[1, 0]])", "rational([[2, 3]])", "rational([[5, 7]])"),
}

RULES: dict[str, Example] = {
    name: _of(DENSE, THREE, rule=rule)
    for name, rule in {
        "AllToOne": "AllToOne(1)",
        "AlphaBeta": "AlphaBeta(2, 1)",
        "Epsilon": "Epsilon(0.25)",
        "Flat": "Flat()",
        "Gamma": "Gamma(0.25)",
        "GeneralizedGamma": "GeneralizedGamma(0.25)",
        "Gradient": "Gradient()",
        "LRP0": "LRP0()",
        "Reference": "Reference(1)",
        "Uniform": "Uniform()",
        "WSquare": "WSquare()",
        "ZBox": "ZBox(0, 4)",
        "ZPlus": "ZPlus()",
        "Zero": "Zero()",
    }.items()
} | {
    "BetaSmooth": _of("ReLU()", FLOATS, rule="BetaSmooth(10.0)"),
    "Deconv": _of("ReLU()", SIGNED, rule="Deconv()"),
    "Guided": _of("ReLU()", SIGNED, rule="Guided()"),
    "Natural": _of("Add()", "rational([[3]])", "rational([[-1]])", "rational([[0.5]])", rule="Natural()"),
    "Pass": _of("Tanh()", FLOATS, rule="Pass()"),
    "Product": _of("Multiply(gate=0)", "rational([[0.5, 1]])", "rational([[3, -2]])", rule='Product("half")'),
    "Recurrent": _of(
        'RNN(rational([[[[1]]]]), rational([[[[0.5]]]]), rational([[[0]]]), activation="relu")',
        "rational([[[1], [2], [-5]]])",
        rule="Recurrent(lrp.rules.LRP0(), lrp.rules.LRP0())",
    ),
    "Rescale": _of("ReLU()", SIGNED, rule="Rescale()"),
    "ResponseNorm": _of(
        "LocalResponseNorm(3, alpha=3.0, beta=1.0)", "rational([[1, 2, 0]])", rule='ResponseNorm("path")'
    ),
    "Selection": _of('SelectiveScan(rational([[-0.5]]), decay="linear")', *_SCAN, rule='Selection("half")'),
    "Taylor": _of("Softmax()", "np.array([[0.0, 1.0, 2.0]])", rule="Taylor()"),
}
