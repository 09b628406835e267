"""Compare two sides of runs: which stage grew slower or faster, and whether that is shown at all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from rnnprof import runfile
from rnnprof.analysis import stats
from rnnprof.analysis.batches import excess_ns
from rnnprof.analysis.compare_rows import Measured, measured, side, stage_changes
from rnnprof.analysis.compare_words import WANTED, notes, sentences
from rnnprof.analysis.compared import Comparison, StepChange
from rnnprof.analysis.judged import change, difference_of
from rnnprof.analysis.refusals import impossible, reasons
from rnnprof.analysis.unlike import unlike
from rnnprof.errors import UsageError
from rnnprof.model import Run
from rnnprof.runfile import Given

LONG = 2.0
"""Medians from which a step counts as long."""


def compare(
    before: Given | Sequence[Given], after: Given | Sequence[Given], force: bool = False, lane: str = ""
) -> Comparison:
    """Compare the steps of two sides, and the stages in them.

    Args:
        before: a run or the path of its file, or several of them: runs of the same program that are
            meant to be alike.
        after: the same of the other side.
        force: whether to compare also what is no like for like, such as another device.
        lane: the lane whose steps are compared; the one that matters most if empty, usually ``train``.

    Returns:
        Every difference with its interval and verdict.

    Raises:
        RunFileError: a file is no run.
        UsageError: the sides cannot be compared, or only by force; the message says why.
    """
    sides = _measured(before, lane, "before"), _measured(after, lane, "after")
    why = reasons(*sides)
    if fatal := impossible(*sides):
        raise UsageError(f"these runs cannot be compared: {fatal}")
    if why and not force:
        raise UsageError(
            f"these runs should not be compared: {'; '.join(why)}. "
            "To do it all the same: --force, in Python force=True"
        )
    step = _step(*sides)
    stages = stage_changes(*sides, step)
    return Comparison(
        before=side(sides[0]),
        after=side(sides[1]),
        step=step,
        stages=stages,
        unlike=unlike(*sides, stages),
        notes=notes(*sides, step),
        forced=tuple(why),
    )


def _measured(given: Given | Sequence[Given], lane: str, name: str) -> list[Measured]:
    """The steps of one side's runs."""
    one = isinstance(given, (Run, str, os.PathLike))
    several: Sequence[Given] = [given] if one else list(given)  # type: ignore[list-item, arg-type]
    if not several:
        raise UsageError(f"{name} has no run: give one or more")
    found = []
    for each in several:
        if isinstance(each, Run):
            found.append(measured(each, f"{name} ({each.created[:19].replace('T', ' ')})", lane))
        elif isinstance(each, (str, os.PathLike)):
            found.append(measured(runfile.load(Path(each)), os.fspath(each), lane))
        else:
            raise UsageError(f"{name} is a run, the path of its file, or a list of them, not {each!r}")
    return found


def _step(before: Sequence[Measured], after: Sequence[Measured]) -> StepChange:
    """The difference of the step itself."""
    medians = [[stats.quantile(run.steps.series, 0.5) or 0.0 for run in side] for side in (before, after)]
    limit = LONG * max(max(side) for side in medians)
    above = [[excess_ns(run.steps.series, limit) for run in side] for side in (before, after)]
    plain, chosen = difference_of([run.whole for run in before], [run.whole for run in after], above)
    found = change(chosen, plain)
    totals = [sum(run.steps.series.total_ns for run in side) for side in (before, after)]
    long = [sum(parts) / total if total else 0.0 for parts, total in zip(above, totals, strict=True)]
    made = StepChange(
        **vars(found),
        effect_ns=plain.change_ns,
        effect=plain.change_ns / plain.before_ns,
        enough=found.smallest is not None and found.smallest <= WANTED,
        limit_ns=limit,
        long=(long[0], long[1]),
        medians_ns=(fmean(medians[0]), fmean(medians[1])),
        sentences=(),
    )
    return StepChange(**{**vars(made), "sentences": sentences(made, before, after)})
