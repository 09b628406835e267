"""A sweep as a result: its combinations, which factor explains how much, and the law of its times."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rnnprof.analysis import formula
from rnnprof.analysis.effects import effects
from rnnprof.analysis.knee import knee
from rnnprof.analysis.law import law, why_none
from rnnprof.analysis.result import Interval
from rnnprof.analysis.sweep_metrics import PERPLEXITY, Metric, metrics
from rnnprof.analysis.sweep_times import (
    Outcome,
    Spread,
    Timed,
    epoch_steps,
    mean_step,
    parameters,
    peak,
    spread,
    step_peak,
    success,
    timed,
)
from rnnprof.analysis.swept import Combination, Effects, Law, SweepReport
from rnnprof.sweepmodel import Plan

STEP, EPOCH, TOKEN = "time per step", "time per epoch", "time per token"


@dataclass(frozen=True)
class _Group:
    """The runs of one combination that are done, with their steps."""

    outcomes: tuple[Outcome, ...]
    runs: tuple[Timed, ...]

    @property
    def by_round(self) -> dict[int, Timed]:
        """The steps of each run, by its round."""
        pairs = zip(self.outcomes, self.runs, strict=True)
        return {outcome.trial.round: steps for outcome, steps in pairs}


def sweep_report(plan: Plan, outcomes: Sequence[Outcome]) -> SweepReport:
    """Sum up a sweep, also one that is not complete.

    Args:
        plan: what was to be run.
        outcomes: what is there of each run, in any order.

    Returns:
        Every number and sentence that a report prints.

    Raises:
        UsageError: a metric or a formula of the plan makes no sense.
    """
    looked_for = metrics(plan.metrics)
    mine: list[list[Outcome]] = [[] for _ in plan.combinations]
    for outcome in sorted(outcomes, key=lambda one: one.trial.round):
        mine[outcome.trial.combination].append(outcome)
    groups = [_group(some) for some in mine]
    between = spread([{number: one.mean_ns for number, one in group.by_round.items()} for group in groups])
    rows = [_row(plan, mine[i], groups[i], i, between, looked_for) for i in range(len(groups))]
    held = [one.name for one in looked_for if any(m.name == one.name for row in rows for m in row.metrics)]
    ended = [one for one in outcomes if one.ended is not None]
    done = sum(one.done for one in outcomes)
    total = len(groups) * plan.repeat
    first = next((one.run for one in outcomes if one.done and one.run is not None), None)
    quantities = _quantities(plan, rows)
    found = [_effects(plan, of, times, len(rows), between, groups) for of, times in quantities]
    laws = [law(of, plan.factors, times) for of, times in quantities]
    return SweepReport(
        created=plan.created,
        command=" ".join(plan.shown),
        factors=tuple(factor.name for factor in plan.factors),
        metrics=tuple(held),
        rounds=plan.repeat,
        steps=plan.steps,
        warmup=plan.warmup,
        seed=plan.seed,
        runs=(total, done, len(ended) - done, total - len(ended)),
        combinations=tuple(rows),
        effects=tuple(one for one in found if one is not None),
        laws=tuple(one for one in laws if one is not None),
        knee=knee(plan, rows),
        notes=tuple(_notes(plan, rows, groups, found, laws[0], quantities[0][1])),
        environment=dict(first.environment) if first is not None else {},
    )


def _group(outcomes: Sequence[Outcome]) -> _Group:
    pairs = [
        (one, steps)
        for one in outcomes
        if one.done and one.run is not None
        if (steps := timed(one.run)) is not None
    ]
    return _Group(tuple(one for one, _ in pairs), tuple(steps for _, steps in pairs))


def _row(
    plan: Plan,
    outcomes: Sequence[Outcome],
    group: _Group,
    number: int,
    between: Spread | None,
    looked_for: Sequence[Metric],
) -> Combination:
    failures = [
        f"{one.ended.status}: {one.ended.words}" if one.ended.words else one.ended.status
        for one in outcomes
        if one.ended is not None and one not in group.outcomes
    ]
    row = Combination(
        number=number + 1,
        levels=plan.levels(number),
        done=len(group.runs),
        failures=tuple(failures),
        missing=plan.repeat - len(group.runs) - len(failures),
    )
    if not group.runs:
        return row
    step_ns, interval = mean_step(group.by_round, between)
    tokens = _tokens(plan, group, number)
    per_epoch = _steps_per_epoch(plan, group, number)
    peaks = [found for outcome in group.outcomes if (found := peak(outcome)) is not None]
    runs = [outcome.run for outcome in group.outcomes if outcome.run is not None]
    counted = {parameters(run) for run in runs}
    said = [metric_row for one in looked_for if (metric_row := success(group.outcomes, one)) is not None]
    return replace(
        row,
        steps=min(one.steps for one in group.runs),
        step_ns=step_ns,
        step_interval=interval,
        tokens_per_second=None if tokens is None else tokens * 1e9 / step_ns,
        tokens_interval=_rate(tokens, interval),
        steps_per_epoch=per_epoch,
        epoch_ns=None if per_epoch is None else per_epoch * step_ns,
        epoch_interval=_times(per_epoch, interval),
        peak_bytes=max(peaks)[0] if peaks else None,
        peak_place=max(peaks)[1] if peaks else "",
        step_peak_bytes=max((most for run in runs if (most := step_peak(run)) is not None), default=None),
        parameters=counted.pop() if len(counted) == 1 else None,
        metrics=tuple(said),
    )


def _times(number: int | None, interval: Interval | None) -> Interval | None:
    return None if number is None or interval is None else (number * interval[0], number * interval[1])


def _rate(tokens: float | None, interval: Interval | None) -> Interval | None:
    if tokens is None or interval is None or interval[0] <= 0:
        return None
    return tokens * 1e9 / interval[1], tokens * 1e9 / interval[0]


def _tokens(plan: Plan, group: _Group, number: int) -> float | None:
    """Tokens in a step: by the formula, or as the program says them."""
    if plan.tokens:
        return formula.value(plan.tokens, formula.names(plan, number), "--tokens-per-step")
    said = [one.tokens for one in group.runs]
    return None if None in said else math.fsum(one for one in said if one is not None) / len(said)


def _steps_per_epoch(plan: Plan, group: _Group, number: int) -> int | None:
    """Steps in an epoch: by the formula, rounded up as a last short batch is a step; or as they ran."""
    if plan.steps_per_epoch:
        names = formula.names(plan, number)
        return math.ceil(formula.value(plan.steps_per_epoch, names, "--steps-per-epoch"))
    pairs = zip(group.outcomes, group.runs, strict=True)
    found = {epoch_steps(outcome, steps, PERPLEXITY) for outcome, steps in pairs}
    return found.pop() if len(found) == 1 else None


def _quantities(plan: Plan, rows: Sequence[Combination]) -> list[tuple[str, dict[tuple[int, ...], float]]]:
    """The times to explain: of a step; of an epoch, or else of a token, where all rows have it."""
    places = plan.combinations
    known = [row for row in rows if row.step_ns is not None]
    found = [(STEP, {places[row.number - 1]: row.step_ns for row in known if row.step_ns is not None})]
    epochs = {places[row.number - 1]: row.epoch_ns for row in known if row.epoch_ns is not None}
    tokens = {places[row.number - 1]: 1e9 / row.tokens_per_second for row in known if row.tokens_per_second}
    for of, times in ((EPOCH, epochs), (TOKEN, tokens)):
        if len(times) == len(known) and known:
            # A constant times that of a step would be explained by the same.
            ratios = [times[cell] / step for cell, step in found[0][1].items()]
            same = max(ratios) - min(ratios) <= 1e-9 * max(ratios)
            return found if same else [*found, (of, times)]
    return found


def _effects(
    plan: Plan,
    of: str,
    times: dict[tuple[int, ...], float],
    cells: int,
    between: Spread | None,
    groups: Sequence[_Group],
) -> Effects | None:
    noise = None
    if between is not None:
        # A combination's mean of n runs varies by the n-th part of the variance of one run.
        ran = [len(group.runs) for group in groups if group.runs]
        noise = between.one.error**2 * math.fsum(1 / number for number in ran) * (1 - 1 / len(ran))
    return effects(of, plan.factors, times, cells - len(times), noise)


def _notes(
    plan: Plan,
    rows: Sequence[Combination],
    groups: Sequence[_Group],
    found: Sequence[Effects | None],
    fitted: Law | None,
    times: Mapping[tuple[int, ...], float],
) -> list[str]:
    notes = []
    kinds = {one.kind for group in groups for one in group.runs}
    if len(kinds) > 1:
        notes.append(f"Not all runs were timed by the same clock, but by {', '.join(sorted(kinds))}.")
    few = sum(row.step_ns is not None and row.step_interval is None for row in rows)
    if few:
        notes.append(f"{few} combinations have too few steps for an interval: give more --steps.")
    asked = 0 if plan.steps is None else plan.warmup + plan.steps
    if any(one.total < asked for group in groups for one in group.runs):
        notes.append("Some programs ended before the steps that were asked for.")
    timed_rows = [row.levels for row in rows if row.step_ns is not None]
    gaps = len(rows) - len(timed_rows)
    if gaps and timed_rows:
        missing = f"{gaps} of {len(rows)} combinations have no time and are left out"
        levels = (len({row[i] for row in timed_rows}) for i in range(len(plan.factors)))
        whole = math.prod(levels) == len(timed_rows)
        # Without whole levels, what is left is a whole grid again.
        told = "" if whole else ": what explains how much is told as if no factors worked together"
        notes.append(f"{missing}{told}.")
    varying = sum(len(factor.levels) > 1 for factor in plan.factors)
    if found[0] is None and varying > 1:
        notes.append("Too few combinations have a time to tell what each factor explains.")
    if timed_rows and varying and fitted is None:
        notes.append(why_none(plan.factors, times))
    return notes
