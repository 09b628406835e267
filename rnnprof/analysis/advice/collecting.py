"""Python's garbage collection in the steps: what it took, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from rnnprof import units
from rnnprof.analysis.advice.advised import Finding
from rnnprof.model import Lane
from rnnprof.stages import MEASURED
from rnnprof.vitals import Pauses, Vitals

FREEZE = (
    "Call `gc.collect(); gc.freeze()` once before the loop, so that what was there before is not gone "
    "through again; or `gc.disable()` while training and `gc.collect()` between epochs. Fewer Python "
    "objects made per step help as well."
)
CHECK = "Garbage collection is no finding any more, and the memory does not grow without it."


@dataclass(frozen=True)
class Collecting:
    """Garbage collection in the steps after the warmup.

    Args:
        pauses: by generation.
        share: the part of these steps' time.
        steps: number of these steps, of all kinds.
    """

    pauses: tuple[Pauses, ...]
    share: float
    steps: int

    @property
    def total_ns(self) -> int:
        """Time of all collections."""
        return sum(one.total_ns for one in self.pauses)

    def share_of_long(self, least_ns: float) -> float:
        """The part of the steps' time in generations of which a collection took at least so long."""
        long = sum(one.total_ns for one in self.pauses if one.max_ns >= least_ns)
        return self.share * long / self.total_ns if self.total_ns else 0.0

    @property
    def said(self) -> str:
        """What was collected, by generation, in a sentence."""
        parts = [
            f"{units.count(one.count)} of generation {one.generation} ({units.duration(one.total_ns)}, the "
            f"longest {units.duration(one.max_ns)})"
            for one in self.pauses
            if one.count
        ]
        return (
            f"Python's garbage collection paused the training for {units.duration(self.total_ns)} in "
            f"{units.count(self.steps)} steps: {', '.join(parts)}."
        )


def collecting(vitals: Vitals | None, lane: Lane) -> Collecting | None:
    """Garbage collection in a lane's steps; None where it was not looked at."""
    if vitals is None or vitals.pauses is None:
        return None
    after = [steps.wall for kind, steps in lane.steps.items() if kind in (*MEASURED, "control")]
    whole = sum(wall.total_ns for wall in after)
    total = sum(one.total_ns for one in vitals.pauses)
    share = min(total / whole, 1.0) if whole else 0.0
    return Collecting(vitals.pauses, share, sum(wall.count for wall in after))


def without_stalls(found: Collecting) -> Finding:
    """What is to be said where collections are many and short."""
    return Finding(
        key="stalls",
        title=f"Python's garbage collection takes {units.fraction(found.share)} of the steps",
        evidence=found.said,
        change=FREEZE,
        check=CHECK,
        saving=found.share,
        bound="As if nothing were collected within steps.",
    )
