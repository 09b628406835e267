"""The spans of all steps, written down for the stage-only trace: compressed, and bounded.

A track that has a log hands over its journal whenever it is added up, which is between steps. Chunks
of whole steps are kept compressed. When there are too many, every second one is dropped, and from
then on only every second one is kept: what is left are evenly spaced windows of consecutive steps.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from rnnprof.recorder.chunks import Place, Stream
from rnnprof.recorder.rows import Row

MAX_SPANS = 1_000_000
"""Spans that are kept: 100,000 steps of eight stages, and what is outside them."""
CHUNK = 2048
"""Spans in a chunk, or a few more, so that its last step is whole."""
MAX_ROWS = 64
"""Threads whose spans are written down."""


class SpanLog:
    """All spans that are written down of a run.

    Args:
        limit: spans that are kept at most.
        chunk: spans in a chunk.
    """

    def __init__(self, limit: int = MAX_SPANS, chunk: int = CHUNK) -> None:
        self.limit = limit
        self.chunk = chunk
        self.rows: list[Row] = []
        self.places: list[Place] = []
        self.is_step: list[bool] = []
        # One chunk of so many is kept.
        self.every = 1
        self.spans = self.steps = self.kept = 0
        self.threads_left_out = 0
        self.failure: str | None = None
        self.lock = threading.RLock()
        self._indices: dict[Place, int] = {}

    def attach(self, track: Any, name: str) -> None:
        """Write down the spans of a track from now on.

        Args:
            track: a `LaneTrack`.
            name: of its row; a row is used again for a thread of the same name when its own has ended.
        """
        with self.lock:
            row = next((row for row in self.rows if row.name == name and row.ended), None)
            if row is not None:
                row.use(track)
            elif len(self.rows) < MAX_ROWS:
                row = Row(self, name, track)
                self.rows.append(row)
            else:
                self.threads_left_out += 1
            track.log = row

    def index(self, place: Place) -> int:
        """The index of a place among all places."""
        found = self._indices.get(place)
        if found is None:
            found = self._indices[place] = len(self.places)
            self.places.append(place)
            self.is_step.append(bool(place.kind) and not place.path)
        return found

    def streams(self) -> Iterator[Stream]:
        """The streams of all rows."""
        return (stream for row in self.rows for stream in row.streams)

    def seal(self, stream: Stream) -> None:
        """Make a chunk of the spans that wait in a stream, if it is the turn of one to be kept."""
        if not stream.places:
            return
        self.spans += len(stream.places)
        self.steps += len(stream.numbers)
        if stream.sealed % self.every == 0:
            stream.chunks.append(stream.pack())
            self.kept += len(stream.places)
        stream.sealed += 1
        stream.clear()
        while self.kept > self.limit and any(len(one.chunks) > 1 for one in self.streams()):
            self.every *= 2
            for one in self.streams():
                one.chunks = one.chunks[::2]
            self.kept = sum(chunk.spans for one in self.streams() for chunk in one.chunks)

    def close(self) -> None:
        """End it: what still waits is added, and no track writes any more."""
        with self.lock:
            for row in self.rows:
                row.track.flush()
                row.settle()
                row.track.log = None
                try:
                    for stream in row.streams:
                        self.seal(stream)
                except Exception as error:  # the run is worth more than its log
                    self.failure = str(error) or type(error).__name__
