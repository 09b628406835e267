"""Time under control, for exact tests of rnnprof and of programs that use it.

clock = FakeClock()
with rnnprof.profile(None, clock=clock, warmup=0, control_every=0) as prof:
    with prof.step(), prof.stage("forward"):
        clock.advance(100)
"""

from __future__ import annotations

from typing import Any

from rnnprof.errors import UsageError


class FakeClock:
    """A clock that stands still until it is told to advance.

    Args:
        start: its first reading, in nanoseconds.
    """

    name = "fake"

    def __init__(self, start: int = 0) -> None:
        self._now = start

    def now(self) -> int:
        """The reading, in nanoseconds."""
        return self._now

    def advance(self, ns: int) -> None:
        """Let time pass.

        Args:
            ns: how much, in whole nanoseconds.

        Raises:
            UsageError: if it is negative or not whole.
        """
        if not isinstance(ns, int) or ns < 0:
            raise UsageError(f"a clock advances by whole nanoseconds, 0 or more, not {ns!r}")
        self._now += ns


class FakeDevice:
    """An accelerator with one stream: kernels run after each other, behind the host's back.

    Args:
        clock: the host's time, in which the device's timeline is told as well.
    """

    name = "fake"

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.events = 0
        self._idle_at = clock.now()

    def launch(self, ns: int) -> None:
        """Queue a kernel; the host goes on at once.

        Args:
            ns: how long the kernel runs, in nanoseconds.
        """
        self._idle_at = max(self._idle_at, self.clock.now()) + ns

    def synchronize(self) -> None:
        """Let the host wait until the stream is empty."""
        self.clock.advance(max(self._idle_at - self.clock.now(), 0))

    def event(self) -> Any:
        """A new event; ``events`` counts them."""
        self.events += 1
        return _Event()

    def record(self, event: Any) -> None:
        """Queue an event."""
        event.at = max(self._idle_at, self.clock.now())

    def done(self, event: Any) -> bool:
        """Whether the event has happened by now."""
        return bool(event.at <= self.clock.now())

    def finish_stream(self) -> None:
        """Let the host wait until the current stream is empty."""
        self.synchronize()

    def wait(self, event: Any, ns: int) -> bool:
        """Let the host wait for an event, for so many nanoseconds at most."""
        self.clock.advance(min(max(event.at - self.clock.now(), 0), ns))
        return self.done(event)

    def capturing(self) -> bool:
        """Whether a graph is being recorded."""
        return False

    def in_use(self) -> int:
        """How many devices there are."""
        return 1

    def elapsed_ns(self, start: Any, end: Any) -> int:
        """Time from one event to another, in nanoseconds."""
        elapsed: int = end.at - start.at
        return elapsed


class _Event:
    """The moment on the device's timeline at which it happens."""

    __slots__ = ("at",)

    at: int
