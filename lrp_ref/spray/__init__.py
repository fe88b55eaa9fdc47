"""Spectral Relevance Analysis (SpRAy): groups of explanations, and with them the strategies of a model.

    found = lrp.spray.cluster(lrp.explain(net, x, target=7).relevance)
    found.k, found.labels, found.picture()
    lrp.spray.rank(relevance, labels)  # which class falls apart most clearly
    lrp.spray.write_virelay("project", found, images=x, relevance=relevance)

Source: Lapuschkin et al. 2019, "Unmasking Clever Hans predictors", doi:10.1038/s41467-019-08987-4.
"""

from .clusters import Clusters, cluster
from .graphs import eigengap, laplacian, neighbour_graph, spectrum
from .maps import prepare
from .ranking import Ranking, rank
from .virelay import write_virelay

__all__ = [
    "Clusters", "Ranking", "cluster", "eigengap", "laplacian", "neighbour_graph", "prepare", "rank", "spectrum",
    "write_virelay",
]  # fmt: skip
