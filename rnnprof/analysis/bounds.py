"""What holds a stage back: arithmetic, memory bandwidth, launching; or nothing that can be told."""

from __future__ import annotations

from dataclasses import dataclass

from rnnprof import units

BOUND = 0.5
"""Part of its time that a bound must explain to be named. The other half is what kernels lose at their
edges, in waves that do not fill the device, and to a clock that falls under load."""
BEYOND = 1.1
"""Above this part of the time a bound contradicts itself, beyond what a clock may be off."""
SMALL = 0.01
"""Share of the step below which nothing is said of a stage."""


@dataclass(frozen=True)
class Evidence:
    """What is known of one stage.

    Args:
        share: its time over that of the step; None where its time is not known.
        compute: least time of its operations at the device's peak, over its time.
        memory: least time of its bytes at the device's bandwidth, over its time.
        idle: part of its time in which the device ran nothing; None where it was not traced.
        launch: why the clocks side by side find that the device waits for the host; empty where not.
        lacking: which peak of the device is not known; empty where none is missing.
    """

    share: float | None
    compute: float | None
    memory: float | None
    idle: float | None
    launch: str
    lacking: str


def verdict(found: Evidence) -> tuple[str, str]:
    """Say what holds a stage back.

    Args:
        found: what is known of it.

    Returns:
        ``compute``, ``bandwidth``, ``launch`` or nothing, and the figures that give it. A device that
        was seen idle comes first: then no other bound explains the time. Without a trace, launching
        comes last: it is inferred.
    """
    if found.share is None:
        return "", "its time is not known"
    if found.share < SMALL:
        return "", "less than 1 % of the step"
    if found.launch and found.idle is not None:
        return "launch", f"the device is idle for {units.fraction(found.idle)} of the time"
    compute, memory = found.compute or 0.0, found.memory or 0.0
    if compute > BEYOND:
        return "", f"{units.fraction(compute)} of the peak FLOP/s: the device can do more than is known"
    # Bytes that caches serve say nothing of the memory, and take nothing from the arithmetic.
    cached = memory > BEYOND
    if compute >= BOUND and (cached or compute >= memory):
        return "compute", f"{units.fraction(compute)} of the peak FLOP/s"
    if memory >= BOUND and not cached:
        return "bandwidth", f"{units.fraction(memory)} of the memory bandwidth"
    if found.launch:
        return "launch", f"the device waits for the host: {found.launch}"
    if cached:
        return "", f"{units.fraction(memory)} of the memory bandwidth: caches serve a part of the bytes"
    return "", found.lacking or "no bound explains half of the time"
