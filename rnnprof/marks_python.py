"""The hot path in Python: the tree of stages and their tallies. See `_marks.c`, its twin in C.

A stage is a context manager and a node of a tree. Entering it makes it the track's current stage
and reads the clock last; leaving it reads the clock first, so that what the marks themselves cost
falls to the parent. The nodes are made once and found by name among the current stage's children.

A mark is a boundary: one reading at which a stage ends and the next one begins. It opens stages
directly in a step or lane, which need not be closed: the next mark does it, or the step's end.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

from rnnprof.step_python import NoStage, Step, nothing
from rnnprof.tally_python import FAR, Tally
from rnnprof.track_python import Track

__all__ = [
    "HAVE_CLOCK",
    "Mark",
    "NoStage",
    "Stage",
    "Step",
    "Tally",
    "Track",
    "nothing",
    "record_on",
    "recorded_on",
]

HAVE_CLOCK = 1

_recording: Track | None = None


def record_on(track: Track | None) -> None:
    """Make a track the one on which marks act; None for none."""
    global _recording
    _recording = track


def recorded_on() -> Track | None:
    """The track on which marks act, or None."""
    return _recording


class Mark:
    """A call that ends the stage an earlier mark began, and begins the one of its name.

    Args:
        name: the stage that begins, or None only to end one.

    Raises:
        TypeError: if the name is neither a non-empty string nor None.
    """

    __slots__ = ("_name",)
    # Pickled under the name that the twin has as well.
    __module__ = "rnnprof.marks"

    def __init__(self, name: str | None) -> None:
        if name is not None and (type(name) is not str or not name):
            raise TypeError(f"a Mark takes a non-empty string or None, not {name!r}")
        self._name = None if name is None else sys.intern(name)

    @property
    def name(self) -> str | None:
        """The stage that it begins."""
        return self._name

    def __call__(self) -> None:
        track = _recording
        if track is not None:
            try:
                track.boundary(self._name)
            except Exception:
                # The program that is watched must not fail because of it.
                return

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._name,)

    def __repr__(self) -> str:
        return f"<rnnprof mark {self._name!r}>"


class Stage:
    """One place in the tree; a context manager that times each visit.

    Args:
        track: the thread's track that it belongs to.
        name: the stage's name.
        parent: the stage around it, or None for the root of a lane or step.
        clock: callable that returns nanoseconds, or None for the native host clock.
    """

    __slots__ = (
        "children",
        "clock",
        "closing",
        "flat",
        "muted",
        "name",
        "parent",
        "special",
        "start",
        "steps",
        "tally",
        "token_ns",
        "tokens",
        "track",
        "uncounted",
    )

    def __init__(self, track: Any, name: str, parent: Stage | None, clock: Callable[[], int] | None) -> None:
        self.track = track
        self.name = name
        self.parent = parent
        self.clock = perf_counter_ns if clock is None else clock
        self.children: dict[str, Any] = {}
        self.tally = Tally()
        self.start = 0
        self.muted = False
        # Not in the tree: its spans go nowhere.
        self.uncounted = False
        # Timed elsewhere: a stage by its subclass, a root by `begin_step` and `end_step`.
        self.special = False
        # Opened by a mark: the next one ends it, or the end of its step or lane.
        self.flat = False
        # Only in the root of a step: the steps that ended well, at how many of them the bucket of
        # the timeline is full, and their tokens.
        self.steps = 0
        self.closing = FAR
        self.tokens = self.token_ns = 0

    def __enter__(self) -> Any:
        track = self.track
        stage: Any = self
        if track.current is not self.parent or track.closed or get_ident() != track.owner:
            stage = self._here()
            if stage is None:
                return track.misplaced_enter(self)
        track.current = stage
        stage.flat = False
        try:
            stage.start = stage.clock()
        except BaseException:
            track.current = stage.parent
            raise
        return None

    def __exit__(self, kind: Any = None, value: Any = None, traceback: Any = None) -> Any:
        track = self.track
        stage = self
        if track.current is not self or track.closed or get_ident() != track.owner:
            if track.closed or get_ident() != track.owner or not self._stands_for(track.current):
                return track.misplaced_exit(self, kind is not None)
            stage = track.current
        try:
            end = stage.clock()
        except Exception:
            # The user's exception matters more than a clock that died with it.
            if kind is not None:
                return None
            raise
        finally:
            track.current = stage.parent
        if stage.uncounted:
            return None
        if track.journaling:
            track.note(stage.tally, stage.start, end - stage.start)
            return None
        track.count(stage.tally, stage.start, end - stage.start)
        if end > track.deadline:
            track.overdue(end)
        return None

    def _here(self) -> Stage | None:
        """A stage object may be kept and entered anywhere: then it stands for its name there."""
        track = self.track
        if track.closed or get_ident() != track.owner or track.current is None or track.current.muted:
            return None
        found = track.current.children.get(self.name)
        return found if isinstance(found, Stage) and not found.special else None

    def _stands_for(self, current: Any) -> bool:
        return (
            current is not None
            and current.parent is not None
            and not current.special
            and current.name == self.name
        )

    def open(self) -> bool:
        """Become the current stage without reading a clock; False where that is misplaced."""
        track = self.track
        if track.current is not self.parent or track.closed or get_ident() != track.owner:
            return False
        track.current = self
        self.flat = False
        return True

    def close(self) -> bool:
        """Give way to the parent without reading a clock; False where that is misplaced."""
        track = self.track
        if track.current is not self or track.closed or get_ident() != track.owner:
            return False
        track.current = self.parent
        return True
