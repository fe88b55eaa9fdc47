"""Models that are no networks, rewritten as networks, so that rules, ledgers and exact numbers apply to them.

    net = lrp.neuralise.from_sklearn(pipeline)
    e = lrp.explain(net, x, target=3)  # exact: R_i = x_i w_i for a linear model, and its bias in e.ledger

scikit-learn is not needed for what it has fitted: estimators are told by the names of their classes and attributes.
"""

from .encodings import bag_of_words, fisher_vector, pixels
from .estimators import from_fitted, from_sklearn, supported
from .fitted import Fitted
from .linear import linear, naive_bayes

__all__ = [
    "Fitted",
    "bag_of_words",
    "fisher_vector",
    "from_fitted",
    "from_sklearn",
    "linear",
    "naive_bayes",
    "pixels",
    "supported",
]
