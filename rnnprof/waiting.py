"""The ways in which a program makes the host wait for the device, and what to do instead.

Data alone: `traces.probe` finds them in a step, `analysis` puts them into words.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Way:
    """One way to make the host wait.

    Args:
        key: its name in a run, such as ``item``.
        call: as a program writes it, such as ``tensor.item()``.
        why: why the host waits, one short sentence.
        instead: what to write instead, one short sentence; empty where the wait is meant.
    """

    key: str
    call: str
    why: str
    instead: str


WAYS: tuple[Way, ...] = ()
"""All that are known."""


def way(key: str) -> Way | None:
    """The way of that name, or None for one that only a newer rnnprof knows."""
    return next((one for one in WAYS if one.key == key), None)
