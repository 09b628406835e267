"""The result of the probe: where the host waits, what each stage computes, what memory it takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ProbeReport:
    """What the probed step showed."""

    step: int
