"""Events that never happen: the run ends, says so, and keeps what was measured before."""

from __future__ import annotations

import pytest
from helpers import in_steps, lane, profile, steps
from simulated_loop import LAUNCH, Loop, noted, shares, true_shares

from rnnprof.testing import FakeClock, FakeDevice

A_MINUTE = 60 * 10**9


@pytest.mark.parametrize("queue", [None, 1024])
def test_an_event_that_never_happens_is_noted_and_ends_the_run(clock: FakeClock, queue: int | None) -> None:
    device = FakeDevice(clock, launch_ns=LAUNCH, queue=queue)
    loop = Loop(device)
    with profile("event", device=device) as prof:
        for _ in range(30):
            loop.step(prof)
        loop.reads = False
        loop.step(prof, lambda name: name == "loss" and device.launch(None))
        loop.step(prof)
        before = clock.now()
    assert clock.now() - before <= A_MINUTE
    assert loop.steps == 32
    run = prof.run
    assert run.ended == "finished"
    assert noted(run)["unresolved_events"]["count"] == 2
    assert steps(run, "event").count == 30
    assert shares(run, "event") == pytest.approx(true_shares(), abs=0.001)


def test_a_loop_goes_on_while_an_event_does_not_happen(clock: FakeClock) -> None:
    device = FakeDevice(clock, launch_ns=1)
    with profile("event", device=device) as prof:
        for number in range(2_000):
            with prof.step(), prof.stage("forward"):
                device.launch(None if number == 100 else 10)
                if number < 100:
                    device.read()
        assert device.events <= 4 * 513
    run = prof.run
    kinds = lane(run, "train").steps
    assert kinds["event"].series.count == 100
    assert noted(run)["unresolved_events"]["count"] == 512
    assert kinds["host"].series.count == 2_000 - 612


def test_an_exception_goes_through_with_a_device_that_hangs(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    with pytest.raises(KeyError), profile("event", device=device) as prof:
        for number in range(10):
            with prof.step(), prof.stage("forward"):
                device.launch(10 if number < 9 else None)
                if number < 9:
                    device.read()
        raise KeyError
    assert prof.run.ended == "KeyError"
    assert noted(prof.run)["unresolved_events"]["count"] == 1
    assert in_steps(prof.run, "event") == {"forward": (9, 90)}


def test_a_side_stream_that_hangs_does_not_hang_the_run(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    side = device.stream()
    with profile("event", device=device) as prof:
        for number in range(10):
            with prof.step(), prof.stage("forward"):
                device.launch(10)
                if number == 9:
                    device.launch(None, side)
    assert in_steps(prof.run, "event") == {"forward": (10, 100)}


def test_a_device_far_behind_is_waited_for_at_the_end_as_long_as_it_goes_on(clock: FakeClock) -> None:
    device = FakeDevice(clock, launch_ns=LAUNCH)
    with profile("event", device=device) as prof:
        for _ in range(300):
            with prof.step(), prof.stage("forward"):
                device.launch(100_000_000)
        assert device.current.idle_at - clock.now() > 29 * 10**9
    assert not noted(prof.run)
    assert in_steps(prof.run, "event")["forward"] == (300, 300 * 100_000_000 + LAUNCH)


def test_steps_before_one_that_never_ends_are_read_however_far_behind(clock: FakeClock) -> None:
    device = FakeDevice(clock, launch_ns=LAUNCH)
    with profile("event", device=device) as prof:
        for number in range(300):
            with prof.step(), prof.stage("forward"):
                device.launch(100_000_000 if number != 250 else None)
        before = device.clock.now()
    assert clock.now() - before <= 2 * A_MINUTE
    assert noted(prof.run)["unresolved_events"]["count"] == 50
    assert in_steps(prof.run, "event")["forward"] == (250, 250 * 100_000_000 + LAUNCH)
