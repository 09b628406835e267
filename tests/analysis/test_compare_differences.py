"""Batches and the interval of a difference: exact where that can be, by simulation where not."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnprof.analysis import stats
from rnnprof.analysis.batches import Course, course, excess_ns, without_excess
from rnnprof.analysis.differences import MIN_STEPS, difference
from tests.noisy_runs import borders, bucketed
from tests.run_builder import series


def of(spans: list[int]) -> Course:
    """The course of steps of these durations."""
    line = bucketed(spans)
    return course(line.counts, line.totals_ns)


def test_batches_of_equally_many_steps_are_means() -> None:
    whole = course([1] * 8, [10, 10, 20, 20, 30, 30, 40, 40])
    assert whole.mean_ns == 25
    assert whole.residuals(4) == pytest.approx([-0.6, -0.2, 0.2, 0.6])


def test_a_bucket_on_a_border_is_divided_evenly() -> None:
    # Steps 0 to 2 take 10 each, 3 to 5 take 40 each: the second third has one of them and one of these.
    assert course([3, 3], [30, 120]).residuals(3) == pytest.approx([-0.6, 0, 0.6])


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 10**9)), min_size=1, max_size=60), st.integers(1, 16)
)
def test_residuals_sum_to_nothing(buckets: list[tuple[int, int]], number: int) -> None:
    counts = [count for count, _ in buckets]
    totals = [total if count else 0 for count, total in buckets]
    found = course(counts, totals).residuals(number)
    assert len(found) == number
    assert abs(math.fsum(found)) < 1e-6


def test_nothing_has_no_residuals() -> None:
    assert course([], []).residuals(4) == [0] * 4
    assert course([4, 4], [0, 0]).residuals(4) == [0] * 4


def test_buckets_end_as_the_recorder_ends_them() -> None:
    ends = borders(300)
    assert ends[:4] == [1, 2, 3, 4]
    assert ends[126:131] == [127, 128, 130, 132, 134]
    assert ends[-1] == 300


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=200), st.integers(0, 10**6))
def test_the_excess_is_what_spans_exceed_a_limit_by(spans: list[int], limit: int) -> None:
    exact = sum(max(span - limit, 0) for span in spans)
    above = sum(span for span in spans if span > limit)
    assert abs(excess_ns(series(spans), limit) - exact) <= 0.01 * above + len(spans)


def test_long_steps_are_taken_out_of_mean_and_spread() -> None:
    spans = [100_000 + 100 * (i % 7) for i in range(400)]
    stalled = list(spans)
    for place in (37, 211, 390):
        stalled[place] = 1_000_000
    limit = 200_000.0
    whole, excess = of(stalled), excess_ns(series(stalled), limit)
    cut = without_excess(whole, excess)
    assert excess == pytest.approx(3 * 800_000, rel=0.02)
    assert cut.mean_ns == pytest.approx(of([min(span, 200_000) for span in stalled]).mean_ns, rel=0.001)
    assert max(map(abs, cut.residuals(8))) < 0.15 * max(map(abs, whole.residuals(8)))
    assert without_excess(whole, 0.0) is whole


def test_the_interval_is_students_around_a_line_and_half_its_rise() -> None:
    # Batches that alternate: larger ones hardly differ, so that the 16 smallest decide.
    spans = [1_001_000 if i // 20 % 2 else 999_000 for i in range(320)]
    found = difference([course([1] * 320, [1_000_000] * 320)], [course([1] * 320, spans)])
    places = [(i + 0.5) / 16 - 0.5 for i in range(16)]
    squares = sum(place * place for place in places)
    rise = 8 * 0.001 / 16 / squares
    left = 16 * 0.001**2 - rise**2 * squares
    expected = stats.student_t(0.975, 14) * math.sqrt(left / 14 / 16) + rise / 2
    assert found.half == pytest.approx(expected)


def test_a_steady_drift_is_within_the_interval() -> None:
    flat = course([1] * 400, [1_000_000] * 400)
    rising = course([1] * 400, [1_000_000 + 500 * i for i in range(400)])
    found = difference([flat], [rising])
    # Up by 20 % in the end, by 10 % on average: nothing says that it was not just the drift.
    assert found.ratio == pytest.approx(1.09975)
    assert found.shown == 0
    assert difference([rising], [rising]).half == pytest.approx(0, abs=1e-12)


def test_what_both_sides_do_alike_does_not_widen_the_interval() -> None:
    slow_start = [3_000_000 if i < 50 else 1_000_000 for i in range(400)]
    later = [round(1.02 * span) for span in slow_start]
    found = difference([of(slow_start)], [of(later)])
    assert found.shown == 1
    assert found.half is not None
    assert found.half < 1e-6


def test_the_interval_in_time_holds_nothing_exactly_where_that_of_the_ratio_holds_one() -> None:
    dice = random.Random(2)
    for slower in (0.9, 0.99, 1.0, 1.01, 1.1):
        sides = [
            [of([round(1e6 * factor * dice.gauss(1, 0.03)) for _ in range(100)])] for factor in (1.0, slower)
        ]
        found = difference(*sides)
        assert found.ratio_interval is not None
        assert found.interval_ns is not None
        assert (found.ratio_interval[0] > 1) == (found.interval_ns[0] > 0)
        assert (found.ratio_interval[1] < 1) == (found.interval_ns[1] < 0)


def test_a_stage_that_is_new_is_slower_where_it_is_there_throughout() -> None:
    nothing, something = course([1] * 100, [0] * 100), course([1] * 100, [5000] * 100)
    found = difference([nothing], [something])
    assert (found.shown, found.ratio, found.change_ns) == (1, None, 5000)
    assert difference([something], [nothing]).shown == -1
    once = course([1] * 100, [0] * 99 + [500_000])
    assert difference([nothing], [once]).shown == 0
    assert difference([nothing], [nothing]).shown == 0


def test_too_few_steps_have_no_interval() -> None:
    short = course([1] * (MIN_STEPS - 1), [1000] * (MIN_STEPS - 1))
    enough = course([1] * MIN_STEPS, [1000] * MIN_STEPS)
    assert difference([short], [enough]).half is None
    assert difference([enough], [enough]).half == 0
    assert difference([short], [enough]).interval_ns is None


def test_many_differences_widen_each_interval() -> None:
    dice = random.Random(3)
    sides = [[of([round(1e6 * dice.gauss(1, 0.03)) for _ in range(200)])] for _ in range(2)]
    alone, together = difference(*sides), difference(*sides, judged=12)
    assert alone.half is not None
    assert together.half is not None
    ratio = stats.student_t(1 - 0.025 / 12, 15) / stats.student_t(0.975, 15)
    assert together.half / alone.half == pytest.approx(ratio)


def test_runs_that_scatter_decide_together() -> None:
    levels = [1_000_000, 1_020_000, 980_000]
    sides = [[course([1] * 100, [level] * 100) for level in levels] for _ in range(2)]
    found = difference(*sides)
    # Relative squares: 2 * (0 + 0.0004 + 0.0004) over 4 degrees of freedom.
    error = math.sqrt(2 * 0.0008 / 4 * (1 / 3 + 1 / 3))
    assert found.half == found.runs_half == pytest.approx(stats.student_t(0.975, 4) * error)
    one = difference(sides[0][:1], sides[1][:1])
    assert (one.half, one.runs_half) == (0, None)
