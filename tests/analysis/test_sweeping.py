"""A sweep as a result: what its combinations took, from runs made by hand."""

from __future__ import annotations

import math

import pytest

from rnnprof.analysis.stats import student_t
from rnnprof.analysis.sweep_times import spread
from rnnprof.analysis.sweeping import sweep_report
from rnnprof.sweepmodel import FAILED
from tests.sweep_folder import BPTT, MODEL, factor, failure, outcome, plan_of, probe, run_at

TIMES = [16_000_000, 32_000_000, 64_000_000, 8_000_000, 16_000_000, 32_000_000]


def test_times_tokens_and_projections() -> None:
    plan = plan_of(tokens="20*bptt", steps_per_epoch="1000/bptt")
    report = sweep_report(plan, [outcome(i, run_at(ns, 1000)) for i, ns in enumerate(TIMES)])
    row = report.combinations[1]
    assert (row.levels, row.status, row.steps, row.done) == (("LSTM", "32"), "done", 40, 1)
    assert row.step_ns == pytest.approx(32e6)
    assert row.step_interval is not None
    assert row.step_interval[0] < 32e6 < row.step_interval[1]
    assert row.tokens_per_second == pytest.approx(640 / 32e-3)
    assert row.tokens_interval == pytest.approx([640e9 / end for end in reversed(row.step_interval)])
    # 31.25 batches: the last one is short, but a step.
    assert row.steps_per_epoch == 32
    assert row.epoch_ns == pytest.approx(32 * 32e6)
    assert row.epoch_interval == pytest.approx([32 * end for end in row.step_interval])
    assert (row.peak_bytes, row.peak_place, row.step_peak_bytes) == (300 << 20, "resident", None)
    assert report.runs == (6, 6, 0, 0)
    step, epoch = report.effects
    assert (step.of, epoch.of) == ("time per step", "time per epoch")
    assert [one.name for one in step.factors] == ["bptt", "model"]
    # An epoch has fewer of the longer steps: bptt explains next to nothing of it.
    assert [one.name for one in epoch.factors] == ["model", "bptt"]
    assert report.laws[0].formula == ("time per step = 32.0 ms × (bptt/32)^1.00; model=GRU: ×0.50")
    assert report.notes == ()
    assert report.environment["torch"] == "2.5.1"


def test_tokens_that_the_program_says_and_a_time_per_token() -> None:
    runs = [outcome(i, run_at(ns, tokens=20 * 16 * 2 ** (i % 3))) for i, ns in enumerate(TIMES)]
    report = sweep_report(plan_of(), runs)
    assert report.combinations[0].tokens_per_second == pytest.approx(320 / 16e-3)
    assert [one.of for one in report.effects] == ["time per step", "time per token"]
    assert [law.of for law in report.laws] == ["time per step", "time per token"]
    assert report.laws[1].powers[0].exponent == pytest.approx(0.0, abs=1e-9)


def test_epochs_that_were_trained() -> None:
    said = {"valid_perplexity": (300.0, 250.0, 270.0)}
    report = sweep_report(plan_of((BPTT,)), [outcome(i, run_at(10**6), **said) for i in range(3)])
    row = report.combinations[0]
    assert row.steps_per_epoch == 45 // 3
    assert report.metrics == ("valid perplexity",)
    assert [(one.name, one.final, one.best, one.values) for one in row.metrics] == [
        ("valid perplexity", 270.0, 250.0, 3)
    ]
    # 45 steps are no whole number of four epochs.
    four = {"valid_perplexity": (300.0,) * 4}
    report = sweep_report(plan_of((BPTT,)), [outcome(0, run_at(10**6), **four)])
    assert report.combinations[0].steps_per_epoch is None


def test_means_of_metrics_over_repeated_runs() -> None:
    plan = plan_of((BPTT,), repeat=2)
    runs = [
        outcome(0, run_at(10**6), valid_perplexity=(3.0, 5.0)),
        outcome(0, run_at(10**6), 1, valid_perplexity=(9.0, 7.0)),
        outcome(1, run_at(10**6), valid_perplexity=(3.0, math.nan)),
        outcome(2, run_at(10**6)),
        outcome(2, run_at(10**6), 1, valid_perplexity=(9.0,)),
    ]
    first, second, third = sweep_report(plan, runs).combinations
    assert (first.metrics[0].final, first.metrics[0].best) == (6.0, 5.0)
    assert math.isnan(second.metrics[0].final)
    assert second.metrics[0].best == 3.0
    assert second.status == "1 of 2"
    assert third.metrics == ()


def test_memory_of_a_device() -> None:
    row = sweep_report(plan_of((MODEL,)), [outcome(0, run_at(10**6, probe=probe()))]).combinations[0]
    assert (row.peak_bytes, row.peak_place, row.step_peak_bytes) == (140 << 20, "cuda:0", 40 << 20)


def test_memory_as_the_system_says_where_the_run_does_not() -> None:
    row = sweep_report(plan_of((MODEL,)), [outcome(0, run_at(10**6, environment={}))]).combinations[0]
    assert (row.peak_bytes, row.peak_place) == (200 << 20, "resident")


def test_failures_are_results() -> None:
    runs = [outcome(i, run_at(ns)) for i, ns in enumerate(TIMES)]
    report = sweep_report(plan_of(), [*runs[:2], failure(2), *runs[3:]])
    assert report.runs == (6, 5, 1, 0)
    failed = report.combinations[2]
    assert (failed.status, failed.step_ns) == ("out of memory", None)
    assert failed.failures == ("out of memory: no memory",)
    assert (report.effects[0].cells, report.effects[0].missing) == (5, 1)
    assert report.notes == (
        "1 of 6 combinations have no time and are left out: what explains how much is told as if no factors "
        "worked together.",
    )
    two = sweep_report(plan_of(), [*runs[:2], failure(2), runs[3], failure(4, FAILED, ""), runs[5]])
    assert two.combinations[4].failures == ("failed",)
    assert "Too few combinations have a time to tell what each factor explains." in two.notes


def test_a_sweep_that_has_not_begun() -> None:
    report = sweep_report(plan_of(), [])
    assert report.runs == (6, 0, 0, 6)
    assert {row.status for row in report.combinations} == {"not run"}
    assert (report.effects, report.laws, report.environment) == ((), (), {})
    assert report.notes == ("Too few combinations have a time to tell what each factor explains.",)


def test_what_a_round_shares_is_no_difference_between_runs() -> None:
    """The second round is a tenth slower throughout: nothing else differs."""
    plan = plan_of(repeat=2)
    runs = [
        outcome(i, run_at(round(ns * slow)), number)
        for i, ns in enumerate(TIMES)
        for number, slow in ((0, 1.0), (1, 1.21))
    ]
    report = sweep_report(plan, runs)
    row = report.combinations[0]
    assert row.step_ns == pytest.approx(16e6 * 1.1)
    assert row.step_interval == pytest.approx((16e6 * 1.1, 16e6 * 1.1))
    assert report.effects[0].noise == pytest.approx(0, abs=1e-12)


def test_the_interval_of_repeated_runs() -> None:
    """Two runs of three combinations; one differs by e^±0.1: the residuals are worked out by hand."""
    groups = [{0: math.exp(0.1), 1: math.exp(-0.1)}, {0: 1.0, 1: 1.0}, {0: 1.0, 1: 1.0}]
    found = spread(groups)
    assert found is not None
    assert found.shared == pytest.approx({0: 0.1 / 3, 1: -0.1 / 3})
    # Residuals: twice 2/30 and four times 1/30.
    square = 2 * (2 / 30) ** 2 + 4 * (1 / 30) ** 2
    assert found.one.freedom == 2
    assert found.one.error == pytest.approx(math.sqrt(square / 2))
    plan = plan_of((BPTT,), repeat=2)
    runs = [
        outcome(i, run_at(round(1e9 * mean)), number)
        for i, group in enumerate(groups)
        for number, mean in group.items()
    ]
    row = sweep_report(plan, runs).combinations[1]
    half = student_t(0.975, 2) * found.one.error / math.sqrt(2)
    assert row.step_interval == pytest.approx((1e9 * math.exp(-half), 1e9 * math.exp(half)))


def test_rounds_with_gaps() -> None:
    """The last combination ran in the slow round alone: its time is told without that."""
    found = spread([{0: 10.0, 1: 20.0}, {0: 30.0, 1: 60.0}, {1: 80.0}])
    assert found is not None
    assert found.shared[1] - found.shared[0] == pytest.approx(math.log(2))
    assert found.one.error == pytest.approx(0, abs=1e-9)
    assert spread([{0: 1.0, 1: 2.0}]) is None
    assert spread([{0: 1.0}, {0: 2.0}]) is None
    assert spread([]) is None


def test_what_is_said_of_little_data() -> None:
    report = sweep_report(
        plan_of((BPTT,), steps=50), [outcome(i, run_at(TIMES[i], steps=3)) for i in range(3)]
    )
    assert report.combinations[0].step_interval is None
    assert report.notes == (
        "3 combinations have too few steps for an interval: give more --steps.",
        "Some programs ended before the steps that were asked for.",
    )


def test_no_law_without_numbers() -> None:
    report = sweep_report(
        plan_of((MODEL, factor("tied", "off", "on"))), [outcome(i, run_at(10**6 + i)) for i in range(4)]
    )
    assert report.laws == ()
    assert (
        "No law is fitted: no factor that varies is a number above 0 at each of its levels." in report.notes
    )


def test_no_law_of_too_few_combinations() -> None:
    report = sweep_report(plan_of((MODEL, BPTT)), [outcome(i, run_at(10**6 + i)) for i in range(2)])
    assert report.laws == ()
    assert (
        "No law is fitted: it has 2 numbers to find, which 2 combinations do not settle with one to spare."
        in report.notes
    )
