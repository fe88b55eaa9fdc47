"""Models that are no networks, rewritten as networks, so that rules, ledgers and exact numbers apply to them.

    net = lrp.neuralise.from_sklearn(pipeline)
    e = lrp.explain(net, x, target=3)  # exact: R_i = x_i w_i for a linear model, and its bias in e.ledger
    e = lrp.neuralise.explain_sparse(net, counts, target=3)  # e.relevance is a matrix with the pattern of the counts

scikit-learn is not needed for what it has fitted: estimators are told by the names of their classes and attributes.
"""

from .clusters import kmeans, mixture
from .encodings import bag_of_words, fisher_vector, pixels
from .estimators import from_fitted, from_sklearn, supported
from .fitted import Fitted
from .linear import linear, naive_bayes
from .one_class import density, log_density, one_class, outlier_threshold, score_samples
from .sparse import SparseExplanation, explain_sparse
from .svc import svc

__all__ = [
    "Fitted",
    "SparseExplanation",
    "bag_of_words",
    "density",
    "explain_sparse",
    "fisher_vector",
    "from_fitted",
    "from_sklearn",
    "kmeans",
    "linear",
    "log_density",
    "mixture",
    "naive_bayes",
    "one_class",
    "outlier_threshold",
    "pixels",
    "score_samples",
    "supported",
    "svc",
]
