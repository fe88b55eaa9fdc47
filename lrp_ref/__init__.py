"""lrp_ref: the reference implementation of Layer-wise Relevance Propagation.

    import lrp_ref as lrp
    net = lrp.load("model.onnx")
    e = lrp.explain(net, x, composite="epsilon_plus_flat")
    e.relevance, e.ledger

Importing it loads NumPy and no other third-party package.
"""

from typing import TYPE_CHECKING, Any

from . import arithmetic, composites, edits, errors, heatmap, layers, rules, start, taylor
from .canonize import canonize
from .certificate import Certificate, certify
from .composites import Composite, first, order
from .errors import LrpError
from .explain import Explanation, explain, load_relevance
from .formulas import Formulas, symbolic
from .loaders import load, save
from .messages import MessageTable, messages
from .network import Input, Network, Node
from .rule import Group, Redistribution, Rule, Run
from .taylor import RootPoint, root_point
from .trace import Ledger, Row, Trace, TraceDiff

if TYPE_CHECKING:
    from . import vectors
else:

    def __getattr__(name: str) -> Any:
        """Import the conformance vectors when they are asked for, so that they cost nothing else."""
        import importlib

        if name != "vectors":
            raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
        return importlib.import_module(f"{__name__}.vectors")


__version__ = "0.1.0"

__all__ = [
    "Certificate", "Composite", "Explanation", "Formulas", "Group", "Input", "Ledger", "LrpError", "MessageTable",
    "Network", "Node", "Redistribution", "RootPoint", "Row", "Rule", "Run", "Trace", "TraceDiff", "arithmetic",
    "canonize", "certify", "composites", "edits", "errors", "explain", "first", "heatmap", "layers", "load",
    "load_relevance", "messages", "order", "root_point", "rules", "save", "start", "symbolic", "taylor",
    "vectors",
]  # fmt: skip
