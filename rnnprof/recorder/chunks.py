"""Spans in little space: columns of consecutive ones, compressed; and what they are spans of."""

from __future__ import annotations

import zlib
from array import array
from collections import deque
from dataclasses import dataclass
from itertools import chain
from operator import add, sub

MAX_PAUSES = 4096
"""Pauses that are known at a time; a span around more of them begins a little late in the trace."""


@dataclass(frozen=True)
class Place:
    """What a span is of.

    Args:
        lane: name of the lane.
        kind: the kind of step that it is in; empty outside steps.
        path: names of the stages, outermost first; empty for the step, or the lane, itself.
    """

    lane: str
    kind: str
    path: tuple[str, ...]

    @property
    def is_lane(self) -> bool:
        """Whether it is a visit of a lane."""
        return not self.kind and not self.path


@dataclass(frozen=True)
class Chunk:
    """Consecutive spans in the order in which they ended, so that each step follows its stages.

    Args:
        spans: how many.
        steps: how many of them are steps.
        begins: when the first one begins, in nanoseconds of the host's clock.
        data: their columns, compressed.
    """

    spans: int
    steps: int
    begins: int
    data: bytes

    def columns(self) -> tuple[list[int], list[int], list[int], list[int]]:
        """The spans again.

        Returns:
            Indices of their places, starts and ends (nanoseconds of the host's clock), and the
            numbers of those that are steps.
        """
        planes, at, columns = zlib.decompress(self.data), 0, []
        for length in (self.spans, self.spans, self.spans, self.steps):
            raw = bytearray(8 * length)
            for plane in range(8):
                raw[plane::8] = planes[at : at + length]
                at += length
            columns.append(array("q", raw).tolist())
        places, gaps, lengths, numbers = columns
        starts, ends, end = [], [], 0
        for gap, length in zip(gaps, lengths, strict=True):
            starts.append(end + gap)
            end += gap + length
            # As in a tally, a clock that ran backwards gives a span of nothing.
            ends.append(max(end, starts[-1]))
        return places, starts, ends, numbers


class Stream:
    """Chunks that follow each other, and the spans that wait for the next one."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.sealed = 0
        self.clear()

    def clear(self) -> None:
        """Forget the spans that are in no chunk."""
        self.places, self.starts, self.lengths, self.numbers = (array("q") for _ in range(4))

    def pack(self) -> Chunk:
        """The spans that are in no chunk as one.

        What is much the same in all spans (high bytes, the order of places) lies together, and a
        start counts from the end before it, so that little is left to store.
        """
        ends = chain((0,), map(add, self.starts, self.lengths))
        gaps = array("q", map(sub, self.starts, ends))
        columns = [column.tobytes() for column in (self.places, gaps, self.lengths, self.numbers)]
        planes = b"".join(column[plane::8] for column in columns for plane in range(8))
        begins = min(self.starts, default=0)
        return Chunk(len(self.places), len(self.numbers), begins, zlib.compress(planes, 1))


class Pauses:
    """When the open lane stood still, since another lane or rnnprof itself was at work.

    The start of a span that is open meanwhile is moved, to leave that time out; in a picture of
    the run the span begins where it began.
    """

    def __init__(self) -> None:
        self._known: deque[tuple[int, int, bool]] = deque(maxlen=MAX_PAUSES)

    def add(self, since: int, until: int, lanes: bool) -> None:
        """Note a pause that ends now.

        Args:
            since, until: when it began and ends, in nanoseconds.
            lanes: whether the lane's own visit was paused as well.
        """
        while self._known and self._known[-1][0] >= since:
            # Within this one, and no span that was open then goes on.
            self._known.pop()
        self._known.append((since, until, lanes))

    def any_after(self, moment: int) -> bool:
        """Whether one ended after that moment."""
        return bool(self._known) and self._known[-1][1] > moment

    def began(self, start: int, end: int, is_lane: bool) -> int:
        """When a span began.

        Args:
            start: its start as moved by the pauses in it, in nanoseconds.
            end: its end.
            is_lane: whether it is a lane's visit.
        """
        for since, until, lanes in reversed(self._known):
            if until <= start:
                break
            if until < end and (lanes or not is_lane):
                start -= until - since
        return start
