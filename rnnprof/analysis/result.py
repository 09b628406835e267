"""The result of `breakdown`: every number and every printed percentage, for every renderer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rnnprof.analysis.advice.advised import Advice
from rnnprof.analysis.agreement import Agreement
from rnnprof.analysis.captured import FunctionReport, TraceReport
from rnnprof.analysis.clocked import ClockReport
from rnnprof.analysis.probed import ProbeReport
from rnnprof.model import Json

Interval = tuple[float, float]


def half(interval: Interval | None) -> float | None:
    """Half the width of an interval, or None without one."""
    return None if interval is None else (interval[1] - interval[0]) / 2


@dataclass(frozen=True)
class StageRow:
    """One stage, or the ``other`` that is left of its step or lane.

    Args:
        name: the stage's name.
        path: names from the outermost stage to this one.
        lane: the lane it belongs to.
        in_step: whether it lies inside a step.
        count: number of spans.
        self_ns: summed time without children.
        total_ns: summed time with children.
        share: self time over the basis, or None where the basis does not cover this stage.
        percent: ``share`` as printed, e.g. ``"58.8 %"``; ``"–"`` where there is none.
        total_share: total time over the basis, or None.
        total_percent: ``total_share`` as printed: the sum of the printed parts.
        mean_ns: mean span.
        median_ns: median span, or None without spans.
        p95_ns: 95th percentile of the spans, or None.
        min_ns: shortest span, or None.
        max_ns: longest span, or None.
        interval_ns: 95 % confidence interval of the mean span, or None when too short to tell.
        share_interval: 95 % confidence interval of the share in its step, or None.
        per_step_ns: mean time in one step with children; outside steps the mean span.
        remainder: whether it is the time that no stage claims, not a stage of the user's.
    """

    name: str
    path: tuple[str, ...]
    lane: str
    in_step: bool
    count: int
    self_ns: int
    total_ns: int
    share: float | None = None
    percent: str = "–"
    total_share: float | None = None
    total_percent: str = "–"
    mean_ns: float = 0.0
    median_ns: float | None = None
    p95_ns: float | None = None
    min_ns: int | None = None
    max_ns: int | None = None
    interval_ns: Interval | None = None
    share_interval: Interval | None = None
    per_step_ns: float = 0.0
    remainder: bool = False

    @property
    def depth(self) -> int:
        """0 directly in the step or lane, 1 one stage down, and so on."""
        return len(self.path) - 1

    @property
    def half_ns(self) -> float | None:
        """Half the interval of the mean span, to be written after ``±``, or None."""
        return half(self.interval_ns)

    @property
    def share_half(self) -> float | None:
        """Half the interval of the share in its step, or None."""
        return half(self.share_interval)


@dataclass(frozen=True)
class LaneRow:
    """One lane: its time and its share of the run.

    Args:
        name: the lane's name.
        thread: whether it runs beside the main thread, so that it has no share.
        total_ns: its time.
        share: its time over the run's, or None for a thread.
        percent: ``share`` as printed.
        count: how often it was entered.
        steps: number of steps in it, of all kinds.
        step_ns: mean wall time of a step of the shown kind, or None without steps.
    """

    name: str
    thread: bool
    total_ns: int
    share: float | None
    percent: str
    count: int
    steps: int
    step_ns: float | None


@dataclass(frozen=True)
class StepSummary:
    """The steps of one lane, of the kind that is shown.

    Args:
        lane: the lane.
        kind: the kind of step that the numbers come from.
        count: number of steps of that kind.
        kinds: number of steps of every kind.
        total_ns: their summed time.
        mean_ns, median_ns, p95_ns, min_ns, max_ns: of one step.
        interval_ns: 95 % confidence interval of the mean, or None.
        tokens: tokens in those steps, or None where none were given.
        tokens_per_second: throughput on the host's clock, or None.
        ns_per_token: its inverse, or None.
    """

    lane: str
    kind: str
    count: int
    kinds: Mapping[str, int]
    total_ns: int
    mean_ns: float
    median_ns: float | None
    p95_ns: float | None
    min_ns: int
    max_ns: int
    interval_ns: Interval | None
    tokens: int | None = None
    tokens_per_second: float | None = None
    ns_per_token: float | None = None

    @property
    def half_ns(self) -> float | None:
        """Half the interval of the mean step, to be written after ``±``, or None."""
        return half(self.interval_ns)


@dataclass(frozen=True)
class Perturbation:
    """What the stage marks cost: mean measured step over mean control step.

    Args:
        ratio: 1.0 when they cost nothing; None when it cannot be told.
        interval: its 95 % confidence interval, or None.
        measured: number of measured steps behind it.
        control: number of control steps behind it.
        reason: why ``ratio`` or ``interval`` is missing, else empty.
        sentence: the same in words, as every report says it.
    """

    ratio: float | None
    interval: Interval | None
    measured: int
    control: int
    reason: str = ""
    sentence: str = ""


@dataclass(frozen=True)
class Breakdown:
    """Where the time of one run went.

    Args:
        by: what 100 % is: ``"step"`` (the mean step of ``step.lane``) or ``"run"``.
        run_ns: time of the whole run: the lanes of the main thread.
        lanes: one row for each lane.
        stages: rows lane by lane, each tree parents first, its ``other`` last.
        steps: a summary for each lane that has steps.
        step: the summary of the lane that matters most (``train`` where there is one), or None.
        perturbation: the cost of measuring.
        notes: sentences on what a reader should know before trusting the numbers.
        environment: the run's environment.
        created, ended, clock: as in the run.
        functions: what cProfile saw, or None where it did not run.
        traces: what torch.profiler saw, window by window.
        agreement: whether the traces tell the same as the stage marks, or None without both.
        clocks: what each clock says, side by side, or None where no device was timed.
        probe: what one step of the warmup showed, or None where none was looked at.
        advice: what to change; None where the run was not examined (see `analysis.advice.advise`).
    """

    by: str
    run_ns: int
    lanes: tuple[LaneRow, ...]
    stages: tuple[StageRow, ...]
    steps: Mapping[str, StepSummary]
    step: StepSummary | None
    perturbation: Perturbation
    notes: tuple[str, ...] = ()
    environment: Json = field(default_factory=dict)
    created: str = ""
    ended: str = "finished"
    clock: str = "host"
    functions: FunctionReport | None = None
    traces: tuple[TraceReport, ...] = ()
    agreement: Agreement | None = None
    clocks: ClockReport | None = None
    probe: ProbeReport | None = None
    advice: Advice | None = None
