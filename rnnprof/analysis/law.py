"""The law of a grid's times: a power of each number that varies, fitted on logarithms."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence

from rnnprof import units
from rnnprof.analysis.least_squares import Fit, fit
from rnnprof.analysis.stats import Estimate
from rnnprof.analysis.swept import Law, Power, Times, multiple
from rnnprof.sweepmodel import Factor

Cell = tuple[int, ...]


def number(text: str) -> float | None:
    """A level as a number above 0, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def unknowns(
    factors: Sequence[Factor], cells: Iterable[Cell]
) -> tuple[list[int], list[tuple[int, int, int]]]:
    """What a law has a number for, besides its constant.

    Args:
        factors: the grid.
        cells: the combinations that have a time.

    Returns:
        The factors that vary and whose levels are all numbers above 0; and of the others that vary, each
        level but the first: the factor, the level, and the first level.
    """
    numeric: list[int] = []
    named: list[tuple[int, int, int]] = []
    cells = list(cells)
    for i, factor in enumerate(factors):
        seen = sorted({cell[i] for cell in cells})
        if len(seen) < 2:
            continue
        if all(number(factor.levels[place]) is not None for place in seen):
            numeric.append(i)
        else:
            named += [(i, place, seen[0]) for place in seen[1:]]
    return numeric, named


def law(of: str, factors: Sequence[Factor], times: Mapping[Cell, float]) -> Law | None:
    """Fit ``log time`` by the logarithms of the numeric factors and a constant for each other level.

    Args:
        of: the quantity, in words.
        factors: the grid; one whose levels are all numbers above 0 is numeric.
        times: a time for each combination that has one; all above 0, in nanoseconds.

    Returns:
        The law; None without a number that varies, or with too few combinations to tell how far off it is.
    """
    cells = list(times)
    values = [math.log(times[cell]) for cell in cells]
    numeric, named = unknowns(factors, cells)
    if not numeric:
        return None
    logs = {(i, place): _log(factors[i].levels[place]) for i in numeric for place in {c[i] for c in cells}}
    middles = {i: statistics.median_low([logs[i, place] for place in {c[i] for c in cells}]) for i in numeric}
    rows = [
        [
            1.0,
            *(logs[i, cell[i]] - middles[i] for i in numeric),
            *(float(cell[i] == place) for i, place, _ in named),
        ]
        for cell in cells
    ]
    found = fit(rows, values)
    left_out = found.left_out if found is not None else None
    if found is None or left_out is None or found.freedom < 1:
        return None
    mean = math.fsum(values) / len(values)
    total = math.fsum((value - mean) ** 2 for value in values)
    estimates = [
        Estimate(value, error, found.freedom)
        for value, error in zip(found.coefficients, found.errors, strict=True)
    ]
    powers = tuple(
        Power(factors[i].name, one.value, one.error, one.interval(), math.exp(middles[i]))
        for i, one in zip(numeric, estimates[1:], strict=False)
    )
    multiples = tuple(
        Times(
            factors[i].name,
            factors[i].levels[place],
            factors[i].levels[base],
            math.exp(one.value),
            (math.exp(one.interval()[0]), math.exp(one.interval()[1])),
        )
        for (i, place, base), one in zip(named, estimates[1 + len(numeric) :], strict=True)
    )
    return _result(of, found, left_out, powers, multiples, total, len(cells))


def why_none(factors: Sequence[Factor], cells: Collection[Cell]) -> str:
    """Why there is no law, in one sentence.

    Args:
        factors: the grid.
        cells: the combinations that have a time.
    """
    numeric, named = unknowns(factors, cells)
    if not numeric:
        return "No law is fitted: no factor that varies is a number above 0 at each of its levels."
    return (
        f"No law is fitted: it has {1 + len(numeric) + len(named)} numbers to find, which {len(cells)} "
        "combinations do not settle with one to spare."
    )


def _log(text: str) -> float:
    return math.log(float(text))


def _result(
    of: str,
    found: Fit,
    left_out: Sequence[float],
    powers: tuple[Power, ...],
    multiples: tuple[Times, ...],
    total: float,
    cells: int,
) -> Law:
    middle = math.exp(found.coefficients[0])
    off = math.sqrt(math.fsum(one * one for one in left_out) / len(left_out))
    constant = math.exp(found.coefficients[0] - math.fsum(p.exponent * math.log(p.middle) for p in powers))
    words = [units.duration(middle)]
    words += [f"({one.name}/{one.middle:.4g})^{one.exponent:.2f}" for one in powers]
    formula = f"{of} = {' × '.join(words)}"
    formula += "".join(f"; {one.name}={one.level}: {multiple(one.ratio)}" for one in multiples)
    return Law(
        of=of,
        constant_ns=constant,
        middle_ns=middle,
        powers=powers,
        times=multiples,
        explained=1 - found.square / total if total else 1.0,
        typical=math.expm1(off),
        worst=math.expm1(max(map(abs, left_out))),
        cells=cells,
        formula=formula,
    )
