"""What the synchronizing clocks need of an accelerator: CUDA, and others through torch.

`testing.FakeDevice` is one without hardware. Torch is imported only where a device is asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Protocol

from rnnprof.errors import UsageError


class Device(Protocol):
    """What rnnprof needs of an accelerator: the one that this process computes on."""

    @property
    def name(self) -> str:
        """For example ``"cuda"``."""

    def synchronize(self) -> None:
        """Wait until everything queued on every device that this process uses is done."""

    def finish_stream(self) -> None:
        """Wait until everything queued on the current stream is done."""

    def event(self) -> Any:
        """A new timing event, not yet recorded."""

    def record(self, event: Any) -> None:
        """Queue the event on the current stream."""

    def done(self, event: Any) -> bool:
        """Whether the event has happened; never waits."""

    def wait(self, event: Any, ns: int) -> bool:
        """Wait for the event, for so many nanoseconds at most; whether it has happened."""

    def elapsed_ns(self, start: Any, end: Any) -> int:
        """Time between two events that have happened, in nanoseconds.

        Raises:
            RuntimeError: if they are of different devices, or cannot keep time.
        """

    def capturing(self) -> bool:
        """Whether the current stream records a graph: then nothing may be timed or waited for."""

    def in_use(self) -> int:
        """How many devices this process uses."""


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

    def finish_stream(self) -> None:
        """Wait until everything queued on the current stream is done."""
        raise NotImplementedError

    def wait(self, event: Any, ns: int) -> bool:
        """Wait for the event, for so many nanoseconds at most; whether it has happened."""
        raise NotImplementedError

    def capturing(self) -> bool:
        """Whether the current stream records a graph."""
        return False

    def in_use(self) -> int:
        """How many devices this process uses."""
        return 1

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
