"""Functions around torch's own for one step, to see which of them are called, and when.

Nothing else differs with them: tensors of other classes and modes of ``__torch_function__`` get
the original functions, and all attributes are as before when it is over.
"""

from __future__ import annotations

import contextlib
import sys
from _thread import get_ident
from collections.abc import Callable
from types import FrameType
from typing import Any

from rnnprof.traces.probe.caches import Caches
from rnnprof.traces.probe.compilers import before_compiling
from rnnprof.traces.probe.standins import StandIn
from rnnprof.traces.probe.ways_to_wait import CALLS, Call, Home

COMPILED = (
    "waits for the device are not told by name: the program compiles its functions, and these must not change"
)

WATCHED = "rnnprof: a call that may wait"
"""Label around such a call in the trace of a step on a CPU."""

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

        self.now = now
        torch = home.torch
        self.overridden = torch._C._has_torch_function
        """Whether some of these arguments, or a mode, have a ``__torch_function__``."""

        # On a CPU the trace is searched too, for what has no such label around it.
        record: Any = torch._C._profiler._RecordFunctionFast
        self.label: Callable[[str], Any] = record if home.device == "cpu" else contextlib.nullcontext
        """Makes a label of the trace."""

        self._home, self._counted = home, counted
        self._thread = 0
        self._undo: list[Callable[[], None]] = []
        self._unseen = torch._C.DisableTorchFunction
        self._caches = Caches(torch)

    def start(self) -> None:
        """Put the functions there."""
        self._thread, self.inside = get_ident(), False
        self._caches.note()
        for call in CALLS:
            owner = _owner(self._home.torch, call.owner)
            if owner is not None and call.concerns(self._home.device):
                self._set(call, owner)
        self._undo += before_compiling(self._compiles)

    def stop(self) -> None:
        """Put everything back but what the program has replaced since; a second call does nothing."""
        self._thread = 0
        while self._undo:
            self._undo.pop()()
        self._caches.clear()

    @property
    def running(self) -> bool:
        """Whether the functions are there."""
        return bool(self._thread)

    def way(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Which way a call waits; empty where it does not, or is not to be told."""
        if self._thread != get_ident() or self.inside:
            return ""
        try:
            # Nor does a mode of the program's see what the rule asks for.
            with self._unseen():
                return call.rule(self._home, args, kwargs)
        except Exception:
            # Odd arguments: torch says what is wrong with them.
            return ""

    def tell(self, call: Call, way: str, tensor: Any, result: Any, frame: FrameType, ns: int) -> None:
        """Pass on that a call has waited; see `Counted`."""
        with contextlib.suppress(Exception), self._unseen():
            self._counted(call, way, tensor, result, frame, ns)

    def _set(self, call: Call, owner: Any) -> None:
        if getattr(owner, call.name, None) is not None:
            one = _Waiting(self, call, owner)
            if one.put():
                self._undo.append(one.remove)

    def _compiles(self) -> None:
        """Put everything back before something is compiled."""
        if self._undo:
            self.stop()
            self.incomplete = COMPILED


class _Waiting(StandIn):
    """A stand-in that tells of the calls that wait."""

    def __init__(self, around: Intercept, call: Call, owner: Any) -> None:
        super().__init__(owner, call.name, around.overridden)
        self._around, self._call = around, call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the original, and tell of it where that waits."""
        __tracebackhide__ = True
        around = self._around
        way = around.way(self._call, args, kwargs)
        if not way:
            return self._run(args, kwargs)
        around.inside, around.heard = True, False
        began = around.now()
        try:
            with around.label(WATCHED):
                result = self._run(args, kwargs)
        finally:
            ns = around.now() - began
            around.inside = False
        around.tell(self._call, way, args[0] if args else None, result, sys._getframe(1), ns)
        return result


def _owner(torch: Any, path: str) -> Any:
    """What is at the end of a path of attributes from torch on; None if there is nothing."""
    found = torch
    for name in filter(None, path.split(".")):
        found = getattr(found, name, None)
    return found
