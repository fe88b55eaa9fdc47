"""A torch model is left as it was found: its numbers, gradients, flags, hooks and attributes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_HOLDERS = (dict, OrderedDict, list, set)  # what a module keeps hooks, parameters and the like in


@contextmanager
def unchanged(model: Any, *inputs: Any) -> Iterator[None]:
    """Give a model and its inputs back as they were when the body ends, in whatever way.

    It keeps a copy of all numbers of the model meanwhile. Gradients are put aside, so that nothing is added to them.

    Args:
        model: a ``torch.nn.Module``.
        inputs: tensors; what is none is left alone.
    """
    import torch

    modules = [(module, _attributes(module)) for module in model.modules()]
    given = [t for t in inputs if isinstance(t, torch.Tensor)]
    tensors = [_Tensor.of(t) for t in (*model.parameters(), *model.buffers(), *given)]
    try:
        yield
    finally:
        for module, attributes in modules:
            _give_back(module, attributes)
        for found in tensors:
            found.give_back()


@dataclass(frozen=True)
class _Tensor:
    """A tensor as it was: its memory, what stood there, and what is said of its gradient."""

    tensor: Any
    memory: Any
    numbers: Any
    asks: bool
    gradient: Any

    @classmethod
    def of(cls, tensor: Any) -> _Tensor:
        gradient = tensor.grad if tensor.is_leaf else None
        found = cls(tensor, tensor.data, tensor.detach().clone(), tensor.requires_grad, gradient)
        if gradient is not None:
            tensor.grad = None  # or a walk back would add to the kept one
        return found

    def give_back(self) -> None:
        import torch

        with torch.no_grad():
            same = self.tensor.dtype == self.memory.dtype and self.tensor.data_ptr() == self.memory.data_ptr()
            if not same or self.tensor.shape != self.memory.shape:
                self.tensor.data = self.memory
            if not torch.equal(self.memory, self.numbers):
                self.memory.copy_(self.numbers)
        if self.tensor.is_leaf:
            if self.tensor.requires_grad != self.asks:
                self.tensor.requires_grad_(self.asks)
            self.tensor.grad = self.gradient


def _attributes(module: Any) -> dict[str, tuple[Any, Any]]:
    """Return what a module has under each name, and a copy of what it holds if it is a collection."""
    return {name: (v, v.copy() if type(v) in _HOLDERS else None) for name, v in vars(module).items()}


def _give_back(module: Any, attributes: dict[str, tuple[Any, Any]]) -> None:
    own = vars(module)  # past __setattr__, which sorts parameters and modules into collections
    for name in set(own) - set(attributes):
        del own[name]
    for name, (value, held) in attributes.items():
        own[name] = value
        if isinstance(held, list):
            value[:] = held
        elif held is not None:
            value.clear()
            value.update(held)
