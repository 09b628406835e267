"""Which device a program uses, asked of a torch that is made up."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from rnnprof.clocks import EventPool, HostClock, SyncClock
from rnnprof.devices import find_device
from rnnprof.testing import FakeClock, FakeDevice
from rnnprof.torch_devices import CudaDevice, OtherDevice


class Event:
    """An event as torch makes them."""

    def __init__(self, enable_timing: bool, device: str = "cuda") -> None:
        assert enable_timing
        self.device = device
        self.recorded = False

    def record(self) -> None:
        self.recorded = True

    def query(self) -> bool:
        return self.recorded

    def elapsed_time(self, end: Event) -> float:
        return 1.5


def torch(cuda: bool = False, started: bool = False, other: str = "", **module: Any) -> SimpleNamespace:
    """A torch with the devices that a test wants."""
    found = SimpleNamespace(
        Event=Event,
        cuda=SimpleNamespace(
            Event=Event,
            synchronize=lambda: None,
            is_initialized=lambda: started,
            is_available=lambda: cuda,
        ),
        accelerator=SimpleNamespace(
            synchronize=lambda: None,
            is_available=lambda: bool(cuda or other),
            current_accelerator=lambda: SimpleNamespace(type=other or "cuda"),
        ),
    )
    if other:
        setattr(found, other, SimpleNamespace(**module))
    return found


def older(other: str = "", **module: Any) -> SimpleNamespace:
    """A torch before 2.6, which has no `torch.accelerator`."""
    found = torch(other=other, **module)
    del found.accelerator
    there = SimpleNamespace(is_available=lambda: True)
    found.backends = SimpleNamespace(mps=there if other == "mps" else None)
    for given in module.values():
        getattr(found, other).is_available = there.is_available
        getattr(found, other).synchronize = given
    return found


def test_whether_there_is_a_cuda_device_is_never_asked_of_an_observer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Asking starts CUDA, which then cannot be used in a forked child; `torch.accelerator` asks CUDA."""
    fake = torch(cuda=True)

    def asked() -> bool:
        raise AssertionError("CUDA was asked for")

    fake.cuda.is_available = fake.accelerator.is_available = asked
    monkeypatch.setitem(sys.modules, "torch", fake)
    assert find_device() is None


@pytest.mark.parametrize(
    ("fake", "in_use", "at_all"),
    [
        (torch(), None, None),
        (torch(cuda=True), None, "cuda"),
        (torch(cuda=True, started=True), "cuda", "cuda"),
        (torch(other="xpu", is_initialized=lambda: False), None, "xpu"),
        (torch(other="xpu", is_initialized=lambda: True), "xpu", "xpu"),
        (torch(other="mps", current_allocated_memory=lambda: 0), None, "mps"),
        (torch(other="mps", current_allocated_memory=lambda: 8), "mps", "mps"),
        (torch(other="new"), None, "new"),
        (older(), None, None),
        (older("xpu", is_initialized=lambda: True), "xpu", "xpu"),
        (older("mps", current_allocated_memory=lambda: 8), "mps", "mps"),
    ],
)
def test_only_a_device_in_use_is_found(
    monkeypatch: pytest.MonkeyPatch, fake: SimpleNamespace, in_use: str | None, at_all: str | None
) -> None:
    monkeypatch.setitem(sys.modules, "torch", fake)
    for initialised, expected in ((True, in_use), (False, at_all)):
        found = find_device(initialised)
        assert (found.name if found else None) == expected


def test_without_torch_there_is_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert find_device() is None
    assert find_device(initialised=False) is None


@pytest.mark.parametrize("kind", ["cuda", "xpu"])
def test_events_of_a_device(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setitem(
        sys.modules, "torch", torch(cuda=kind == "cuda", other="" if kind == "cuda" else kind)
    )
    device = CudaDevice() if kind == "cuda" else OtherDevice(kind)
    start, end = device.event(), device.event()
    assert start.device == kind
    assert not device.done(end)
    device.record(end)
    assert device.done(end)
    assert device.elapsed_ns(start, end) == 1_500_000
    device.synchronize()


def test_a_pool_makes_an_event_only_when_none_is_free() -> None:
    pool = EventPool(FakeDevice(FakeClock()))
    first, second = pool.mark(), pool.mark()
    pool.give_back(first)
    assert pool.mark() is first
    assert pool.mark() is not second


def test_nothing_is_waited_for_while_a_graph_is_recorded() -> None:
    clock = FakeClock()
    device = FakeDevice(clock)
    device.launch(50)
    with device.capture():
        assert SyncClock(device, clock).now() == 0
    assert SyncClock(device, clock).now() == 50


def test_the_host_clock_never_runs_backwards() -> None:
    readings = [HostClock().now() for _ in range(1000)]
    assert readings == sorted(readings)
