"""Steps: one tree of stages for each kind of step, and the context manager that picks the tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rnnprof.errors import NestingError
from rnnprof.marks import Stage, Tally, Track, decorate
from rnnprof.model import Steps
from rnnprof.recorder.events import EventQueue, EventRoot
from rnnprof.recorder.timeline import Buckets

Reading = Callable[[], int]


def tallies(stage: Any) -> Iterator[Tally]:
    """The tallies of all stages below a root, in no special order."""
    for child in list(stage.children.values()):
        if isinstance(child, Stage):
            yield child.tally
            yield from tallies(child)


class Tree:
    """All steps of one kind in one lane, timed by a clock that is read on the host.

    Args:
        track: the thread's track.
        muted: whether the stages inside are not measured (control steps).
        clock: what reads the time, or None for the native host clock.
    """

    root: Stage

    def __init__(self, track: Track, muted: bool, clock: Reading | None) -> None:
        self.track = track
        self.root = Stage(track, "step", None, clock)
        self.root.muted = muted
        self.series: Tally = self.root.tally
        self.wall: Tally = self.root.tally
        self.buckets = Buckets()
        self.tokens = 0
        self.token_ns = 0

    def begin(self) -> None:
        """Open a step."""
        self.track.begin(self.root)

    def end(self, outer: Any, keep: bool) -> int:
        """Close the step, count or drop it, and return its wall time in nanoseconds."""
        ns = self.track.end(self.root, outer, keep)
        if keep:
            self.counted()
        return ns

    def counted(self) -> None:
        """Note one more step, whose spans are all in the tallies."""
        buckets = self.buckets
        buckets.steps += 1
        if buckets.steps >= buckets.closing:
            buckets.close([self.series, *tallies(self.root)])

    def result(self, stages: Callable[[Any, Buckets], Any], series: Callable[[Tally], Any]) -> Steps:
        """The steps as they are saved."""
        return Steps(
            series=series(self.series),
            wall=series(self.wall),
            timeline=self.buckets.timeline(self.series),
            tokens=self.tokens,
            token_ns=self.token_ns,
            stages=stages(self.root, self.buckets),
        )


class EventTree(Tree):
    """All steps of one kind in one lane, timed by events and at their ends by the host too.

    Args:
        track: the thread's track.
        muted: whether the stages inside are not measured (control steps).
        clock: what reads the host's time, or None for the native clock.
        queue: where the events wait.
    """

    def __init__(self, track: Track, muted: bool, clock: Reading | None, queue: EventQueue) -> None:
        super().__init__(track, muted, clock)
        root = EventRoot(track, "step", None, clock)
        root.queue = queue
        root.muted = muted
        self.root = root
        self.wall = Tally()
        self.series = Tally()
        self.queue = queue
        self._opened: Any = None

    def begin(self) -> None:
        """Open a step: the host's clock first, so that its span holds the device's."""
        super().begin()
        self._opened = self.queue.mark()

    def end(self, outer: Any, keep: bool) -> int:
        """Close the step; its spans are counted when the device has got there."""
        closed = self.queue.mark()
        ns = self.track.end(self.root, outer, False)
        if keep:
            self.queue.finish(self, self._opened, closed, ns)
        else:
            self.queue.drop()
            self.queue.pool.give_back(self._opened)
            self.queue.pool.give_back(closed)
        return ns

    def resolved(self, wall_ns: int) -> None:
        """Count a step whose events have been read."""
        self.wall.add(wall_ns)
        self.counted()


class Step:
    """The context manager of `prof.step()`: one optimizer iteration.

    Attributes:
        tokens: tokens that this step trains on; may be set inside the step.
        outer: the stage or lane that was current when the step began.
    """

    __slots__ = ("_given", "_paused", "_track", "_tree", "outer", "tokens")

    def __init__(self, track: Any) -> None:
        self._track = track
        self._tree: Tree | None = None
        self.outer: Any = None
        self._given: int | None = None
        self.tokens: int | None = None
        self._paused = False

    def given(self, tokens: int | None) -> Step:
        """The same step, to be opened with that number of tokens."""
        self._given = tokens
        return self

    @property
    def open(self) -> bool:
        """Whether a step is under way."""
        return self._tree is not None

    def pause(self) -> Tree | None:
        """Another lane opens inside the step, whose time is not the step's.

        Spans that the host timed can be shortened by it; those of events cannot, and are dropped.
        """
        self._paused = isinstance(self._tree, EventTree)
        return self._tree

    def abandon(self) -> None:
        """Forget the open step: the profile ends inside it."""
        if self._tree is not None:
            self._track.current = self.outer
            self._track.journaling = False
            self._tree = None

    def __enter__(self) -> Step:
        track = self._track
        if track.closed:
            return self
        if self._tree is not None:
            raise NestingError(
                "a step was opened while another is open: close the first one (one step is one "
                "iteration of the training loop)"
            )
        tree = track.lane_for_step().next_tree()
        self.outer = track.current
        self.tokens = self._given
        self._paused = False
        tree.begin()
        self._tree = tree
        return self

    def __exit__(self, kind: Any = None, value: Any = None, traceback: Any = None) -> None:
        track = self._track
        tree = self._tree
        if track.closed:
            return
        if tree is None:
            if kind is None:
                raise NestingError("a step was closed, but none is open")
            return
        self._tree = None
        inside = None if track.current is tree.root else track.current
        keep = kind is None and inside is None and not self._paused
        try:
            ns = tree.end(self.outer, keep)
        except BaseException:
            # The user's exception matters more than a clock that died with it.
            if kind is None:
                raise
            return
        if keep:
            if self.tokens is not None:
                tree.tokens += self.tokens
                tree.token_ns += ns
        elif kind is not None:
            track.recorder.aborted += 1
        if self.outer is not track.lane.root:
            track.enclosed(self.outer, ns)
        track.between_steps(tree.root.start + ns)
        if inside is not None and kind is None:
            raise NestingError(
                f"the step was closed while stage {inside.name!r} is still open: close the stage "
                "first (a stage must not stay open across a `yield`)"
            )

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        track, tokens = self._track, self._given
        return decorate(lambda: track.here().step.given(tokens), "step()", function)
