"""Quantiles, Student's t and intervals: exact values, published tables, coverage by simulation."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnprof import histogram
from rnnprof.analysis import stats
from rnnprof.model import Series
from tests.run_builder import series

SPANS = st.lists(st.integers(0, 300) | st.integers(0, 10**13), min_size=1, max_size=60)


@given(st.integers(0, 10**18))
def test_a_duration_lies_in_its_bin(ns: int) -> None:
    low, high = histogram.bounds(histogram.index(ns))
    assert low <= ns < high
    assert high - low <= max(low / 64, 1)


@given(st.integers(0, 5000))
def test_bins_are_numbered_without_a_gap(place: int) -> None:
    low, high = histogram.bounds(place)
    assert histogram.index(low) == histogram.index(high - 1) == place
    assert histogram.index(high) == place + 1


@given(SPANS, st.floats(0, 1))
def test_a_quantile_is_within_one_percent_of_the_span_of_its_rank(spans: list[int], q: float) -> None:
    exact = sorted(spans)[max(math.ceil(q * len(spans) - 1e-9), 1) - 1]
    found = stats.quantile(series(spans), q)
    assert found is not None
    assert abs(found - exact) <= 0.01 * exact
    assert min(spans) <= found <= max(spans)


@given(SPANS)
def test_the_shortest_and_the_longest_span_are_exact(spans: list[int]) -> None:
    assert stats.quantile(series(spans), 0) == min(spans)
    assert stats.quantile(series(spans), 1) == max(spans)


def test_the_median_of_an_even_number_of_spans_is_the_lower_middle() -> None:
    assert stats.quantile(series([1, 2, 3, 4]), 0.5) == 2
    assert stats.quantile(series([1, 2, 3]), 0.5) == 2
    assert stats.quantile(series(list(range(1, 101))), 0.07) == 7
    assert stats.quantile(series(list(range(1, 101))), 0.95) == 95


def test_no_spans_have_no_quantile() -> None:
    assert stats.quantile(Series(), 0.5) is None


def test_a_histogram_that_lacks_spans_falls_back_on_the_longest() -> None:
    assert (
        stats.quantile(Series(count=10, total_ns=100, min_ns=1, max_ns=90, bins=(5,), counts=(2,)), 0.5) == 90
    )


def test_a_quantile_beyond_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"between 0 and 1, not 1\.5"):
        stats.quantile(series([1]), 1.5)


TABLE = {
    # NIST/SEMATECH e-Handbook of Statistical Methods, section 1.3.6.7.2.
    (0.90, 1): 3.078, (0.95, 1): 6.314, (0.975, 1): 12.706, (0.995, 1): 63.657,
    (0.90, 2): 1.886, (0.95, 2): 2.920, (0.975, 2): 4.303, (0.995, 2): 9.925, (0.999, 2): 22.327,
    (0.90, 3): 1.638, (0.95, 3): 2.353, (0.975, 3): 3.182, (0.995, 3): 5.841, (0.999, 3): 10.215,
    (0.975, 4): 2.776, (0.975, 5): 2.571, (0.975, 7): 2.365, (0.975, 10): 2.228, (0.995, 10): 3.169,
    (0.90, 31): 1.309, (0.975, 31): 2.040, (0.999, 31): 3.375, (0.975, 60): 2.000, (0.975, 100): 1.984,
}  # fmt: skip


@pytest.mark.parametrize(("probability", "freedom"), TABLE)
def test_student_t_agrees_with_the_published_table(probability: float, freedom: int) -> None:
    assert round(stats.student_t(probability, freedom), 3) == TABLE[probability, freedom]


def test_student_t_at_its_ends() -> None:
    assert stats.student_t(0.5, 4) == pytest.approx(0, abs=1e-9)
    assert stats.student_t(0.975, 10**7) == pytest.approx(1.95996, rel=0.002)
    assert stats.student_t(0.975, 4.9) == stats.student_t(0.975, 4)
    for probability, freedom in ((1.0, 3), (0.3, 3), (0.9, 0.5)):
        with pytest.raises(ValueError, match="no quantile"):
            stats.student_t(probability, freedom)


def test_the_ratio_of_sums_is_exact_and_its_error_that_of_the_residuals() -> None:
    estimate = stats.ratio_of_sums([10, 12, 8, 11, 9], [1, 1, 1, 1, 1])
    assert estimate is not None
    assert (estimate.value, estimate.freedom) == (10, 4)
    assert estimate.error == pytest.approx(math.sqrt(2.5 / 5))
    low, high = estimate.interval()
    assert high - 10 == pytest.approx(10 - low) == pytest.approx(2.7764 * math.sqrt(0.5), rel=1e-4)


def test_equal_spans_have_an_interval_without_width() -> None:
    estimate = stats.ratio_of_sums([30] * 9, [3] * 9)
    assert estimate is not None
    assert estimate.interval() == (10, 10)


def test_fewer_than_five_buckets_with_a_weight_give_no_estimate() -> None:
    assert stats.ratio_of_sums([1, 2, 3, 4], [1, 1, 1, 1]) is None
    assert stats.ratio_of_sums([1, 2, 0, 3, 4, 0], [1, 1, 0, 1, 1, 0]) is None
    assert stats.ratio_of_sums([1] * 6, [0] * 6, [1] * 6) is None
    assert stats.ratio_of_sums([], []) is None


def test_few_buckets_that_outweigh_all_others_give_no_estimate() -> None:
    assert stats.ratio_of_sums([1] * 40, [1] * 40) is not None
    assert stats.ratio_of_sums([1] * 40, [1] * 39 + [10**9]) is None


def test_batches_hold_about_equal_weight() -> None:
    joined = stats._join([(float(i), 1.0, 1.0) for i in range(100)], 8)
    assert [weight for _, _, weight in joined] == [12, 13, 12, 13, 12, 13, 12, 13]
    assert sum(top for top, _, _ in joined) == sum(range(100))


def test_drift_leaves_eight_batches() -> None:
    estimate = stats.ratio_of_sums(list(range(1000)), [1] * 1000)
    assert estimate is not None
    assert estimate.freedom == 7


def _autoregressive(dice: random.Random, steps: int) -> list[float]:
    rho, now, found = 0.9, dice.gauss(0, 1 / math.sqrt(1 - 0.81)), []
    for _ in range(steps):
        found.append(100 + 3 * now)
        now = rho * now + dice.gauss(0, 1)
    return found


PROCESSES: dict[str, tuple[Callable[[random.Random, int], list[float]], float]] = {
    "independent": (lambda dice, steps: [dice.gauss(100, 10) for _ in range(steps)], 100),
    "autoregressive": (_autoregressive, 100),
    "heavy-tailed": (lambda dice, steps: [dice.lognormvariate(0, 1) for _ in range(steps)], math.exp(0.5)),
}


def _coverage(name: str, steps: int, replications: int, seed: int) -> tuple[float, float]:
    """How often the interval holds the true mean, and its mean width."""
    draw, truth = PROCESSES[name]
    dice = random.Random(seed)
    hits, width = 0, 0.0
    for _ in range(replications):
        estimate = stats.ratio_of_sums(draw(dice, steps), [1] * steps)
        assert estimate is not None
        low, high = estimate.interval()
        hits += low <= truth <= high
        width += high - low
    return hits / replications, width / replications


@pytest.mark.parametrize("name", PROCESSES)
def test_the_interval_covers_the_true_mean_and_narrows_with_more_steps(name: str) -> None:
    covered, width = _coverage(name, 2000, 300, seed=11)
    assert 0.88 <= covered <= 0.99
    _, wider = _coverage(name, 500, 60, seed=12)
    assert 1.6 < wider / width < 2.6


def test_the_interval_of_a_short_run_covers_the_true_mean() -> None:
    assert _coverage("independent", 5, 300, seed=13)[0] >= 0.88
    assert _coverage("independent", 40, 300, seed=14)[0] >= 0.88


def test_the_share_of_a_stage_is_covered() -> None:
    dice, hits = random.Random(15), 0
    for _ in range(300):
        own = [dice.lognormvariate(0, 0.5) for _ in range(200)]
        steps = [part + dice.lognormvariate(0, 0.5) for part in own]
        estimate = stats.ratio_of_sums(own, steps, [1] * 200)
        assert estimate is not None
        low, high = estimate.interval()
        hits += low <= 0.5 <= high
    assert hits / 300 >= 0.88


def test_the_ratio_of_means() -> None:
    above, below = stats.Estimate(102, 1, 31), stats.Estimate(100, 1, 31)
    interval = stats.ratio_of_means(above, below)
    assert interval is not None
    # Satterthwaite's degrees of freedom are nearly 62: t = 1.9990.
    half = 1.9990 * math.sqrt(1 / 102**2 + 1 / 100**2)
    assert interval == pytest.approx((1.02 * math.exp(-half), 1.02 * math.exp(half)), rel=1e-4)
    assert stats.ratio_of_means(stats.Estimate(6, 0, 4), stats.Estimate(3, 0, 4)) == (2, 2)
    assert stats.ratio_of_means(above, stats.Estimate(0, 1, 31)) is None


def test_the_ratio_of_means_is_covered() -> None:
    dice, hits = random.Random(16), 0
    for _ in range(300):
        means = [stats.ratio_of_sums([dice.gauss(100, 10) for _ in range(n)], [1] * n) for n in (200, 14)]
        assert means[0] is not None
        assert means[1] is not None
        low, high = stats.ratio_of_means(means[0], means[1]) or (0, 0)
        hits += low <= 1 <= high
    assert hits / 300 >= 0.88
