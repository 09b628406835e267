"""The clocks side by side: every number of every clock, and what synchronizing costs."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from rnnprof.analysis.breakdown import breakdown
from rnnprof.model import Run
from tests.clocked_run import (
    EVENT,
    HOST,
    SYNC,
    A,
    B,
    C,
    clocked_language_model,
    clocked_run,
    report,
    steps_at,
    three,
    trace_at,
)
from tests.run_builder import lane_of, run_of, runs, word_language_model


def test_every_clock_of_every_stage() -> None:
    found = report(clocked_language_model())
    assert [(column.kind, column.steps) for column in found.columns] == [
        ("host", 12), ("sync", 12), ("event", 160),
    ]  # fmt: skip
    assert [row.path for row in found.stages] == list(EVENT)
    assert [row.name for row in found.stages][-2:] == ["update", "other"]
    for row in found.stages:
        for time, own in ((row.host, HOST), (row.sync, SYNC), (row.event, EVENT)):
            assert time is not None
            assert time.per_step_ns == pytest.approx(own[row.path], rel=0.03)
            assert time.share == pytest.approx(own[row.path] / sum(own.values()), rel=0.03)
            assert time.interval_ns is not None
            assert time.interval_ns[0] < time.per_step_ns < time.interval_ns[1]
            assert time.share_interval is not None
            assert time.share_half == (time.share_interval[1] - time.share_interval[0]) / 2
        assert row.remainder == (row.path == ())


def test_the_traced_steps() -> None:
    found = report(clocked_language_model())
    assert found.traced is not None
    assert (found.traced.first_step, found.traced.steps) == (20, 3)
    busy = next(row for row in found.stages if row.path == ("backward",)).busy
    assert busy is not None
    assert (busy.busy_ns, busy.gap_ns) == (3 * 12_730_000, 3 * 670_000)
    assert (busy.busy_per_step_ns, busy.gap_per_step_ns, busy.launches_per_step) == (12_730_000, 670_000, 7.0)
    assert (busy.busy_share, busy.busy_percent, busy.percent) == (0.95, "95.0 %", "53.0 %")
    assert found.traced.total.share == 1.0
    assert found.traced.total.busy_per_step_ns == pytest.approx(0.95 * sum(EVENT.values()), rel=1e-6)


def test_the_last_window_with_a_device_is_shown() -> None:
    windows = (trace_at(EVENT, 0.1, first=6), trace_at(EVENT, 0.9, first=50, steps=2),
               replace(trace_at(EVENT, 0.2, first=90), device=False))  # fmt: skip
    traced = report(clocked_language_model(traces=windows)).traced
    assert traced is not None
    assert (traced.first_step, traced.steps, traced.total.busy_percent) == (50, 2, "90.0 %")


def test_the_device_column_is_that_of_the_table_of_stages() -> None:
    result = breakdown(clocked_language_model())
    assert result.clocks is not None
    shown = [row.percent for row in result.stages if row.in_step or (row.remainder and row.share is not None)]
    assert [row.event.percent for row in result.clocks.stages if row.event] == shown


def test_a_stage_that_one_clock_never_saw_is_absent_there() -> None:
    found = three({A: 40_000, (): 0}, {A: 50_000, (): 0}, {A: 60_000, B: 10_000, (): 0})
    row = next(row for row in found.stages if row.path == B)
    assert (row.host, row.sync, row.verdict) == (None, None, "")
    assert row.event is not None
    assert [one.name for one in found.stages] == ["a", "b", "other"]


def test_stages_of_every_clock_form_one_tree() -> None:
    inner = ("a", "x")
    found = three({B: 9_000, A: 9_000, inner: 9_000, (): 0}, {C: 9_000, (): 0}, {A: 9_000, (): 0})
    assert [row.path for row in found.stages] == [A, inner, C, B, ()]


def test_on_a_cpu_there_is_nothing_to_put_side_by_side() -> None:
    assert breakdown(word_language_model()).clocks is None
    assert breakdown(run_of([])).clocks is None
    assert breakdown(run_of([lane_of("setup", unclaimed=9)])).clocks is None
    warmup = {"warmup": steps_at(HOST, 5)}
    assert breakdown(clocked_run(warmup)).clocks is None


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(runs())
def test_shares_add_up_under_every_clock(run: Run) -> None:
    found = breakdown(run).clocks
    if found is None:
        return
    for name in ("host", "sync", "event", "busy"):
        times = [time for row in found.stages if (time := getattr(row, name)) is not None]
        shares = [time.share for time in times if time.share is not None]
        assert not shares or math.isclose(sum(shares), 1.0)
        tenths = [time.percent.removesuffix(" %") for time in times if time.share is not None]
        if shares and not any(text.startswith(("<", ">")) for text in tenths):
            assert round(sum(float(text) for text in tenths), 1) == 100.0
    assert all(row.verdict == "" or row.because for row in found.stages)
    assert "\x1b" not in found.sentence
    assert found.stages[-1].remainder or not any(row.remainder for row in found.stages)


def test_what_synchronizing_costs() -> None:
    cost = report(clocked_language_model()).sync_cost
    assert cost is not None
    assert cost.ratio == pytest.approx(sum(SYNC.values()) / sum(EVENT.values()), rel=0.01)
    assert cost.sentence == (
        "Synchronizing at every mark: a step takes 1.064 times as long (1.056 to 1.073; 12 synchronized "
        "steps against 160 timed by events)."
    )


def test_synchronizing_that_costs_nothing_or_cannot_be_told() -> None:
    own = {A: 90_000, (): 0}
    same = {"sync": steps_at(own, 12, 1), "event": steps_at(own, 96, 2)}
    cost = report(clocked_run(same)).sync_cost
    assert cost is not None
    assert ": no cost shown (0.9" in cost.sentence
    cost = report(clocked_run({**same, "sync": steps_at(own, 4)})).sync_cost
    assert cost is not None
    assert cost.interval is None
    assert "what it costs is unknown (too few steps; 4 synchronized steps against 96" in cost.sentence
    cost = report(clocked_run({**same, "sync": steps_at({A: 60_000, (): 0}, 12)})).sync_cost
    assert cost is not None
    assert "something else differs between them" in cost.sentence
    assert report(clocked_run({"event": same["event"]})).sync_cost is None
