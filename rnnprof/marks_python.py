"""The hot path in Python: the tree of stages and their tallies. See `_marks.c`, its twin in C.

A stage is a context manager and a node of a tree. Entering it makes it the track's current stage
and reads the clock last; leaving it reads the clock first, so that what the marks themselves cost
falls to the parent. The nodes are made once and found by name among the current stage's children.
"""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

from rnnprof.step_python import NoStage, Step, nothing
from rnnprof.tally_python import Tally

__all__ = ["HAVE_CLOCK", "NoStage", "Stage", "Step", "Tally", "Track", "nothing"]

HAVE_CLOCK = 1
JOURNAL_FULL = 1024
JOURNAL_LIMIT = 65_536
FAR = (1 << 63) - 1


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
        # Timed elsewhere: a stage by its subclass, a root by `begin_step` and `end_step`.
        self.special = False
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
        except BaseException:
            # The user's exception matters more than a clock that died with it.
            if kind is not None:
                return None
            raise
        finally:
            track.current = stage.parent
        if track.journaling:
            track.note(stage.tally, end - stage.start)
            return None
        stage.tally.add(end - stage.start)
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
        return True

    def close(self) -> bool:
        """Give way to the parent without reading a clock; False where that is misplaced."""
        track = self.track
        if track.current is not self or track.closed or get_ident() != track.owner:
            return False
        track.current = self.parent
        return True


class Track:
    """One thread's position in its tree of stages. `marks.Track` adds what is rare.

    Inside a step spans wait in a journal, so that a step that fails can be dropped whole.
    """

    def __init__(self) -> None:
        self.current: Stage | None = None
        self.owner = get_ident()
        self.closed = False
        self.journaling = False
        self.deadline = FAR
        self.polling = False
        self.step: Any = None
        self._journal: list[tuple[Tally, int]] = []
        self._kept = 0

    def stage(self, name: str) -> Any:
        """The stage of that name inside the current one."""
        if get_ident() != self.owner:
            return self.foreign_stage(name)
        if self.current is not None and not self.closed and not self.current.muted:
            found = self.current.children.get(name) if isinstance(name, str) else None
            if found is not None:
                return found
        return self.missing_stage(name)

    def note(self, tally: Tally, ns: int) -> None:
        """Count a span inside a step, when the step has ended well."""
        if len(self._journal) >= JOURNAL_LIMIT:
            self._kept = len(self._journal)
            self.flush()
        self._journal.append((tally, ns))

    def begin(self, root: Stage) -> None:
        """Open a step whose stages hang below this root."""
        self.journaling = True
        self.current = root
        try:
            root.start = root.clock()
        except BaseException:
            self.journaling = False
            raise

    def finish(self, root: Stage, outer: Stage, keep: bool) -> int:
        """Close a step, keep or drop its spans, and return its nanoseconds."""
        kept = False
        try:
            ns = root.clock() - root.start
            kept = keep
        finally:
            self.current = outer
            self.journaling = False
            if kept:
                self.note(root.tally, ns)
                self._kept = len(self._journal)
                root.steps += 1
            else:
                del self._journal[self._kept :]
        if self._kept >= JOURNAL_FULL:
            self.flush()
        return ns

    def flush(self) -> None:
        """Add up the spans of the steps that ended well."""
        for tally, ns in self._journal[: self._kept]:
            tally.add(ns)
        del self._journal[: self._kept]
        self._kept = 0

    def write_through(self) -> None:
        """Keep the step's spans so far, and from here on each at once."""
        self.journaling = False
        self._kept = len(self._journal)
        self.flush()

    def open_step(self, tokens: int | None) -> Any:
        """The Step of the open lane, to be opened with that number of tokens."""
        if get_ident() != self.owner or not isinstance(self.step, Step):
            return self.foreign_step(tokens)
        self.step.given = tokens
        return self.step

    def foreign_stage(self, name: str) -> Any:
        raise NotImplementedError

    def missing_stage(self, name: str) -> Any:
        raise NotImplementedError

    def misplaced_enter(self, stage: Stage) -> Any:
        raise NotImplementedError

    def misplaced_exit(self, stage: Stage, failed: bool) -> Any:
        raise NotImplementedError

    def overdue(self, now: int) -> None:
        raise NotImplementedError

    def foreign_step(self, tokens: int | None) -> Any:
        raise NotImplementedError

    def misplaced_step(self, step: Any) -> None:
        raise NotImplementedError

    def deal(self, step: Any) -> None:
        raise NotImplementedError

    def odd_end(self, step: Any, failed: bool) -> None:
        raise NotImplementedError

    def enclosed(self, outer: Any, ns: int) -> None:
        raise NotImplementedError

    def between_steps(self, now: int) -> None:
        raise NotImplementedError
