"""Steps that something looks into: a kind of their own, and what looking costs is in no figure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from helpers import in_steps, lane, outside, steps

import rnnprof
from rnnprof import active, marks
from rnnprof.errors import UsageError
from rnnprof.recorder import Recorder
from rnnprof.recorder.watched import Captured, Watcher, kinds
from rnnprof.schedule import Schedule
from rnnprof.testing import FakeClock, FakeDevice

COST = 1_000


class FakeWatcher:
    """Notes what it is told, and takes its time each time."""

    kind = "trace"
    slow = done = False

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.paths: Any = tuple
        self.told: list[str] = []

    def _tell(self, words: str) -> None:
        self.clock.advance(COST)
        self.told.append(words)

    def open(self, step: int) -> None:
        self._tell(f"open {step}")

    def begin(self) -> None:
        self._tell("begin")

    def end(self) -> None:
        self._tell("end")

    def enter(self, name: str) -> None:
        self._tell(f"enter {name}")

    def leave(self, name: str) -> None:
        self._tell(f"leave {name}")

    def close(self, keep: bool) -> None:
        self._tell("close" if keep else "drop")

    def pause(self) -> None:
        self._tell("pause")


class FakeCaptures:
    def __init__(self, watcher: FakeWatcher) -> None:
        self._watcher = watcher
        self.begun = 0

    def watcher(self, kind: str) -> Watcher | None:
        return self._watcher if kind == self._watcher.kind else None

    def training_begins(self, track: Any) -> None:
        self.begun += 1

    def lane_begins(self, track: Any) -> None:
        pass

    def found(self) -> Captured:
        return Captured(notes=({"code": "seen"},))


def profile(
    clock: FakeClock, numbers: Iterable[int], device: Any = None, **options: Any
) -> tuple[Any, FakeWatcher, FakeCaptures]:
    """A profile in which steps of these numbers are watched."""
    watcher = FakeWatcher(clock)
    captures = FakeCaptures(watcher)
    given = {"warmup": 0, "control_every": 0, **options}
    asked: Any = "event" if device is not None else clock
    prof = rnnprof.profile(None, clock=asked, device=device, **given)
    schedule = Schedule(chosen=kinds([(watcher, numbers)]), **given)
    prof._recorder = Recorder(None, asked, schedule, 5.0, device, captures)
    return prof, watcher, captures


def loop(prof: Any, clock: FakeClock, number: int) -> None:
    for _ in range(number):
        with prof.step(tokens=7):
            with prof.stage("forward"):
                with rnnprof.stage("rnn"):
                    clock.advance(50)
                clock.advance(10)
            with prof.stage("backward"):
                clock.advance(100)
            clock.advance(3)


@pytest.mark.parametrize("method", ["open", "begin"])
def test_a_step_that_ctrl_c_keeps_from_beginning_is_ended_for_the_watcher(method: str) -> None:
    clock = FakeClock()
    prof, watcher, _ = profile(clock, [0, 1])

    def interrupted(*_: Any) -> None:
        delattr(watcher, method)
        raise KeyboardInterrupt

    setattr(watcher, method, interrupted)
    with prof:
        with pytest.raises(KeyboardInterrupt):
            loop(prof, clock, 1)
        assert watcher.told == ["open 0", "end", "drop"][method == "open" :]
        loop(prof, clock, 2)
    assert watcher.told[-2:] == ["close", "pause"]
    assert (steps(prof.run, "trace").count, steps(prof.run).count) == (1, 1)


def test_watched_steps_are_of_their_own_kind_and_the_watcher_hears_of_all() -> None:
    clock = FakeClock()
    prof, watcher, captures = profile(clock, [1, 2, 4])
    with prof:
        loop(prof, clock, 6)
    assert in_steps(prof.run) == {"forward": (3, 180), "forward/rnn": (3, 150), "backward": (3, 300)}
    # What the watcher does first falls into the stage around, what it does last into the stage.
    assert in_steps(prof.run, "trace") == {
        "forward": (3, 180 + 3 * 3 * COST),
        "forward/rnn": (3, 150 + 3 * COST),
        "backward": (3, 300 + 3 * COST),
    }
    assert steps(prof.run).total_ns == 3 * 163
    # What it does at the step's own beginning is before it.
    inside = 7 * COST
    assert steps(prof.run, "trace").total_ns == 3 * (163 + inside)
    inner = ["enter forward", "enter rnn", "leave rnn", "leave forward", "enter backward", "leave backward"]
    assert watcher.told == [
        *("open 1", "begin", *inner, "end", "close"),
        *("open 2", "begin", *inner, "end", "close", "pause"),
        *("open 4", "begin", *inner, "end", "close", "pause"),
    ]
    assert captures.begun >= 1
    assert {"code": "seen"} in prof.run.notes
    assert sorted(watcher.paths()) == [("backward",), ("forward",), ("forward", "rnn")]
    assert lane(prof.run, "train").steps["trace"].tokens == 21


def test_what_a_watcher_does_between_steps_is_rnnprofs_own_time() -> None:
    clock = FakeClock()
    prof, _, _ = profile(clock, [0])
    with prof, prof.stage("epoch"):
        loop(prof, clock, 2)
        clock.advance(30)
    # open, and close with pause.
    found = outside(prof.run, "train")
    assert found["rnnprof"] == (2, 3 * COST)
    epoch = next(stage for stage in lane(prof.run, "train").stages if stage.name == "epoch")
    # At the step's beginning, between the two, it opens a label: that is nobody's.
    assert epoch.self_ns == 30 + COST


def test_boundary_marks_in_a_watched_step() -> None:
    clock = FakeClock()
    prof, watcher, _ = profile(clock, [0])
    one, two, none = marks.Mark("one"), marks.Mark("two"), marks.Mark(None)
    with prof:
        for _ in range(2):
            with prof.step():
                one()
                clock.advance(5)
                with rnnprof.stage("inner"):
                    clock.advance(1)
                two()
                clock.advance(7)
                none()
                clock.advance(11)
                one()
                clock.advance(13)
    assert in_steps(prof.run) == {"one": (2, 19), "one/inner": (1, 1), "two": (1, 7)}
    assert in_steps(prof.run, "trace") == {
        "one": (2, 19 + 4 * COST),
        "one/inner": (1, 1 + COST),
        "two": (1, 7 + COST),
    }
    assert watcher.told[:5] == ["open 0", "begin", "enter one", "enter inner", "leave inner"]
    assert watcher.told[5:] == ["leave one", "enter two", "leave two", "enter one", "end", "close", "pause"]


def test_a_watched_step_that_fails_does_not_count() -> None:
    clock = FakeClock()
    prof, watcher, _ = profile(clock, [0, 1])
    with prof:
        with pytest.raises(ValueError, match="bad"):
            with prof.step(), prof.stage("forward"):
                raise ValueError("bad")
        loop(prof, clock, 1)
    assert steps(prof.run, "trace").count == 1
    assert watcher.told[:6] == ["open 0", "begin", "enter forward", "leave forward", "end", "drop"]
    assert watcher.told[6] == "open 1"


def test_a_step_that_was_left_open_at_the_end_is_dropped() -> None:
    clock = FakeClock()
    prof, watcher, _ = profile(clock, [0])
    with pytest.raises(rnnprof.NestingError):
        with prof:
            prof.step().__enter__()
            prof.stage("forward").__enter__()
    assert watcher.told == ["open 0", "begin", "enter forward", "end", "drop", "pause"]


def test_kept_stage_objects_and_recursion_in_a_watched_step() -> None:
    clock = FakeClock()
    prof, watcher, _ = profile(clock, [1])
    with prof:
        kept = prof.stage("kept")
        for _ in range(3):
            with prof.step(), kept, prof.stage("a"), prof.stage("kept"):
                clock.advance(2)
    assert in_steps(prof.run, "trace")["kept"][0] == 1
    inner = ["enter kept", "enter a", "leave a", "leave kept"]
    assert watcher.told == ["open 1", "begin", *inner, "end", "close", "pause"]


def test_other_threads_and_lanes_are_not_watched() -> None:
    clock = FakeClock()
    prof, watcher, _ = profile(clock, range(100))
    with prof:
        loop(prof, clock, 1)
        with prof.lane("evaluate"):
            loop(prof, clock, 3)
    assert lane(prof.run, "evaluate").steps["host"].series.count == 3
    assert watcher.told.count("close") == 1


def test_watched_steps_on_an_accelerator_are_timed_by_the_host() -> None:
    clock = FakeClock()
    prof, watcher, _ = profile(clock, [1], FakeDevice(clock))
    with prof:
        loop(prof, clock, 3)
    assert steps(prof.run, "event").count == 2
    assert in_steps(prof.run, "trace")["backward"] == (1, 100 + COST)
    assert watcher.told[0] == "open 1"
    assert watcher.told[-1] == "pause"


@pytest.mark.parametrize("device", [False, True])
def test_steps_can_be_chosen_while_the_loop_runs(device: bool) -> None:
    clock = FakeClock()
    prof, watcher, _ = profile(clock, [20], FakeDevice(clock) if device else None, warmup=2, control_every=8)
    with prof:
        from rnnprof.recorder.lanes import choose

        choose(prof.track, "trace", 2)
        loop(prof, clock, 5)
        choose(prof.track, "trace", 30)
        loop(prof, clock, 40)
    opened = [int(words.split()[1]) for words in watcher.told if words.startswith("open")]
    assert opened == [0, 1, *range(5, 35)]
    assert watcher.told.count("pause") == 2
    assert steps(prof.run, "trace").count == 32


def test_the_schedule_deals_chosen_steps_where_they_belong() -> None:
    schedule = Schedule(warmup=3, control_every=8, chosen={0: "trace", 3: "trace", 4: "trace", 30: "trace"})
    dealt: list[str] = []
    while len(dealt) < 60:
        dealt += reversed(schedule.block())
    assert [i for i, kind in enumerate(dealt) if kind == "trace"] == [0, 3, 4, 30]
    assert dealt[1:3] == ["warmup", "warmup"]


@pytest.mark.parametrize("numbers", [[-1], [True], ["3"], [1.5]])
def test_odd_numbers_of_steps_are_refused(numbers: Any) -> None:
    with pytest.raises(UsageError, match="steps are numbered from 0"):
        kinds([(FakeWatcher(FakeClock()), numbers)])


def test_no_endless_traces() -> None:
    with pytest.raises(UsageError, match="more than 1000 steps to trace"):
        kinds([(FakeWatcher(FakeClock()), range(10**9))])


def test_it_is_the_native_clock_that_times_watched_steps(tmp_path: Path) -> None:
    watcher = FakeWatcher(FakeClock())
    schedule = Schedule(warmup=0, control_every=0, chosen={0: "trace"})
    prof = rnnprof.profile(None)
    prof._recorder = Recorder(None, "auto", schedule, 5.0, None, FakeCaptures(watcher))
    with prof:
        with prof.step(), prof.stage("a"):
            pass
        assert active.current() is prof
    found = steps(prof.run, "trace")
    assert 0 < found.total_ns < prof.run.wall_ns


def test_a_save_after_a_watched_step_counts_no_time_twice(tmp_path: Path) -> None:
    clock = FakeClock()
    watcher = FakeWatcher(clock)
    schedule = Schedule(warmup=0, control_every=0, chosen=dict.fromkeys(range(5), "trace"))
    prof = rnnprof.profile(None)
    prof._recorder = Recorder(tmp_path / "run.json", clock, schedule, 1e-9, None, FakeCaptures(watcher))
    with prof:
        loop(prof, clock, 5)
    train = lane(prof.run, "train")
    labels = 5 * COST
    assert train.series.total_ns == train.steps_ns + outside(prof.run, "train")["rnnprof"][1] + labels


def test_turns_that_are_no_steps_take_no_numbers() -> None:
    clock = FakeClock()
    prof, watcher, _ = profile(clock, range(2, 9))
    with prof:
        for _ in range(4):
            for _ in prof.steps(range(3)):
                clock.advance(1)
    opened = [int(words.split()[1]) for words in watcher.told if words.startswith("open")]
    # The last turn of each loop only finds its end.
    assert opened == [2, 3, 3, 4, 5, 6, 6, 7, 8]
    assert watcher.told.count("close") == 7
    assert watcher.told.count("pause") == 1
    assert steps(prof.run, "trace").count == 7
    assert steps(prof.run).count == 5


def test_what_a_slow_watcher_does_in_a_step_counts_for_none() -> None:
    clock = FakeClock()
    prof, watcher, _ = profile(clock, [1, 2])
    watcher.slow = True
    with prof, prof.stage("epoch"):
        loop(prof, clock, 4)
        clock.advance(30)
    assert in_steps(prof.run, "trace") == {"forward": (2, 120), "forward/rnn": (2, 100), "backward": (2, 200)}
    # `begin` alone is quick.
    assert steps(prof.run, "trace").total_ns == 2 * 163
    told = len(watcher.told)
    assert outside(prof.run, "train")["rnnprof"][1] == told * COST - 2 * COST
    epoch = next(stage for stage in lane(prof.run, "train").stages if stage.name == "epoch")
    assert epoch.self_ns == 30 + 2 * COST


@pytest.mark.parametrize("device", [False, True])
def test_a_watcher_that_is_done_takes_no_further_steps(device: bool) -> None:
    clock = FakeClock()
    prof, watcher, _ = profile(clock, range(1, 60, 2), FakeDevice(clock) if device else None)
    with prof:
        loop(prof, clock, 2)
        watcher.done = True
        loop(prof, clock, 60)
    assert steps(prof.run, "trace").count == 2
