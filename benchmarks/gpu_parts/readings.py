"""What is read off a run: each stage's time by each clock, and how two clocks compare."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import rnnprof
from rnnprof.analysis import stats
from rnnprof.captures import Trace
from rnnprof.model import Run, Steps

from .bench import Interval

KINDS = ("host", "sync", "event")


def steps_of(run: Run, kind: str) -> Steps:
    """The training steps of one kind; without any, an empty one."""
    train = run.lane("train")
    return (train.steps.get(kind) if train is not None else None) or Steps()


def shares(run: Run, kind: str) -> dict[str, float]:
    """The share of each outermost stage in the steps of one kind."""
    steps = steps_of(run, kind)
    whole = steps.series.total_ns
    return {stage.name: stage.series.total_ns / whole for stage in steps.stages} if whole else {}


def means(run: Run, kind: str) -> dict[str, float]:
    """Mean nanoseconds of each outermost stage in a step of one kind; the step's own by ``"step"``."""
    steps = steps_of(run, kind)
    number = steps.series.count
    if not number:
        return {}
    found = {stage.name: stage.series.total_ns / number for stage in steps.stages}
    return {**found, "step": steps.series.mean_ns}


def top(found: dict[str, float]) -> str:
    """The stage with the most time; empty where there is none."""
    return max((name for name in found if name != "step"), key=lambda name: found[name], default="")


def compared(run: Run, name: str, above: str, below: str) -> Interval | None:
    """One stage's mean by one clock over that by another, with its 95 % interval.

    Args:
        run: the run, with steps of both kinds.
        name: the outermost stage, or ``"step"``.
        above: the kind of step in the numerator.
        below: the kind of step in the denominator.
    """
    found = [_estimate(run, name, kind) for kind in (above, below)]
    if found[0] is None or found[1] is None or found[1].value <= 0:
        return None
    ends = stats.ratio_of_means(found[0], found[1])
    return None if ends is None else (found[0].value / found[1].value, *ends)


def _estimate(run: Run, name: str, kind: str) -> stats.Estimate | None:
    steps = steps_of(run, kind)
    if name == "step":
        return stats.ratio_of_sums(steps.timeline.totals_ns, steps.timeline.counts)
    stage: Any = next((one for one in steps.stages if one.name == name), None)
    if stage is None:
        return None
    return stats.ratio_of_sums(stage.timeline.totals_ns, steps.timeline.counts)


def kernels(trace: Trace) -> dict[str, tuple[float, float, float]]:
    """What the device did for each outermost stage in one traced step.

    Args:
        trace: one window of traced steps.

    Returns:
        Launches, nanoseconds in which it ran a kernel of the stage, and nanoseconds in which it
        waited for one; for the whole step by ``"step"``. Nothing where the trace has no kernels.
    """
    if not trace.device or not trace.steps:
        return {}
    sums: dict[str, list[float]] = {}
    for stage in trace.stages:
        for name in {stage.path[0] if stage.path else "", "step"}:
            into = sums.setdefault(name, [0.0, 0.0, 0.0])
            for place, number in enumerate((stage.launches, stage.busy_ns, stage.gap_ns)):
                into[place] += number / trace.steps
    return {name: (found[0], found[1], found[2]) for name, found in sums.items() if name}


def flops(run: Run) -> int | None:
    """Floating-point operations of one step, by the run's probe; None where it has none."""
    probe = getattr(run, "probe", None)
    if probe is None or not probe.work:
        return None
    return sum(int(work.flops) for work in probe.work)


def notes(run: Run) -> list[str]:
    """The codes of the run's notes, each once."""
    return sorted({str(note.get("code")) for note in run.notes})


def over(many: Iterable[float], one: float) -> list[float]:
    """Each of many numbers under one; none where a number is 0."""
    return [one / number for number in many if number > 0]


def verdicts(run: Run) -> dict[str, str]:
    """What rnnprof says limits each stage: ``compute``, ``bandwidth``, ``launch``, or nothing.

    Args:
        run: a saved run with a probe, and traced steps.

    Returns:
        The verdict of each stage that has one, by its path, ``forward/rnn``; of the whole step by
        ``"step"``.
    """
    report: Any = getattr(rnnprof.breakdown(run), "probe", None)
    if report is None or report.work is None:
        return {}
    rows = [("step", report.work.step), *(("/".join(row.path) or row.name, row) for row in report.work.rows)]
    return {name: row.verdict for name, row in rows if row.verdict}
