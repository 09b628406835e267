"""How long threads stood in line for a core, as Linux counts it for each of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import perf_counter_ns

from rnnprof.vitals import Crowding

BUSY = 20
"""A thread counts that ran for at least one part in so many of the time."""

Times = Mapping[int, tuple[int, int]]
"""Nanoseconds that each thread has run, and waited for a core, by its number."""


class Queueing:
    """Compares what the system has counted since it was made with what it counts later.

    Args:
        folder: where the system has a folder for each thread of the process.
        now: the clock, in nanoseconds.
        own: the number of the thread that trains; by default this one's.
    """

    def __init__(
        self,
        folder: str = "/proc/self/task",
        now: Callable[[], int] = perf_counter_ns,
        own: int | None = None,
    ) -> None:
        self._folder = folder
        self._now = now
        self._own = threading.get_native_id() if own is None else own
        self._began = now()
        self._before = times(folder)

    def found(self) -> Crowding | None:
        """What was counted up to now; None where the system counts nothing."""
        wall = self._now() - self._began
        after = times(self._folder)
        # Without the kernel's accounting (CONFIG_SCHED_INFO) the files are not there, or hold zeros.
        if wall <= 0 or self._own not in after or not any(waited for _, waited in after.values()):
            return None
        # A thread that came later began at nothing.
        spent = {thread: self._since(thread, one) for thread, one in after.items()}
        busy = [one for one in spent.values() if one[0] * BUSY >= wall]
        return Crowding(
            wall_ns=wall,
            threads=len(busy),
            ran_ns=sum(ran for ran, _ in busy),
            waited_ns=sum(waited for _, waited in busy),
            main_waited_ns=spent[self._own][1],
        )

    def _since(self, thread: int, after: tuple[int, int]) -> tuple[int, int]:
        ran, waited = self._before.get(thread, (0, 0))
        if after[0] < ran or after[1] < waited:
            # Another thread, which has its number now.
            return after
        return after[0] - ran, after[1] - waited


def times(folder: str) -> Times:
    """What the system has counted for each thread.

    ``schedstat`` holds nanoseconds on a core, nanoseconds in line for one, and the number of turns
    (Documentation/scheduler/sched-stats.rst of Linux).

    Args:
        folder: as for `Queueing`.

    Returns:
        The times of the threads that could be read.
    """
    found: dict[int, tuple[int, int]] = {}
    with suppress(OSError):
        for name in os.listdir(folder):
            # A thread may end meanwhile.
            with suppress(OSError, ValueError), open(os.path.join(folder, name, "schedstat"), "rb") as file:
                ran, waited = file.read(200).split()[:2]
                found[int(name)] = int(ran), int(waited)
    return found
