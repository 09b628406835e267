"""Garbage collection in steps: what is counted, and that the program's callbacks stay as they are."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rnnprof
from rnnprof import marks
from rnnprof.vitals import Pauses, Vitals
from tests.recorder.helpers import profile

pytestmark = pytest.mark.skipif(not marks.NATIVE, reason="needs the compiled part")


@pytest.fixture(autouse=True)
def _no_collection_but_ours() -> Iterator[None]:
    before = gc.callbacks.copy()
    gc.disable()
    yield
    gc.enable()
    assert gc.callbacks == before


def counted(prof: Any) -> dict[int, int]:
    vitals: Vitals = prof.run.vitals
    assert vitals.pauses is not None
    return {pause.generation: pause.count for pause in vitals.pauses}


def test_only_steps_after_the_warmup_count() -> None:
    with profile("host", warmup=2) as prof:
        gc.collect()
        for _ in range(4):
            with prof.step():
                gc.collect(1)
            gc.collect(0)
        with prof.step(), prof.lane("evaluate"):
            gc.collect(2)
            with prof.step():
                gc.collect(2)
        assert counted(prof) == {1: 2}
        with prof.step(), prof.stage("forward"):
            gc.collect(2)
    gc.collect(1)
    assert counted(prof) == {1: 2, 2: 1}
    assert all(0 < pause.max_ns <= pause.total_ns for pause in prof.run.vitals.pauses)


def test_control_steps_count_as_well() -> None:
    with profile("host", control_every=2) as prof:
        for _ in range(10):
            with prof.step():
                gc.collect(0)
    assert counted(prof) == {0: 10}


def test_steps_that_are_looked_into_do_not(tmp_path: Path) -> None:
    with rnnprof.profile(
        tmp_path / "run.json", warmup=0, control_every=0, cprofile=True, probe=False
    ) as prof:
        kinds = []
        for _ in range(40):
            with prof.step() as step:
                kinds.append(step.root is prof.track.lane.roots.get("cprofile"))
                gc.collect(0)
    assert 0 < sum(kinds) < 40
    assert counted(prof) == {0: 40 - sum(kinds)}


def test_another_thread_does_not() -> None:
    with profile("host") as prof, prof.step():
        thread = threading.Thread(target=gc.collect)
        thread.start()
        thread.join()
    assert counted(prof) == {}


def test_a_run_without_training_has_none() -> None:
    with profile("host") as prof:
        gc.collect()
    assert prof.run.vitals is None


def test_nothing_is_counted_without_the_compiled_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "NATIVE", False)
    before = gc.callbacks.copy()
    with profile("host") as prof, prof.step():
        assert gc.callbacks == before
    assert prof.run.vitals.pauses is None


class Odd:
    """A callback of the program's that must not be compared."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared")

    def __hash__(self) -> int:
        return 1

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        return None


def test_the_programs_callbacks_stay_in_their_order() -> None:
    first, second = Odd(), Odd()
    gc.callbacks.append(first)
    try:
        with profile("host") as prof:
            with prof.step():
                gc.callbacks.append(second)
                assert len(gc.callbacks) >= 3
        assert gc.callbacks[-2] is first
        assert gc.callbacks[-1] is second
    finally:
        del gc.callbacks[-2:]


def test_a_program_that_empties_the_list() -> None:
    before = gc.callbacks.copy()
    with profile("host") as prof, prof.step():
        gc.callbacks.clear()
    assert gc.callbacks == []
    gc.callbacks.extend(before)
    assert counted(prof) == {}


def test_nothing_is_left_after_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), profile("host") as prof, prof.step():
        gc.collect(0)
        raise ZeroDivisionError
    assert counted(prof) == {0: 1}


def test_nothing_is_left_of_a_generator_that_was_dropped() -> None:
    def training() -> Iterator[None]:
        with profile("host") as prof:
            while True:
                with prof.step():
                    yield

    turns = training()
    next(turns)
    del turns


def test_nothing_of_the_profile_is_kept_alive() -> None:
    import weakref

    with profile("host") as prof, prof.step():
        pass
    track = weakref.ref(prof.track)
    del prof
    gc.collect()
    assert track() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_nothing_is_left_in_a_forked_child() -> None:
    before = len(gc.callbacks)
    with profile("host") as prof, prof.step():
        child = os.fork()
        if child == 0:
            gc.collect()
            os._exit(len(gc.callbacks) - before)
        _, status = os.waitpid(child, 0)
        gc.collect(1)
    assert os.waitstatus_to_exitcode(status) == 0
    assert counted(prof) == {1: 1}


def test_odd_calls_of_the_callback_do_nothing() -> None:
    with profile("host") as prof:
        with prof.step():
            ours: Any = gc.callbacks[-1]
            for words in ((), ("start",), (1, 2), ("start", {}), ("stop", {}), ("start", {}),
                          ("stop", {"generation": "x"}), ("start", {}), ("stop", {"generation": 99}),
                          ("stop", {"generation": 1})):  # fmt: skip
                assert ours(*words) is None
    assert counted(prof) == {}
    assert ours("start", {"generation": 1}) is None
    assert ours.found() == []


CTRL_C = """
import _thread, functools, gc, signal, sys, rnnprof
class Late:
    # Ctrl-C while objects are collected: what is pending then is handled by the next Python function.
    __del__ = staticmethod(functools.partial(_thread.interrupt_main, signal.SIGINT))
def theirs(phase, info): pass
if sys.argv[1:]:
    gc.callbacks.append(theirs)
with rnnprof.profile(None, clock="host", warmup=0) as prof:
    try:
        with prof.step():
            one = Late()
            one.itself = one
            del one
            gc.collect()
        print("lost")
    except KeyboardInterrupt:
        print("came")
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_in_a_collection_is_not_lost() -> None:
    command = [sys.executable, "-c", CTRL_C]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("came\n", "")
    # As it would be with a callback in Python: what the test is about is there.
    done = subprocess.run([*command, "theirs"], capture_output=True, text=True, check=False)
    assert done.stdout == "lost\n"


def test_pauses_of_a_run_are_rows() -> None:
    with profile("host") as prof, prof.step():
        gc.collect(2)
    (pause,) = prof.run.vitals.pauses
    assert pause == Pauses(2, 1, pause.max_ns, pause.max_ns)
