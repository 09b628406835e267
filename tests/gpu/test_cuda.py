"""The clocks on a real accelerator. Every check is a ratio within one run, not a wall-clock limit."""

from __future__ import annotations

from typing import Any

import pytest

import rnnprof
from rnnprof.devices import find_device
from rnnprof.torch_devices import CudaDevice

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]

PRODUCTS = {"forward": 10, "backward": 20, "clip": 1, "update": 2}


def loop(prof: Any, steps: int) -> None:
    """A step whose device work is in known proportions, and that waits in `clip` alone."""
    a = torch.randn(2048, 2048, device="cuda")
    b = torch.empty_like(a)
    for _ in range(steps):
        with prof.step(tokens=100):
            for name, products in PRODUCTS.items():
                with prof.stage(name):
                    for _ in range(products):
                        torch.mm(a, a, out=b)
                    if name == "clip":
                        b[0, 0].item()


def shares(run: rnnprof.model.Run, kind: str) -> dict[str, float]:
    steps = run.lane("train").steps[kind]
    return {stage.name: stage.series.total_ns / steps.series.total_ns for stage in steps.stages}


@pytest.fixture(scope="module")
def mixed() -> Any:
    with rnnprof.profile(None) as prof:
        loop(prof, 400)
    return prof.run


def test_auto_finds_the_device_and_mixes_the_kinds(mixed: Any) -> None:
    counts = {kind: steps.series.count for kind, steps in mixed.lane("train").steps.items()}
    assert counts.keys() == {"warmup", "control", "host", "sync", "event"}
    assert sum(counts.values()) == 400
    assert counts["event"] > 300
    assert not [note for note in mixed.notes if note["code"] == "unresolved_events"]
    assert mixed.environment["device"] == torch.cuda.get_device_name()


@pytest.mark.parametrize("kind", ["event", "sync"])
def test_device_clocks_find_the_programmed_proportions(mixed: Any, kind: str) -> None:
    found = shares(mixed, kind)
    assert found["backward"] / found["forward"] == pytest.approx(2, rel=0.1)
    assert found["forward"] + found["backward"] == pytest.approx(30 / 33, rel=0.1)


def test_the_host_clock_blames_the_stage_that_waits(mixed: Any) -> None:
    found = shares(mixed, "host")
    assert found["clip"] > 0.6
    assert found["backward"] < 0.3


def test_event_and_sync_agree_on_a_step_of_large_kernels(mixed: Any) -> None:
    steps = mixed.lane("train").steps
    assert steps["event"].series.mean_ns == pytest.approx(steps["sync"].series.mean_ns, rel=0.1)


@pytest.mark.parametrize("clock", ["host", "sync", "event"])
def test_a_pinned_clock_is_the_only_one(clock: str) -> None:
    with rnnprof.profile(None, clock=clock, warmup=2, control_every=8) as prof:
        loop(prof, 34)
    counts = {kind: steps.series.count for kind, steps in prof.run.lane("train").steps.items()}
    assert counts == {"warmup": 2, "control": 4, clock: 28}


def test_a_loop_that_never_waits_keeps_the_events_few() -> None:
    created = 0

    class Counting(CudaDevice):
        def event(self) -> Any:
            nonlocal created
            created += 1
            return super().event()

    a = torch.randn(64, 64, device="cuda")
    with rnnprof.profile(None, clock="event", device=Counting()) as prof:
        for _ in range(5_000):
            with prof.step(), prof.stage("forward"):
                torch.mm(a, a)
    assert created <= 4 * 512 + 8
    counted = sum(steps.series.count for steps in prof.run.lane("train").steps.values())
    assert counted == 5_000


def test_a_device_that_lags_behind_keeps_the_events_few() -> None:
    created = 0

    class Counting(CudaDevice):
        def event(self) -> Any:
            nonlocal created
            created += 1
            return super().event()

    a = torch.randn(4096, 4096, device="cuda")
    b = torch.empty_like(a)
    with rnnprof.profile(None, clock="event", device=Counting(), control_every=0) as prof:
        for _ in range(600):
            with prof.step(), prof.stage("forward"):
                torch.mm(a, a, out=b)
    assert created <= 4 * 512 + 8
    kinds = {kind: steps.series.count for kind, steps in prof.run.lane("train").steps.items()}
    assert sum(kinds.values()) == 600
    assert kinds["event"] > 0


def test_losses_are_the_same_to_the_bit() -> None:
    def losses(profiled: bool) -> list[float]:
        torch.manual_seed(7)
        model = torch.nn.LSTM(32, 32, 2, dropout=0.5).cuda()
        found = []
        prof = rnnprof.profile(None).start() if profiled else None
        for _ in range(40):
            with rnnprof.step():
                with rnnprof.stage("forward"):
                    out, _ = model(torch.randn(16, 4, 32, device="cuda"))
                with rnnprof.stage("backward"):
                    loss = out.square().mean()
                    loss.backward()
                with rnnprof.stage("update"), torch.no_grad():
                    for p in model.parameters():
                        p.add_(p.grad, alpha=-0.1)
                        p.grad = None
            found.append(loss.item())
        if prof is not None:
            prof.stop()
        return found

    assert losses(True) == losses(False)


def test_the_device_is_the_one_in_use() -> None:
    torch.zeros(1, device="cuda")
    found = find_device()
    assert found is not None
    assert found.name == "cuda"


def test_elapsed_time_of_the_generic_device() -> None:
    accelerator = getattr(torch, "accelerator", None)
    if accelerator is None:
        pytest.skip("this torch has no torch.accelerator")
    from rnnprof.torch_devices import OtherDevice

    device = OtherDevice("cuda")
    a = torch.randn(2048, 2048, device="cuda")
    start, end = device.event(), device.event()
    device.record(start)
    for _ in range(20):
        a = torch.mm(a, a)
    device.record(end)
    device.synchronize()
    assert device.done(end)
    assert device.elapsed_ns(start, end) > 0
