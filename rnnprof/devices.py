"""What the synchronizing clocks need of an accelerator: CUDA, and others through torch.

`testing.FakeDevice` is one without hardware; those of torch are in `torch_devices`.
"""

from __future__ import annotations

import sys
from typing import Any, Protocol

from rnnprof.errors import UsageError
from rnnprof.torch_devices import CudaDevice, OtherDevice

TRIAL_NS = 2_000_000_000
"""How long an event on an idle device may take before its events are given up."""
WITHOUT_EVENTS = {
    # `MPSEventPool::elapsedTime` waits for the whole stream; a second one to the same event waits for
    # ever. Source: aten/src/ATen/mps/MPSEvent.mm; https://github.com/pytorch/pytorch/issues/162872.
    "mps": "torch waits for the whole device to read one",
}
"""Devices whose events are known to be of no use, with the reason."""


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


def why_no_events(device: Device) -> str:
    """Find out whether a device's events can keep time, by a pair of them once the device is idle.

    CUDA's can, and need no trial; nor does a simulated device.

    Args:
        device: the accelerator, in use already.

    Returns:
        What is wrong with them, or nothing.

    Raises:
        UsageError: if the device cannot even be waited for, so that only the host's clock is left.
    """
    if not isinstance(device, OtherDevice):
        return ""
    try:
        device.synchronize()
    except Exception as error:
        raise UsageError(
            f"{device.name} cannot be waited for ({_first_line(error)}), so that no time on it can be told; "
            "clock='host' shows when the host did what, not how long the device took"
        ) from None
    if device.name in WITHOUT_EVENTS:
        return WITHOUT_EVENTS[device.name]
    try:
        first, last = device.event(), device.event()
        device.record(first)
        device.record(last)
        if not device.wait(last, TRIAL_NS):
            return "one did not happen within 2 seconds"
        return "they run backwards" if device.elapsed_ns(first, last) < 0 else ""
    except Exception as error:
        return _first_line(error)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def find_device(initialised: bool = True) -> Device | None:
    """The accelerator that this process uses, or None.

    Args:
        initialised: look only for a device that is in use already, and start nothing. Asking
            whether CUDA exists can start its driver, which an observer must not do.
    """
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "cuda"):
        return None
    if torch.cuda.is_initialized():
        cuda = CudaDevice()
        if not initialised or cuda.opened():
            return cuda
    elif not initialised and torch.cuda.is_available():
        return CudaDevice()
    for name in _others(torch):
        if not initialised or _in_use(getattr(torch, name, None)):
            return OtherDevice(name)
    return None


def _others(torch: Any) -> list[str]:
    """The accelerators other than CUDA that torch has."""
    accelerator = getattr(torch, "accelerator", None)
    if accelerator is not None:
        # Which one torch was built for starts nothing; whether it is there does where it is CUDA, and
        # then CUDA cannot be used in a forked child.
        kind = accelerator.current_accelerator()
        return [kind.type] if kind is not None and kind.type != "cuda" and accelerator.is_available() else []
    # torch < 2.6 has no such module.
    backends = getattr(torch, "backends", None)
    modules = {"xpu": getattr(torch, "xpu", None), "mps": getattr(backends, "mps", None)}
    return [name for name, module in modules.items() if module is not None and module.is_available()]


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
        UsageError: if there is none, or its events are known to be of no use and the clock is theirs.
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
    if clock == "event" and device.name in WITHOUT_EVENTS:
        raise no_events(device, WITHOUT_EVENTS[device.name])
    return device


def no_events(device: Device, reason: str) -> UsageError:
    """What is said where the events of a device were asked for and cannot keep time."""
    return UsageError(f"events on {device.name} cannot keep time ({reason}); use clock='sync'")
