"""What a trace says of each stage, exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_builder import BACKWARD, CUDA_PATHS, MAIN, TraceBuilder, cuda_training

from rnnprof.captures import MOST_OPERATORS, OTHERS, Kernel, Operator, TracedStage
from rnnprof.traces import events
from rnnprof.traces.labels import find
from rnnprof.traces.operators import Summary, summarise

NOTHING = Summary(0, 0, False, (TracedStage((), 0, 0),))


def by_path(summary: Summary) -> dict[tuple[str, ...], TracedStage]:
    return {stage.path: stage for stage in summary.stages}


# ---- the host -----------------------------------------------------------------------------------


def test_a_step_on_the_cpu() -> None:
    trace = TraceBuilder()
    trace.step(5, 0, 100)
    trace.op("aten::randn", 1, 4)
    trace.label("forward", 10, 60)
    trace.op("aten::tanh", 12, 15)
    trace.label("rnn", 20, 50)
    trace.op("aten::lstm", 21, 49)
    trace.op("aten::mm", 22, 32)
    trace.op("aten::mm", 33, 43)
    trace.op("aten::empty", 34, 36)
    summary = summarise(trace.data(), [("forward",), ("forward", "rnn")], [5])
    assert summary == Summary(
        1,
        100_000,
        False,
        (
            TracedStage((), 1, 100_000, (Operator("aten::randn", 1, 3000),)),
            TracedStage(("forward",), 1, 50_000, (Operator("aten::tanh", 1, 3000),)),
            TracedStage(
                ("forward", "rnn"),
                1,
                30_000,
                (
                    Operator("aten::mm", 2, 18_000),
                    Operator("aten::lstm", 1, 8000),
                    Operator("aten::empty", 1, 2000),
                ),
            ),
        ),
    )


def test_only_the_steps_that_ended_well_count() -> None:
    trace = TraceBuilder()
    for number in range(3):
        at = number * 100
        trace.step(number, at, at + 90)
        trace.label("forward", at + 10, at + 50)
        trace.op("aten::mm", at + 20, at + 30)
        trace.op("aten::mm", at + 93, at + 95)
    summary = summarise(trace.data(), [("forward",)], [0, 2, 7])
    assert (summary.steps, summary.total_ns) == (2, 180_000)
    assert by_path(summary) == {
        (): TracedStage((), 2, 180_000),
        ("forward",): TracedStage(("forward",), 2, 80_000, (Operator("aten::mm", 2, 20_000),)),
    }


def test_annotations_that_are_no_stages_are_transparent() -> None:
    trace = TraceBuilder()
    trace.step(0, 0, 100)
    trace.label("mine", 5, 95)
    trace.label("forward", 10, 40)
    trace.label("rnn", 12, 20)
    trace.op("a", 13, 15)
    trace.label("rnn", 50, 60)  # under the step there is no such stage
    trace.op("b", 52, 54)
    trace.label("ProfilerStep#1", 70, 80)
    trace.op("c", 71, 72)
    summary = summarise(trace.data(), [("forward",), ("forward", "rnn")], [0, 1])
    assert {path: stage.operators for path, stage in by_path(summary).items()} == {
        (): (Operator("b", 1, 2000), Operator("c", 1, 1000)),
        ("forward",): (),
        ("forward", "rnn"): (Operator("a", 1, 2000),),
    }
    assert summary.steps == 1


def test_a_stage_inside_an_operator_is_not_the_operators_own_time() -> None:
    trace = TraceBuilder()
    trace.step(0, 0, 100)
    trace.op("Compiled", 10, 60)
    trace.label("rnn", 20, 50)
    trace.op("aten::mm", 30, 40)
    found = by_path(summarise(trace.data(), [("rnn",)], [0]))
    assert found[()].operators == (Operator("Compiled", 1, 20_000),)
    assert found[("rnn",)].operators == (Operator("aten::mm", 1, 10_000),)


@pytest.mark.parametrize("name", ["aten::mm", '<b>"é\n\u202e', "ProfilerStep#x", "(others)", "", "a/b"])
def test_a_stage_may_have_any_name(name: str) -> None:
    trace = TraceBuilder()
    trace.step(0, 0, 100)
    trace.label(name, 10, 60)
    trace.op("aten::mm", 20, 30)
    trace.op("aten::mm", 70, 80)
    found = by_path(summarise(trace.data(), [(name,)], [0]))
    assert found[(name,)] == TracedStage((name,), 1, 50_000, (Operator("aten::mm", 1, 10_000),))
    assert found[()].operators == (Operator("aten::mm", 1, 10_000),)


def test_cheap_labels_without_shapes_are_of_the_operators_category() -> None:
    trace = TraceBuilder()
    trace.op("ProfilerStep#0", 0, 100)
    trace.label("forward", 5, 95)  # the program's own
    trace.op("forward", 10, 60)
    trace.op("aten::mm", 20, 30)
    found = by_path(summarise(trace.data(), [("forward",)], [0]))
    assert found[("forward",)] == TracedStage(("forward",), 1, 50_000, (Operator("aten::mm", 1, 10_000),))
    assert found[()] == TracedStage((), 1, 100_000)


def test_a_stage_in_a_stage_of_the_same_name() -> None:
    trace = TraceBuilder()
    trace.step(0, 0, 100)
    trace.label("block", 10, 60)
    trace.label("block", 20, 50)
    found = by_path(summarise(trace.data(), [("block",), ("block", "block")], [0]))
    assert [(path, stage.total_ns) for path, stage in found.items()] == [
        ((), 100_000),
        (("block",), 50_000),
        (("block", "block"), 30_000),
    ]


def test_nothing_outlasts_what_it_is_in() -> None:
    trace = TraceBuilder()
    trace.step(0, 0, 100)
    trace.op("x", 10, 20)
    trace.op("y", 15, 30)
    trace.label("forward", 50, 120)
    trace.op("late", 110, 115, BACKWARD)
    found = by_path(summarise(trace.data(), [("forward",)], [0]))
    assert found[()].operators == (Operator("x", 1, 5000), Operator("y", 1, 5000))
    assert found[("forward",)] == TracedStage(("forward",), 1, 50_000)


def test_an_operator_that_begins_together_with_the_stage_in_it() -> None:
    trace = TraceBuilder()
    trace.step(0, 0, 100)
    trace.op("outer", 10, 60)
    trace.label("forward", 10, 50)
    found = by_path(summarise(trace.data(), [("forward",)], [0]))
    assert found[()].operators == (Operator("outer", 1, 10_000),)
    assert found[("forward",)].operators == ()


def test_other_threads_count_to_the_stage_of_the_moment() -> None:
    trace = TraceBuilder()
    trace.step(0, 0, 100)
    trace.label("forward", 10, 40)
    trace.label("backward", 50, 90)
    trace.op("x", 35, 60, BACKWARD)
    trace.op("y", 55, 58, BACKWARD)
    trace.op("z", 95, 99, BACKWARD)
    trace.op("later", 100, 120, BACKWARD)
    trace.label("forward", 2, 8, BACKWARD)
    found = by_path(summarise(trace.data(), [("forward",), ("backward",)], [0]))
    assert found[("forward",)].operators == (Operator("x", 1, 22_000),)
    assert found[("backward",)].operators == (Operator("y", 1, 3000),)
    assert found[()].operators == (Operator("z", 1, 4000),)
    assert found[("forward",)].calls == 1


def test_the_longest_are_kept_and_the_rest_is_summed() -> None:
    trace = TraceBuilder()
    trace.step(0, 0, 10_000)
    for index in range(MOST_OPERATORS + 3):
        at = index * 100
        trace.op(f"op{index:02}", at, at + 50 - index)
        trace.launch(at + 1, at + 2, index)
        trace.kernel(f"kernel{index:02}", at + 3, at + 10 + index, index)
    (stage,) = summarise(trace.data(), [], [0]).stages
    assert len(stage.operators) == len(stage.kernels) == MOST_OPERATORS + 1
    assert stage.operators[0] == Operator("op00", 1, 50_000, 7000)
    assert stage.operators[-1] == Operator(OTHERS, 3, (26 + 25 + 24) * 1000, (31 + 32 + 33) * 1000)
    assert stage.kernels[0] == Kernel("kernel26", 1, 33_000)
    assert stage.kernels[-1] == Kernel(OTHERS, 3, (7 + 8 + 9) * 1000)


@pytest.mark.parametrize("steps", [[], [9]])
def test_a_trace_without_these_steps(steps: list[int]) -> None:
    assert summarise(cuda_training().data(), CUDA_PATHS, steps) == NOTHING
    assert summarise({"traceEvents": [None, 3, {"ph": "X"}]}, [], [0]) == NOTHING


# ---- a device -----------------------------------------------------------------------------------


def test_kernels_of_the_backward_pass_count_to_backward() -> None:
    summary = summarise(cuda_training(2).data(), CUDA_PATHS, [0, 1])
    assert summary.device
    assert summary.stages == (
        TracedStage((), 2, 2_000_000),
        TracedStage(("forward",), 2, 600_000),
        TracedStage(
            ("forward", "rnn"),
            2,
            400_000,
            (Operator("aten::_cudnn_rnn", 2, 280_000, 500_000),),
            (Kernel("rnn_forward", 2, 500_000),),
            launches=2,
            busy_ns=500_000,
            # 100 from the first step's start; in the second 915-1000 and 1000-1100.
            gap_ns=100_000 + 185_000,
        ),
        TracedStage(
            ("backward",),
            2,
            1_000_000,
            (Operator("CudnnRnnBackward0", 2, 740_000, 760_000),),
            (Kernel("rnn_backward", 2, 760_000),),
            launches=2,
            busy_ns=760_000,
            gap_ns=100_000,
        ),
        TracedStage(
            ("update",),
            2,
            300_000,
            (Operator("aten::add_", 2, 20_000, 40_000),),
            (Kernel("add", 2, 40_000), Kernel("Memset (Device)", 2, 10_000)),
            launches=4,
            busy_ns=50_000,
            gap_ns=2 * (60_000 + 50_000),
        ),
    )


def test_a_failed_step_on_a_device() -> None:
    summary = summarise(cuda_training(3).data(), CUDA_PATHS, [0, 2])
    found = by_path(summary)
    assert (summary.steps, summary.total_ns) == (2, 2_000_000)
    assert found[("backward",)].kernels == (Kernel("rnn_backward", 2, 760_000),)
    # Between the steps the device waited for a step that does not count.
    assert found[("forward", "rnn")].gap_ns == 200_000


def test_two_streams_that_overlap() -> None:
    trace = TraceBuilder()
    trace.step(0, 0, 100)
    trace.label("a", 0, 10)
    trace.launch(1, 2, 1)
    trace.label("b", 10, 20)
    trace.launch(11, 12, 2, category="cuda_driver")
    trace.kernel("ka", 20, 50, 1, stream=7)
    trace.kernel("kb", 40, 70, 2, stream=20)
    found = by_path(summarise(trace.data(), [("a",), ("b",)], [0]))
    assert (found[("a",)].busy_ns, found[("b",)].busy_ns) == (30_000, 20_000)
    assert [(stage.gap_ns, stage.launches) for stage in found.values()] == [(0, 0), (20_000, 1), (0, 1)]
    assert found[("b",)].kernels == (Kernel("kb", 1, 30_000),)


def test_one_launch_of_many_kernels_is_one() -> None:
    trace = TraceBuilder()
    trace.step(0, 0, 100)
    trace.launch(1, 2, 1)
    trace.launch(5, 6, 2)  # starts nothing
    trace.kernel("k", 10, 20, 1)
    trace.kernel("k", 20, 30, 1)
    (stage,) = summarise(trace.data(), [], [0]).stages
    assert (stage.launches, stage.kernels) == (1, (Kernel("k", 2, 20_000),))


def test_a_launch_that_the_trace_lacks() -> None:
    trace = TraceBuilder()
    trace.step(0, 0, 100)
    trace.label("forward", 10, 50)
    known = trace.op("aten::mm", 20, 30)["args"]["External id"]
    trace.kernel("by its operator", 60, 65, 77, external=known)
    trace.kernel("nobody's", 70, 75, 78)
    trace.kernel("too late", 170, 175, 79)
    found = by_path(summarise(trace.data(), [("forward",)], [0]))
    assert found[("forward",)].kernels == (Kernel("by its operator", 1, 5000),)
    assert found[("forward",)].operators == (Operator("aten::mm", 1, 10_000, 5000),)
    assert found[()].kernels == (Kernel("nobody's", 1, 5000),)
    assert sum(stage.launches for stage in found.values()) == 0


def test_a_launch_on_a_thread_of_its_own_is_its_operators() -> None:
    trace = TraceBuilder()
    trace.step(0, 0, 100)
    trace.label("forward", 10, 50)
    known = trace.op("aten::mm", 20, 30)["args"]["External id"]
    trace.launch(22, 24, 1, tid=1, external=known)
    trace.kernel("mm", 30, 40, 1, external=known)
    found = by_path(summarise(trace.data(), [("forward",)], [0]))
    assert found[("forward",)].operators == (Operator("aten::mm", 1, 10_000, 10_000),)
    assert found[("forward",)].launches == 1


# ---- laws ---------------------------------------------------------------------------------------


@st.composite
def nested(draw: st.DrawFn, kinds: tuple[str, ...] = ("op", "op", "label", "other")) -> TraceBuilder:
    """Threads of nested operators, with stages, annotations and kernels among them."""
    trace = TraceBuilder()
    numbers = iter(range(10_000))

    def fill(start: int, end: int, tid: int, depth: int) -> None:
        cuts = sorted(draw(st.lists(st.integers(start, end), min_size=2, max_size=6)))
        for left, right in zip(cuts[::2], cuts[1::2], strict=False):
            kind = draw(st.sampled_from([*kinds, "launch"] if tid == MAIN else kinds))
            if kind == "launch":
                number = next(numbers)
                trace.launch(left, right, number, tid)
                begin = draw(st.integers(left, 400))
                trace.kernel("k", begin, begin + draw(st.integers(0, 40)), number, stream=number % 3)
                continue
            if kind == "op":
                trace.op(draw(st.sampled_from(["x", "y", "a"])), left, right, tid)
            elif kind == "label":
                trace.label(draw(st.sampled_from(["a", "b"])), left, right, tid)
            else:
                trace.label("other", left, right, tid)
            if depth:
                fill(left, right, tid, depth - 1)

    for number in range(draw(st.integers(1, 3))):
        at = number * 100
        trace.step(number, at, at + 95)
        fill(at, at + 95, MAIN, 3)
    fill(0, 300, BACKWARD, 2)
    return trace


PATHS = [("a",), ("b",), ("a", "b"), ("b", "a"), ("a", "a")]


def naive_self(data: dict[str, Any], good: set[int]) -> int:
    """Time in which an operator is the innermost of operators and stages, microsecond by microsecond."""
    everything = list(events.entries(data))
    labels = find(everything, PATHS, good)
    total = 0
    for thread in {entry.thread for entry in everything}:
        mine = sorted(
            entry
            for entry in everything
            if entry.thread == thread and (entry.category == "cpu_op" or entry.order in labels.paths)
        )
        for now in range(0, 500_000, 1000):
            inside = [entry for entry in mine if entry.start <= now < entry.end]
            if inside and inside[-1].category == "cpu_op":
                total += 1000 * (labels.at(inside[-1].start) is not None)
    return total


@settings(deadline=None, max_examples=60)
@given(nested(), st.sets(st.integers(0, 2), min_size=1))
def test_own_times_add_up(trace: TraceBuilder, good: set[int]) -> None:
    data = trace.data()
    summary = summarise(data, PATHS, good)
    own = sum(operator.self_ns for stage in summary.stages for operator in stage.operators)
    assert own == naive_self(data, good)
    assert all(operator.self_ns >= 0 for stage in summary.stages for operator in stage.operators)
    assert summary.total_ns == summary.stages[0].total_ns
    assert summary.steps == summary.stages[0].calls


@settings(deadline=None, max_examples=60)
@given(nested())
def test_device_times_add_up(trace: TraceBuilder) -> None:
    data = trace.data()
    summary = summarise(data, PATHS, [0, 1, 2])
    everything = list(events.entries(data))
    labels = find(everything, PATHS, [0, 1, 2])
    launched = {e.correlation: e for e in everything if e.category == "cuda_runtime"}
    kernels = [e for e in everything if e.category == "kernel"]
    counted = [e for e in kernels if labels.at(launched[e.correlation].start) is not None]
    union = sum(any(e.start <= now < e.end for e in counted) for now in range(0, 500_000, 1000)) * 1000
    assert sum(stage.busy_ns for stage in summary.stages) == union
    assert sum(stage.launches for stage in summary.stages) == len(counted)
    spent = sum(kernel.device_ns for stage in summary.stages for kernel in stage.kernels)
    assert spent == sum(e.end - e.start for e in counted)
    assert sum(o.device_ns for stage in summary.stages for o in stage.operators) <= spent


# ---- torch's own traces -------------------------------------------------------------------------


@pytest.mark.parametrize("shapes", [False, True])
def test_a_real_trace_of_an_lstm(tmp_path: Path, shapes: bool) -> None:
    torch = pytest.importorskip("torch")
    from real_trace import PATHS, record

    file = record(torch, tmp_path / "a.json", steps=2, shapes=shapes)
    data = events.read(file)
    summary = summarise(data, PATHS, [0, 1])
    found = by_path(summary)
    assert set(found) == {(), *PATHS}
    assert (summary.steps, summary.device) == (2, False)
    labels = [e for e in events.entries(data) if e.name in ("forward", "backward", "ProfilerStep#0")]
    assert len(labels) == 5
    for name in ("forward", "backward"):
        assert found[(name,)].total_ns == sum(e.end - e.start for e in labels if e.name == name)
    assert summary.total_ns > sum(found[(name,)].total_ns for name in ("forward", "loss", "backward"))
    names = {path: {operator.name for operator in stage.operators} for path, stage in found.items()}
    assert "aten::lstm" in names[("forward", "rnn")]
    assert "aten::linear" in names[("forward", "decoder")]
    assert any(name.endswith("Backward0") for name in names[("backward",)])
    assert not any("Backward" in name for name in names[("forward",)])
    for stage in summary.stages:
        assert sum(operator.self_ns for operator in stage.operators) <= stage.total_ns
