"""A probed step that does not come to its end, and what is left behind: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import rnnprof
from rnnprof.errors import NestingError
from rnnprof.traces.kineto import quiet
from rnnprof.traces.probe import watch
from rnnprof.traces.probe.hush import Hush
from rnnprof.traces.probe.plain import PlainProfiler
from rnnprof.unwarned import unwarned


def traced() -> bool:
    """Whether a profiler of torch's runs."""
    return bool(torch.autograd._profiler_enabled())


def work() -> None:
    torch.tanh(torch.ones(8, 8)).sum().item()


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    def now() -> list[Any]:
        # Of pytest, and of what torch's profiler imports, which adds filters of its own as well.
        others = {"PYTEST_CURRENT_TEST", "TORCHINDUCTOR_CACHE_DIR"}
        settings = {name: value for name, value in os.environ.items() if name not in others}
        everything = warnings.filters.count(("ignore", None, Warning, None, 0))
        return [dict(vars(torch.Tensor)), torch.tensor, torch.nonzero, settings, everything]

    before = now()
    level = Hush(torch)._level
    value = None if level is None else level.value
    yield
    assert not traced()
    for one, other in zip(now(), before, strict=True):
        assert one == other
    assert level is None or level.value == value


def one_step(**options: Any) -> Any:
    """A profile of which the first step is probed."""
    return rnnprof.profile(None, probe=True, warmup=1, control_every=0, **options)


def test_a_profile_that_ends_in_the_probed_step() -> None:
    prof = one_step().start()
    with prof.step(), prof.stage("forward"):
        work()
        with pytest.raises(NestingError, match="'forward' and 'step' was still open"):
            prof.stop()
        assert not traced()
    assert prof.run.probe is None
    assert [note["code"] for note in prof.run.notes if note["code"] == "probe_failed"] == ["probe_failed"]


def test_a_loop_that_is_left_open_in_the_probed_step() -> None:
    prof = one_step().start()
    turns = prof.steps(range(3))
    next(turns)
    work()
    with pytest.raises(NestingError, match="'step' was still open"):
        prof.stop()
    assert prof.run.probe is None


@pytest.mark.parametrize("method", ["open", "begin", "enter", "leave", "close"])
def test_ctrl_c_while_it_looks(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """The program catches it and goes on: it is watched no more."""
    original = getattr(watch.ProbeTrace, method)
    interrupts = [True]

    def interrupted(self: Any, *given: Any) -> None:
        original(self, *given)
        if interrupts:
            interrupts.pop()
            raise KeyboardInterrupt

    monkeypatch.setattr(watch.ProbeTrace, method, interrupted)
    item = torch.Tensor.item
    with one_step() as prof:
        with pytest.raises(KeyboardInterrupt), prof.step(), prof.stage("forward"):
            work()
        assert not traced()
        assert torch.Tensor.item is item
        for _ in range(3):
            with prof.step(), prof.stage("forward"):
                work()
    assert prof.run.lane("train").steps["host"].wall.count == 3


def test_ctrl_c_at_the_end_costs_no_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(watch, "measured_peaks", interrupted)
    with pytest.raises(KeyboardInterrupt), rnnprof.profile(tmp_path / "run.json", probe="peaks") as prof:
        for _ in range(6):
            with prof.step():
                work()
    run = rnnprof.load(tmp_path / "run.json")
    assert (run.ended, run.probe is not None) == ("finished", True)


def test_a_lane_between_a_turn_that_was_none_and_the_next_is_not_watched() -> None:
    """The loop's end is met where the probed step was to be; the next epoch's first step is probed."""
    with rnnprof.profile(None, probe=True, warmup=4, control_every=0) as prof:
        for _ in range(3):
            for _ in prof.steps(range(2)):
                work()
            with prof.lane("evaluate"):
                assert not traced()
                work()
    assert prof.run.probe is not None
    assert prof.run.probe.step == 2
    assert [one.path for one in prof.run.probe.stages] == [(), ("get_batch",)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("options", [{"probe": True}, {"probe": False, "trace": range(1)}])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_is_forked_in_the_step_is_not_watched(tmp_path: Path, options: dict[str, Any]) -> None:
    item = torch.Tensor.item
    level = Hush(torch)._level
    before = None if level is None else level.value
    with rnnprof.profile(tmp_path / "run.json", warmup=1, control_every=0, **options) as prof:
        with prof.step(), prof.stage("forward"):
            assert traced()
            child = os.fork()
            if not child:
                # Whatever happens, the child ends here.
                signal.alarm(30)
                unwatched = not traced() and torch.Tensor.item is item
                os._exit(0 if unwatched and (level is None or level.value == before) else 1)
            assert os.waitpid(child, 0)[1] == 0
            assert traced()
            work()
    run = rnnprof.load(tmp_path / "run.json")
    assert (run.probe is not None, len(run.traces)) == ((True, 0) if options["probe"] else (False, 1))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_that_is_forked_in_the_step_and_ends_as_programs_do(tmp_path: Path) -> None:
    """Once torch's profiler has run it would hang: so the probe does without, unless it is asked for."""
    program = tmp_path / "main.py"
    program.write_text(
        "import os, sys, torch, rnnprof\n"
        "with rnnprof.profile('run.json', warmup=1, control_every=0) as prof:\n"
        "    for i in range(3):\n"
        "        with prof.step(), prof.stage('forward'):\n"
        "            torch.ones(9).tanh().sum().item()\n"
        "            if i == 0:\n"
        "                child = os.fork()\n"
        "                if not child:\n"
        "                    torch.ones(9).tanh().sum().item()\n"
        "                    sys.exit(3)\n"
        "                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3\n"
        "print('done')\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "main.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    run = rnnprof.load(tmp_path / "run.json")
    assert run.probe is not None
    assert not run.notes


@pytest.mark.parametrize(
    ("limit", "why"),
    [
        (
            "MOST_BYTES",
            "the trace could not be written: too many operators: its trace of 0 MB would take too",
        ),
        ("MOST_GROWTH", "the step took too much memory under torch's profiler: too many"),
    ],
)
def test_a_step_that_is_too_large_to_look_at(monkeypatch: pytest.MonkeyPatch, limit: str, why: str) -> None:
    monkeypatch.setattr(watch, limit, -1)
    with one_step() as prof, prof.step(), prof.stage("forward"):
        work()
        torch.ones(1).item()
    (note,) = prof.run.notes
    assert note["code"] == "probe_failed"
    assert note["message"].startswith(why)
    probe = prof.run.probe
    # What was seen without the trace is kept.
    assert probe is not None
    assert [(wait.way, wait.count) for wait in probe.waits] == [("item", 1), ("item", 1)]
    assert [stage.path for stage in probe.stages] == [(), ("forward",)]
    assert probe.total_ns == probe.stages[0].total_ns > probe.stages[1].total_ns
    assert not probe.work
    assert {one.place for one in probe.memory} <= {"resident"}


def test_a_child_of_a_program_that_uses_cuda_ends_no_profiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ending it may call the driver: its labels and operators are switched off instead."""
    calls = []
    with one_step() as prof:
        with prof.step():
            monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
            monkeypatch.setattr(torch.autograd, "_enable_record_function", calls.append)
            probe = prof._captures._probe
            profiler = probe._profiler
            probe.disown()
            probe.disown()
            monkeypatch.undo()
            assert calls == [False]
            assert traced()
            probe._profiler = profiler
        assert not traced()
    assert prof.run.probe is not None


def test_a_profiler_that_does_not_start_leaves_the_level_of_torchs_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuses(self: Any) -> None:
        raise RuntimeError("no")

    profiler = PlainProfiler(torch)
    level = profiler._hush._level
    before = None if level is None else level.value
    monkeypatch.setattr(type(profiler._profiler), "__enter__", refuses)
    with pytest.raises(RuntimeError, match="no"):
        profiler.start()
    assert level is None or level.value == before


def test_a_device_that_cannot_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise RuntimeError("the driver is too old")

    monkeypatch.setattr(watch, "find_device", fails)
    with one_step() as prof:
        for _ in range(2):
            with prof.step():
                work()
    (note,) = [note for note in prof.run.notes if note["code"] == "probe_failed"]
    assert note["message"] == "the device could not be found: the driver is too old"


def warn() -> None:
    warnings.warn("again and again", UserWarning, stacklevel=2)


@pytest.mark.parametrize("options", [{}, {"trace": range(6, 8)}])
def test_what_the_program_was_warned_of_is_not_shown_again(tmp_path: Path, options: dict[str, Any]) -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        with rnnprof.profile(tmp_path / "run.json", control_every=0, **options) as prof:
            for _ in range(12):
                with prof.step():
                    warn()
                    work()
    assert [str(one.message) for one in shown] == ["again and again"]


def test_no_warning_is_shown_meanwhile() -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        with unwarned(), quiet(), unwarned():
            warn()
        assert warnings.filters == before
        warn()
    assert len(shown) == 1


def test_lanes_inside_the_probed_step_do_not_end_it() -> None:
    with one_step() as prof, prof.step():
        with prof.lane("evaluate"), prof.lane("deep"):
            work()
        work()
    assert prof.run.probe is not None
    assert not prof.run.notes
