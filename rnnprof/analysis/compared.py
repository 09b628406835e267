"""The result of `compare`: every difference, verdict and sentence, for every renderer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rnnprof.analysis.result import Interval

FASTER, SLOWER, NONE = "faster", "slower", "no difference shown"
"""The verdicts."""

MEAN, CUT = "mean", "without long spans"
"""What a difference may be of."""


@dataclass(frozen=True)
class Change:
    """How the time of a step, or of a stage in it, differs.

    Args:
        verdict: ``"faster"``, ``"slower"`` or ``"no difference shown"``: whether the interval holds 0.
        basis: what was compared: ``"mean"``, the mean time per step; or ``"without long spans"``, the
            same with every span above a limit counted as that limit, where that shows more.
        before_ns, after_ns: that time on each side, the mean of the runs.
        change_ns: after minus before.
        interval_ns: its 95 % confidence interval, or None where there is too little data.
        ratio: after over before, minus 1; None where a side is nothing.
        interval: its 95 % confidence interval, or None.
        percent: ``ratio`` as printed, e.g. ``"+5.3 %"``; ``"new"``, ``"gone"`` or ``"–"`` where there
            is none.
        range: ``interval`` as printed, e.g. ``"+4.1 % to +6.5 %"``; ``"–"`` where there is none.
        smallest: the smallest ratio that would have been shown, about; None without an interval.
        by_runs: whether the scatter of whole runs made the interval, not that within the runs.
    """

    verdict: str
    basis: str
    before_ns: float
    after_ns: float
    change_ns: float
    interval_ns: Interval | None
    ratio: float | None
    interval: Interval | None
    percent: str
    range: str
    smallest: float | None
    by_runs: bool


@dataclass(frozen=True)
class StageChange(Change):
    """One stage, the stages in it included, or the ``other`` that is left of the step.

    The intervals of all stages hold together in 95 % of the comparisons.

    Args:
        name: the stage's name.
        path: names from the outermost stage to this one.
        remainder: whether it is the time that no stage claims.
        only: ``"before"`` or ``"after"`` where no run of the other side has this stage, else empty.
        effect_ns: change of its mean time per step, long spans and all. Those of the outermost
            stages and of ``other`` sum to the step's.
        effect: the same as a part of the mean step before.
        effect_percent: ``effect`` as printed.
        part: its part of the step's change; None where no difference of the step was shown.
        part_percent: ``part`` as printed, or ``"–"``.
        visits: how often a step visits it, before and after.
    """

    name: str
    path: tuple[str, ...]
    remainder: bool
    only: str
    effect_ns: float
    effect: float
    effect_percent: str
    part: float | None
    part_percent: str
    visits: tuple[float, float]

    @property
    def depth(self) -> int:
        """0 directly in the step, 1 one stage down, and so on."""
        return len(self.path) - 1


@dataclass(frozen=True)
class StepChange(Change):
    """The step itself.

    Args:
        effect_ns: change of the mean step, long steps and all.
        effect: the same as a part of the mean step before.
        enough: whether a difference of 5 % would have been shown.
        limit_ns: the limit above which a step counts as long: twice the larger median.
        long: part of the steps' time that is above the limit, before and after.
        medians_ns: median step, before and after; with several runs the mean of their medians.
        sentences: the verdict in words, and what belongs to it.
    """

    effect_ns: float
    effect: float
    enough: bool
    limit_ns: float
    long: tuple[float, float]
    medians_ns: tuple[float, float]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Side:
    """One side.

    Args:
        names: of its runs: their files, or when they were recorded.
        lane: the lane whose steps are compared.
        kinds: the kinds of step that they are; one, unless the comparison was forced.
        steps: number of those steps in each run.
        means_ns: mean step of each run.
        tokens: tokens in a step, or None where none were given.
        ns_per_token: wall time of a token, or None.
    """

    names: tuple[str, ...]
    lane: str
    kinds: tuple[str, ...]
    steps: tuple[int, ...]
    means_ns: tuple[float, ...]
    tokens: float | None
    ns_per_token: float | None


@dataclass(frozen=True)
class Unlike:
    """Something besides the times that differs between the sides, in words."""

    what: str
    before: str
    after: str


@dataclass(frozen=True)
class Comparison:
    """Two sides of runs, compared.

    Args:
        before, after: the sides.
        step: the step's difference.
        stages: those of the stages, parents first, ``other`` last.
        unlike: what else differs.
        notes: sentences on what a reader should know before trusting the numbers.
        forced: reasons why these runs should not be compared; empty unless that was forced.
    """

    before: Side
    after: Side
    step: StepChange
    stages: tuple[StageChange, ...]
    unlike: tuple[Unlike, ...]
    notes: tuple[str, ...]
    forced: tuple[str, ...] = ()

    def by_path(self) -> Mapping[tuple[str, ...], StageChange]:
        """The stages by their paths; ``other`` has an empty one."""
        return {() if stage.remainder else stage.path: stage for stage in self.stages}
