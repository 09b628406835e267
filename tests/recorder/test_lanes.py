"""Lanes: the whole run adds up, whatever is open when one begins or ends."""

from __future__ import annotations

import pytest
from helpers import in_steps, lane, outside, profile, steps

from rnnprof.errors import NestingError, UsageError
from rnnprof.testing import FakeClock, FakeDevice


def test_evaluation_takes_its_time_out_of_training(clock: FakeClock) -> None:
    with profile(clock) as prof:
        clock.advance(1)
        for _ in range(2):
            with prof.stage("epoch"):
                for _ in range(3):
                    with prof.step():
                        clock.advance(10)
                    clock.advance(2)
                with prof.lane("evaluate"):
                    clock.advance(100)
                    with prof.step(tokens=5), prof.stage("forward"):
                        clock.advance(1000)
                clock.advance(5)
    run = prof.run
    assert [one.name for one in run.lanes] == ["setup", "train", "evaluate"]
    assert lane(run, "setup").series.total_ns == 1
    assert (lane(run, "evaluate").series.count, lane(run, "evaluate").series.total_ns) == (2, 2200)
    assert lane(run, "train").series.total_ns == 2 * (3 * 12 + 5)
    assert sum(one.series.total_ns for one in run.lanes) == run.wall_ns
    epoch = lane(run, "train").stages[0]
    assert (epoch.series.total_ns, epoch.steps_ns, epoch.self_ns) == (82, 60, 22)
    assert in_steps(run, name="evaluate") == {"forward": (2, 2000)}
    assert lane(run, "evaluate").steps["host"].tokens == 10


def test_a_stage_that_is_open_when_training_begins_goes_on_in_training(clock: FakeClock) -> None:
    with profile(clock) as prof, prof.stage("main"), prof.stage("inner"):
        clock.advance(7)
        for _ in range(2):
            with prof.step(), prof.stage("a"):
                clock.advance(10)
        clock.advance(3)
    assert outside(prof.run, "setup") == {"main": (1, 7), "main/inner": (1, 7)}
    assert outside(prof.run, "train") == {"main": (1, 23), "main/inner": (1, 23)}
    assert lane(prof.run, "train").stages[0].stages[0].steps_ns == 20
    assert sum(one.series.total_ns for one in prof.run.lanes) == prof.run.wall_ns == 30


def test_a_lane_inside_a_step_is_no_time_of_the_step(clock: FakeClock) -> None:
    with profile(clock) as prof:
        for i in range(4):
            with prof.step(), prof.stage("forward"):
                clock.advance(10)
                if i == 2:
                    with prof.lane("evaluate"), prof.step(), prof.stage("forward"):
                        clock.advance(1000)
                clock.advance(1)
    assert in_steps(prof.run) == {"forward": (4, 44)}
    assert steps(prof.run).max_ns == 11
    assert in_steps(prof.run, name="evaluate") == {"forward": (1, 1000)}
    assert lane(prof.run, "train").series.total_ns == 44


def test_lanes_of_ones_own_nest(clock: FakeClock) -> None:
    with profile(clock) as prof:
        with prof.lane("generate"):
            clock.advance(5)
            with prof.lane("evaluate"):
                clock.advance(50)
            clock.advance(5)
        with prof.lane("train"), prof.step():
            clock.advance(3)
    assert {one.name: one.series.total_ns for one in prof.run.lanes} == {
        "setup": 0,
        "generate": 10,
        "evaluate": 50,
        "train": 3,
    }


def test_a_lane_opened_inside_itself(clock: FakeClock) -> None:
    with profile(clock) as prof, prof.lane("evaluate"):
        with pytest.raises(NestingError, match="lane 'evaluate' was entered while it is open already"):
            with prof.lane("evaluate"):
                pass
        clock.advance(1)
    assert lane(prof.run, "evaluate").series.total_ns == 1


def test_a_lane_closed_over_an_open_stage(clock: FakeClock) -> None:
    with profile(clock) as prof:
        with (
            pytest.raises(NestingError, match="lane 'evaluate' was closed while 'a' in it is still open"),
            prof.lane("evaluate"),
        ):
            prof.stage("a").__enter__()
            clock.advance(2)
        clock.advance(1)
    assert lane(prof.run, "evaluate").series.total_ns == 2
    assert lane(prof.run, "setup").series.total_ns == 1


def test_a_lane_closed_over_an_open_step(clock: FakeClock) -> None:
    with profile(clock) as prof, prof.step():
        clock.advance(5)
        with pytest.raises(NestingError, match="lane 'evaluate' was closed while 'step' in it is still open"):
            with prof.lane("evaluate"):
                prof.step().__enter__()
                clock.advance(2)
        clock.advance(5)
    assert steps(prof.run).total_ns == 10
    assert lane(prof.run, "evaluate").series.total_ns == 2


def test_a_lane_that_fails(clock: FakeClock) -> None:
    with profile(clock) as prof:
        with pytest.raises(ValueError, match="no"), prof.lane("evaluate"), prof.step():
            clock.advance(2)
            raise ValueError("no")
        with prof.step():
            clock.advance(1)
    assert lane(prof.run, "evaluate").series.total_ns == 2
    assert steps(prof.run).total_ns == 1


def test_lanes_are_few(clock: FakeClock) -> None:
    with profile(clock) as prof:
        with pytest.raises(UsageError, match="more than 32 lanes: use stages"):
            for i in range(40):
                with prof.lane(f"lane {i}"):
                    pass
        with pytest.raises(UsageError, match="a lane's name is a non-empty string, not 3"):
            prof.lane(3).__enter__()


def test_a_snapshot_counts_what_is_open_up_to_now(clock: FakeClock) -> None:
    with profile(clock) as prof:
        with prof.step():
            clock.advance(10)
        with prof.lane("evaluate"):
            clock.advance(100)
            assert lane(prof.run, "train").series.total_ns == 10
            assert lane(prof.run, "evaluate").series.total_ns == 100
        clock.advance(1)
        run = prof.run
    assert lane(run, "train").series.total_ns == 11
    assert (lane(run, "evaluate").series.count, run.ended) == (1, "running")


def test_the_device_settles_at_the_border_of_two_lanes(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    with profile("event", device=device) as prof:
        with prof.step():
            device.launch(500)
            clock.advance(1)
        with prof.lane("evaluate"):
            clock.advance(10)
    assert lane(prof.run, "train").series.total_ns == 500
    assert lane(prof.run, "evaluate").series.total_ns == 10


def test_a_lane_in_a_step_finds_the_journal_as_it_was(clock: FakeClock) -> None:
    with profile(clock) as prof:
        for number in range(300):
            with prof.step():
                with prof.stage("forward"):
                    clock.advance(5)
                # Late enough that ended steps wait in the journal, which the lane's step flushes.
                if number >= 200 and number % 7 == 0:
                    with prof.lane("evaluate"), prof.step(), prof.stage("forward"):
                        clock.advance(9)
                with prof.stage("update"):
                    clock.advance(3)
    assert in_steps(prof.run) == {"forward": (300, 1500), "update": (300, 900)}
    assert in_steps(prof.run, name="evaluate") == {"forward": (14, 126)}
