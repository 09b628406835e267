"""The result of `sweeping`: every number that the report of a sweep prints."""

from __future__ import annotations

from dataclasses import dataclass

from rnnprof import units
from rnnprof.analysis.bptt import Knee
from rnnprof.analysis.result import Interval, half


def multiple(ratio: float) -> str:
    """Write by what a time is multiplied: ``×0.82``, ``×3.40``."""
    return f"×{ratio:.2f}" if 0.095 <= ratio < 100 else f"×{units.significant(ratio)}"


@dataclass(frozen=True)
class MetricRow:
    """What a program said of its success in one combination, as the mean of its runs.

    Args:
        name: of the metric.
        final: the last value; NaN where it was none.
        best: the best value; NaN where none was a number.
        values: how many each run said, at least; one after each epoch, as a rule.
    """

    name: str
    final: float
    best: float
    values: int


@dataclass(frozen=True)
class Combination:
    """One combination of levels.

    Args:
        number: from 1, as in the names of its files.
        levels: one for each factor.
        done: runs that ended well.
        failures: the others that have ended, each as ``status: last line``.
        missing: runs that have not ended yet.
        steps: measured steps in the shortest of its runs; 0 without any.
        step_ns: mean step; of several runs the geometric mean of theirs. None without a run.
        step_interval: its 95 % confidence interval, or None.
        tokens_per_second: tokens that a step trains on over its time; None where not known.
        tokens_interval: its 95 % confidence interval, or None.
        steps_per_epoch: training steps in one epoch; None where not known.
        epoch_ns: time of an epoch's training steps, by projection; None where not known.
        epoch_interval: its 95 % confidence interval, or None.
        peak_bytes: most memory, of the worst run: allocated on the device in the probed step, or
            resident in the process over its life; None where not known.
        peak_place: ``resident``, or the device.
        step_peak_bytes: most that the probed step allocated above what it began with, or None.
        parameters: elements of the model's parameters, or None.
        metrics: what the program said, in the order of the report's metrics.
    """

    number: int
    levels: tuple[str, ...]
    done: int
    failures: tuple[str, ...]
    missing: int
    steps: int = 0
    step_ns: float | None = None
    step_interval: Interval | None = None
    tokens_per_second: float | None = None
    tokens_interval: Interval | None = None
    steps_per_epoch: int | None = None
    epoch_ns: float | None = None
    epoch_interval: Interval | None = None
    peak_bytes: int | None = None
    peak_place: str = ""
    step_peak_bytes: int | None = None
    parameters: int | None = None
    metrics: tuple[MetricRow, ...] = ()

    @property
    def status(self) -> str:
        """``done``, ``failed``, ``not run``, or how many of its runs are done."""
        whole = self.done + len(self.failures) + self.missing
        if self.done == whole:
            return "done"
        if self.done:
            return f"{self.done} of {whole}"
        return self.failures[0].partition(": ")[0] if self.failures else "not run"

    @property
    def step_half(self) -> float | None:
        """Half the interval of the step, or None."""
        return half(self.step_interval)

    @property
    def epoch_half(self) -> float | None:
        """Half the interval of the epoch, or None."""
        return half(self.epoch_interval)


@dataclass(frozen=True)
class Level:
    """What one level does, all else being equal.

    Args:
        level: the level.
        ratio: time over that at the factor's first level.
    """

    level: str
    ratio: float


@dataclass(frozen=True)
class Effect:
    """What one factor, or the rest, explains.

    Args:
        name: of the factor; empty for the rest.
        share: part of the sum of squares of the logarithms of the times, 0 to 1.
        percent: as printed.
        levels: what each level does; empty for the rest.
    """

    name: str
    share: float
    percent: str
    levels: tuple[Level, ...] = ()


@dataclass(frozen=True)
class Effects:
    """Which factor explains how much of one quantity.

    Args:
        of: the quantity, such as ``time per step``.
        factors: the largest first.
        rest: interactions of the factors, and noise.
        noise: part of all that the differences between repeated runs explain, or None.
        cells: combinations that it rests on.
        missing: combinations that have no time.
        sentence: the most important of it.
    """

    of: str
    factors: tuple[Effect, ...]
    rest: Effect
    noise: float | None
    cells: int
    missing: int
    sentence: str


@dataclass(frozen=True)
class Power:
    """How time grows with one numeric factor: as that power of it.

    Args:
        name: of the factor.
        exponent: the power.
        error: its standard error.
        interval: its 95 % confidence interval.
        middle: the value at which `Law.middle_ns` stands.
    """

    name: str
    exponent: float
    error: float
    interval: Interval
    middle: float


@dataclass(frozen=True)
class Times:
    """By what time is multiplied at a level of a factor that is no number.

    Args:
        name: of the factor.
        level: the level.
        base: the level that it is compared with.
        ratio: time over that of the base.
        interval: its 95 % confidence interval.
    """

    name: str
    level: str
    base: str
    ratio: float
    interval: Interval


@dataclass(frozen=True)
class Law:
    """A law of the form ``time = a * emsize^p * bptt^q``, fitted on logarithms.

    Args:
        of: the quantity, such as ``time per step``.
        constant_ns: ``a``: the time with every number at 1 and all else at its base.
        middle_ns: the time at the middle of the numbers.
        powers: one for each numeric factor.
        times: one for each further level of the others.
        explained: part of the sum of squares that it explains, 0 to 1.
        typical: how far, relatively, it is off for a combination that it has not seen: the root mean
            square of the logarithms' errors, each left out in turn, as a ratio less 1.
        worst: the same for the combination that it misses most.
        cells: combinations that it rests on.
        formula: as printed.
    """

    of: str
    constant_ns: float
    middle_ns: float
    powers: tuple[Power, ...]
    times: tuple[Times, ...]
    explained: float
    typical: float
    worst: float
    cells: int
    formula: str


@dataclass(frozen=True)
class SweepReport:
    """All that a report of a sweep says.

    Args:
        created: when it was planned.
        command: the program with its fixed arguments, secrets left out.
        factors: names of what varies.
        metrics: names of what the logs were searched for and held.
        rounds: runs of each combination that were planned.
        steps: training steps that were asked for, or None.
        warmup: first steps left out.
        seed: of the order.
        runs: runs planned, done, failed, and not yet run.
        combinations: in the order of the grid.
        effects: for each quantity.
        laws: for each quantity that has one.
        knee: time per token against the number of time steps; None where the grid does not vary it.
        notes: sentences on what is missing, and why.
        environment: of the first run: versions and machine.
    """

    created: str
    command: str
    factors: tuple[str, ...]
    metrics: tuple[str, ...]
    rounds: int
    steps: int | None
    warmup: int
    seed: int
    runs: tuple[int, int, int, int]
    combinations: tuple[Combination, ...]
    effects: tuple[Effects, ...]
    laws: tuple[Law, ...]
    knee: Knee | None
    notes: tuple[str, ...]
    environment: dict[str, object]
