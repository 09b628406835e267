"""A simulated accelerator: kernels run behind the host's back, for as long as they are told to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rnnprof.errors import UsageError
from rnnprof.testing.clock import FakeClock, whole
from rnnprof.testing.graph import FakeGraph
from rnnprof.testing.stream import NEVER, FakeEvent, FakeStream, Kernel


class FakeDevice:
    """An accelerator on a timeline of its own; to rnnprof it is a device as CUDA is.

    It behaves as CUDA does: a launch costs the host a little and returns before the kernel has run;
    the kernels of a stream run one after the other, those of two streams at the same time; a host
    that runs far ahead waits in its launches; events happen when the device gets there.

    Args:
        clock: the host's time, in which the device's is told as well.
        launch_ns: what a launch costs the host, in nanoseconds.
        queue: how many unfinished kernels a stream holds before a launch waits (CUDA's holds about
            1,024); None for any number.
        devices: how many devices there are.
        resolution_ns: the step in which the device's own clock counts, in nanoseconds (CUDA's is
            about 500).

    Raises:
        UsageError: if a number makes no sense, or the clock is another one.
    """

    name = "fake"

    def __init__(
        self,
        clock: FakeClock,
        *,
        launch_ns: int = 0,
        queue: int | None = None,
        devices: int = 1,
        resolution_ns: int = 1,
    ) -> None:
        if not isinstance(clock, FakeClock):
            raise UsageError(f"a simulated device runs on a FakeClock, not on {clock!r}")
        for what, number in (("queue", queue), ("devices", devices), ("resolution_ns", resolution_ns)):
            if number is not None and (not isinstance(number, int) or number < 1):
                raise UsageError(f"{what} is a whole number, 1 or more, not {number!r}")
        self.clock = clock
        self.events = 0
        """How many events were made."""
        self.recording: FakeGraph | None = None
        """The graph that is being recorded on any stream, or None."""
        self._launch_ns = whole(launch_ns, "a launch costs")
        self._queue = queue
        self._resolution = resolution_ns
        self._current = [FakeStream(index, queue) for index in range(devices)]
        self._streams = list(self._current)
        self._index = 0
        self._used: set[int] = set()

    # ---- what the program does ------------------------------------------------------------------

    @property
    def current(self) -> FakeStream:
        """The current stream of the current device."""
        return self._current[self._index]

    def stream(self) -> FakeStream:
        """A new stream of the current device."""
        made = FakeStream(self._index, self._queue)
        self._streams.append(made)
        return made

    @contextmanager
    def using(self, stream: FakeStream) -> Iterator[FakeStream]:
        """Make a stream the current one, and its device too."""
        with self.on(stream.index):
            before, self._current[stream.index] = self.current, stream
            try:
                yield stream
            finally:
                self._current[stream.index] = before

    @contextmanager
    def on(self, index: int) -> Iterator[None]:
        """Make another device the current one.

        Args:
            index: its number, from 0.
        """
        if index not in range(len(self._current)):
            raise UsageError(f"there are {len(self._current)} devices, numbered from 0: none is {index!r}")
        before, self._index = self._index, index
        try:
            yield
        finally:
            self._index = before

    def launch(self, ns: int | None, stream: FakeStream | None = None) -> Kernel | None:
        """Queue a kernel; the host pays for the launch and goes on.

        Args:
            ns: how long the kernel runs, in nanoseconds; None for one that never ends.
            stream: where it runs; by default on the current stream.

        Returns:
            When the kernel runs; None where it goes into a graph.

        Raises:
            RuntimeError: if the stream is full and the kernel it waits for never ends.
        """
        runs = NEVER if ns is None else whole(ns, "a kernel runs for")
        stream = stream or self.current
        self._used.add(stream.index)
        self.clock.advance(self._launch_ns)
        if stream.graph is not None:
            stream.graph.kernels.append(runs)
            return None
        self._wait_until(stream.free_at(self.clock.now()))
        return stream.put(runs, self.clock.now())

    def read(self, ns: int = 0) -> None:
        """Copy something to the host and wait for it, as ``.item()`` does.

        Args:
            ns: how long the copy runs, in nanoseconds.
        """
        self._refuse("a value was read")
        self.launch(ns)
        self.finish_stream()

    def wait_event(self, event: FakeEvent, stream: FakeStream | None = None) -> None:
        """Let a stream wait for an event of another one; the host goes on.

        Args:
            event: the event; one that was never recorded is not waited for, as with CUDA.
            stream: what waits; by default the current stream.
        """
        stream = stream or self.current
        if stream.graph is not None:
            self._refuse("an event was waited for")
        stream.wait_until(event.at or 0)

    def capture(self) -> FakeGraph:
        """A graph that records what the current stream is given, as a context manager."""
        return FakeGraph(self)

    # ---- what rnnprof asks, as of any device ----------------------------------------------------

    def synchronize(self) -> None:
        """Let the host wait until every stream of every device is empty."""
        self._refuse("the device was waited for")
        self._wait_until(max(stream.idle_at for stream in self._streams))

    def finish_stream(self) -> None:
        """Let the host wait until the current stream is empty."""
        self._refuse("a stream was waited for")
        self._wait_until(self.current.idle_at)

    def event(self) -> FakeEvent:
        """A new event; ``events`` counts them."""
        self.events += 1
        return FakeEvent()

    def record(self, event: FakeEvent) -> None:
        """Queue an event on the current stream."""
        if self.current.graph is not None:
            self._refuse("an event was recorded")
        event.index = self._index
        event.at = max(self.current.idle_at, self.clock.now())

    def done(self, event: FakeEvent) -> bool:
        """Whether the event has happened by now; one that was never recorded has, as with CUDA."""
        self._refuse("an event was asked for")
        return (event.at or 0) <= self.clock.now()

    def wait(self, event: FakeEvent, ns: int) -> bool:
        """Let the host wait for an event, for so many nanoseconds at most; whether it has happened."""
        self._refuse("an event was waited for")
        self.clock.advance(min(max((event.at or 0) - self.clock.now(), 0), ns))
        return self.done(event)

    def elapsed_ns(self, start: FakeEvent, end: FakeEvent) -> int:
        """Time from one event to another, in nanoseconds.

        Raises:
            RuntimeError: if one has not happened, or they are of two devices.
        """
        if start.at is None or end.at is None:
            raise RuntimeError("an event was not recorded")
        if start.index != end.index:
            raise RuntimeError("the events are of two devices")
        if max(start.at, end.at) > self.clock.now():
            raise RuntimeError("an event has not happened yet")
        return (end.at // self._resolution - start.at // self._resolution) * self._resolution

    def capturing(self) -> bool:
        """Whether the current stream records a graph."""
        return self.current.graph is not None

    def in_use(self) -> int:
        """How many devices something was launched on; the current one counts always."""
        return len(self._used | {self._index})

    def _wait_until(self, moment: int) -> None:
        if moment >= NEVER:
            raise RuntimeError("the device hangs")
        self.clock.advance(max(moment - self.clock.now(), 0))

    def _refuse(self, what: str) -> None:
        if self.recording is not None:
            self.recording.spoiled = what
            raise RuntimeError(f"{what} while a graph was recorded")
