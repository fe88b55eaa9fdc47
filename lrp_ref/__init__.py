"""lrp_ref: the reference implementation of Layer-wise Relevance Propagation.

    import lrp_ref as lrp
    net = lrp.load("model.onnx")
    e = lrp.explain(net, x, composite="epsilon_plus_flat")
    e.relevance, e.ledger

Importing it loads NumPy and no other third-party package.
"""

from typing import TYPE_CHECKING, Any

from . import arithmetic, composites, edits, errors, layers, rules, start
from .canonization import canonize
from .composites import Composite, first, order
from .errors import LrpError
from .explanation import Explanation, explain, load_relevance
from .network import Input, Network, Node
from .rule import Group, Redistribution, Rule, Run
from .trace import Ledger, Row, Trace, TraceDiff

if TYPE_CHECKING:
    from . import heatmap, loaders, taylor, vectors
    from .certificate import Certificate, certify
    from .formulas import Formulas, symbolic
    from .loaders import load, save
    from .message_tables import MessageTable, messages
    from .taylor import RootPoint, root_point
else:
    _LATER = {  # what few programs need is imported when it is asked for: name → module
        "heatmap": "heatmap", "loaders": "loaders", "taylor": "taylor", "vectors": "vectors",
        "Certificate": "certificate", "certify": "certificate", "Formulas": "formulas", "symbolic": "formulas",
        "load": "loaders", "save": "loaders", "MessageTable": "message_tables", "messages": "message_tables",
        "RootPoint": "taylor", "root_point": "taylor",
    }  # fmt: skip

    def __getattr__(name: str) -> Any:
        import importlib

        if name not in _LATER:
            raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
        module = importlib.import_module(f"{__name__}.{_LATER[name]}")
        return module if name == _LATER[name] else getattr(module, name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__version__ = "0.1.0"

__all__ = [
    "Certificate", "Composite", "Explanation", "Formulas", "Group", "Input", "Ledger", "LrpError", "MessageTable",
    "Network", "Node", "Redistribution", "RootPoint", "Row", "Rule", "Run", "Trace", "TraceDiff", "arithmetic",
    "canonize", "certify", "composites", "edits", "errors", "explain", "first", "heatmap", "layers", "load",
    "load_relevance", "loaders", "messages", "order", "root_point", "rules", "save", "start", "symbolic", "taylor",
    "vectors",
]  # fmt: skip
