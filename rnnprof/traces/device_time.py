"""When a device worked and when it waited, and for which stage."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from rnnprof.captures import Path


class Work(NamedTuple):
    """One kernel or copy on a device, in nanoseconds.

    Args:
        device: the device's index.
        start: when it began.
        end: when it ended.
        path: the stage that launched it; None where it does not count.
    """

    device: str
    start: int
    end: int
    path: Path | None


class _Windows:
    """Time inside the steps, summed up to any moment."""

    def __init__(self, windows: Sequence[tuple[int, int]]) -> None:
        self._starts = [start for start, _ in windows]
        self._lengths = [end - start for start, end in windows]
        self._before = [0]
        for length in self._lengths:
            self._before.append(self._before[-1] + length)

    def until(self, time: int) -> int:
        index = bisect_right(self._starts, time) - 1
        if index < 0:
            return 0
        return self._before[index] + min(time - self._starts[index], self._lengths[index])


def busy_and_gaps(
    work: Iterable[Work], windows: Sequence[tuple[int, int]]
) -> tuple[dict[Path, int], dict[Path, int]]:
    """Divide the time of all devices among the stages.

    An instant at which several kernels run belongs to the one that began first, so that the stages'
    busy times add up to the time in which a device ran anything of theirs. An idle time inside the
    steps belongs to the kernel that ends it: the device waited for that one.

    Args:
        work: everything that ran on the devices, in any order; what does not count ends idle times
            without being charged for them.
        windows: beginning and end of each step on the host, ascending, not overlapping. The last
            one is taken to last until the last kernel that counts has ended.

    Returns:
        Busy nanoseconds and idle nanoseconds of each stage; several devices are summed.
    """
    busy: dict[Path, int] = {}
    gaps: dict[Path, int] = {}
    ordered = sorted(work, key=lambda one: (one.device, one.start))
    last = max((one.end for one in ordered if one.path is not None), default=0)
    if windows and last > windows[-1][1]:
        windows = [*windows[:-1], (windows[-1][0], last)]
    inside = _Windows(windows)
    for _, group in groupby(ordered, key=lambda one: one.device):
        free = counted = None
        for one in group:
            idle_from = one.start if free is None else min(free, one.start)
            if free is None and windows:
                idle_from = min(windows[0][0], one.start)
            if one.path is not None:
                begun = one.start if counted is None else max(one.start, counted)
                busy[one.path] = busy.get(one.path, 0) + max(one.end - begun, 0)
                counted = one.end if counted is None else max(counted, one.end)
                gaps[one.path] = gaps.get(one.path, 0) + inside.until(one.start) - inside.until(idle_from)
            free = one.end if free is None else max(free, one.end)
    return busy, gaps
