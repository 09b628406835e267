"""Warnings while the probe looks: CUDA's are counted, all others are shown as without rnnprof.

`torch.cuda.set_sync_debug_mode("warn")` has each call that waits end with a UserWarning, on the
thread that waited (``c10/cuda/CUDAFunctions.cpp``: ``warn_or_error_on_sync``).

A warning takes its place from the frame that Python is in, and that may be one of the functions
that the probe puts around torch's: then it is given again for the line that called it, through the
program's own filters. Filters are put in front of the program's list itself and taken out of it
again, without `warnings._filters_mutated`: nothing forgets which warnings were already shown.
"""

from __future__ import annotations

import contextlib
import re
import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

SYNC = "called a synchronizing CUDA operation"
PROTOTYPE = "Synchronization debug mode is a prototype"


class Warned:
    """Sees all warnings of a step before the program does.

    Args:
        wrapper: file of the functions that are put around torch's.
        module: name of its module.
        outside: finds the frame that called such a function.
        caught: told of each call that waited, with the frame it was in.
    """

    def __init__(
        self,
        wrapper: str,
        module: str,
        outside: Callable[[FrameType | None], FrameType | None],
        caught: Callable[[FrameType], None],
    ) -> None:
        self._wrapper, self._outside, self._caught = wrapper, outside, caught
        self._module = re.compile(re.escape(module) + r"\Z")
        self._entries: list[tuple[Any, ...]] = []
        self._debugging = False
        self._lists: list[Any] = []
        self._before: Any = None
        self._stand_in: Any = None

    def start(self, debugging: bool) -> None:
        """Begin to see them.

        Args:
            debugging: whether CUDA's debug mode is about to be set, so that its warnings are not the
                program's.
        """
        module: Any = warnings
        self._debugging = debugging
        self._entries = [("always", None, Warning, self._module, 0)]
        if debugging:
            self._entries.append(("always", re.compile(f"{SYNC}|{PROTOTYPE}"), Warning, None, 0))
        self._before, self._stand_in = module._showwarnmsg, self._show
        module._showwarnmsg = self._stand_in
        self._lists = [warnings.filters]
        module.filters[:0] = self._entries

    def stop(self) -> None:
        """Put everything back; a second call does nothing."""
        module: Any = warnings
        # Where a `catch_warnings` is open, the list in use is a copy.
        for filters in (*self._lists, module.filters) if self._lists else ():
            kept = [one for one in filters if not any(one is entry for entry in self._entries)]
            if len(kept) != len(filters):
                filters[:] = kept
        self._lists = []
        if self._stand_in is not None and module._showwarnmsg is self._stand_in:
            module._showwarnmsg = self._before
        self._before = self._stand_in = None

    def _show(self, message: Any) -> Any:
        """In the place of `warnings._showwarnmsg`, which Python calls for what is to be shown."""
        __tracebackhide__ = True
        frame = sys._getframe(1)
        said = str(message.message)
        if self._debugging and said.startswith((SYNC, PROTOTYPE)):
            _tidy(frame)
            if said.startswith(SYNC):
                with contextlib.suppress(Exception):
                    self._caught(frame)
            return None
        if message.filename != self._wrapper:
            return (self._before or _shown)(message)
        caller = self._outside(_within(frame, self._wrapper))
        if caller is None:
            return (self._before or _shown)(message)
        names = caller.f_globals
        return warnings.warn_explicit(
            message.message,
            message.category,
            caller.f_code.co_filename,
            caller.f_lineno,
            names.get("__name__") or "<string>",
            names.setdefault("__warningregistry__", {}),
            None,
            message.source,
        )


def _shown(message: Any) -> None:
    """What is called late, by another thread that was about to."""
    module: Any = warnings
    module._showwarnmsg(message)


def _within(frame: FrameType | None, file: str) -> FrameType | None:
    """The frame of that file around a frame, or the frame itself."""
    while frame is not None and frame.f_code.co_filename != file:
        frame = frame.f_back
    return frame


def _tidy(frame: FrameType) -> None:
    """Remove the registry that Python has just made for a warning that nobody is to see."""
    registry = frame.f_globals.get("__warningregistry__")
    if isinstance(registry, dict) and set(registry) <= {"version"}:
        frame.f_globals.pop("__warningregistry__", None)
