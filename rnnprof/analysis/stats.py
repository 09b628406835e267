"""Statistics of bounded series: quantiles, confidence intervals, Student's t. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from rnnprof import histogram
from rnnprof.analysis.result import Interval

LEVEL = 0.95
MIN_BUCKETS = 5
MAX_BATCHES = 32
MIN_BATCHES = 8
MAX_FREEDOM = 1000
"""Degrees of freedom above which Student's t changes by less than 0.3 %."""

quantile = histogram.quantile
"""A quantile of a series, read off its histogram."""


@dataclass(frozen=True)
class Estimate:
    """A mean or ratio with its uncertainty.

    Args:
        value: the estimate.
        error: its standard error, in the same unit.
        freedom: degrees of freedom of the error.
    """

    value: float
    error: float
    freedom: float

    def interval(self, level: float = LEVEL) -> Interval:
        """The two-sided confidence interval ``value ± t * error``.

        Args:
            level: the confidence, between 0 and 1.

        Returns:
            Its lower and upper end, in the unit of the estimate.
        """
        half = student_t((1 + level) / 2, self.freedom) * self.error
        return self.value - half, self.value + half


def ratio_of_sums(
    numerators: Sequence[float],
    denominators: Sequence[float],
    weights: Sequence[float] | None = None,
) -> Estimate | None:
    """Estimate a ratio of sums, such as a mean or a share, from buckets in time order.

    Steps that follow each other resemble each other, so that the usual standard error is too
    small. Neighbouring buckets are therefore joined into at most 32 batches of about equal weight,
    whose errors are nearly independent (the method of batch means; Schmeiser, "Batch size effects
    in the analysis of simulation output", Operations Research 30(3), 1982). While the lag-1
    autocorrelation of the batches is clearly positive, their number is halved, down to 8 (Fishman,
    "Grouping observations in digital simulation", Management Science 24(5), 1978). What is left of
    it widens the error like that of a first-order autoregressive process, by (1 + r) / (1 - r).
    The variance is that of the linearised ratio estimator (Cochran, "Sampling Techniques", 3rd
    edition, 1977, section 2.11).

    Args:
        numerators: one sum for each bucket, e.g. nanoseconds.
        denominators: the other sum for each bucket, not negative, e.g. spans.
        weights: what the batches shall hold equally much of, e.g. steps; the denominators if absent.

    Returns:
        The ratio in units of numerator over denominator, or None with fewer than 5 buckets that
        have a weight, or where so few hold nearly all of it that fewer than 5 batches are left.
    """
    buckets = zip(numerators, denominators, denominators if weights is None else weights, strict=True)
    filled = [(float(top), float(bottom), float(weight)) for top, bottom, weight in buckets if weight > 0]
    above, below = sum(top for top, _, _ in filled), sum(bottom for _, bottom, _ in filled)
    if len(filled) < MIN_BUCKETS or below <= 0:
        return None
    value = above / below
    batches = filled if len(filled) <= MAX_BATCHES else _join(filled, MAX_BATCHES)
    while True:
        residuals = [top - value * bottom for top, bottom, _ in batches]
        alike = _autocorrelation(residuals)
        if len(batches) <= MIN_BATCHES or alike <= 1 / math.sqrt(len(batches)):
            break
        batches = _join(batches, max(len(batches) // 2, MIN_BATCHES))
    number = len(batches)
    if number < MIN_BUCKETS:
        return None
    variance = number / (number - 1) * sum(residual * residual for residual in residuals) / below**2
    if alike > 0:
        variance *= (1 + alike) / (1 - alike)
    return Estimate(value, math.sqrt(variance), number - 1)


def ratio_of_means(numerator: Estimate, denominator: Estimate, level: float = LEVEL) -> Interval | None:
    """Interval of the ratio of two independent positive means.

    The logarithm of the ratio has, to first order, the variance ``(e1/m1)^2 + (e2/m2)^2`` (the delta
    method; Casella and Berger, "Statistical Inference", 2nd edition, 2002, section 5.5.4), with
    degrees of freedom after Satterthwaite, "An approximate distribution of estimates of variance
    components", Biometrics Bulletin 2(6), 1946.

    Args:
        numerator: the mean above the line.
        denominator: the mean below it, in the same unit.
        level: the confidence, between 0 and 1.

    Returns:
        The lower and upper end of the ratio's interval, or None where a mean is not positive.
    """
    if numerator.value <= 0 or denominator.value <= 0:
        return None
    parts = [((part.error / part.value) ** 2, part.freedom) for part in (numerator, denominator)]
    variance = sum(part for part, _ in parts)
    ratio = numerator.value / denominator.value
    if variance == 0:
        return ratio, ratio
    freedom = 1 / sum((part / variance) ** 2 / degrees for part, degrees in parts)
    half = student_t((1 + level) / 2, freedom) * math.sqrt(variance)
    return ratio * math.exp(-half), ratio * math.exp(half)


@lru_cache(maxsize=256)
def student_t(probability: float, freedom: float) -> float:
    """Quantile of Student's t distribution.

    The distribution is summed exactly for whole degrees of freedom (Abramowitz and Stegun,
    "Handbook of Mathematical Functions", 1964, 26.7.3 and 26.7.4) and inverted by bisection.

    Args:
        probability: the fraction of the distribution below the quantile, from 0.5 to below 1.
        freedom: degrees of freedom, at least 1; a fraction is rounded down, which widens the
            interval, and so are more than 1,000.

    Returns:
        The quantile.

    Raises:
        ValueError: an argument is outside its range.
    """
    if not 0.5 <= probability < 1 or freedom < 1:
        raise ValueError(f"no quantile {probability} of Student's t with {freedom} degrees of freedom")
    whole = min(int(freedom), MAX_FREEDOM)
    inside = 2 * probability - 1
    # Bisect the angle atan(t / sqrt(whole)), in which the distribution is a finite sum.
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        if _central(middle, whole) < inside:
            low = middle
        else:
            high = middle
    return math.sqrt(whole) * math.tan(low)


def _central(angle: float, freedom: int) -> float:
    """Probability of ``|t| < sqrt(freedom) * tan(angle)``: Abramowitz and Stegun 26.7.3, 26.7.4."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = 0.0
    for k in range(1 + odd, freedom, 2):
        total += term
        term *= cosine * cosine * k / (k + 1)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def _join(batches: list[tuple[float, float, float]], number: int) -> list[tuple[float, float, float]]:
    """Join neighbours into at most ``number`` batches of about equal weight."""
    whole = sum(weight for _, _, weight in batches)
    joined: dict[int, tuple[float, float, float]] = {}
    before = 0.0
    for top, bottom, weight in batches:
        place = min(int((before + weight / 2) * number / whole), number - 1)
        before += weight
        so_far = joined.get(place, (0.0, 0.0, 0.0))
        joined[place] = (so_far[0] + top, so_far[1] + bottom, so_far[2] + weight)
    return list(joined.values())


def _autocorrelation(residuals: list[float]) -> float:
    """Correlation of each residual with the next; below 1, and 0 when all are 0."""
    square = sum(residual * residual for residual in residuals)
    if square == 0:
        return 0.0
    return sum(one * next_one for one, next_one in pairwise(residuals)) / square
