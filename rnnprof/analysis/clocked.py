"""The result of putting clocks side by side: what each says of every stage."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ClockReport:
    """The clocks of one run, side by side.

    Args:
        sentence: which stage the host's clock blamed, and which it should have blamed.
    """

    sentence: str
