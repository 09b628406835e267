"""Divide a run: the one place where shares and percentages come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rnnprof.analysis import stats
from rnnprof.analysis.agreement import agree
from rnnprof.analysis.functions import functions
from rnnprof.analysis.notes import lane_notes, saved_notes
from rnnprof.analysis.perturbation import perturbation, unknown
from rnnprof.analysis.probing import probe_report
from rnnprof.analysis.result import Breakdown, LaneRow, StageRow, StepSummary
from rnnprof.analysis.rounding import print_shares
from rnnprof.analysis.rows import Divided, divide, interval_of, kinds_to_trust
from rnnprof.analysis.side_by_side import clock_report
from rnnprof.analysis.traced import window
from rnnprof.errors import UsageError
from rnnprof.runfile import Given, opened


def breakdown(run: Given, by: str = "step") -> Breakdown:
    """Divide a run.

    Args:
        run: the saved measurement, or the path of its file.
        by: what 100 % is: ``"step"``, the mean step of the main lane (``train``, or else the lane
            with most steps); or ``"run"``, the time of all lanes of the main thread, in which the
            steps of every kind are divided like the measured ones. A run without steps is always
            divided by ``"run"``.

    Returns:
        Every number and sentence that a report prints. It may be of a run that holds no time:
        then nothing has a share.

    Raises:
        RunFileError: the file is no run.
        UsageError: ``by`` is neither.
    """
    run = opened(run)
    if by not in ("step", "run"):
        raise UsageError(f"by={by!r} is not known: give 'step' or 'run'")
    trusted = kinds_to_trust(run)
    divided = [divide(lane, trusted) for lane in run.lanes]
    main = _main(divided)
    notes = saved_notes(run)
    if by == "step" and (main is None or main.basis_ns == 0):
        by = "run"
        missing = "No lane has steps" if main is None else "The steps took no time"
        notes.append(f"{missing}: 100 % is the time of the whole run.")
    run_ns = sum(each.total_ns for each in divided if not each.lane.thread)
    rows = [row for each in divided for row in _with_shares(each, by, run_ns, each is main)]
    stages, lanes = print_shares(rows, [_lane_row(each, run_ns) for each in divided], by)
    steps = {each.lane.name: _summary(each) for each in divided if each.kind}
    agreed = agree(run)
    clocks = clock_report(run, main)
    apart = [agreed.sentence] if agreed and not agreed.agrees else []
    return Breakdown(
        by=by,
        run_ns=run_ns,
        lanes=tuple(lanes),
        stages=tuple(stages),
        steps=steps,
        step=steps[main.lane.name] if main else None,
        perturbation=perturbation(main.lane.steps, main.kind) if main else unknown(0, 0, "no steps"),
        notes=(*notes, *lane_notes(divided, by), *apart),
        environment=run.environment,
        created=run.created,
        ended=run.ended,
        clock=run.clock,
        functions=functions(run.functions) if run.functions else None,
        traces=tuple(map(window, run.traces)),
        agreement=agreed,
        clocks=clocks,
        probe=probe_report(run, main, clocks),
    )


def _main(divided: Sequence[Divided]) -> Divided | None:
    """The lane that matters most: ``train``, or else the one with most steps."""
    some = [each for each in divided if each.kind]
    return max(
        some, key=lambda each: (each.lane.name == "train", not each.lane.thread, each.number), default=None
    )


def _with_shares(each: Divided, by: str, run_ns: int, is_main: bool) -> list[StageRow]:
    """The lane's rows with their exact shares, where the basis covers them."""
    if by == "step":
        return [*_share_out(each.inside, 1, 1 if is_main else 0), *each.outside]
    whole = 0 if each.lane.thread else run_ns
    return [*_share_out(each.inside, each.steps_ns, whole), *_share_out(each.outside, each.outside_ns, whole)]


def _share_out(rows: Sequence[StageRow], part: int, whole: int) -> list[StageRow]:
    """Divide ``part / whole`` among rows by their self times; nothing where the whole is 0.

    Rows that took no time leave all of it to the last one, ``other``: so it is where steps took
    time on the host's clock but none on the device's. Whole numbers are divided only once, so that
    a share is 1.0 exactly when it is everything.
    """
    if whole == 0 or not rows:
        return list(rows)
    own = sum(row.self_ns for row in rows)
    if own == 0:
        nothing = [replace(row, share=0.0, total_share=0.0) for row in rows[:-1]]
        return [*nothing, replace(rows[-1], share=part / whole, total_share=part / whole)]
    return [
        replace(
            row, share=row.self_ns * part / (own * whole), total_share=row.total_ns * part / (own * whole)
        )
        for row in rows
    ]


def _lane_row(each: Divided, run_ns: int) -> LaneRow:
    """One lane's time and its exact share of the run."""
    return LaneRow(
        name=each.lane.name,
        thread=each.lane.thread,
        total_ns=each.total_ns,
        share=None if each.lane.thread or run_ns == 0 else each.total_ns / run_ns,
        percent="–",
        count=each.lane.series.count,
        steps=each.number,
        step_ns=each.shown.wall.mean_ns if each.kind else None,
    )


def _summary(each: Divided) -> StepSummary:
    """The lane's steps of the shown kind."""
    shown, series = each.shown, each.shown.series
    timed = shown.tokens > 0 and shown.token_ns > 0
    return StepSummary(
        lane=each.lane.name,
        kind=each.kind,
        count=series.count,
        kinds={kind: steps.series.count for kind, steps in each.lane.steps.items() if steps.series.count},
        total_ns=series.total_ns,
        mean_ns=series.mean_ns,
        median_ns=stats.quantile(series, 0.5),
        p95_ns=stats.quantile(series, 0.95),
        min_ns=series.min_ns,
        max_ns=series.max_ns,
        interval_ns=interval_of(shown.timeline),
        tokens=shown.tokens or None,
        tokens_per_second=shown.tokens * 1e9 / shown.token_ns if timed else None,
        ns_per_token=shown.token_ns / shown.tokens if timed else None,
    )
