"""A stream of the simulated accelerator: its kernels run one after the other, on its own timeline.

Every kernel's duration is known when it is launched, so the moment at which it ends is known then
as well: the device needs no simulation in steps, and all times are exact integers.
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

NEVER = 10**30
"""A moment that does not come, in nanoseconds: longer than the universe has been."""


class Kernel(NamedTuple):
    """When a kernel runs on the device, in nanoseconds of the host's clock.

    Args:
        begins: when it begins.
        ends: when it ends; `NEVER` or later for one that never does.
    """

    begins: int
    ends: int


class FakeStream:
    """A queue of kernels on one device; make one with `FakeDevice.stream`.

    Args:
        index: the number of its device.
        queue: how many unfinished kernels it holds before a launch waits; None for any number.
    """

    def __init__(self, index: int, queue: int | None = None) -> None:
        self.index = index
        self.idle_at = 0
        """When all that is queued is done, in nanoseconds of the host's clock."""
        self.graph: Any = None
        """The graph that is being recorded from it, or None."""
        self._queue = queue
        self._ends: deque[int] = deque()

    def free_at(self, now: int) -> int:
        """When a further kernel may be queued.

        Args:
            now: the host's time, in nanoseconds.

        Returns:
            The host's time or a later one, in nanoseconds.
        """
        if self._queue is None:
            return now
        while self._ends and self._ends[0] <= now:
            self._ends.popleft()
        return now if len(self._ends) < self._queue else self._ends[0]

    def put(self, ns: int, now: int) -> Kernel:
        """Queue a kernel behind all that is queued.

        Args:
            ns: how long it runs, in nanoseconds.
            now: the host's time, in nanoseconds.

        Returns:
            When it runs.
        """
        begins = max(self.idle_at, now)
        self.idle_at = begins + ns
        if self._queue is not None:
            self._ends.append(self.idle_at)
        return Kernel(begins, self.idle_at)

    def wait_until(self, moment: int) -> None:
        """Let nothing further begin before a moment.

        Args:
            moment: in nanoseconds of the host's clock.
        """
        self.idle_at = max(self.idle_at, moment)


class FakeEvent:
    """A moment on a stream's timeline; make one with `FakeDevice.event`."""

    __slots__ = ("at", "index")

    def __init__(self) -> None:
        self.at: int | None = None
        """When it happens, in nanoseconds of the host's clock; None before it is recorded."""
        self.index = 0
        """The number of the device on which it was recorded."""
