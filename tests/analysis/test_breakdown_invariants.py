"""What holds for the breakdown of every run, however odd."""

from __future__ import annotations

import math
from itertools import groupby

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnnprof.analysis.breakdown import breakdown
from rnnprof.analysis.result import Breakdown, StageRow
from rnnprof.model import Run
from tests.run_builder import runs

BY = st.sampled_from(("step", "run"))
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def tenths(percent: str) -> int:
    """Tenths of a percent that a printed percentage stands for; those below 0.1 % stand for none."""
    words = percent.removesuffix(" %")
    special = {"<0.1": 0, ">99.9": 1000, "0": 0, "100": 1000}
    return special[words] if words in special else round(float(words) * 10)


def below(result: Breakdown, row: StageRow) -> list[StageRow]:
    return [
        other
        for other in result.stages
        if (other.lane, other.in_step, other.remainder) == (row.lane, row.in_step, False)
        and other.depth == row.depth + 1
        and other.path[:-1] == row.path
    ]


@SLOW
@given(runs(), BY)
def test_shares_add_up_as_numbers_and_as_printed(run: Run, by: str) -> None:
    result = breakdown(run, by)
    covered = [row for row in result.stages if row.share is not None]
    if covered:
        assert sum(row.share or 0 for row in covered) == pytest.approx(1, abs=1e-9)
        assert sum(tenths(row.percent) for row in covered) == 1000
    for row in result.stages:
        assert (
            (row.share is None)
            == (row.percent == "–")
            == (row.total_share is None)
            == (row.total_percent == "–")
        )
    main = [lane for lane in result.lanes if lane.share is not None]
    if main:
        assert sum(lane.share or 0 for lane in main) == pytest.approx(1, abs=1e-9)
        assert sum(tenths(lane.percent) for lane in main) == 1000
        assert result.run_ns == sum(lane.total_ns for lane in main)
    if result.by == "run":
        for lane in main:
            rows = [row for row in covered if row.lane == lane.name]
            assert sum(tenths(row.percent) for row in rows) == tenths(lane.percent)
            assert sum(row.share or 0 for row in rows) == pytest.approx(lane.share, abs=1e-9)


@SLOW
@given(runs(), BY)
def test_parents_are_the_sums_of_their_parts(run: Run, by: str) -> None:
    result = breakdown(run, by)
    for row in result.stages:
        children = below(result, row) if not row.remainder else []
        assert 0 <= row.self_ns <= row.total_ns
        assert row.total_ns == row.self_ns + sum(child.total_ns for child in children)
        if row.share is not None and row.total_share is not None:
            assert row.share <= row.total_share <= 1
            printed = tenths(row.percent) + sum(tenths(child.total_percent) for child in children)
            assert tenths(row.total_percent) == printed


@SLOW
@given(runs(), BY)
def test_nothing_and_everything_are_printed_only_when_exact(run: Run, by: str) -> None:
    result = breakdown(run, by)
    printed = [(row.percent, row.share) for row in result.stages] + [
        (lane.percent, lane.share) for lane in result.lanes
    ]
    totals = [(row.total_percent, row.total_share) for row in result.stages]
    for percent, share in printed + totals:
        if share is not None:
            assert (percent == "0 %") == (share == 0)
            assert (percent == "100 %") == (share == 1)
    for percent, share in printed:
        assert share is None or abs(tenths(percent) - 1000 * share) < 1 + 1e-6


@SLOW
@given(runs(), BY)
def test_statistics_are_finite_and_in_order(run: Run, by: str) -> None:
    result = breakdown(run, by)
    for row in result.stages:
        if (
            row.median_ns is not None
            and row.p95_ns is not None
            and row.min_ns is not None
            and row.max_ns is not None
        ):
            assert row.min_ns <= row.median_ns <= row.p95_ns <= row.max_ns
            assert row.min_ns <= row.mean_ns <= row.max_ns
        for interval in (row.interval_ns, row.share_interval):
            assert interval is None or (0 <= interval[0] <= interval[1] and math.isfinite(interval[1]))
        assert math.isfinite(row.per_step_ns)
        assert not row.in_step or row.lane in result.steps
    for step in result.steps.values():
        assert step.count == step.kinds[step.kind] > 0
        assert step.median_ns is not None
        assert step.min_ns <= step.median_ns <= step.max_ns
    assert result.perturbation.sentence.startswith("Cost of measuring: ")


@SLOW
@given(runs(), BY)
def test_rows_come_lane_by_lane_with_the_remainder_last(run: Run, by: str) -> None:
    result = breakdown(run, by)
    groups = [(key, list(rows)) for key, rows in groupby(result.stages, lambda row: (row.lane, row.in_step))]
    assert len({key for key, _ in groups}) == len(groups)
    order = [lane.name for lane in run.lanes]
    assert [key for key, _ in groups] == sorted(
        (key for key, _ in groups), key=lambda key: (order.index(key[0]), not key[1])
    )
    for (_, in_step), rows in groups:
        assert not any(row.remainder for row in rows[:-1])
        assert rows[-1].remainder or not in_step
        assert not rows[-1].remainder or rows[-1].path == ("other",)
