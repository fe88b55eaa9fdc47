"""lrp_ref: the reference implementation of Layer-wise Relevance Propagation.

    import lrp_ref as lrp
    net = lrp.load("model.onnx")
    e = lrp.explain(net, x, composite="epsilon_plus_flat")
    e.relevance, e.ledger

Importing it loads NumPy and no other third-party package.
"""

from . import arithmetic, composites, edits, errors, heatmap, layers, rules, start, taylor
from .canonize import canonize
from .composites import Composite, first, order
from .errors import LrpError
from .explain import Explanation, explain, load_relevance
from .loaders import load, save
from .messages import MessageTable, messages
from .network import Input, Network, Node
from .rule import Group, Redistribution, Rule, Run
from .taylor import RootPoint, root_point
from .trace import Ledger, Row, Trace, TraceDiff

__version__ = "0.1.0"

__all__ = [
    "Composite", "Explanation", "Group", "Input", "Ledger", "LrpError", "MessageTable", "Network", "Node",
    "Redistribution", "RootPoint", "Row", "Rule", "Run", "Trace", "TraceDiff", "arithmetic", "canonize", "composites",
    "edits", "errors", "explain", "first", "heatmap", "layers", "load", "load_relevance", "messages", "order",
    "root_point", "rules", "save", "start", "taylor",
]  # fmt: skip
