"""Steps timed by waiting for the device at each mark, and how long streams other than the current ran on.

Events see the current stream alone. What the current stream waits for is in their times; other work
is not, and a step that waits for the whole device shows how much of that there is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from rnnprof.marks import Stage, Track
from rnnprof.recorder.guard import Guard
from rnnprof.recorder.steps import Root
from rnnprof.stages import OTHER

NOTICED_NS = 20_000
"""The least that counts at one mark: waiting for an idle device takes some microseconds too."""


class WaitingClock:
    """Waits for the device, then reads the host's clock; nothing is measured while that is forbidden.

    Args:
        guard: the accelerator.
        read: the host's clock, in nanoseconds.
        look: whether to find out how long the device works on when the current stream is empty.
    """

    def __init__(self, guard: Guard, read: Callable[[], int], look: bool) -> None:
        self.look = look
        self.place = OTHER
        """The stage in which the time up to the next reading passes."""
        self.beyond: Counter[str] = Counter()
        """In the steps that count: nanoseconds beyond the current stream, for each stage."""
        self.held: int | None = None
        """A reading that is given again: two neighbours share it."""
        self._guard = guard
        self._read = read
        self._refusals = 0
        self._seen: Counter[str] = Counter()

    def now(self) -> int:
        """The host's reading once the device is idle, in nanoseconds."""
        if self.held is not None:
            return self.held
        guard = self._guard
        if guard.capturing():
            return self._read()
        if not self.look:
            guard.synchronize()
            return self._read()
        try:
            guard.device.finish_stream()
            empty = self._read()
            guard.device.synchronize()
        except Exception as error:
            guard.fail(error)
            return self._read()
        moment = self._read()
        if moment - empty >= NOTICED_NS:
            self._seen[self.place] += moment - empty
        return moment

    def open(self) -> None:
        """A step is about to begin."""
        self._refusals = self._guard.refusals

    def begun(self) -> None:
        """A step has begun: what went before is in no stage."""
        self._seen.clear()

    def complete(self) -> bool:
        """Whether all readings of the step have waited."""
        return self._guard.refusals == self._refusals

    def close(self, keep: bool) -> None:
        """A step has ended."""
        if keep:
            self.beyond.update(self._seen)
        self._seen.clear()


class SyncRoot(Root):
    """The root of the steps of one kind that wait for the device at each mark.

    Args:
        track: the thread's track.
        clock: waits and reads.
        muted: whether stages in the steps do nothing.
        guard: the accelerator.
    """

    __slots__ = ("guard", "waiting")

    def __init__(self, track: Track, clock: WaitingClock, muted: bool, guard: Guard) -> None:
        super().__init__(track, clock.now, muted)
        self.special = True
        self.waiting = clock
        self.guard = guard

    def child(self, name: str) -> Stage:
        """Make a stage directly in the step."""
        return stage_in(self, name, self.waiting)

    def begin_step(self) -> None:
        """Open a step."""
        self.waiting.open()
        self.track.begin(self)
        self.waiting.begun()

    def boundary(self, flat: Any, name: str | None) -> None:
        """End a flat stage, or none, and begin the one of that name: they share one reading."""
        clock = self.waiting
        clock.place = OTHER if flat is None else flat.name
        clock.held = clock.now()
        try:
            if flat is not None:
                flat.__exit__()
                flat.flat = False
            stage: Any = None if name is None else self.track.stage(name)
            if isinstance(stage, Stage):
                stage.__enter__()
                stage.flat = True
        finally:
            clock.held = None

    def end_step(self, outer: Any, keep: bool) -> int:
        """Close a step; it is left out where a mark could not wait."""
        clock, flat = self.waiting, self.track.flat_stage(self)
        clock.place = OTHER if flat is None else flat.name
        # Before it is told whether the step counts: the device may fail in the last wait.
        clock.held = clock.now()
        try:
            if keep and not clock.complete():
                self.guard.leave_out(self.track)
                keep = False
            ns = super().end_step(outer, keep)
        finally:
            clock.held = None
        clock.close(keep)
        return ns


def stage_in(parent: Stage, name: str, clock: WaitingClock) -> Stage:
    """A stage in a step that waits; one that says where it is, if that is looked at."""
    if clock.look:
        return SyncStage(parent.track, name, parent, clock)
    return Stage(parent.track, name, parent, clock.now)


class SyncStage(Stage):
    """A stage that tells its clock in which stage the time passes."""

    __slots__ = ("waiting",)

    def __init__(self, track: Any, name: str, parent: Any, clock: WaitingClock) -> None:
        super().__init__(track, name, parent, clock.now)
        self.special = True
        self.waiting = clock

    def child(self, name: str) -> Stage:
        """Make the stage of that name inside this one."""
        return SyncStage(self.track, name, self, self.waiting)

    def __enter__(self) -> Any:
        around: Any = self.parent
        self.waiting.place = around.name if around.parent is not None else OTHER
        return super().__enter__()

    def __exit__(self, kind: Any = None, value: Any = None, traceback: Any = None) -> Any:
        self.waiting.place = self.name
        return super().__exit__(kind, value, traceback)
