"""What rewritten code calls, called by hand: loops, lanes, whole steps, and what fails in them."""

from __future__ import annotations

import pytest

import rnnprof
from rnnprof.instrument import runtime
from rnnprof.instrument.runtime import LaneBlock, Loop, StepBlock
from rnnprof.instrument.turns import TRAINED
from rnnprof.testing import FakeClock
from tests.instrument.rewriting import marked
from tests.recorder.helpers import profile, steps


def test_without_a_profile_nothing_is_counted_and_a_profile_may_begin_in_a_loop() -> None:
    loop = Loop("train", True)
    loop.begin()
    loop.turn()
    with profile(FakeClock()) as prof:
        loop.turn()
        loop.end()
        loop.begin()
        for _ in range(3):
            TRAINED()
            loop.turn()
        TRAINED()
        loop.end()
    loop.begin()
    loop.turn()
    loop.end()
    assert steps(prof.run).count == 4
    with profile(FakeClock()) as prof:
        loop.end()
    assert runtime.failures == []


def test_a_step_of_the_users_own_comes_first() -> None:
    with profile(FakeClock()) as prof:
        loop, block = Loop("train", False), StepBlock()
        with rnnprof.step():
            loop.begin()
            TRAINED()
            loop.turn()
            with block:
                TRAINED()
            loop.end()
        with block, block:
            pass
    assert steps(prof.run).count == 2


def test_each_call_of_a_whole_step_counts_but_for_those_that_raise() -> None:
    clock, block = FakeClock(), StepBlock()

    def step(ns: int) -> None:
        with block:
            clock.advance(ns)
            if ns > 5:
                raise ValueError

    with profile(clock) as prof:
        for ns in (1, 2, 8, 3):
            try:
                step(ns)
            except ValueError:
                step(ns - 4)
    assert (steps(prof.run).count, steps(prof.run).total_ns) == (4, 10)


def test_a_lane_that_is_open_already_goes_on() -> None:
    clock, block = FakeClock(), LaneBlock("evaluate")
    with profile(clock) as prof:
        with block:
            clock.advance(1)
            with block, rnnprof.lane("other"):
                clock.advance(10)
                with pytest.raises(ValueError, match="words"), block:
                    clock.advance(100)
                    raise ValueError("words")
            clock.advance(1000)
        clock.advance(10000)
    found = {lane.name: lane.series.total_ns for lane in prof.run.lanes}
    assert found == {"setup": 10000, "evaluate": 1001, "other": 110}


class Number(int):
    backward = step = lambda self: None


def test_what_fails_in_rnnprof_ends_the_measurement_and_not_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    code = marked("for x in loader:\n    done.append(x)\n    x.backward()\n    optimizer.step()\n")
    done: list[int] = []
    monkeypatch.setattr(runtime, "failures", [])
    broken = ValueError("a bug")

    class Clock(FakeClock):
        def now(self) -> int:
            if done == [0, 1]:
                raise broken
            return super().now()

    with profile(Clock()) as prof:
        loader = [Number(i) for i in range(4)]
        names = {"loader": loader, "optimizer": loader[0], "done": done}
        exec(code, {"__name__": "__main__", **names})
    assert done == [0, 1, 2, 3]
    assert steps(prof.run).count == 1
    assert repr(broken) in runtime.failures
