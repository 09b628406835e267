"""Which clock times what: on the host alone, and on the device that the program turns out to use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from rnnprof import marks
from rnnprof.clocks import NAMES, Clock, HostClock, SyncClock
from rnnprof.devices import Device, find_device, need_device, no_events, why_no_events
from rnnprof.errors import UsageError
from rnnprof.model import Json
from rnnprof.recorder.events import EventQueue
from rnnprof.recorder.guard import FAILED, GRAPH, MIXED, Guard
from rnnprof.recorder.steps import EventRoot, Root
from rnnprof.recorder.syncing import SyncRoot, WaitingClock
from rnnprof.schedule import Schedule

END_WAIT_NS = 5_000_000_000
"""How long the end of the run may wait for a step that does not end."""
END_TOTAL_NS = 30_000_000_000
"""How long it may wait for a device that is far behind."""
NOTICED_SHARE = 0.02
"""The share of the steps' time that other streams must run on for, before it is worth a note."""


class Timing:
    """The clocks of a run.

    Args:
        clock: ``auto``, ``host``, ``sync``, ``event``, or a clock of the user's own.
        device: the accelerator; None looks for the one that torch uses.

    Raises:
        UsageError: if the clock is none, or needs a device that there is not.
    """

    def __init__(self, clock: str | Clock, device: Device | None) -> None:
        if isinstance(clock, str) and clock not in NAMES:
            raise UsageError(f"clock={clock!r} is not known: give one of {', '.join(NAMES)}, or a clock")
        if not isinstance(clock, str) and not isinstance(clock, Clock):
            raise UsageError(f"a clock has `name` and `now()`; {type(clock).__name__} has not")
        self.asked = clock if isinstance(clock, str) else clock.name
        simulated = getattr(device, "clock", None)
        self.host: Clock = simulated or HostClock() if isinstance(clock, str) else clock
        self.native = isinstance(self.host, HostClock) and marks.HAVE_CLOCK
        self.queue: EventQueue | None = None
        self.devices = 1
        """How many devices were seen in use at once."""
        if self.asked in ("sync", "event") and device is None and isinstance(clock, str):
            device = need_device(self.asked)
        self._device = device
        self._guard: Guard | None = None
        self._sync: SyncClock | None = None
        self._met = self._late = False
        self._no_events = ""
        self._waiting: list[tuple[str, WaitingClock, Root]] = []

    @property
    def reading(self) -> Callable[[], int] | None:
        """What stages outside steps read the time with; None is the native host clock."""
        if self._sync is not None:
            return self._sync.now
        return None if self.native else self.host.now

    def settle(self) -> None:
        """At the border of two lanes, let the device finish what the first one queued."""
        if self._guard is not None and self._guard.free():
            self._guard.synchronize()

    def meet(self, schedule: Schedule) -> Schedule:
        """At the first step it is known which device the program uses.

        Args:
            schedule: as it was asked for.

        Returns:
            The schedule with the kinds of step that the device calls for.

        Raises:
            UsageError: if the device cannot be timed as it was asked for.
        """
        if self._met:
            return schedule
        self._met = True
        if self._device is None and self.asked == "auto":
            self._device = find_device()
        device = self._device
        if device is None or self.asked == "host":
            return schedule
        self._guard = guard = Guard(device)
        # Stages outside steps are rare enough to synchronize at both ends.
        self._sync = SyncClock(guard, self.host)
        self._no_events = why_no_events(device)
        if self._no_events and self.asked not in ("auto", "sync"):
            raise no_events(device, self._no_events)
        if self.asked == "sync":
            self._no_events = ""
            return schedule.timed_as("sync")
        if self._no_events:
            return schedule.timed_as("sync", ("host",))
        self.queue = EventQueue(guard)
        return schedule.timed_as("event", ("host", "sync") if self.asked == "auto" else ())

    def look_again(self) -> None:
        """Once in a while: how many devices there are. Events of two cannot be compared."""
        if self._guard is not None and self._guard.free():
            try:
                self.devices = max(self.devices, self._guard.device.in_use())
            except Exception as error:
                self._guard.fail(error)

    def root(self, track: Any, kind: str, main: str, beside: bool) -> Root:
        """The root for steps of one kind, timed as that kind is.

        Args:
            track: the thread's track.
            kind: the kind of step.
            main: the main kind of the schedule.
            beside: whether the thread is not the main one.
        """
        muted = kind == "control"
        timed_as = main if kind in ("warmup", "control") else kind
        if timed_as == "event" and (kind == "warmup" or self.devices > 1):
            # The warmup is in no statistics, and shows what other streams do.
            timed_as = "sync"
        host = None if self.native else self.host.now
        if timed_as == "event" and self.queue is not None:
            return EventRoot(track, host, muted, self.queue)
        if timed_as == "sync" and self._guard is not None:
            look = self.queue is not None and not beside and not muted
            clock = WaitingClock(self._guard, self.host.now, look)
            root = SyncRoot(track, clock, muted, self._guard)
            if look:
                self._waiting.append((kind, clock, root))
            return root
        return Root(track, host, muted)

    def kind_now(self, kind: str, root: Root | None) -> str:
        """The kind of a step that was dealt, now that there may be several devices.

        Args:
            kind: as it was dealt.
            root: the lane's root of that kind; None where there was no such step yet.
        """
        events = kind == "event" or (kind == "control" and isinstance(root, EventRoot))
        return "sync" if events and self.devices > 1 else kind

    def end(self) -> None:
        """At the end of the run, read what the device has done; wait for it, but not for ever."""
        if self.queue is not None:
            self.queue.drain(END_WAIT_NS, END_TOTAL_NS, self.host.now)
        elif self._met and self._device is None and self.asked == "auto":
            # A torch that is broken by now shall not cost the run.
            with suppress(Exception):
                self._late = find_device() is not None

    def notes(self) -> Iterator[Json]:
        """What went less well than it should, with codes; `analysis.notes` has the words."""
        guard, queue = self._guard, self.queue
        if self._no_events and self._device is not None:
            yield {"code": "no_events", "device": self._device.name, "reason": self._no_events}
        if self._late:
            yield {"code": "late_device"}
        if guard is None:
            return
        if queue is not None and self.devices > 1:
            yield {"code": "several_devices", "count": self.devices}
        yield from self._other_streams()
        if guard.left_out[GRAPH]:
            yield {"code": "captured_graph", "count": guard.left_out[GRAPH]}
        unread = guard.left_out[MIXED] + (queue.unresolved if queue is not None else 0)
        if unread:
            yield {"code": "unresolved_events", "count": unread}
        if guard.failure:
            yield {"code": "device_failed", "message": guard.failure, "count": guard.left_out[FAILED]}
        if queue is not None and queue.dropped_spans:
            yield {"code": "dropped_spans", "count": queue.dropped_spans}

    def _other_streams(self) -> Iterator[Json]:
        for wanted in ("sync", "warmup"):
            found = [(clock, root.tally.total) for kind, clock, root in self._waiting if kind == wanted]
            total = sum(ns for _, ns in found)
            if not total:
                continue
            beyond: Counter[str] = Counter()
            for clock, _ in found:
                beyond.update(clock.beyond)
            share = beyond.total() / total
            if share > NOTICED_SHARE:
                stage = max(beyond, key=lambda name: beyond[name])
                yield {"code": "other_streams", "share": round(share, 4), "stage": stage}
            return
