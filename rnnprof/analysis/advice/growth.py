"""How the measured steps of a run went: what they and their stages took at its start and at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from rnnprof.analysis import batches, differences
from rnnprof.analysis.advice.case import Abstain, Case
from rnnprof.analysis.advice.long_steps import long_steps
from rnnprof.analysis.course import Course, Line, course
from rnnprof.stages import MEASURED

FEWEST_STEPS = 64
"""Measured steps from which a start and an end can be told apart: 16 in a quarter, two for each of 8
batches of it."""
CARRIES = 2 / 3
"""The part of a change from which one stage is said to carry it."""


def measured(case: Case, fewest: int = FEWEST_STEPS) -> Course:
    """The measured steps in their order.

    Args:
        case: the run.
        fewest: how many there have to be.

    Raises:
        Abstain: there are no or too few of them, or they have no order.
    """
    step = case.result.step
    if step is None or step.kind not in MEASURED or not step.mean_ns:
        raise Abstain("No training step was measured.")
    if step.count < fewest:
        raise Abstain(f"Fewer than {fewest} measured steps cannot show how the run went.")
    found = course(case.run, step=step)
    if found is None:
        raise Abstain("The steps have no common order.")
    return found


def part(found: Course, begin: float, end: float) -> range:
    """The points of a part of the run, at least one.

    Args:
        found: the run's course.
        begin, end: of its measured steps, from 0 to 1. A point belongs where its middle is.
    """
    whole, before, inside = sum(found.counts), 0, []
    for at, count in enumerate(found.counts):
        if begin <= (before + count / 2) / whole < end:
            inside.append(at)
        before += count
    if not inside:
        inside = [min(round(begin * len(found.counts)), len(found.counts) - 1)]
    return range(inside[0], inside[-1] + 1)


def mean_ns(found: Course, times: Sequence[float], points: range) -> float:
    """The mean of a time per step over some points."""
    steps = sum(found.counts[at] for at in points)
    return sum(times[at] * found.counts[at] for at in points) / steps if steps else 0.0


def typical_ns(times: Sequence[float], points: range) -> float:
    """The median of a time per step over some points: one long step does not move it."""
    return median(times[at] for at in points)


def without_stalls(case: Case, found: Course) -> batches.Course:
    """The steps over the run, without what the few long ones among them take above the median.

    Wherever they fall, they would hide a change, or look like one. `stalling` judges them.
    """
    whole = batches.course(found.counts, [ns * n for ns, n in zip(found.step_ns, found.counts, strict=True)])
    lane = case.run.lane(found.lane)
    stalls = long_steps(lane.steps[found.kind].series) if lane else None
    return batches.without_excess(whole, stalls.excess_ns) if stalls else whole


def change(whole: batches.Course, before: range, after: range) -> differences.Difference:
    """How much longer steps take in one part of the run than in another, with its interval."""

    def side(points: range) -> list[batches.Course]:
        return [batches.course([whole.counts[at] for at in points], [whole.totals_ns[at] for at in points])]

    return differences.difference(side(before), side(after))


@dataclass(frozen=True)
class Carried:
    """A stage, and what it took per step at the start and at the end.

    Args:
        path: its names; empty for the whole step.
        remainder: whether it is the time that no stage claims.
        before_ns, after_ns: its mean time in a step, child stages included.
    """

    path: tuple[str, ...]
    remainder: bool
    before_ns: float
    after_ns: float

    @property
    def grown_ns(self) -> float:
        """After minus before."""
        return self.after_ns - self.before_ns


def carriers(found: Course, before: range, after: range) -> tuple[Carried, ...]:
    """What the stages took in two parts of the run, those that grew most first, none within another."""
    lines = [line for line in found.lines if len(line.path) == 1]
    return tuple(
        sorted((_carried(found, line, before, after) for line in lines), key=lambda one: -one.grown_ns)
    )


def carrier(found: Course, before: range, after: range) -> Carried | None:
    """The innermost stage that carries most of a change; None where no stage does."""
    wanted = CARRIES * (mean_ns(found, found.step_ns, after) - mean_ns(found, found.step_ns, before))
    best: Carried | None = None
    for line in found.lines:
        one = _carried(found, line, before, after)
        if wanted > 0 and one.grown_ns >= wanted and (best is None or len(one.path) > len(best.path)):
            best = one
    return best


def _carried(found: Course, line: Line, before: range, after: range) -> Carried:
    return Carried(
        line.path,
        line.remainder,
        mean_ns(found, line.total_ns, before),
        mean_ns(found, line.total_ns, after),
    )
