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
    from . import (
        bilrp,
        dialects,
        evaluate,
        heatmap,
        layers,
        loaders,
        methods,
        neuralise,
        pages,
        peers,
        rules,
        scale,
        spray,
        text,
        units,
        vectors,
    )
    from . import exact as certificate
    from .bilrp import PairExplanation, explain_pair
    from .dialects import Dialect, dialect
    from .exact import Certificate, certify
    from .export.compiling import Compiled, compile  # noqa: A004
    from .export.exporting import Exported, export_onnx
    from .loaders import load, save
    from .methods import Attribution, attribute, concept_relevance
    from .network import Input, Network, Node
    from .network.canonization import canonize
    from .network.joining import join
    from .peers.crosscheck import Crosscheck, crosscheck
    from .peers.recording import record
    from .propagation import composites, plain, start
    from .propagation.differences import TraceDiff
    from .propagation.explaining import explain
    from .propagation.explanation import Explanation, load_relevance
    from .propagation.ledger import Ledger, Row
    from .propagation.plan import Composite, first, order
    from .propagation.trace import Trace
    from .rules import edits
    from .rules.rule import Group, Redistribution, Rule, Run
    from .teach import exercises, taylor
    from .teach.formulas import Formulas, symbolic
    from .teach.message_tables import MessageTable, messages
    from .teach.taylor import RootPoint, root_point
else:
    # The same once more, for Python. No folder has the name of a function, so whichever is imported first, a name means
    # one thing (importing a folder puts it into the package under the folder's name).
    _MODULES = {
        "bilrp": "bilrp",
        "certificate": "exact",
        "composites": "propagation.composites",
        "dialects": "dialects",
        "edits": "rules.edits",
        "evaluate": "evaluate",
        "exercises": "teach.exercises",
        "heatmap": "heatmap",
        "layers": "layers",
        "loaders": "loaders",
        "methods": "methods",
        "neuralise": "neuralise",
        "pages": "pages",
        "peers": "peers",
        "plain": "propagation.plain",
        "rules": "rules",
        "scale": "scale",
        "spray": "spray",
        "start": "propagation.start",
        "taylor": "teach.taylor",
        "text": "text",
        "units": "units",
        "vectors": "vectors",
    }
    _NAMES = {
        "bilrp": ("PairExplanation", "explain_pair"),
        "dialects": ("Dialect", "dialect"),
        "exact": ("Certificate", "certify"),
        "export.compiling": ("Compiled", "compile"),
        "export.exporting": ("Exported", "export_onnx"),
        "loaders": ("load", "save"),
        "methods": ("Attribution", "attribute", "concept_relevance"),
        "network": ("Input", "Network", "Node"),
        "network.canonization": ("canonize",),
        "network.joining": ("join",),
        "peers.crosscheck": ("Crosscheck", "crosscheck"),
        "peers.recording": ("record",),
        "propagation.differences": ("TraceDiff",),
        "propagation.explaining": ("explain",),
        "propagation.explanation": ("Explanation", "load_relevance"),
        "propagation.ledger": ("Ledger", "Row"),
        "propagation.plan": ("Composite", "first", "order"),
        "propagation.trace": ("Trace",),
        "rules.rule": ("Group", "Redistribution", "Rule", "Run"),
        "teach.formulas": ("Formulas", "symbolic"),
        "teach.message_tables": ("MessageTable", "messages"),
        "teach.taylor": ("RootPoint", "root_point"),
    }
    _WHERE = {name: module for module, names in _NAMES.items() for name in names}

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            module = globals()[name] = import_module(f"{__name__}.{_MODULES[name]}")
            return module
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
    "Attribution", "Certificate", "Compiled", "Composite", "Crosscheck", "Dialect", "Explanation", "Exported",
    "Formulas", "Group", "Input", "Ledger", "LrpError", "MessageTable", "Network", "Node", "PairExplanation",
    "Redistribution", "RootPoint", "Row", "Rule", "Run", "Trace", "TraceDiff", "arithmetic", "attribute", "bilrp",
    "canonize", "certificate", "certify", "compile", "composites", "concept_relevance", "crosscheck", "dialect",
    "dialects", "edits", "errors", "evaluate", "exercises", "explain", "explain_pair", "export_onnx", "first",
    "heatmap", "join", "layers", "load", "load_relevance", "loaders", "messages", "methods", "neuralise", "order",
    "pages", "peers", "plain", "record", "root_point", "rules", "save", "scale", "spray", "start", "symbolic", "taylor",
    "text", "units", "vectors",
]  # fmt: skip
