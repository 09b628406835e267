"""torch.profiler on chosen steps: what is in the trace, what is not, and what happens when it cannot."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from marked_loop import loop

import rnnprof
from rnnprof.errors import TraceError, UsageError
from rnnprof.model import Run, walk
from rnnprof.traces import events

STAGES = ("forward", "rnn", "backward", "update")
PREPARE = torch.autograd.profiler.profile.__dict__["_prepare_trace"]


def labels(run: Run, file: Path, number: int = 0) -> list[tuple[str, int]]:
    """The labels of a trace in their order, each with how deep it lies."""
    data = events.read(file.parent / run.traces[number].file)
    found = [one for one in data["traceEvents"] if one.get("cat") == "user_annotation"]
    found = [one for one in found if not one["name"].startswith("autograd::")]
    found.sort(key=lambda one: (one["ts"], -one["dur"]))
    ends: list[float] = []
    deep = []
    for one in found:
        while ends and one["ts"] >= ends[-1]:
            ends.pop()
        deep.append((one["name"], len(ends)))
        ends.append(one["ts"] + one["dur"])
    return deep


def test_three_steps_after_the_warmup_with_their_stages(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    with rnnprof.profile(file, trace=True) as prof:
        loop(prof, 20)
    run = rnnprof.load(file)
    (trace,) = run.traces
    assert (trace.first_step, trace.steps, trace.device) == (5, 3, False)
    assert trace.file == "run.trace/steps-5-7.trace.json.gz"
    assert trace.bytes == (tmp_path / trace.file).stat().st_size
    inside = [("forward", 1), ("rnn", 2), ("backward", 1), ("update", 1)]
    steps = [(f"ProfilerStep#{number}", 0) for number in (5, 6, 7)]
    assert labels(run, file) == [one for step in steps for one in (step, *inside)]
    kinds = run.lanes[1].steps
    assert {kind: steps.series.count for kind, steps in kinds.items()} == {
        "warmup": 4,
        "probe": 1,
        "trace": 3,
        "control": 1,
        "host": 11,
    }
    assert [(stage.path, stage.calls) for stage in trace.stages] == [
        ((), 3),
        (("forward",), 3),
        (("forward", "rnn"), 3),
        (("backward",), 3),
        (("update",), 3),
    ]
    rnn = next(stage for stage in trace.stages if stage.path == ("forward", "rnn"))
    assert {one.name: one.calls for one in rnn.operators}["aten::tanh"] == 3
    assert not run.notes


def test_the_folder_holds_the_copy_for_tensorboard(tmp_path: Path) -> None:
    with rnnprof.profile(tmp_path / "run.json", trace=1) as prof:
        loop(prof, 8)
    names = sorted(file.name for file in (tmp_path / "run.trace").iterdir())
    assert any(name.startswith("rank0.") and name.endswith(".pt.trace.json.gz") for name in names)
    assert not [name for name in names if name.startswith(".")]
    copy = tmp_path / "run.trace" / "run.json"
    assert rnnprof.load(copy) == rnnprof.load(tmp_path / "run.json")


def test_several_windows(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    with rnnprof.profile(file, trace=[2, 3, 9]) as prof:
        loop(prof, 12)
    run = rnnprof.load(file)
    assert [(one.first_step, one.steps) for one in run.traces] == [(2, 2), (9, 1)]
    assert [name for name, _ in labels(run, file, 1)] == ["ProfilerStep#9", *STAGES]


def test_steps_chosen_while_the_loop_runs(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    with rnnprof.profile(file) as prof:
        loop(prof, 30)
        prof.trace_steps(2)
        loop(prof, 30)
    (trace,) = rnnprof.load(file).traces
    assert (trace.first_step, trace.steps) == (30, 2)


def test_the_stage_totals_agree_with_the_breakdown(tmp_path: Path) -> None:
    """Within 10 %, over several windows, so that one that was interrupted hardly counts."""
    file = tmp_path / "run.json"
    with rnnprof.profile(file, warmup=2) as prof:
        for _ in range(5):
            loop(prof, 6, size=300)
            prof.trace_steps(3)
            loop(prof, 3, size=300)
    run = rnnprof.load(file)
    marks = dict(walk(run.lanes[1].steps["trace"].stages))
    for path in (("forward",), ("forward", "rnn"), ("backward",), ("update",)):
        traced = sum(stage.total_ns for one in run.traces for stage in one.stages if stage.path == path)
        assert traced == pytest.approx(marks[path].series.total_ns, rel=0.1)


def test_the_whole_step_agrees_too(tmp_path: Path) -> None:
    """Even where it is short: what rnnprof does around it would be a quarter of it."""
    file = tmp_path / "run.json"
    with rnnprof.profile(file, warmup=2, trace=range(3, 13)) as prof:
        loop(prof, 20, size=8)
    run = rnnprof.load(file)
    marked = run.lanes[1].steps["trace"].series
    assert run.traces[0].total_ns == pytest.approx(marked.total_ns, rel=0.1)


def test_the_options_reach_the_trace(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    options = rnnprof.Tracing(steps=1, record_shapes=True, with_stack=True, profile_memory=True)
    with rnnprof.profile(file, trace=options) as prof:
        loop(prof, 8)
    run = rnnprof.load(file)
    (trace,) = run.traces
    assert (trace.shapes, trace.stack, trace.memory) == (True, True, True)
    data = events.read(tmp_path / trace.file)["traceEvents"]
    assert any("Input Dims" in one.get("args", {}) for one in data)
    assert any(one.get("cat") == "python_function" for one in data)
    assert any(one.get("name") == "[memory]" for one in data)


def test_it_changes_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    plain = loop(rnnprof, 12)
    state = torch.get_rng_state()
    environment = dict(os.environ)
    with rnnprof.profile(tmp_path / "run.json", trace=range(2, 9)) as prof:
        traced = loop(prof, 12)
    assert torch.equal(plain, traced)
    assert torch.equal(state, torch.get_rng_state())
    assert capfd.readouterr() == ("", "")
    assert dict(os.environ) == environment
    assert torch.autograd.profiler.profile.__dict__["_prepare_trace"] is PREPARE
    assert not torch.autograd._profiler_enabled()


# ---- where there is no trace -----------------------------------------------------------------


def test_a_run_that_is_too_short(tmp_path: Path) -> None:
    with pytest.raises(TraceError) as error:
        with rnnprof.profile(tmp_path / "run.json", trace=True) as prof:
            loop(prof, 4)
    assert str(error.value) == (
        "there is no trace: the run ended after 4 steps, and the first to be traced was number 5 (from 0); "
        "the run is saved"
    )
    assert rnnprof.load(tmp_path / "run.json").ended == "finished"


def test_a_run_without_steps(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no step of a training loop was seen"):
        with rnnprof.profile(tmp_path / "run.json", trace=True):
            pass


def test_a_window_that_the_end_of_the_run_cuts_short(tmp_path: Path) -> None:
    with rnnprof.profile(tmp_path / "run.json", trace=True) as prof:
        loop(prof, 7)
    run = rnnprof.load(tmp_path / "run.json")
    assert [(one.first_step, one.steps) for one in run.traces] == [(5, 2)]
    assert run.notes == ({"code": "trace_incomplete", "count": 2, "asked": 3},)


def test_a_program_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TraceError, match="there is no trace: the program does not use torch"):
        with rnnprof.profile(tmp_path / "run.json", trace=1, warmup=0) as prof:
            monkeypatch.delitem(sys.modules, "torch")
            with prof.step(), prof.stage("a"):
                pass
    assert rnnprof.load(tmp_path / "run.json").notes == (
        {"code": "trace_failed", "message": "the program does not use torch"},
    )


def test_a_program_that_runs_torch_profiler_itself(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="the program runs a profiler of torch itself"):
        with rnnprof.profile(tmp_path / "run.json", trace=1, warmup=0) as prof:
            with torch.profiler.profile() as own:
                loop(prof, 2)
    assert any(one.key == "aten::tanh" and one.count == 2 for one in own.key_averages())


def test_a_program_that_starts_torch_profiler_in_the_middle(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="the program started a profiler of torch itself"):
        with rnnprof.profile(tmp_path / "run.json", trace=5, warmup=0) as prof:
            with prof.step(), prof.stage("forward"), torch.profiler.profile() as own:
                torch.tanh(torch.ones(3))
            loop(prof, 6)
    assert [one.count for one in own.key_averages() if one.key == "aten::tanh"] == [1]
    assert torch.autograd.profiler.profile.__dict__["_prepare_trace"] is PREPARE


def test_a_torch_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("no Kineto\nin this build")

    monkeypatch.setattr(torch.profiler, "profile", refuse)
    with pytest.raises(TraceError, match=r"torch\.profiler did not start: no Kineto in this build"):
        with rnnprof.profile(tmp_path / "run.json", trace=1, warmup=0) as prof:
            loop(prof, 2)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "run.trace").write_text("a file, where the folder should be")
    with pytest.raises(TraceError, match="the trace could not be written"):
        with rnnprof.profile(tmp_path / "run.json", trace=1, warmup=0) as prof:
            loop(prof, 2)
    assert (tmp_path / "run.trace").read_text().startswith("a file")


def test_the_programs_own_error_matters_more(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        with rnnprof.profile(tmp_path / "run.json", trace=3, warmup=0) as prof:
            loop(prof, 2)
            with prof.step(), prof.stage("forward"):
                raise ZeroDivisionError
    run = rnnprof.load(tmp_path / "run.json")
    assert [(one.first_step, one.steps) for one in run.traces] == [(0, 2)]
    assert run.traces[0].stages[0].path == ()
    assert run.traces[0].stages[1].calls == 2


def test_without_a_path_there_is_nowhere_to_write() -> None:
    with pytest.raises(UsageError, match="traces are files beside the run file: give the profile a path"):
        rnnprof.profile(None, trace=True)
    with pytest.raises(UsageError, match="trace_steps is for a profile that records: open it first"):
        rnnprof.profile(None).trace_steps()
    with rnnprof.profile(None) as prof:
        with pytest.raises(UsageError, match="give the profile a path"):
            prof.trace_steps()


def test_the_public_label_where_the_cheap_one_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(torch._C._profiler, "_RecordFunctionFast")
    file = tmp_path / "run.json"
    with rnnprof.profile(file, trace=1, warmup=0) as prof:
        loop(prof, 2)
    run = rnnprof.load(file)
    assert [name for name, _ in labels(run, file)] == ["ProfilerStep#0", *STAGES]


def test_a_stage_named_like_an_operator(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    with rnnprof.profile(file, trace=1, warmup=0) as prof:
        with prof.step():
            with prof.stage("aten::tanh"):
                torch.tanh(torch.tanh(torch.ones(3)))
    (trace,) = rnnprof.load(file).traces
    assert [(stage.path, stage.calls) for stage in trace.stages] == [((), 1), (("aten::tanh",), 1)]
    assert {one.name: one.calls for one in trace.stages[1].operators}["aten::tanh"] == 2


def test_a_loop_that_ends_within_the_window(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    with rnnprof.profile(file, trace=range(2, 7)) as prof:
        for _ in range(3):
            for _ in prof.steps(range(3)):
                with prof.stage("forward"):
                    torch.tanh(torch.zeros(2))
    (trace,) = rnnprof.load(file).traces
    assert (trace.first_step, trace.steps) == (2, 5)
    forward = next(stage for stage in trace.stages if stage.path == ("forward",))
    assert forward.calls == 5
    assert {one.name: one.calls for one in forward.operators}["aten::tanh"] == 5
