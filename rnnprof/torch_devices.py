"""Accelerators through torch: CUDA, and what `torch.xpu`, `torch.mps` and `torch.accelerator` serve.

Torch is imported only where a device is made. Nothing here starts a device that the program has not.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns, sleep
from typing import Any


class TorchDevice:
    """An accelerator through torch's module of its name.

    With one device in use, that one is meant, be it the current one or not: a program may compute
    on ``cuda:1`` while torch's current device is 0, on which nothing runs.

    Args:
        name: the accelerator's name, such as ``"cuda"`` or ``"xpu"``.
        module: torch's module for it; None where torch has none.
    """

    def __init__(self, name: str, module: Any) -> None:
        import torch

        self.name = name
        self._torch = torch
        self._module = module
        general: Any = getattr(torch, "accelerator", None)
        self._wait: Callable[..., None] = getattr(module, "synchronize", None) or general.synchronize
        self._stream: Callable[..., Any] | None = getattr(module, "current_stream", None)
        self.capturing: Callable[[], bool] = getattr(module, "is_current_stream_capturing", None) or _never
        """Whether the current stream records a graph; asked at each mark."""
        self._event = getattr(module, "Event", None) or self._general_event
        # Those in use and, where it is not the current one, the only one; looked up by `in_use`.
        self._found: list[int] = []
        self._only: int | None = None

    def _general_event(self, enable_timing: bool) -> Any:
        return self._torch.Event(device=self.name, enable_timing=enable_timing)

    def _contexts(self) -> list[int] | None:
        """The numbers of the devices that the process has opened; None where torch cannot tell."""
        return None

    def in_use(self) -> int:
        """How many devices this process computes on; one where torch cannot tell.

        A context alone is not enough: a process may open device 0 by chance (for pinned memory, say)
        and compute on another. So where there are several, those count that hold its memory.
        """
        found = self._contexts()
        if found is None or len(found) > 1:
            found = self._with_memory(found)
        self._found = found
        apart = len(found) == 1 and found[0] != self._module.current_device()
        self._only = found[0] if apart and self._stream is not None else None
        return max(len(found), 1)

    def _with_memory(self, among: list[int] | None) -> list[int]:
        reserved = getattr(self._module, "memory_reserved", None)
        if reserved is None or not self._started():
            return among or []
        return [at for at in among or range(self._module.device_count()) if reserved(at) > 0] or among or []

    def _started(self) -> bool:
        ask = getattr(self._module, "is_initialized", None)
        return ask is not None and bool(ask())

    def synchronize(self) -> None:
        """Wait until everything queued on every device that this process uses is done."""
        found = self._contexts()
        if found is None:
            found = self._found
            if not found:
                self._wait()
        for index in found:
            self._wait(index)

    def finish_stream(self) -> None:
        """Wait until everything queued on the current stream is done.

        By an event: torch's sync debug mode, which may be the program's, reports a stream's wait.
        """
        if self._stream is None:
            self._wait()
            return
        event = self._event(enable_timing=False)
        self.record(event)
        event.synchronize()

    def event(self) -> Any:
        """A new event that keeps time."""
        return self._event(enable_timing=True)

    def record(self, event: Any) -> None:
        """Queue the event on the current stream."""
        if self._only is None or self._stream is None:
            event.record()
        else:
            event.record(self._stream(self._only))

    def done(self, event: Any) -> bool:
        """Whether the event has happened."""
        return bool(event.query())

    def wait(self, event: Any, ns: int) -> bool:
        """Wait for the event, for so many nanoseconds at most; whether it has happened.

        It asks again and again: ``event.synchronize()`` would wait for ever for one that never happens.
        """
        deadline, pause = perf_counter_ns() + ns, 20e-6
        while not self.done(event):
            if perf_counter_ns() >= deadline:
                return False
            sleep(pause)
            pause = min(2 * pause, 0.005)
        return True

    def elapsed_ns(self, start: Any, end: Any) -> int:
        """Nanoseconds between two events; CUDA's resolution is about 500 ns."""
        return round(float(start.elapsed_time(end)) * 1e6)


class CudaDevice(TorchDevice):
    """CUDA (and ROCm, which torch gives the same name) through `torch.cuda`."""

    def __init__(self) -> None:
        import torch

        super().__init__("cuda", torch.cuda)
        # One call into C each; neither starts what it asks for.
        compiled = getattr(torch, "_C", None)
        self.capturing = getattr(compiled, "_cuda_isCurrentStreamCapturing", None) or self.capturing
        # On ROCm it names the wrong devices: https://github.com/pytorch/pytorch/issues/59750.
        rocm = getattr(getattr(torch, "version", None), "hip", None)
        self._has_context = None if rocm else getattr(compiled, "_cuda_hasPrimaryContext", None)

    def _contexts(self) -> list[int] | None:
        """The numbers of the devices on which this process has a context."""
        if self._has_context is None:
            return None
        if not self._started():
            return []
        return [index for index in range(self._module.device_count()) if self._has_context(index)]

    def opened(self) -> bool:
        """Whether something may run on a device; asking for its name starts CUDA, but opens none."""
        return self._contexts() != []


class OtherDevice(TorchDevice):
    """Any other accelerator, such as XPU or MPS.

    Args:
        name: the accelerator's name, such as ``"xpu"`` or ``"mps"``.
    """

    def __init__(self, name: str) -> None:
        import torch

        super().__init__(name, getattr(torch, name, None))


def _never() -> bool:
    """A device that records no graphs."""
    return False
