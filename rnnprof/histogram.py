"""Bins of the histogram that every series keeps: linear up to 128 ns, then 64 for each doubling.

A bin is at most 1/64 as wide as its lower bound, so that its midpoint is within 1 % of every
duration in it, from nanoseconds to hours, in a few hundred bins. The index is found with two
shifts, without a logarithm. (The layout is that of HdrHistogram by Gil Tene, with 64 sub-bins.)
"""

from __future__ import annotations

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
