"""Graphs that are recorded while rnnprof measures: it keeps still, and times what is replayed."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import in_steps, profile, steps
from simulated_loop import noted

from rnnprof.testing import FakeClock, FakeDevice, FakeGraph


def capture(device: FakeDevice, prof: Any) -> FakeGraph:
    """Record a forward pass, with the marks of a model's children inside."""
    with device.capture() as graph:
        with prof.stage("encoder"):
            device.launch(300)
        with prof.stage("rnn"):
            device.launch(5_000)
    return graph


@pytest.mark.parametrize("kind", ["event", "sync"])
def test_a_graph_recorded_in_a_step_drops_that_step(clock: FakeClock, kind: str) -> None:
    device = FakeDevice(clock, launch_ns=1)
    graph: FakeGraph | None = None
    with profile(kind, device=device) as prof:
        for number in range(20):
            with prof.step():
                with prof.stage("forward"):
                    if number == 7:
                        graph = capture(device, prof)
                    device.launch(2_000) if graph is None else graph.replay()
                with prof.stage("update"):
                    device.launch(700)
                    device.finish_stream()
    run = prof.run
    assert graph is not None
    assert graph.kernels == [300, 5_000]
    assert noted(run)["captured_graph"]["count"] == 1
    assert steps(run, kind).count == 19
    found = in_steps(run, kind)
    # A launch costs the host 1 ns, in which a device that has nothing to do waits.
    assert found["forward"] == (19, 7 * 2_000 + 12 * 5_300 + 19)
    assert found["update"] == (19, 19 * 700 + (19 if kind == "sync" else 0))


@pytest.mark.parametrize("kind", ["event", "sync", "auto", "host"])
def test_a_whole_step_may_be_recorded(clock: FakeClock, kind: str) -> None:
    device = FakeDevice(clock, launch_ns=1)

    def step() -> None:
        with prof.step():
            with prof.stage("forward"):
                device.launch(3_000)
            with prof.stage("backward"):
                device.launch(6_000)

    with profile(kind, device=device) as prof:
        for _ in range(5):
            step()
        for _ in range(40):
            with device.capture() as graph:
                step()
        for _ in range(5):
            with prof.step(), prof.stage("replay"):
                graph.replay()
    assert graph.kernels == [3_000, 6_000]
    run = prof.run
    if kind == "event":
        assert noted(run)["captured_graph"]["count"] == 40
        assert steps(run, kind).count == 10
        found = in_steps(run, kind)
        assert found["backward"] == (5, 30_000)
        assert found["replay"] == (5, 5 * 9_000)
    if kind == "sync":
        assert noted(run)["captured_graph"]["count"] == 40
        assert in_steps(run, kind)["replay"] == (5, 5 * 9_001)


@pytest.mark.parametrize("kind", ["event", "sync", "auto"])
def test_a_graph_may_be_recorded_between_steps_and_in_a_lane(clock: FakeClock, kind: str) -> None:
    device = FakeDevice(clock)
    with profile(kind, device=device) as prof:
        with prof.step(), prof.stage("forward"):
            device.launch(10)
        with device.capture() as graph:
            with prof.lane("evaluate"), prof.stage("forward"):
                device.launch(10)
            with prof.stage("warm"):
                device.launch(20)
        with prof.step(), prof.stage("forward"):
            graph.replay()
    assert graph.kernels == [10, 20]
