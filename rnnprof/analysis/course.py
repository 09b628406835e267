"""The course of a run: what each stage took per step, from the first step to the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnnprof.analysis.breakdown import breakdown
from rnnprof.analysis.result import StepSummary
from rnnprof.model import Run, Stage, Steps
from rnnprof.stages import OTHER

POINTS = 512
"""Most points of a course, unless fewer are asked for."""


@dataclass(frozen=True)
class Line:
    """One stage over the run, or the ``other`` that is left of its steps.

    Args:
        path: names from the outermost stage to this one.
        remainder: whether it is the time that no stage claims.
        total_ns: at each point, its mean time in one step, child stages included.
        own_ns: the same without child stages.
        shares: at each point, own time over the time of the steps; the lines' shares sum to 1.
    """

    path: tuple[str, ...]
    remainder: bool
    total_ns: tuple[float, ...]
    own_ns: tuple[float, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Course:
    """The main lane's steps of the shown kind, cut into points.

    Args:
        lane: the lane.
        kind: the kind of step that the numbers come from.
        counts: steps of that kind behind each point.
        steps: at each point, about how many steps of any kind the lane had then. The kinds are
            dealt evenly after the warmup, so that this is right to within a block of 16 steps.
        seconds: at each point, about how long after the start of the run it was.
        step_ns: at each point, the mean step.
        lines: one for each stage, parents first, ``other`` last.
    """

    lane: str
    kind: str
    counts: tuple[int, ...]
    steps: tuple[int, ...]
    seconds: tuple[float, ...]
    step_ns: tuple[float, ...]
    lines: tuple[Line, ...]


def course(run: Run, points: int = POINTS, step: StepSummary | None = None) -> Course | None:
    """Cut the main lane's steps into points in time order.

    Args:
        run: the saved measurement.
        points: the most there shall be; neighbouring buckets of the timeline are joined into points
            of about equally many steps.
        step: the steps that the run's breakdown shows, where that is at hand.

    Returns:
        The course of the kind of step that `breakdown` shows, or None where there is none: no
        steps, or steps of several threads, which have no common order.
    """
    summary = step or breakdown(run).step
    lane = run.lane(summary.lane) if summary else None
    if summary is None or lane is None:
        return None
    shown = lane.steps[summary.kind]
    groups = _groups(shown.timeline.counts, points)
    if not groups:
        return None
    counts = tuple(_join(shown.timeline.counts, groups))
    step_ns = _join(shown.timeline.totals_ns, groups)
    found = _lines(shown.stages, shown, groups, ())
    top = [total for path, total, _ in found if len(path) == 1]
    rest = [max(step - sum(parts), 0) for step, *parts in zip(step_ns, *top, strict=True)]
    found.append(((OTHER,), rest, rest))
    # As in the breakdown: 100 % is what the stages claim, should that be more than their step.
    whole = [sum(parts) for parts in zip(*(own for _, _, own in found), strict=True)]
    lines = tuple(
        Line(
            path=path,
            remainder=place == len(found) - 1,
            total_ns=_per(total, counts),
            own_ns=_per(own, counts),
            shares=_per(own, whole),
        )
        for place, (path, total, own) in enumerate(found)
    )
    warmup = lane.steps["warmup"].series.count if "warmup" in lane.steps and summary.kind != "warmup" else 0
    number = sum(steps.series.count for steps in lane.steps.values())
    return Course(
        lane=summary.lane,
        kind=summary.kind,
        counts=counts,
        steps=tuple(warmup + round(part * (number - warmup)) for part in _so_far(counts)),
        seconds=tuple(part * run.wall_ns / 1e9 for part in _so_far(step_ns)),
        step_ns=_per(step_ns, counts),
        lines=lines,
    )


Summed = tuple[tuple[str, ...], list[int], list[int]]
"""A stage's path, its time and its own time, summed at each point."""


def _lines(
    stages: Sequence[Stage], steps: Steps, groups: Sequence[range], above: tuple[str, ...]
) -> list[Summed]:
    """The stages that have a timeline, parents before their children."""
    found: list[Summed] = []
    for stage in stages:
        if len(stage.timeline.totals_ns) != len(steps.timeline.totals_ns):
            continue
        path = (*above, stage.name)
        below = _lines(stage.stages, steps, groups, path)
        parts = [total for under, total, _ in below if len(under) == len(path) + 1]
        summed = _join(stage.timeline.totals_ns, groups)
        own = [max(total - sum(others), 0) for total, *others in zip(summed, *parts, strict=True)]
        total = [mine + sum(others) for mine, *others in zip(own, *parts, strict=True)]
        found += [(path, total, own), *below]
    return found


def _groups(counts: Sequence[int], points: int) -> list[range]:
    """Neighbouring buckets that become one point; together they hold every step."""
    whole, before, places = sum(counts), 0, []
    for count in counts:
        # Where the middle of the bucket falls; an empty one joins the one before it.
        places.append(min(int((before + count / 2) * points / whole), points - 1) if whole else 0)
        before += count
    if not whole:
        return []
    if sum(count > 0 for count in counts) <= points:
        places = list(range(len(counts)))
    starts = [at for at, place in enumerate(places) if at == 0 or place != places[at - 1]]
    groups = [range(a, b) for a, b in zip(starts, [*starts[1:], len(counts)], strict=True)]
    groups = [group for group in groups if any(counts[at] for at in group)]
    if len(groups) > 1 and 2 * sum(_join(counts, groups[-1:])) < sum(_join(counts, groups[-2:-1])):
        # The last bucket was not full: a single step would stand out among means of many.
        groups[-2:] = [range(groups[-2].start, groups[-1].stop)]
    return groups


def _join(numbers: Sequence[int], groups: Sequence[range]) -> list[int]:
    return [sum(numbers[at] for at in group) for group in groups]


def _per(tops: Sequence[int], bottoms: Sequence[int]) -> tuple[float, ...]:
    return tuple(top / bottom if bottom else 0.0 for top, bottom in zip(tops, bottoms, strict=True))


def _so_far(numbers: Sequence[int]) -> list[float]:
    """The part of the sum that is reached at each place."""
    whole, before, parts = sum(numbers), 0, []
    for number in numbers:
        before += number
        parts.append(before / whole if whole else 1.0)
    return parts
