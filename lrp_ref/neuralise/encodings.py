"""Classifiers of images by their local descriptors as networks: Fisher vectors, bags of visual words, and pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..base.arrays import Array, convert, indices, like, namespace, to_numpy
from ..errors import ParameterError, ShapeError, unknown
from ..layers import Dense, FisherVector, SignedRoot, SoftAssign, UnitNorm
from ..network.inputs import Input
from ..network.network import Network, Node
from .given import array
from .svc import svc

NORMS = ("l2", "none")
ROUNDED = 1e-2  # by more a sum of shares in half precision is not off
NUMBERS = 1 << 24  # of one array that is made of several images' maps at once


def fisher_vector(
    weights: Array,
    means: Array,
    variances: Array,
    classifier_weight: Array,
    bias: Array | float | None = None,
    *,
    convention: str = "perronnin",
    root: bool = True,
    norm: str = "l2",
) -> Network:
    """Return a linear classifier of Fisher vectors as a network from the descriptors of images.

    Formula: z = Σ_l m_l of ``layers.FisherVector``, φ = sgn(z) √\\|z\\| / ‖sgn(z) √\\|z\\|‖₂, f = φ·w + b.

    The relevance, by LRP-0 as ``explain`` does it unless asked otherwise: R_d = w_d φ_d, and b in the ledger; root and
    norm let it pass, the norm as a constant; R_l = Σ_d m_ld/z_d·R_d, spread evenly over the D numbers of descriptor l.
    So ``relevance.sum(axis=-1)`` (N, T) is that of the descriptors, and :func:`pixels` makes a map of it. The terms
    m_ld have both signs: on photographs Σ_l \\|R_l\\| is some times \\|f\\|. A composite with
    ``(lrp.layers.FisherVector, lrp.rules.Epsilon(...))`` damps them, and the ledger says what that takes.

    A support vector machine with the Hellinger kernel on z is this classifier, with w = Σ_s a_s φ_s.

    Args:
        weights, means, variances: of the mixture: (K,), (K, D), (K, D).
        classifier_weight: w (F,) or (F, C), F = K(1 + 2D).
        bias: b, a number or (C,).
        convention: of the block of deviations, see ``layers.FisherVector``: "perronnin" or "skimage".
        root: whether the signed root is taken.
        norm: "l2" or "none".

    Returns:
        A network (N, T, D) → (N, C), with all images of a batch having T descriptors; others one at a time. Descriptors
        are given as the mixture knows them, after a PCA if there was one.

    Raises:
        ShapeError: arrays that do not fit each other.
        ParameterError: parameters that are no floats or out of range, another convention or norm.

    Source: Perronnin, Sánchez, Mensink 2010 (the encoding); Bach et al. 2015, Lapuschkin et al. 2016 (the relevance).

    Example:
        >>> import numpy as np
        >>> from lrp_ref.propagation.explaining import explain
        >>> means, ones = np.array([[-1.0], [1.0]]), np.ones((2, 1))
        >>> w = np.array([0.0, 0.0, -1.0, 1.0, 0.0, 0.0])
        >>> net = fisher_vector(np.array([0.5, 0.5]), means, ones, w, root=False, norm="none")
        >>> e = explain(net, np.array([[[-1.0], [2.0], [0.5]]]))
        >>> e.output.round(3), e.relevance.sum(axis=-1).round(3)
        (array([[-0.037]]), array([[-0.112,  0.437, -0.362]]))
    """
    for name, given in (("weights", weights), ("means", means), ("variances", variances)):
        array(f"fisher_vector: {name}", given)
    if abs((total := float(to_numpy(weights).astype(float).sum())) - 1) > ROUNDED:
        raise ParameterError(f"fisher_vector: weights are shares of components, of sum 1; these sum to {total:.6g}")
    encoding = FisherVector(weights, means, variances, convention)
    if norm not in NORMS:
        raise unknown("norm", str(norm), NORMS)
    size = means.shape[0] * (1 + 2 * means.shape[1])
    matrix = array("fisher_vector: classifier_weight", classifier_weight)
    matrix = matrix.reshape(-1, 1) if matrix.ndim == 1 else matrix
    if matrix.ndim != 2 or matrix.shape[0] != size:
        k, d = means.shape
        raise ShapeError(
            f"fisher_vector: classifier_weight of shape {classifier_weight.shape} for {k} components of {d} "
            f"dimensions; expected ({size},) or ({size}, C), which is K(1 + 2D); scikit-learn's coef_ is its transpose"
        )
    nodes = [Node("encoding", encoding, ("input",))]
    if root:
        nodes.append(Node("root", SignedRoot(), (nodes[-1].name,)))
    if norm == "l2":
        nodes.append(Node("norm", UnitNorm(), (nodes[-1].name,)))
    nodes.append(Node("scores", Dense(matrix, _offset(bias, matrix)), (nodes[-1].name,)))
    return Network(tuple(nodes), (_descriptors(means),), ("scores",), composite="lrp0")


def bag_of_words(
    codebook: Array,
    support_histograms: Array,
    dual_coef: Array,
    bias: Array | float | None = None,
    *,
    kernel: str = "intersection",
    beta: Any = 1.0,
    hard: bool = False,
    **parameters: Any,
) -> Network:
    """Return a support vector machine on histograms of visual words as a network from the descriptors of images.

    Formula: h_w = (1/T) Σ_l a_lw of ``layers.SoftAssign``, f = Σ_s a_s k(h, h_s) + b.

    The relevance, with a kernel that is a sum over words (intersection, hellinger, chi2, linear): R_w is the kernel's
    term of word w, R_l = Σ_w a_lw/Σ_l a_lw·R_w, spread evenly over the D numbers of descriptor l. So
    ``relevance.sum(axis=-1)`` (N, T) is that of the descriptors, and :func:`pixels` makes a map of it.

    Args:
        codebook: the words c (W, D).
        support_histograms: h_s (S, W).
        dual_coef: a (S,), (1, S) or (S, C).
        bias: b, a number or (C,).
        kernel: as in :func:`lrp_ref.neuralise.svc`; kernels that are no sums over words, such as rbf, are explained
            from where f is 0.
        beta: β of the soft assignment.
        hard: whether each descriptor goes to its nearest word.
        parameters: of the kernel: gamma, degree, coef0, and more of :func:`lrp_ref.neuralise.svc`.

    Returns:
        A network (N, T, D) → (N, C), with all images of a batch having T descriptors; others one at a time.

    Raises:
        ShapeError, ParameterError: as :func:`lrp_ref.neuralise.svc`; histograms of another number of words.

    Source: Bach et al. 2015, doi:10.1371/journal.pone.0130140, §3.

    Example:
        >>> import numpy as np
        >>> from lrp_ref.propagation.explaining import explain
        >>> words, histograms = np.array([[0.0], [1.0]]), np.array([[0.5, 0.5], [0.9, 0.1]])
        >>> net = bag_of_words(words, histograms, np.array([1.0, -1.0]), hard=True)
        >>> e = explain(net, np.array([[[0.1], [0.9], [1.2], [0.7]]]))
        >>> e.output.round(2), e.relevance.sum(axis=-1).round(3)
        (array([[0.4]]), array([[0.   , 0.133, 0.133, 0.133]]))
    """
    words = SoftAssign(array("bag_of_words: codebook", codebook), beta, hard)
    scores = svc(support_histograms, dual_coef, bias, kernel=kernel, **parameters)
    if support_histograms.shape[1] != codebook.shape[0]:
        raise ShapeError(
            f"bag_of_words: support_histograms of shape {support_histograms.shape} for a codebook of "
            f"{codebook.shape[0]} words; expected (S, {codebook.shape[0]})"
        )
    above = (replace(n, inputs=tuple("histogram" if i == "input" else i for i in n.inputs)) for n in scores.nodes)
    nodes = (Node("histogram", words, ("input",)), *above)
    return replace(scores, nodes=nodes, inputs=(_descriptors(codebook),))


def _descriptors(known: Array) -> Input:
    """Return the declaration of the descriptors (N, T, D) of images, which are compared with arrays (K, D)."""
    return Input("input", (None, None, int(known.shape[1])))


def pixels(
    relevance: Array, boxes: Array, shape: tuple[int, int], *, size: int | tuple[int, int] | None = None
) -> Array:
    """Return maps of pixels in which each descriptor's relevance lies evenly on the pixels that it looked at.

    Formula: R_p = Σ_{l: p in box l} R_l/area(l). A box that reaches beyond the image is cut, and all of R_l lies on
    what is left of it, so that the sum of a map is Σ_l R_l. Pixels that no descriptor looked at are 0.

    Args:
        relevance: of descriptors (N, T); or of their numbers (N, T, D), which are summed.
        boxes: whole numbers, (T, 4) of y0, x0, y1, x1, half-open, or (T, 2) of the top left corner y, x with ``size``;
            (N, T, 4) or (N, T, 2) for each image its own.
        shape: H, W of the image.
        size: h, w of all boxes, or one number for both.

    Returns:
        (N, H, W), of the dtype of ``relevance``.

    Raises:
        ShapeError: boxes that are not as many as the descriptors, or no boxes.
        ParameterError: numbers that are not whole, a box without a pixel in the image, a size where boxes have theirs,
            or none where they have not.

    Example:
        >>> import numpy as np
        >>> pixels(np.array([[4.0, 3.0]]), np.array([[0, 0], [0, 1]]), (2, 3), size=(1, 2))
        array([[[2. , 3.5, 1.5],
                [0. , 0. , 0. ]]])
    """
    xp = namespace(relevance)
    given = relevance.sum(axis=2) if relevance.ndim == 3 else relevance
    if given.ndim != 2:
        raise ShapeError(
            f"pixels: relevance of shape {relevance.shape}; expected that of descriptors, (N, T) or (N, T, D)"
        )
    edges, (height, width) = _edges(boxes, given.shape, size), _sides("shape", shape, 2)
    inside = [_within(edges[..., k], edges[..., k + 2], n) for k, n in ((0, height), (1, width))]
    areas = inside[0].sum(axis=-1) * inside[1].sum(axis=-1)
    if not areas.all():
        outside = tuple(int(k) for k in np.argwhere(areas == 0)[0])
        raise ParameterError(
            f"pixels: box {outside[-1]} ({', '.join(map(str, edges[outside]))}) has no pixel in an image of "
            f"{height} × {width}; boxes are y0, x0, y1, x1, half-open"
        )
    rows, columns, each = (like(convert(a, xp), given) for a in (*inside, areas))
    share, found = given / each, []
    several = max(1, NUMBERS // max(1, given.shape[1] * (height + width)))
    for first in range(0, len(given), several):
        part = slice(first, first + several)
        of_rows, of_columns = (a[part] if a.ndim == 3 else a for a in (rows, columns))
        weighed = of_rows * share[part].reshape(*share[part].shape, 1)
        found.append(xp.matmul(xp.moveaxis(weighed, 1, 2), of_columns))
    return xp.concatenate(found, axis=0) if found else xp.zeros((0, height, width), dtype=given.dtype)


def _edges(boxes: Any, shape: tuple[int, ...], size: Any) -> Any:
    """Return y0, x0, y1, x1 of boxes, as integers (T, 4) or (N, T, 4) on the host."""
    host = to_numpy(boxes if hasattr(boxes, "dtype") else np.asarray(boxes))
    if host.ndim not in (2, 3) or host.shape[:-1] not in (shape[1:], shape) or host.shape[-1] not in (2, 4):
        raise ShapeError(
            f"pixels: boxes of shape {host.shape} for {shape[1]} descriptors of {shape[0]} images; expected "
            f"({shape[1]}, 4) of y0, x0, y1, x1, or ({shape[1]}, 2) of y, x and a size"
        )
    reach = 1 << 31  # beyond every image
    edges = to_numpy(indices(host, -reach, reach, "pixels: boxes"))
    if (size is None) != (host.shape[-1] == 4):
        raise ParameterError(
            "pixels: boxes of y, x need size=, their height and width"
            if size is None
            else "pixels: boxes of y0, x0, y1, x1 have their sizes: leave size= out"
        )
    if size is None:
        return edges
    return np.concatenate([edges, edges + _sides("size", size)], axis=-1)


def _sides(what: str, given: Any, many: int = 1) -> Any:
    """Return a height and a width (2,), of which ``many`` must have been given; one number stands for both."""
    sides = np.asarray(given)
    if sides.shape not in ((2,), (), (1,))[: 3 if many == 1 else 1] or sides.dtype.kind not in "iuf":
        either = ", or one number for both" if many == 1 else ""
        raise ShapeError(f"pixels: {what} is {given!r}: give a height and a width{either}")
    return np.broadcast_to(to_numpy(indices(sides, 1, 1 << 31, f"pixels: {what}")), (2,))


def _within(low: Any, high: Any, length: int) -> Any:
    """Return whether each of the places 0 … length − 1 lies in low … high − 1, (..., length)."""
    places = np.arange(length)
    return (places >= low[..., None]) & (places < high[..., None])


def _offset(bias: Any, matrix: Array) -> Array | None:
    """Return b (C,) of the number system and library of the matrix (F, C)."""
    if bias is None:
        return None
    offset = like(bias if hasattr(bias, "dtype") else np.asarray(bias, dtype=float), matrix).reshape(-1)
    if offset.shape != matrix.shape[1:]:
        raise ShapeError(f"fisher_vector: bias of shape {offset.shape} for {matrix.shape[1]} outputs")
    return offset
