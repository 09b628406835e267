"""Do the traces tell the same as the stage marks of the same steps?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rnnprof.captures import Path
from rnnprof.model import Run, walk

TOLERANCE = 0.05
"""How far the two may be apart."""
MATTERS = 0.01
"""Share of the step from which a stage is compared in words."""
MATTERS_NS = 5_000
"""Time in a step below which a difference says nothing: clocks and labels cost about as much."""
NAMED = 3
"""Stages that are named where they disagree."""


@dataclass(frozen=True)
class StageAgreement:
    """One stage of the traced steps, as the trace and as the stage marks timed it.

    Args:
        path: names from the outermost stage to this one; empty for the step.
        traced_ns: mean time in a step by the trace.
        marked_ns: mean time in a step by the marks.
        ratio: the first over the second, or None where the second is 0.
        share: the larger of both over the step.
    """

    path: Path
    traced_ns: float
    marked_ns: float
    ratio: float | None
    share: float


@dataclass(frozen=True)
class Agreement:
    """Whether the traces tell the same as the stage marks.

    Args:
        stages: the step first, then each stage.
        agrees: whether all stages that matter do, within the tolerance.
        sentence: the same in words.
    """

    stages: tuple[StageAgreement, ...]
    agrees: bool
    sentence: str


def agreement(run: Run) -> tuple[StageAgreement, ...]:
    """Compare the traced steps by the trace and by the run's own marks.

    Args:
        run: the run; all its windows and all lanes with traced steps count together.

    Returns:
        The step first, then each stage that either of them has; empty where the run has no traced
        steps, or no traces of them.
    """
    traced_steps = sum(trace.steps for trace in run.traces)
    groups = [lane.steps["trace"] for lane in run.lanes if "trace" in lane.steps]
    marked_steps = sum(steps.wall.count for steps in groups)
    if not traced_steps or not marked_steps:
        return ()
    marked: dict[Path, int] = {(): sum(steps.wall.total_ns for steps in groups)}
    for steps in groups:
        for path, stage in walk(steps.stages):
            marked[path] = marked.get(path, 0) + stage.series.total_ns
    traced: dict[Path, int] = {(): sum(trace.total_ns for trace in run.traces)}
    for trace in run.traces:
        for one in trace.stages:
            if one.path:
                traced[one.path] = traced.get(one.path, 0) + one.total_ns
    found = []
    for path in dict.fromkeys([*marked, *traced]):
        times = traced.get(path, 0) / traced_steps, marked.get(path, 0) / marked_steps
        wholes = traced[()] / traced_steps, marked[()] / marked_steps
        share = max(part / whole if whole else 0.0 for part, whole in zip(times, wholes, strict=True))
        found.append(StageAgreement(path, *times, times[0] / times[1] if times[1] else None, share))
    return tuple(found)


def agree(run: Run) -> Agreement | None:
    """Put the comparison into words.

    Args:
        run: the run.

    Returns:
        The comparison with its verdict, or None where there is nothing to compare.
    """
    stages = agreement(run)
    if not stages:
        return None
    some = [each for each in stages if each.share > MATTERS]
    apart = [
        each
        for each in some
        if abs(each.traced_ns - each.marked_ns) > MATTERS_NS
        and (each.ratio is None or abs(each.ratio - 1) > TOLERANCE)
    ]
    return Agreement(stages, not apart, _unlike(apart) if apart else _alike(some))


def _alike(some: Sequence[StageAgreement]) -> str:
    most = max((abs(each.ratio - 1) for each in some if each.ratio is not None), default=0.0)
    percent = max(math.ceil(1000 * most - 1e-9), 1) / 10
    return f"The trace and the stage marks agree within {percent} % (stages above {100 * MATTERS:.0f} %)."


def _unlike(apart: Sequence[StageAgreement]) -> str:
    apart = sorted(apart, key=lambda each: -each.share)
    words = [f"{'/'.join(each.path) or 'the step'} ({_times(each.ratio)})" for each in apart[:NAMED]]
    more = f" and {len(apart) - NAMED} more" if len(apart) > NAMED else ""
    return (
        f"The trace and the stage marks disagree by more than {100 * TOLERANCE:.0f} % in the traced steps: "
        f"{', '.join(words)}{more}."
    )


def _times(ratio: float | None) -> str:
    if ratio is None:
        return "only in the trace"
    return f"{ratio:.2f} times as long in the trace" if ratio else "not in the trace"
