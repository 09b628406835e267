"""One lane as rows: self and total times, quantiles and intervals, before anything has a share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rnnprof.analysis import stats
from rnnprof.analysis.result import Interval, StageRow
from rnnprof.model import Lane, Run, Stage, Steps, Timeline
from rnnprof.stages import LEFT_OUT, MEASURED, OTHER

UNSEEN_BY_EVENTS = ("other_streams", "several_devices")
"""Codes of notes that say that events saw only a part."""


@dataclass(frozen=True)
class Divided:
    """One lane with its rows.

    Args:
        lane: the lane.
        kind: the kind of step that is shown; empty without steps.
        shown: the steps of that kind.
        steps_ns: wall time of the steps of all kinds.
        inside: rows in the step, trees parents first, ``other`` last; empty without steps.
        outside: rows outside the steps, ``other`` last where there is any.
    """

    lane: Lane
    kind: str
    shown: Steps
    steps_ns: int
    inside: tuple[StageRow, ...]
    outside: tuple[StageRow, ...]

    @property
    def basis_ns(self) -> int:
        """What shares of the step are of: its total, unless its stages claim more."""
        return sum(row.self_ns for row in self.inside)

    @property
    def outside_ns(self) -> int:
        """Time outside the steps."""
        return sum(row.self_ns for row in self.outside)

    @property
    def total_ns(self) -> int:
        """The lane's time: its visits, unless its steps and stages claim more."""
        return self.steps_ns + self.outside_ns

    @property
    def number(self) -> int:
        """Number of steps of all kinds."""
        return sum(steps.series.count for steps in self.lane.steps.values())

    @property
    def exceeds(self) -> bool:
        """Whether parts claim more time than their whole, so that an own time was cut to 0."""
        in_step = bool(self.kind) and _exceed(self.shown.stages, self.shown.series.total_ns)
        return in_step or self.total_ns > self.lane.series.total_ns


def kinds_to_trust(run: Run) -> tuple[str, ...]:
    """The kinds of step that measure, the most trustworthy first.

    Args:
        run: its notes say where events saw only a part of what the devices did: then the steps that
            waited for all of it come first.
    """
    if any(note.get("code") in UNSEEN_BY_EVENTS for note in run.notes):
        return ("sync", *(kind for kind in MEASURED if kind != "sync"))
    return MEASURED


def divide(lane: Lane, trusted: Sequence[str] = MEASURED) -> Divided:
    """Turn a lane into rows.

    Args:
        lane: the lane.
        trusted: the kinds of step that measure, the most trustworthy first.

    Returns:
        Its rows. Steps are those of the most trustworthy measured kind; warmup, then control and
        traced steps, are shown only where there are no others.
    """
    kinds = [kind for kind in (*trusted, *LEFT_OUT) if kind in lane.steps and lane.steps[kind].series.count]
    kind = kinds[0] if kinds else ""
    shown = lane.steps[kind] if kind else Steps()
    steps_ns = lane.steps_ns if kind else 0
    inside = _rows(shown.stages, lane.name, shown, ()) if kind else []
    outside = _rows(lane.stages, lane.name, None, ())
    if kind:
        rest = max(shown.series.total_ns - _top(inside), 0)
        share, mean = own_intervals(shown.timeline, shown.stages, shown)
        row = _other(lane.name, shown.series.count, rest)
        inside.append(replace(row, in_step=True, interval_ns=mean, share_interval=share))
    rest = lane.series.total_ns - steps_ns - _top(outside)
    if rest > 0:
        outside.append(_other(lane.name, lane.series.count, rest))
    return Divided(lane, kind, shown, steps_ns, tuple(inside), tuple(outside))


def interval_of(timeline: Timeline) -> Interval | None:
    """Confidence interval of the mean span of a timeline, in nanoseconds.

    Args:
        timeline: the spans over the run.

    Returns:
        The interval, without the part below 0, or None with too few spans.
    """
    return _within(stats.ratio_of_sums(timeline.totals_ns, timeline.counts))


def _rows(stages: Sequence[Stage], lane: str, steps: Steps | None, above: tuple[str, ...]) -> list[StageRow]:
    """Rows of a tree of stages, parents first.

    A row's total is its self time and its children's totals, so that it adds up also where a
    device's clock gave children more time than their parent, and where an outer stage holds steps.
    """
    rows = []
    for stage in stages:
        path = (*above, stage.name)
        below = _rows(stage.stages, lane, steps, path)
        total = stage.self_ns + _top(below, len(path))
        series, many = stage.series, stage.series.count > 0
        row = StageRow(
            name=stage.name,
            path=path,
            lane=lane,
            in_step=steps is not None,
            count=series.count,
            self_ns=stage.self_ns,
            total_ns=total,
            mean_ns=series.mean_ns,
            median_ns=stats.quantile(series, 0.5),
            p95_ns=stats.quantile(series, 0.95),
            min_ns=series.min_ns if many else None,
            max_ns=series.max_ns if many else None,
            per_step_ns=total / steps.series.count if steps else series.mean_ns,
        )
        if steps is not None:
            share, _ = own_intervals(stage.timeline, stage.stages, steps)
            row = replace(row, interval_ns=interval_of(stage.timeline), share_interval=share)
        rows += [row, *below]
    return rows


def own_intervals(
    timeline: Timeline, stages: Sequence[Stage], steps: Steps
) -> tuple[Interval | None, Interval | None]:
    """Confidence intervals of the self time of a stage, or of what is left of the step.

    Args:
        timeline: the stage over the run, or the step's.
        stages: the stages in it.
        steps: the steps that it is in.

    Returns:
        The interval of its share in the step, and that of its mean in a step, in nanoseconds; None
        where it cannot be told.
    """
    counts = steps.timeline.counts
    below = [stage.timeline.totals_ns for stage in stages if stage.series.count]
    if any(len(totals) != len(counts) for totals in (timeline.totals_ns, *below)):
        return None, None
    own = [max(total - sum(others), 0) for total, *others in zip(timeline.totals_ns, *below, strict=True)]
    share = stats.ratio_of_sums(own, steps.timeline.totals_ns, counts)
    return _within(share, 1.0), _within(stats.ratio_of_sums(own, counts))


def _within(estimate: stats.Estimate | None, limit: float = float("inf")) -> Interval | None:
    """The estimate's interval, without the part that no time or share can reach."""
    if estimate is None:
        return None
    low, high = estimate.interval()
    return min(max(low, 0.0), limit), min(high, limit)


def _other(lane: str, count: int, rest: int) -> StageRow:
    """The row of the time that no stage claims."""
    mean = rest / count if count else 0.0
    return StageRow(
        name=OTHER,
        path=(OTHER,),
        lane=lane,
        in_step=False,
        count=count,
        self_ns=rest,
        total_ns=rest,
        mean_ns=mean,
        per_step_ns=mean,
        remainder=True,
    )


def _top(rows: Sequence[StageRow], depth: int = 0) -> int:
    """Total time of the rows at one depth."""
    return sum(row.total_ns for row in rows if row.depth == depth)


def _exceed(stages: Sequence[Stage], total_ns: int) -> bool:
    """Whether stages, or those in one of them, took more time than what is around them."""
    more = sum(stage.series.total_ns for stage in stages) > total_ns
    return more or any(_exceed(stage.stages, stage.series.total_ns) for stage in stages)
