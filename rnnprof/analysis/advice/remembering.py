"""Memory that grows from step to step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from rnnprof import units
from rnnprof.analysis.advice.advised import Finding
from rnnprof.analysis.advice.case import Abstain, Case
from rnnprof.model import Run
from rnnprof.vitals import MemoryCourse

FEWEST_POINTS = 12
"""Points of a course: four in each third."""
FEWEST_STEPS = 100
"""Steps that they span: what fills its caches in the first steps does not grow for long."""
LEAST_PART = 0.10
LEAST_BYTES = 32 << 20
"""Growth over the run that counts: allocators keep less than that for later."""
STEADY = 0.6
"""The pace in the last third over that before it, from which memory is said to still grow: one where it
grows for ever, less where caches fill."""
KEPT = 0.5
"""The part of the growth by which what is never given back has to grow as well: none of it does where
memory is filled and emptied in turn."""
URGENT = 10
"""A memory that is full before the training is this many times as long is urgent."""
MOST_POINTS = 100
"""Points between which slopes are taken: their number grows with the square."""
RESIDENT = "resident"


def memory_growth(case: Case) -> Iterable[Finding]:
    """Find a memory that grows steadily."""
    courses = [
        course
        for course in case.vitals.memory
        if len(course.steps) >= FEWEST_POINTS and course.steps[-1] - course.steps[0] >= FEWEST_STEPS
    ]
    if not courses:
        raise Abstain("Memory was not followed for long enough.")
    growths = [found for found in map(_growth, courses) if found is not None]
    if not growths:
        return []
    # What grows on a device matters more than what the process keeps beside it.
    growths.sort(key=lambda found: (found.place == RESIDENT, -found.pace))
    return [_finding(case.run, growths)]


@dataclass(frozen=True)
class _Growth:
    """A memory that grows.

    Args:
        place: as in the course.
        pace: bytes per step.
        before, after: bytes at the two ends.
        begin, end: the steps there.
    """

    place: str
    pace: float
    before: int
    after: int
    begin: int
    end: int


def _growth(course: MemoryCourse) -> _Growth | None:
    """The growth of a memory, or None where it does not grow steadily."""
    steps, sizes = course.steps, course.bytes
    third = (steps[-1] - steps[0]) / 3
    borders = steps[0] + third, steps[0] + 2 * third
    parts = (
        [at for at, step in enumerate(steps) if step <= borders[0]],
        [at for at, step in enumerate(steps) if borders[0] < step <= borders[1]],
        [at for at, step in enumerate(steps) if step > borders[1]],
    )
    if any(len(part) < 2 for part in parts):
        return None
    floors = [min(sizes[at] for at in part) for part in parts]
    levels = [median(sizes[at] for at in part) for part in parts]
    pace = _pace(steps, sizes)
    whole = pace * (steps[-1] - steps[0])
    if whole < max(LEAST_BYTES, LEAST_PART * sizes[0]) or not levels[0] < levels[1] < levels[2]:
        return None
    # From the start of the first third to that of the last it is two thirds of the whole.
    if floors[2] - floors[0] < KEPT * whole * 2 / 3:
        return None
    until, since = parts[0] + parts[1], parts[2]
    before, after = (_pace([steps[at] for at in part], [sizes[at] for at in part]) for part in (until, since))
    if after < STEADY * before:
        return None
    return _Growth(course.place, pace, sizes[0], sizes[-1], steps[0], steps[-1])


def _pace(steps: Sequence[int], sizes: Sequence[int]) -> float:
    """Bytes per step: the median slope between two points (Theil, 1950; Sen, "Estimates of the regression
    coefficient based on Kendall's tau", Journal of the American Statistical Association 63, 1968), which
    single jumps do not move."""
    every = -(-len(steps) // MOST_POINTS)
    steps, sizes = steps[::every], sizes[::every]
    slopes = [
        (sizes[late] - sizes[early]) / (steps[late] - steps[early])
        for early, late in combinations(range(len(steps)), 2)
        if steps[late] > steps[early]
    ]
    return median(slopes) if slopes else 0.0


def _finding(run: Run, growths: Sequence[_Growth]) -> Finding:
    main = growths[0]
    evidence = []
    for found in growths:
        evidence.append(
            f"{_name(found.place)} grew from {units.size(found.before)} at step {units.count(found.begin)} "
            f"to {units.size(found.after)} at step {units.count(found.end)}, steadily by {_pace_of(found)}."
        )
    total = _total(run, main.place)
    left = max(total - main.after, 0) / main.pace if total else None
    if total and left is not None:
        evidence.append(
            f"At that pace its {units.size(total)} are full after {units.count(left)} more steps."
        )
    return Finding(
        key="memory_growth",
        title=f"Memory grows over the run: {_pace_of(main)}",
        evidence=" ".join(evidence),
        change=(
            "Keep numbers, not tensors with their graphs: `total_loss += loss.item()`, or `loss.detach()` "
            "where waiting for the device matters (a sum of losses keeps the graph of each of them), and put "
            "no outputs or hidden states into a list without `detach()`. What is cached on first use, or "
            "read through a memory map, grows as well, until all of it has been read."
        ),
        check="Record a run as long: after its first third the memory stays where it is.",
        urgent=left is not None and left <= URGENT * main.end,
    )


def _name(place: str) -> str:
    return "The resident memory of the process" if place == RESIDENT else f"What is allocated on {place}"


def _pace_of(found: _Growth) -> str:
    return f"{units.size(round(found.pace))} per step"


def _total(run: Run, name: str) -> int | None:
    """How large a memory is; None where it is not known."""
    places = run.probe.places if run.probe else ()
    return next((place.total_bytes for place in places if place.name == name), None)
