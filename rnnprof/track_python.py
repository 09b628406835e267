"""A thread's position in its tree, in Python. See `_marks.c`, its twin in C."""

from __future__ import annotations

from _thread import get_ident
from array import array
from collections.abc import Iterable
from typing import Any

from rnnprof.step_python import NoStage, Step
from rnnprof.tally_python import FAR, Tally

JOURNAL_FULL = 1024
JOURNAL_LIMIT = 65_536

Entry = tuple[Tally, int, int]
"""A span: its tally, its start and its nanoseconds."""


def packed(entries: Iterable[Entry]) -> bytes:
    """Entries as the log takes them: triples of 64-bit integers, address of the tally, start, length."""
    return array("q", [number for tally, start, ns in entries for number in (id(tally), start, ns)]).tobytes()


class Track:
    """One thread's position in its tree of stages. `marks.Track` adds what is rare.

    Inside a step spans wait in a journal, so that a step that fails can be dropped whole.
    """

    def __init__(self) -> None:
        self.current: Any = None
        self.owner = get_ident()
        self.closed = False
        self.journaling = False
        self.deadline = FAR
        self.polling = False
        self.step: Any = None
        # Where all spans are written down (`recorder/spans.py`), or None.
        self.log: Any = None
        self._journal: list[Entry] = []
        self._kept = 0
        # Where the entries of the open step begin, and whether another thread may take snapshots,
        # so that spans are added up at once.
        self._opened = 0
        self.eager = False

    @property
    def opened(self) -> int:
        """Where the entries of the open step begin, counted from those that are kept.

        While another lane is open, the journal may be flushed.
        """
        return self._opened - self._kept

    @opened.setter
    def opened(self, entries: int) -> None:
        self._opened = min(max(entries + self._kept, 0), len(self._journal))

    def stage(self, name: str) -> Any:
        """The stage of that name inside the current one."""
        if get_ident() != self.owner:
            return self.foreign_stage(name)
        if self.current is not None and not self.closed and not self.current.muted:
            found = self.current.children.get(name) if isinstance(name, str) else None
            if found is not None:
                return found
        return self.missing_stage(name)

    def boundary(self, name: str | None) -> None:
        """End the flat stage that is open and begin the one of that name: both at one reading."""
        current = self.current
        if self.closed:
            return None
        if get_ident() != self.owner:
            return self.foreign_mark(name)
        if current is None or current.muted:
            return None
        flat, root = None, current
        if current.flat:
            if current.name == name:
                return None
            flat, root = current, current.parent
        elif current.parent is not None or name is None:
            # In a stage that was marked otherwise, or there is nothing to end.
            return None
        if root.special:
            return self.odd_mark(name)
        try:
            moment = root.clock()
        finally:
            self.current = root
            if flat is not None:
                flat.flat = False
        if flat is not None and self.journaling:
            self.note(flat.tally, flat.start, moment - flat.start)
        elif flat is not None:
            self.count(flat.tally, flat.start, moment - flat.start)
        stage = None if name is None else root.children.get(name) or self.missing_stage(name)
        if stage is not None and not isinstance(stage, NoStage):
            self.current = stage
            stage.start = moment
            stage.flat = True
        if moment > self.deadline and not self.journaling:
            self.overdue(moment)
        return None

    def flat_stage(self, root: Any) -> Any:
        """The current stage where a mark opened it in that root, or None."""
        current = self.current
        return current if current is not None and current.flat and current.parent is root else None

    def count(self, tally: Tally, start: int, ns: int) -> None:
        """Count a span outside steps, at once."""
        tally.add(ns)
        if self.log is not None:
            self.log.add_outside(packed([(tally, start, ns)]))

    def note(self, tally: Tally, start: int, ns: int) -> None:
        """Count a span inside a step, when the step has ended well."""
        if len(self._journal) >= JOURNAL_LIMIT:
            self._kept = len(self._journal)
            self._opened = 0
            self.flush()
        self._journal.append((tally, start, ns))

    def begin(self, root: Any) -> None:
        """Open a step whose stages hang below this root."""
        self.journaling = True
        self._opened = len(self._journal)
        self.current = root
        try:
            root.start = root.clock()
        except BaseException:
            self.journaling = False
            raise

    def finish(self, root: Any, outer: Any, keep: bool) -> int:
        """Close a step, keep or drop its spans, and return its nanoseconds."""
        try:
            ns: int = root.clock() - root.start
        except BaseException:
            self.leave(outer)
            raise
        flat = self.flat_stage(root)
        self.current = outer
        self.journaling = False
        if flat is not None:
            flat.flat = False
        if not keep:
            self.leave(outer)
            return ns
        if flat is not None:
            self.note(flat.tally, flat.start, root.start + ns - flat.start)
        self.note(root.tally, root.start, ns)
        root.steps += 1
        if self._opened > self._kept:
            # A step of a lane inside a step, which may yet fail: only the inner one has ended.
            inner = self._journal[self._opened :]
            self.leave(outer)
            self._add_up(inner)
            return ns
        self._kept = len(self._journal)
        if self._kept >= (1 if self.eager else JOURNAL_FULL):
            self.flush()
        return ns

    def leave(self, outer: Any) -> None:
        """Leave the step's tree and forget what it holds."""
        self.current = outer
        self.journaling = False
        del self._journal[self._opened :]

    def flush(self) -> None:
        """Add up the spans of the steps that ended well."""
        ended = self._journal[: self._kept]
        del self._journal[: self._kept]
        self._opened = max(self._opened - self._kept, 0)
        self._kept = 0
        self._add_up(ended)

    def _add_up(self, entries: list[Entry]) -> None:
        for tally, _, ns in entries:
            tally.add(ns)
        if self.log is not None and entries:
            self.log.add(packed(entries))

    def open_step(self, tokens: int | None) -> Any:
        """The Step of the open lane, to be opened with that number of tokens."""
        if get_ident() != self.owner or not isinstance(self.step, Step):
            return self.foreign_step(tokens)
        self.step.given = None if tokens is None else self.odd_tokens(tokens)
        return self.step

    def foreign_stage(self, name: str) -> Any:
        raise NotImplementedError

    def foreign_mark(self, name: str | None) -> None:
        raise NotImplementedError

    def odd_mark(self, name: str | None) -> None:
        raise NotImplementedError

    def missing_stage(self, name: str) -> Any:
        raise NotImplementedError

    def misplaced_enter(self, stage: Any) -> Any:
        raise NotImplementedError

    def misplaced_exit(self, stage: Any, failed: bool) -> Any:
        raise NotImplementedError

    def overdue(self, now: int) -> None:
        raise NotImplementedError

    def foreign_step(self, tokens: int | None) -> Any:
        raise NotImplementedError

    def misplaced_step(self, step: Any) -> None:
        raise NotImplementedError

    def deal(self, step: Any) -> None:
        raise NotImplementedError

    def odd_end(self, step: Any, root: Any, failed: bool) -> None:
        raise NotImplementedError

    def odd_tokens(self, tokens: Any) -> int:
        raise NotImplementedError

    def enclosed(self, outer: Any, ns: int) -> None:
        raise NotImplementedError

    def between_steps(self, now: int) -> None:
        raise NotImplementedError
