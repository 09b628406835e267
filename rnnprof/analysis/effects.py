"""Which factor of a grid explains how much of the differences in time."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from rnnprof import units
from rnnprof.analysis.least_squares import fit
from rnnprof.analysis.swept import Effect, Effects, Level
from rnnprof.sweepmodel import Factor

Cell = tuple[int, ...]
"""For each factor the place of its level."""

ALIKE = 1e-12
"""A sum of squares of logarithms below which all times are the same."""


def effects(
    of: str,
    factors: Sequence[Factor],
    times: Mapping[Cell, float],
    missing: int = 0,
    noise: float | None = None,
) -> Effects | None:
    """Divide the sum of squares of the logarithms of the times among the factors.

    Each factor has its main effect: the sum of squares of its levels' means. The rest is interactions
    and noise, so that all add up (Montgomery, "Design and Analysis of Experiments", 8th edition, 2013,
    chapter 5). Where a grid has gaps, the additive model of all factors is fitted to what is there, and
    what is told is the whole grid as that model fills it; the rest is scaled by its degrees of freedom.

    Args:
        of: the quantity, in words.
        factors: the grid.
        times: a time for each combination that has one; all above 0.
        missing: combinations that have none.
        noise: sum of squares that differences between repeated runs are expected to leave, or None.

    Returns:
        The parts, or None where fewer than two factors vary, or the combinations that are there cannot
        tell them apart.
    """
    cells = list(times)
    values = [math.log(times[cell]) for cell in cells]
    varying = [i for i in range(len(factors)) if len({cell[i] for cell in cells}) > 1]
    found = fit(_rows(cells, varying), values) if varying else None
    if found is None or found.freedom < 1:
        return None
    ratios = _ratios(factors, cells, varying, found.coefficients)
    grid = math.prod(len(ratios[i]) for i in varying)
    squares = [grid * statistics.pvariance([math.log(one.ratio) for one in ratios[i]]) for i in varying]
    spare = grid - len(found.coefficients)
    rest = found.square * spare / found.freedom
    total = math.fsum([*squares, rest])
    if total < ALIKE:
        return None
    shares = [one / total if one / total >= ALIKE else 0.0 for one in (*squares, rest)]
    printed = [units.percent(*one) for one in zip(units.tenths(shares), shares, strict=True)]
    parts = sorted(
        (
            Effect(factors[i].name, share, percent, ratios[i])
            for i, share, percent in zip(varying, shares, printed, strict=False)
        ),
        key=lambda one: -one.share,
    )
    return Effects(
        of=of,
        factors=tuple(parts),
        rest=Effect("", shares[-1], printed[-1]),
        noise=None if noise is None else min(noise / total, 1.0),
        cells=len(cells),
        missing=missing,
        sentence=_sentence(of, parts[0]),
    )


def _rows(cells: Sequence[Cell], varying: Sequence[int]) -> list[list[float]]:
    """A column of ones, and one for each level of each factor but its first that is there."""
    levels = {i: sorted({cell[i] for cell in cells})[1:] for i in varying}
    return [[1.0, *(float(cell[i] == level) for i in varying for level in levels[i])] for cell in cells]


def _ratios(
    factors: Sequence[Factor], cells: Sequence[Cell], varying: Sequence[int], coefficients: Sequence[float]
) -> dict[int, tuple[Level, ...]]:
    left = list(coefficients[1:])
    found = {}
    for i in varying:
        first, *others = sorted({cell[i] for cell in cells})
        rows = [Level(factors[i].levels[first], 1.0)]
        rows += [Level(factors[i].levels[level], math.exp(left.pop(0))) for level in others]
        found[i] = tuple(rows)
    return found


def _sentence(of: str, first: Effect) -> str:
    """What explains most, in words."""
    low, high = min(first.levels, key=lambda one: one.ratio), max(first.levels, key=lambda one: one.ratio)
    return (
        f"{first.name} explains {first.percent} of the differences in {of}: {high.level} takes "
        f"{units.significant(high.ratio / low.ratio)} times as long as {low.level}, all else being equal."
    )
