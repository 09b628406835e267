"""What the stages of the probed step compute: exact figures, verdicts, runs that contradict themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from rnnprof.analysis.breakdown import breakdown
from rnnprof.model import Run
from rnnprof.probes import Memory, Place, Probe, ProbedStage, Work
from tests.probe_builder import A100
from tests.probe_reports import MS, clocks_of, report, row_of, traced
from tests.probed_run import probe_of, probed_language_model, probed_on_device
from tests.run_builder import lane_of, run_of, runs


def test_without_a_probe_there_is_nothing() -> None:
    assert breakdown(run_of([lane_of("train", unclaimed=9)])).probe is None


def test_rates_are_over_the_own_time_of_a_measured_step() -> None:
    found = report(
        Work(("a",), "float32", 3 * 10**9, 10**8, 5), Work(("a", "b"), "float32", 10**9, 2 * 10**8, 7)
    )
    a, b = row_of(found, "a"), row_of(found, "a", "b")
    assert (a.self_ns, a.basis, a.busy_ns, a.idle_share) == (6 * MS, "self", None, None)
    assert (a.flops_per_second, a.bytes_per_second, a.intensity) == (3e9 / 6e-3, 1e8 / 6e-3, 30.0)
    assert (a.compute_share, a.compute_percent) == (pytest.approx(0.5), "50.0 %")
    assert (a.memory_share, a.memory_percent) == (pytest.approx(1 / 6), "16.7 %")
    assert (b.compute_share, b.memory_share) == (pytest.approx(0.25), pytest.approx(0.5))
    assert (a.verdict, a.reason) == ("compute", "50.0 % of the peak FLOP/s")
    assert (b.verdict, b.reason) == ("bandwidth", "50.0 % of the memory bandwidth")
    step = found.work.step
    assert (step.flops, step.bytes, step.operators, step.self_ns) == (4 * 10**9, 3 * 10**8, 12, 11 * MS)
    assert step.compute_share == pytest.approx(4 / 11)
    assert (step.verdict, step.reason) == ("", "no bound explains half of the time")
    assert [row.name for row in found.work.rows] == ["a", "b", "other"]
    assert found.work.notes == (
        "The device can do at most, measured: 1.00 TFLOP/s of float32, 100 GB/s.",
        "Rates are over a stage's own time, mean of 4 measured steps.",
    )


def test_types_of_number_are_each_held_against_their_own_peak() -> None:
    found = report(Work(("a",), "float32", 10**9, 0, 1), Work(("a",), "bfloat16", 8 * 10**9, 0, 1))
    a = row_of(found, "a")
    assert a.compute_share == pytest.approx((1e9 / 1e12 + 8e9 / 4e12) / 6e-3)
    assert [(one.dtype, one.flops, one.peak) for one in a.types] == [
        ("bfloat16", 8 * 10**9, 4e12), ("float32", 10**9, 1e12),
    ]  # fmt: skip
    unknown = row_of(report(Work(("a",), "float32", 10**9, 0, 1), Work(("a",), "float8", 1, 0, 1)), "a")
    assert (unknown.compute_share, unknown.compute_percent, unknown.verdict) == (None, "–", "")


def test_bytes_that_caches_serve_do_not_count_for_the_step() -> None:
    found = report(Work(("a",), "float32", 0, 5 * 10**7, 5), Work(("a", "b"), "float32", 0, 2 * 10**9, 7))
    b, step = row_of(found, "a", "b"), found.work.step
    assert (b.memory_percent, b.verdict) == ("500 %", "")
    assert b.reason == "500 % of the memory bandwidth: caches serve a part of the bytes"
    assert step.memory_share == pytest.approx(20.5 / 11)
    assert (step.verdict, step.reason) == ("", "no bound explains half of the time")


def test_operators_without_a_formula_make_a_lower_bound() -> None:
    work = (Work(("a",), "float32", 9, 9, 1),)
    probe = Probe(3, "cpu", 9, work=work, uncounted=tuple(f"aten::{name}" for name in "vwxyz"))
    found = report(probe=probe)
    assert found.work.uncounted == probe.uncounted
    assert found.work.notes[-1] == (
        "FLOPs are a lower bound: there is no formula for aten::v, aten::w, aten::x, aten::y and 1 more."
    )


def test_without_peaks_there_are_rates_and_no_verdict() -> None:
    found = report(Work(("a",), "float32", 3 * 10**9, 10**8, 5), environment={})
    a = row_of(found, "a")
    assert (a.flops_per_second, a.compute_share, a.compute_percent) == (5e11, None, "–")
    assert (a.verdict, a.reason) == ("", "the device's peaks are not known")
    assert found.work.notes[0] == (
        "What the device can do at most is not known; `rnnprof run --measure-peaks` measures it."
    )


def test_a_peak_that_is_lacking_is_named() -> None:
    some = {"peaks": {"flops": {"float32": 1e12}}}
    work = Work(("a",), "float64", 10**6, 10**6, 5), Work(("a", "b"), "float32", 10**6, 10**6, 5)
    found = report(*work, environment=some)
    assert row_of(found, "a").reason == "the device's peak of float64 is not known"
    assert row_of(found, "a", "b").reason == "the device's memory bandwidth is not known"


def test_the_step_in_one_sentence() -> None:
    work = Work(("a",), "float32", 11 * 10**9, 10**8, 5)
    assert report(work).work.sentence == "One step computes 11.0 GFLOP (1.00 TFLOP/s)."
    probe = Probe(3, "cpu", 9, work=(work,), uncounted=("x",), memory=(Memory((), "cpu", 0, 0, 2048, None),))
    assert report(probe=probe).work.sentence == (
        "One step computes at least 11.0 GFLOP (1.00 TFLOP/s) and adds at most 2.00 KiB to what is allocated "
        "on cpu."
    )
    memory = (Memory((), "cuda:0", 0, 0, 2048, None),)
    probe = Probe(3, "cuda", 9, memory=memory, places=(Place("cuda:0", 1024, None, None),))
    found = report(probe=probe).work
    assert found.sentence == "One step has at most 3.00 KiB allocated on cuda:0."
    assert report().work.sentence == ""


def test_without_measured_steps_there_are_no_rates() -> None:
    for kind in ("", "warmup", "probe"):
        found = report(Work(("a",), "float32", 3 * 10**9, 10**8, 5), kind=kind)
        a = row_of(found, "a")
        assert (a.flops, a.self_ns, a.basis, a.flops_per_second, a.verdict) == (3 * 10**9, None, "", None, "")
        assert a.reason == "its time is not known"
        assert found.work.notes[-1] == "No step was measured: there are no rates."


def test_on_an_accelerator_the_hosts_clock_gives_no_rates() -> None:
    work = (Work(("a",), "float32", 3 * 10**9, 10**8, 5),)
    probe = Probe(3, "cuda", 20 * MS, work=work)
    found = report(probe=probe)
    assert row_of(found, "a").basis == ""
    assert found.work.step.flops_per_second == pytest.approx(3e9 / 11e-3)
    assert found.work.notes[1].startswith("The host's clock alone times launches and not work")
    missed = report(*work, kind="event", clocks=clocks_of(truth="sync"))
    assert row_of(missed, "a").basis == ""
    assert missed.work.notes[1].startswith("The program used streams whose work events miss")
    unseen = report(*work, kind="event", clocks=clocks_of(truth=""))
    assert unseen.work.notes[1] == "No clock saw the device work: there are no rates of stages."
    assert row_of(report(*work, kind="event", clocks=clocks_of()), "a").basis == "self"


def test_what_the_clocks_show_to_wait_for_the_host_is_launch_bound() -> None:
    little = Work(("a",), "float32", 10**6, 10**6, 5)
    found = report(little, kind="event", clocks=clocks_of(launch=("a",), bound="launch"))
    a = row_of(found, "a")
    assert (a.verdict, a.reason) == ("launch", "the device waits for the host: host 6 ms, device 6 ms")
    assert found.work.step.verdict == "launch"
    much = replace(little, flops=5 * 10**9)
    found = report(much, kind="event", clocks=clocks_of(launch=("a",)))
    assert row_of(found, "a").verdict == "compute"


def test_where_a_trace_was_taken_rates_are_over_the_busy_time() -> None:
    works = Work(("a",), "float32", 10**9, 10**7, 5), Work(("a", "b"), "float32", 10**6, 3 * 10**8, 7)
    traces = traced({("a",): 2 * MS, ("a", "b"): 3 * MS}, {("a",): 9 * MS, ("a", "b"): 0})
    found = report(*works, kind="event", clocks=clocks_of(launch=("a",)), traces=traces)
    a, b, step = row_of(found, "a"), row_of(found, "a", "b"), found.work.step
    assert (a.basis, a.busy_ns, a.flops_per_second) == ("busy", 2 * MS, pytest.approx(5e11))
    assert (a.idle_share, a.idle_percent) == (pytest.approx(4 / 6), "66.7 %")
    assert (a.verdict, a.reason) == ("launch", "the device is idle for 66.7 % of the time")
    assert (b.idle_share, b.verdict, b.memory_share) == (0.25, "bandwidth", pytest.approx(1.0))
    assert (step.basis, step.busy_ns, step.idle_share) == ("self", 5 * MS, pytest.approx(6 / 11))
    assert found.work.notes[1].startswith("Rates are over the time in which the device ran a stage's kernels")
    # Without device events the trace's own gaps are all that is known.
    alone = report(*works, kind="", traces=traces, probe=Probe(3, "cuda", 9, work=works))
    assert row_of(alone, "a").idle_share == pytest.approx(9 / 11)
    assert row_of(alone, "a").basis == "busy"


def test_stages_that_were_opened_later_count_where_the_probe_saw_their_work() -> None:
    work = (Work(("a",), "float32", 4 * 10**9, 10**8, 5),)
    probe = Probe(3, "cuda", 20 * MS, (ProbedStage((), 1, 9), ProbedStage(("a",), 1, 9)), work=work)
    found = report(kind="event", probe=probe, clocks=clocks_of(launch=("a",)))
    a = row_of(found, "a")
    assert (a.self_ns, a.flops_per_second, a.verdict) == (10 * MS, pytest.approx(4e11), "")
    assert [row.name for row in found.work.rows] == ["a", "other"]
    traces = traced({("a",): 2 * MS, ("a", "b"): 3 * MS}, {("a",): MS, ("a", "b"): MS})
    a = row_of(report(kind="event", probe=probe, traces=traces), "a")
    assert (a.busy_ns, a.idle_share) == (5 * MS, 0.5)
    # A stage of the step itself that the probe did not see has nothing to do with the others.
    later = replace(probe, stages=(ProbedStage((), 1, 9),), work=(replace(work[0], path=()),))
    assert row_of(report(kind="event", probe=later)).self_ns == MS


def test_the_word_language_model() -> None:
    found = breakdown(probed_on_device(trace=True)).probe
    assert found is not None
    assert found.work.kind == "event"
    assert {row.name: row.verdict for row in found.work.rows if row.verdict} == {
        "loss": "bandwidth",
    }  # fmt: skip
    assert found.work.notes[0] == (
        "NVIDIA A100-SXM4-40GB can do at most, by its clocks: "
        "156 TFLOP/s of float32 (rounded to TF32), 1.56 TB/s."
    )
    assert found.work.peaks is not None
    assert found.work.peaks.name == A100["name"]
    cpu = breakdown(probed_language_model()).probe
    assert cpu is not None
    assert {row.name: row.verdict for row in cpu.work.rows if row.verdict} == {
        "decoder": "compute", "clip": "bandwidth",
    }  # fmt: skip
    assert probe_of().work == probe_of("cuda").work


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(runs())
def test_whatever_a_run_says(run: Run) -> None:
    found = breakdown(run).probe
    assert (found is None) == (run.probe is None)
    if found is None or run.probe is None:
        return
    assert len(found.waits.rows) == len(run.probe.waits)
    assert found.work.step.flops == sum(row.flops for row in found.work.rows)
    assert found.work.step.bytes == sum(row.bytes for row in found.work.rows)
    for row in (*found.work.rows, found.work.step):
        assert row.verdict in ("", "compute", "bandwidth", "launch")
        assert bool(row.reason) == bool(row.operators)
        assert row.verdict != "compute" or 0.5 <= (row.compute_share or 0) <= 1.1
        assert row.idle_share is None or 0 <= row.idle_share <= 1
    shares = [row.share for row in found.waits.rows if row.share is not None]
    assert sum(shares) == pytest.approx(found.waits.share or 0, abs=1e-9)
    assert sum(len(report.rows) for report in found.memory) == len(run.probe.memory)
