"""Any program on the simulated accelerator: what comes of it is checked against a plain count."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rnnprof.testing import FakeClock, FakeDevice, FakeEvent, FakeStream, Kernel


def recorded(device: FakeDevice) -> FakeEvent:
    """An event, recorded on the current stream."""
    event = device.event()
    device.record(event)
    return event


STREAMS = 3
OPERATIONS = st.one_of(
    st.tuples(st.just("advance"), st.integers(0, 50)),
    st.tuples(st.just("launch"), st.integers(0, STREAMS - 1), st.integers(0, 80)),
    st.tuples(st.just("record"), st.integers(0, STREAMS - 1)),
    st.tuples(st.just("wait_event"), st.integers(0, STREAMS - 1), st.integers(0, 9)),
    st.tuples(st.just("finish"), st.integers(0, STREAMS - 1)),
    st.tuples(st.just("synchronize")),
)


class Watched:
    """A device and, kept apart from it, what should have come of each operation."""

    def __init__(self, launch_ns: int, queue: int | None) -> None:
        self.clock = FakeClock()
        self.device = FakeDevice(self.clock, launch_ns=launch_ns, queue=queue)
        self.launch_ns, self.queue = launch_ns, queue
        self.streams: list[FakeStream] = [self.device.stream() for _ in range(STREAMS)]
        self.kernels: list[list[Kernel]] = [[] for _ in self.streams]
        self.held: list[int] = [0] * STREAMS
        self.events: list[tuple[FakeEvent, int]] = []

    def ends(self, stream: int) -> int:
        """When a stream has done all it was given."""
        return max([self.held[stream], *(kernel.ends for kernel in self.kernels[stream])])

    def do(self, name: str, *arguments: int) -> None:
        """Let the host do something, and check what holds always."""
        before = self.clock.now()
        getattr(self, name)(*arguments)
        assert self.clock.now() >= before
        for event, at in self.events:
            assert self.device.done(event) is (at <= self.clock.now())

    def advance(self, ns: int) -> None:
        self.clock.advance(ns)

    def launch(self, stream: int, ns: int) -> None:
        paid = self.clock.now() + self.launch_ns
        queued = sorted(kernel.ends for kernel in self.kernels[stream] if kernel.ends > paid)
        if self.queue is not None and len(queued) >= self.queue:
            paid = queued[-self.queue]
        kernel = self.device.launch(ns, self.streams[stream])
        assert self.clock.now() == paid
        begins = max(paid, self.ends(stream))
        assert kernel == Kernel(begins, begins + ns)
        self.kernels[stream].append(kernel)

    def record(self, stream: int) -> None:
        with self.device.using(self.streams[stream]):
            self.events.append((recorded(self.device), max(self.ends(stream), self.clock.now())))

    def wait_event(self, stream: int, which: int) -> None:
        if self.events:
            event, at = self.events[which % len(self.events)]
            self.device.wait_event(event, self.streams[stream])
            self.held[stream] = max(self.held[stream], at)

    def finish(self, stream: int) -> None:
        now = self.clock.now()
        with self.device.using(self.streams[stream]):
            self.device.finish_stream()
        assert self.clock.now() == max(now, self.ends(stream))

    def synchronize(self) -> None:
        now = self.clock.now()
        self.device.synchronize()
        assert self.clock.now() == max(now, *(self.ends(stream) for stream in range(STREAMS)))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 5), st.none() | st.integers(1, 4), st.lists(OPERATIONS, max_size=60))
def test_any_program(launch_ns: int, queue: int | None, operations: list[Any]) -> None:
    watched = Watched(launch_ns, queue)
    for operation in operations:
        watched.do(*operation)
    for kernels in watched.kernels:
        for one, following in pairwise(kernels):
            assert one.ends <= following.begins, "never two at a time"
    watched.do("synchronize")
    marked = watched.events
    for (start, began), (end, ended) in pairwise(marked):
        assert watched.device.elapsed_ns(start, end) == ended - began


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(10, 1_000), min_size=1, max_size=40), st.integers(0, 10))
def test_events_of_a_busy_device_tell_the_kernels_durations(durations: list[int], launch_ns: int) -> None:
    clock = FakeClock()
    device = FakeDevice(clock, launch_ns=launch_ns)
    device.launch(launch_ns * len(durations))
    marks = [recorded(device)]
    for ns in durations:
        device.launch(ns)
        marks.append(recorded(device))
    device.synchronize()
    assert [device.elapsed_ns(a, b) for a, b in pairwise(marks)] == durations
