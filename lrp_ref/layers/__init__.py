"""The layers: pure-array values with ``forward``, ``relevance_backward`` and ``vjp``; none keeps state.

Inputs have the batch on axis 0 and the channels on axis 1; ``LAYERS`` lists every layer that a file may name.
"""

from .additive import Additive
from .affine import Affine, Centred
from .aggregate import LogSumExp, Prod
from .base import Elementwise, Layer, Linear, Route, Unweighted
from .bilinear import Bilinear, MatMul, Multiply
from .choose import Compare, Where
from .constant import Constant
from .contrast import PairDifference, SoftMin
from .conv import Conv, ConvTranspose
from .counts import LogCount, Step, UnitNorm
from .dense import Dense
from .distance import Distance, SquaredDistance
from .elementwise import (
    ELU,
    GELU,
    SELU,
    Abs,
    Clip,
    Exp,
    HardSigmoid,
    HardSwish,
    HardTanh,
    Identity,
    LeakyReLU,
    Log,
    Power,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from .encode import FisherVector, SignedRoot, SoftAssign
from .extremum import GlobalMaxPool, Max
from .functions import CELU, Function, Swish
from .kernels.additive import AdditiveKernel
from .kernels.distance import FeatureDistance
from .kernels.machine import KernelMachine
from .local_response import LocalResponseNorm
from .lookup import Embedding, Number
from .merge import Add, Concat
from .normalization import Normalize
from .pooling import AveragePool, MaxPool, SumPool
from .recurrent.general_lstm import GeneralLSTM
from .recurrent.gru import GRU
from .recurrent.layer import RecurrentLayer
from .recurrent.lstm import LSTM
from .recurrent.rnn import RNN
from .reduction import GlobalAveragePool, Mean, Sum
from .route import Flatten, Gather, Pad, Reshape, Slice, Split, Squeeze, Transpose, Unsqueeze, Upsample
from .scan import SelectiveScan
from .softmax import Softmax
from .thresholds import Bounds, Shrink, ThresholdedReLU

LAYERS: dict[str, type[Layer]] = {
    layer.__name__: layer
    for layer in (
        Abs,
        Add,
        AdditiveKernel,
        Affine,
        AveragePool,
        Bounds,
        CELU,
        Centred,
        Clip,
        Compare,
        Concat,
        Constant,
        Conv,
        ConvTranspose,
        Dense,
        Distance,
        ELU,
        Embedding,
        Exp,
        FeatureDistance,
        FisherVector,
        Flatten,
        Function,
        GELU,
        GRU,
        Gather,
        GeneralLSTM,
        GlobalAveragePool,
        GlobalMaxPool,
        HardSigmoid,
        HardSwish,
        HardTanh,
        Identity,
        KernelMachine,
        LSTM,
        LeakyReLU,
        LocalResponseNorm,
        Log,
        LogCount,
        LogSumExp,
        MatMul,
        Max,
        MaxPool,
        Mean,
        Multiply,
        Normalize,
        Number,
        Pad,
        PairDifference,
        Power,
        Prod,
        RNN,
        ReLU,
        Reshape,
        SELU,
        SelectiveScan,
        Shrink,
        SiLU,
        Sigmoid,
        SignedRoot,
        Slice,
        SoftAssign,
        SoftMin,
        Softmax,
        Softplus,
        Split,
        SquaredDistance,
        Squeeze,
        Step,
        Sum,
        SumPool,
        Swish,
        Tanh,
        ThresholdedReLU,
        Transpose,
        UnitNorm,
        Unsqueeze,
        Upsample,
        Where,
    )
}

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GRU",
    "LAYERS",
    "LSTM",
    "RNN",
    "SELU",
    "Abs",
    "Add",
    "Additive",
    "AdditiveKernel",
    "Affine",
    "AveragePool",
    "Bilinear",
    "Bounds",
    "Centred",
    "Clip",
    "Compare",
    "Concat",
    "Constant",
    "Conv",
    "ConvTranspose",
    "Dense",
    "Distance",
    "Elementwise",
    "Embedding",
    "Exp",
    "FeatureDistance",
    "FisherVector",
    "Flatten",
    "Function",
    "Gather",
    "GeneralLSTM",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "HardSigmoid",
    "HardSwish",
    "HardTanh",
    "Identity",
    "KernelMachine",
    "Layer",
    "LeakyReLU",
    "Linear",
    "LocalResponseNorm",
    "Log",
    "LogCount",
    "LogSumExp",
    "MatMul",
    "Max",
    "MaxPool",
    "Mean",
    "Multiply",
    "Normalize",
    "Number",
    "Pad",
    "PairDifference",
    "Power",
    "Prod",
    "ReLU",
    "RecurrentLayer",
    "Reshape",
    "Route",
    "SelectiveScan",
    "Shrink",
    "SiLU",
    "Sigmoid",
    "SignedRoot",
    "Slice",
    "SoftAssign",
    "SoftMin",
    "Softmax",
    "Softplus",
    "Split",
    "SquaredDistance",
    "Squeeze",
    "Step",
    "Sum",
    "SumPool",
    "Swish",
    "Tanh",
    "ThresholdedReLU",
    "Transpose",
    "UnitNorm",
    "Unsqueeze",
    "Unweighted",
    "Upsample",
    "Where",
]  # fmt: skip
