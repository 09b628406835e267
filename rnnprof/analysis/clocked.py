"""The result of putting clocks side by side: what each says of every stage, and who is to blame.

It is part of a `Breakdown`. Times of a step are means, self times without child stages. Shares are
of all self times under one clock, so that they add up to 1. What was not measured is None.
"""

from __future__ import annotations

from dataclasses import dataclass

from rnnprof.captures import Path

Interval = tuple[float, float]


@dataclass(frozen=True)
class ClockTime:
    """One stage under one clock.

    Args:
        self_ns: summed self time.
        per_step_ns: its mean in a step.
        interval_ns: 95 % confidence interval of that mean, or None.
        share, percent: ``self_ns`` over that of all stages, and as printed.
        share_interval: 95 % confidence interval of the share, or None.
    """

    self_ns: int
    per_step_ns: float
    interval_ns: Interval | None
    share: float | None
    percent: str
    share_interval: Interval | None

    @property
    def share_half(self) -> float | None:
        """Half the interval of the share, to be written after ``±``, or None."""
        return None if self.share_interval is None else (self.share_interval[1] - self.share_interval[0]) / 2


@dataclass(frozen=True)
class BusyTime:
    """What the device did in one stage of the traced steps, or in the whole step.

    Args:
        busy_ns: time in which a kernel ran, summed over the steps.
        busy_per_step_ns: its mean in a step.
        share, percent: ``busy_ns`` over that of all stages, and as printed.
        gap_ns: time in which the device waited for a kernel.
        gap_per_step_ns: its mean in a step.
        busy_share, busy_percent: ``busy_ns`` over both, and as printed.
        launches_per_step: mean number of kernels and copies that the host started in a step.
    """

    busy_ns: int
    busy_per_step_ns: float
    share: float | None
    percent: str
    gap_ns: int
    gap_per_step_ns: float
    busy_share: float | None
    busy_percent: str
    launches_per_step: float


@dataclass(frozen=True)
class ClockColumn:
    """All steps under one clock.

    Args:
        kind: ``host``, ``sync`` or ``event``.
        steps: how many there are.
        step_ns: mean step, in which the self times of its stages add up.
        interval_ns: 95 % confidence interval of the mean step, or None.
    """

    kind: str
    steps: int
    step_ns: float
    interval_ns: Interval | None


@dataclass(frozen=True)
class BusyColumn:
    """The traced steps, the last window of them.

    Args:
        first_step: the number of the first one.
        steps: how many there are.
        total: what the device did in all stages.
    """

    first_step: int
    steps: int
    total: BusyTime


@dataclass(frozen=True)
class ClockRow:
    """One stage, or the time of the step in no stage.

    Args:
        name: its name; ``other`` for the time in no stage.
        path: its name and those of the stages around it; empty for ``other``.
        host: by the host's clock alone, as ``time.time()`` would have it.
        sync: with a synchronization at every mark.
        event: by events on the device.
        busy: what the device did in the traced steps.
        verdict: a key of `clock_verdicts.WORDS`; empty where it cannot be told.
        because: the figures behind it.
    """

    name: str
    path: Path
    host: ClockTime | None
    sync: ClockTime | None
    event: ClockTime | None
    busy: BusyTime | None
    verdict: str = ""
    because: str = ""

    @property
    def remainder(self) -> bool:
        """Whether it is the time that no stage claims."""
        return not self.path


@dataclass(frozen=True)
class StepBound:
    """What limits the whole step.

    Args:
        verdict: ``device``, ``launch``, or empty where it cannot be told.
        busy_share: fraction of the device's time in which it works: measured by a trace, or else
            the least that the clocks prove. None where nothing is known of it.
        traced: whether it was measured by a trace.
        sentence: the same in words.
    """

    verdict: str
    busy_share: float | None
    traced: bool
    sentence: str


@dataclass(frozen=True)
class SyncCost:
    """What synchronizing at every mark does to a step.

    Args:
        ratio: mean synchronized step over the mean step timed by events; None where it cannot be told.
        interval: its 95 % confidence interval, or None.
        sentence: the same in words.
    """

    ratio: float | None
    interval: Interval | None
    sentence: str


@dataclass(frozen=True)
class ClockReport:
    """The clocks of one run, side by side.

    Args:
        lane: the lane whose steps these are.
        columns: the clocks that timed them: host, sync, event, as far as they are there.
        traced: the traced steps, or None without a device in a trace.
        stages: parents before their children, ``other`` last.
        truth: the clock to trust: ``event``, or ``sync`` where events miss work; empty without one.
        differs: whether the host's clock blames another stage than that one; None where it cannot
            be told.
        sentence: which stage the host's clock blamed, and which it should have blamed.
        bound: what limits the step.
        sync_cost: what synchronizing does to it, or None without both kinds of step.
        remarks: what else to know before trusting a column.
    """

    lane: str
    columns: tuple[ClockColumn, ...]
    traced: BusyColumn | None
    stages: tuple[ClockRow, ...]
    truth: str
    differs: bool | None
    sentence: str
    bound: StepBound
    sync_cost: SyncCost | None
    remarks: tuple[str, ...] = ()
