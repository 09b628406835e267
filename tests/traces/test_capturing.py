"""Traces and cProfile together, and with the rest of a profile."""

from __future__ import annotations

import os
import pstats
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import rnnprof
from rnnprof.errors import UsageError
from rnnprof.model import Run


def work(number: int) -> int:
    return sum(range(number))


def loop(prof: Any, steps: int) -> None:
    for _ in range(steps):
        with prof.step():
            with prof.stage("forward"):
                work(50)
            with prof.stage("backward"):
                torch.ones(2, requires_grad=True).sum().backward()


def kinds(run: Run) -> dict[str, int]:
    train = run.lane("train")
    assert train is not None
    return {kind: steps.wall.count for kind, steps in train.steps.items()}


def test_one_run_gives_stages_functions_and_operators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However busy the machine is, no step is left out to save time.
    monkeypatch.setattr("rnnprof.traces.function_stages.MOST_NS", 1 << 60)
    file = tmp_path / "run.json"
    with rnnprof.profile(file, cprofile=True, trace=2, control_every=0) as prof:
        loop(prof, 60)
    run = rnnprof.load(file)
    assert kinds(run) == {"warmup": 4, "probe": 1, "trace": 2, "cprofile": 8, "host": 45}
    functions = run.functions
    assert functions is not None
    assert (functions.file, functions.loop_file, functions.steps) == ("run.prof", "run.loop.prof", 8)
    forward = next(stage for stage in functions.stages if stage.path == ("forward",))
    called = {function.name: function.calls for function in forward.functions}
    assert called["work"] == 8
    assert [one.first_step for one in run.traces] == [5]
    for name in (functions.file, functions.loop_file):
        counted: Any = pstats.Stats(str(tmp_path / name))
        calls = {key[2]: value[1] for key, value in counted.stats.items()}
        assert calls["work"] == 60
    copy = rnnprof.load(tmp_path / "run.trace" / "run.json")
    assert copy == run


def test_the_work_of_tracing_is_not_among_the_functions(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    with rnnprof.profile(file, cprofile=True, trace=2) as prof:
        loop(prof, 30)
    functions = rnnprof.load(file).functions
    assert functions is not None
    counted: Any = pstats.Stats(str(tmp_path / "run.loop.prof"))
    names = {key[2] for key in counted.stats}
    assert "work" in names
    assert {"summarise", "export_chrome_trace", "raw_decode"} & names == set()
    whole: Any = pstats.Stats(str(tmp_path / "run.prof"))
    assert {"summarise", "work"} <= {key[2] for key in whole.stats}


def test_cprofile_alone_needs_no_torch_steps(tmp_path: Path) -> None:
    with rnnprof.profile(tmp_path / "run.json", cprofile=True, warmup=0, control_every=0) as prof:
        loop(prof, 3)
    run = rnnprof.load(tmp_path / "run.json")
    assert kinds(run) == {"cprofile": 1, "host": 2}
    assert not (tmp_path / "run.trace").exists()


def test_statistics_of_a_run_without_steps(tmp_path: Path) -> None:
    with rnnprof.profile(tmp_path / "run.json", cprofile=True):
        work(3)
    functions = rnnprof.load(tmp_path / "run.json").functions
    assert functions is not None
    assert "work" in [one.name for one in functions.setup]
    assert (functions.loop, functions.loop_ns) == ((), 0)


def test_cprofile_without_a_path() -> None:
    with pytest.raises(UsageError, match="cProfile's statistics are files beside the run file"):
        rnnprof.profile(None, cprofile=True)


def test_where_cprofile_cannot_start_nothing_is_left_open(tmp_path: Path) -> None:
    import cProfile

    own = cProfile.Profile()
    own.enable()
    try:
        with pytest.raises(UsageError, match="another profiler is active"):
            rnnprof.profile(tmp_path / "run.json", cprofile=True).start()
    finally:
        own.disable()
    with rnnprof.profile(None):
        pass


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="cProfile and torch's stacks do not meet there")
def test_stacks_and_cprofile_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="with_stack and cProfile exclude each other"):
        rnnprof.profile(tmp_path / "run.json", cprofile=True, trace=rnnprof.Tracing(with_stack=True))


def test_a_second_run_of_the_same_name_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    with rnnprof.profile(file, trace=[3, 9], cprofile=True) as prof:
        loop(prof, 12)
    with rnnprof.profile(file, trace=[4]) as prof:
        loop(prof, 12)
    assert rnnprof.load(file).functions is None
    traces = [
        one.name for one in (tmp_path / "run.trace").iterdir() if one.name.startswith(("steps", "rank"))
    ]
    assert len(traces) == 2
    assert "steps-4-4.trace.json.gz" in traces


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_writes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    with rnnprof.profile(file, trace=3, cprofile=True) as prof:
        loop(prof, 6)
        child = os.fork()
        if child == 0:
            work(10)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        loop(prof, 6)
    run = rnnprof.load(file)
    assert [one.steps for one in run.traces] == [3]


def test_ranks_write_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        with rnnprof.profile(tmp_path / "run.json", trace=1, cprofile=True) as prof:
            loop(prof, 8)
    names = {one.name for one in (tmp_path / "run.trace").iterdir()}
    assert {"run.rank0.json", "run.rank1.json", "steps-5-5.rank0.trace.json.gz"} <= names
    assert sum(name.startswith("rank1.") for name in names) == 1
    assert (tmp_path / "run.rank1.prof").exists()


def test_the_stages_alone_need_no_torch(tmp_path: Path) -> None:
    with rnnprof.profile(tmp_path / "run.json", trace=0) as prof:
        loop(prof, 9)
    names = {one.name for one in (tmp_path / "run.trace").iterdir()}
    assert "stages.trace.json.gz" in names
    assert not [name for name in names if name.startswith(("steps", "rank"))]
    run = rnnprof.load(tmp_path / "run.json")
    assert (run.traces, run.notes) == ((), ())
    assert "trace" not in kinds(run)


def test_nothing_to_trace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="0 steps to trace, and no stages: there is nothing to write"):
        rnnprof.profile(tmp_path / "run.json", trace=rnnprof.Tracing(steps=0, stages=False))
    with rnnprof.profile(tmp_path / "run.json") as prof:
        with pytest.raises(UsageError, match="0 steps to trace: give 1 or more"):
            prof.trace_steps(0)


def test_a_killed_run_keeps_its_functions(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    with rnnprof.profile(file, cprofile=True, save_every=1e-9) as prof:
        loop(prof, 12)
        # What a kill would leave.
        functions = rnnprof.load(file).functions
    assert functions is not None
    assert functions.file == ""
    assert any("run_backward" in one.name for one in functions.loop)
