"""Advice on a device that waits: for the host's launches, or because the host waits for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rnnprof.analysis.advice.launching import launch
from rnnprof.analysis.advice.sync_points import CPU, sync
from rnnprof.captures import Kernel
from rnnprof.model import Run
from rnnprof.probes import Probe, ProbedStage
from rnnprof.vitals import Compiled, Vitals
from tests.advice_runs import MAIN, a_run, abstains, found
from tests.clocked_run import Own, clocked_run, steps_at, trace_at
from tests.probe_builder import wait_of

FEW: Own = {("get_batch",): 100_000, ("forward",): 3_000_000, ("backward",): 6_000_000, ("log",): 900_000}


def on_device(busy: float | None, waits: tuple[Any, ...] = (), own: Own = FEW, **changed: Any) -> Run:
    """A run on a device that is busy for that part of each stage; None without a trace."""
    stages = (ProbedStage((), 1, sum(own.values())), *(ProbedStage(path, 1, ns) for path, ns in own.items()))
    probe = Probe(step=3, device="cuda", total_ns=sum(own.values()), stages=stages, waits=waits)
    kinds = {"event": steps_at(own, 96, noise=0)} if busy is not None else {}
    traces = () if busy is None else (trace_at(own, busy),)
    return clocked_run(kinds or {"host": steps_at(own, 96, noise=0)}, probe=probe, traces=traces, **changed)


ITEM = wait_of(212, waited_ns=4_000_000)


def test_waits_that_leave_the_device_idle_are_named_worst_first() -> None:
    waits = (
        wait_of(200, way="cpu", call="Tensor.cpu", waited_ns=100_000),
        ITEM,
        wait_of(201, way="item", waited_ns=1_000_000, count=3),
        wait_of(202, way="nonzero", call="Tensor.nonzero", waited_ns=200_000),
        wait_of(203, way="other", call="f", waited_ns=5_000_000),
    )
    (one,) = found(sync, on_device(0.75, waits))
    assert (one.key, one.file, one.line, one.stage) == ("sync", MAIN, 212, ("log",))
    assert one.saving == pytest.approx(0.25)
    assert one.evidence.startswith(
        "In the probed step the host waited at main.py:212 (Tensor.item, once): 4.00 ms; main.py:201 "
        "(Tensor.item, 3 times): 1.00 ms; main.py:202 (Tensor.nonzero, once): 200 µs; 1 more place: 100 µs."
    )
    assert one.change == (
        "main.py:212, main.py:201: Keep it on the device (total += loss.detach()), and read it every N "
        "steps. main.py:202: Multiply with the mask, or use torch.where(mask, a, b)."
    )


def test_waiting_costs_no_more_than_it_takes() -> None:
    (one,) = found(sync, on_device(0.2, (replace(ITEM, waited_ns=1_000_000),)))
    assert one.saving == pytest.approx(0.1)
    assert one.bound == (
        "The smaller of the waits, 10.0 % of the probed step, and of the time in which the device may be "
        "idle, 80.0 %."
    )


def test_without_clocks_the_waits_are_the_bound() -> None:
    run = on_device(None, (ITEM,))
    run = replace(run, lanes=())
    (one,) = found(sync, run)
    assert one.saving == pytest.approx(0.4)
    assert "not known" in one.bound


def test_waiting_for_a_device_that_is_always_busy_costs_nothing() -> None:
    assert found(sync, on_device(0.9, (ITEM,))) == ()


def test_waits_that_are_meant_are_no_finding() -> None:
    assert found(sync, on_device(0.2, (wait_of(1, way="other", call="f"),))) == ()
    assert found(sync, on_device(0.2)) == ()


def test_nothing_waits_on_a_cpu() -> None:
    assert abstains(sync, a_run(probe={"waits": (wait_of(3, waited_ns=None),)})) == CPU
    assert abstains(launch, a_run()) == CPU
    assert abstains(sync, a_run()) == "No step was looked at closely (no probe)."


def test_a_launch_bound_step_is_told_by_its_trace() -> None:
    run = on_device(0.3)
    trace = run.traces[0]
    stage = replace(trace.stages[1], kernels=(Kernel("gemm", 10, 60_000), Kernel("(others)", 20, 30_000)))
    run = replace(run, traces=(replace(trace, stages=(trace.stages[0], stage, *trace.stages[2:])),))
    (one,) = found(launch, run)
    # 1 - 0.3, less the part in which the batch is fetched: 1 %.
    assert one.saving == pytest.approx(0.69)
    assert one.evidence == (
        "The step is launch-bound: a kernel runs in 30.0 % of it; for the rest the device waits for the "
        "host. So it is in backward, forward, log and 1 more. A traced step has 35 launches; a kernel takes "
        "3.00 µs on average."
    )
    assert one.bound == (
        "The part of the step in which the device may wait, by a trace, less that of fetching the batch."
    )
    assert "`torch.compile(model, mode='reduce-overhead')` or a CUDA graph" in one.change


def test_who_compiles_already_is_told_of_the_mode() -> None:
    (one,) = found(launch, on_device(0.3, vitals=Vitals(compiled=Compiled(graphs=1, later=0))))
    assert "`mode='reduce-overhead'` of `torch.compile`" in one.change
    assert "CUDA graph" not in one.change


def test_a_step_that_only_fetches_is_not_launch_bound() -> None:
    own = {("get_batch",): 9_000_000, ("forward",): 1_000_000}
    (one,) = found(launch, on_device(0.2, own=own))
    assert one.saving == 0.0


def test_a_device_that_works_waits_for_no_launches() -> None:
    assert found(launch, on_device(0.95)) == ()
    assert found(launch, on_device(0.7)) == ()


def test_what_limits_a_step_may_not_be_known() -> None:
    assert "trace some steps" in abstains(launch, on_device(None))
    assert abstains(launch, replace(on_device(None), lanes=())) == "No clock of the device was read."


def test_a_stage_that_waits_for_launches_is_found_in_a_step_that_does_not() -> None:
    run = on_device(0.9)
    trace = run.traces[0]
    stages = tuple(
        replace(one, busy_ns=one.busy_ns // 10, gap_ns=one.gap_ns + one.busy_ns - one.busy_ns // 10)
        if one.path == ("forward",)
        else one
        for one in trace.stages
    )
    (one,) = found(launch, replace(run, traces=(replace(trace, stages=stages),)))
    assert one.stage == ("forward",)
    assert one.evidence.startswith("The step is neither clearly device-bound nor launch-bound")
    assert one.saving == pytest.approx(0.3 * 0.91 - 0.01, abs=1e-3)
