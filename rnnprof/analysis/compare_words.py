"""The verdict of a comparison in words, and what a reader should know before trusting it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rnnprof import units
from rnnprof.analysis.compare_rows import Measured
from rnnprof.analysis.compared import CUT, NONE, StepChange

WANTED = 0.05
"""The difference that a comparison should be able to show."""
NOISY = 0.5
"""The smallest difference that would have been shown, from which more steps are no advice."""
MATTERS = 0.02
"""Part of the time from which long steps are spoken of."""
APART = 1.01
"""Numbers of tokens differ from this ratio on."""


def sentences(step: StepChange, before: Sequence[Measured], after: Sequence[Measured]) -> tuple[str, ...]:
    """The verdict on the step, and what belongs to it.

    Args:
        step: the step's difference, its own sentences still missing.
        before, after: the runs of each side.
    """
    if step.interval is None:
        found = [f"no difference shown: {step.percent}, too little data for an interval"]
    else:
        found = [f"{step.verdict}: a step takes {step.percent} ({step.range})"]
    if step.verdict == NONE:
        found.append(_power(step, before, after))
    found.append(_times(step))
    if step.basis == CUT or max(step.long) >= MATTERS:
        found.append(_long(step))
    rates = [_ns_per_token(side) for side in (before, after)]
    tokens = [_tokens(side) for side in (before, after)]
    if all(rates) and max(tokens) > APART * min(tokens):
        found.append(
            f"The steps hold different numbers of tokens. Time per token: {units.duration(rates[0])} before, "
            f"{units.duration(rates[1])} after ({units.signed(rates[1] / rates[0] - 1)})."
        )
    return tuple(found)


def notes(before: Sequence[Measured], after: Sequence[Measured], step: StepChange) -> tuple[str, ...]:
    """What a reader should know before trusting the verdict."""
    found = []
    if len(before) == len(after) == 1:
        found.append(
            "One run a side: what differs between whole runs, such as the state of the machine, is in no "
            "interval. Runs of the same program may differ by a few percent; several runs a side show it: "
            "rnnprof compare BEFORE... --to AFTER..."
        )
    elif step.by_runs:
        found.append("The scatter between the runs of a side made the step's interval.")
    for run in (*before, *after):
        if run.run.ended not in ("finished", "running"):
            found.append(f"{units.visible(run.name)} ended with {units.visible(run.run.ended)}.")
        elif run.run.ended == "running":
            found.append(f"{units.visible(run.name)} was still running, or was killed.")
        if run.run.functions is not None:
            found.append(f"{units.visible(run.name)} was slowed by cProfile: compare runs without it.")
    return tuple(found)


def _times(step: StepChange) -> str:
    """The mean and the median step of each side."""
    mean, median = (
        [units.duration(ns) for ns in pair] for pair in ((step.before_ns, step.after_ns), step.medians_ns)
    )
    which = "Mean step, long ones cut" if step.basis == CUT else "Mean step"
    words = f"{which}: {mean[0]} before, {mean[1]} after."
    if not step.medians_ns[0]:
        return words
    change = units.signed(step.medians_ns[1] / step.medians_ns[0] - 1)
    return f"{words} Median: {median[0]}, {median[1]} ({change})."


def _power(step: StepChange, before: Sequence[Measured], after: Sequence[Measured]) -> str:
    """What these steps could have shown, and how many would show enough."""
    if step.smallest is None:
        return "Too little data: 8 steps are the fewest that show how much they vary."
    smallest = step.smallest
    if step.enough:
        return (
            f"A difference of about {units.signed(smallest).removeprefix('+')} or more would have been shown."
        )
    if smallest > NOISY:
        return (
            "Too noisy: within a run the steps vary and drift so much that only a difference of about "
            f"{units.signed(smallest).removeprefix('+')} or more would have been shown. A quieter machine "
            "helps, or several runs a side."
        )
    words = (
        "Too little data to say more: only a difference of about "
        f"{units.signed(smallest).removeprefix('+')} or more would have been shown"
    )
    if step.by_runs:
        return f"{words}; more runs a side narrow that."
    times = math.ceil((math.log1p(smallest) / math.log1p(WANTED)) ** 2)
    steps = min(run.steps.series.count for run in (*before, *after)) * times
    wanted = units.fraction(WANTED)
    return f"{words}; for {wanted} it would take about {units.count(float(f'{steps:.2g}'))} steps a side."


def _long(step: StepChange) -> str:
    """What the long steps make."""
    parts = [units.fraction(part) for part in step.long]
    words = (
        f"Steps above {units.duration(step.limit_ns)}, twice the median, make {parts[0]} of the time before "
        f"and {parts[1]} after"
    )
    if step.basis == CUT:
        mean = units.signed(step.effect)
        return f"{words}; they are counted as that long, which shows more. Of the plain means: {mean}."
    return f"{words}."


def _tokens(runs: Sequence[Measured]) -> float:
    steps = sum(run.steps.series.count for run in runs if run.steps.tokens)
    return sum(run.steps.tokens for run in runs) / steps if steps else 0.0


def _ns_per_token(runs: Sequence[Measured]) -> float:
    tokens = sum(run.steps.tokens for run in runs if run.steps.token_ns)
    return sum(run.steps.token_ns for run in runs) / tokens if tokens else 0.0
