"""How backward went over a run in which it goes through the graph of earlier steps as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnnprof import histogram, units
from rnnprof.analysis.advice import growth
from rnnprof.analysis.advice.case import Abstain, Case
from rnnprof.analysis.course import Course
from rnnprof.model import Series, walk

FEWEST_STEPS = 40
"""Measured steps over which a graph that grows has to show: it is then five times what it was in the
first tenth of them, after a warmup of five."""
GROWN = 1.25
"""Backward at the end over backward at the start from which the graph is said to have grown, the rest of
the step being as fast as it was."""
RELEASED = 8.0
"""Long backward passes over short ones, from which a graph grows for many steps and is let go again: in a
window of a few steps, made longer step by step, they stay below."""
BACKWARD = "backward"


@dataclass(frozen=True)
class Deepening:
    """How backward went over the run.

    Args:
        said: the sentence on it; empty where it cannot be told.
        bounded: whether the run is long enough to show growth, and shows none.
        saving, bound: as in a `Finding`.
        stage: the path of backward's stage; empty for the whole step.
    """

    said: str = ""
    bounded: bool = False
    saving: float | None = None
    bound: str = ""
    stage: tuple[str, ...] = ()


def deepening(case: Case) -> Deepening:
    """How backward went over the run, or the whole step where backward is no stage."""
    try:
        found = growth.measured(case, FEWEST_STEPS)
    except Abstain:
        return Deepening()
    line = next((line for line in found.lines if line.path[-1] == BACKWARD and not line.remainder), None)
    times, path = (line.total_ns, line.path) if line else (found.step_ns, ())
    start, end = growth.part(found, 0.0, 0.1), growth.part(found, 0.9, 1.0)
    first, last = (growth.typical_ns(times, points) for points in (start, end))
    mean = growth.mean_ns(found, times, range(len(times)))
    if last > first and last >= GROWN * first * max(_pace(found, times, start, end), 1.0):
        said = (
            f"Over the run, {_name(path)} went from {units.duration(first)} (median of its first tenth) to "
            f"{units.duration(last)} (its last)."
        )
        if not path:
            bound = "As if every step took what those of the first tenth took."
            return Deepening(said, False, _part(mean - first, case), bound)
        # In the first tenth backward goes through the graphs of so many steps; one is the step's own.
        own = first / (found.steps[start[len(start) // 2]] + 1)
        bound = "As if backward went through the step's own part of the graph only."
        return Deepening(said, False, _part(mean - own, case), bound, path)
    series = _series(case, found, path)
    low, high = (histogram.quantile(series, part) or 0.0 for part in (0.05, 0.95))
    if 0 < RELEASED * low <= high:
        range_said = f"from {units.duration(low)} to {units.duration(high)}"
        said = (
            f"{_name(path).capitalize()} takes {range_said}, as where a graph grows for many steps and is "
            "let go again."
        )
        return Deepening(said, False, _part(mean - low, case), "As if every pass were a short one.", path)
    return Deepening(bounded=True)


def _name(path: tuple[str, ...]) -> str:
    return BACKWARD if path else "a step"


def _part(ns: float, case: Case) -> float:
    return min(max(ns / case.step_ns, 0.0), 1.0)


def _pace(found: Course, times: Sequence[float], start: range, end: range) -> float:
    """How much slower the rest of the step got, as it does where the machine gets slower."""
    rest = [whole - part for whole, part in zip(found.step_ns, times, strict=True)]
    before, after = (growth.typical_ns(rest, points) for points in (start, end))
    return after / before if before > 0 else 1.0


def _series(case: Case, found: Course, path: tuple[str, ...]) -> Series:
    lane = case.run.lane(found.lane)
    if lane is None:
        return Series()
    steps = lane.steps[found.kind]
    return next((stage.series for at, stage in walk(steps.stages) if at == path), steps.series)
