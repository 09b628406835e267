"""Stages timed by events on the device's stream, resolved when they have happened.

Nothing here waits for the device: a step's events queue up, and are read at the end of a later
step, when the device has got there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from rnnprof.clocks import EventPool
from rnnprof.marks import Stage, Tally
from rnnprof.recorder.guard import FAILED, GRAPH, MIXED, Guard

Span = tuple[Tally, Any, Any]
Logged = tuple[Any, int, int]
"""The log of a step that waits, its number there, and when the host began it."""
Waiting = tuple[Any, list[Span], list[Any], int, Logged | None]

MAX_WAITING = 512
"""Steps whose events may be outstanding; while there are more, steps are timed by the host."""
MAX_EVENTS = 8192
"""Events inside one step; a step with more keeps the spans that got theirs."""
LOST_BEHIND = 32
"""A step that has not happened when so many after it have, never will."""


class EventQueue:
    """The events of steps that the device has not reached yet.

    Args:
        guard: the accelerator.
    """

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.pool = EventPool(guard.device)
        self.spans: list[Span] = []
        # Of the step under way, each once: two neighbours may share one.
        self.events: list[Any] = []
        # Why the step under way has to be left out, if so.
        self.reason = ""
        self.dropped_spans = 0
        # Steps with events that never happened, or do not fit together.
        self.lost = 0
        self._capturing = guard.device.capturing
        self._waiting: deque[Waiting] = deque()

    @property
    def full(self) -> bool:
        """Whether the device lags so far behind that no further step may queue events."""
        return len(self._waiting) >= MAX_WAITING

    @property
    def unresolved(self) -> int:
        """Steps whose events have not been read."""
        return self.lost + len(self._waiting)

    def __len__(self) -> int:
        return len(self._waiting)

    def edge(self) -> Any:
        """Queue an event at one end of the step that is under way; None where that cannot be."""
        guard = self.guard
        try:
            if guard.failure or self._capturing():
                self.reason = FAILED if guard.failure else GRAPH
                return None
            event = self.pool.mark()
        except Exception as error:
            self.reason = self._why(error)
            return None
        self.events.append(event)
        return event

    def _why(self, error: Exception) -> str:
        """Whether an event was refused because it is of another device, or the device has failed."""
        try:
            mixed = self.guard.device.in_use() > 1
        except Exception:
            mixed = False
        if mixed:
            return MIXED
        self.guard.fail(error)
        return FAILED

    def mark(self) -> Any:
        """Queue an event inside the step that is under way, or give None where it has too many."""
        return self.edge() if len(self.events) < MAX_EVENTS else None

    def add(self, tally: Tally, opened: Any, closed: Any) -> None:
        """Note a span of the step that is under way."""
        if opened is None or closed is None:
            self.dropped_spans += not self.reason
        else:
            self.spans.append((tally, opened, closed))

    def finish(self, root: Any, opened: Any, closed: Any, wall_ns: int) -> None:
        """Queue the step that ends now; its own span is the last to be read."""
        self.spans.append((root.tally, opened, closed))
        log = root.track.log
        logged = None if log is None else (log, log.number(root), root.start)
        self._waiting.append((root, self.spans, self.events, wall_ns, logged))
        self.spans, self.events = [], []

    def drop(self) -> None:
        """Forget the spans of the step that is under way."""
        for event in self.events:
            self.pool.give_back(event)
        self.spans, self.events, self.reason = [], [], ""

    def poll(self) -> None:
        """Read the steps that the device has finished, oldest first; never waits."""
        waiting = self._waiting
        if not waiting or not self.guard.free():
            return
        done = self.guard.device.done
        try:
            while waiting and self._over(waiting[0]):
                waiting.popleft()
            if len(waiting) > 2 * LOST_BEHIND and done(_last(waiting[LOST_BEHIND])):
                waiting.popleft()
                self.lost += 1
        except Exception as error:
            self.guard.fail(error)

    def drain(self, limit_ns: int, total_ns: int, now: Callable[[], int]) -> None:
        """Wait for the steps, one after the other, and read what has happened.

        Args:
            limit_ns: after so long without a step that ends, the rest is given up.
            total_ns: likewise after so long in all.
            now: the host's clock, in nanoseconds.
        """
        waiting = self._waiting
        if not waiting or not self.guard.free():
            return
        deadline = now() + total_ns
        try:
            try:
                # A device that is far behind is waited for while it goes on.
                for step in waiting:
                    if not self.guard.device.wait(_last(step), min(limit_ns, max(deadline - now(), 0))):
                        break
            finally:
                # Also where Ctrl-C has ended the wait.
                for _ in range(len(waiting)):
                    if not self._over(waiting[0]):
                        waiting.append(waiting[0])
                    waiting.popleft()
        except Exception as error:
            self.guard.fail(error)

    def _over(self, step: Waiting) -> bool:
        """Whether a step is done with: its events have been read, or never can be."""
        root, spans, events, wall_ns, logged = step
        done, elapsed = self.guard.device.done, self.guard.device.elapsed_ns
        if not done(_last(step)):
            return False
        try:
            times = [elapsed(opened, closed) for _, opened, closed in spans]
        except RuntimeError:
            if not all(map(done, events)):
                # Those of another stream, which is behind the one that the step ended on.
                return False
            times = [-1]
        if min(times) < 0:
            # They are of two devices, or of streams that do not wait for each other.
            self.lost += 1
            return True
        for (tally, _, _), ns in zip(spans, times, strict=True):
            tally.add(ns)
        if logged is not None:
            self._write_down(spans, *logged)
        for event in events:
            self.pool.give_back(event)
        root.resolved(wall_ns)
        return True

    def _write_down(self, spans: list[Span], log: Any, number: int, start: int) -> None:
        elapsed, begun = self.guard.device.elapsed_ns, spans[-1][1]
        # Both ends from the step's start: neighbours that share an event then meet exactly.
        log.add_measured(
            number,
            start,
            [(tally, elapsed(begun, opened), elapsed(begun, closed)) for tally, opened, closed in spans],
        )


def _last(step: Waiting) -> Any:
    """The event that ends a step."""
    return step[1][-1][2]


class EventStage(Stage):
    """A stage inside a step that is timed by events; its ``clock`` is the queue."""

    __slots__ = ("opened",)

    opened: Any

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.special = True

    def __enter__(self) -> Any:
        if not self.open():
            return self.track.misplaced_enter(self)
        self.opened = self.clock.mark()  # type: ignore[attr-defined]
        return None

    def __exit__(self, kind: Any = None, value: Any = None, traceback: Any = None) -> Any:
        if not self.close():
            return self.track.misplaced_exit(self, kind is not None)
        queue: Any = self.clock
        queue.add(self.tally, self.opened, queue.mark())
        return None
