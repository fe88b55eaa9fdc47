"""Models that are no networks, rewritten as networks, so that rules, ledgers and exact numbers apply to them.

e = lrp.neuralise.explain_sparse(net, counts, target=3, composite="lrp0")
e.relevance  # a matrix with the pattern of the counts
"""

from .sparse import SparseExplanation, explain_sparse

__all__ = ["SparseExplanation", "explain_sparse"]
