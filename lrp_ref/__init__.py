"""lrp_ref: the reference implementation of Layer-wise Relevance Propagation.

    import lrp_ref as lrp
    net = lrp.load("model.onnx")
    e = lrp.explain(net, x, composite="epsilon_plus_flat")
    e.relevance, e.ledger

Importing it loads NumPy and no other third-party package. A name below is imported when it is first asked for, so that
a program waits for what it uses only.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import arithmetic, errors
from .errors import LrpError

if TYPE_CHECKING:
    from . import certificate, composites, edits, heatmap, layers, loaders, rules, start, taylor, vectors
    from .canonization import canonize
    from .certificate import Certificate, certify
    from .composites import Composite, first, order
    from .explaining import explain
    from .explanation import Explanation, load_relevance
    from .formulas import Formulas, symbolic
    from .inputs import Input
    from .loaders import load, save
    from .message_tables import MessageTable, messages
    from .network import Network, Node
    from .rule import Group, Redistribution, Rule, Run
    from .taylor import RootPoint, root_point
    from .trace import Ledger, Row, Trace, TraceDiff
else:
    # The same once more, for Python: no file has the name of a function, so whichever is imported first, a name means
    # one thing (importing a file puts it into the package under the file's name).
    _FILES = (
        "certificate", "composites", "edits", "heatmap", "layers", "loaders", "rules", "start", "taylor", "vectors",
    )  # fmt: skip
    _NAMES = {
        "canonization": ("canonize",),
        "certificate": ("Certificate", "certify"),
        "composites": ("Composite", "first", "order"),
        "explaining": ("explain",),
        "explanation": ("Explanation", "load_relevance"),
        "formulas": ("Formulas", "symbolic"),
        "inputs": ("Input",),
        "loaders": ("load", "save"),
        "message_tables": ("MessageTable", "messages"),
        "network": ("Network", "Node"),
        "rule": ("Group", "Redistribution", "Rule", "Run"),
        "taylor": ("RootPoint", "root_point"),
        "trace": ("Ledger", "Row", "Trace", "TraceDiff"),
    }
    _WHERE = {name: file for file, names in _NAMES.items() for name in names}

    def __getattr__(name: str) -> Any:
        if name in _FILES:
            return import_module(f"{__name__}.{name}")
        if name not in _WHERE:
            # With name and obj, Python suggests the nearest name that there is.
            raise AttributeError(
                f"module '{__name__}' has no attribute '{name}'", name=name, obj=import_module(__name__)
            )
        value = globals()[name] = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__version__ = "0.1.0"

__all__ = [
    "Certificate", "Composite", "Explanation", "Formulas", "Group", "Input", "Ledger", "LrpError", "MessageTable",
    "Network", "Node", "Redistribution", "RootPoint", "Row", "Rule", "Run", "Trace", "TraceDiff", "arithmetic",
    "canonize", "certificate", "certify", "composites", "edits", "errors", "explain", "first", "heatmap", "layers",
    "load", "load_relevance", "loaders", "messages", "order", "root_point", "rules", "save", "start", "symbolic",
    "taylor", "vectors",
]  # fmt: skip
