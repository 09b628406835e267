"""How long other streams work on after the current one, and in which stage: what events miss."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from helpers import in_steps, lane, profile

from rnnprof import marks
from rnnprof.recorder.syncing import NOTICED_NS
from rnnprof.testing import FakeClock, FakeDevice

US = 1_000


def noted(prof: Any) -> list[dict[str, Any]]:
    """The notes of a profile, without the one on the twin in Python."""
    return [note for note in prof.run.notes if note["code"] != "python_marks"]


def train(prof: Any, device: FakeDevice, side: Any, count: int, ns: int = 900 * US) -> None:
    """Steps of a millisecond, of which something goes on on a side stream in `rnn`."""
    for _ in range(count):
        with prof.step():
            with prof.stage("get_batch"):
                device.clock.advance(10 * US)
            with prof.stage("forward"):
                device.launch(100 * US)
                with prof.stage("rnn"):
                    device.launch(390 * US)
                    device.launch(390 * US + ns, side)
            with prof.stage("backward"):
                device.launch(500 * US)
            device.synchronize()


def test_a_steps_clock_knows_the_stage(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    with profile("auto", device=device, control_every=16) as prof:
        train(prof, device, device.stream(), 64)
    assert noted(prof) == [{"code": "other_streams", "share": round(900 / 1_900, 4), "stage": "rnn"}]
    assert in_steps(prof.run, "sync") == {
        "get_batch": (4, 40 * US),
        "forward": (4, 4 * 1_390 * US),
        "forward/rnn": (4, 4 * 1_290 * US),
        "backward": (4, 2_000 * US),
    }


def test_marks_share_a_reading_and_know_the_stage(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    side = device.stream()
    one, two, none = marks.Mark("one"), marks.Mark("two"), marks.Mark(None)
    with profile("event", device=device, warmup=4) as prof:
        for _ in range(4):
            with prof.step():
                one()
                device.launch(100 * US)
                two()
                device.launch(100 * US)
                device.launch(300 * US, side)
                none()
                device.launch(40 * US, side)
        with prof.step():
            pass
    assert in_steps(prof.run, "warmup") == {"one": (4, 400 * US), "two": (4, 1_200 * US)}
    assert noted(prof) == [{"code": "other_streams", "share": round(240 / 440, 4), "stage": "two"}]


@pytest.mark.parametrize(("ns", "said"), [(NOTICED_NS - 1, False), (NOTICED_NS, True)])
def test_what_waiting_costs_itself_is_no_other_stream(clock: FakeClock, ns: int, said: bool) -> None:
    device = FakeDevice(clock)
    side = device.stream()
    with profile("event", device=device, warmup=3) as prof:
        for _ in range(3):
            with prof.step(), prof.stage("forward"):
                device.launch(100 * US)
                device.launch(100 * US + ns, side)
    assert [note["code"] for note in noted(prof)] == ["other_streams"] * said


def test_up_to_two_percent_are_no_note(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    side = device.stream()
    with profile("event", device=device, warmup=50) as prof:
        for number in range(50):
            with prof.step(), prof.stage("forward"):
                device.launch(980 * US)
                device.launch(1_000 * US if number else 980 * US, side)
    assert not noted(prof)


def test_steps_that_fail_say_nothing(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    side = device.stream()
    with profile("event", device=device, warmup=4) as prof:
        for number in range(4):
            try:
                with prof.step(), prof.stage("forward"):
                    device.launch(100 * US)
                    if number < 3:
                        device.launch(900 * US, side)
                        device.synchronize()
                        device.launch(900 * US, side)
                        raise KeyError
            except KeyError:
                pass
            device.synchronize()
    assert lane(prof.run, "train").steps["warmup"].series.count == 1
    assert noted(prof) == [{"code": "aborted_steps", "count": 3}]


def test_steps_of_threads_say_nothing(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    side = device.stream()

    def work() -> None:
        train(prof, device, side, 5)

    with profile("event", device=device) as prof:
        with prof.step(), prof.stage("forward"):
            device.launch(10)
        thread = threading.Thread(target=work, name="other")
        thread.start()
        thread.join()
    assert lane(prof.run, "thread other").steps["sync"].series.count == 5
    assert not noted(prof)


def test_a_pinned_sync_needs_no_note(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    with profile("sync", device=device, warmup=2) as prof:
        train(prof, device, device.stream(), 10)
    assert not noted(prof)
