"""Functions around torch's own for one step, to see which of them are called, and when.

Nothing else differs with them: tensors of other classes and modes of ``__torch_function__`` get
the original functions, and all attributes are as before when it is over.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from _thread import get_ident
from collections.abc import Callable
from types import FrameType
from typing import Any

from rnnprof.traces.probe.slots import Slots
from rnnprof.traces.probe.ways_to_wait import CALLS, INDEXING, Call, Home

_ABSENT = object()

COMPILERS = (
    ("torch", "compile"),
    ("torch._dynamo", "optimize"),
    ("torch.jit", "script"),
    ("torch.export", "export"),
)
"""What compiles Python code by looking at the functions that it calls: module and name."""
COMPILED = (
    "waits for the device are not told by name: the program compiles its functions, and these must not change"
)

Counted = Callable[[Call, str, Any, Any, FrameType, int], None]
"""Called after a call that its rule says waits: with the call, the key of its way, its first
argument, its result, the frame that made it, and its time in ns."""


class Intercept:
    """Stands around the functions that may wait. One thread is watched: the one that starts it.

    A call within another one that waits is the other one's: `print(loss)` is no `item`.

    Args:
        home: where tensors live.
        counted: told of each call that waits.
        now: reads the host's clock, in ns.
    """

    def __init__(self, home: Home, counted: Counted, now: Callable[[], int]) -> None:
        self.inside = False
        """Whether such a call is running."""

        self.heard = False
        """Set by others: whether CUDA has reported a wait in it."""

        self.incomplete = ""
        """Why some of them are not seen; empty if all are."""

        self._home, self._counted, self._now = home, counted, now
        self._thread = 0
        self._done: list[tuple[Any, str, Any, Any]] = []
        self._slots: Slots | None = None
        torch = home.torch
        self._overridden = torch._C._has_torch_function

    def start(self) -> None:
        """Put the functions there."""
        self._thread, self.inside = get_ident(), False
        tensor = self._home.torch.Tensor
        try:
            self._slots = Slots(tensor, self._home.torch.empty(0))
        except RuntimeError as error:
            self.incomplete = f"indexing with masks is not seen: {error}"
        for call in CALLS:
            owner = _owner(self._home.torch, call.owner)
            if owner is None or (call.name in INDEXING and call.owner == "Tensor" and self._slots is None):
                continue
            self._set(call, owner)
        for module, name in COMPILERS:
            self._set_before(sys.modules.get(module), name)

    def stop(self) -> None:
        """Put everything back but what the program has replaced since; a second call does nothing."""
        self._thread = 0
        while self._done:
            owner, name, before, put = self._done.pop()
            if vars(owner).get(name, _ABSENT) is put:
                _put(owner, name, before)
        if self._slots is not None:
            slots, self._slots = self._slots, None
            slots.keep()

    def _set(self, call: Call, owner: Any) -> None:
        original = getattr(owner, call.name, None)
        if original is None:
            return
        before = vars(owner).get(call.name, _ABSENT)
        put = self._stand_in(call, owner, original, before)
        try:
            setattr(owner, call.name, put)
        except TypeError:
            # A class written in C, which cannot be changed.
            return
        self._done.append((owner, call.name, before, put))
        self._keep(call)

    def _set_before(self, module: Any, name: str) -> None:
        """Put everything back before something is compiled."""
        original = vars(module).get(name) if module is not None else None
        if original is None:
            return

        def stand_in(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            if self._done:
                self.stop()
                self.incomplete = COMPILED
            return original(*args, **kwargs)

        functools.update_wrapper(stand_in, original)
        stand_in._torchdynamo_inline = original  # type: ignore[attr-defined]
        setattr(module, name, stand_in)
        self._done.append((module, name, original, stand_in))

    def _keep(self, call: Call) -> None:
        if self._slots is not None and call.name in INDEXING:
            self._slots.keep()

    def _stand_in(self, call: Call, owner: Any, original: Any, before: Any) -> Any:
        rule, home, now, method = call.rule, self._home, self._now, call.owner == "Tensor"

        def stand_in(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            if self._thread != get_ident() or self.inside:
                return run(args, kwargs)
            try:
                way = rule(home, args, kwargs)
            except Exception:
                # Odd arguments: torch says what is wrong with them.
                way = ""
            if not way:
                return run(args, kwargs)
            self.inside, self.heard = True, False
            began = now()
            try:
                result = run(args, kwargs)
            finally:
                ns = now() - began
                self.inside = False
            with contextlib.suppress(Exception):
                self._counted(call, way, args[0] if args else None, result, sys._getframe(1), ns)
            return result

        def run(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            __tracebackhide__ = True
            if not method or not self._overridden((*args, *kwargs.values())):
                return original(*args, **kwargs)
            # A `__torch_function__` is given what `torch.Tensor` has by this name: the original.
            if vars(owner).get(call.name, _ABSENT) is not stand_in:
                return original(*args, **kwargs)
            _put(owner, call.name, before)
            self._keep(call)
            try:
                return original(*args, **kwargs)
            finally:
                if self._thread and vars(owner).get(call.name, _ABSENT) is before:
                    setattr(owner, call.name, stand_in)
                    self._keep(call)

        functools.update_wrapper(stand_in, original)
        # Dynamo follows it to the original.
        stand_in._torchdynamo_inline = original  # type: ignore[attr-defined]
        return stand_in


def _owner(torch: Any, path: str) -> Any:
    """What is at the end of a path of attributes from torch on; None if there is nothing."""
    found = torch
    for name in filter(None, path.split(".")):
        found = getattr(found, name, None)
    return found


def _put(owner: Any, name: str, before: Any) -> None:
    if before is _ABSENT:
        delattr(owner, name)
    else:
        setattr(owner, name, before)
