"""The primitives of which the rules of gates, attention, norms and state spaces are composed, each stated once.

=========  ====================================  ===============================  ===================================
primitive  what is taken for granted             formula                          as a rule
=========  ====================================  ===============================  ===================================
detach     a factor is a constant: a gate, the   y = g·s: R_s = R, R_g = 0        ``Product("signal")``, or ``Zero()``
           weights of an attention, a norm's                                      for a layer that makes such factors;
           deviation, a state space's selection                                   what ``Normalize`` does of itself
identity   the slope f(x)/x is a constant        R_i = R_j                        ``Pass()``; what activations do of
                                                                                  themselves
half       both factors of a product are alike   y = g·s: R_g = R_s = R/2         ``Product("half")``
Taylor     the layer linearised at its input     R_i = Σ_j a_i ∂z_j/∂a_i R_j/z_j  ``Taylor()``
=========  ====================================  ===============================  ===================================

The first three conserve relevance; the Taylor terms of a softmax do not, and the ledger says what was dropped.
AttnLRP, CP-LRP, MambaLRP and RelP differ in which of these they take where (``propagation.presets``).

Source: Arras et al. 2017 (detach, for gates), Ali et al. 2022 (detach, for attention and norms), Achtibat et al. 2024
(identity, half, Taylor), Rezaei Jafari et al. 2024 (all but Taylor, for state spaces).

Example:
    >>> import numpy as np
    >>> from lrp_ref.layers import Multiply, SiLU, Softmax
    >>> gate, signal, relevance = np.array([[0.5]]), np.array([[4.0]]), np.array([[2.0]])
    >>> detach = Multiply(gate=0).relevance_backward((gate, signal), relevance, DETACH)
    >>> half = Multiply(gate=0).relevance_backward((gate, signal), relevance, HALF)
    >>> [float(r.item()) for r in (*detach, *half)]
    [0.0, 2.0, 1.0, 1.0]
    >>> SiLU().relevance_backward(signal, relevance, IDENTITY).item()
    2.0
    >>> Softmax().relevance_backward(np.zeros((1, 2)), np.ones((1, 2)), TAYLOR)
    array([[0., 0.]])
"""

from __future__ import annotations

from .cells import Product
from .universal import Pass, Taylor, Zero

DETACH = Product("signal")
CONSTANT = Zero()
IDENTITY = Pass()
HALF = Product("half")
TAYLOR = Taylor()
