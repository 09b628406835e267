"""Any program on any device: rnnprof never raises, events change nothing, and no step is lost unsaid."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from helpers import lane, profile
from hypothesis import example, given, settings
from hypothesis import strategies as st
from simulated_loop import beside, noted

from rnnprof.testing import FakeClock, FakeDevice, Kernel

MS = 1_000_000
NS = st.integers(1, 300_000)
OPERATIONS = st.one_of(
    st.tuples(st.just("work"), NS),
    st.tuples(st.just("launch"), NS),
    st.tuples(st.just("read"), NS),
    st.tuples(st.just("beside"), NS, st.booleans()),
    st.tuples(st.just("under"), NS),
    st.tuples(st.just("capture"), NS),
    st.tuples(st.just("elsewhere"), NS),
)
STEPS = st.lists(st.lists(st.lists(OPERATIONS, max_size=3), max_size=3), min_size=1, max_size=8)


class Unprofiled:
    """Marks that do nothing."""

    def step(self) -> AbstractContextManager[None]:
        return nullcontext()

    def stage(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()


class Program:
    """What the host and the device do, the same each time it is run.

    Args:
        steps: the operations of each stage of each step.
        queue: how many kernels a stream holds.
    """

    def __init__(self, steps: list[Any], queue: int | None) -> None:
        self.steps = steps
        self.device = FakeDevice(FakeClock(), launch_ns=700, queue=queue, devices=2)
        self.side = self.device.stream()
        self.kernels: list[Kernel | None] = []
        self.prof: Any = Unprofiled()

    def run(self, prof: Any) -> None:
        """Run it under a profile, or under none."""
        self.prof = prof
        for step in self.steps:
            with prof.step():
                for number, operations in enumerate(step):
                    with prof.stage(f"stage {number}"):
                        for name, *given in operations:
                            getattr(self, name)(*given)

    def work(self, ns: int) -> None:
        self.device.clock.advance(ns)

    def launch(self, ns: int) -> None:
        self.kernels.append(self.device.launch(ns))

    def read(self, ns: int) -> None:
        self.device.read(ns)

    def beside(self, ns: int, wait: bool) -> None:
        beside(self.device, self.side, ns, wait)

    def under(self, ns: int) -> None:
        """A stage on another stream."""
        with self.device.using(self.side), self.prof.stage("under"):
            self.launch(ns)

    def capture(self, ns: int) -> None:
        with self.device.capture() as graph:
            with self.prof.stage("recorded"):
                self.launch(ns)
            self.launch(2 * ns)
        assert graph.kernels == [ns, 2 * ns]
        self.kernels.append(graph.replay())

    def elsewhere(self, ns: int) -> None:
        """A stage on another device."""
        with self.device.on(1), self.prof.stage("elsewhere"):
            self.launch(ns)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.none() | st.integers(1, 5))
def test_events_change_nothing_of_what_the_device_does(steps: list[Any], queue: int | None) -> None:
    alone = Program(steps, queue)
    alone.run(Unprofiled())
    seen = Program(steps, queue)
    with profile("event", device=seen.device) as prof:
        # Several devices are timed by waiting for them, which changes when things happen.
        several = any(name == "elsewhere" for step in steps for stage in step for name, *_ in stage)
        seen.run(prof)
        if not several:
            assert seen.kernels == alone.kernels
            assert seen.device.clock.now() == alone.device.clock.now()


@pytest.mark.parametrize("asked", ["auto", "event", "sync", "host"])
def test_every_step_is_counted_or_said_to_be_left_out(asked: str) -> None:
    @settings(max_examples=60, deadline=None)
    @example([[[("launch", 3 * MS)], [("elsewhere", 4 * MS)]]] * 6, None)
    @given(STEPS, st.none() | st.integers(1, 5))
    def check(steps: list[Any], queue: int | None) -> None:
        program = Program(steps, queue)
        with profile(asked, device=program.device, control_every=4) as prof:
            program.run(prof)
        run = prof.run
        counted = sum(found.series.count for found in lane(run, "train").steps.values())
        notes = noted(run)
        left_out = sum(
            notes.get(code, {"count": 0})["count"] for code in ("captured_graph", "unresolved_events")
        )
        assert counted + left_out == len(steps)
        assert {"device_failed", "aborted_steps"}.isdisjoint(notes)

    check()
