"""What is explained of a classifier: its scores, the log-odds of a class, or the difference of two classes.

===============  =================================================================================================
"decision"       the scores f_c (N, K); of two classes that have one score together, it alone (N, 1), > 0 for the
                 second of them
"logodds"        o_c = f_c − log Σ_{k≠c} exp f_k (N, K), the logarithm of p_c/(1 − p_c) under a softmax of the
                 scores; of one score f for two classes −f and f (N, 2)
("pair", i, j)   f_i − f_j (N, 1)
===============  =================================================================================================

The log-odds are the soft minimum of the differences to all other classes, which take in proportion to how near they
are: R_k = p_k o, p = softmax_k(−(f_c − f_k)).

Source: Montavon et al. 2019, §10.4 (log-odds).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..base.arrays import Array, like, namespace
from ..errors import ParameterError, unknown
from ..layers import Dense, PairDifference, SoftMin
from ..network.network import Network, Node
from .chain import as_rewritten, behind

OUTPUTS = ("decision", "logodds")
Output = Any  # None, a name, or ("pair", i, j)


def asked(output: Output, names: Sequence[str], what: str, *, classes: int = 0) -> Output:
    """Return what is asked for, after checking that there is such an output.

    Args:
        output: a name, or ("pair", i, j); None for the first name.
        names: of the outputs that there are.
        what: whose they are, such as "LinearSVC".
        classes: K, where pairs of classes can be asked for.

    Raises:
        ParameterError: another output, or a pair of classes that there is not.

    Example:
        >>> asked(None, OUTPUTS, "LinearSVC"), asked(("pair", 2, 0), OUTPUTS, "LinearSVC", classes=3)
        ('decision', ('pair', 2, 0))
    """
    output = names[0] if output is None else output
    if isinstance(output, str) and output in names:
        return output
    if isinstance(output, tuple | list) and len(output) == 3 and output[0] == "pair" and classes:
        pair = [_place(k, what, classes) for k in output[1:]]
        if pair[0] == pair[1]:
            raise ParameterError(f"{what}: ('pair', {pair[0]}, {pair[1]}) is one class; give two different ones")
        return ("pair", *pair)
    known = [*names, *["('pair', i, j)"] * bool(classes)]
    raise unknown(f"output of {what}", str(output), known)


def _place(k: Any, what: str, classes: int) -> int:
    whole = isinstance(k, int | np.integer) and not isinstance(k, bool)
    if not whole or not 0 <= k < classes:
        raise ParameterError(f"{what}: class {k!r} of a pair must be one of 0 to {classes - 1}, a place in classes_")
    return int(k)


def told(net: Network, output: Output, what: str, *, columns: int, single: bool = False) -> Network:
    """Return the network of what is asked for, given the one of the scores.

    Args:
        net: whose last node has the scores (N, columns).
        output: as above; None for "decision".
        what: whose scores they are, for errors.
        columns: how many scores there are.
        single: whether one score is that of the second of two classes against the first.

    Raises:
        ParameterError: an output that there is not.

    Example:
        >>> import numpy as np
        >>> from lrp_ref.neuralise.chain import chain
        >>> scores = chain([("scores", Dense(np.array([[1.0, 2.0, 4.0]])))])
        >>> told(scores, ("pair", 2, 0), "a classifier", columns=3).forward(np.array([[1.0]]))
        array([[3.]])
        >>> told(scores, "logodds", "a classifier", columns=3).forward(np.array([[1.0]])).round(3)
        array([[-3.127, -2.049,  1.687]])
    """
    classes = 2 if single else columns
    names = OUTPUTS if classes > 1 else OUTPUTS[:1]
    output = asked(output, names, what, classes=classes if classes > 1 else 0)
    if output == "decision":
        return as_rewritten(net)
    if single:  # one score: f_1 − f_0 = f
        return as_rewritten(_columns(net, [[-1, 1]] if output == "logodds" else [[output[1] - output[2]]]))
    if output == "logodds":
        last = net.outputs[0]
        nodes = (Node("differences", PairDifference(), (last,)), Node("pool", SoftMin(), ("differences",)))
        return as_rewritten(replace(net, nodes=(*net.nodes, *nodes), outputs=("pool",)))
    rows = [[int(k == output[1]) - int(k == output[2])] for k in range(columns)]
    return as_rewritten(_columns(net, rows))


def _columns(net: Network, rows: list[list[int]]) -> Network:
    """Return the network whose outputs are sums and differences of the scores, with the weights ``rows``."""
    last = net.nodes[-1]
    if isinstance(last.layer, Dense):
        weight, bias = last.layer.weight, last.layer.bias
        changed = Dense(_combined(weight, rows), None if bias is None else _combined(bias.reshape(1, -1), rows)[0])
        return net.replaced({last.name: changed})
    taken = {node.name for node in net.nodes}
    name = next(n for n in ("pair", *(f"pair_{k}" for k in range(2, len(taken) + 3))) if n not in taken)
    node = Node(name, Dense(like(np.array(rows), net.parameters[0])), (last.name,))
    return replace(net, nodes=(*net.nodes, node), outputs=(node.name,))


def _combined(weight: Array, rows: list[list[int]]) -> Array:
    """Return weight (D, K) times ``rows`` (K, M), of −1, 0 and 1, without adding what is multiplied with 0."""
    columns = []
    for m in range(len(rows[0])):
        parts = [weight[:, k : k + 1] * row[m] for k, row in enumerate(rows) if row[m]]
        columns.append(sum(parts[1:], parts[0]))
    return namespace(weight).concatenate(columns, axis=1)


def of_classes(net: Network, classes: Any, *, single: bool = False) -> Network:
    """Return the network with the names of its outputs, and the note of :func:`named_classes`.

    Texts are names as they are, a number c is "class c": a number alone stands for the place of an output. Classes
    0, 1, ... in order need no names.

    Args:
        net: with a column for each class, or one alone.
        classes: as in ``classes_``; None where they are not known.
        single: whether the one column is that of the second of two classes against the first.

    Example:
        >>> import numpy as np
        >>> from lrp_ref.neuralise.chain import chain
        >>> scores = chain([("scores", Dense(np.array([[1.0, 2.0, 4.0]])))])
        >>> of_classes(scores, ["ham", "spam", "news"]).classes, of_classes(scores, [3, 5, 7]).classes
        (('ham', 'spam', 'news'), ('class 3', 'class 5', 'class 7'))
    """
    notes = named_classes(classes, single=single)
    if not notes:
        return net
    found = list(classes)
    found = found[1:] if single and len(found) == 2 else found
    names = tuple(str(c) if isinstance(c, str) else f"class {c}" for c in found)
    return replace(behind([], net, notes=notes), classes=names)


def named_classes(classes: Any, *, single: bool = False, most: int = 12) -> tuple[str, ...]:
    """Return the note that says which column is which class; none where classes are 0, 1, ... in order.

    Example:
        >>> named_classes(["ham", "spam"], single=True)
        ("the output is > 0 for class 'spam' and < 0 for class 'ham'",)
        >>> named_classes([3, 5, 7])
        ('outputs 0, 1, 2 are the classes 3, 5, 7',)
    """
    if classes is None:
        return ()
    found = [c.item() if hasattr(c, "item") else c for c in classes]
    if single and len(found) == 2:
        return (f"the output is > 0 for class {found[1]!r} and < 0 for class {found[0]!r}",)
    if found == list(range(len(found))) and not any(isinstance(c, bool) for c in found):
        return ()
    shown = found[:most]
    more = ", ..." if len(found) > most else ""
    places = ", ".join(str(k) for k in range(len(shown)))
    return (f"outputs {places}{more} are the classes {', '.join(map(repr, shown))}{more}",)
