"""Clusters that were split in two again and again: a sample goes down a tree of centres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..base.arrays import Array, like
from ..errors import ParameterError
from ..layers import Concat, Dense, Gather, Reshape, SoftMin, SquaredDistance
from ..network.inputs import Input
from ..network.network import Network, Node
from .chain import as_rewritten
from .clusters import require_centers, shares, sharpness
from .given import positive


def margins_down_a_tree(
    centers: Array, paths: Sequence[Sequence[int]], *, beta: float | None = None, data: Array | None = None
) -> Network:
    """Return the assignment down a tree, at each node to the nearer of two centres, with an output for each leaf.

    Formula: f_c = min_t h_ct over the nodes t above leaf c, h_ct = ‖x − other_t‖² − ‖x − own_t‖², which is > 0 for the
    leaf alone where x ends. Shares are those of :func:`kmeans`.

    Args:
        centers: (2T, D), at 2t and 2t + 1 the two that are compared at node t.
        paths: for each leaf the places in ``centers`` of its own side, from the root on.
        beta: β > 0; None for one over the mean of max_c f_c over the data.
        data: samples (N, D) for that mean; None for the centres themselves.

    Raises:
        ShapeError: centres that are not (2T, D).
        ParameterError: a leaf without a path, or β that is not > 0, or cannot be chosen.

    Example:
        >>> import numpy as np
        >>> net = margins_down_a_tree(np.array([[0.0], [6.0], [5.0], [8.0]]), [[0], [1, 2], [1, 3]])
        >>> net.forward(np.array([[4.0]]))  # on the right of 3, and on the left of 6.5
        array([[-12.,  12., -15.]])
    """
    require_centers("centers", centers)
    if len(centers) % 2 or not all(path and all(0 <= k < len(centers) for k in path) for path in paths):
        raise ParameterError(
            f"each leaf needs places 0 to {len(centers) - 1} of {len(centers)} centers in pairs: {paths}"
        )
    sides = np.eye(len(centers)) - np.eye(len(centers))[np.arange(len(centers)) ^ 1]
    own = Dense(like(sides.T.copy(), centers))
    chain = [Node("scores", SquaredDistance(centers, factor=-1), ("input",)), Node("differences", own, ("scores",))]

    def made(gamma: float) -> Network:
        nodes, order = list(chain), []
        for depth in sorted({len(path) for path in paths}):  # leaves of one depth have equally many differences
            leaves = [c for c, path in enumerate(paths) if len(path) == depth]
            gathered, shaped, pooled = f"path{depth}", f"path{depth}.leaves", f"path{depth}.pool"
            nodes += [
                Node(gathered, Gather(tuple(k for c in leaves for k in paths[c])), ("differences",)),
                Node(shaped, Reshape((len(leaves), depth)), (gathered,)),
                Node(pooled, SoftMin(gamma, hard=True), (shaped,)),
            ]
            order += leaves
        pools = tuple(node.name for node in nodes if node.name.endswith(".pool"))
        places = tuple(order.index(c) for c in range(len(paths)))
        nodes += [Node("leaves", Concat(), pools), Node("pool", Gather(places), ("leaves",))]
        net = Network(tuple(nodes), (Input("input"),), ("pool",))
        return as_rewritten(net, features=centers.shape[1])

    if beta is None:
        sharp = sharpness(made(1.0).forward(centers if data is None else data).max(axis=1))
        where = f"1/mean margin of the {'centers' if data is None else 'data'}"
    else:
        sharp, where = positive("beta", beta), "as given"
    return replace(made(sharp), notes=(shares(sharp, where),))
