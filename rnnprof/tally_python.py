"""Spans counted in Python. See `_marks.c`, its twin in C."""

from __future__ import annotations

from rnnprof.histogram import index

FAR = (1 << 63) - 1
"""A moment, or a number of steps, that never comes."""


class Tally:
    """Count, total, extremes and histogram of spans."""

    __slots__ = ("_bins", "count", "least", "most", "total")

    def __init__(self) -> None:
        self.count = self.total = self.least = self.most = 0
        self._bins: dict[int, int] = {}

    def add(self, ns: int) -> None:
        """Count one span of that many nanoseconds; a negative one counts as 0."""
        ns = max(ns, 0)
        key = index(ns)
        first = self.count == 0
        # In this order, so that a thread that reads meanwhile finds no time without a span.
        self.count += 1
        if ns > self.most:
            self.most = ns
        if first or ns < self.least:
            self.least = ns
        self.total += ns
        self._bins[key] = self._bins.get(key, 0) + 1

    def bins(self) -> dict[int, int]:
        """The histogram, as bin index (see `histogram`) to count, in ascending order."""
        # Copied whole first: while tuples are made, the garbage collector may let a thread add.
        return dict(sorted(self._bins.copy().items()))
