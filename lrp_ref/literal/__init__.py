"""The textbook: Layer-wise Relevance Propagation written straight from the papers, slowly.

Here every connection has its own number. A linear layer is an explicit matrix (``matrices``), the
contribution of input i to output j is z_ij = a_i w_ij, a rule is a formula for the message R_{i<-j} from
output j down to input i (``rules``), and the relevance of an input is the sum of the messages that reach it:

    R_i = sum_j R_{i<-j}.

Use it to read what a rule does, and as the second, independent computation that the fast layers are tested
against: nothing in this package imports anything from the rest of ``lrp_ref``, only NumPy and the standard
library. One sample at a time, no batch axis; inputs and outputs of a layer are flattened in C order.

All functions work on float arrays and, exactly, on NumPy object arrays of ``fractions.Fraction``; parameters
(epsilon, gamma, ...) are to be given as numbers of the same kind, and results keep the kind of the inputs.

==========================  ==============================================================================
``matrices``                dense, convolution, transposed convolution, pools, affine, add, multiply as matrices
``rules``                   lrp0, epsilon, gamma, generalized_gamma, alpha_beta, zplus, wsquare, zbox, reference, ...
``stabilisers``             exact, add(epsilon), clip(epsilon), relative(epsilon)
``nonlinear``               max pool, products of two signals, sums of several operands
``attention``               products of matrices, softmax, and norms whose deviation is a constant
``distances``               squared distances, differences of outputs, soft minima; clusters, mixtures, one-class
``kernels``                 kernel machines: sums over features, two pools, expansions at a root
``local_response``          local response normalisation, channel by channel
``lstm``, ``gru``, ``rnn``  forward pass and relevance of one direction of a recurrent cell, unrolled by hand
``recurrent``               what these three have in common
``scan``                    forward pass and relevance of a selective scan, state by state
==========================  ==============================================================================

The relevance that does not arrive at the inputs is told apart into three columns: what went to the bias, what
the stabiliser took, and what was dropped (0/0 := 0, or a part of a rule that has no contributor), so that

    sum_j R_j = sum_ij R_{i<-j} + sum_j bias_j + sum_j stabiliser_j + sum_j dropped_j

holds exactly in rational numbers.

>>> from fractions import Fraction as F
>>> import numpy as np
>>> from lrp_ref.literal import matrices, rules
>>> layer = matrices.dense(np.array([[F(1)], [F(-1, 4)]]), np.array([F(1, 2)]))
>>> told = rules.alpha_beta(np.array([F(1), F(2)]), layer, np.array([F(1)]), alpha=1, beta=0)
>>> [str(r) for r in told.relevance], [str(b) for b in told.bias]
(['2/3', '0'], ['1/3'])
"""

from . import (
    attention,
    distances,
    gru,
    kernels,
    local_response,
    lstm,
    matrices,
    nonlinear,
    recurrent,
    rnn,
    rules,
    scan,
    stabilisers,
)
from .matrices import Matrix
from .rules import Messages

__all__ = [
    "Matrix",
    "Messages",
    "attention",
    "distances",
    "gru",
    "kernels",
    "local_response",
    "lstm",
    "matrices",
    "nonlinear",
    "recurrent",
    "rnn",
    "rules",
    "scan",
    "stabilisers",
]
