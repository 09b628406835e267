"""Streams besides the current one, and several devices: timed, or said, and never silently wrong."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import in_steps, lane, profile
from simulated_loop import LAUNCH, Loop, beside, noted, shares, true_shares

from rnnprof.testing import FakeClock, FakeDevice

# ---- streams --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["event", "sync"])
def test_work_beside_that_the_stage_waits_for_is_in_its_time(clock: FakeClock, kind: str) -> None:
    device = FakeDevice(clock)
    side = device.stream()
    with profile(kind, device=device) as prof:
        for _ in range(10):
            with prof.step():
                with prof.stage("forward"):
                    device.launch(300)
                    beside(device, side, 500, wait=True)
                with prof.stage("backward"):
                    device.launch(600)
    assert in_steps(prof.run, kind) == {"forward": (10, 8_000), "backward": (10, 6_000)}


@pytest.mark.parametrize("kind", ["event", "sync"])
def test_a_stage_on_a_stream_of_its_own_is_timed_there(clock: FakeClock, kind: str) -> None:
    """A stage that runs wholly under another stream, as the copy of a batch ahead of time does."""
    device = FakeDevice(clock)
    side = device.stream()
    with profile(kind, device=device) as prof:
        for _ in range(10):
            with prof.step():
                with device.using(side), prof.stage("get_batch"):
                    device.launch(70)
                    over = device.event()
                    device.record(over)
                device.wait_event(over)
                with prof.stage("forward"):
                    device.launch(300)
                    device.finish_stream()
    assert in_steps(prof.run, kind) == {"get_batch": (10, 700), "forward": (10, 3_000)}


def test_a_stage_that_ends_on_another_stream_is_never_silently_wrong(clock: FakeClock) -> None:
    """The side stream's mark has not happened when the step's last one has."""
    device = FakeDevice(clock)
    side = device.stream()
    with profile("event", device=device) as prof:
        for _ in range(5):
            with prof.step():
                with device.using(side), prof.stage("get_batch"):
                    device.launch(1_000_000)
                with prof.stage("forward"):
                    device.launch(300)
                    device.finish_stream()
        device.synchronize()
    found = in_steps(prof.run, "event")
    assert found["forward"] == (5, 1_500)
    assert found["get_batch"] == (5, 5_000_000)


def test_work_beside_that_nobody_waits_for_is_noted(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    side = device.stream()
    with profile("auto", device=device, control_every=16) as prof:
        for _ in range(16 * 8):
            with prof.step():
                with prof.stage("forward"):
                    device.launch(3_000_000)
                with prof.stage("backward"):
                    device.launch(6_000_000)
                    beside(device, side, 9_000_000, wait=False)
                with prof.stage("clip"):
                    device.read()
    run = prof.run
    note = noted(run)["other_streams"]
    assert note["stage"] == "backward"
    found = {kind: in_steps(run, kind) for kind in ("event", "sync")}
    assert found["event"]["backward"][1] == found["event"]["backward"][0] * 6_000_000
    assert found["sync"]["backward"][1] == found["sync"]["backward"][0] * 15_000_000


def test_streams_that_are_waited_for_are_not_noted(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    side = device.stream()
    with profile("auto", device=device, control_every=16) as prof:
        for _ in range(16 * 8):
            with prof.step():
                with prof.stage("forward"):
                    device.launch(3_000_000)
                with prof.stage("backward"):
                    device.launch(6_000_000)
                    beside(device, side, 9_000_000, wait=True)
    assert not noted(prof.run)


BUCKETS = 5
BACKWARD, REDUCE = 10_000, 14_000


@pytest.mark.parametrize("kind", ["event", "sync", "auto"])
def test_gradients_that_are_reduced_beside_the_backward_pass(clock: FakeClock, kind: str) -> None:
    """As in DDP: buckets on a stream of their own while backward goes on, which waits for the last."""
    device = FakeDevice(clock, launch_ns=10, queue=1024)
    side = device.stream()
    with profile(kind, device=device, control_every=16 if kind == "auto" else 0) as prof:
        for _ in range(64):
            with prof.step():
                with prof.stage("forward"):
                    device.launch(20_000)
                with prof.stage("backward"):
                    for bucket in range(BUCKETS):
                        device.launch(BACKWARD)
                        beside(device, side, REDUCE, wait=bucket == BUCKETS - 1)
                with prof.stage("update"):
                    device.launch(5_000)
    # The first bucket's gradients are there after its part of the pass; reducing is the longer part.
    backward = BACKWARD + BUCKETS * REDUCE
    truth = {"forward": 20_000, "backward": backward, "update": 5_000}
    whole = sum(truth.values())
    for measured in ("event", "sync") if kind == "auto" else (kind,):
        assert shares(prof.run, measured) == pytest.approx(
            {name: ns / whole for name, ns in truth.items()}, abs=0.001
        )
    assert not noted(prof.run)


# ---- several devices ------------------------------------------------------------------------------


def in_two_halves(device: FakeDevice, prof: Any) -> None:
    """A step of a model of which half lies on a second device."""
    with prof.step():
        with prof.stage("forward"):
            device.launch(3_000)
            with device.on(1):
                device.launch(4_000)
        with prof.stage("backward"), device.on(1):
            device.launch(9_000)
        with prof.stage("update"):
            device.launch(500)


@pytest.mark.parametrize("asked", ["auto", "event", "sync"])
def test_several_devices_are_all_waited_for(clock: FakeClock, asked: str) -> None:
    device = FakeDevice(clock, devices=2)
    with device.on(1):
        device.launch(1)
    control = 16 if asked == "auto" else 0
    with profile(asked, device=device, control_every=control) as prof:
        for _ in range(64):
            in_two_halves(device, prof)
    run = prof.run
    kinds = lane(run, "train").steps
    assert "event" not in kinds
    count = kinds["sync"].series.count
    assert count >= (1 if asked == "auto" else 64)
    assert in_steps(run, "sync") == {
        "forward": (count, count * 4_000),
        "backward": (count, count * 9_000),
        "update": (count, count * 500),
    }
    assert ("several_devices" in noted(run)) is (asked != "sync")
    if control:
        # Without marks, the second device has no reason to wait for the first.
        assert (kinds["control"].series.count, kinds["control"].series.total_ns) == (4, 4 * 13_000)


def test_a_second_device_that_comes_later_is_never_silently_wrong(clock: FakeClock) -> None:
    device = FakeDevice(clock, devices=2)
    with profile("event", device=device) as prof:
        for _ in range(10):
            with prof.step(), prof.stage("forward"):
                device.launch(3_000)
        for _ in range(200):
            in_two_halves(device, prof)
    run = prof.run
    assert "several_devices" in noted(run)
    found = in_steps(run, "sync")
    count, total = found["backward"]
    assert count > 100
    assert total == count * 9_000


def test_devices_that_are_not_used_change_nothing(clock: FakeClock) -> None:
    device = FakeDevice(clock, launch_ns=LAUNCH, devices=8)
    loop = Loop(device)
    with profile("event", device=device) as prof:
        for _ in range(20):
            loop.step(prof)
    assert not noted(prof.run)
    assert shares(prof.run, "event") == pytest.approx(true_shares(), abs=0.001)
