"""Traces where something goes wrong beside them, or where more is asked for than there may be."""

from __future__ import annotations

import contextlib
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

import rnnprof
from rnnprof.analysis.notes import saved_notes
from rnnprof.errors import TraceError, UsageError
from rnnprof.recorder.watched import MOST_STEPS
from rnnprof.traces import events, scalars
from rnnprof.traces.torch_trace import TorchTrace


def loop(prof: Any, steps: int) -> None:
    for _ in range(steps):
        with prof.step(), prof.stage("forward"):
            torch.tanh(torch.ones(3))


class _BrokenLabel:
    """A label that fails where it is told to."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __call__(self, name: str) -> _BrokenLabel:
        self._fail("made")
        return self

    def __enter__(self) -> None:
        self._fail("opened")

    def __exit__(self, *error: object) -> None:
        self._fail("closed")

    def _fail(self, where: str) -> None:
        if where == self._where:
            raise RuntimeError("no\nlabel")


@pytest.mark.parametrize("where", ["made", "opened", "closed"])
def test_a_label_that_fails_does_not_reach_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    broken = _BrokenLabel(where)
    monkeypatch.setattr("rnnprof.traces.labelled.cheapest_label", lambda torch: broken)
    file = tmp_path / "run.json"
    with rnnprof.profile(file, trace=1, warmup=0) as prof:
        loop(prof, 3)
    run = rnnprof.load(file)
    how = "closed" if where == "closed" else "opened"
    assert run.notes == ({"code": "trace_failed", "message": f"a label could not be {how}: no label"},)
    train = run.lane("train")
    assert train is not None
    assert {kind: steps.wall.count for kind, steps in train.steps.items() if kind != "control"} == {
        "trace": 1,
        "host": 2 - train.steps["control"].wall.count if "control" in train.steps else 2,
    }


def test_a_profiler_that_cannot_be_stopped_does_not_keep_the_program_from_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = TorchTrace._stop

    def fail(self: TorchTrace) -> None:
        stop(self)
        raise RuntimeError("it will not stop")

    monkeypatch.setattr(TorchTrace, "_stop", fail)
    with pytest.raises(TraceError, match="the program started a profiler of torch itself"):
        with rnnprof.profile(tmp_path / "run.json", trace=1, warmup=0) as prof:
            with prof.step(), torch.profiler.profile() as own:
                torch.tanh(torch.ones(3))
    assert [one.count for one in own.key_averages() if one.key == "aten::tanh"] == [1]


@pytest.mark.parametrize(
    "name", ['a "b"', "a\\b", "a\nb\t", "rückwärts", "日本", "\x1b[2J\u202e", "ProfilerStep#9", "rnnprof/0"]
)
def test_whatever_a_stage_is_called_it_is_in_the_trace(tmp_path: Path, name: str) -> None:
    file = tmp_path / "run.json"
    with rnnprof.profile(file, trace=1, warmup=0) as prof:
        with prof.step(), prof.stage(name), torch.profiler.record_function("of the program's"):
            torch.tanh(torch.ones(3))
    (trace,) = rnnprof.load(file).traces
    assert [(stage.path, stage.calls) for stage in trace.stages] == [((), 1), ((name,), 1)]
    assert {one.name: one.calls for one in trace.stages[1].operators}["aten::tanh"] == 1
    labels = [
        event["name"]
        for event in events.read(tmp_path / trace.file)["traceEvents"]
        if event.get("cat") == "user_annotation"
    ]
    assert labels == ["ProfilerStep#0", name, "of the program's"]


@pytest.mark.parametrize("way", ["emit_itt", "legacy"])
def test_other_profilers_of_torch_that_start_while_steps_are_traced(tmp_path: Path, way: str) -> None:
    from torch.autograd import profiler_legacy

    own = torch.autograd.profiler.emit_itt if way == "emit_itt" else profiler_legacy.profile
    before = [vars(torch.autograd.profiler)["_run_on_profiler_start"], profiler_legacy.profile.__enter__]
    with pytest.raises(TraceError, match="the program started a profiler of torch itself"):
        with rnnprof.profile(tmp_path / "run.json", trace=3, warmup=0) as prof:
            with prof.step(), prof.stage("forward"), own():
                torch.tanh(torch.ones(3))
            loop(prof, 4)
    assert not torch.autograd._profiler_enabled()
    assert before == [
        vars(torch.autograd.profiler)["_run_on_profiler_start"],
        profiler_legacy.profile.__enter__,
    ]


@pytest.mark.parametrize("ready", [2, 6])
def test_a_profiler_of_the_programs_that_is_prepared_while_steps_are_traced(
    tmp_path: Path, ready: int
) -> None:
    """torch crashes where one begins that another one has undone meanwhile."""
    schedule = torch.profiler.schedule(wait=0, warmup=ready, active=2, repeat=1)
    file = tmp_path / "run.json"
    with contextlib.suppress(TraceError):
        with (
            rnnprof.profile(file, trace=3, warmup=1) as prof,
            torch.profiler.profile(schedule=schedule) as own,
        ):
            for _ in range(10):
                loop(prof, 1)
                own.step()
    assert [one.count for one in own.key_averages() if one.key == "aten::tanh"] == [2]
    steps = [one.steps for one in rnnprof.load(file).traces]
    # Before torch 2.13 a prepared one already keeps others from starting.
    assert steps == [] or (ready, steps) == (6, [3])
    assert not torch.autograd._profiler_enabled()


def test_training_in_another_thread_has_no_trace(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="only the thread that opened the profile is traced"):
        with rnnprof.profile(tmp_path / "run.json", trace=1, warmup=0):
            thread = threading.Thread(target=loop, args=(rnnprof, 3))
            thread.start()
            thread.join()


def test_what_is_evaluated_between_two_traced_steps_is_in_no_trace(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    with rnnprof.profile(file, trace=3, warmup=0) as prof:
        loop(prof, 2)
        with prof.lane("evaluate"):
            assert not torch.autograd._profiler_enabled()
            torch.relu(torch.ones(3))
        loop(prof, 4)
    run = rnnprof.load(file)
    assert [(one.first_step, one.steps) for one in run.traces] == [(0, 2), (2, 1)]
    for trace in run.traces:
        names = {one.get("name") for one in events.read(tmp_path / trace.file)["traceEvents"]}
        assert "aten::tanh" in names
        assert "aten::relu" not in names
    assert not run.notes


def test_a_lane_inside_a_traced_step_does_not_end_its_window(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    with rnnprof.profile(file, trace=2, warmup=0) as prof:
        for _ in range(3):
            with prof.step(), prof.lane("evaluate"):
                torch.relu(torch.ones(3))
    assert [(one.first_step, one.steps) for one in rnnprof.load(file).traces] == [(0, 2)]


# ---- how many --------------------------------------------------------------------------------


def test_steps_that_are_asked_for_twice_are_asked_for_once(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    with rnnprof.profile(file, trace=[1], warmup=0, control_every=0) as prof:
        prof.trace_steps(2)
        loop(prof, 1)
        prof.trace_steps(2)
        loop(prof, 5)
    run = rnnprof.load(file)
    assert [(one.first_step, one.steps) for one in run.traces] == [(0, 3)]
    assert not run.notes


def test_a_run_has_no_more_than_so_many_traced_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnprof.traces.capturing.MOST_STEPS", 5)
    monkeypatch.setattr("rnnprof.traces.reasons.MOST_STEPS", 5)
    file = tmp_path / "run.json"
    with rnnprof.profile(file, warmup=0, control_every=0) as prof:
        for _ in range(4):
            prof.trace_steps(2)
            loop(prof, 3)
    run = rnnprof.load(file)
    assert [(one.first_step, one.steps) for one in run.traces] == [(0, 2), (3, 2), (6, 1)]
    assert run.notes == ({"code": "trace_limit", "limit": 5, "count": 3},)
    assert "No more than 5 steps of a run are traced: 3 more were asked for." in saved_notes(run)


@pytest.mark.parametrize("steps", [MOST_STEPS + 1, range(10**12), [*range(MOST_STEPS), -1]])
def test_more_steps_than_a_viewer_can_open(tmp_path: Path, steps: Any) -> None:
    with pytest.raises(UsageError, match=f"more than {MOST_STEPS} steps to trace: a viewer cannot open that"):
        rnnprof.profile(tmp_path / "run.json", trace=rnnprof.Tracing(steps=steps))


# ---- at the end ------------------------------------------------------------------------------


def test_statistics_that_cannot_be_written_do_not_cost_the_run(tmp_path: Path) -> None:
    (tmp_path / "run.prof").mkdir()
    file = tmp_path / "run.json"
    with rnnprof.profile(file, cprofile=True, warmup=0) as prof:
        loop(prof, 3)
    run = rnnprof.load(file)
    assert run.ended == "finished"
    assert [note["code"] for note in run.notes] == ["cprofile_lost"]
    lost = "cProfile's statistics could not be written: cannot write "
    assert [line for line in saved_notes(run) if line.startswith(lost)]
    assert run.functions is not None
    assert run.functions.loop


def test_statistics_of_ones_own_stay_where_cprofile_is_not_asked_for(tmp_path: Path) -> None:
    own = tmp_path / "run.prof"
    own.write_text("made with python -m cProfile -o run.prof")
    with rnnprof.profile(tmp_path / "run.json", trace=1, warmup=0) as prof:
        loop(prof, 2)
    assert own.exists()


def test_a_folder_that_cannot_be_completed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("odd run")

    monkeypatch.setattr(scalars, "write", fail)
    with pytest.raises(TraceError, match="the folder of the traces is not complete: odd run"):
        with rnnprof.profile(tmp_path / "run.json", trace=1, warmup=0) as prof:
            loop(prof, 2)
    assert rnnprof.load(tmp_path / "run.json").ended == "finished"


def test_a_program_that_emptied_its_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [])
    with rnnprof.profile(tmp_path / "run.json", trace=1, warmup=0) as prof:
        loop(prof, 2)
    named = [
        event["args"]["name"]
        for event in events.read(tmp_path / "run.trace" / "stages.trace.json.gz")["traceEvents"]
        if event["name"] == "process_name"
    ]
    assert named == ["rnnprof"]


def test_ctrl_c_while_torch_profiler_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = torch.profiler.profile.start

    def interrupted(self: Any) -> None:
        start(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(torch.profiler.profile, "start", interrupted)
    with contextlib.suppress(KeyboardInterrupt):
        with rnnprof.profile(tmp_path / "run.json", trace=1, warmup=0) as prof:
            loop(prof, 2)
    assert not torch.autograd._profiler_enabled()
    assert rnnprof.load(tmp_path / "run.json").ended == "KeyboardInterrupt"
