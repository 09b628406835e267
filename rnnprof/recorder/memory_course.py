"""The memory over the training: a few points in bounded space, taken between two steps."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from time import perf_counter_ns
from typing import Any

from rnnprof.recorder.resident import RESIDENT, Resident
from rnnprof.vitals import MOST_POINTS, MemoryCourse

SPARING = 1000
"""Looking takes at most one part in so many of the time."""
ACCELERATORS = ("cuda", "xpu")
"""Modules of torch that tell what it has allocated on a device, without starting it."""


class Courses:
    """Looks at the memories now and then, ever more seldom.

    Args:
        statm: where the system tells the process's size.
        now: the clock that limits what looking may take, in nanoseconds.
    """

    def __init__(self, statm: str = "/proc/self/statm", now: Callable[[], int] = perf_counter_ns) -> None:
        self._now = now
        self._points: list[tuple[int, dict[str, int]]] = []
        self._every = 1
        self._next_step = self._next_ns = 0
        self._took: int | None = None
        self._statm = statm

    def look(self, step: int) -> None:
        """Take a point, if it is time for one.

        Args:
            step: how many training steps are done.
        """
        if step < self._next_step:
            return
        began = self._now()
        if began < self._next_ns:
            return
        self._points.append((step, self._sizes()))
        if len(self._points) >= MOST_POINTS:
            del self._points[1::2]
            self._every *= 2
        self._next_step = self._points[-1][0] + self._every
        ended = self._now()
        took = ended - began
        # One look may take long by chance, such as where the thread lost its core meanwhile.
        self._took = took if self._took is None else min(took, 2 * self._took)
        self._next_ns = ended + SPARING * self._took

    def _sizes(self) -> dict[str, int]:
        sizes = {}
        with suppress(OSError, ValueError, IndexError):
            # Not kept open: a program may close all files that it finds open, and open others.
            resident = Resident(self._statm)
            try:
                sizes[RESIDENT] = resident.read()
            finally:
                resident.close()
        sizes.update(allocated(sys.modules.get("torch")))
        return sizes

    def found(self) -> tuple[MemoryCourse, ...]:
        """The courses so far."""
        points = self._points.copy()
        places = dict.fromkeys(place for _, sizes in points for place in sizes)
        return tuple(_course(place, points) for place in places)


def _course(place: str, points: list[tuple[int, dict[str, int]]]) -> MemoryCourse:
    there = [(step, sizes[place]) for step, sizes in points if place in sizes]
    return MemoryCourse(place, tuple(step for step, _ in there), tuple(size for _, size in there))


def allocated(torch: Any) -> Mapping[str, int]:
    """What torch has allocated on the devices that it has started, in bytes.

    Args:
        torch: the module; None where the program has not imported it.

    Returns:
        Bytes by the device's name, such as ``cuda:0``; devices without any are left out.
    """
    found: dict[str, int] = {}
    for name in ACCELERATORS:
        # Of a torch that is half imported, or a device that has died, there is nothing to be told.
        with suppress(Exception):
            found.update(_of(name, getattr(torch, name, None)))
    return found


def _of(name: str, module: Any) -> Iterator[tuple[str, int]]:
    if module is None or not module.is_initialized():
        return
    for index in range(module.device_count()):
        size = int(module.memory_allocated(index))
        if size > 0:
            yield f"{name}:{index}", size
