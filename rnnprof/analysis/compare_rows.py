"""The steps of each run that is compared, and the difference of each stage in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from rnnprof import units
from rnnprof.analysis import stats
from rnnprof.analysis.batches import Course, course, excess_ns
from rnnprof.analysis.breakdown import breakdown
from rnnprof.analysis.compared import NONE, Side, StageChange, StepChange
from rnnprof.analysis.judged import change, difference_of
from rnnprof.analysis.result import Breakdown
from rnnprof.model import Run, Stage, Steps, walk
from rnnprof.stages import OTHER

Path = tuple[str, ...]

LONG_VISIT = 2.0
"""Medians from which a visit of a stage counts as long."""


@dataclass(frozen=True)
class Measured:
    """One run's steps.

    Args:
        run: the run.
        name: its file, or when it was recorded.
        lane: the lane; empty where no lane has steps.
        kind: the kind of step; empty without steps.
        steps: the steps.
        stages: the stages in them by their path.
        divided: the whole run, divided.
    """

    run: Run
    name: str
    lane: str
    kind: str
    steps: Steps
    stages: dict[Path, Stage]
    divided: Breakdown

    @property
    def whole(self) -> Course:
        """The steps themselves over the run."""
        return self._course(self.steps.timeline.totals_ns, self.steps.series.total_ns)

    def course(self, path: Path) -> Course:
        """A stage over the run, in nanoseconds per step; nothing where the run lacks it."""
        stage = self.stages.get(path)
        if stage is None:
            return self._course([0] * len(self.steps.timeline.counts), 0)
        return self._course(stage.timeline.totals_ns, stage.series.total_ns)

    def rest(self) -> Course:
        """The time that no stage claims."""
        claimed = sum(stage.series.total_ns for stage in self.steps.stages)
        top = [stage.timeline.totals_ns for stage in self.steps.stages if stage.series.count]
        lengths = {len(totals) for totals in (self.steps.timeline.totals_ns, *top)}
        buckets = zip(self.steps.timeline.totals_ns, *top, strict=True) if len(lengths) == 1 else ()
        rest = [max(total - sum(others), 0) for total, *others in buckets]
        return self._course(rest, max(self.steps.series.total_ns - claimed, 0))

    def _course(self, totals: Sequence[int], total_ns: int) -> Course:
        """A course, or only its mean where there is no timeline of these steps, as with several threads."""
        counts, steps = self.steps.timeline.counts, self.steps.series.count
        if len(totals) == len(counts) and sum(counts) == steps:
            return course(counts, totals)
        return Course((), (), total_ns / steps if steps else 0.0)

    def visits(self, path: Path) -> float:
        """How often a step visits a stage."""
        stage = self.stages.get(path)
        return stage.series.count / self.steps.series.count if stage else 0.0


def measured(run: Run, name: str, lane: str) -> Measured:
    """Find the steps that are compared.

    Args:
        run: the run.
        name: what to call it.
        lane: the lane, or empty for the one that matters most.
    """
    divided = breakdown(run)
    summary = divided.steps.get(lane) if lane else divided.step
    where = run.lane(summary.lane) if summary else None
    if summary is None or where is None:
        return Measured(run, name, "", "", Steps(), {}, divided)
    steps = where.steps[summary.kind]
    stages = {path: stage for path, stage in walk(steps.stages) if stage.series.count}
    return Measured(run, name, summary.lane, summary.kind, steps, stages, divided)


def side(runs: Sequence[Measured]) -> Side:
    """What there is to say about one side."""
    steps = [run.steps for run in runs]
    timed = [each for each in steps if each.tokens and each.token_ns]
    tokens = sum(each.tokens for each in timed)
    return Side(
        names=tuple(run.name for run in runs),
        lane=runs[0].lane,
        kinds=tuple(dict.fromkeys(run.kind for run in runs)),
        steps=tuple(each.series.count for each in steps),
        means_ns=tuple(each.series.mean_ns for each in steps),
        tokens=tokens / sum(each.series.count for each in timed) if timed else None,
        ns_per_token=sum(each.token_ns for each in timed) / tokens if timed else None,
    )


def stage_changes(
    before: Sequence[Measured], after: Sequence[Measured], step: StepChange
) -> tuple[StageChange, ...]:
    """The differences of all stages, judged together.

    Args:
        before, after: the runs of each side.
        step: the step's own difference.

    Returns:
        One for each stage of any run, parents first, ``other`` last.
    """
    paths = list(_paths([run.steps.stages for run in (*after, *before)], ()))
    judged = len(paths) + 1
    whole_ns = fmean(run.whole.mean_ns for run in before)
    return tuple(_stage(before, after, path, judged, whole_ns, step) for path in (*paths, ()))


def _stage(
    before: Sequence[Measured],
    after: Sequence[Measured],
    path: Path,
    judged: int,
    whole_ns: float,
    step: StepChange,
) -> StageChange:
    """One stage's difference; the empty path is the time in none."""
    early, late = ([run.course(path) if path else run.rest() for run in side] for side in (before, after))
    plain, chosen = difference_of(early, late, _above(before, after, path), judged)
    shown = change(chosen, plain)
    has = [any(path in run.stages for run in side) for side in (before, after)]
    effect = plain.change_ns / whole_ns if whole_ns else 0.0
    part = plain.change_ns / step.effect_ns if step.verdict != NONE and step.effect_ns else None
    return StageChange(
        **vars(shown),
        name=path[-1] if path else OTHER,
        path=path or (OTHER,),
        remainder=not path,
        only="" if not path or all(has) else "before" if has[0] else "after",
        effect_ns=plain.change_ns,
        effect=effect,
        effect_percent=units.signed(effect),
        part=part,
        part_percent="–" if part is None else units.signed(part).removeprefix("+"),
        visits=(fmean(run.visits(path) for run in before), fmean(run.visits(path) for run in after)),
    )


def _above(before: Sequence[Measured], after: Sequence[Measured], path: Path) -> list[list[float]]:
    """What long visits of a stage take above twice the larger median; 0 where steps visit it otherwise
    than once each, for then a visit is no measure of the stage's time in a step."""
    runs = [*before, *after]
    once = path and all(
        path in run.stages and run.stages[path].series.count == run.steps.series.count for run in runs
    )
    if not once:
        return [[0.0] * len(before), [0.0] * len(after)]
    limit = LONG_VISIT * max(stats.quantile(run.stages[path].series, 0.5) or 0.0 for run in runs)
    return [[excess_ns(run.stages[path].series, limit) for run in side] for side in (before, after)]


def _paths(trees: Sequence[Sequence[Stage]], above: Path) -> Iterator[Path]:
    """The paths of all stages of all trees: parents first, the order of the first tree."""
    levels = [[stage for stage in tree if stage.series.count] for tree in trees]
    for name in dict.fromkeys(stage.name for tree in levels for stage in tree):
        yield (*above, name)
        below = [stage.stages for tree in levels for stage in tree if stage.name == name]
        yield from _paths(below, (*above, name))
