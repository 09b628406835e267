"""The children of torch modules as stages, inside whatever stage is open when they are called.

Models are pickled, copied and compared whole, so nothing is added to them: what is patched is
``__call__`` of their classes, and which modules are meant is remembered here, by identity.
"""

from __future__ import annotations

import functools
import sys
from _thread import get_ident
from collections.abc import Iterator
from types import MethodType
from typing import Any

from rnnprof import active
from rnnprof.instrument.backward import Divider, Place
from rnnprof.instrument.dynamo import compiling, stand_in
from rnnprof.instrument.patches import Known, Patches, underneath
from rnnprof.instrument.worth import WORTH_NS, Model

MAX_MODULES = 500
"""Modules that are watched at most; the time of others belongs to the stage around them."""


class _Child:
    """A watched module: its stage's name, and where its part of the backward pass belongs."""

    __slots__ = ("around", "model", "name", "place")

    def __init__(self, name: str, model: Model, place: Place, around: Place) -> None:
        self.name = name
        self.model = model
        self.place = place
        self.around = around


class ModuleStages:
    """Times the children of torch modules as stages named by their attribute.

    Args:
        depth: how many levels of children are opened; 0 for none.
        backward: whether the stage `backward` is divided among the same children. It is where the
            CPU computes, where the model calls its children few times in a step (see
            `worth.MAX_NODES`), and where it is worth it.
        worth_ns: how many nanoseconds a backward pass must take for each tensor that enters or
            leaves a child, for the division to be worth its cost; 0 divides always. It is decided
            from the first passes.
    """

    def __init__(self, depth: int = 1, backward: bool = True, worth_ns: int = WORTH_NS) -> None:
        self._depth = depth
        self._backward = backward
        self._worth_ns = worth_ns
        self._seen = Known()
        self._children = Known()
        self._patches = Patches()
        self._classes: set[type] = set()
        self._divider: Divider | None = None
        self._closed = depth <= 0

    def watch(self, module: Any) -> None:
        """Open a module into its children from now on. It never raises.

        Args:
            module: what is about to be called; anything else than a torch module is left alone.
        """
        if id(module) in self._seen or self._closed:
            return
        # A user's module may do anything when it is looked at: then it is not opened.
        try:
            self._meet(module)
        except Exception:
            return

    def close(self) -> None:
        """Undo everything; a second call does nothing."""
        self._closed = True
        self._patches.undo()
        self._seen.clear()
        self._children.clear()
        self._classes.clear()

    # ---- first sight ------------------------------------------------------------------------

    def _meet(self, module: Any) -> None:
        torch = sys.modules.get("torch")
        if type(module) is MethodType:
            module = module.__self__
        if torch is None or not issubclass(type(module), torch.nn.Module):
            return
        if id(module) in self._seen or len(self._seen) >= MAX_MODULES:
            return
        if self._divider is None:
            self._divider = Divider(torch, self._patches)
        self._seen.remember(module)
        model = Model(self._backward and self._divider.works, self._worth_ns)
        self._open(torch, module, self._depth, model, Place(self._divider, model, ()))

    def _open(self, torch: Any, module: Any, depth: int, model: Model, around: Place) -> None:
        for name, child in _children(torch, module):
            if id(child) in self._children or len(self._children) >= MAX_MODULES:
                continue
            place = Place(around.divider, model, (*around.path, name))
            self._children.remember(child, _Child(name, model, place, around))
            self._patch(type(child))
            # What a lazy module turns into at its first call.
            later = getattr(type(child), "cls_to_become", None)
            if later is not None:
                self._patch(later)
            if depth > 1:
                self._open(torch, child, depth - 1, model, place)

    def _patch(self, cls: type) -> None:
        if cls in self._classes or self._divider is None:
            return
        self._classes.add(cls)
        self._patches.set(cls, "__call__", _timed_call(cls, self._children, self._divider))


def _children(torch: Any, module: Any, name: str | None = None) -> Iterator[tuple[str, Any]]:
    """The children that have a stage of their own, each under its stage's name."""
    wrappers = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
    while isinstance(module, wrappers):
        module = module.module
    if _is_compiled(torch, module):
        return
    for attribute, child in module._modules.items():
        if child is None or _is_compiled(torch, child):
            continue
        if type(child).forward is torch.nn.Module.forward and "forward" not in vars(child):
            # A container, such as ModuleList: nothing calls it, only what is in it.
            yield from _children(torch, child, name or attribute)
        else:
            yield name or attribute, child


def _is_compiled(torch: Any, module: Any) -> bool:
    return (
        "_orig_mod" in module._modules
        or module._compiled_call_impl is not None
        or isinstance(module, torch.jit.ScriptModule)
    )


def _timed_call(cls: type, children: Known, divider: Divider) -> Any:
    """``__call__`` for a class of modules that times those that are watched."""
    find = children.get
    current = active.current
    owner = underneath(cls, "__call__")
    grad_enabled = sys.modules["torch"].is_grad_enabled
    callback = compiling()

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        child = find(id(self))
        if child is None or callback() is not None:
            return owner.__call__(self, *args, **kwargs)
        profile = current()
        track = None if profile is None else profile.track
        # Not in a control step either: there, only the step's root is current.
        if track is None or (stage := track.current) is None or stage.parent is None:
            return owner.__call__(self, *args, **kwargs)
        if get_ident() != track.owner:
            return owner.__call__(self, *args, **kwargs)
        noted = child.model.divided and track.journaling and divider.base is None and grad_enabled()
        if noted:
            first = divider.before(child.around, args, kwargs)
        with track.stage(child.name):
            result = owner.__call__(self, *args, **kwargs)
        if noted:
            divider.after(child.place, result, first)
        return result

    return stand_in(functools.wraps(owner.__call__)(__call__), owner.__call__)
