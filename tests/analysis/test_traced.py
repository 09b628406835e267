"""Operators and kernels of each stage, worked out by hand, and what holds for all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from rnnprof.analysis.agreement import agree, agreement
from rnnprof.analysis.breakdown import breakdown
from rnnprof.analysis.portions import tree_order
from rnnprof.analysis.traced import NO_OPERATOR, window
from rnnprof.captures import Kernel, Operator, Trace, TracedStage
from rnnprof.model import Run
from tests.run_builder import lane_of, run_of, runs, steps_of
from tests.traced_run import traced_language_model

SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def trace(*stages: TracedStage, steps: int = 2, total_ns: int = 2000, device: bool = False) -> Trace:
    return Trace(5, steps, total_ns, "run.trace/steps-5-6.trace.json.gz", 99, device, stages=stages)


FORWARD = TracedStage(("forward",), 2, 1200, (Operator("aten::mm", 8, 500), Operator("aten::add", 2, 100)))
RNN = TracedStage(("forward", "rnn"), 4, 400, (Operator("aten::lstm", 4, 300),))
STEP = TracedStage((), 2, 2000, (Operator("aten::ones", 2, 300),))


def test_a_window_is_divided_among_stages_and_operators() -> None:
    found = window(trace(STEP, FORWARD, RNN))
    assert (found.first_step, found.last_step, found.steps, found.step_ns) == (5, 6, 2, 1000)
    assert [(row.name, row.path, row.self_ns, row.share, row.percent) for row in found.stages] == [
        ("forward", ("forward",), 800, 0.4, "40.0 %"),
        ("rnn", ("forward", "rnn"), 400, 0.2, "20.0 %"),
        ("other", (), 800, 0.4, "40.0 %"),
    ]
    forward = found.stages[0]
    assert [
        (row.name, row.calls_per_step, row.self_per_step_ns, row.percent) for row in forward.operators
    ] == [
        ("aten::mm", 4, 250, "25.0 %"),
        (NO_OPERATOR, None, 100, "10.0 %"),
        ("aten::add", 1, 50, "5.0 %"),
    ]
    assert [row.remainder for row in forward.operators] == [False, True, False]
    assert (forward.calls_per_step, forward.self_per_step_ns, forward.total_ns) == (1, 400, 1200)
    assert forward.shown == (0, 1, 2)
    assert (found.total, forward.device, forward.operators[0].device_ns) == (None, None, None)


def test_operators_that_took_longer_than_their_stage_make_it_longer() -> None:
    both = TracedStage(("backward",), 2, 1000, (Operator("aten::mm", 2, 900), Operator("aten::mv", 2, 900)))
    found = window(trace(both, TracedStage(("loss",), 2, 200)))
    assert [(row.name, row.self_ns, row.percent) for row in found.stages] == [
        ("backward", 1800, "64.3 %"),
        ("loss", 200, "7.1 %"),
        ("other", 800, "28.6 %"),
    ]
    assert [row.name for row in found.stages[0].operators] == ["aten::mm", "aten::mv"]


def test_a_stage_shows_three_operators_and_none_below_one_percent() -> None:
    many = tuple(Operator(name, 1, 100 - i) for i, name in enumerate("abcde"))
    small = TracedStage(("log",), 2, 19, (Operator("aten::item", 1, 19),))
    large = TracedStage(("forward",), 2, 495, (Operator("(others)", 9, 500), *many))
    found = window(trace(large, small))
    by_name = {row.name: row for row in found.stages}
    assert [by_name["forward"].operators[place].name for place in by_name["forward"].shown] == ["a", "b", "c"]
    assert by_name["log"].shown == ()


def test_the_device_is_busy_or_waits() -> None:
    forward = replace(
        FORWARD,
        operators=(Operator("aten::mm", 8, 500, 640),),
        kernels=(Kernel("gemm", 8, 640), Kernel("(others)", 2, 60)),
        launches=10,
        busy_ns=600,
        gap_ns=200,
    )
    found = window(trace(STEP, forward, RNN, device=True))
    done = found.stages[0].device
    assert done is not None
    assert [(row.name, row.calls_per_step, row.device_per_step_ns, row.percent) for row in done.kernels] == [
        ("gemm", 4, 320, "91.4 %"),
        ("(others)", 1, 30, "8.6 %"),
    ]
    assert (done.device_ns, done.percent, done.busy_ns, done.gap_ns, done.shown) == (
        700,
        "100 %",
        600,
        200,
        1,
    )
    assert (done.busy_share, done.busy_percent, done.launches_per_step) == (0.75, "75.0 %", 5)
    assert found.total == replace(done, kernels=(), shown=0)
    idle = found.stages[1].device
    assert idle is not None
    assert (idle.share, idle.percent, idle.busy_share, idle.busy_percent) == (0, "0 %", None, "–")


def test_a_tree_is_put_in_order() -> None:
    paths = [(), ("a",), ("b", "x", "y"), ("b",), ("a", "c")]
    assert tree_order(paths) == [("a",), ("a", "c"), ("b",), ("b", "x", "y"), ()]


US = 1000


def marked(*spans: int) -> Run:
    """A run of two traced steps with one stage; and its trace, in which that stage took 300 µs a step."""
    step = {(): [1000 * US], ("rnn",): [spans[0] * US], ("log",): [spans[1] * US]}
    traced = (
        *(TracedStage((), 2, 2000 * US), TracedStage(("rnn",), 2, 600 * US)),
        TracedStage(("log",), 2, 10 * US),
    )
    return run_of(
        [lane_of("train", {"trace": steps_of([step] * 2)})], traces=(trace(*traced, total_ns=2000 * US),)
    )


def test_the_trace_and_the_marks_are_compared_stage_by_stage() -> None:
    assert [
        (each.path, each.traced_ns, each.marked_ns, each.ratio) for each in agreement(marked(300, 4))
    ] == [
        ((), 1000 * US, 1000 * US, 1),
        (("rnn",), 300 * US, 300 * US, 1),
        (("log",), 5 * US, 4 * US, 1.25),
    ]
    assert agreement(run_of([lane_of("train")], traces=(trace(STEP),))) == ()
    assert agree(run_of([lane_of("train", {"trace": steps_of([{(): [9]}])})])) is None
    few = marked(295, 1)
    assert agree(few) is not None
    assert agree(few).sentence == "The trace and the stage marks agree within 1.7 % (stages above 1 %)."
    assert "agree" not in " ".join(breakdown(few).notes)


@pytest.mark.parametrize(
    ("spans", "words"),
    [
        ((280, 1), "rnn (1.07 times as long in the trace)"),
        ((290, 100), "log (0.05 times as long in the trace)"),
        ((0, 0), "rnn (only in the trace)"),
    ],
)
def test_a_disagreement_is_a_note(spans: tuple[int, int], words: str) -> None:
    assert breakdown(marked(*spans)).notes[-1] == (
        f"The trace and the stage marks disagree by more than 5 % in the traced steps: {words}."
    )


def test_what_clocks_and_labels_cost_is_no_disagreement(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not agree(marked(295, 11)).agrees
    monkeypatch.setattr("rnnprof.analysis.agreement.MATTERS_NS", 6 * US)
    found = agree(marked(295, 11))
    assert found is not None
    assert found.agrees
    assert found.sentence.startswith("The trace and the stage marks agree within")


def test_a_stage_that_the_trace_lacks_is_a_disagreement() -> None:
    run = marked(300, 4)
    found = agree(replace(run, traces=(trace(TracedStage((), 2, 2000 * US), total_ns=2000 * US),)))
    assert found is not None
    assert found.sentence.endswith(": rnn (not in the trace).")


def test_every_window_counts_and_a_lost_step_does_not_matter() -> None:
    run = marked(300, 4)
    rnn = TracedStage(("rnn",), 1, 300 * US)
    one = trace(TracedStage((), 1, 1000 * US), rnn, steps=1, total_ns=1000 * US)
    assert [each.ratio for each in agreement(replace(run, traces=(one, *run.traces)))][:2] == [1, 1]


def test_the_example_agrees_with_itself() -> None:
    found = breakdown(traced_language_model()).agreement
    assert found is not None
    assert found.agrees
    assert {each.ratio for each in found.stages} == {1}


@SLOW
@given(runs())
def test_parts_add_up_to_their_stage_and_stages_to_the_steps(run: Run) -> None:
    result = breakdown(run)
    for found in result.traces:
        shares = [row.share for row in found.stages]
        assert sum(row.self_ns for row in found.stages) == 0 or sum(shares) == pytest.approx(1)
        for row in found.stages:
            assert sum(one.self_ns for one in row.operators) == row.self_ns
            assert row.share is None or sum(one.share or 0 for one in row.operators) == pytest.approx(
                row.share
            )
            for one in row.operators:
                assert (one.share is None) == (one.percent == "–")
                assert one.share is None or one.share <= (row.share or 0) <= 1
            done = row.device
            assert (done is None) == (not found.device)
            if done is not None and found.total is not None:
                assert sum(one.device_ns for one in done.kernels) <= done.device_ns <= found.total.device_ns
                assert done.busy_share is None or 0 <= done.busy_share <= 1
    if result.functions:
        for table in (result.functions.loop, result.functions.setup, *result.functions.stages):
            assert sum(one.own_ns for one in table.functions) == table.own_ns
            top = sum(one.own_ns for one in table.functions[: table.shown])
            assert top + (table.unshown.own_ns if table.unshown else 0) == table.own_ns
            assert (table.share is None) == (table.percent == "–")
        whole = [one.share for one in result.functions.stages if one.share is not None]
        assert not whole or sum(whole) == pytest.approx(1)
