"""The three clocks on a simulated accelerator, where every kernel's time is known."""

from __future__ import annotations

import threading

import pytest
from helpers import in_steps, lane, outside, profile, steps

from rnnprof.clocks import Clock, SyncClock
from rnnprof.devices import Device
from rnnprof.errors import UsageError
from rnnprof.model import Run
from rnnprof.testing import FakeClock, FakeDevice

KERNELS = {"forward": 300, "backward": 600, "clip": 20, "update": 80}
LAUNCH = 2


def train(clock: FakeClock, device: FakeDevice, asked: str, count: int, **options: object) -> Run:
    """A loop whose host runs ahead and waits in `clip`, as clip_grad_norm_ once did."""
    with profile(asked, device=device, **options) as prof:
        for _ in range(count):
            with prof.step(tokens=5):
                for name, ns in KERNELS.items():
                    with prof.stage(name):
                        clock.advance(LAUNCH)
                        device.launch(ns)
                        if name == "clip":
                            device.synchronize()
    return prof.run  # type: ignore[no-any-return]


def test_host_time_blames_the_stage_that_waits(clock: FakeClock) -> None:
    run = train(clock, FakeDevice(clock), "host", 10)
    found = in_steps(run)
    assert found["forward"] == (10, 10 * LAUNCH)
    assert found["backward"] == (10, 10 * LAUNCH)
    assert found["clip"][1] > 0.98 * steps(run).total_ns


def test_synchronizing_finds_the_truth(clock: FakeClock) -> None:
    run = train(clock, FakeDevice(clock), "sync", 10)
    assert in_steps(run, "sync") == {name: (10, 10 * (ns + LAUNCH)) for name, ns in KERNELS.items()}


def test_events_find_the_truth_and_leave_the_loop_alone(clock: FakeClock) -> None:
    alone = FakeClock()
    train(alone, FakeDevice(alone), "host", 10)
    run = train(clock, FakeDevice(clock), "event", 10)
    host_wall = 10 * (300 + 600 + 20 + 2 + 2) + 80 * 9
    assert clock.now() - alone.now() <= 80
    found = in_steps(run, "event")
    assert {name: count for name, (count, _) in found.items()} == dict.fromkeys(KERNELS, 10)
    assert found["backward"] == (10, 6000)
    assert found["update"][1] == pytest.approx(800, abs=10 * LAUNCH)
    assert steps(run, "event").total_ns == pytest.approx(10_000, rel=0.01)
    assert lane(run, "train").steps["event"].wall.total_ns <= host_wall
    assert lane(run, "train").steps["event"].tokens == 50


def test_auto_mixes_the_kinds(clock: FakeClock) -> None:
    run = train(clock, FakeDevice(clock), "auto", 5 + 16 * 10, warmup=5, control_every=16)
    train_lane = lane(run, "train")
    counts = {kind: found.series.count for kind, found in train_lane.steps.items()}
    assert counts == {"warmup": 5, "control": 10, "host": 10, "sync": 10, "event": 130}
    assert not train_lane.steps["control"].stages
    assert [stage.name for stage in train_lane.steps["event"].stages] == list(KERNELS)
    assert in_steps(run, "sync")["backward"] == (10, 10 * (600 + LAUNCH))
    assert in_steps(run, "event")["backward"] == (130, 130 * 600)


def test_events_are_used_again(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    train(clock, device, "event", 2_000)
    assert device.events < 64


def test_a_device_far_behind_gets_no_more_events(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    with profile("event", device=device) as prof:
        for _ in range(10_000):
            with prof.step(), prof.stage("forward"):
                clock.advance(1)
                device.launch(1_000_000)
        assert device.events <= 512 * 4 + 4
        device.synchronize()
    kinds = lane(prof.run, "train").steps
    assert kinds["event"].series.count + kinds["host"].series.count == 10_000
    assert kinds["event"].series.count == 512
    # The first step waits for the host for a nanosecond, the others for the device alone.
    assert kinds["event"].stages[0].series.total_ns == 512_000_001


def test_a_step_that_fails_gives_its_events_back(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    with profile("event", device=device) as prof:
        for _ in range(50):
            with pytest.raises(KeyError), prof.step(), prof.stage("forward"):
                device.launch(10)
                raise KeyError
            with prof.step(), prof.stage("forward"):
                device.launch(10)
                device.synchronize()
    assert in_steps(prof.run, "event") == {"forward": (50, 500)}
    assert device.events <= 8


def test_a_lane_inside_a_step_timed_by_events_drops_the_step(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    with profile("event", device=device) as prof:
        for i in range(3):
            with prof.step(), prof.stage("forward"):
                device.launch(10)
                if i == 1:
                    with prof.lane("evaluate"):
                        device.launch(1000)
    assert steps(prof.run, "event").count == 2
    assert in_steps(prof.run, "event") == {"forward": (2, 20)}


def test_steps_of_other_threads_leave_the_events_to_the_main_one(clock: FakeClock) -> None:
    def work() -> None:
        with prof.step(), prof.stage("b"):
            device.launch(30)

    device = FakeDevice(clock)
    with profile("event", device=device) as prof:
        with prof.step(), prof.stage("a"):
            device.launch(10)
            thread = threading.Thread(target=work, name="other")
            thread.start()
            thread.join()
    assert in_steps(prof.run, "event") == {"a": (1, 40)}
    assert in_steps(prof.run, "sync", "thread other") == {"b": (1, 30)}


def test_stages_outside_steps_synchronize_once_the_device_is_known(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    with profile("event", device=device) as prof:
        with prof.step():
            device.launch(10)
        with prof.lane("evaluate"):
            with prof.stage("forward"):
                device.launch(500)
            with prof.stage("loss"):
                clock.advance(1)
    assert outside(prof.run, "evaluate") == {"forward": (1, 500), "loss": (1, 1)}


class Broken(FakeDevice):
    """A device that can be made to fail when it is asked to wait."""

    dead = False

    def synchronize(self) -> None:
        if self.dead:
            raise RuntimeError("device lost")


def test_the_users_exception_survives_a_device_that_dies(clock: FakeClock) -> None:
    device = Broken(clock)
    with profile("sync", device=device) as prof:
        with pytest.raises(KeyError), prof.step(), prof.stage("forward"):
            device.dead = True
            raise KeyError
        device.dead = False


def test_a_clock_waits_first_and_reads_then(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    device.launch(50)
    assert SyncClock(device, clock).now() == 50


def test_protocols(clock: FakeClock) -> None:
    assert isinstance(clock, Clock)
    device: Device = FakeDevice(clock)
    assert device.name == "fake"


@pytest.mark.parametrize("name", ["sync", "event"])
def test_a_pinned_device_clock_needs_a_device(name: str) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a device")
    with pytest.raises(UsageError, match=rf"clock='{name}' needs an accelerator and torch sees none; use"):
        profile(name)


def test_a_clock_that_is_none() -> None:
    with pytest.raises(UsageError, match="clock='wall' is not known: give one of auto, host, sync, event"):
        profile("wall")
    with pytest.raises(UsageError, match=r"a clock has `name` and `now\(\)`; int has not"):
        profile(3)
    with pytest.raises(UsageError, match="a clock advances by whole nanoseconds"):
        FakeClock().advance(-1)


def test_the_hosts_time_of_a_step_holds_the_devices(clock: FakeClock) -> None:
    class Slow(FakeDevice):
        """Recording an event takes the host a while."""

        def record(self, event: object) -> None:
            clock.advance(7)
            super().record(event)  # type: ignore[arg-type]

    with profile("event", device=Slow(clock)) as prof, prof.step():
        clock.advance(100)
    found = lane(prof.run, "train").steps["event"]
    assert (found.series.total_ns, found.wall.total_ns) == (107, 114)


def test_what_a_lane_has_queued_is_its_own(clock: FakeClock) -> None:
    """At both borders the device is waited for, be stages in it or not."""
    device = FakeDevice(clock)
    with profile("event", device=device) as prof:
        with prof.step():
            device.launch(300)
        with prof.lane("evaluate"):
            assert clock.now() == 300
            device.launch(50)
        assert clock.now() == 350
    assert lane(prof.run, "evaluate").series.total_ns == 50
    assert lane(prof.run, "train").series.total_ns == 300


def test_a_device_that_fails_in_the_last_wait_of_a_step_leaves_it_out(clock: FakeClock) -> None:
    class Failing(FakeDevice):
        broken = False

        def synchronize(self) -> None:
            if self.broken:
                raise RuntimeError("no more")
            super().synchronize()

    device = Failing(clock)
    with profile("sync", device=device) as prof:
        for number in range(2):
            with prof.step(tokens=3):
                with prof.stage("forward"):
                    device.launch(10)
                device.launch(500)
                device.broken = bool(number)
    found = lane(prof.run, "train").steps["sync"]
    assert (found.series.count, found.series.total_ns, found.tokens) == (1, 510, 3)
    assert {"code": "device_failed", "message": "no more", "count": 1} in prof.run.notes
