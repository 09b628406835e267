"""Python's garbage collection inside steps: a callback in ``gc.callbacks`` while the training is recorded."""

from __future__ import annotations

import gc
from importlib import import_module
from typing import Any

from rnnprof import marks
from rnnprof.stages import MEASURED
from rnnprof.vitals import Pauses

COUNTED = (*MEASURED, "control")
"""Kinds of step whose collections count: those that nothing looks into, after the warmup."""


class Collecting:
    """Counts the collections in steps of one lane, on the thread that calls `start`.

    The callback is compiled (`_pauses.c`): one in Python would take the program's Ctrl-C.
    """

    def __init__(self) -> None:
        self._roots: set[Any] = set()
        self._known = 0
        self._callback: Any = None
        # The program may give `gc.callbacks` another list.
        self._among: list[Any] = []
        self._found: list[tuple[int, int, int, int]] | None = None

    def start(self, lane: Any) -> None:
        """Begin to count.

        Args:
            lane: the state of the lane; its track is this thread's.
        """
        if not marks.NATIVE:
            return
        try:
            compiled: Any = import_module("rnnprof._pauses")
        except ImportError:
            return
        self._callback = compiled.Collections(lane.track, lane, self._roots)
        self._among = gc.callbacks
        self._among.append(self._callback)

    def meet(self, roots: dict[str, Any]) -> None:
        """Take note of the lane's roots, by the kind of their steps."""
        if len(roots) != self._known:
            self._known = len(roots)
            self._roots.update(root for kind, root in roots.items() if kind in COUNTED)

    def found(self) -> tuple[Pauses, ...] | None:
        """What has been counted; None where nothing could be."""
        rows = self._found if self._callback is None else self._callback.found()
        return None if rows is None else tuple(Pauses(*row) for row in rows)

    def stop(self) -> None:
        """Take the callback out, and no other; a second call does nothing."""
        callback, self._callback = self._callback, None
        if callback is None:
            return
        self._found = callback.found()
        # By identity: another callback's `__eq__` is the program's.
        for at, one in enumerate(self._among):
            if one is callback:
                del self._among[at]
                break
        callback.forget()
        self._among, self._roots = [], set()
