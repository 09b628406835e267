"""What the runs of a sweep say of each combination: times with their errors, memory, success."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rnnprof.analysis.result import Interval
from rnnprof.analysis.rows import divide, kinds_to_trust
from rnnprof.analysis.stats import Estimate, ratio_of_sums
from rnnprof.analysis.sweep_metrics import Metric
from rnnprof.analysis.swept import MetricRow
from rnnprof.model import Run
from rnnprof.stages import MEASURED
from rnnprof.sweepmodel import DONE, Ended, Trial

RESIDENT = "resident"
HOST = ("cpu", RESIDENT)


@dataclass(frozen=True)
class Outcome:
    """What is there of one planned run.

    Args:
        trial: which.
        ended: how it ended; None if it has not.
        run: what was recorded; None where it did not end well.
        metrics: what its logs say, by the metric's name.
    """

    trial: Trial
    ended: Ended | None
    run: Run | None = None
    metrics: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Whether it ended well and its run can be read."""
        return self.ended is not None and self.ended.status == DONE and self.run is not None


@dataclass(frozen=True)
class Timed:
    """The steps of one run.

    Args:
        kind: the kind of step that is shown.
        steps: how many.
        total: training steps of all kinds.
        mean_ns: mean step.
        estimate: the same with its error, in nanoseconds; None with too few steps.
        tokens: tokens in a step; None where the program does not say.
    """

    kind: str
    steps: int
    total: int
    mean_ns: float
    estimate: Estimate | None
    tokens: float | None


def timed(run: Run) -> Timed | None:
    """The measured training steps of a run, of the kind that is most to be trusted.

    Args:
        run: the run.

    Returns:
        None where there are none, or they took no time.
    """
    train = run.lane("train")
    if train is None:
        return None
    divided = divide(train, kinds_to_trust(run))
    shown = divided.shown
    if divided.kind not in MEASURED or shown.series.total_ns <= 0:
        return None
    return Timed(
        divided.kind,
        shown.series.count,
        divided.number,
        shown.series.mean_ns,
        ratio_of_sums(shown.timeline.totals_ns, shown.timeline.counts),
        shown.tokens / shown.series.count if shown.tokens else None,
    )


@dataclass(frozen=True)
class Spread:
    """How runs of a sweep differ from each other beside their combinations.

    Args:
        shared: for each round the logarithm of how much slower all of its runs were.
        one: standard deviation of the logarithm of one run's mean step, as `Estimate.error`.
    """

    shared: Mapping[int, float]
    one: Estimate


def spread(groups: Sequence[Mapping[int, float]]) -> Spread | None:
    """Tell what a round's runs share, and how much runs differ beside that.

    Every combination runs once in a round, so that rounds are blocks: the logarithm of a run's mean step
    is the sum of its combination, its round, and an error (Montgomery, "Design and Analysis of
    Experiments", 8th edition, 2013, section 4.1). Rounds with gaps are fitted by turns.

    Args:
        groups: for each combination the mean step of its run in each round, in nanoseconds.

    Returns:
        Both; None where too little was repeated to tell them apart.
    """
    logs = [{number: math.log(mean) for number, mean in group.items()} for group in groups if group]
    rounds = sorted({number for group in logs for number in group})
    freedom = sum(map(len, logs)) - len(logs) - len(rounds) + 1
    if len(rounds) < 2 or freedom < 1:
        return None
    shared = dict.fromkeys(rounds, 0.0)
    for _ in range(SWEEPS):
        middles = [_average(value - shared[number] for number, value in group.items()) for group in logs]
        new = {
            number: _average(
                group[number] - middle for group, middle in zip(logs, middles, strict=True) if number in group
            )
            for number in rounds
        }
        whole = _average(new.values())
        moved = max(abs(new[number] - whole - shared[number]) for number in rounds)
        shared = {number: value - whole for number, value in new.items()}
        if moved < 1e-12:
            break
    square = 0.0
    for group in logs:
        own = [value - shared[number] for number, value in group.items()]
        square += math.fsum((value - _average(own)) ** 2 for value in own)
    return Spread(shared, Estimate(0.0, math.sqrt(square / freedom), freedom))


SWEEPS = 200
"""Turns of fitting combinations and rounds; two are enough where nothing is missing."""


def _average(values: Iterable[float]) -> float:
    every = list(values)
    return math.fsum(every) / len(every)


def mean_step(runs: Mapping[int, Timed], between: Spread | None) -> tuple[float, Interval | None]:
    """The time of a step in one combination.

    Args:
        runs: its runs by their rounds, at least one.
        between: what `spread` gives for the whole sweep; None if nothing was repeated.

    Returns:
        The geometric mean of the runs' means, without what their rounds had in common, and its 95 %
        interval: from the differences between repeated runs where there are such, otherwise from the
        steps of the one run; None where these are too few.
    """
    if between is not None:
        logs = [math.log(one.mean_ns) - between.shared[number] for number, one in runs.items()]
        one = between.one
        low, high = Estimate(_average(logs), one.error / math.sqrt(len(runs)), one.freedom).interval()
        return math.exp(_average(logs)), (math.exp(low), math.exp(high))
    value = math.exp(_average(math.log(one.mean_ns) for one in runs.values()))
    estimate = next(iter(runs.values())).estimate
    if estimate is None or len(runs) > 1:
        return value, None
    low, high = estimate.interval()
    return value, (max(low, 0.0), high)


def epoch_steps(outcome: Outcome, steps: Timed, metric: str) -> int | None:
    """Training steps in an epoch, of a run that trained whole epochs and said so after each.

    Args:
        outcome: the run.
        steps: its steps.
        metric: what it says once an epoch.

    Returns:
        None where the program was ended, said nothing, or its steps do not divide evenly.
    """
    epochs = len(outcome.metrics.get(metric, ()))
    whole = outcome.run is not None and outcome.run.ended == "finished" and epochs > 0
    return steps.total // epochs if whole and steps.total % epochs == 0 else None


def peak(outcome: Outcome) -> tuple[int, str] | None:
    """The most memory that a run took, and of which kind.

    Args:
        outcome: the run.

    Returns:
        What its device had allocated at most in the probed step; without a device, what was
        resident in its process over its whole life. None where neither is known.
    """
    probe = outcome.run.probe if outcome.run is not None else None
    if probe is not None:
        begun = {place.name: place.begin_bytes for place in probe.places}
        on_device = [
            (begin + one.peak_bytes, one.place)
            for one in probe.memory
            if not one.path and one.place not in HOST and one.peak_bytes is not None
            if (begin := begun.get(one.place)) is not None
        ]
        if on_device:
            return max(on_device)
    resident = None if outcome.run is None else outcome.run.environment.get("peak_resident_bytes")
    if type(resident) is not int:
        # What the system says of a process that has ended is never less than what its parent had.
        resident = outcome.ended.peak_bytes if outcome.ended is not None else None
    return None if resident is None else (resident, RESIDENT)


def step_peak(run: Run) -> int | None:
    """The most that the probed step allocated above what it began with, in bytes, or None."""
    if run.probe is None:
        return None
    whole = [one for one in run.probe.memory if not one.path and one.peak_bytes is not None]
    found = [one for one in whole if one.place not in HOST] or whole
    return max((one.peak_bytes or 0 for one in found), default=None)


def parameters(run: Run) -> int | None:
    """The elements of the model's parameters, or None where they were not counted."""
    found = run.environment.get("parameters")
    return found if type(found) is int and found >= 0 else None


def success(outcomes: Sequence[Outcome], metric: Metric) -> MetricRow | None:
    """What the runs of a combination say of one metric, or None where one of them says nothing.

    Args:
        outcomes: its runs that are done.
        metric: the metric.

    Returns:
        The means of their final and of their best values; NaN where one has none.
    """
    said = [outcome.metrics.get(metric.name, ()) for outcome in outcomes]
    if not said or not all(said):
        return None
    best = [metric.best(values) for values in said]
    return MetricRow(
        metric.name,
        math.fsum(values[-1] for values in said) / len(said),
        math.nan if None in best else math.fsum(one for one in best if one is not None) / len(best),
        min(map(len, said)),
    )
