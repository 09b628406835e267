"""Steps that wait for their events: which are read, which are lost, and that nothing breaks the program."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from helpers import in_steps, lane, profile, steps

from rnnprof import marks
from rnnprof.recorder import events
from rnnprof.recorder.guard import Guard
from rnnprof.testing import FakeClock, FakeDevice

US = 1_000


def noted(prof: Any) -> list[dict[str, Any]]:
    """The notes of a profile, without the one on the twin in Python."""
    return [note for note in prof.run.notes if note["code"] != "python_marks"]


def step(prof: Any, device: FakeDevice, ns: int | None, stream: Any = None) -> None:
    with prof.step(tokens=3), prof.stage("forward"):
        device.launch(ns, stream)


# ---- lost ------------------------------------------------------------------------------------------


def test_a_step_on_a_stream_that_hangs_is_given_up_when_many_after_it_are_over(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    with profile("event", device=device) as prof:
        with device.using(device.stream()):
            step(prof, device, None)
        queue = prof._recorder.queue
        for number in range(200):
            step(prof, device, 10)
            device.finish_stream()
            if number < 2 * events.LOST_BEHIND - 1:
                assert (queue.lost, len(queue)) == (0, number + 2)
        assert (queue.lost, len(queue)) == (1, 1)
        before = clock.now()
    assert clock.now() == before
    assert in_steps(prof.run, "event") == {"forward": (200, 2_000)}
    assert noted(prof) == [{"code": "unresolved_events", "count": 1}]


def test_the_end_waits_once_and_keeps_what_is_over(clock: FakeClock) -> None:
    waits = []

    class Waited(FakeDevice):
        def wait(self, event: Any, ns: int) -> bool:
            waits.append(ns)
            return super().wait(event, ns)

    device = Waited(clock)
    side = device.stream()
    with profile("event", device=device) as prof:
        with device.using(side):
            for _ in range(3):
                step(prof, device, None)
        for _ in range(3):
            step(prof, device, 10 * US)
        with device.using(side):
            step(prof, device, None)
    assert waits == [5 * 10**9]
    assert clock.now() == 5 * 10**9
    assert in_steps(prof.run, "event") == {"forward": (3, 30 * US)}
    assert noted(prof) == [{"code": "unresolved_events", "count": 4}]


def test_events_of_another_stream_that_is_behind_are_waited_for(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    side = device.stream()
    with profile("event", device=device) as prof:
        with prof.step():
            with device.using(side), prof.stage("copy"):
                device.launch(1_000)
            with prof.stage("forward"):
                device.launch(10)
        clock.advance(100)
        queue = prof._recorder.queue
        queue.poll()
        assert (len(queue), queue.lost) == (1, 0)
        clock.advance(1_000)
        queue.poll()
        assert (len(queue), queue.lost) == (0, 0)
    assert in_steps(prof.run, "event") == {"copy": (1, 1_000), "forward": (1, 10)}


def test_a_stage_that_runs_backwards_on_two_streams_leaves_its_step_out(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    side = device.stream()
    with profile("event", device=device) as prof:
        for _ in range(2):
            with prof.step():
                device.launch(1_000)
                stage = prof.stage("copy")
                stage.__enter__()
                with device.using(side):
                    stage.__exit__(None, None, None)
            device.synchronize()
        step(prof, device, 10)
    assert in_steps(prof.run, "event") == {"forward": (1, 10)}
    assert noted(prof) == [{"code": "unresolved_events", "count": 2}]


# ---- devices that fail -----------------------------------------------------------------------------


class Failing(FakeDevice):
    """A device of which one method can be made to fail."""

    broken = ""

    def __getattribute__(self, name: str) -> Any:
        if name == super().__getattribute__("broken"):
            return self._fail
        return super().__getattribute__(name)

    def _fail(self, *_: Any) -> Any:
        raise RuntimeError("CUDA error: device-side assert triggered")


FAILED = {"code": "device_failed", "message": "CUDA error: device-side assert triggered"}


@pytest.mark.parametrize("broken", ["done", "capturing", "wait"])
@pytest.mark.parametrize("raises", [False, True])
def test_the_program_hears_nothing_of_a_device_that_fails(
    clock: FakeClock, broken: str, raises: bool
) -> None:
    device = Failing(clock)
    with pytest.raises(KeyError) if raises else nullcontext(), profile("event", device=device) as prof:
        for _ in range(5):
            step(prof, device, 10)
            device.finish_stream()
        step(prof, device, 10)
        device.broken = broken
        for _ in range(5):
            step(prof, device, 10)
        if raises:
            raise KeyError
    found = {note["code"]: note for note in noted(prof)}
    assert found["device_failed"].items() >= FAILED.items()
    assert steps(prof.run, "event").count >= 5
    assert found["unresolved_events"]["count"] >= 1


def test_a_device_that_has_failed_is_not_asked_again(clock: FakeClock) -> None:
    device = Failing(clock)
    with profile("event", device=device) as prof:
        step(prof, device, 10)
        device.broken = "done"
        step(prof, device, 10)
        made = device.events
        device.broken = ""
        for _ in range(50):
            step(prof, device, 10)
            device.finish_stream()
        with prof.lane("evaluate"), prof.stage("forward"):
            device.launch(500)
        assert device.events == made
    assert steps(prof.run, "event").count == 0
    assert FAILED | {"count": 50} in noted(prof)


@pytest.mark.parametrize("broken", ["synchronize", "capturing"])
def test_steps_that_wait_survive_a_device_that_fails(clock: FakeClock, broken: str) -> None:
    device = Failing(clock)
    with profile("sync", device=device) as prof:
        step(prof, device, 10)
        device.broken = broken
        step(prof, device, 10)
        with prof.lane("evaluate"):
            clock.advance(1)
        step(prof, device, 10)
    assert in_steps(prof.run, "sync") == {"forward": (1, 10)}
    assert noted(prof) == [FAILED | {"count": 2}]


def test_a_guard_keeps_what_was_said_first(clock: FakeClock) -> None:
    guard = Guard(FakeDevice(clock))
    guard.fail(RuntimeError())
    guard.fail(RuntimeError("later"))
    assert (guard.failure, guard.free()) == ("RuntimeError", False)


# ---- graphs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["event", "sync"])
def test_marks_while_a_graph_is_recorded_leave_the_device_alone(clock: FakeClock, kind: str) -> None:
    device = FakeDevice(clock)
    forward, backward = marks.Mark("forward"), marks.Mark("backward")
    with profile(kind, device=device) as prof:
        for number in range(4):
            with prof.step(tokens=7):
                forward()
                device.launch(10)
                if number == 2:
                    with device.capture() as graph:
                        device.launch(5)
                        backward()
                        device.launch(6)
                backward()
                device.launch(20)
    assert graph.kernels == [5, 6]
    assert in_steps(prof.run, kind) == {"forward": (3, 30), "backward": (3, 60)}
    assert lane(prof.run, "train").steps[kind].tokens == 21
    assert noted(prof) == [{"code": "captured_graph", "count": 1}]


@pytest.mark.parametrize("kind", ["event", "sync"])
def test_a_step_that_ends_while_a_graph_is_recorded_is_left_out(clock: FakeClock, kind: str) -> None:
    device = FakeDevice(clock)
    with profile(kind, device=device) as prof:
        step(prof, device, 10)
        with prof.step(tokens=3):
            device.launch(100)
            graph = device.capture()
            graph.__enter__()
        step(prof, device, 10)
        graph.__exit__(None, None, None)
        step(prof, device, 10)
    assert in_steps(prof.run, kind) == {"forward": (2, 20)}
    assert noted(prof) == [{"code": "captured_graph", "count": 2}]
    if kind == "event":
        queue = prof._recorder.queue
        assert len(queue.pool._free) == len({id(event) for event in queue.pool._free}) == device.events


def test_the_end_of_a_run_leaves_a_graph_alone(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    prof = profile("event", device=device).start()
    step(prof, device, 10)
    with device.capture():
        prof.stop()
    assert noted(prof) == [{"code": "unresolved_events", "count": 1}]


# ---- several devices -------------------------------------------------------------------------------


class Strict(FakeDevice):
    """Events may be recorded on the device alone on which they were recorded first, as in torch."""

    def record(self, event: Any) -> None:
        if event.at is not None and event.index != self._index:
            raise RuntimeError("Event device 0 does not match recording stream's device 1.")
        super().record(event)


@pytest.mark.parametrize("make", [FakeDevice, Strict])
def test_a_second_device_turns_events_into_waiting(clock: FakeClock, make: type[FakeDevice]) -> None:
    device = make(clock, devices=2)
    with profile("auto", device=device, control_every=16) as prof:
        for number in range(16 * 4):
            with prof.step():
                with prof.stage("forward"):
                    device.launch(10)
                with device.on(int(number >= 20)), prof.stage("backward"):
                    device.launch(30)
            device.synchronize()
    found = {kind: steps(prof.run, kind).count for kind in lane(prof.run, "train").steps}
    assert found["sync"] == 2 + 2 * 15 - 1 + 1
    assert found["control"] == 2
    assert found["host"] == 4
    codes = {note["code"]: note["count"] for note in noted(prof)}
    assert codes["several_devices"] == 2
    # The steps between the second device's first use and the next look at how many there are.
    unread = codes.get("unresolved_events", 0)
    assert (unread > 0) is (make is Strict)
    assert found["event"] + unread == 64 - found["sync"] - 2 - 4
    assert in_steps(prof.run, "event")["backward"][1] == 30 * found["event"]
    assert in_steps(prof.run, "sync")["backward"][1] == 30 * found["sync"]
