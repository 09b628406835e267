"""The course of a run: means at each point, in whatever way the buckets are joined."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from run_builder import lane_of, run_of, runs, steps_of

from rnnprof.analysis.breakdown import breakdown
from rnnprof.analysis.course import course
from rnnprof.model import Run, Stage

STEP = {(): [100], ("forward",): [60], ("forward", "rnn"): [45], ("loss",): [30]}
LONGER = {(): [200], ("forward",): [160], ("forward", "rnn"): [45], ("loss",): [30]}


def run_with(steps: list[dict[tuple[str, ...], list[int]]], per_bucket: int = 1, **kinds: int) -> Run:
    """A run of these host steps, and of as many others of each kind as is said."""
    others = {kind: steps_of([{(): [10]}] * number) for kind, number in kinds.items()}
    return run_of([lane_of("train", {**others, "host": steps_of(steps, per_bucket=per_bucket)})])


def test_a_point_for_each_bucket() -> None:
    found = course(run_with([STEP, STEP, LONGER], per_bucket=2))
    assert found is not None
    assert (found.lane, found.kind) == ("train", "host")
    assert found.counts == (2, 1)
    assert found.steps == (2, 3)
    assert found.step_ns == (100.0, 200.0)
    assert {line.path: line.total_ns for line in found.lines} == {
        ("forward",): (60.0, 160.0),
        ("forward", "rnn"): (45.0, 45.0),
        ("loss",): (30.0, 30.0),
        ("other",): (10.0, 10.0),
    }
    assert {line.path: line.own_ns for line in found.lines}[("forward",)] == (15.0, 115.0)
    assert {line.path: line.shares for line in found.lines} == {
        ("forward",): (0.15, 115 / 200),
        ("forward", "rnn"): (0.45, 45 / 200),
        ("loss",): (0.30, 30 / 200),
        ("other",): (0.10, 10 / 200),
    }
    assert [line.remainder for line in found.lines] == [False, False, False, True]


def test_a_stage_that_comes_late_is_0_before() -> None:
    found = course(run_with([{(): [10]}, {(): [10], ("log",): [4]}]))
    assert found is not None
    assert found.lines[0].path == ("log",)
    assert found.lines[0].total_ns == (0.0, 4.0)


def test_steps_are_counted_in_all_kinds() -> None:
    # 5 of warmup, then 20 of the others of which 10 are shown: every one stands for two.
    found = course(run_with([STEP] * 10, per_bucket=5, warmup=5, control=10))
    assert found is not None
    assert found.steps == (15, 25)


def test_time_goes_by_as_the_steps_do() -> None:
    run = run_with([STEP, STEP, LONGER])
    found = course(run)
    assert found is not None
    assert found.seconds == pytest.approx([run.wall_ns / 4e9, run.wall_ns / 2e9, run.wall_ns / 1e9])


def test_neighbours_are_joined_into_points_of_equal_weight() -> None:
    found = course(run_with([STEP] * 90 + [LONGER] * 10), points=10)
    assert found is not None
    assert found.counts == (10,) * 10
    assert found.step_ns == (100.0,) * 9 + (200.0,)


def test_a_last_bucket_that_is_far_from_full_joins_the_one_before() -> None:
    found = course(run_with([STEP] * 8 + [LONGER], per_bucket=4))
    assert found is not None
    assert found.counts == (4, 5)
    assert found.step_ns == (100.0, 120.0)


@pytest.mark.parametrize(
    "run",
    [
        run_of([]),
        run_of([lane_of("setup", outside=[Stage("corpus")])]),
        # Steps of several threads were joined: their timelines are gone.
        run_of([lane_of("train", {"host": steps_of([])})]),
    ],
)
def test_no_steps_have_no_course(run: Run) -> None:
    assert course(run) is None


@given(runs())
def test_any_run(run: Run) -> None:
    step = breakdown(run).step
    for points in (512, 3):
        found = course(run, points)
        if found is None:
            assert step is None or step.count == 0
            continue
        assert step is not None
        assert 0 < len(found.steps) <= points
        assert sum(found.counts) == step.count
        mean = sum(c * ns for c, ns in zip(found.counts, found.step_ns, strict=True)) / step.count
        assert math.isclose(mean, step.mean_ns)
        assert list(found.steps) == sorted(found.steps)
        assert list(found.seconds) == sorted(found.seconds)
        for at in range(len(found.steps)):
            whole = sum(line.shares[at] for line in found.lines)
            assert math.isclose(whole, 1.0) or whole == 0
            tops = sum(line.total_ns[at] for line in found.lines if len(line.path) == 1)
            assert math.isclose(tops, sum(line.own_ns[at] for line in found.lines))
