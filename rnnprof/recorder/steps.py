"""Steps: one tree of stages for each kind of step, and how the odd ones end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rnnprof import active
from rnnprof.decorators import decorate
from rnnprof.marks import BaseStep, Stage, Tally, Track
from rnnprof.recorder.events import EventQueue, EventStage
from rnnprof.recorder.timeline import Buckets

Reading = Callable[[], int]


def tallies(stage: Any) -> Iterator[Tally]:
    """The tallies of all stages below a root, in no special order."""
    for child in list(stage.children.values()):
        if isinstance(child, Stage):
            yield child.tally
            yield from tallies(child)


class Root(Stage):
    """The root of all steps of one kind in one lane, timed by a clock that is read on the host.

    Its own tally holds the steps; the stages in them are its children.
    """

    __slots__ = ("buckets", "wall")

    def __init__(self, track: Track, clock: Reading | None, muted: bool) -> None:
        super().__init__(track, "step", None, clock)
        self.muted = muted
        self.buckets = Buckets()
        self.wall: Tally = self.tally
        self.closing = 1

    def child(self, name: str) -> Stage:
        """Make a stage directly in the step."""
        return Stage(self.track, name, self, self.clock)

    def close_bucket(self) -> None:
        """The bucket of the timeline is full: the next one begins."""
        self.closing = self.buckets.close(self.tally.count, [self.tally, *tallies(self)])

    def end_step(self, outer: Any, keep: bool) -> int:
        """Close a step in which something was odd, and return its nanoseconds."""
        ns: int = self.track.finish(self, outer, keep)
        if keep and self.steps >= self.closing:
            self.track.flush()
            self.close_bucket()
        if not keep and self.track.log is not None:
            self.track.log.number(self)
        return ns


class EventRoot(Root):
    """The root of all steps of one kind in one lane, timed by events on the device's stream.

    Its tally holds the device's time of each step, ``wall`` the host's.
    """

    __slots__ = ("host", "opened", "queue")

    def __init__(self, track: Track, clock: Reading | None, muted: bool, queue: EventQueue) -> None:
        super().__init__(track, clock, muted)
        self.special = True
        self.queue = queue
        self.opened: Any = None
        # The host's side of a step needs no more of a root than its clock and its start.
        self.host = Stage(track, "step", None, clock)
        self.wall = self.host.tally

    def child(self, name: str) -> Stage:
        """Make a stage directly in the step; what stands for its clock is the queue."""
        return EventStage(self.track, name, self, self.queue)

    def begin_step(self) -> None:
        """Open a step: the host's clock first, so that its span holds the device's."""
        # A step around this one's lane is spoiled: what it has noted must not count in this one.
        self.queue.drop()
        self.track.begin(self)
        self.opened = self.queue.edge()

    def boundary(self, flat: Any, name: str | None) -> None:
        """End a flat stage, or none, and begin the one of that name: they share one event."""
        track: Any = self.track
        track.current = self
        stage: Any = None if name is None else track.stage(name)
        begins = isinstance(stage, EventStage)
        moment = self.queue.mark() if begins or flat is not None else None
        if flat is not None:
            flat.flat = False
            self.queue.add(flat.tally, flat.opened, moment)
        if begins:
            stage.opened, stage.flat = moment, True
            track.current = stage

    def end_step(self, outer: Any, keep: bool) -> int:
        """Close a step; its spans are counted when the device has got there."""
        flat = self.track.flat_stage(self)
        try:
            closed = self.queue.edge()
        finally:
            ns: int = self.track.finish(self, outer, False)
        if keep and self.queue.reason:
            self.queue.guard.leave_out(self.track, self.queue.reason)
            keep = False
        if not keep:
            self.queue.drop()
            if self.track.log is not None:
                self.track.log.number(self)
            return ns
        if flat is not None:
            self.queue.add(flat.tally, flat.opened, closed)
        self.queue.finish(self, self.opened, closed, ns)
        return ns

    def resolved(self, wall_ns: int) -> None:
        """Count a step whose events have been read."""
        self.wall.add(wall_ns)
        if self.tally.count >= self.closing:
            self.close_bucket()


class Step(BaseStep):
    """What `prof.step()` gives: one optimizer iteration, as a context manager and decorator.

    Attributes:
        tokens: tokens that this step trains on; may be set inside the step.
    """

    __slots__ = ()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        tokens = self.given
        return decorate(lambda: active.step(tokens), "step()", function)
