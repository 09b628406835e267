"""What each clock says of a word language model on a device whose kernels' times are all known."""

from __future__ import annotations

import pytest
from helpers import in_steps, lane, profile, steps
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_loop import KERNELS, LAUNCH, TRUTH, US, Loop, ranked, shares, train, true_shares

from rnnprof.analysis.breakdown import breakdown
from rnnprof.model import Run
from rnnprof.recorder.events import MAX_WAITING
from rnnprof.testing import FakeClock, FakeDevice

WITHIN = 0.001


def slow(clock: FakeClock, queue: int | None = 1024) -> Loop:
    """The loop on a device that is the bottleneck."""
    return Loop(FakeDevice(clock, launch_ns=LAUNCH, queue=queue))


def fast(clock: FakeClock) -> Loop:
    """The loop on a device that waits for its launches most of the time."""
    return Loop(FakeDevice(clock, launch_ns=LAUNCH, queue=1024), faster=500)


def close(found: dict[str, float]) -> None:
    assert found == pytest.approx(true_shares(), abs=WITHIN)


# ---- the truth, and what the host's clock makes of it ---------------------------------------------


def test_forward_and_backward_take_most_of_the_time() -> None:
    truth = true_shares()
    assert ranked(truth)[:2] == ["backward", "forward"]
    assert truth["backward"] + truth["forward"] > 0.94
    assert truth["clip"] + truth["update"] < 0.05


@pytest.mark.parametrize("queue", [None, 1024, 16, 1])
@pytest.mark.parametrize("kind", ["event", "sync"])
def test_events_and_synchronizing_find_the_programmed_shares(
    clock: FakeClock, kind: str, queue: int | None
) -> None:
    close(shares(train(slow(clock, queue), kind, 20), kind))


@pytest.mark.parametrize("kind", ["event", "sync"])
def test_nothing_needs_to_wait_in_the_loop_for_that(clock: FakeClock, kind: str) -> None:
    loop = slow(clock)
    loop.reads = False
    close(shares(train(loop, kind, 20), kind))


def test_events_know_what_each_stage_took_on_the_device(clock: FakeClock) -> None:
    found = in_steps(train(slow(clock), "event", 20), "event")
    assert {name: count for name, (count, _) in found.items()} == dict.fromkeys(KERNELS, 20)
    for name in ("forward", "loss", "backward"):
        assert found[name][1] == 20 * TRUTH[name], name


def test_a_coarse_device_clock_is_no_worse(clock: FakeClock) -> None:
    device = FakeDevice(clock, launch_ns=LAUNCH, queue=1024, resolution_ns=500)
    close(shares(train(Loop(device), "event", 20), "event"))


def test_the_hosts_clock_blames_clipping_and_the_update(clock: FakeClock) -> None:
    found = shares(train(slow(clock), "host", 20), "host")
    assert ranked(found)[:2] == ["clip", "update"]
    assert found["clip"] > 0.9
    assert found["forward"] + found["backward"] < 0.05


def test_one_run_shows_all_of_them(clock: FakeClock) -> None:
    run = train(slow(clock), "auto", 5 + 16 * 4, warmup=5, control_every=16)
    counts = {kind: found.series.count for kind, found in lane(run, "train").steps.items()}
    assert counts == {"warmup": 5, "event": 52, "host": 4, "sync": 4, "control": 4}
    close(shares(run, "event"))
    close(shares(run, "sync"))
    blamed = shares(run, "host")
    assert ranked(blamed)[:2] == ["clip", "update"]
    assert blamed["clip"] > 0.9


def test_events_leave_the_loop_as_it_was_and_synchronizing_does_not() -> None:
    def took(asked: str, faster: int) -> int:
        clock = FakeClock()
        loop = slow(clock)
        loop.faster, loop.reads = faster, False
        train(loop, asked, 50)
        loop.device.synchronize()
        return clock.now()

    assert took("event", 1) == took("host", 1)
    assert took("event", 40) == took("host", 40)
    # Where launches and kernels take about as long, waiting at every stage costs what they overlap.
    assert took("sync", 40) > 1.05 * took("host", 40)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.integers(1_000, 50_000), max_size=6), min_size=1, max_size=6),
    st.none() | st.integers(1, 9),
)
def test_events_are_exact_while_the_device_has_work(stages: list[list[int]], queue: int | None) -> None:
    device = FakeDevice(FakeClock(), launch_ns=100, queue=queue)
    device.launch(10 * 6 * 6 * 100 + 1)
    with profile("event", device=device) as prof:
        for _ in range(10):
            with prof.step():
                for number, kernels in enumerate(stages):
                    with prof.stage(f"stage {number}"):
                        for ns in kernels:
                            device.launch(ns)
        device.synchronize()
    whole = sum(sum(kernels) for kernels in stages)
    assert in_steps(prof.run, "event") == {
        f"stage {number}": (10, 10 * sum(kernels)) for number, kernels in enumerate(stages)
    }
    assert steps(prof.run, "event").total_ns == 10 * whole


# ---- launch-bound or device-bound -----------------------------------------------------------------


def disagreement(run: Run) -> float:
    """How much of a step the host's clock bills to other stages than the events do."""
    host, device = shares(run, "host"), shares(run, "event")
    return sum(abs(host[name] - device[name]) for name in KERNELS) / 2


def test_a_loop_bound_by_its_launches_is_told_from_one_bound_by_the_device(clock: FakeClock) -> None:
    bound = train(slow(clock), "auto", 16 * 10, control_every=16)
    launching = train(fast(FakeClock()), "auto", 16 * 10, control_every=16)
    # Where the device waits for the host, each stage takes as long for both.
    assert disagreement(launching) < 0.02
    assert disagreement(bound) > 0.9
    host, device = in_steps(launching, "host"), in_steps(launching, "event")
    for name in ("forward", "backward"):
        assert host[name][1] / host[name][0] == len(KERNELS[name]) * LAUNCH
        assert device[name][1] / device[name][0] == pytest.approx(len(KERNELS[name]) * LAUNCH, abs=2 * US)


def test_what_a_launch_costs_shows_where_the_device_is_idle(clock: FakeClock) -> None:
    """Events hold the gaps between kernels: only a trace tells what the device was busy."""
    run = train(fast(clock), "event", 20)
    busy = sum(ns // 500 for kernels in KERNELS.values() for ns in kernels)
    assert steps(run, "event").total_ns > 5 * 20 * busy


# ---- a device far behind --------------------------------------------------------------------------


@pytest.mark.parametrize("queue", [None, 1024])
def test_ten_thousand_steps_behind_need_no_more_events(clock: FakeClock, queue: int | None) -> None:
    device = FakeDevice(clock, launch_ns=1, queue=queue)
    with profile("event", device=device) as prof:
        for _ in range(20_000):
            with prof.step():
                for name in ("forward", "backward"):
                    with prof.stage(name):
                        device.launch(1_000_000)
        behind = device.current.idle_at - clock.now()
        assert behind >= (10_000 * 2_000_000 if queue is None else 511 * 2_000_000)
        # Two for each stage and two for the step, of those outstanding and the one under way.
        assert device.events <= 6 * (MAX_WAITING + 1)
        device.synchronize()
    counts = {kind: found.series.count for kind, found in lane(prof.run, "train").steps.items()}
    assert sum(counts.values()) == 20_000
    assert counts["event"] >= MAX_WAITING
    assert shares(prof.run, "event") == pytest.approx({"forward": 0.5, "backward": 0.5}, abs=WITHIN)


def test_a_device_that_catches_up_gets_events_again(clock: FakeClock) -> None:
    device = FakeDevice(clock, launch_ns=1)
    with profile("event", device=device) as prof:
        for _ in range(5):
            for _ in range(MAX_WAITING + 100):
                with prof.step(), prof.stage("forward"):
                    device.launch(1_000)
            device.synchronize()
    kinds = lane(prof.run, "train").steps
    # The first step of each further round meets the queue as the last one left it.
    assert kinds["event"].series.count == 5 * MAX_WAITING
    assert kinds["host"].series.count == 5 * 100
    assert device.events <= 4 * (MAX_WAITING + 1)


# ---- from the loop to the report ------------------------------------------------------------------


def test_the_report_says_whom_the_host_blamed_and_what_limits_the_step(clock: FakeClock) -> None:
    found = breakdown(train(slow(clock), "auto", 16 * 10, control_every=16)).clocks
    assert found is not None
    rows = {row.name: row for row in found.stages}
    for name, share in true_shares().items():
        for told in (rows[name].event, rows[name].sync):
            assert told is not None
            assert told.share == pytest.approx(share, abs=WITHIN)
    assert (found.truth, found.differs, found.bound.verdict) == ("event", True, "device")
    assert found.sentence.index("clip") < found.sentence.index("backward")


def test_the_report_tells_a_loop_bound_by_its_launches(clock: FakeClock) -> None:
    found = breakdown(train(fast(clock), "auto", 16 * 10, control_every=16)).clocks
    assert found is not None
    assert (found.truth, found.differs, found.bound.verdict) == ("event", False, "launch")


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize("us", [8, 25, 100])
def test_launches_that_wait_for_room_are_not_taken_for_the_limit(us: int, reads: bool) -> None:
    """A step of far more kernels than are queued: the host keeps pace, as it has to."""
    device = FakeDevice(FakeClock(), launch_ns=LAUNCH, queue=64)
    with profile("auto", device=device, control_every=16) as prof:
        for _ in range(16 * 8):
            with prof.step():
                for name, count in (("forward", 180), ("backward", 320), ("clip", 2)):
                    with prof.stage(name):
                        for _ in range(count):
                            device.launch(us * US)
                        if reads and name == "clip":
                            device.read()
    found = breakdown(prof.run).clocks
    assert found is not None
    assert found.bound.verdict != "launch"
    assert "launch" not in {row.verdict for row in found.stages}
