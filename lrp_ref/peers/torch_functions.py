"""What a torch model computes between its modules: sums written as ``+``, functions, parts and shapes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any


def functions(seen: Callable[[str, Any], Any]) -> Any:
    """Return a context in which ``seen`` gets name and result of each function of torch, and gives what is returned.

    It gets what a function made: one tensor of floats that takes a gradient, and no input that comes back unchanged.
    """
    return _mode()(seen)


@cache
def _mode() -> Any:
    import torch
    from torch.overrides import TorchFunctionMode

    class Functions(TorchFunctionMode):
        def __init__(self, seen: Callable[[str, Any], Any]) -> None:
            super().__init__()
            self.seen = seen

        def __torch_function__(self, function: Any, types: Any, given: Any = (), named: Any = None) -> Any:
            versions = {id(x): x._version for x in given if isinstance(x, torch.Tensor) and not x.is_inference()}
            made = function(*given, **(named or {}))
            name = getattr(function, "__name__", "")
            if not isinstance(made, torch.Tensor) or not made.requires_grad or name == "__get__":
                return made
            unchanged = not made.is_inference() and versions.get(id(made)) == made._version
            return made if unchanged else self.seen(_plain(name), made)

    return Functions


def _plain(name: str) -> str:
    """Return the name of a function as one says it.

    Example:
        >>> [_plain(name) for name in ("relu", "relu_", "__iadd__", "__radd__", "__getitem__", "isqrt")]
        ['relu', 'relu', 'add', 'add', 'getitem', 'isqrt']
    """
    bare = name.strip("_")
    operators = ("add", "sub", "mul", "div", "truediv", "matmul", "pow")
    return bare[1:] if name.startswith("__") and bare[:1] in ("i", "r") and bare[1:] in operators else bare
