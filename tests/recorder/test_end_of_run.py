"""The end of a run on a device that is behind: how long it waits, and what it keeps."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import in_steps, lane, profile
from simulated_loop import noted

from rnnprof.recorder import timing
from rnnprof.recorder.events import MAX_WAITING
from rnnprof.recorder.timing import END_TOTAL_NS, END_WAIT_NS
from rnnprof.testing import FakeClock, FakeDevice

SECOND = 10**9


def queued(prof: Any, device: FakeDevice, count: int, ns: int | None) -> None:
    """Steps of one kernel each, which nobody waits for."""
    for _ in range(count):
        with prof.step(), prof.stage("forward"):
            device.launch(ns)


@pytest.mark.parametrize("seconds", [1, 2, 4])
def test_the_wait_is_thirty_seconds_in_all(clock: FakeClock, seconds: int) -> None:
    device = FakeDevice(clock)
    with profile("event", device=device) as prof:
        queued(prof, device, MAX_WAITING, seconds * SECOND)
    assert clock.now() == END_TOTAL_NS == 30 * SECOND
    read = 30 // seconds
    assert in_steps(prof.run, "event") == {"forward": (read, read * seconds * SECOND)}
    assert noted(prof.run) == {
        "unresolved_events": {"code": "unresolved_events", "count": MAX_WAITING - read}
    }


def test_a_step_that_takes_longer_than_five_seconds_is_not_waited_for(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    with profile("event", device=device) as prof:
        queued(prof, device, 3, 2 * SECOND)
        queued(prof, device, 3, END_WAIT_NS + 1)
    assert clock.now() == 6 * SECOND + END_WAIT_NS
    assert in_steps(prof.run, "event") == {"forward": (3, 6 * SECOND)}


def test_a_device_that_keeps_up_is_not_waited_for(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    with profile("event", device=device) as prof:
        queued(prof, device, 3, 100)
        device.synchronize()
    assert clock.now() == 300
    assert in_steps(prof.run, "event") == {"forward": (3, 300)}


def test_ctrl_c_ends_the_wait_and_the_run_is_saved(clock: FakeClock) -> None:
    class Interrupted(FakeDevice):
        def wait(self, event: Any, ns: int) -> bool:
            super().wait(event, ns)
            if self.clock.now() >= 3 * SECOND:
                raise KeyboardInterrupt
            return True

    device = Interrupted(clock)
    with pytest.raises(KeyboardInterrupt), profile("event", device=device) as prof:
        queued(prof, device, 10, SECOND)
    run = prof.run
    assert (run.ended, run.wall_ns) == ("finished", 3 * SECOND)
    assert in_steps(run, "event") == {"forward": (3, 3 * SECOND)}
    assert noted(run)["unresolved_events"]["count"] == 7


def test_a_torch_that_is_broken_at_the_end_costs_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [None]

    def find_device() -> Any:
        if answers:
            return answers.pop()
        raise AttributeError

    monkeypatch.setattr(timing, "find_device", find_device)
    with profile("auto") as prof, prof.step():
        pass
    assert not answers
    assert prof.run.ended == "finished"
    assert not noted(prof.run)


def test_a_device_that_hangs_gets_no_more_events_from_control_steps_either(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    with profile("event", device=device, control_every=8) as prof:
        queued(prof, device, 1, None)
        queued(prof, device, 4_000, 10)
        assert len(prof._recorder.queue) == MAX_WAITING
        made = device.events
        queued(prof, device, 4_000, 10)
        assert device.events == made
    kinds = lane(prof.run, "train").steps
    assert kinds["host"].series.count == 8_001 - MAX_WAITING
