"""Steps that take longer and longer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rnnprof import units
from rnnprof.analysis import batches
from rnnprof.analysis.advice import growth
from rnnprof.analysis.advice.advised import Finding
from rnnprof.analysis.advice.around import meanwhile, signals
from rnnprof.analysis.advice.case import LEAST, Case
from rnnprof.analysis.advice.growth import Carried
from rnnprof.analysis.course import Course
from rnnprof.analysis.differences import Difference

FIRST, LAST = (0.0, 0.25), (0.75, 1.0)
"""The parts of the run that are compared."""
LEAST_GROWTH = 0.05
"""The part by which steps of the last quarter take longer than those of the first, from which it counts:
what is less, machines do by themselves."""
SHORT_NS = 60 * 10**9
LEAST_IN_SHORT = 0.25
"""The same in a run that trained for less than a minute: within seconds a machine's pace wanders by more
(clock rates, neighbours)."""
URGENT = 2.0
"""Last quarter over first from which a run that goes on getting slower comes before all else."""
ALIKE = 0.5
"""A stage grew alike if it grew by at least half the part that the whole step did."""
LISTED = 3
"""Stages that a sentence names."""
BY_WORK = frozenset(("forward", "backward"))
BY_SIZE = frozenset(("update", "clip"))
"""Stages that grow with the batch, and those that only know the parameters."""


def drift(case: Case) -> Iterable[Finding]:
    """Find a run that gets slower."""
    found = growth.measured(case)
    first, last = growth.part(found, *FIRST), growth.part(found, *LAST)
    whole = growth.without_stalls(case, found)
    grown = growth.change(whole, first, last)
    lane = case.run.lane(found.lane)
    short = lane is not None and lane.steps_ns < SHORT_NS
    ratio, interval = grown.ratio, grown.ratio_interval
    if ratio is None or interval is None:
        return []
    # Shown to be worth a word, even at the lower end of what it may be.
    if ratio < 1 + (LEAST_IN_SHORT if short else LEAST_GROWTH) or interval[0] < 1 + LEAST:
        return []
    return [_finding(case, found, whole, grown)]


def _finding(case: Case, found: Course, whole: batches.Course, grown: Difference) -> Finding:
    first, last = growth.part(found, *FIRST), growth.part(found, *LAST)
    ratio, (low, high) = grown.ratio or 1.0, grown.ratio_interval or (1.0, 1.0)
    middle = last.start + len(last) // 2
    still = len(last) > 1 and (
        growth.change(whole, range(last.start, middle), range(middle, last.stop)).shown > 0
    )
    one = growth.carrier(found, first, last)
    stages = growth.carriers(found, first, last)
    reading = _reading(ratio, stages, one)
    evidence = [
        f"A step took {units.duration(grown.before_ns)} in the first quarter of the run and "
        f"{units.duration(grown.after_ns)} in the last: {ratio:.2f} times as long "
        f"(95 % interval {low:.2f} to {high:.2f}).",
        _carried(one, stages),
        "At the end it still grows." if still else "At the end it does not grow any more.",
        reading.said,
        meanwhile(case.run),
        *signals(case.run),
    ]
    return Finding(
        key="drift",
        title=f"Steps get slower over the run: {units.signed(ratio - 1)} from its first to its last quarter",
        evidence=" ".join(filter(None, evidence)),
        change=reading.change,
        check=(
            "Record a run as long: its last quarter takes as long as its first (the tab in TensorBoard draws "
            "each stage over the run)."
        ),
        saving=min(max((whole.mean_ns - grown.before_ns) / case.step_ns, 0.0), 1.0),
        bound="As if every step took what those of the first quarter took.",
        stage=one.path if one is not None and not one.remainder else (),
        urgent=still and ratio >= URGENT and not reading.harmless,
    )


@dataclass(frozen=True)
class _Reading:
    """What the growth of the stages speaks for.

    Args:
        said: a sentence; empty where nothing is clear.
        change: what to try.
        harmless: whether it may well be meant, or lie outside the program.
    """

    said: str
    change: str
    harmless: bool = False


def _reading(ratio: float, stages: Sequence[Carried], one: Carried | None) -> _Reading:
    grew = {
        stage.path[0]: stage.before_ns > 0 and stage.after_ns / stage.before_ns - 1 >= ALIKE * (ratio - 1)
        for stage in stages
        if not stage.remainder
    }
    work = [grew[name] for name in BY_WORK if name in grew]
    size = [grew[name] for name in BY_SIZE if name in grew]
    if len(work) == len(BY_WORK) and all(work) and any(size):
        return _Reading(
            "Forward, backward and what only depends on the number of parameters grew alike, as they do "
            "where the machine gets slower and not where the work grows.",
            "See what else runs on the machine, and whether it lowers its clock rate because of heat or a "
            "limit of power.",
            True,
        )
    if len(work) == len(BY_WORK) and all(work):
        return _Reading(
            "Forward and backward grew alike, as they do with longer batches.",
            "Are the batches longer towards the end, such as sentences sorted by length? Then this is meant. "
            "Otherwise look for what a step has more to do than the one before.",
            True,
        )
    if one is not None and not one.remainder:
        return _Reading(
            "",
            f"Look for what {_name(one)} has more to do in every step: a list or a file that grows and is "
            "gone through, a result that is computed again from the beginning.",
        )
    return _Reading("", "Look for what grows from step to step: a list, a graph, a file that is read again.")


def _carried(one: Carried | None, stages: Sequence[Carried]) -> str:
    if one is not None:
        times = f"{units.duration(one.before_ns)} to {units.duration(one.after_ns)}"
        return f"{_name(one)} carries it: from {times} per step."
    most = [
        f"{_name(stage)} {units.duration(stage.grown_ns)}"
        for stage in stages
        if stage.grown_ns > 0 and not stage.remainder
    ]
    return f"Of it: {', '.join(most[:LISTED])} per step." if most else ""


def _name(one: Carried) -> str:
    return "The time in no stage" if one.remainder else f"`{'/'.join(one.path)}`"
