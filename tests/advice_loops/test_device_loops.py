"""Loops on the simulated accelerator and the advice on them, in its own time: the same at every run."""

from __future__ import annotations

from dataclasses import replace

import pytest

import rnnprof
from rnnprof.analysis.advice.launching import launch
from rnnprof.analysis.advice.loading import input as fetching
from rnnprof.analysis.advice.sync_points import sync
from rnnprof.model import Run
from rnnprof.probes import Probe
from rnnprof.testing import FakeClock, FakeDevice
from tests.advice_runs import abstains, found
from tests.probe_builder import wait_of

KERNELS = {"forward": 90, "loss": 5, "backward": 140, "log": 1, "update": 11}
"""Kernels in each stage."""


def trained(kernel_ns: int, launch_ns: int, reads: bool = False, fetch_ns: int = 0) -> Run:
    """A run of 180 steps.

    Args:
        kernel_ns: what each kernel takes on the device.
        launch_ns: what the host needs to launch it.
        reads: whether the host reads a number in the stage log, as ``loss.item()`` does.
        fetch_ns: what the host needs for each batch.
    """
    clock = FakeClock()
    device = FakeDevice(clock, launch_ns=launch_ns)
    waited = 0
    with rnnprof.profile(None, device=device) as prof:
        for _ in range(180):
            with prof.step():
                with prof.stage("get_batch"):
                    clock.advance(fetch_ns)
                for name, kernels in KERNELS.items():
                    with prof.stage(name):
                        for _ in range(kernels):
                            device.launch(kernel_ns)
                        if name == "log" and reads:
                            before = clock.now()
                            device.read()
                            waited = clock.now() - before
    run = prof.run
    total = sum(KERNELS.values()) * max(kernel_ns, launch_ns) + fetch_ns
    # The probe cannot see into a device without torch: what it would have seen is put in by hand.
    waits = (wait_of(212, waited_ns=waited),) if reads else ()
    return replace(run, probe=Probe(step=3, device="cuda", total_ns=total, waits=waits))


def test_short_kernels_wait_for_their_launches() -> None:
    (one,) = found(launch, trained(2_000, 8_000))
    assert one.saving == pytest.approx(1.0, abs=0.05)
    assert one.evidence.startswith("The step is launch-bound: the host takes as long as the device")
    assert found(sync, trained(2_000, 8_000)) == ()


def test_a_device_that_works_all_the_time_gets_no_advice() -> None:
    run = trained(100_000, 5_000)
    assert found(launch, run) == found(sync, run) == found(fetching, run) == ()


def test_reading_the_loss_costs_a_device_that_is_always_busy_nothing() -> None:
    assert found(sync, trained(100_000, 5_000, reads=True)) == ()


def test_reading_the_loss_where_the_device_is_as_fast_as_the_host_costs_something() -> None:
    run = trained(9_000, 8_000, reads=True)
    (one,) = found(sync, run)
    assert (one.line, one.stage) == (212, ("log",))
    assert run.probe is not None
    assert one.saving == pytest.approx((run.probe.waits[0].waited_ns or 0) / run.probe.total_ns)


def test_a_device_that_waits_for_its_batch() -> None:
    own = sum(KERNELS.values()) * 100_000
    (one,) = found(fetching, trained(100_000, 5_000, reads=True, fetch_ns=own))
    assert one.stage == ("get_batch",)
    assert 0.3 < (one.saving or 0.0) < 0.6
    assert found(fetching, trained(100_000, 5_000, reads=True, fetch_ns=own // 20)) == ()


def test_nothing_is_launched_on_a_cpu() -> None:
    with rnnprof.profile(None, clock="host") as prof:
        for _ in range(12):
            with prof.step(), prof.stage("forward"):
                pass
    assert abstains(launch, prof.run) == "No accelerator was used: nothing waits."
