"""To which stage operators count, and what odd traces give."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from trace_builder import BACKWARD, MAIN, TraceBuilder
from written_call import Given, written

from rnnprof.probes import Work
from rnnprof.traces import events
from rnnprof.traces.labels import find
from rnnprof.traces.probe.formulas import FALLBACKS, FORMULAS
from rnnprof.traces.probe.work import MOST_UNCOUNTED, work

PATHS = [("forward",), ("backward",)]


def counted(trace: TraceBuilder) -> tuple[tuple[Work, ...], tuple[str, ...]]:
    data = trace.data()
    return work(data, find(events.entries(data), PATHS, [1]))


# ---- where it counts ----------------------------------------------------------------------------


def product(trace: TraceBuilder, start: float, end: float, tid: int = MAIN, name: str = "aten::mm") -> None:
    trace.op(name, start, end, tid)["args"] = written(Given(4, 6), Given(6, 5))


def test_other_threads_count_to_the_stage_of_the_moment() -> None:
    trace = TraceBuilder()
    trace.step(1, 0, 100)
    trace.label("forward", 10, 40)
    trace.label("backward", 50, 90)
    product(trace, 1, 2)
    product(trace, 20, 30)
    for start in (55, 60, 95, 120):
        product(trace, start, start + 2, BACKWARD)
    rows, uncounted = counted(trace)
    each, size = 2 * 4 * 6 * 5, 4 * (24 + 30 + 20)
    assert rows == (
        Work((), "float32", 2 * each, 2 * size, 2),
        Work(("forward",), "float32", each, size, 1),
        Work(("backward",), "float32", 2 * each, 2 * size, 2),
    )
    assert uncounted == ()


def test_nothing_counts_twice() -> None:
    trace = TraceBuilder()
    trace.step(1, 0, 100)
    trace.op("aten::matmul", 1, 50)["args"] = written(Given(4, 6), Given(6, 5))
    product(trace, 2, 40)
    trace.op("aten::clone", 3, 20)["args"] = written(Given(4, 6))
    trace.op("aten::copy_", 4, 19)["args"] = written(Given(4, 6), Given(4, 6))
    trace.op("aten::matmul", 60, 70)["args"] = written(Given(4, 6), Given(6, 5))
    rows, uncounted = counted(trace)
    assert rows == (Work((), "float32", 2 * 240, 2 * 4 * 74, 2),)
    assert uncounted == ()


def test_names_of_what_is_not_counted() -> None:
    trace = TraceBuilder()
    trace.step(1, 0, 10_000)
    for start, name in enumerate(
        ("mine::attend", "aten::_fft_r2c", "aten::mm", "aten::tanh", "Mine", "c10d::x")
    ):
        trace.op(name, start, start + 0.5)["args"] = {}
    trace.op("mine::outer", 20, 30)["args"] = {}
    trace.op("mine::inner", 21, 29)["args"] = {}
    product(trace, 41, 45)
    trace.op("mine::counts_inside", 40, 50)["args"] = {}
    assert counted(trace)[1] == ("aten::_fft_r2c", "aten::mm", "mine::attend", "mine::outer")
    for number in range(2 * MOST_UNCOUNTED):
        trace.op(f"mine::{number}{'x' * 200}", 100 + number, 100.5 + number)
    names = counted(trace)[1]
    assert len(names) == MOST_UNCOUNTED
    assert all(len(name) <= 100 for name in names)


def test_lists_without_shapes_are_the_parameters() -> None:
    trace = TraceBuilder()
    trace.step(1, 0, 100)
    trace.label("backward", 1, 50)
    for start, size in ((2, 1), (5, 2), (12, 1), (15, 2)):  # two passes over two gradients
        gradient = written(Given(10, size))
        trace.op("torch::autograd::AccumulateGrad", start, start + 2, BACKWARD)["args"] = gradient
        if start > 10:
            trace.op("aten::add_", start + 1, start + 2, BACKWARD)["args"] = gradient
    lists = written([Given()], [Given()], 1)
    lists["Input Dims"] = lists["Input Strides"] = [[], [], []]
    trace.label("forward", 60, 90)
    trace.op("aten::_foreach_add_", 61, 62)["args"] = lists
    trace.op("aten::_foreach_add_", 63, 64)["args"] = lists
    trace.op("aten::stack", 65, 66)["args"] = lists
    rows, uncounted = counted(trace)
    assert rows == (
        Work(("backward",), "float32", 0, 2 * 4 * (20 + 10), 2),
        Work(("forward",), "float32", 0, 3 * 4 * (20 + 10), 2),
    )
    assert uncounted == ()


def test_without_steps() -> None:
    trace = TraceBuilder()
    product(trace, 1, 2)
    assert counted(trace) == ((), ())


# ---- odd traces ---------------------------------------------------------------------------------

odd: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=4)
    | st.just([]),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=20,
)
kinds = st.sampled_from(["float", "TensorList", "Scalar", "long int", "c10::Half", "", "ScalarList"])
dims = st.lists(st.sampled_from([0, 1, 2, 5, 2**61]), max_size=5)
arguments = st.fixed_dictionaries(
    {},
    optional={
        "Input Dims": odd | st.lists(dims | st.lists(dims, max_size=3), max_size=12),
        "Input Strides": odd | st.lists(dims, max_size=12),
        "Input type": odd | st.lists(kinds, max_size=12),
        "Concrete Inputs": odd | st.lists(st.text("0123[],-TrueFals", max_size=9), max_size=24),
    },
)
names = st.sampled_from(
    sorted({*FORMULAS, *FALLBACKS, "aten::add", "aten::cat", "aten::embedding", "my::op"})
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(names, arguments | odd, st.integers(0, 30), st.integers(0, 30)), max_size=12))
def test_any_arguments_give_numbers_that_fit(found: list[tuple[str, Any, int, int]]) -> None:
    trace = TraceBuilder()
    trace.step(1, 0, 100)
    for name, args, start, length in found:
        trace.op(name, start, start + length)["args"] = args
    rows, uncounted = counted(trace)
    for row in rows:
        assert 0 <= row.flops < 2**63
        assert 0 <= row.bytes < 2**63
        assert 0 < row.operators <= len(found)
    assert all(name in {one[0] for one in found} for name in uncounted)


def test_deep_nesting_is_no_recursion() -> None:
    trace = TraceBuilder()
    trace.step(1, 0, 100_000)
    for depth in range(3000):
        trace.op("aten::add", depth, 90_000 - depth)["args"] = written(Given(2), Given(2))
    assert counted(trace)[0] == (Work((), "float32", 0, 24, 1),)
