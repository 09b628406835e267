"""Stages and steps under an exact clock: what is counted, and what is refused."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest
from helpers import in_steps, lane, outside, profile, steps

import rnnprof
from rnnprof.errors import NestingError, UsageError
from rnnprof.testing import FakeClock


def test_a_step_of_nested_stages(clock: FakeClock) -> None:
    with profile(clock) as prof:
        for _ in range(3):
            with prof.step(tokens=10):
                with prof.stage("forward"):
                    clock.advance(5)
                    with prof.stage("encoder"):
                        clock.advance(20)
                    with rnnprof.stage("rnn"):
                        clock.advance(100)
                with prof.stage("backward"):
                    clock.advance(200)
                clock.advance(7)
    assert in_steps(prof.run) == {
        "forward": (3, 375),
        "forward/encoder": (3, 60),
        "forward/rnn": (3, 300),
        "backward": (3, 600),
    }
    train = lane(prof.run, "train").steps["host"]
    assert (train.series.count, train.series.total_ns) == (3, 996)
    assert (train.tokens, train.token_ns) == (30, 996)
    assert [stage.self_ns for stage in train.stages] == [15, 600]


def test_before_the_first_step_is_setup_and_after_it_train(clock: FakeClock) -> None:
    with profile(clock) as prof:
        clock.advance(10)
        with prof.stage("corpus"):
            clock.advance(100)
        with prof.step():
            clock.advance(1000)
        clock.advance(3)
        with prof.stage("checkpoint"):
            clock.advance(50)
    assert outside(prof.run, "setup") == {"corpus": (1, 100)}
    assert outside(prof.run, "train") == {"checkpoint": (1, 50)}
    assert lane(prof.run, "setup").series.total_ns == 110
    assert lane(prof.run, "train").series.total_ns == 1053
    assert prof.run.wall_ns == 1163


def test_the_same_name_in_two_places_is_two_stages(clock: FakeClock) -> None:
    with profile(clock) as prof, prof.step():
        with prof.stage("a"), prof.stage("x"):
            clock.advance(1)
        with prof.stage("b"), prof.stage("x"):
            clock.advance(2)
    assert in_steps(prof.run) == {"a": (1, 1), "a/x": (1, 1), "b": (1, 2), "b/x": (1, 2)}


def test_recursion_is_one_visit_of_the_outermost(clock: FakeClock) -> None:
    def factorial(n: int) -> int:
        with rnnprof.stage("factorial"):
            clock.advance(10)
            return 1 if n < 2 else n * factorial(n - 1)

    def even(n: int) -> bool:
        with rnnprof.stage("even"):
            clock.advance(1)
            return n == 0 or odd(n - 1)

    def odd(n: int) -> bool:
        with rnnprof.stage("odd"):
            clock.advance(1)
            return n != 0 and even(n - 1)

    with profile(clock) as prof:
        assert factorial(5) == 120
        assert even(4)
    assert outside(prof.run, "setup") == {"factorial": (1, 50), "even": (1, 5), "even/odd": (1, 4)}


def test_an_object_bound_early_is_the_stage_of_its_name_wherever_it_is_entered(clock: FakeClock) -> None:
    with profile(clock) as prof:
        forward = prof.stage("forward")
        with forward:
            clock.advance(1)
        for _ in range(4):
            with prof.step():
                with forward:
                    clock.advance(10)
                with prof.stage("outer"), forward:
                    clock.advance(5)
        with forward, forward:
            clock.advance(100)
    assert in_steps(prof.run) == {"forward": (4, 40), "outer": (4, 20), "outer/forward": (4, 20)}
    assert outside(prof.run, "setup") == {"forward": (1, 1)}
    assert outside(prof.run, "train") == {"forward": (1, 100)}


def test_ways_out_of_a_step(clock: FakeClock) -> None:
    def one(prof: rnnprof.profile) -> str:
        with prof.step(), prof.stage("a"):
            clock.advance(1)
            return "returned"

    with profile(clock) as prof:
        assert one(prof) == "returned"
        for i in range(3):
            with prof.step(), prof.stage("a"):
                clock.advance(10)
                if i == 0:
                    continue
                break
    assert in_steps(prof.run) == {"a": (3, 21)}
    assert steps(prof.run).count == 3


def test_a_step_that_fails_is_left_out_whole(clock: FakeClock) -> None:
    with profile(clock) as prof:
        with prof.step(tokens=1), prof.stage("a"):
            clock.advance(1)
        with pytest.raises(ZeroDivisionError), prof.step(tokens=1), prof.stage("a"), prof.stage("b"):
            clock.advance(1000)
            _ = 1 / 0
        with prof.step(tokens=1), prof.stage("a"):
            clock.advance(2)
    assert in_steps(prof.run) == {"a": (2, 3)}
    assert lane(prof.run, "train").steps["host"].tokens == 2
    assert lane(prof.run, "train").series.total_ns == 1003
    assert prof.run.notes[0] == {"code": "aborted_steps", "count": 1}


def test_a_stage_that_fails_outside_a_step_counts(clock: FakeClock) -> None:
    with profile(clock) as prof, pytest.raises(KeyError), prof.stage("a"):
        clock.advance(4)
        raise KeyError
    assert outside(prof.run, "setup") == {"a": (1, 4)}


def test_a_profile_that_an_exception_ends_says_which(clock: FakeClock) -> None:
    prof = profile(clock)
    with pytest.raises(KeyboardInterrupt), prof, prof.stage("a"):
        clock.advance(4)
        raise KeyboardInterrupt
    assert outside(prof.run, "setup") == {"a": (1, 4)}


def test_generators_are_timed_while_they_run(clock: FakeClock) -> None:
    @rnnprof.stage("load")
    def batches() -> Iterator[int]:
        for i in range(3):
            clock.advance(10)
            yield i

    with profile(clock) as prof:
        for _ in batches():
            with prof.step():
                clock.advance(1000)
    # The fourth resumption finds the end.
    assert outside(prof.run, "setup") == {"load": (1, 10)}
    assert outside(prof.run, "train") == {"load": (3, 20)}


def test_a_stage_around_a_yield_encloses_the_steps_of_the_consumer(clock: FakeClock) -> None:
    def batches(prof: rnnprof.profile) -> Iterator[int]:
        with prof.stage("load"):
            for i in range(3):
                clock.advance(10)
                yield i

    with profile(clock) as prof:
        for i in batches(prof):
            with prof.step():
                clock.advance(1000)
            if i == 1:
                break
    setup, train = lane(prof.run, "setup"), lane(prof.run, "train")
    assert setup.stages[0].series.total_ns == 10
    assert (train.stages[0].series.total_ns, train.stages[0].steps_ns) == (2010, 2000)
    assert train.stages[0].self_ns == 10


def test_generators_that_interleave_are_refused_clearly(clock: FakeClock) -> None:
    def load(name: str) -> Iterator[None]:
        with rnnprof.stage(name):
            yield

    with profile(clock):
        first, second = load("first"), load("second")
        next(first)
        next(second)
        with pytest.raises(NestingError, match=r"'first' was closed while 'second', opened inside it"):
            list(first)
        with pytest.raises(NestingError, match=r"'second' was closed, but it is not open here"):
            list(second)
        with rnnprof.stage("afterwards"):
            clock.advance(1)


def test_a_decorator_times_each_call_where_it_happens(clock: FakeClock) -> None:
    @rnnprof.stage("forward")
    def forward(x: int) -> int:
        """Says what it does."""
        clock.advance(x)
        return x + 1

    assert forward(1) == 2
    assert forward.__doc__ == "Says what it does."
    with profile(clock) as prof:

        @prof.step(tokens=3)
        def train_step(x: int) -> int:
            return forward(x) + bound(x)

        @prof.stage("bound")
        def bound(x: int) -> int:
            clock.advance(100)
            return x

        @prof.lane("evaluate")
        def evaluate() -> None:
            forward(7)

        assert train_step(5) == 11
        evaluate()
    assert in_steps(prof.run) == {"forward": (1, 5), "bound": (1, 100)}
    assert lane(prof.run, "train").steps["host"].tokens == 3
    assert outside(prof.run, "evaluate") == {"forward": (1, 7)}
    assert forward(1) == 2


def test_a_decorator_refuses_what_it_cannot_time() -> None:
    async def coroutine() -> None: ...

    with pytest.raises(UsageError, match=r"stage\('a'\) cannot decorate the coroutine .*coroutine"):
        rnnprof.stage("a")(coroutine)
    with pytest.raises(UsageError, match=r"stage\('a'\) decorates functions, not int"):
        rnnprof.stage("a")(3)


def test_a_loop_of_steps(clock: FakeClock) -> None:
    class Loader:
        def __iter__(self) -> Iterator[int]:
            for i in range(3):
                clock.advance(10)
                yield i

    with profile(clock) as prof:
        seen = []
        for item in prof.steps(Loader(), tokens=7):
            clock.advance(100)
            seen.append(item)
            if item == 1:
                continue
            clock.advance(1)
        for item in rnnprof.steps([5, 6]):
            clock.advance(1)
            break
    assert seen == [0, 1, 2]
    # Neither the end of the loader nor the turn that `break` left is a step, or a failure.
    assert in_steps(prof.run) == {"get_batch": (3, 30)}
    assert (steps(prof.run).count, steps(prof.run).total_ns) == (3, 3 * 110 + 2)
    assert not [note for note in prof.run.notes if note["code"] == "aborted_steps"]


@pytest.mark.parametrize("name", ["", 3, None, b"forward"])
def test_a_name_is_a_string(name: object) -> None:
    with (
        profile(FakeClock()) as prof,
        pytest.raises(UsageError, match="a stage's name is a non-empty string"),
    ):
        prof.stage(name)


def test_stages_closed_out_of_order(clock: FakeClock) -> None:
    with profile(clock) as prof:
        a, b = prof.stage("a"), None
        a.__enter__()
        b = prof.stage("b")
        b.__enter__()
        with pytest.raises(NestingError, match=r"stage 'a' was closed while 'b', opened inside it, is still"):
            a.__exit__(None, None, None)
        with prof.stage("c"):
            clock.advance(1)
    assert outside(prof.run, "setup") == {"c": (1, 1)}


def test_a_step_closed_over_an_open_stage(clock: FakeClock) -> None:
    with profile(clock) as prof:
        with (
            pytest.raises(NestingError, match="the step was closed while stage 'b' is still open"),
            prof.step(),
        ):
            prof.stage("b").__enter__()
        with prof.step(), prof.stage("b"):
            clock.advance(1)
    assert in_steps(prof.run) == {"b": (1, 1)}


def test_a_step_inside_a_step(clock: FakeClock) -> None:
    with profile(clock) as prof:
        with prof.step():
            clock.advance(1)
            with pytest.raises(NestingError, match="a step was opened while another is open"), prof.step():
                pass
        with pytest.raises(NestingError, match="a step was closed, but none is open"):
            prof.step().__exit__(None, None, None)
    assert steps(prof.run).total_ns == 1


def test_what_is_open_at_the_end_is_said_and_the_rest_is_kept(clock: FakeClock) -> None:
    prof = profile(clock).start()
    with prof.step(), prof.stage("a"):
        clock.advance(1)
    prof.step().__enter__()
    prof.stage("b").__enter__()
    with pytest.raises(NestingError, match=r"the profile ended while 'b' and 'step' was still open"):
        prof.stop()
    assert in_steps(prof.run) == {"a": (1, 1)}
    prof.stop()


def test_one_profile_at_a_time(clock: FakeClock) -> None:
    with profile(clock) as prof:
        with pytest.raises(NestingError, match=r"a profile is recording already \(not saved\)"):
            profile(clock).start()
        with pytest.raises(NestingError, match="this profile was opened before"):
            prof.start()
        with prof.stage("a"):
            clock.advance(1)
    with pytest.raises(NestingError, match="this profile was opened before"):
        prof.start()
    assert outside(prof.run, "setup") == {"a": (1, 1)}


def test_without_a_profile_marks_do_nothing() -> None:
    with rnnprof.step(tokens=3) as step, rnnprof.stage("a"), rnnprof.lane("evaluate"):
        step.tokens = 4
    assert list(rnnprof.steps([1, 2])) == [1, 2]
    prof = profile(FakeClock())
    with prof.stage("a"), prof.step(), prof.lane("x"):
        pass
    with prof:
        pass
    with prof.stage("a"), prof.step(), prof.lane("x"):
        pass
    assert [one.name for one in prof.run.lanes] == ["setup"]


def test_exceptions_pass_through_marks_that_do_nothing() -> None:
    with pytest.raises(KeyError), rnnprof.stage("a"), rnnprof.step(), rnnprof.lane("x"):
        raise KeyError


def test_tokens_may_be_set_inside(clock: FakeClock) -> None:
    with profile(clock) as prof:
        for tokens in (5, 6):
            with prof.step() as step:
                step.tokens = tokens
                clock.advance(2)
        with prof.step():
            clock.advance(1)
    host = lane(prof.run, "train").steps["host"]
    assert (host.tokens, host.token_ns, host.series.total_ns) == (11, 4, 5)


def test_too_many_names_become_time_of_the_stage_around(clock: FakeClock) -> None:
    with profile(clock) as prof, prof.step():
        for i in range(600):
            with prof.stage(f"batch {i}"):
                clock.advance(1)
    assert len(in_steps(prof.run)) == 500
    assert steps(prof.run).total_ns == 600
    assert {"code": "too_many_stages", "limit": 500, "count": 100} in prof.run.notes


def test_depth_is_bounded(clock: FakeClock) -> None:
    def down(prof: rnnprof.profile, depth: int) -> None:
        with prof.stage(f"level {depth}"):
            clock.advance(1)
            if depth < 200:
                down(prof, depth + 1)

    with profile(clock) as prof:
        down(prof, 1)
    assert len(outside(prof.run, "setup")) == 64
    assert lane(prof.run, "setup").stages[0].series.total_ns == 200


def test_threads_have_lanes_of_their_own(clock: FakeClock) -> None:
    def load() -> None:
        with rnnprof.stage("read"):
            inside.set()
            assert go_on.wait(10)
        with prof.stage("decode"):
            pass

    inside, go_on = threading.Event(), threading.Event()
    with profile(clock) as prof, prof.stage("main"):
        thread = threading.Thread(target=load, name="loader-3")
        thread.start()
        assert inside.wait(10)
        clock.advance(30)
        with prof.stage("inner"):
            clock.advance(12)
        go_on.set()
        thread.join()
    assert outside(prof.run, "setup") == {"main": (1, 42), "main/inner": (1, 12)}
    beside = lane(prof.run, "thread loader")
    assert beside.thread
    assert outside(prof.run, "thread loader") == {"read": (1, 42), "decode": (1, 0)}
    assert beside.series.total_ns == 42


def test_many_short_threads_share_a_lane_and_leave_nothing(clock: FakeClock) -> None:
    def work() -> None:
        with rnnprof.stage("work"), rnnprof.stage("inner"):
            pass

    with profile(clock) as prof:
        for _ in range(300):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        assert len(prof._recorder.tracks) <= 65
    assert outside(prof.run, "thread Thread (work)") == {"work": (300, 0), "work/inner": (300, 0)}


def test_a_stage_object_used_on_another_thread_is_that_threads(clock: FakeClock) -> None:
    with profile(clock) as prof:
        stage = prof.stage("shared")

        def work() -> None:
            with stage:
                clock.advance(3)

        with prof.stage("main"):
            thread = threading.Thread(target=work, name="other")
            thread.start()
            thread.join()
    assert outside(prof.run, "setup") == {"main": (1, 3)}
    assert outside(prof.run, "thread other") == {"shared": (1, 3)}


def test_one_step_with_very_many_spans(clock: FakeClock) -> None:
    with profile(clock) as prof, prof.step():
        for _ in range(70_000):
            with prof.stage("a"):
                clock.advance(1)
    assert in_steps(prof.run) == {"a": (70_000, 70_000)}


def test_marks_hold_no_reference_that_keeps_objects_alive(clock: FakeClock) -> None:
    with profile(clock) as prof:
        with prof.step(), prof.stage("a"):
            pass
        before = sys.getrefcount(prof._track.current)
        for _ in range(100):
            with prof.step(), prof.stage("a"), prof.stage("b"):
                pass
            with pytest.raises(ValueError, match="x"), prof.stage("c"):
                raise ValueError("x")
        assert abs(sys.getrefcount(prof._track.current) - before) <= 4
