"""The difference between two sides of runs, with an interval that is honest for steps that drift.

Steps that follow each other resemble each other, a few are very long, and a machine drifts: it grows
warm, a neighbour comes and goes. Three things keep the interval honest.

*Few, large batches.* Each run is cut into 16 batches of equally many steps, whose errors are nearly
independent where steps forget each other within a sixteenth of the run (batch means; Schmeiser,
"Batch size effects in the analysis of simulation output", Operations Research 30(3), 1982). The same
is done with 8, and the wider interval counts: where steps resemble each other for longer, larger
batches differ more than smaller ones let expect.

*Drift.* A line is fitted through the batches. A run that drifts steadily by some part from its start to
its end has a mean that is off by half of it, however many steps there are; so the interval also holds
what is left around the line, plus half of the line's rise, and again the wider one counts.

*Paired.* Batches at the same place of both sides are subtracted before they are judged, so that what
both sides do alike, such as slow first steps, does not widen the interval.

*Runs.* With several runs a side their means scatter as well, by what differs between whole runs: the
memory that was given to them, the state of the machine. The pooled variance of the runs' means within
the sides gives a second interval, and the wider one counts (the modified rule of Knapp and Hartung,
by which runs that agree by chance cannot narrow it; Röver, Knapp and Friede, "Hartung-Knapp-Sidik-
Jonkman approach and its modification for random-effects meta-analysis with few studies", BMC Medical
Research Methodology 15:99, 2015). One run a side cannot tell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from rnnprof.analysis import stats
from rnnprof.analysis.batches import Course
from rnnprof.analysis.result import Interval

BATCHES = (8, 16)
"""Numbers of batches; the widest interval of them counts."""
FEWEST = 4
"""Their number in a run that is too short for more."""
STEPS_IN_BATCH = 2
"""The fewest steps of a batch."""
MIN_STEPS = FEWEST * STEPS_IN_BATCH
"""The fewest steps of a run that show how the run wanders."""


WIDEST = 0.9
"""Half an interval, as a part of the mean, from which nothing is said of how small the ratio may be."""


@dataclass(frozen=True)
class Difference:
    """How much longer the second side takes.

    Args:
        before_ns, after_ns: the mean of the runs' means, per step.
        half: half the interval, as a part of the mean. None where it cannot be told.
        runs_half: what the scatter of the runs alone gives for it; None with one run a side.
    """

    before_ns: float
    after_ns: float
    half: float | None
    runs_half: float | None = None

    @property
    def change_ns(self) -> float:
        """After minus before."""
        return self.after_ns - self.before_ns

    @property
    def ratio(self) -> float | None:
        """After over before; None where a side is nothing."""
        return self.after_ns / self.before_ns if self.before_ns > 0 and self.after_ns > 0 else None

    @property
    def smallest(self) -> float | None:
        """About the smallest change that is shown, over before; None where it cannot be told."""
        return None if self.half is None else _widest(self.half)

    @property
    def ratio_interval(self) -> Interval | None:
        """The interval of the ratio: as many times larger as it may be smaller."""
        if self.ratio is None or self.half is None:
            return None
        low = 1 - self.half if self.half < WIDEST else 0.0
        return self.ratio * low, self.ratio * (1 + _widest(self.half))

    @property
    def interval_ns(self) -> Interval | None:
        """The interval of the change; it holds 0 exactly where that of the ratio holds 1."""
        if self.half is None:
            return None
        if self.ratio_interval is not None:
            low, high = self.ratio_interval
            return self.before_ns * (low - 1), self.before_ns * (high - 1)
        spread = max(self.before_ns, self.after_ns) * self.half
        return self.change_ns - spread, self.change_ns + spread

    @property
    def shown(self) -> int:
        """1 where after is shown to take longer, -1 where less long, else 0."""
        interval = self.interval_ns
        return 0 if interval is None else (interval[0] > 0) - (interval[1] < 0)


def _widest(half: float) -> float:
    """By what part a ratio may be larger that may be smaller by ``half``."""
    return 1 / (1 - half) - 1 if half < WIDEST else half / (1 - WIDEST)


def difference(before: Sequence[Course], after: Sequence[Course], judged: float = 1) -> Difference:
    """Compare two sides.

    Args:
        before: the time per step in each run of the one side; at least one run.
        after: the same of the other side.
        judged: number of differences that are judged together: each interval is widened so that all
            of them hold at once in 95 % of the comparisons (Bonferroni's inequality).

    Returns:
        The difference with its interval.
    """
    means = [fmean(run.mean_ns for run in side) for side in (before, after)]
    within = _within(before, after, judged)
    between = _between(before, after, judged)
    known = [half for half in (within, between) if half is not None]
    return Difference(means[0], means[1], max(known, default=None), between)


def _within(before: Sequence[Course], after: Sequence[Course], judged: float) -> float | None:
    """Half an interval by how the difference wanders within the runs."""
    fewest = min(run.steps for run in (*before, *after))
    if fewest < MIN_STEPS:
        return None
    numbers = [number for number in BATCHES if number * STEPS_IN_BATCH <= fewest] or [FEWEST]
    half = 0.0
    for number in numbers:
        sides = [[run.residuals(number) for run in side] for side in (before, after)]
        means = [[fmean(parts) for parts in zip(*side, strict=True)] for side in sides]
        half = max(half, _half([late - early for early, late in zip(*means, strict=True)]))
    # Exact for the most batches; the larger batches and the line are guards, whose few degrees of
    # freedom would ask for far more where many differences are judged together.
    freedom = numbers[-1] - 1
    return half * _quantile(freedom, judged) / _quantile(freedom, 1)


def _half(batches: Sequence[float]) -> float:
    """Half the 95 % interval of the mean of batches in time order; their sum is about 0."""
    number = len(batches)
    places = [(place + 0.5) / number - 0.5 for place in range(number)]
    rise = _product(places, batches) / _product(places, places)
    around = [batch - rise * place for place, batch in zip(places, batches, strict=True)]
    flat = _quantile(number - 1, 1) * math.sqrt(_product(batches, batches) / (number - 1) / number)
    line = _quantile(number - 2, 1) * math.sqrt(_product(around, around) / (number - 2) / number)
    return max(flat, line + abs(rise) / 2)


def _product(ones: Sequence[float], others: Sequence[float]) -> float:
    return math.fsum(one * other for one, other in zip(ones, others, strict=True))


def _between(before: Sequence[Course], after: Sequence[Course], judged: float) -> float | None:
    """Half an interval by how the runs of a side differ from each other."""
    freedom = len(before) + len(after) - 2
    if freedom < 1:
        return None
    square = 0.0
    for side in (before, after):
        mean = fmean(run.mean_ns for run in side)
        square += math.fsum((run.mean_ns / mean - 1) ** 2 for run in side) if mean else 0.0
    error = math.sqrt(square / freedom * (1 / len(before) + 1 / len(after)))
    return _quantile(freedom, judged) * error


def _quantile(freedom: int, judged: float) -> float:
    return stats.student_t(1 - (1 - stats.LEVEL) / 2 / judged, freedom)
