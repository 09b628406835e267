"""A time series in bounded space: buckets of steps that merge when there are too many."""

from __future__ import annotations

import threading
from array import array

from rnnprof.marks import Tally
from rnnprof.model import Timeline

LIMIT = 1024
FINENESS = 64


class _Row:
    """One stage's buckets, and how far its tally had come when the last one was closed."""

    __slots__ = ("count", "counts", "total", "totals")

    def __init__(self, empty: int) -> None:
        self.count = self.total = 0
        self.counts = array("q", bytes(8 * empty))
        self.totals = array("q", bytes(8 * empty))

    def close(self, tally: Tally) -> None:
        self.counts.append(tally.count - self.count)
        self.totals.append(tally.total - self.total)
        self.count, self.total = tally.count, tally.total

    def halve(self) -> None:
        self.counts = _pairs(self.counts)
        self.totals = _pairs(self.totals)


class Buckets:
    """The timelines of all stages of one kind of step, with the same boundaries.

    A bucket closes when the steps so far have grown by 1/64, so that short runs keep every step,
    long ones cost next to nothing, and a bucket is never a large part of the run.
    """

    def __init__(self) -> None:
        self._rows: dict[Tally, _Row] = {}
        self._closed = 0
        # Closing is rare; a snapshot from another thread must not see half of it.
        self._lock = threading.Lock()

    def close(self, steps: int, tallies: list[Tally]) -> int:
        """End the bucket: note how far each tally came since the last one.

        Args:
            steps: number of steps so far.
            tallies: of the steps and of every stage in them; new ones may have joined.

        Returns:
            The number of steps at which the next bucket is full.
        """
        with self._lock:
            for tally in tallies:
                row = self._rows.get(tally)
                if row is None:
                    row = self._rows[tally] = _Row(self._closed)
                row.close(tally)
            self._closed += 1
            if self._closed >= LIMIT:
                for row in self._rows.values():
                    row.halve()
                self._closed = (self._closed + 1) // 2
        return steps + max(1, steps // FINENESS)

    def timelines(self, tallies: list[Tally]) -> dict[Tally, Timeline]:
        """The series of several tallies; the last bucket holds what is not closed yet.

        Args:
            tallies: of the steps first, then of the stages in them.
        """
        with self._lock:
            rows = {tally: self._rows.get(tally) or _Row(self._closed) for tally in tallies}
            open_bucket = any(tally.count > row.count for tally, row in rows.items())
            found = {}
            for tally, row in rows.items():
                counts, totals = tuple(row.counts), tuple(row.totals)
                if open_bucket:
                    counts += (max(tally.count - row.count, 0),)
                    totals += (max(tally.total - row.total, 0),)
                found[tally] = Timeline(counts, totals)
            return found


def _pairs(numbers: array[int]) -> array[int]:
    return array("q", [sum(numbers[i : i + 2]) for i in range(0, len(numbers), 2)])
