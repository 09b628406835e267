"""What a tester found by trying hard: each was once wrong."""

from __future__ import annotations

import copy
import functools
import pickle
import sys
import threading
from typing import Any

import pytest
from helpers import in_steps, lane, outside, profile, steps

import rnnprof
from rnnprof.errors import UsageError
from rnnprof.testing import FakeClock


def test_recursion_through_a_kept_object_leaves_no_dangling_span(clock: FakeClock) -> None:
    with profile(clock) as prof:
        for _ in range(2_000):
            with prof.step():
                kept = prof.stage("a")
                with kept, kept, kept:
                    clock.advance(1)
    assert in_steps(prof.run) == {"a": (2_000, 2_000)}


def test_a_kept_object_beyond_the_limit_counts_nowhere(clock: FakeClock) -> None:
    with profile(clock) as prof:
        kept = prof.stage("kept")
        with prof.step():
            for i in range(600):
                with prof.stage(f"{i}"):
                    pass
        for _ in range(2_000):
            with prof.step(), kept:
                clock.advance(1)
    assert steps(prof.run).total_ns == 2_000
    assert "kept" not in in_steps(prof.run)


def test_threads_that_step_are_all_counted_while_snapshots_are_taken() -> None:
    def work() -> None:
        for i in range(3_000):
            with prof.step(tokens=5), prof.stage(f"stage {i % 40}"), prof.stage("inner"):
                pass

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with rnnprof.profile(None) as prof:
            threads = [threading.Thread(target=work, name=f"w-{i}") for i in range(3)]
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                rnnprof.runlayout.to_json(prof.run)
    finally:
        sys.setswitchinterval(before)
    found = lane(prof.run, "thread w").steps["host"]
    assert (found.series.count, found.tokens) == (9_000, 45_000)
    assert sum(stage.series.count for stage in found.stages) == 9_000


def test_a_kept_object_open_on_two_threads(clock: FakeClock) -> None:
    def work() -> None:
        with kept:
            clock.advance(3)

    with profile(clock) as prof:
        kept = prof.stage("shared")
        with kept:
            clock.advance(1)
            thread = threading.Thread(target=work, name="other")
            thread.start()
            thread.join()
            clock.advance(1)
    assert outside(prof.run, "setup") == {"shared": (1, 5)}
    assert outside(prof.run, "thread other") == {"shared": (1, 3)}


def test_stages_in_another_order_each_time(clock: FakeClock) -> None:
    """The compiled part guesses which stage comes next."""
    orders = ("abc", "cab", "aab", "b", "", "acacac", "cba")
    with profile(clock) as prof:
        for i in range(200):
            with prof.step():
                for name in orders[i % 7]:
                    with prof.stage(name):
                        clock.advance(ord(name))
                        for inner in orders[(i + ord(name)) % 7]:
                            with rnnprof.stage("x" + inner):
                                clock.advance(1)
    found = in_steps(prof.run)
    for name in "abc":
        times = sum(orders[i % 7].count(name) for i in range(200))
        inside = sum(orders[i % 7].count(name) * len(orders[(i + ord(name)) % 7]) for i in range(200))
        assert found[name] == (times, times * ord(name) + inside)


def test_a_lane_on_a_thread_is_beside_the_run(clock: FakeClock) -> None:
    def work() -> None:
        with prof.lane("evaluate"), prof.stage("a"):
            clock.advance(20)

    with profile(clock) as prof:
        thread = threading.Thread(target=work, name="A")
        thread.start()
        thread.join()
        with pytest.raises(UsageError, match="names that begin with 'thread ' are those of threads"):
            prof.lane("thread A").__enter__()
    assert sum(one.series.total_ns for one in prof.run.lanes if not one.thread) == prof.run.wall_ns == 20
    assert outside(prof.run, "thread A: evaluate") == {"a": (1, 20)}


def test_threads_of_many_names_share_a_lane_in_the_end(clock: FakeClock) -> None:
    def work() -> None:
        with rnnprof.stage("a"):
            pass

    with profile(clock) as prof:
        for i in range(150):
            thread = threading.Thread(target=work, name="".join(chr(97 + int(digit)) for digit in str(i)))
            thread.start()
            thread.join()
    assert len(prof.run.lanes) <= 66
    assert sum(one.stages[0].series.count for one in prof.run.lanes if one.thread) == 150


def test_decorators_serve_every_later_profile(clock: FakeClock) -> None:
    with profile(clock) as first:

        @rnnprof.stage("f")
        def f() -> None:
            clock.advance(1)

        @first.step(tokens=2)
        def step() -> None:
            f()

        @first.lane("evaluate")
        def evaluate() -> None:
            f()

    with profile(clock) as second:
        step()
        evaluate()
    assert in_steps(second.run) == {"f": (1, 1)}
    assert lane(second.run, "train").steps["host"].tokens == 2
    assert outside(second.run, "evaluate") == {"f": (1, 1)}


def test_a_turn_that_fails_is_no_step(clock: FakeClock) -> None:
    with profile(clock) as prof, pytest.raises(ValueError, match="x"):
        for i in prof.steps(range(10)):
            clock.advance(1)
            if i == 3:
                raise ValueError("x")
    assert steps(prof.run).count == 3


def test_a_step_that_fails_after_a_lane_inside_it_is_dropped_whole(clock: FakeClock) -> None:
    with profile(clock) as prof:
        for i in range(4):
            with pytest.raises(ValueError, match="x") if i % 2 else prof.stage("outside"), prof.step():
                with prof.stage("forward"):
                    clock.advance(100)
                with prof.lane("evaluate"):
                    for fails in (True, False, False):
                        with pytest.raises(KeyError) if fails else prof.stage("batch"), prof.step():
                            with prof.stage("score"):
                                clock.advance(1)
                                if fails:
                                    raise KeyError
                if i % 2:
                    raise ValueError("x")
    assert in_steps(prof.run) == {"forward": (2, 200)}
    assert steps(prof.run).total_ns == 200
    assert in_steps(prof.run, name="evaluate") == {"score": (8, 8)}


class Interrupting(FakeClock):
    """A clock in which Ctrl-C arrives at one of its readings."""

    left = -1

    def now(self) -> int:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return super().now()


@pytest.mark.parametrize("reading", range(1, 26))
def test_an_interrupt_at_any_reading_leaves_a_profile_that_goes_on(reading: int) -> None:
    clock = Interrupting()
    with profile(clock) as prof:
        clock.left = reading
        with pytest.raises(KeyboardInterrupt):
            while True:
                with prof.step(), prof.stage("a"), prof.stage("b"):
                    clock.advance(1)
                with prof.stage("a"), prof.lane("evaluate"), prof.step(), prof.stage("a"):
                    clock.advance(1)
                for _ in prof.steps(range(2)):
                    clock.advance(1)
        with prof.step(), prof.stage("after"):
            clock.advance(1_000)
        with prof.lane("evaluate"), prof.stage("after"):
            clock.advance(1_000)
    assert in_steps(prof.run)["after"] == (1, 1_000)
    assert outside(prof.run, "evaluate")["after"] == (1, 1_000)


@pytest.mark.parametrize("tokens", [1.5, "7", [3], -3, 2**62, float("nan")])
def test_tokens_are_whole_and_said_early(tokens: object) -> None:
    with profile(FakeClock()) as prof:
        with pytest.raises(
            UsageError, match="tokens is a whole number, 0 or more and not absurdly large, not"
        ):
            prof.step(tokens)
        with prof.step() as step, pytest.raises(UsageError, match="tokens is a whole number"):
            step.tokens = tokens
    assert steps(prof.run).count == 1


def test_tokens_may_be_a_number_of_torchs() -> None:
    torch = pytest.importorskip("torch")
    with profile(FakeClock()) as prof:
        with prof.step(torch.tensor(700)):
            pass
        with prof.step() as step:
            step.tokens = torch.tensor(35)
    assert lane(prof.run, "train").steps["host"].tokens == 735


@pytest.mark.parametrize("name", [("a", "b"), ["a"], 5, ""])
def test_odd_names_are_refused_with_and_without_a_profile(name: Any) -> None:
    with pytest.raises(UsageError, match="a stage's name is a non-empty string"):
        rnnprof.stage(name)
    with (
        profile(FakeClock()) as prof,
        pytest.raises(UsageError, match="a stage's name is a non-empty string"),
    ):
        prof.stage(name)


@pytest.mark.parametrize("path", [3, 1.5, ["run.json"]])
def test_odd_paths_are_refused(path: Any) -> None:
    with pytest.raises(UsageError, match="path is the name of the run file, or None, not"):
        rnnprof.profile(path)


@pytest.mark.parametrize("save_every", [None, "5", 0, float("nan")])
def test_odd_intervals_are_refused(save_every: Any) -> None:
    with pytest.raises(UsageError, match="save_every is a number of seconds above 0"):
        rnnprof.profile(None, save_every=save_every)


def test_saving_may_be_left_to_the_end(tmp_path: Any) -> None:
    with rnnprof.profile(bytes(tmp_path / "run.json"), save_every=float("inf"), warmup=10**9) as prof:
        with prof.step():
            pass
    assert steps(rnnprof.load(tmp_path / "run.json"), "warmup").count == 1


def test_objects_that_measure_nothing_can_be_copied() -> None:
    mark = rnnprof.stage("rnn")
    for other in (copy.copy(mark), copy.deepcopy(mark), pickle.loads(pickle.dumps(mark))):
        assert other.name == "rnn"
        with other:
            pass


def test_decorating_what_has_no_name() -> None:
    async def coroutine() -> None: ...

    with pytest.raises(UsageError, match="cannot decorate the coroutine"):
        rnnprof.stage("a")(functools.partial(coroutine))
    with pytest.raises(UsageError, match="decorates functions, not the class int"):
        rnnprof.stage("a")(int)


def test_the_run_says_how_it_ended(clock: FakeClock) -> None:
    prof = profile(clock)
    assert prof.run.wall_ns == 0
    with pytest.raises(KeyError), prof:
        raise KeyError
    assert prof.run.ended == "KeyError"


def test_a_thread_that_python_did_not_start_adds_none() -> None:
    torch = pytest.importorskip("torch")

    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return 2 * x

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            with rnnprof.stage("double"):
                return 2 * grad

    with rnnprof.profile(None, warmup=0, control_every=0) as prof:
        before = threading.active_count()
        with prof.step(), prof.stage("backward"):
            Double.apply(torch.ones(2, requires_grad=True)).sum().backward()
        assert threading.active_count() == before
    assert in_steps(prof.run)["backward"][0] == 1
