"""Stages timed by events on the device's stream, resolved when they have happened.

Nothing here waits for the device: a step's events queue up, and are read at the end of a later
step, when the device has got there.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from rnnprof.clocks import EventPool
from rnnprof.devices import Device
from rnnprof.marks import Stage, Tally

Span = tuple[Tally, Any, Any]
Logged = tuple[Any, int, int]
"""The log of a step that waits, its number there, and when the host began it."""
Waiting = tuple[Any, list[Span], list[Any], int, Logged | None]

MAX_WAITING = 512
"""Steps whose events may be outstanding; while there are more, steps are timed by the host."""
MAX_EVENTS = 8192
"""Events inside one step; a step with more keeps the spans that got theirs."""


class EventQueue:
    """The events of steps that the device has not reached yet.

    Args:
        device: the accelerator.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.pool = EventPool(device)
        self.spans: list[Span] = []
        # Of the step under way, each once: two neighbours may share one.
        self.events: list[Any] = []
        self.dropped_spans = 0
        self._waiting: deque[Waiting] = deque()

    @property
    def full(self) -> bool:
        """Whether the device lags so far behind that no further step may queue events."""
        return len(self._waiting) >= MAX_WAITING

    def __len__(self) -> int:
        return len(self._waiting)

    def edge(self) -> Any:
        """Queue an event at one end of the step that is under way."""
        event = self.pool.mark()
        self.events.append(event)
        return event

    def mark(self) -> Any:
        """Queue an event inside the step that is under way, or give None where it has too many."""
        return self.edge() if len(self.events) < MAX_EVENTS else None

    def add(self, tally: Tally, opened: Any, closed: Any) -> None:
        """Note a span of the step that is under way."""
        if opened is None or closed is None:
            self.dropped_spans += 1
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
        self.spans, self.events = [], []

    def poll(self) -> None:
        """Read the steps that the device has finished, oldest first; never waits."""
        done, elapsed, give_back = self.device.done, self.device.elapsed_ns, self.pool.give_back
        while self._waiting and done(self._waiting[0][1][-1][2]):
            root, spans, events, wall_ns, logged = self._waiting.popleft()
            for tally, opened, closed in spans:
                tally.add(elapsed(opened, closed))
            if logged is not None:
                self._write_down(spans, *logged)
            for event in events:
                give_back(event)
            root.resolved(wall_ns)

    def _write_down(self, spans: list[Span], log: Any, number: int, start: int) -> None:
        elapsed, begun = self.device.elapsed_ns, spans[-1][1]
        # Both ends from the step's start: neighbours that share an event then meet exactly.
        log.add_measured(
            number,
            start,
            [(tally, elapsed(begun, opened), elapsed(begun, closed)) for tally, opened, closed in spans],
        )


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
        try:
            self.opened = self.clock.mark()  # type: ignore[attr-defined]
        except BaseException:
            self.track.current = self.parent
            raise
        return None

    def __exit__(self, kind: Any = None, value: Any = None, traceback: Any = None) -> Any:
        if not self.close():
            return self.track.misplaced_exit(self, kind is not None)
        queue: Any = self.clock
        try:
            queue.add(self.tally, self.opened, queue.mark())
        except BaseException:
            # The user's exception matters more than a device that died with it.
            if kind is None:
                raise
        return None
