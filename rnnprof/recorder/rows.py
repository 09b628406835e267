"""The spans of one thread on their way into the log of all spans."""

from __future__ import annotations

from array import array
from typing import Any

from rnnprof.marks import Stage, Tally
from rnnprof.recorder.chunks import Pauses, Place, Stream

MANY = 1024
"""Spans that wait to be written down together."""


class Row:
    """The spans of one thread, and those that a device measured of its steps: a track's ``log``."""

    def __init__(self, log: Any, name: str, track: Any) -> None:
        self.name = name
        self.inside, self.outside, self.device = Stream(), Stream(), Stream()
        self.streams = (self.inside, self.outside, self.device)
        self._log = log
        self._waiting = bytearray()
        self._many = min(log.chunk, MANY) * 3 * 8
        self._numbers: dict[str, int] = {}
        # When the last step that the device measured ended.
        self._free = 0
        self.use(track)

    def use(self, track: Any) -> None:
        """Write down the spans of this track; the one before has ended."""
        self.settle()
        self.track = track
        # Tallies by their address, which the track's tree keeps theirs.
        self._places: dict[int, int] = {}
        self._pauses = Pauses()

    @property
    def ended(self) -> bool:
        """Whether its thread has ended."""
        return self.track.thread is not None and not self.track.thread.is_alive()

    def add(self, raw: bytes) -> None:
        """Write down spans of steps that ended well, each step after its stages.

        Args:
            raw: for each span three 64-bit integers: the address of its tally, its start and its
                length in nanoseconds.
        """
        # A young run is added up after nearly every step: what is cheap is done at once, the rest later.
        with self._log.lock:
            self._waiting += raw
            if len(self._waiting) >= self._many:
                self.settle()

    def settle(self) -> None:
        """Write down the spans that wait."""
        with self._log.lock:
            raw, self._waiting = bytes(self._waiting), bytearray()
        if raw:
            self._write(self.inside, raw)

    def add_outside(self, raw: bytes) -> None:
        """Write down spans outside steps, likewise."""
        self._write(self.outside, raw)

    def _write(self, stream: Stream, raw: bytes) -> None:
        triples = array("q", raw)
        try:
            with self._log.lock:
                self._put(stream, triples[::3], triples[1::3], triples[2::3])
        except Exception as error:  # whatever it is, the program's own work goes on
            self._end_early(error)

    def _end_early(self, error: Exception) -> None:
        self._log.failure = str(error) or type(error).__name__
        self.track.log = None

    def paused(self, since: int, until: int, lanes: bool) -> None:
        """The open lane stood still, and what is open in it goes on now.

        Args:
            since, until: when that began and ends, in nanoseconds.
            lanes: whether the visit of the lane was paused as well, or only the stages in it.
        """
        self.track.flush()
        self.settle()
        with self._log.lock:
            self._pauses.add(since, until, lanes)

    def number(self, root: Any) -> int:
        """Count a step that ended now, but is written down later (see `add_measured`) or never.

        Args:
            root: its root.

        Returns:
            Its number, from 0 at the start of its lane.
        """
        self.track.flush()
        self.settle()
        with self._log.lock:
            return self._count(self._log.places[self._indices([id(root.tally)])[0]].lane)

    def add_measured(self, number: int, start: int, spans: list[tuple[Tally, int, int]]) -> None:
        """Write down a step that the device measured.

        Args:
            number: see `number`.
            start: when the host began it, in nanoseconds.
            spans: tallies with start and end on the device, in nanoseconds from the step's start
                there; the step itself is the last one.
        """
        # The two clocks have no common zero. It began neither before the host asked for it nor
        # before the last one was done.
        start = max(start, self._free)
        self._free = start + spans[-1][2]
        try:
            with self._log.lock:
                self._put(
                    self.device,
                    array("q", [id(tally) for tally, _, _ in spans]),
                    array("q", [start + begun for _, begun, _ in spans]),
                    array("q", [ended - begun for _, begun, ended in spans]),
                    number,
                )
        except Exception as error:
            self._end_early(error)

    def _put(
        self,
        stream: Stream,
        tallies: array[int],
        starts: array[int],
        lengths: array[int],
        number: int | None = None,
    ) -> None:
        places = self._indices(tallies)
        if -1 in places:
            # What stands for a visit that is not counted is in no tree.
            known = [at for at, place in enumerate(places) if place >= 0]
            places, starts, lengths = (array("q", [c[at] for at in known]) for c in (places, starts, lengths))
        of = self._log.places
        is_step = self._log.is_step
        if starts and self._pauses.any_after(min(starts)):
            for at, (place, start, length) in enumerate(zip(places, starts, lengths, strict=True)):
                starts[at] = self._pauses.began(start, start + length, of[place].is_lane)
                lengths[at] += start - starts[at]
        stream.places += places
        stream.starts += starts
        stream.lengths += lengths
        for place in [place for place in places if is_step[place]]:
            stream.numbers.append(self._count(of[place].lane) if number is None else number)
        if len(stream.places) >= self._log.chunk:
            self._log.seal(stream)

    def _count(self, lane: str) -> int:
        number = self._numbers.get(lane, 0)
        self._numbers[lane] = number + 1
        return number

    def _indices(self, tallies: array[int] | list[int]) -> array[int]:
        """The places of tallies; -1 for those that are in no tree."""
        try:
            return array("q", map(self._places.__getitem__, tallies))
        except KeyError:
            for lane in list(self.track.lanes.values()):
                self._meet(lane.root, lane.name, "", ())
                for kind, root in list(lane.roots.items()):
                    self._meet(root, lane.name, kind, ())
            return array("q", [self._places.get(tally, -1) for tally in tallies])

    def _meet(self, stage: Any, lane: str, kind: str, path: tuple[str, ...]) -> None:
        self._places[id(stage.tally)] = self._log.index(Place(lane, kind, path))
        for child in list(stage.children.values()):
            if isinstance(child, Stage):
                self._meet(child, lane, kind, (*path, child.name))
