"""The simulated accelerator: every moment on its timelines is known exactly."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

import rnnprof
from rnnprof import testing
from rnnprof.devices import Device
from rnnprof.errors import UsageError
from rnnprof.testing import FakeClock, FakeDevice, FakeEvent, Kernel


def recorded(device: FakeDevice) -> FakeEvent:
    """An event, recorded on the current stream."""
    event = device.event()
    device.record(event)
    return event


def test_it_is_a_device(clock: FakeClock) -> None:
    device: Device = FakeDevice(clock)
    assert (device.name, device.in_use(), device.capturing()) == ("fake", 1, False)


def test_kernels_run_behind_the_hosts_back(clock: FakeClock) -> None:
    device = FakeDevice(clock, launch_ns=5)
    assert device.launch(100) == Kernel(5, 105)
    assert device.launch(100) == Kernel(105, 205)
    assert clock.now() == 10
    device.synchronize()
    assert clock.now() == 205
    clock.advance(10)
    assert device.launch(7) == Kernel(220, 227)


def test_a_full_queue_lets_the_host_wait(clock: FakeClock) -> None:
    device = FakeDevice(clock, launch_ns=1, queue=2)
    device.launch(100)
    device.launch(100)
    assert clock.now() == 2
    assert device.launch(100) == Kernel(201, 301)
    assert clock.now() == 101, "until the first one was done"
    device.launch(100)
    assert clock.now() == 201


def test_a_value_is_read_when_all_before_it_is_done(clock: FakeClock) -> None:
    device = FakeDevice(clock, launch_ns=2)
    device.launch(100)
    device.read(7)
    assert clock.now() == 2 + 100 + 7


def test_streams_run_at_the_same_time(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    side = device.stream()
    assert device.launch(100) == Kernel(0, 100)
    assert device.launch(30, side) == Kernel(0, 30)
    with device.using(side):
        assert device.current is side
        assert device.launch(30) == Kernel(30, 60)
        there = recorded(device)
        device.finish_stream()
    assert clock.now() == 60
    assert device.done(there)
    assert device.current is not side
    device.finish_stream()
    assert clock.now() == 100
    device.launch(50, side)
    device.finish_stream()
    assert clock.now() == 100
    device.synchronize()
    assert clock.now() == 150


def test_a_stream_waits_for_an_event_of_another(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    side = device.stream()
    device.launch(100)
    ready = recorded(device)
    device.wait_event(ready, side)
    assert device.launch(50, side) == Kernel(100, 150)
    with device.using(side):
        over = recorded(device)
    assert clock.now() == 0, "no host waited"
    device.wait_event(over)
    assert device.launch(1) == Kernel(150, 151)
    device.wait_event(device.event())
    assert device.launch(1) == Kernel(151, 152), "an event never recorded is not waited for"


def test_events_happen_when_the_device_gets_there(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    start = recorded(device)
    device.launch(100)
    end = recorded(device)
    assert device.events == 2
    assert device.done(start)
    assert not device.done(end)
    with pytest.raises(RuntimeError, match="has not happened"):
        device.elapsed_ns(start, end)
    assert not device.wait(end, 40)
    assert clock.now() == 40
    assert device.wait(end, 1_000)
    assert clock.now() == 100, "no longer than it takes"
    assert device.elapsed_ns(start, end) == 100
    device.record(start)
    assert device.elapsed_ns(end, start) == 0, "an event may be recorded again"
    with pytest.raises(RuntimeError, match="was not recorded"):
        device.elapsed_ns(start, device.event())
    assert device.done(device.event()), "as CUDA says of an event never recorded"


def test_the_devices_clock_may_be_coarse(clock: FakeClock) -> None:
    device = FakeDevice(clock, resolution_ns=500)
    marks = [recorded(device)]
    for ns in (499, 2, 1_000, 498):
        device.launch(ns)
        marks.append(recorded(device))
    device.synchronize()
    found = [device.elapsed_ns(a, b) for a, b in pairwise(marks)]
    assert found == [0, 500, 1_000, 0]
    assert sum(found) == device.elapsed_ns(marks[0], marks[-1])


def test_a_kernel_that_never_ends(clock: FakeClock) -> None:
    device = FakeDevice(clock, queue=3)
    device.launch(10)
    before = recorded(device)
    device.launch(None)
    after = recorded(device)
    device.launch(10)
    assert not device.wait(after, 1_000)
    assert clock.now() == 1_000
    assert device.done(before)
    for wait in (device.synchronize, device.finish_stream, device.read):
        with pytest.raises(RuntimeError, match="the device hangs"):
            wait()
    assert clock.now() == 1_000
    with device.using(device.stream()):
        device.launch(10)
        device.finish_stream()
    assert clock.now() == 1_010, "another stream goes on"
    with pytest.raises(RuntimeError, match="the device hangs"):
        device.launch(10)


def test_devices_have_timelines_of_their_own(clock: FakeClock) -> None:
    device = FakeDevice(clock, devices=2)
    device.launch(100)
    here = recorded(device)
    with device.on(1):
        assert device.launch(30) == Kernel(0, 30)
        there = recorded(device)
        device.finish_stream()
        side = device.stream()
    assert clock.now() == 30
    assert device.in_use() == 2
    with device.using(side):
        assert device.current is side
        assert device.launch(500) == Kernel(30, 530)
    assert device.launch(1) == Kernel(100, 101)
    device.synchronize()
    assert clock.now() == 530, "all devices"
    with pytest.raises(RuntimeError, match="of two devices"):
        device.elapsed_ns(here, there)


def test_only_devices_with_work_are_in_use(clock: FakeClock) -> None:
    device = FakeDevice(clock, devices=4)
    assert device.in_use() == 1
    with device.on(3):
        device.stream()
    assert device.in_use() == 1
    with device.on(3):
        device.launch(1)
    assert device.in_use() == 2


def test_a_graph_is_launched_as_one(clock: FakeClock) -> None:
    device = FakeDevice(clock, launch_ns=5)
    with device.capture() as graph:
        assert device.capturing()
        for ns in (10, 20, 30):
            assert device.launch(ns) is None
    assert not device.capturing()
    assert clock.now() == 15
    device.synchronize()
    assert clock.now() == 15, "nothing ran"
    assert graph.kernels == [10, 20, 30]
    assert graph.replay() == Kernel(20, 80)
    assert graph.replay() == Kernel(80, 140)


@pytest.mark.parametrize(
    "what", ["synchronize", "finish_stream", "read", "record", "done", "wait", "wait_event"]
)
def test_a_graph_that_is_recorded_is_left_alone(clock: FakeClock, what: str) -> None:
    device = FakeDevice(clock)
    event = device.event()
    arguments = {"record": (event,), "done": (event,), "wait": (event, 10), "wait_event": (event,)}
    with pytest.raises(RuntimeError, match="the graph is spoiled"), device.capture() as graph:
        with pytest.raises(RuntimeError, match="while a graph was recorded"):
            getattr(device, what)(*arguments.get(what, ()))
    with pytest.raises(RuntimeError, match="has not been recorded"):
        graph.replay()
    getattr(device, what)(*arguments.get(what, ()))


def test_one_graph_at_a_time(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    with device.capture() as graph:
        with pytest.raises(RuntimeError, match="recorded already"), device.capture():
            pass
        with pytest.raises(RuntimeError, match="has not been recorded"):
            graph.replay()
        with device.using(device.stream()):
            assert not device.capturing()
            assert device.launch(10) == Kernel(0, 10), "another stream runs"
    assert graph.kernels == []


def test_numbers_that_make_no_sense(clock: FakeClock) -> None:
    for options in ({"queue": 0}, {"devices": 0}, {"resolution_ns": 1.5}, {"launch_ns": -1}):
        with pytest.raises(UsageError):
            FakeDevice(clock, **options)  # type: ignore[arg-type]
    device = FakeDevice(clock)
    for wrong in (-1, 1.5):
        with pytest.raises(UsageError, match="a kernel runs for whole nanoseconds"):
            device.launch(wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="there are 1 devices"), device.on(1):
        pass


def test_the_page_of_the_module_runs() -> None:
    example = next(part for part in (testing.__doc__ or "").split("\n\n") if part.startswith("clock = "))
    names: dict[str, Any] = {"rnnprof": rnnprof, "FakeClock": FakeClock, "FakeDevice": FakeDevice}
    exec(example, names)
    (lane,) = (one for one in names["prof"].run.lanes if one.steps)
    assert {stage.name: stage.series.total_ns for stage in lane.steps["event"].stages} == {
        "forward": 305_000,
        "clip": 0,
    }
    assert names["clock"].now() == 305_000


def test_a_clock_and_a_device_say_what_they_need() -> None:
    with pytest.raises(UsageError, match=r"^a clock starts at whole nanoseconds, 0 or more, not 'x'$"):
        FakeClock("x")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"^a simulated device runs on a FakeClock, not on None$"):
        FakeDevice(None)  # type: ignore[arg-type]
