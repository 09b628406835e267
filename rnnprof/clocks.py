"""How a span is timed: the host's clock, a synchronized clock, or events on the device's stream.

A clock is anything with ``name`` and ``now()`` in nanoseconds, so that a fake one gives exact
tests. A device is what the synchronizing clocks need of an accelerator; `testing.FakeDevice` is
one without hardware. Torch is imported only where a device is asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, Protocol, runtime_checkable

from rnnprof.errors import UsageError

NAMES = ("auto", "host", "sync", "event")


@runtime_checkable
class Clock(Protocol):
    """A source of readings in nanoseconds that never run backwards."""

    @property
    def name(self) -> str:
        """What the readings are called in the run file."""

    def now(self) -> int:
        """The reading now, in nanoseconds."""


class Device(Protocol):
    """What rnnprof needs of an accelerator."""

    @property
    def name(self) -> str:
        """For example ``"cuda"``."""

    def synchronize(self) -> None:
        """Wait until everything queued on the current device is done."""

    def event(self) -> Any:
        """A new timing event, not yet recorded."""

    def record(self, event: Any) -> None:
        """Queue the event on the current stream."""

    def done(self, event: Any) -> bool:
        """Whether the event has happened; never waits."""

    def elapsed_ns(self, start: Any, end: Any) -> int:
        """Time between two events that have happened, in nanoseconds."""


class HostClock:
    """`time.perf_counter_ns`: right for work that is done when the call returns."""

    name = "host"
    now = staticmethod(perf_counter_ns)


class SyncClock:
    """Wait for the device, then read the host's clock.

    The wait comes first: a reading taken before it would bill work that was queued earlier to the
    stage that begins here.

    Args:
        device: the accelerator to wait for.
        host: the clock that is read after the wait.
    """

    name = "sync"

    def __init__(self, device: Device, host: Clock | None = None) -> None:
        self._synchronize = device.synchronize
        self._read = (host or HostClock()).now

    def now(self) -> int:
        """The host's reading once the device is idle, in nanoseconds."""
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


class CudaDevice:
    """CUDA (and ROCm, which torch gives the same name) through `torch.cuda`."""

    name = "cuda"

    def __init__(self) -> None:
        import torch

        self.synchronize: Callable[[], None] = torch.cuda.synchronize
        self._event = torch.cuda.Event

    def event(self) -> Any:
        """A new `torch.cuda.Event` that keeps time."""
        return self._event(enable_timing=True)

    def record(self, event: Any) -> None:
        """Queue the event on the current stream."""
        event.record()

    def done(self, event: Any) -> bool:
        """Whether the event has happened."""
        return bool(event.query())

    def elapsed_ns(self, start: Any, end: Any) -> int:
        """Nanoseconds between two events; CUDA's resolution is about 500 ns."""
        return round(float(start.elapsed_time(end)) * 1e6)


class OtherDevice(CudaDevice):
    """Any other accelerator through `torch.accelerator` and `torch.Event` (torch >= 2.6).

    Args:
        name: the accelerator's name, such as ``"xpu"`` or ``"mps"``.
    """

    def __init__(self, name: str) -> None:
        import torch

        self.name = name
        self.synchronize = torch.accelerator.synchronize

        def event(enable_timing: bool) -> Any:
            return torch.Event(device=name, enable_timing=enable_timing)

        self._event = event


def find_device(initialised: bool = True) -> Device | None:
    """The accelerator that this process uses, or None.

    Args:
        initialised: look only for a device that is in use already, and start nothing. Asking
            whether CUDA exists can start its driver, which an observer must not do.
    """
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "cuda"):
        return None
    if torch.cuda.is_initialized() or (not initialised and torch.cuda.is_available()):
        return CudaDevice()
    accelerator = getattr(torch, "accelerator", None)
    if accelerator is None or not accelerator.is_available():
        return None
    kind = accelerator.current_accelerator().type
    if kind == "cuda":
        return None
    if initialised and not _in_use(getattr(torch, kind, None)):
        return None
    return OtherDevice(kind)


def _in_use(module: Any) -> bool:
    """Whether the program has used an accelerator that it has, as far as its module says."""
    started = getattr(module, "is_initialized", None)
    if started is not None:
        return bool(started())
    # torch.mps keeps no such flag.
    allocated = getattr(module, "current_allocated_memory", None)
    return allocated is not None and allocated() > 0


def need_device(clock: str) -> Device:
    """The accelerator that a pinned clock needs.

    Raises:
        UsageError: if there is none.
    """
    try:
        import torch  # noqa: F401  (a pinned device clock may be asked for before torch is imported)
    except ImportError:
        raise UsageError(f"clock={clock!r} needs an accelerator, and torch is not installed") from None

    device = find_device(initialised=False)
    if device is None:
        raise UsageError(
            f"clock={clock!r} needs an accelerator and torch sees none; "
            "use clock='host' (right on a CPU) or clock='auto'"
        )
    return device
