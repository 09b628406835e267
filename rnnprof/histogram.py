"""Bins of the histogram that every series keeps: linear up to 128 ns, then 64 for each doubling.

A bin is at most 1/64 as wide as its lower bound, so that its midpoint is within 1 % of every
duration in it, from nanoseconds to hours, in a few hundred bins. The index is found with two
shifts, without a logarithm. (The layout is that of HdrHistogram by Gil Tene, with 64 sub-bins.)
"""

from __future__ import annotations

import math

# Importing `typing` would take longer than all else here.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from rnnprof.model import Series

SUB_BITS = 6
EXACT = 2 << SUB_BITS


def index(ns: int) -> int:
    """Find the bin of a duration.

    Args:
        ns: the duration in nanoseconds, not negative.

    Returns:
        The bin's index; it grows with the duration.
    """
    if ns < EXACT:
        return ns
    shift = ns.bit_length() - SUB_BITS - 1
    return (shift << SUB_BITS) + (ns >> shift)


def bounds(bin_index: int) -> tuple[int, int]:
    """Find the durations that a bin holds.

    Args:
        bin_index: the bin's index, not negative.

    Returns:
        The lowest duration in the bin, and the first one above it, in nanoseconds.
    """
    if bin_index < EXACT:
        return bin_index, bin_index + 1
    shift = (bin_index >> SUB_BITS) - 1
    low = bin_index - (shift << SUB_BITS)
    return low << shift, (low + 1) << shift


def quantile(series: Series, q: float) -> float | None:
    """Read a quantile off a series' histogram.

    The quantile is the span of rank ``ceil(q * count)`` (at least 1) in ascending order: the
    shortest span that at least the fraction ``q`` of all spans does not exceed (the inverse of the
    empirical distribution; type 1 in Hyndman and Fan, "Sample quantiles in statistical packages",
    The American Statistician 50(4), 1996). It is read as the middle of its bin, so that it is within
    1 % of that span; the shortest and the longest span are exact.

    Args:
        series: the spans.
        q: the fraction, from 0 (the shortest) to 1 (the longest).

    Returns:
        The quantile in nanoseconds, or None without spans.

    Raises:
        ValueError: ``q`` is not between 0 and 1.
    """
    if not 0 <= q <= 1:
        raise ValueError(f"a quantile is between 0 and 1, not {q}")
    if series.count == 0:
        return None
    # The small number keeps 0.07 * 100 = 7.000000000000001 from becoming rank 8.
    rank = max(math.ceil(q * series.count - 1e-9), 1)
    if rank == 1:
        return float(series.min_ns)
    if rank >= series.count:
        return float(series.max_ns)
    seen = 0
    for bin_index, count in zip(series.bins, series.counts, strict=True):
        seen += count
        if seen >= rank:
            low, high = bounds(bin_index)
            return min(max((low + high - 1) / 2, float(series.min_ns)), float(series.max_ns))
    return float(series.max_ns)
