"""Steps that something looks into while they run: torch.profiler, or cProfile's counts.

They are steps of a kind of their own, left out of the statistics, so that what looking costs is in
no figure. The stages in them tell the watcher where they begin and end.
"""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from rnnprof.captures import Functions, Trace
from rnnprof.errors import UsageError
from rnnprof.marks import Stage, Track
from rnnprof.model import Json
from rnnprof.probes import Probe
from rnnprof.recorder.own import own_time
from rnnprof.recorder.steps import Root


@dataclass(frozen=True)
class Captured:
    """What watchers have found so far, as fields of a run."""

    traces: tuple[Trace, ...] = ()
    functions: Functions | None = None
    notes: tuple[Json, ...] = ()
    probe: Probe | None = None


MOST_STEPS = 1000
"""Steps that may be looked into: a trace of more kills its viewer."""


class Watcher(Protocol):
    """What looks into steps. None of its methods raises."""

    kind: str
    """The kind of the steps that it looks into."""

    slow: bool
    """Whether what it does in a step takes so long that it must not count as the step's."""

    @property
    def done(self) -> bool:
        """Whether it will look into no further step."""

    paths: Callable[[], Iterable[tuple[str, ...]]]
    """Gives the paths of all stages in these steps so far; set by the recorder."""

    def open(self, step: int) -> None:
        """A step is about to begin; what is done now is in no step.

        Args:
            step: its number, from 0 at the start of training.
        """

    def begin(self) -> None:
        """The step begins: its clock is read after this."""

    def enter(self, name: str) -> None:
        """A stage is about to begin: its clock is read after this."""

    def leave(self, name: str) -> None:
        """A stage is about to end: its clock is read after this."""

    def end(self) -> None:
        """The step ends, and every stage in it: its clock is read after this."""

    def close(self, keep: bool) -> None:
        """A step has ended; what is done now is in no step.

        Args:
            keep: whether it ended well, and counts.
        """

    def pause(self) -> None:
        """The next step is not watched."""


class Captures(Protocol):
    """All that looks into a run while it is recorded."""

    def watcher(self, kind: str) -> Watcher | None:
        """What looks into steps of that kind, or None."""

    def training_begins(self, track: Track) -> None:
        """Steps of the training are about to begin; called again and again.

        Args:
            track: the thread's track.
        """

    def lane_begins(self, track: Track) -> None:
        """Another lane is about to begin, between two steps.

        Args:
            track: the thread's track.
        """

    def found(self) -> Captured:
        """What has been found so far."""


class WatchedRoot(Root):
    """The root of the steps of one kind that a watcher looks into.

    Args:
        track: the thread's track.
        clock: the host's, or None for the native one.
        watcher: what looks into them.
        lane: the lane that they are in.
    """

    __slots__ = ("lane", "watcher")

    def __init__(self, track: Track, clock: Any, watcher: Watcher, lane: Any) -> None:
        super().__init__(track, clock, False)
        self.special = True
        self.watcher = watcher
        self.lane = lane
        watcher.paths = lambda: paths(self)

    def child(self, name: str) -> Stage:
        """Make a stage directly in the step."""
        return WatchedStage(self.track, name, self, self.clock, self.watcher)

    def begin_step(self) -> None:
        """Open a step; what the watcher does first is in no step."""
        try:
            with own_time(self.track):
                self.watcher.open(self.lane.number())
            self.watcher.begin()
            self.track.begin(self)
        except BaseException:
            # Ctrl-C: the step has not begun, and will not end.
            self.watcher.end()
            self._over(False)
            raise

    def boundary(self, flat: Any, name: str | None) -> None:
        """End a flat stage, or none, and begin the one of that name."""
        if flat is not None:
            flat.__exit__()
            flat.flat = False
        stage: Any = None if name is None else self.track.stage(name)
        if isinstance(stage, WatchedStage):
            stage.__enter__()
            stage.flat = True

    def end_step(self, outer: Any, keep: bool) -> int:
        """Close a step; what the watcher does then is in no step."""
        ended = False
        try:
            # First, as on entry and as in a stage: so a label is as long as the span, for what it
            # costs cancels out.
            if self.watcher.slow:
                with own_time(self.track):
                    self.watcher.end()
            else:
                self.watcher.end()
            ns = super().end_step(outer, keep)
            ended = True
        finally:
            if self.lane.step.spoiled:
                # It was none, such as the turn in which a loop finds its end: the next is in its place.
                self.lane.step.deck.append(self)
                self.lane.dropped -= 1
            self._over(keep and ended)
        return ns

    def _over(self, keep: bool) -> None:
        with own_time(self.track):
            try:
                self.watcher.close(keep)
            finally:
                if self.watcher.done:
                    self.lane.give_up(self.watcher.kind)
                if self.lane.next_kind() != self.watcher.kind:
                    self.watcher.pause()


class WatchedStage(Stage):
    """A stage in a step that a watcher looks into."""

    __slots__ = ("watcher",)

    def __init__(self, track: Any, name: str, parent: Any, clock: Any, watcher: Watcher) -> None:
        super().__init__(track, name, parent, clock)
        self.special = True
        self.watcher = watcher

    def child(self, name: str) -> Stage:
        """Make the stage of that name inside this one."""
        return WatchedStage(self.track, name, self, self.clock, self.watcher)

    def __enter__(self) -> Any:
        track: Any = self.track
        if track.current is not self.parent or track.closed or get_ident() != track.owner:
            return track.misplaced_enter(self)
        if self.watcher.slow:
            with own_time(track):
                self.watcher.enter(self.name)
        else:
            self.watcher.enter(self.name)
        return super().__enter__()

    def __exit__(self, kind: Any = None, value: Any = None, traceback: Any = None) -> Any:
        track: Any = self.track
        if track.current is not self or track.closed or get_ident() != track.owner:
            return track.misplaced_exit(self, kind is not None)
        if self.watcher.slow:
            with own_time(track):
                self.watcher.leave(self.name)
        else:
            self.watcher.leave(self.name)
        return super().__exit__(kind, value, traceback)


def paths(root: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of the stages below a root, parents first."""
    for child in list(root.children.values()):
        if isinstance(child, Stage):
            path = (*above, child.name)
            yield path
            yield from paths(child, path)


def kinds(watched: Iterable[tuple[Watcher, Iterable[int]]]) -> Mapping[int, str]:
    """Which steps are watched, by their number.

    Args:
        watched: each watcher with the numbers of its steps; the first one wins.

    Raises:
        UsageError: if a number is none, or there are too many.
    """
    found: dict[int, str] = {}
    for watcher, numbers in watched:
        for number in numbers:
            if not isinstance(number, int) or isinstance(number, bool) or number < 0:
                raise UsageError(f"steps are numbered from 0: {number!r} is no step's number")
            found.setdefault(number, watcher.kind)
            if len(found) > MOST_STEPS:
                raise UsageError(f"more than {MOST_STEPS} steps to trace: a viewer cannot open that")
    return found
