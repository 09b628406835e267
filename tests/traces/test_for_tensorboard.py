"""The copy for torch-tb-profiler, read by the plugin itself."""

from __future__ import annotations

import copy
import json
import logging
import re
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from trace_builder import CUDA_PATHS, TraceBuilder, cuda_training

from rnnprof.traces import events
from rnnprof.traces.for_tensorboard import fit
from rnnprof.traces.operators import Summary, summarise

VIEWS = ["Overview", "Operator", "Trace", "Memory", "Module"]


def plugin(data: dict[str, Any], folder: Path, worker: str = "rank0") -> tuple[Any, Any]:
    """Have the plugin read a copy; its parsed data and what its views are given."""
    loaded = pytest.importorskip("torch_tb_profiler.profiler.data")
    generator = pytest.importorskip("torch_tb_profiler.profiler.run_generator")
    file = folder / f"{worker}.1700000000000.pt.trace.json.gz"
    events.write(file, data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas deprecates what the plugin calls
        parsed = loaded.RunProfileData.parse(worker, 1, str(file), str(folder))
        profile = generator.RunGenerator(worker, 1, parsed).generate_run_profile()
    assert parsed.trace_file_path == str(file), "the plugin had to write the trace anew"
    return parsed, profile


def host_microseconds(summary: Summary) -> dict[str, tuple[int, int]]:
    """Calls and total time of each name of a stage, as the Operator view rounds it."""
    calls: dict[str, int] = defaultdict(int)
    total: dict[str, int] = defaultdict(int)
    for stage in summary.stages[1:]:
        calls[stage.path[-1]] += stage.calls
        total[stage.path[-1]] += stage.total_ns
    return {name: (calls[name], round(total[name] / 1000)) for name in calls}


def listed(profile: Any, names: set[str]) -> dict[str, tuple[int, int]]:
    """The same from the Operator view's table."""
    rows = profile.operation_table_by_name["data"]
    assert all(row["host_self_duration"] >= 0 for row in rows)
    return {row["name"]: (row["calls"], row["host_total_duration"]) for row in rows if row["name"] in names}


@pytest.fixture(autouse=True)
def _the_plugin_complains_of_nothing(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.WARNING)
    yield
    assert [record.getMessage() for record in caplog.get_records("call")] == []


def test_a_real_trace_with_everything_in_it(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from real_trace import PATHS, record

    file = record(torch, tmp_path / "raw.json", steps=3, shapes=True, everything=True)
    data = events.read(file)
    summary = summarise(data, PATHS, [0, 1, 2])
    parsed, profile = plugin(fit(data, PATHS, [0, 1, 2]), tmp_path)
    assert [view.display_name for view in profile.views] == VIEWS
    expected = host_microseconds(summary)
    assert set(expected) == {"forward", "rnn", "decoder", "loss", "backward", "update"}
    assert listed(profile, set(expected)) == expected
    assert parsed.steps_names == ["0", "1", "2"]
    assert [row[0] for row in profile.overview["steps"]["rows"]] == ["0", "1", "2"]
    assert {stats.name for stats in profile.module_stats} >= {"LSTM_0", "Linear_0"}
    assert profile.memory_snapshot.memory_records
    assert profile.get_memory_stats()["rows"]


def test_cheap_labels_without_shapes(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from real_trace import PATHS, record

    data = events.read(record(torch, tmp_path / "raw.json", steps=2))
    expected = host_microseconds(summarise(data, PATHS, [0, 1]))
    _, profile = plugin(fit(data, PATHS, [0, 1]), tmp_path)
    assert listed(profile, set(expected)) == expected


def test_a_device(tmp_path: Path) -> None:
    trace = cuda_training(3)
    for number in range(3):
        # Kineto draws labels on the device's rows too; the plugin would count each step twice.
        trace.label(f"ProfilerStep#{number}", number * 1000 + 100, number * 1000 + 920, tid=7).update(
            cat="gpu_user_annotation", pid=0
        )
    data = trace.data(deviceProperties=[{"id": 0, "name": "Device", "computeMajor": 9, "computeMinor": 0}])
    summary = summarise(data, CUDA_PATHS, [0, 1, 2])
    parsed, profile = plugin(fit(data, CUDA_PATHS, [0, 1, 2]), tmp_path)
    assert [view.display_name for view in profile.views] == ["Overview", "Operator", "Kernel", "Trace"]
    assert parsed.steps_names == ["0", "1", "2"]
    assert parsed.has_runtime
    expected = host_microseconds(summary)
    assert listed(profile, set(expected)) == expected
    rows = {row["name"]: row for row in profile.operation_table_by_name["data"]}
    operators = {operator.name: operator for stage in summary.stages for operator in stage.operators}
    for name in ("aten::_cudnn_rnn", "CudnnRnnBackward0", "aten::add_"):
        assert rows[name]["device_self_duration"] * 1000 == operators[name].device_ns
    kernels = {row[0]: row[2] for row in profile.kernel_table["data"]["rows"]}
    assert kernels == {"rnn_forward": 3, "rnn_backward": 3, "add": 3}


def test_a_step_that_failed_is_in_no_average(tmp_path: Path) -> None:
    trace = TraceBuilder()
    for number in range(3):
        at = number * 100
        trace.step(number, at, at + 90)
        trace.label("forward", at + 10, at + 50)
        trace.op("aten::mm", at + 20, at + 30)
    trace.label("ProfilerStep#mine", 300, 310)
    data = trace.data()
    parsed, profile = plugin(fit(data, [("forward",)], [0, 2]), tmp_path)
    assert parsed.steps_names == ["0", "2"]
    assert listed(profile, {"forward"}) == {"forward": (2, 80)}
    names = [event["name"] for event in fit(data, [("forward",)], [0, 2])["traceEvents"]]
    assert [name for name in names if name.startswith("Profiler")] == [
        "ProfilerStep#0",
        "ProfilerStep 1",
        "ProfilerStep#2",
        "ProfilerStep mine",
    ]


@pytest.mark.parametrize("name", ["aten::mm", '<img src=x onerror="1">', "ünï\u202e", "a###b"])
def test_a_stage_of_any_name(tmp_path: Path, name: str) -> None:
    trace = TraceBuilder()
    trace.step(0, 0, 100)
    trace.label(name, 10, 60)
    trace.op("aten::add", 20, 30)
    _, profile = plugin(fit(trace.data(), [(name,)], [0]), tmp_path)
    assert listed(profile, {name}) == {name: (1, 50)}


def test_what_the_plugin_stops_at(tmp_path: Path) -> None:
    trace = TraceBuilder()
    trace.step(0, 0, 100)
    good = trace.op("aten::mm", 20, 30)
    odd: list[Any] = [None, 7, {}, {"ph": "M", "name": None}, {"ph": "i", "name": "[memory]"}]
    odd += [{key: value for key, value in good.items() if key != missing} for missing in good]
    odd += [{**good, "cat": 5}, {**good, "tid": "thread"}, {**good, "dur": None}, {**good, "dur": -1}]
    odd += [{"ph": "i", "name": "Record Window End", "ts": 10**12, "pid": "", "tid": ""}]
    odd += [{"ph": "i", "name": "Iteration Start: PyTorch Profiler", "ts": 0, "pid": "T", "tid": "T"}]
    odd += [{**good, "cat": "cuda_runtime", "args": None}]
    data = {"traceEvents": [*odd, *trace.events]}
    before = copy.deepcopy(data)
    fitted = fit(data, [], [0])
    assert data == before
    parsed, _ = plugin(fitted, tmp_path)
    assert parsed.steps_names == ["0"]


def test_what_need_not_change_is_as_it_was() -> None:
    data = cuda_training(1).data(distributedInfo={"rank": 3}, with_stack=1)
    data["traceEvents"].append({"ph": "s", "id": 1, "ts": 5, "cat": "fwdbwd", "name": "fwdbwd"})
    fitted = fit(data, CUDA_PATHS, [0])
    assert {key: value for key, value in fitted.items() if key != "traceEvents"} == {
        key: value for key, value in data.items() if key != "traceEvents"
    }
    changed = {
        (old["cat"], new["cat"], old["name"] == new["name"])
        for old, new in zip(data["traceEvents"], fitted["traceEvents"], strict=True)
        if old != new
    }
    assert changed == {("user_annotation", "cpu_op", True), ("cuda_runtime", "runtime", True)}
    json.dumps(fitted)


# ---- the Distributed view -----------------------------------------------------------------------


def rank_trace(rank: int, record_shapes: bool = True) -> dict[str, Any]:
    """Two steps of one of two ranks, gloo's operations on threads of their own."""
    trace = TraceBuilder()
    for number in range(2):
        at = number * 1000
        trace.step(number, at, at + 1000)
        trace.label("backward", at + 100, at + 900)
        trace.op("aten::mm", at + 110, at + 400)
        reduce = trace.label("gloo:all_reduce", at + 300 + 50 * rank, at + 500, tid=500)
        gather = trace.label("gloo:all_gather", at + 600, at + 650, tid=501)
        if record_shapes:
            reduce["args"] |= {"Input Dims": [[8, 4]], "Input type": ["float"]}
            gather["args"] |= {"Input Dims": [[[2, 3], [4]], []], "Input type": ["float", ""]}
        else:
            reduce["args"] |= {"Input Dims": [[8, 4]]}
    trace.label("gloo:broadcast", 2500, 2600, tid=500)
    info = {"backend": "gloo", "rank": rank, "world_size": 2}
    return fit(trace.data(distributedInfo=info), [("backward",)], [0, 1])


def distributed(folder: Path, traces: list[dict[str, Any]]) -> Any:
    """What the plugin's Distributed view is given."""
    loader = pytest.importorskip("torch_tb_profiler.profiler.loader")
    loaded = pytest.importorskip("torch_tb_profiler.profiler.data")
    ranks = []
    for rank, data in enumerate(traces):
        parsed, _ = plugin(data, folder, f"rank{rank}")
        ranks.append(loaded.DistributedRunProfileData(parsed))
    made = loader.RunLoader.__new__(loader.RunLoader)
    made.run_name = "run"
    return made._process_distributed_profiles(ranks, 1)


def test_the_distributed_view(tmp_path: Path) -> None:
    profile = distributed(tmp_path, [rank_trace(rank) for rank in range(2)])
    wait = profile.steps_to_wait["data"]
    assert set(wait) == {"all", "0", "1"}
    # Rank 1 came 50 µs later: so long rank 0 waited.
    assert wait["0"] == {"rank0": [200, 50], "rank1": [200, 0]}
    rows = profile.comm_ops["data"]["rank0"]["rows"]
    assert [row[:4] for row in rows] == [
        ["gloo:all_reduce", 2, 2 * 8 * 4 * 4, 128],
        ["gloo:all_gather", 2, 2 * (6 + 4) * 4, 40],
    ]


def test_the_distributed_view_without_shapes(tmp_path: Path) -> None:
    profile = distributed(tmp_path, [rank_trace(rank, record_shapes=False) for rank in range(2)])
    assert [row[:3] for row in profile.comm_ops["data"]["rank1"]["rows"]] == [
        ["gloo:all_reduce", 2, 0],
        ["gloo:all_gather", 2, 0],
    ]
    assert re.fullmatch(r"rank1\.\d+\.pt\.trace\.json\.gz", sorted(tmp_path.iterdir())[-1].name)
