"""CUDA, XPU and MPS as rnnprof uses them, on a torch that is made up: no hardware is needed."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

import rnnprof
from rnnprof import devices, torch_devices
from rnnprof.devices import find_device, need_device, why_no_events
from rnnprof.errors import UsageError
from rnnprof.torch_devices import CudaDevice, OtherDevice


class Module:
    """What torch.cuda or torch.xpu gives, and a list of what was asked of it.

    Args:
        count: devices there are.
        used: those that the program has used.
        current: the current one.
    """

    def __init__(self, count: int = 2, used: tuple[int, ...] = (0,), current: int = 0) -> None:
        self.calls: list[Any] = []
        self.used = set(used)
        self.count = count
        self.current = current
        self.capturing = False
        self.ready_after = 0
        self.elapsed: Any = 1.5
        module = self

        class Event:
            def __init__(self, enable_timing: bool) -> None:
                self.keeps_time = enable_timing
                self.asked = 0

            def record(self, stream: Any = None) -> None:
                module.calls.append(("record", None if stream is None else stream.index))

            def synchronize(self) -> None:
                assert not self.keeps_time
                module.calls.append("waited")

            def query(self) -> bool:
                assert self.keeps_time
                self.asked += 1
                return self.asked > module.ready_after

            def elapsed_time(self, end: Any) -> float:
                if isinstance(module.elapsed, Exception):
                    raise module.elapsed
                return float(module.elapsed)

        self.Event = Event

    def is_initialized(self) -> bool:
        return True

    def is_available(self) -> bool:
        return True

    def device_count(self) -> int:
        return self.count

    def current_device(self) -> int:
        return self.current

    def synchronize(self, index: int | None = None) -> None:
        self.calls.append(("synchronize", index))

    def current_stream(self, index: int | None = None) -> Any:
        def synchronize() -> None:
            self.calls.append(("stream", index))

        return SimpleNamespace(index=index, synchronize=synchronize)

    def memory_reserved(self, index: int) -> int:
        return 8 * (index in self.used)


def cuda(monkeypatch: pytest.MonkeyPatch, module: Module, contexts: bool = True) -> CudaDevice:
    """CUDA through a made-up torch; without ``contexts``, one that cannot tell which devices are used."""
    compiled = SimpleNamespace(_cuda_isCurrentStreamCapturing=lambda: module.capturing)
    if contexts:
        compiled._cuda_hasPrimaryContext = lambda index: index in module.used
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=module, _C=compiled))
    return CudaDevice()


def other(monkeypatch: pytest.MonkeyPatch, module: Any, name: str = "xpu") -> OtherDevice:
    """Another accelerator through a made-up torch."""
    accelerator = SimpleNamespace(
        is_available=lambda: True, current_accelerator=lambda: SimpleNamespace(type=name)
    )
    uncuda = SimpleNamespace(is_initialized=lambda: False, is_available=lambda: False)
    monkeypatch.setitem(
        sys.modules, "torch", SimpleNamespace(cuda=uncuda, accelerator=accelerator, **{name: module})
    )
    return OtherDevice(name)


# ---- several devices ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("used", "waited"), [((), []), ((0,), [0]), ((1,), [1]), ((0, 1), [0, 1]), ((0, 1, 2), [0, 1, 2])]
)
def test_every_device_with_a_context_is_waited_for_and_no_other(
    monkeypatch: pytest.MonkeyPatch, used: tuple[int, ...], waited: list[int]
) -> None:
    module = Module(count=8, used=used)
    device = cuda(monkeypatch, module)
    device.synchronize()
    assert module.calls == [("synchronize", index) for index in waited]
    assert device.in_use() == max(len(used), 1)


@pytest.mark.parametrize("rocm", [False, True])
def test_without_word_of_contexts_those_with_memory_are_waited_for(
    monkeypatch: pytest.MonkeyPatch, rocm: bool
) -> None:
    module = Module(count=4, used=(1, 3))
    device = cuda(monkeypatch, module, contexts=rocm)
    if rocm:
        sys.modules["torch"].version = SimpleNamespace(hip="7.0")  # type: ignore[attr-defined]
        device = CudaDevice()
    device.synchronize()
    assert module.calls == [("synchronize", None)]
    assert device.in_use() == 2
    device.synchronize()
    assert module.calls[1:] == [("synchronize", 1), ("synchronize", 3)]


def test_cuda_that_was_only_asked_about_is_not_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Module(used=())
    cuda(monkeypatch, module)
    assert find_device() is None
    assert find_device(initialised=False) is not None
    module.used.add(1)
    assert find_device() is not None


def test_a_context_without_memory_is_no_second_device(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Module(used=(0, 1), current=1)
    device = cuda(monkeypatch, module)
    monkeypatch.setattr(module, "memory_reserved", lambda index: 8 * (index == 1))
    assert device.in_use() == 1
    device.record(device.event())
    device.synchronize()
    assert module.calls == [("record", None), ("synchronize", 0), ("synchronize", 1)]
    monkeypatch.setattr(module, "memory_reserved", lambda index: 0)
    assert device.in_use() == 2


def test_the_only_device_in_use_is_meant_though_another_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Module(used=(1,), current=0)
    device = cuda(monkeypatch, module)
    assert device.in_use() == 1
    device.record(device.event())
    device.finish_stream()
    assert module.calls == [("record", 1), ("record", 1), "waited"]
    module.calls.clear()
    module.current = 1
    assert device.in_use() == 1
    device.record(device.event())
    device.finish_stream()
    assert module.calls == [("record", None), ("record", None), "waited"]


def test_other_devices_are_in_use_where_they_hold_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Module(count=4, used=(1, 3), current=1)
    device = other(monkeypatch, module)
    assert device.in_use() == 2
    device.synchronize()
    assert module.calls == [("synchronize", 1), ("synchronize", 3)]


# ---- graphs and waiting ---------------------------------------------------------------------------


def test_a_stream_that_records_a_graph_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Module()
    device = cuda(monkeypatch, module)
    assert not device.capturing()
    module.capturing = True
    assert device.capturing()
    xpu = Module()
    assert not other(monkeypatch, xpu).capturing()
    xpu.is_current_stream_capturing = lambda: True  # type: ignore[attr-defined]
    assert other(monkeypatch, xpu).capturing()


def test_an_event_is_asked_for_again_and_again_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Module()
    device = cuda(monkeypatch, module)
    now, slept = [0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += round(seconds * 1e9)

    monkeypatch.setattr(torch_devices, "sleep", sleep)
    monkeypatch.setattr(torch_devices, "perf_counter_ns", lambda: now[0])
    module.ready_after = 3
    assert device.wait(device.event(), 10**9)
    assert slept == [20e-6, 40e-6, 80e-6]
    module.ready_after = 10**9
    assert not device.wait(device.event(), 10**9)
    assert 10**9 <= now[0] < 1.02e9
    assert max(slept) == 0.005


# ---- events that cannot keep time -----------------------------------------------------------------


@contextmanager
def trained(asked: str = "auto") -> Any:
    """A profile of twenty steps, open."""
    with rnnprof.profile(None, clock=asked, warmup=2, control_every=8) as prof:
        for _ in range(20):
            with prof.step(), prof.stage("forward"):
                pass
        yield prof


@pytest.mark.parametrize(
    ("elapsed", "ready_after", "reason"),
    [
        (1.5, 0, ""),
        (0.0, 0, ""),
        (-1.0, 0, "they run backwards"),
        (NotImplementedError("elapsed_time is not supported by XPUEvent."), 0,
         "elapsed_time is not supported by XPUEvent"),
        (RuntimeError(""), 0, "RuntimeError"),
        (1.5, 10**9, "one did not happen within 2 seconds"),
    ],
)  # fmt: skip
def test_events_are_tried_where_they_may_not_keep_time(
    monkeypatch: pytest.MonkeyPatch, elapsed: Any, ready_after: int, reason: str
) -> None:
    monkeypatch.setattr(devices, "TRIAL_NS", 1)
    module = Module()
    module.elapsed, module.ready_after = elapsed, ready_after
    assert why_no_events(other(monkeypatch, module)) == reason
    assert module.calls == [("synchronize", None), ("record", None), ("record", None)]
    before = len(module.calls)
    assert why_no_events(cuda(monkeypatch, module)) == ""
    assert len(module.calls) == before


def test_without_events_steps_wait_for_the_device_and_the_run_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = Module(count=1)
    module.elapsed = NotImplementedError("elapsed_time is not supported by XPUEvent.")
    other(monkeypatch, module)
    with trained() as prof:
        run = prof.run
    lane = run.lane("train")
    assert {kind: steps.series.count for kind, steps in lane.steps.items()} == {
        "warmup": 2, "sync": 14, "host": 2, "control": 2,
    }  # fmt: skip
    assert run.notes[0] == {
        "code": "no_events",
        "device": "xpu",
        "reason": "elapsed_time is not supported by XPUEvent",
    }
    with pytest.raises(UsageError, match=r"events on xpu cannot keep time \(.*XPUEvent\); use clock='sync'"):
        with trained("event"):
            pytest.fail("nothing was refused")


def test_the_events_of_mps_are_not_even_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = []
    module = SimpleNamespace(current_allocated_memory=lambda: 8, synchronize=lambda: waits.append(1))
    device = other(monkeypatch, module, "mps")
    assert why_no_events(device) == "torch waits for the whole device to read one"
    device.finish_stream()
    assert len(waits) == 2
    assert device.in_use() == 1
    assert not device.capturing()
    with trained() as prof:
        assert set(prof.run.lane("train").steps) == {"warmup", "sync", "host", "control"}
    assert prof.run.notes[0]["code"] == "no_events"
    assert need_device("sync").name == "mps"
    with pytest.raises(UsageError, match="events on mps cannot keep time"):
        rnnprof.profile(None, clock="event")
    with trained("sync") as prof:
        assert prof.run.notes[:1] in ((), ({"code": "python_marks"},))


def test_a_device_that_cannot_be_waited_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(index: int | None = None) -> None:
        raise RuntimeError("no such thing\nand a long trace")

    module = Module()
    monkeypatch.setattr(module, "synchronize", fails)
    with pytest.raises(UsageError, match=r"xpu cannot be waited for \(no such thing\), so .* clock='host'"):
        why_no_events(other(monkeypatch, module))
    with pytest.raises(UsageError, match="cannot be waited for"), trained():
        pytest.fail("nothing was refused")
    with trained("host") as prof:
        assert set(prof.run.lane("train").steps) == {"warmup", "host", "control"}


def test_a_device_that_comes_after_the_first_step_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Module()
    cuda(monkeypatch, module)
    started = [False]
    monkeypatch.setattr(module, "is_initialized", lambda: started[0])
    monkeypatch.setattr(sys.modules["torch"], "accelerator", None, raising=False)
    with trained() as prof:
        started[0] = True
    assert {"code": "late_device"} in prof.run.notes
    assert not module.calls
