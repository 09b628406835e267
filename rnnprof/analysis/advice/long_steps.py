"""The few steps that take much longer than the others, read off the histogram."""

from __future__ import annotations

from dataclasses import dataclass

from rnnprof import histogram
from rnnprof.model import Series

LONG = 3.0
"""A step of more than so many medians is long."""
MOST = 0.05
"""The part of all steps up to which long ones are few: more of them are steps of another sort, such as
longer batches."""


@dataclass(frozen=True)
class LongSteps:
    """The long steps.

    Args:
        count: how many there are.
        excess_ns: what they take above the median, summed.
        share: the same as a part of all steps' time.
        median_ns: of all steps.
        limit_ns: from where a step is long.
    """

    count: int
    excess_ns: float
    share: float
    median_ns: float
    limit_ns: float


def long_steps(series: Series) -> LongSteps | None:
    """The long steps; None where there are none, or too many to be an exception.

    Args:
        series: the steps.
    """
    median = histogram.quantile(series, 0.5)
    if not median:
        return None
    limit = LONG * median
    count, excess = above(series, limit, median)
    if not 0 < count <= MOST * series.count:
        return None
    return LongSteps(count, excess, min(excess / series.total_ns, 1.0), median, limit)


def above(series: Series, limit_ns: float, usual_ns: float) -> tuple[int, float]:
    """How many spans are above a limit, and by how much they exceed what is usual, to within 1 %.

    Args:
        series: the spans.
        limit_ns: the limit.
        usual_ns: what is usual; not above the limit.

    Returns:
        Their number, and the sum in nanoseconds.
    """
    number, excess = 0, 0.0
    for place, count in zip(series.bins, series.counts, strict=True):
        low, high = histogram.bounds(place)
        middle = min((low + high - 1) / 2, float(series.max_ns))
        if middle > limit_ns:
            number, excess = number + count, excess + count * (middle - usual_ns)
    return number, excess
