"""The accelerator that is measured, and a stand-in for it that walks the same ways on a CPU."""

from __future__ import annotations

import datetime
import os
import platform
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import torch

from rnnprof import __version__, marks
from rnnprof.devices import Device, need_device


class HostEvent:
    """An event that happens when it is recorded."""

    def __init__(self) -> None:
        self.moment = 0

    def record(self) -> None:
        """Take the host's reading."""
        self.moment = perf_counter_ns()


class HostDevice:
    """A `Device` whose stream is the host itself: nothing is ever queued."""

    name = "cpu"

    def synchronize(self) -> None:
        """Nothing to wait for."""

    def finish_stream(self) -> None:
        """Nothing to wait for."""

    def event(self) -> HostEvent:
        """A new event."""
        return HostEvent()

    def record(self, event: HostEvent) -> None:
        """The event happens now."""
        event.record()

    def done(self, event: HostEvent) -> bool:
        """It happened when it was recorded."""
        return True

    def wait(self, event: HostEvent, ns: int) -> bool:
        """It happened when it was recorded."""
        return True

    def elapsed_ns(self, start: HostEvent, end: HostEvent) -> int:
        """Time between two events, in nanoseconds."""
        return end.moment - start.moment

    def capturing(self) -> bool:
        """A CPU records no graphs."""
        return False

    def in_use(self) -> int:
        """One device."""
        return 1


class Card:
    """The accelerator, or a CPU in its place.

    Args:
        kind: ``"cuda"`` or ``"cpu"``.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.stand_in: Device | None = None
        self.synchronize: Callable[[], None] = torch.cuda.synchronize
        if kind == "cpu":
            self.stand_in = HostDevice()
            self.synchronize = self.stand_in.synchronize
            return
        # Tuning and the first context are no part of any figure.
        torch.zeros(1, device=kind)
        torch.cuda.synchronize()

    def device(self) -> Device:
        """The card as rnnprof's clocks see it."""
        return self.stand_in or need_device("sync")

    def event(self) -> Any:
        """A bare timing event, with a method ``record``."""
        return HostEvent() if self.stand_in is not None else torch.cuda.Event(enable_timing=True)

    def clear(self) -> None:
        """Give memory that no tensor uses back to the card."""
        if self.kind == "cuda":
            torch.cuda.empty_cache()

    def described(self) -> dict[str, str]:
        """Card, driver, versions, date and command line, for the head of the tables."""
        found = {
            "card": torch.cuda.get_device_name() if self.kind == "cuda" else "none (dry run on a CPU)",
            "driver": _driver() if self.kind == "cuda" else "none",
            "CUDA": str(torch.version.cuda or torch.version.hip or "none"),
            "cuDNN": str(torch.backends.cudnn.version() or "none") if self.kind == "cuda" else "none",
            "torch": str(torch.__version__),
            "Python": platform.python_version(),
            "rnnprof": f"{__version__}, marks in {'C' if marks.NATIVE else 'Python'}",
            "processor": f"{_processor()}, {os.cpu_count()} cores",
            "date": datetime.date.today().isoformat(),
            "command": " ".join(["python", _shown(sys.argv[0]), *sys.argv[1:]]),
        }
        if self.kind == "cuda":
            found["TF32"] = _tf32()
        return found


def _tf32() -> str:
    """Whether fp32 is rounded for the tensor cores, which decides how long kernels take."""
    with warnings.catch_warnings():
        # Newer versions of torch have another way to ask, which the older ones lack.
        warnings.simplefilter("ignore")
        asked = {"matrix products": torch.backends.cuda.matmul, "cuDNN": torch.backends.cudnn}
        return ", ".join(f"{name} {'on' if one.allow_tf32 else 'off'}" for name, one in asked.items())


def _shown(script: str) -> str:
    """The script's path without the folders that are this machine's own."""
    path = Path(script)
    return (
        f"benchmarks/{path.name}" if path.parent.name == "benchmarks" or not path.parent.name else path.name
    )


def _processor() -> str:
    from measure import cpu

    return cpu()


def _driver() -> str:
    """The driver's version, by its own file or by its own tool."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text("utf-8", "replace")
        found = re.search(r"\b(\d+\.\d+(?:\.\d+)?)\b", text)
        if found:
            return found[1]
    except OSError:
        pass
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return (done.stdout.strip().splitlines() or ["unknown"])[0]
