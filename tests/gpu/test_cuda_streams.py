"""Streams other than the current, graphs, several devices: timed right, or said; never broken."""

from __future__ import annotations

from typing import Any

import pytest

import rnnprof
from tests.gpu.on_device import DEVICE, MARKS, Products, codes, counts, shares

torch = pytest.importorskip("torch")
pytestmark = MARKS

ROUGHLY = 0.25


# ---- streams -----------------------------------------------------------------------------------


def test_work_on_a_stream_that_nobody_waits_for_is_noted() -> None:
    here, beside = Products(), Products()
    side = torch.cuda.Stream()
    torch.cuda.synchronize()
    with rnnprof.profile(None) as prof:
        for _ in range(80):
            with prof.step():
                with prof.stage("forward"):
                    here(2)
                with prof.stage("beside"), torch.cuda.stream(side):
                    beside(8)
        torch.cuda.synchronize()
    (note,) = (note for note in prof.run.notes if note["code"] == "other_streams")
    assert note["stage"] == "beside"
    # Where the device is waited for, the time beyond the current stream is there.
    found = shares(prof.run, "sync")
    assert found["beside"] > found["forward"]


def test_work_on_a_stream_that_is_waited_for_is_in_the_stage() -> None:
    here, beside = Products(), Products()
    side = torch.cuda.Stream()
    torch.cuda.synchronize()
    with rnnprof.profile(None) as prof:
        for _ in range(200):
            with prof.step():
                with prof.stage("forward"):
                    here(3)
                with prof.stage("beside"):
                    current = torch.cuda.current_stream()
                    side.wait_stream(current)
                    with torch.cuda.stream(side):
                        beside(9)
                    current.wait_stream(side)
        torch.cuda.synchronize()
    assert "other_streams" not in codes(prof.run)
    for kind in ("event", "sync"):
        found = shares(prof.run, kind)
        assert found["beside"] / found["forward"] == pytest.approx(3, rel=ROUGHLY)


def test_a_loop_on_a_stream_of_its_own_is_timed_there() -> None:
    here = Products()
    side = torch.cuda.Stream()
    torch.cuda.synchronize()
    with rnnprof.profile(None) as prof, torch.cuda.stream(side):
        for _ in range(200):
            with prof.step():
                with prof.stage("forward"):
                    here(3)
                with prof.stage("backward"):
                    here(6)
        torch.cuda.synchronize()
    assert "other_streams" not in codes(prof.run)
    found = shares(prof.run, "event")
    assert found["backward"] / found["forward"] == pytest.approx(2, rel=ROUGHLY)


# ---- graphs ------------------------------------------------------------------------------------


def captured(clock: str | None, control_every: int = 0) -> tuple[list[float], Any]:
    """Losses of a loop that records a graph in its eleventh step, and the run."""
    torch.manual_seed(3)
    words = torch.randn(64, 128, device=DEVICE)
    weight = torch.randn(128, 128, device=DEVICE) * 0.1

    def work() -> Any:
        with rnnprof.stage("forward"):
            hidden = torch.tanh(words @ weight)
        with rnnprof.stage("loss"):
            loss = hidden.square().mean()
        with rnnprof.stage("update"):
            weight.sub_(words.t() @ hidden, alpha=1e-3)
        return loss

    # What the first product makes may not be made while a graph is recorded.
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        work()
    torch.cuda.current_stream().wait_stream(side)
    torch.cuda.synchronize()
    prof = None
    if clock is not None:
        prof = rnnprof.profile(None, clock=clock, warmup=2, control_every=control_every).start()
    graph, losses, loss = torch.cuda.CUDAGraph(), [], torch.zeros((), device=DEVICE)
    for number in range(60):
        with rnnprof.step():
            if number < 10:
                loss = work()
            elif number == 10:
                with rnnprof.stage("capture"), torch.cuda.graph(graph):
                    loss = work()
            if number >= 10:
                with rnnprof.stage("replay"):
                    graph.replay()
        losses.append(loss.item())
    if prof is None:
        return losses, None
    prof.stop()
    return losses, prof.run


@pytest.mark.parametrize("clock", ["host", "sync", "event"])
def test_a_graph_can_be_recorded_and_replayed_inside_steps(clock: str) -> None:
    plain, _ = captured(None)
    losses, run = captured(clock)
    assert losses == plain
    assert len(set(losses)) > 50
    assert "device_failed" not in codes(run)
    kinds = counts(run)
    if clock == "host":
        assert kinds == {"warmup": 2, "host": 58}
    else:
        # The step in which the graph was recorded could not be timed.
        assert kinds == {"warmup": 2, clock: 57}
        assert [note["count"] for note in run.notes if note["code"] == "captured_graph"] == [1]
    assert "replay" in shares(run, clock)


def test_a_graph_among_all_kinds_of_step() -> None:
    plain, _ = captured(None)
    losses, run = captured("auto", control_every=8)
    assert losses == plain
    assert not {"device_failed", "unresolved_events"} & codes(run)
    assert counts(run)["event"] > 25


# ---- several devices ---------------------------------------------------------------------------


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is no second CUDA device")
def test_two_devices_are_waited_for_and_it_is_said() -> None:
    first, second = Products("cuda:0"), Products("cuda:1")
    with rnnprof.profile(None) as prof:
        for _ in range(120):
            with prof.step():
                with prof.stage("first"):
                    first(2)
                with prof.stage("second"):
                    second(6)
        for index in (0, 1):
            torch.cuda.synchronize(index)
    assert "several_devices" in codes(prof.run)
    assert "event" not in counts(prof.run)
    found = shares(prof.run, "sync")
    assert found["second"] / found["first"] == pytest.approx(3, rel=ROUGHLY)
