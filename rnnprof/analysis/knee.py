"""Where a sweep over the length of the sequence has its knee: the part of a step that does not grow."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from rnnprof import units
from rnnprof.analysis.bptt import KNEE, TIMES, Knee, KneeLevel
from rnnprof.analysis.law import number
from rnnprof.analysis.least_squares import fit
from rnnprof.analysis.result import Interval
from rnnprof.analysis.stats import Estimate
from rnnprof.analysis.swept import Combination
from rnnprof.sweepmodel import Plan

NAMES = (
    *("bptt", "seqlen", "seqlength", "sequencelength", "sequencelen", "blocksize", "timesteps"),
    *("tbptt", "context", "contextlength", "contextlen", "unroll", "numsteps", "nsteps", "maxlen"),
)
"""What programs call the number of time steps; letters and digits alone."""
BATCH = "batch"
"""In a name: tokens grow with the batch as well, but it is no time."""
ALIKE = 0.02
"""How far tokens per step may be from being in proportion: a last short batch is counted among them."""
LEAST_LEVELS = 3
"""With fewer, any two times lie on a line, and nothing says how far off it is."""

Cell = tuple[int, ...]
Group = tuple[Combination, ...]
"""Combinations that differ in the number of time steps alone, the shortest first."""


def knee(plan: Plan, rows: Sequence[Combination]) -> Knee | None:
    """Fit ``time per step = fixed + time steps x scaled``, with the same proportion in all combinations.

    Each combination of the other factors has its times divided by their geometric mean; errors are taken
    to be relative. The interval of the knee is Fieller's, of a ratio of two estimates (Fieller, "Some
    problems in interval estimation", Journal of the Royal Statistical Society B 16(2), 1954).

    Args:
        plan: what was to be run.
        rows: its combinations.

    Returns:
        None where no number that varies counts the time steps, or none is whole but for it.
    """
    found = {plan.combinations[row.number - 1]: row for row in rows if row.step_ns}
    for place in sorted(range(len(plan.factors)), key=lambda i: not _called_so(plan.factors[i].name)):
        levels = {i: number(text) for i, text in enumerate(plan.factors[place].levels)}
        steps = {i: value for i, value in levels.items() if value is not None}
        if len(steps) < len(levels) or len(steps) < 2:
            continue
        groups = _groups(found, place, sorted(steps, key=steps.__getitem__))
        if groups and _counts(plan.factors[place].name, groups, sorted(steps.values())):
            return _fitted(plan.factors[place].name, place, groups, sorted(steps.values()))
    return None


def _called_so(name: str) -> bool:
    return "".join(letter for letter in name.lower() if letter.isalnum()) in NAMES


def _groups(found: Mapping[Cell, Combination], place: int, order: Sequence[int]) -> list[Group]:
    """The combinations of the other factors that have a time at every level."""
    others = dict.fromkeys((*cell[:place], *cell[place + 1 :]) for cell in found)
    cells = [[(*other[:place], level, *other[place:]) for level in order] for other in others]
    return [tuple(found[cell] for cell in some) for some in cells if all(cell in found for cell in some)]


def _counts(name: str, groups: Sequence[Group], steps: Sequence[float]) -> bool:
    """Whether the tokens of a step are in proportion to a factor; without them its name must say so."""
    if BATCH in name.lower():
        return False
    for group in groups:
        rates = [
            row.tokens_per_second * row.step_ns / number_of
            for row, number_of in zip(group, steps, strict=True)
            if row.tokens_per_second and row.step_ns
        ]
        if len(rates) < len(group):
            return _called_so(name)
        if max(rates) > min(rates) * (1 + ALIKE):
            return False
    return True


def _fitted(name: str, place: int, groups: Sequence[Group], steps: Sequence[float]) -> Knee | None:
    times = [[row.step_ns or 0.0 for row in group] for group in groups]
    middles = [statistics.geometric_mean(some) for some in times]
    # Numbers around 1 neither overflow nor underflow.
    points = [
        (number_of / steps[-1], ns / middle)
        for some, middle in zip(times, middles, strict=True)
        for number_of, ns in zip(steps, some, strict=True)
    ]
    line = _line(points, len(groups))
    if line is None:
        return None
    fixed, scaled, limits = line
    best = TIMES * fixed / scaled * steps[-1]
    enough = len(steps) >= LEAST_LEVELS
    times_steps = TIMES * steps[-1]
    interval = (limits[0] * times_steps, limits[1] * times_steps) if enough and limits is not None else None
    per_token = [
        statistics.geometric_mean([some[i] / some[-1] * steps[-1] / steps[i] for some in times])
        for i in range(len(steps))
    ]
    parts = [fixed / (fixed + scaled * number_of / steps[-1]) for number_of in steps]
    levels = tuple(
        KneeLevel(row.levels[place], ratio, part, units.fraction(part))
        for row, ratio, part in zip(groups[0], per_token, parts, strict=True)
    )
    fixed_ns = fixed * statistics.geometric_mean(middles)
    cells = len(groups) * len(steps)
    words = _sentence(name, levels, fixed_ns, best, interval, steps[-1], enough)
    return Knee(name, levels, fixed_ns, best, interval, cells, words)


def _line(points: Sequence[tuple[float, float]], groups: int) -> tuple[float, float, Interval | None] | None:
    """Fit ``value = fixed + steps x scaled`` with relative errors.

    Returns:
        Both parts, and the interval of their ratio, where it has two ends; a fixed part below 0 is 0. None
        where time does not grow.
    """
    found = fit([[1 / value, steps / value] for steps, value in points], [1.0] * len(points))
    middle = statistics.fmean(steps for steps, _ in points)
    moved = fit([[1 / value, (steps - middle) / value] for steps, value in points], [1.0] * len(points))
    if found is None or moved is None or found.coefficients[1] <= 0:
        return None
    fixed, scaled = found.coefficients
    # The scale of each group has been taken from its times as well.
    freedom = found.freedom - (groups - 1)
    limits = None
    if freedom >= 1:
        more = found.freedom / freedom
        v_fixed, v_scaled, v_moved = (more * error**2 for error in (*found.errors, moved.errors[0]))
        both = (v_moved - v_fixed - middle**2 * v_scaled) / (2 * middle)
        t = Estimate(0.0, 1.0, freedom).interval()[1]
        limits = _fieller(fixed, scaled, t**2 * v_fixed, t**2 * v_scaled, t**2 * both)
    return max(fixed, 0.0), scaled, limits


def _fieller(over: float, under: float, v_over: float, v_under: float, both: float) -> Interval | None:
    """The interval of ``over / under``; their variances and covariance are times the square of t."""
    a, b, c = under**2 - v_under, over * under - both, over**2 - v_over
    if a <= 0:
        return None
    # Below 0 by rounding alone.
    root = math.sqrt(max(b * b - a * c, 0.0))
    low, high = (b - root) / a, (b + root) / a
    return max(low, 0.0), max(high, 0.0)


def _sentence(
    name: str,
    levels: Sequence[KneeLevel],
    fixed_ns: float,
    best: float,
    interval: Interval | None,
    longest: float,
    enough: bool,
) -> str:
    if not fixed_ns:
        return f"All of a step grows with {name}, as far as is shown: more of it saves nothing per token."
    how = (
        "the line between two levels, which cannot tell how far off it is"
        if not enough
        else "too uncertain for an interval"
        if interval is None
        else f"95 % interval {units.significant(interval[0])} to {units.significant(interval[1])}"
    )
    beyond = ", beyond what was run" if best > longest else ""
    return (
        f"{units.duration(fixed_ns)} of a step do not grow with {name}: {levels[0].percent} of it at "
        f"{levels[0].level}, {levels[-1].percent} at {levels[-1].level}. The knee, where they are "
        f"{units.fraction(KNEE)}, is at {units.significant(best)} ({how}){beyond}."
    )
