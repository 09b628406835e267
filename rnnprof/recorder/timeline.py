"""A time series in bounded space: buckets of steps that merge when there are too many."""

from __future__ import annotations

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

    def close(self, steps: int, tallies: list[Tally]) -> int:
        """End the bucket: note how far each tally came since the last one.

        Args:
            steps: number of steps so far.
            tallies: of the steps and of every stage in them; new ones may have joined.

        Returns:
            The number of steps at which the next bucket is full.
        """
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

    def timeline(self, tally: Tally) -> Timeline:
        """The series of one tally; its last bucket holds what is not closed yet."""
        row = self._rows.get(tally)
        if row is None:
            row = _Row(self._closed)
        counts, totals = list(row.counts), list(row.totals)
        if self._open():
            counts.append(tally.count - row.count)
            totals.append(tally.total - row.total)
        return Timeline(tuple(counts), tuple(totals))

    def _open(self) -> bool:
        return any(tally.count > row.count for tally, row in self._rows.items())


def _pairs(numbers: array[int]) -> array[int]:
    return array("q", [sum(numbers[i : i + 2]) for i in range(0, len(numbers), 2)])
