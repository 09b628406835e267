"""The plot of a sweep as data: places in a unit square, error bars and axes; nothing is left to compute."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rnnprof import units
from rnnprof.analysis.law import number
from rnnprof.analysis.swept import Combination, SweepReport
from rnnprof.errors import UsageError

STEPS = (1, 2, 5)
MOST_LINES = 8
"""Lines in one panel; more could not be told apart."""


@dataclass(frozen=True)
class Tick:
    """One mark on an axis: its place from 0 to 1, and its words."""

    place: float
    label: str


@dataclass(frozen=True)
class Point:
    """One mean: its place in the panel, 0 to 1 from the left and from below.

    Args:
        x: where its level is.
        y: where its time is.
        low: where its 95 % interval begins; None without one.
        high: where it ends.
        words: all of it in words.
    """

    x: float
    y: float
    low: float | None
    high: float | None
    words: str


@dataclass(frozen=True)
class Line:
    """The points of one level of the second factor; its label is empty where there is none."""

    label: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Panel:
    """Time against one factor.

    Args:
        factor: its name.
        ticks: its levels.
        second: the factor that has a line for each level; empty for none.
        lines: these.
    """

    factor: str
    ticks: tuple[Tick, ...]
    second: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Plot:
    """A panel for each factor, with one axis of times for all.

    Args:
        title: what is plotted.
        about: what a point is.
        ticks: of the axis of times, which is logarithmic.
        panels: in the order of the factors.
    """

    title: str
    about: str
    ticks: tuple[Tick, ...]
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class _Mean:
    """A geometric mean with its interval, in nanoseconds."""

    ns: float
    low: float | None
    high: float | None


def plot(report: SweepReport, second: str | None = None) -> Plot:
    """Lay out time per step against each factor, with a line for each level of a second one.

    A point is the geometric mean over the combinations of the other factors. With gaps in the grid, only
    combinations that are there at all points of the panel are in it, so that points can be compared.

    Args:
        report: the sweep.
        second: the factor of the lines; by default one that is no number, or else the first other one.

    Returns:
        The plot.

    Raises:
        UsageError: no combination has a time, or there is no such factor.
    """
    names = report.factors
    if second is not None and second not in names:
        raise UsageError(f"--lines {second}: there is no such factor: give one of {', '.join(names)}")
    rows = [row for row in report.combinations if row.step_ns is not None]
    if not rows:
        raise UsageError("no combination has a time yet: there is nothing to plot")
    means = [_panel_means(rows, i, _second(rows, names, i, second)) for i in range(len(names))]
    ends = [
        end
        for _, lines in means
        for line in lines.values()
        for one in line.values()
        for end in (one.ns, one.low, one.high)
        if end is not None and end > 0
    ]
    low, high, ticks = _axis(min(ends), max(ends))
    panels = tuple(_panel(rows, names, i, *means[i], (low, high)) for i in range(len(names)))
    about = "geometric means over the other factors, with 95 % intervals; axes of numbers are logarithmic"
    return Plot("Time per step", about, ticks, panels)


def _levels(rows: Sequence[Combination], factor: int) -> list[str]:
    return list(dict.fromkeys(row.levels[factor] for row in rows))


def _second(rows: Sequence[Combination], names: Sequence[str], factor: int, wanted: str | None) -> int | None:
    others = [i for i in range(len(names)) if i != factor and 1 < len(_levels(rows, i)) <= MOST_LINES]
    if wanted is not None and names.index(wanted) in others:
        return names.index(wanted)
    named = [i for i in others if any(number(level) is None for level in _levels(rows, i))]
    return next(iter([*named, *others]), None)


def _panel_means(
    rows: Sequence[Combination], factor: int, second: int | None
) -> tuple[int | None, dict[str, dict[str, _Mean]]]:
    """For each level of the second factor, and each of the first, the mean over the others."""
    groups: dict[tuple[str, str], dict[tuple[str, ...], Combination]] = {}
    for row in rows:
        key = ("" if second is None else row.levels[second], row.levels[factor])
        others = tuple(level for i, level in enumerate(row.levels) if i not in (factor, second))
        groups.setdefault(key, {})[others] = row
    common = set.intersection(*(set(group) for group in groups.values()))
    found: dict[str, dict[str, _Mean]] = {}
    for (line, level), group in groups.items():
        # Without a combination that is everywhere, what there is, is shown.
        kept = [row for others, row in group.items() if others in common] or list(group.values())
        found.setdefault(line, {})[level] = _mean(kept)
    return second, found


def _mean(rows: Sequence[Combination]) -> _Mean:
    logs = [math.log(row.step_ns) for row in rows if row.step_ns]
    middle = math.fsum(logs) / len(logs)
    intervals = [row.step_interval for row in rows]
    if any(one is None or one[0] <= 0 for one in intervals):
        return _Mean(math.exp(middle), None, None)
    # The errors of combinations are independent: the half widths of their logarithms add in squares.
    halves = [math.log(one[1] / one[0]) / 2 for one in intervals if one is not None]
    half = math.sqrt(math.fsum(one * one for one in halves)) / len(halves)
    return _Mean(math.exp(middle), math.exp(middle - half), math.exp(middle + half))


def _axis(low: float, high: float) -> tuple[float, float, tuple[Tick, ...]]:
    """The ends of a logarithmic axis, as logarithms, and its ticks at 1, 2 and 5 times powers of ten."""
    values = [10.0**power * step for power in range(-1, 19) for step in STEPS]
    below = max((value for value in values if value <= low), default=values[0])
    above = min((value for value in values if value >= high), default=values[-1])
    if below == above:
        above = min(value for value in values if value > below)
    shown = [value for value in values if below <= value <= above]
    if len(shown) > 10:
        shown = [value for value in shown if value in (below, above) or f"{value:e}".startswith("1.0")]
    first, last = math.log(below), math.log(above)
    return (
        first,
        last,
        tuple(Tick((math.log(value) - first) / (last - first), units.duration(value)) for value in shown),
    )


def _panel(
    rows: Sequence[Combination],
    names: Sequence[str],
    factor: int,
    second: int | None,
    lines: dict[str, dict[str, _Mean]],
    ends: tuple[float, float],
) -> Panel:
    levels = _levels(rows, factor)
    places = _places(levels)
    low, high = ends

    def height(ns: float | None) -> float | None:
        return None if ns is None or ns <= 0 else (math.log(ns) - low) / (high - low)

    def point(line: str, level: str, one: _Mean) -> Point:
        words = f"{names[factor]}={level}" + (f", {names[second]}={line}" if second is not None else "")
        words += f": {units.duration(one.ns)}"
        if one.low is not None and one.high is not None:
            words += f", {units.duration(one.low)} to {units.duration(one.high)}"
        return Point(places[level], height(one.ns) or 0.0, height(one.low), height(one.high), words)

    return Panel(
        names[factor],
        tuple(Tick(places[level], level) for level in levels),
        "" if second is None else names[second],
        tuple(
            Line(label, tuple(sorted((point(label, level, one) for level, one in line.items()), key=_x)))
            for label, line in lines.items()
        ),
    )


def _x(point: Point) -> float:
    return point.x


def _places(levels: Sequence[str]) -> dict[str, float]:
    """Where the levels stand, from 0 to 1: numbers by their logarithms, others evenly."""
    if len(levels) == 1:
        return {levels[0]: 0.5}
    numbers = [number(level) for level in levels]
    logs = [math.log(one) for one in numbers if one is not None]
    if len(logs) < len(levels) or min(logs) == max(logs):
        return {level: i / (len(levels) - 1) for i, level in enumerate(levels)}
    return {
        level: (log - min(logs)) / (max(logs) - min(logs)) for level, log in zip(levels, logs, strict=True)
    }
