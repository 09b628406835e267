"""How a span is timed: the host's clock, a synchronized clock, or events on the device's stream.

A clock is anything with ``name`` and ``now()`` in nanoseconds, so that a fake one gives exact
tests. What they need of an accelerator is in `devices`.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import Any, Protocol, runtime_checkable

from rnnprof.devices import Device

NAMES = ("auto", "host", "sync", "event")


@runtime_checkable
class Clock(Protocol):
    """A source of readings in nanoseconds that never run backwards."""

    @property
    def name(self) -> str:
        """What the readings are called in the run file."""

    def now(self) -> int:
        """The reading now, in nanoseconds."""


class HostClock:
    """`time.perf_counter_ns`: right for work that is done when the call returns."""

    name = "host"
    now = staticmethod(perf_counter_ns)


class Waitable(Protocol):
    """What can be waited for: a device."""

    def synchronize(self) -> None:
        """Wait until everything queued is done."""

    def capturing(self) -> bool:
        """Whether it must not be waited for now."""


class SyncClock:
    """Wait for the device, then read the host's clock.

    The wait comes first: a reading taken before it would bill work that was queued earlier to the
    stage that begins here. While a graph is recorded nothing may be waited for: the host's clock is
    then read at once, and what runs on the device is not in the reading.

    Args:
        device: the accelerator to wait for.
        host: the clock that is read after the wait.
    """

    name = "sync"

    def __init__(self, device: Waitable, host: Clock | None = None) -> None:
        self._synchronize = device.synchronize
        self._capturing = device.capturing
        self._read = (host or HostClock()).now

    def now(self) -> int:
        """The host's reading once the device is idle, in nanoseconds."""
        if not self._capturing():
            self._synchronize()
        reading: int = self._read()
        return reading


class EventPool:
    """Timing events that are used again: creating one costs more than recording it.

    Args:
        device: the accelerator that makes them.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self._free: list[Any] = []
        self._take = self._free.pop
        self._record = device.record

    def mark(self) -> Any:
        """Queue an event on the current stream and return it."""
        event = self._take() if self._free else self.device.event()
        self._record(event)
        return event

    def give_back(self, event: Any) -> None:
        """Make an event available again."""
        self._free.append(event)
