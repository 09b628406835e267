"""Boundary marks: one reading ends a stage and begins the next, and nothing need be closed."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import in_steps, lane, outside, profile, steps

import rnnprof
from rnnprof import marks
from rnnprof.errors import NestingError
from rnnprof.marks import Mark
from rnnprof.testing import FakeClock, FakeDevice

FETCH, FORWARD, BACKWARD, END = Mark("get_batch"), Mark("forward"), Mark("backward"), Mark(None)


class Counting(FakeClock):
    """A clock that counts its readings, and fails when told to."""

    readings = 0
    error: BaseException | None = None

    def now(self) -> int:
        self.readings += 1
        if self.error is not None:
            raise self.error
        return super().now()


def on_a_thread(work: Callable[[], None], name: str = "other") -> None:
    thread = threading.Thread(target=work, name=name)
    thread.start()
    thread.join()


# ---- in a step ------------------------------------------------------------------------------------


def test_marks_divide_a_step(clock: FakeClock) -> None:
    with profile(clock) as prof:
        for _ in range(3):
            with prof.step(tokens=10):
                clock.advance(1)
                FETCH()
                clock.advance(20)
                FORWARD()
                clock.advance(300)
                BACKWARD()
                clock.advance(4_000)
                END()
                clock.advance(50_000)
                FORWARD()
                clock.advance(600_000)
    assert in_steps(prof.run) == {"get_batch": (3, 60), "forward": (6, 1_800_900), "backward": (3, 12_000)}
    train = lane(prof.run, "train").steps["host"]
    assert (train.series.count, train.series.total_ns) == (3, 3 * 654_321)
    assert (train.tokens, train.token_ns) == (30, 3 * 654_321)


def test_two_neighbours_share_one_reading() -> None:
    clock = Counting()
    with profile(clock) as prof:
        with prof.step():
            pass
        before = clock.readings
        with prof.step():
            FETCH()
            FORWARD()
            BACKWARD()
        # Three marks, and the two ends of the step; the last stage ends with it.
        assert clock.readings - before == 5
        with prof.step():
            before = clock.readings
            END()
            assert clock.readings == before
            FORWARD()
            FORWARD()
            FORWARD()
            assert clock.readings == before + 1
            END()
            END()
            assert clock.readings == before + 2


def test_a_mark_again_is_the_same_visit(clock: FakeClock) -> None:
    with profile(clock) as prof, prof.step():
        for mark in (FORWARD, FORWARD, Mark("for" + "ward"), BACKWARD, FORWARD):
            mark()
            clock.advance(10)
    assert in_steps(prof.run) == {"forward": (2, 40), "backward": (1, 10)}


def test_stages_open_inside_a_marked_one(clock: FakeClock) -> None:
    with profile(clock) as prof:
        for _ in range(2):
            with prof.step():
                FORWARD()
                clock.advance(1)
                for name in ("encoder", "rnn"):
                    with prof.stage(name):
                        clock.advance(10)
                        # In a stage that was marked otherwise a boundary divides nothing.
                        BACKWARD()
                        END()
                        clock.advance(10)
                clock.advance(2)
                BACKWARD()
                clock.advance(100)
    assert in_steps(prof.run) == {
        "forward": (2, 86),
        "forward/encoder": (2, 40),
        "forward/rnn": (2, 40),
        "backward": (2, 200),
    }


def test_the_same_stage_may_be_marked_in_both_ways(clock: FakeClock) -> None:
    with profile(clock) as prof:
        kept = prof.stage("forward")
        for _ in range(3):
            with prof.step():
                FORWARD()
                with kept, prof.stage("forward"):
                    clock.advance(1)
                clock.advance(10)
                END()
                with kept:
                    BACKWARD()
                    clock.advance(100)
    assert in_steps(prof.run) == {"forward": (6, 333)}


def test_a_step_that_fails_drops_its_marks(clock: FakeClock) -> None:
    with profile(clock) as prof:
        for inner in (False, True):
            with pytest.raises(KeyError), prof.step():
                FETCH()
                clock.advance(1)
                FORWARD()
                clock.advance(1)
                if inner:
                    prof.stage("rnn").__enter__()
                raise KeyError
            with prof.step():
                with prof.stage("forward"):
                    clock.advance(10)
                    END()
                    clock.advance(10)
    assert in_steps(prof.run) == {"forward": (2, 40)}
    assert prof.run.notes[0] == {"code": "aborted_steps", "count": 2}


def test_only_what_must_be_closed_is_named_when_it_is_not(clock: FakeClock) -> None:
    with profile(clock) as prof:
        with pytest.raises(NestingError, match="the step was closed while stage 'rnn' is still open"):
            with prof.step():
                FORWARD()
                prof.stage("rnn").__enter__()
        with prof.step():
            FORWARD()
            clock.advance(1)
    assert in_steps(prof.run) == {"forward": (1, 1)}


def test_a_spoiled_step_drops_its_marks(clock: FakeClock) -> None:
    with profile(clock) as prof:
        for _ in prof.steps(range(3)):
            FORWARD()
            clock.advance(10)
    assert in_steps(prof.run) == {"get_batch": (3, 0), "forward": (3, 30)}


def test_control_steps_are_not_divided() -> None:
    clock = Counting()
    with profile(clock, control_every=8) as prof:
        for _ in range(160):
            with prof.step():
                FORWARD()
                clock.advance(10)
                BACKWARD()
                clock.advance(1)
    kinds = lane(prof.run, "train").steps
    assert (kinds["control"].series.count, kinds["host"].series.count) == (20, 140)
    assert not kinds["control"].stages
    assert in_steps(prof.run) == {"forward": (140, 1_400), "backward": (140, 140)}


def test_names_beyond_the_limit_are_no_stages(clock: FakeClock) -> None:
    with profile(clock) as prof:
        for _ in range(2):
            with prof.step():
                for number in range(marks.MAX_STAGES + 5):
                    Mark(f"part {number}")()
                    clock.advance(1)
    assert len(in_steps(prof.run)) == marks.MAX_STAGES
    assert set(in_steps(prof.run).values()) == {(2, 2)}
    assert steps(prof.run).total_ns == 2 * (marks.MAX_STAGES + 5)
    assert prof.run.notes[0]["count"] == 10


def test_one_step_with_very_many_marks(clock: FakeClock) -> None:
    with profile(clock) as prof, prof.step():
        for _ in range(40_000):
            FORWARD()
            clock.advance(1)
            BACKWARD()
            clock.advance(2)
    assert in_steps(prof.run) == {"forward": (40_000, 40_000), "backward": (40_000, 80_000)}


# ---- outside steps --------------------------------------------------------------------------------


def test_marks_divide_what_is_outside_steps_as_well(clock: FakeClock) -> None:
    corpus, build, log = Mark("corpus"), Mark("build_model"), Mark("log")
    with profile(clock) as prof:
        corpus()
        clock.advance(100)
        build()
        clock.advance(20)
        for _ in range(2):
            with prof.step():
                clock.advance(3_000)
            # Not `build_model` again: that ended where the step began.
            clock.advance(40_000)
            log()
            clock.advance(500_000)
    assert outside(prof.run, "setup") == {"corpus": (1, 100), "build_model": (1, 20)}
    assert outside(prof.run, "train") == {"log": (2, 1_000_000)}
    assert lane(prof.run, "train").stages[0].steps_ns == 0
    assert sum(one.series.total_ns for one in prof.run.lanes) == prof.run.wall_ns


def test_a_stage_inside_a_marked_one_goes_on_when_training_begins(clock: FakeClock) -> None:
    with profile(clock) as prof:
        FETCH()
        clock.advance(1)
        with prof.stage("main"):
            clock.advance(10)
            with prof.step():
                FORWARD()
                clock.advance(100)
            clock.advance(1_000)
        clock.advance(10_000)
    assert outside(prof.run, "setup") == {"get_batch": (1, 11), "get_batch/main": (1, 10)}
    assert outside(prof.run, "train") == {"main": (1, 1_100)}
    assert lane(prof.run, "train").stages[0].steps_ns == 100


def test_a_lane_ends_what_was_marked_in_it_and_resumes_what_was_marked_around_it(clock: FakeClock) -> None:
    with profile(clock) as prof:
        for _ in range(2):
            with prof.step():
                FORWARD()
                clock.advance(1)
                with prof.lane("evaluate"):
                    clock.advance(10)
                    FORWARD()
                    clock.advance(100)
                    with prof.step():
                        BACKWARD()
                        clock.advance(1_000)
                    FETCH()
                    clock.advance(10_000)
                clock.advance(2)
                BACKWARD()
                clock.advance(7)
            FETCH()
            clock.advance(50)
            with prof.lane("evaluate"):
                clock.advance(10)
            clock.advance(50)
    assert in_steps(prof.run) == {"forward": (2, 6), "backward": (2, 14)}
    assert outside(prof.run, "train") == {"get_batch": (2, 200)}
    assert in_steps(prof.run, name="evaluate") == {"backward": (2, 2_000)}
    assert outside(prof.run, "evaluate") == {"forward": (2, 200), "get_batch": (2, 20_000)}
    assert sum(one.series.total_ns for one in prof.run.lanes) == prof.run.wall_ns


def test_the_profiles_end_counts_what_is_marked_and_complains_of_nothing(clock: FakeClock) -> None:
    with profile(clock) as prof:
        with prof.step():
            clock.advance(1)
        FORWARD()
        clock.advance(10)
    assert outside(prof.run, "train") == {"forward": (1, 10)}
    assert not [note for note in prof.run.notes if note["code"] == "open_at_end"]
    second = profile(clock)
    with pytest.raises(NestingError, match="ended while 'step' was still open"), second:
        step = second.step().__enter__()
        FORWARD()
    step.__exit__(None, None, None)
    assert not in_steps(second.run)


def test_saving_is_no_time_of_what_is_marked(tmp_path: Path) -> None:
    class Saving(FakeClock):
        """A clock by which everything takes a nanosecond."""

        def now(self) -> int:
            self.advance(1)
            return super().now()

    with rnnprof.profile(tmp_path / "run.json", clock=Saving(), save_every=1e-9) as prof:
        for _ in range(500):
            FORWARD()
            BACKWARD()
    found = outside(prof.run, "setup")
    assert (found["forward"][0], found["backward"][0]) == (500, 500)
    assert found["rnnprof"][0] > 0
    assert found["forward"][1] + found["backward"][1] < 1_200
    assert sum(stage[1] for stage in found.values()) <= lane(prof.run, "setup").series.total_ns


# ---- devices --------------------------------------------------------------------------------------


def test_neighbours_share_an_event(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    with profile("event", device=device) as prof:
        for _ in range(40):
            with prof.step(tokens=7):
                FETCH()
                device.launch(10)
                FORWARD()
                device.launch(100)
                FORWARD()
                with prof.stage("rnn"):
                    BACKWARD()
                    device.launch(200)
                BACKWARD()
                device.launch(3_000)
                END()
                device.launch(4)
                FORWARD()
                device.launch(50_000)
                device.synchronize()
        queue = prof._recorder.queue
    assert in_steps(prof.run, "event") == {
        "get_batch": (40, 400),
        "forward": (80, 40 * 50_300),
        "forward/rnn": (40, 8_000),
        "backward": (40, 120_000),
    }
    assert steps(prof.run, "event").total_ns == 40 * 53_314
    # Both ends of the step, five boundaries and both ends of a stage; and each came back once.
    assert device.events == 2 + 5 + 2
    assert len(queue.pool._free) == len({id(event) for event in queue.pool._free}) == device.events


def test_events_come_back_once_from_steps_that_fail(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    with profile("event", device=device) as prof:
        for _ in range(20):
            with pytest.raises(KeyError), prof.step():
                FETCH()
                FORWARD()
                raise KeyError
            with pytest.raises(NestingError, match="while stage 'rnn' is still open"), prof.step():
                FORWARD()
                prof.stage("rnn").__enter__()
        with prof.step():
            FORWARD()
            device.launch(5)
        queue = prof._recorder.queue
    assert in_steps(prof.run, "event") == {"forward": (1, 5)}
    assert len(queue.pool._free) == len({id(event) for event in queue.pool._free}) == device.events


def test_a_step_timed_by_events_leaves_nothing_to_a_step_inside_it(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    with profile("event", device=device) as prof:
        for inside in (True, False):
            with prof.step():
                FETCH()
                device.launch(10)
                FORWARD()
                device.launch(100)
                if inside:
                    with prof.lane("evaluate"), prof.step():
                        FORWARD()
                        device.launch(1_000)
        queue = prof._recorder.queue
    assert in_steps(prof.run, "event") == {"get_batch": (1, 10), "forward": (1, 100)}
    assert in_steps(prof.run, "event", "evaluate") == {"forward": (1, 1_000)}
    assert len(queue.pool._free) == len({id(event) for event in queue.pool._free}) == device.events


def test_a_step_has_only_so_many_events(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    with profile("event", device=device) as prof, prof.step():
        for _ in range(10_000):
            FORWARD()
            device.launch(1)
            BACKWARD()
            device.launch(2)
    # The step's own first event and 8191 boundaries: the stage that the last one began has no end.
    assert in_steps(prof.run, "event") == {"forward": (4_095, 4_095), "backward": (4_095, 8_190)}
    assert steps(prof.run, "event").total_ns == 30_000
    assert device.events == 8_193
    assert prof.run.notes[0] == {"code": "dropped_spans", "count": 20_000 - 8_190}


def test_marks_wait_for_the_device_once(clock: FakeClock) -> None:
    class Waiting(FakeDevice):
        """A device that counts how often it is waited for."""

        waits = 0

        def synchronize(self) -> None:
            self.waits += 1
            super().synchronize()

    device = Waiting(clock)
    with profile("sync", device=device) as prof:
        with prof.step():
            pass
        before = device.waits
        with prof.step():
            FORWARD()
            device.launch(10)
            BACKWARD()
            device.launch(20)
        assert device.waits - before == 4
    assert in_steps(prof.run, "sync") == {"forward": (1, 10), "backward": (1, 20)}


def test_an_event_that_fails_leaves_the_step_out_and_the_device_alone(clock: FakeClock) -> None:
    class Failing(FakeDevice):
        """A device that can be made to fail when an event is queued."""

        dead = False

        def record(self, event: Any) -> None:
            if self.dead:
                raise RuntimeError("device lost")
            super().record(event)

    device = Failing(clock)
    with profile("event", device=device) as prof:
        for number in range(3):
            with prof.step():
                FORWARD()
                device.launch(10)
                device.dead = number == 1
                BACKWARD()
                device.dead = False
                device.launch(100)
                device.synchronize()
    assert in_steps(prof.run, "event") == {"forward": (1, 10), "backward": (1, 100)}
    assert {"code": "device_failed", "message": "device lost", "count": 2} in prof.run.notes


# ---- threads and profiles -------------------------------------------------------------------------


def test_a_thread_divides_its_own_steps_and_lanes_alone(clock: FakeClock) -> None:
    def nothing_open() -> None:
        FORWARD()
        clock.advance(1)
        with rnnprof.stage("work"):
            FORWARD()
            clock.advance(1)
        FORWARD()
        clock.advance(1)

    def work() -> None:
        with prof.step():
            FORWARD()
            clock.advance(1_000)
        with prof.lane("evaluate"):
            BACKWARD()
            clock.advance(10_000)

    with profile(clock) as prof, prof.step():
        FETCH()
        on_a_thread(FORWARD, "stranger")
        on_a_thread(nothing_open)
        on_a_thread(work)
    assert in_steps(prof.run) == {"get_batch": (1, 11_003)}
    assert [one.name for one in prof.run.lanes if one.thread] == ["thread other", "thread other: evaluate"]
    assert outside(prof.run, "thread other") == {"work": (1, 1)}
    assert in_steps(prof.run, name="thread other") == {"forward": (1, 1_000)}
    assert outside(prof.run, "thread other: evaluate") == {"backward": (1, 10_000)}


def test_without_a_profile_marks_do_nothing(clock: FakeClock) -> None:
    assert FORWARD() is None
    with profile(clock) as first, first.step():
        FORWARD()
        clock.advance(1)
    assert BACKWARD() is None
    with profile(clock) as second, second.step():
        BACKWARD()
        clock.advance(10)
        first.stop()
        FETCH()
        clock.advance(100)
    assert in_steps(first.run) == {"forward": (1, 1)}
    assert in_steps(second.run) == {"backward": (1, 10), "get_batch": (1, 100)}
    assert marks.fast.recorded_on() is None


def test_a_profile_takes_marks_from_itself_alone(clock: FakeClock) -> None:
    with profile(clock) as prof, prof.step():
        marks.record_off(marks.Track())
        FORWARD()
        clock.advance(1)
    assert in_steps(prof.run) == {"forward": (1, 1)}


def test_a_forked_child_has_no_marks(clock: FakeClock) -> None:
    with profile(clock) as prof, prof.step():
        # What the child of a fork does first.
        prof.disown()
        assert marks.fast.recorded_on() is None
        FORWARD()
        assert prof._track.current.parent is None
    rnnprof.active.deactivate(prof)


@pytest.mark.parametrize("error", [RuntimeError("clock lost"), KeyboardInterrupt()])
def test_a_mark_fails_open(error: BaseException) -> None:
    clock = Counting()
    with profile(clock) as prof, prof.step():
        FORWARD()
        clock.advance(1)
        clock.error = error
        if isinstance(error, Exception):
            BACKWARD()
        else:
            with pytest.raises(KeyboardInterrupt):
                BACKWARD()
        clock.error = None
        clock.advance(10)
        FETCH()
        clock.advance(100)
    # What cannot be told is time without a name.
    assert in_steps(prof.run) == {"get_batch": (1, 100)}
    assert steps(prof.run).total_ns == 111


def test_a_mark_is_an_object_that_can_be_copied() -> None:
    for mark in (FORWARD, END):
        for other in (copy.copy(mark), copy.deepcopy(mark), pickle.loads(pickle.dumps(mark))):
            assert type(other) is Mark
            assert other.name == mark.name
    assert repr(FORWARD) == "<rnnprof mark 'forward'>"
    assert repr(END) == "<rnnprof mark None>"
    assert b"rnnprof.marks" in pickle.dumps(FORWARD)
    with pytest.raises(AttributeError):
        FORWARD.name = "other"
    with pytest.raises(TypeError):
        FORWARD(1)
    for name in ("", 3, b"forward"):
        with pytest.raises(TypeError, match="a Mark takes a non-empty string or None, not"):
            Mark(name)
