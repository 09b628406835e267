"""Runs divided as a whole, worked out by hand: lanes, threads, time outside steps, no steps at all."""

from __future__ import annotations

import pytest

from rnnprof import units
from rnnprof.analysis.breakdown import breakdown
from rnnprof.model import Lane, Series, Stage, Steps
from tests.analysis.test_breakdown import HOST, MS, TEN, row
from tests.run_builder import lane_of, run_of, series, stage_tree, steps_of, word_language_model


def test_by_run_steps_of_every_kind_are_divided_like_the_measured_ones() -> None:
    kinds = {
        "warmup": steps_of(TEN[:2]),
        "control": steps_of([{(): [100 * MS]}] * 3),
        "host": steps_of(TEN[:5]),
    }
    log = Stage("log", series([40 * MS, 60 * MS]))
    result = breakdown(
        run_of(
            [
                lane_of("setup", outside=[Stage("corpus", series([800 * MS]))]),
                lane_of("train", kinds, [log], 100 * MS),
            ]
        ),
        by="run",
    )
    assert result.run_ns == 2000 * MS
    assert [(each.lane, each.in_step, each.name, each.share, each.percent) for each in result.stages] == [
        ("setup", False, "corpus", 0.4, "40.0 %"),
        ("train", True, "forward", 0.05, "5.0 %"),
        ("train", True, "rnn", 0.1, "10.0 %"),
        ("train", True, "backward", 0.3, "30.0 %"),
        ("train", True, "other", 0.05, "5.0 %"),
        ("train", False, "log", 0.05, "5.0 %"),
        ("train", False, "other", 0.05, "5.0 %"),
    ]
    assert [(lane.name, lane.percent, lane.steps, lane.total_ns) for lane in result.lanes] == [
        ("setup", "40.0 %", 0, 800 * MS),
        ("train", "60.0 %", 10, 1200 * MS),
    ]
    log_row = row(result, "log", in_step=False)
    assert (log_row.count, log_row.mean_ns, log_row.per_step_ns, log_row.interval_ns) == (
        2,
        50 * MS,
        50 * MS,
        None,
    )
    assert result.notes[-1] == "In the time of the run, every kind of step is divided like the kind shown."


def test_lanes_read_the_same_whatever_the_rows_are_divided_by() -> None:
    run = word_language_model()
    by_step, by_run = breakdown(run, "step"), breakdown(run, "run")
    assert by_step.lanes == by_run.lanes
    assert by_step.steps == by_run.steps
    assert (by_step.by, by_run.by) == ("step", "run")


def test_a_stage_outside_steps_does_not_own_the_time_of_the_steps_in_it() -> None:
    epoch = Stage("epoch", series([1100 * MS]), stages=(Stage("log", series([30 * MS])),), steps_ns=1000 * MS)
    outer = Stage("training", series([1150 * MS]), stages=(epoch,))
    lane = Lane("train", series=series([1200 * MS]), stages=(outer,), steps=HOST)
    result = breakdown(run_of([lane]), "run")
    found = {each.name: (each.self_ns, each.total_ns) for each in result.stages if not each.in_step}
    assert found == {
        "training": (50 * MS, 150 * MS),
        "epoch": (70 * MS, 100 * MS),
        "log": (30 * MS, 30 * MS),
        "other": (50 * MS, 50 * MS),
    }
    assert sum(each.share or 0 for each in result.stages) == pytest.approx(1)
    assert [note.split(":")[0] for note in result.notes] == [
        "training contains steps",
        "epoch contains steps",
    ]


def test_threads_have_no_share() -> None:
    beside = lane_of("thread loader", HOST, thread=True)
    result = breakdown(run_of([lane_of("setup", unclaimed=5), beside]), "run")
    assert [(lane.name, lane.share, lane.percent) for lane in result.lanes] == [
        ("setup", 1, "100 %"),
        (beside.name, None, "–"),
    ]
    assert {each.percent for each in result.stages if each.lane == beside.name} == {"–"}
    assert "Threads run beside the main thread: they have no share of the run." in result.notes


def test_without_steps_the_run_is_the_basis() -> None:
    result = breakdown(run_of([lane_of("setup", outside=[Stage("corpus", series([3 * MS]))], unclaimed=MS)]))
    assert (result.by, result.step, result.perturbation.reason) == ("run", None, "no steps")
    assert [each.percent for each in result.stages] == ["75.0 %", "25.0 %"]
    assert result.notes == ("No lane has steps: 100 % is the time of the whole run.",)


def test_a_run_without_any_time() -> None:
    for run in (
        run_of([]),
        run_of([Lane("train", steps={"host": Steps()})]),
        run_of([lane_of("setup", unclaimed=0)]),
    ):
        result = breakdown(run)
        assert (result.run_ns, result.step, [each.share for each in result.stages]) == (0, None, [])
        assert {lane.percent for lane in result.lanes} <= {"–"}


def test_steps_that_took_no_time_on_the_device_go_to_other() -> None:
    nothing = [{("forward",): [0], (): [0]}] * 6
    lane = lane_of("train", {"event": steps_of(nothing, wall=[5 * MS] * 6)})
    result = breakdown(run_of([lane]))
    assert (result.by, [each.percent for each in result.stages]) == ("run", ["0 %", "100 %"])
    assert result.notes[0] == "The steps took no time: 100 % is the time of the whole run."


def test_a_stage_without_spans_has_no_quantiles() -> None:
    lane = Lane(
        "setup", series=series([9]), stages=(Stage("outer", Series(), stages=stage_tree([{("log",): [4]}])),)
    )
    outer = row(breakdown(run_of([lane])), "outer", lane="setup", in_step=False)
    assert (outer.count, outer.median_ns, outer.min_ns, outer.self_ns, outer.total_ns) == (
        0,
        None,
        None,
        0,
        4,
    )


def test_tenths_of_a_part_add_up_to_what_the_part_was_given() -> None:
    assert units.tenths([0.25, 0.1234], 374) == [250, 124]
    assert units.tenths([0.25, 0.1234], 373) == [250, 123]
