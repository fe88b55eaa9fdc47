"""Models that are no networks, rewritten as networks, so that rules, ledgers and exact numbers apply to them.

    net = lrp.neuralise.from_sklearn(pipeline)
    e = lrp.explain(net, x, target=3)  # exact: R_i = x_i w_i for a linear model, and its bias in e.ledger
    e = lrp.neuralise.explain_sparse(net, counts, target=3)  # e.relevance is a matrix with the pattern of the counts

scikit-learn is not needed for what it has fitted: estimators are told by the names of their classes and attributes.
"""

from .estimators import from_fitted, from_sklearn, supported
from .fitted import Fitted
from .linear import linear, naive_bayes
from .sparse import SparseExplanation, explain_sparse

__all__ = [
    "Fitted", "SparseExplanation", "explain_sparse", "from_fitted", "from_sklearn", "linear", "naive_bayes",
    "supported",
]  # fmt: skip
