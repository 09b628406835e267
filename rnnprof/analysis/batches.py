"""One run's steps, or one stage of them, cut into a few large batches in time order.

The ingredients of a comparison (`differences`): what a step took on average, with and without the
part by which long steps exceed a limit, and how that average wandered over the run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from rnnprof import histogram
from rnnprof.model import Series

OUTLYING = 3.0
"""Standard deviations by which a bucket sticks out that holds long steps."""
MAD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


@dataclass(frozen=True)
class Course:
    """A time per step over one run, in the buckets of its timeline.

    Args:
        counts: steps in each bucket.
        totals_ns: time in each bucket; not negative.
        mean_ns: the time per step.
    """

    counts: tuple[int, ...]
    totals_ns: tuple[float, ...]
    mean_ns: float

    @property
    def steps(self) -> int:
        """Number of steps."""
        return sum(self.counts)

    def residuals(self, number: int) -> list[float]:
        """How far each of some batches of equally many steps lies from the mean, as a part of it.

        Args:
            number: of batches. A bucket on the border of two is divided evenly.

        Returns:
            One number for each batch, in time order; their sum is about 0.
        """
        whole, sum_ns = self.steps, math.fsum(self.totals_ns)
        if not whole or not sum_ns or not self.mean_ns:
            return [0.0] * number
        means, at, before = [], 0, 0.0
        left_count, left_ns = float(self.counts[0]), float(self.totals_ns[0])
        for place in range(number):
            wanted, batch_ns = whole * (place + 1) / number - before, 0.0
            before += wanted
            while wanted > left_count and at + 1 < len(self.counts):
                batch_ns, wanted, at = batch_ns + left_ns, wanted - left_count, at + 1
                left_count, left_ns = float(self.counts[at]), float(self.totals_ns[at])
            if left_count:
                part = min(wanted / left_count, 1.0)
                batch_ns += left_ns * part
                left_count, left_ns = left_count - wanted, left_ns * (1 - part)
            means.append(batch_ns * number / whole)
        # The mean may lack the long steps of which the buckets kept a part: relative to what they hold.
        return [(mean - sum_ns / whole) / self.mean_ns for mean in means]


def course(counts: Sequence[int], totals_ns: Sequence[float]) -> Course:
    """A time per step over one run.

    Args:
        counts: steps in each bucket.
        totals_ns: time in each bucket.
    """
    number = sum(counts)
    return Course(tuple(counts), tuple(totals_ns), math.fsum(totals_ns) / number if number else 0.0)


def excess_ns(series: Series, limit_ns: float) -> float:
    """By how much all spans above a limit exceed it, together.

    It is read off the histogram, so that it is right to within 1 % of those spans.

    Args:
        series: the spans.
        limit_ns: the limit.

    Returns:
        The sum in nanoseconds; 0 where no span is above the limit.
    """
    if series.max_ns <= limit_ns:
        return 0.0
    found = 0.0
    for bin_index, count in zip(series.bins, series.counts, strict=True):
        low, high = histogram.bounds(bin_index)
        middle = min((low + high - 1) / 2, float(series.max_ns))
        found += count * max(middle - limit_ns, 0.0)
    return min(found, max(series.total_ns - limit_ns, 0.0))


def without_excess(whole: Course, excess: float) -> Course:
    """The course without the time by which long steps exceed a limit.

    How much that is, is known exactly; in which buckets it was, only where they stick out. There it
    is taken out as far as a bucket exceeds what its neighbours' spread would let it reach; the
    rest stays and makes the spread a little too large, never too small.

    Args:
        whole: with the long steps.
        excess: what the long steps take above the limit, summed.

    Returns:
        The course of what is left; its mean lacks the whole excess.
    """
    if excess <= 0 or not whole.steps:
        return whole
    mean = whole.mean_ns - excess / whole.steps
    above = [total - count * mean for count, total in zip(whole.counts, whole.totals_ns, strict=True)]
    filled = [part / math.sqrt(count) for part, count in zip(above, whole.counts, strict=True) if count]
    middle = median(filled)
    spread = MAD * median(abs(part - middle) for part in filled)
    out = [
        max(part - (middle + OUTLYING * spread) * math.sqrt(count), 0.0)
        for part, count in zip(above, whole.counts, strict=True)
    ]
    scale = min(excess / sum(out), 1.0) if sum(out) else 0.0
    totals = tuple(total - scale * part for total, part in zip(whole.totals_ns, out, strict=True))
    return Course(whole.counts, totals, mean)
