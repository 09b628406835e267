"""What stands between rnnprof and the device, so that measuring never breaks the program."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rnnprof.devices import Device

GRAPH, FAILED, MIXED = "graph", "failed", "mixed"
"""Why a step was left out: a graph was recorded, the device failed, its events did not fit together."""


class Guard:
    """Leaves a device alone while the current stream records a graph, and once it has failed.

    While a graph is recorded, waiting and asking for events would end the recording (CUDA's "stream
    capture"); so would it on this thread while another one records, which cannot be seen from here.
    Nothing raises: what is wrong with a device the program shall hear from torch, not from rnnprof.

    Args:
        device: the accelerator.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.failure = ""
        """What the device said when it failed; empty while it works."""
        self.refusals = 0
        """How often it was left alone where a mark would have used it."""
        self.left_out: Counter[str] = Counter()
        """Steps left out, for each reason."""

    def free(self) -> bool:
        """Whether the device may be used now."""
        if self.failure:
            return False
        try:
            return not self.device.capturing()
        except Exception as error:
            self.fail(error)
            return False

    def capturing(self) -> bool:
        """Whether a mark has to leave the device alone."""
        if self.free():
            return False
        self.refusals += 1
        return True

    def synchronize(self) -> None:
        """Wait for the device, if it can be waited for."""
        try:
            self.device.synchronize()
        except Exception as error:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Use the device no more."""
        self.failure = self.failure or str(error).strip() or type(error).__name__
        self.refusals += 1

    def leave_out(self, track: Any, reason: str = "") -> None:
        """Leave the open step out: not all its marks have measured."""
        track.lane.step.spoiled = True
        self.left_out[reason or (FAILED if self.failure else GRAPH)] += 1
