"""The probed step on a real accelerator: waits by name, memory without the program's peaks, operations."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

import rnnprof
from tests.gpu.on_device import DEVICE, MARKS, MIB, codes, counts

torch = pytest.importorskip("torch")
pytestmark = MARKS

PROBED = 3
"""The last but one step of the warmup."""


# ---- where the host waits ----------------------------------------------------------------------


def waiting(file: Path) -> Any:
    """The run of a loop that waits in three of its four stages."""
    matrix = torch.randn(512, 512, device=DEVICE)
    with rnnprof.profile(file, probe=True) as prof:
        for _ in range(12):
            with prof.step():
                with prof.stage("forward"):
                    product = matrix @ matrix
                with prof.stage("log"):
                    product[0, 0].item()
                    product.sum().item()
                with prof.stage("copy"):
                    product.cpu()
                with prof.stage("mask"):
                    (product > 0).nonzero()
    return rnnprof.load(file)


def test_the_places_at_which_the_host_waits_are_named(tmp_path: Path) -> None:
    run = waiting(tmp_path / "run.json")
    assert run.probe is not None
    assert (run.probe.step, run.probe.device) == (PROBED, "cuda")
    found: dict[tuple[tuple[str, ...], str], int] = {}
    for wait in run.probe.waits:
        found[wait.path, wait.way] = found.get((wait.path, wait.way), 0) + wait.count
        assert Path(wait.file).name == Path(__file__).name
        assert wait.line > 0
        assert wait.waited_ns is not None
        assert wait.waited_ns >= 0
    assert found == {(("log",), "item"): 2, (("copy",), "cpu"): 1, (("mask",), "nonzero"): 1}
    assert "item()" in next(wait.source for wait in run.probe.waits if wait.way == "item")


def set_mode(mode: int) -> None:
    with warnings.catch_warnings():
        # That it is a prototype.
        warnings.simplefilter("ignore")
        torch.cuda.set_sync_debug_mode(mode)


@pytest.mark.parametrize("mode", [0, 1])
def test_the_debug_mode_of_the_program_is_as_it_was(tmp_path: Path, mode: int) -> None:
    matrix = torch.randn(64, 64, device=DEVICE)
    before, seen = torch.cuda.get_sync_debug_mode(), set()
    set_mode(mode)
    try:
        # The program itself never waits: whatever warns is of rnnprof's making, and an error here.
        with rnnprof.profile(tmp_path / "run.json", probe=True) as prof:
            for _ in range(40):
                with prof.step():
                    with prof.stage("forward"):
                        matrix = torch.tanh(matrix @ matrix)
                seen.add(torch.cuda.get_sync_debug_mode())
    finally:
        set_mode(before)
    assert seen == {mode}
    assert "device_failed" not in codes(prof.run)
    assert counts(prof.run)["event"] > 20
    assert prof.run.probe is not None
    assert prof.run.probe.waits == ()


# ---- memory ------------------------------------------------------------------------------------


def holding() -> list[tuple[int, int]]:
    """A loop that keeps, passes and drops memory; what is allocated before and after it is kept."""
    kept, seen = [], []
    for _ in range(8):
        with rnnprof.step():
            before = torch.cuda.memory_allocated()
            with rnnprof.stage("keep"):
                kept.append(torch.empty(64 * MIB, dtype=torch.uint8, device=DEVICE))
            seen.append((before, torch.cuda.memory_allocated()))
            with rnnprof.stage("pass"):
                passing = torch.empty(32 * MIB, dtype=torch.uint8, device=DEVICE)
                del passing
            with rnnprof.stage("drop"):
                kept.clear()
    return seen


def test_memory_of_each_stage_is_what_torch_counts(tmp_path: Path) -> None:
    with rnnprof.profile(tmp_path / "run.json", probe=True) as prof:
        seen = holding()
    probe = prof.run.probe
    assert probe is not None
    found = {one.path: one for one in probe.memory if one.place == f"cuda:{torch.cuda.current_device()}"}
    before, after = seen[PROBED]
    keep, passing, drop, step = (found[path] for path in (("keep",), ("pass",), ("drop",), ()))
    assert keep.allocated_bytes == keep.peak_bytes == after - before == 64 * MIB
    assert (passing.allocated_bytes, passing.peak_bytes) == (0, 32 * MIB)
    assert passing.before_bytes == 64 * MIB
    assert drop.allocated_bytes == -64 * MIB
    assert (step.allocated_bytes, step.peak_bytes) == (0, 96 * MIB)
    (place,) = (one for one in probe.places if one.name.startswith("cuda:"))
    assert place.begin_bytes == before
    assert place.total_bytes == torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory


def test_the_peaks_of_the_program_are_its_own(tmp_path: Path) -> None:
    def peaks(profiled: bool) -> tuple[int, int]:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        base = torch.cuda.memory_allocated()
        # Higher than anything in the loop: a counter that was reset would show.
        high = torch.empty(256 * MIB, dtype=torch.uint8, device=DEVICE)
        del high
        prof = rnnprof.profile(tmp_path / "run.json", probe=True).start() if profiled else None
        holding()
        if prof is not None:
            prof.stop()
        return torch.cuda.max_memory_allocated() - base, torch.cuda.memory_allocated() - base

    assert peaks(True) == peaks(False) == (256 * MIB, 0)


# ---- operations --------------------------------------------------------------------------------

LENGTH, BATCH, EMSIZE, NHID, LAYERS = 35, 20, 128, 200, 2


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("kind", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_operations_of_recurrent_layers_are_those_counted_by_hand(
    tmp_path: Path, kind: str, gates: int, dtype: str
) -> None:
    model = getattr(torch.nn, kind)(EMSIZE, NHID, LAYERS).to(DEVICE)
    words = torch.randn(LENGTH, BATCH, EMSIZE, device=DEVICE)
    cast = torch.autocast("cuda", dtype=torch.bfloat16, enabled=dtype == "bfloat16")
    with rnnprof.profile(tmp_path / "run.json", probe=True) as prof:
        for _ in range(8):
            with prof.step():
                with prof.stage("forward"), cast:
                    output, _ = model(words)
                with prof.stage("loss"):
                    loss = output.float().sum()
                with prof.stage("backward"):
                    loss.backward()
                with prof.stage("update"):
                    model.zero_grad()
    assert prof.run.probe is not None
    found = {one.path: one.flops for one in prof.run.probe.work if one.flops}
    # Each word meets every weight of both matrices once; multiplication and addition are two.
    weights = sum(gates * NHID * (width + NHID) for width in (EMSIZE, NHID))
    forward = 2 * LENGTH * BATCH * weights
    assert found == {("forward",): forward, ("backward",): 2 * forward}
    assert {one.dtype for one in prof.run.probe.work if one.flops} == {dtype}
