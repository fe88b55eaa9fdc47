"""A torch model of the user's own with a place behind every module, while a program explains it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from ..errors import ParameterError
from .torch_functions import functions
from .torch_places import Places
from .torch_state import unchanged


@contextmanager
def watched(model: Any, *inputs: Any) -> Iterator[Places]:
    """Record what every module of a model makes while the body runs; then model and inputs are as they were.

    Names are the modules' ("features.0"), in the order in which they run; a module that runs again in the same pass is
    ``name#2``; further tensors of a tuple are ``name:1``. What a module with children computes between them has the
    name of the function: ``blocks.0.add()`` for a sum written as ``+``. What it returns has an entry of its own where
    it is none of these; that of the whole model is "output". Inputs are "input", further ones ``input#2``, those given
    by keyword have its name.

    Args:
        model: a ``torch.nn.Module``.
        inputs: tensors that the model is given.

    Raises:
        ParameterError: no torch module.
    """
    import torch

    if not isinstance(model, torch.nn.Module):
        raise ParameterError(f"record: the model is a {type(model).__name__}, not a torch.nn.Module")
    watch = _Watch(model)
    with unchanged(model, *inputs):
        try:
            watch.follow_all()
            with functions(watch.computed):
                yield watch.places
        finally:
            watch.hooks.close()


class _Watch:
    """The hooks of one recording."""

    def __init__(self, model: Any) -> None:
        self.model, self.places, self.hooks = model, Places(), ExitStack()
        self.used, self.followed = Counter[str](), set[int]()
        self.running: list[tuple[str, Any]] = []  # modules that run, the innermost last, by their names

    def follow_all(self) -> None:
        """Follow the model, and all of its modules that are not followed yet: a canonizer may have added some."""
        if not self.followed:
            self.hooks.callback(self.model.register_forward_pre_hook(self.start, with_kwargs=True).remove)
        for name, module in self.model.named_modules():
            if id(module) not in self.followed:
                self.followed.add(id(module))
                self.follow(name, module)

    def start(self, model: Any, given: tuple[Any, ...], by_keyword: dict[str, Any]) -> Any:
        """Put places behind the inputs of a new pass."""
        self.used.clear()
        self.running.clear()
        self.follow_all()
        named = {key: self.put(key, value) for key, value in by_keyword.items()}
        return tuple(self.put("input", value) for value in given), named

    def follow(self, name: str, module: Any) -> None:
        """See a module's output after all other forward hooks, those registered later included."""
        last: list[Any] = []

        def forget() -> None:
            while last:
                last.pop().remove()

        def before(module: Any, given: Any) -> None:
            forget()  # registered again, it is the last one
            last.append(module.register_forward_hook(partial(self.ended, name)))
            self.running.append((name, module))

        self.hooks.callback(forget)
        self.hooks.callback(module.register_forward_pre_hook(before).remove)

    def ended(self, name: str, module: Any, given: Any, out: Any) -> Any:
        """Return what a module made, behind places."""
        try:
            return self.made(name, module, out)
        finally:
            self.running.pop()

    def computed(self, function: str, made: Any) -> Any:
        """Return what a function made, behind a place if a module with children called it, or a model without any."""
        name, module = self.running[-1] if self.running else ("", None)
        if module is None or not (_has_children(module) or (module is self.model and not _of_torch(module))):
            return made
        return self.put(f"{name}.{function}()".lstrip("."), made)

    def made(self, name: str, module: Any, out: Any) -> Any:
        """Return what a module made, behind places."""
        import torch

        several = isinstance(out, tuple | list)
        parts = list(out) if several else [out]
        whole = _has_children(module) or module is self.model
        if not parts or (whole and parts[0] is self.places.newest):
            return out  # what has a place already
        own = self.name(name or "output")
        for k, part in enumerate(parts):
            if isinstance(part, torch.Tensor):
                parts[k] = self.places.put(f"{own}:{k}" if k else own, part)
        if not several:
            return parts[0]
        return type(out)(*parts) if hasattr(out, "_fields") else type(out)(parts)

    def put(self, name: str, value: Any) -> Any:
        """Return a value behind a place, if it is a tensor."""
        import torch

        return self.places.put(self.name(name), value) if isinstance(value, torch.Tensor) else value

    def name(self, name: str) -> str:
        """Return the name of one more use."""
        self.used[name] += 1
        return name if self.used[name] == 1 else f"{name}#{self.used[name]}"


def _has_children(module: Any) -> bool:
    return next(iter(module.children()), None) is not None


def _of_torch(module: Any) -> bool:
    return type(module).__module__.startswith("torch.nn.")
