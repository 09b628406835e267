"""Small loops of torch and the advice on them: states that are not detached, and how the run went."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import rnnprof
from rnnprof.analysis.advice.advise import advise
from rnnprof.analysis.advice.detaching import detach
from rnnprof.analysis.advice.drifting import drift
from rnnprof.analysis.advice.remembering import memory_growth
from rnnprof.analysis.advice.stalling import stalls
from rnnprof.model import Run
from rnnprof.recorder import memory_course
from rnnprof.testing import FakeClock
from tests.advice_runs import found

ROOT = Path(__file__).resolve().parents[2]
T, B, H = 4, 2, 5
STEPS = 12
MS = 1_000_000


def repackage(state: Any) -> Any:
    """The same state without its graph."""
    return state.detach() if isinstance(state, torch.Tensor) else tuple(map(repackage, state))


def recorded(folder: Path, step: Callable[[Any], None], model: nn.Module, steps: int = STEPS) -> Run:
    """Train with a function that computes a step's loss and backward, from the profile to the file and back.

    The update is by hand: torch does not see that a parameter changes, as in plain old loops.
    """
    with rnnprof.profile(folder / "run.json") as prof:
        for _ in range(steps):
            with prof.step():
                step(prof)
                for parameter in model.parameters():
                    if parameter.grad is not None:
                        parameter.data.add_(parameter.grad, alpha=-0.01)
                        parameter.grad = None
    return rnnprof.load(folder / "run.json")


def carry_on(prof: Any, model: nn.Module, hidden: Any, retain: bool, optimizer: Any = None) -> None:
    """Train without detaching. pytest's asserts ask for `locals()`, and such code is not looked into."""
    for _ in range(STEPS):
        with prof.step():
            output, hidden = model(torch.randn(T, B, H), hidden)
            with prof.stage("backward"):
                output.sum().backward(retain_graph=retain)
            if optimizer is not None:
                optimizer.step()


CARRIED = "output, hidden = model(torch.randn(T, B, H), hidden)"


def test_a_hidden_state_that_is_not_detached(tmp_path: Path) -> None:
    with rnnprof.profile(tmp_path / "run.json") as prof:
        carry_on(prof, nn.LSTM(H, H), (torch.zeros(1, B, H), torch.zeros(1, B, H)), retain=True)
    (one,) = found(detach, rnnprof.load(tmp_path / "run.json"))
    assert one.title == "`hidden` is not detached: backward goes through earlier steps again"
    assert (one.file, one.source) == (__file__, CARRIED)
    assert f"Write `hidden = repackage(hidden)` before line {one.line}, `{one.source}`" in one.change
    assert "`retain_graph=True` is not needed any more" in one.change
    assert one.urgent


def test_a_hidden_state_that_is_detached(tmp_path: Path) -> None:
    model = nn.LSTM(H, H)
    hidden = (torch.zeros(1, B, H), torch.zeros(1, B, H))

    def step(prof: Any) -> None:
        nonlocal hidden
        hidden = repackage(hidden)
        output, hidden = model(torch.randn(T, B, H), hidden)
        output.sum().backward()

    assert found(detach, recorded(tmp_path, step, model)) == ()


class Keeping(nn.Module):
    """A model that keeps its own state; the first one is learned."""

    def __init__(self, detached: bool) -> None:
        super().__init__()
        self.rnn = nn.GRU(H, H)
        self.first = nn.Parameter(torch.zeros(1, B, H))
        self.detached = detached
        self.hidden: Any = None

    def forward(self, x: Any) -> Any:
        state = self.first if self.hidden is None else self.hidden
        output, self.hidden = self.rnn(x, state)
        if self.detached:
            self.hidden = self.hidden.detach()
        return output


def test_a_state_that_the_model_keeps(tmp_path: Path) -> None:
    model = Keeping(detached=False)

    def step(prof: Any) -> None:
        model(torch.randn(T, B, H)).sum().backward(retain_graph=True)

    (one,) = found(detach, recorded(tmp_path, step, model))
    assert one.urgent
    assert one.file == __file__
    assert "earlier steps" in one.title


def test_a_state_that_the_model_keeps_and_detaches(tmp_path: Path) -> None:
    model = Keeping(detached=True)
    run = recorded(tmp_path, lambda prof: model(torch.randn(T, B, H)).sum().backward(), model)
    assert found(detach, run) == ()


def test_a_state_that_every_step_makes_from_a_parameter(tmp_path: Path) -> None:
    model = Keeping(detached=False)

    def step(prof: Any) -> None:
        model.hidden = None
        model(torch.randn(T, B, H)).sum().backward()

    assert found(detach, recorded(tmp_path, step, model)) == ()


def test_steps_that_are_marked_after_forward(tmp_path: Path) -> None:
    model = nn.GRU(H, H)
    with rnnprof.profile(tmp_path / "run.json") as prof:
        loss = model(torch.randn(T, B, H))[0].sum()
        for _ in range(STEPS):
            with prof.step():
                loss.backward()
                loss = model(torch.randn(T, B, H))[0].sum()
    assert found(detach, rnnprof.load(tmp_path / "run.json")) == ()


def test_the_second_backward_pass_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="second time"), rnnprof.profile(tmp_path / "run.json") as prof:
        carry_on(prof, nn.GRU(H, H), torch.zeros(1, B, H), retain=False)
    run = rnnprof.load(tmp_path / "run.json")
    one = advise(run).findings[0]
    assert (one.key, one.urgent) == ("detach", True)
    assert one.title == "`hidden` is not detached between two steps: the run failed"
    assert one.source == CARRIED


def test_a_kept_graph_of_parameters_that_an_update_has_changed(tmp_path: Path) -> None:
    model = nn.GRU(H, H)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    error = pytest.raises(RuntimeError, match="modified by an inplace")
    with error, rnnprof.profile(tmp_path / "run.json") as prof:
        carry_on(prof, model, torch.zeros(1, B, H), retain=True, optimizer=optimizer)
    one = advise(rnnprof.load(tmp_path / "run.json")).findings[0]
    assert (one.key, one.urgent) == ("detach", True)
    assert one.source == CARRIED


SCRIPT = """
import torch
from torch import nn


def train(model, criterion, hidden):
    for i in range(12):
        data, targets = torch.randn(4, 2, 5), torch.randn(4, 2, 5)
        DETACH
        model.zero_grad()
        output, hidden = model(data, hidden)
        loss = criterion(output, targets)
        loss.backward()
        for p in model.parameters():
            p.data.add_(p.grad, alpha=-0.01)


torch.manual_seed(1)
train(nn.GRU(5, 5), nn.MSELoss(), torch.zeros(1, 2, 5))
"""


@pytest.mark.parametrize("detached", [False, True])
def test_a_script_that_nobody_edited(tmp_path: Path, detached: bool) -> None:
    text = SCRIPT.replace("DETACH", "hidden = hidden.detach()" if detached else "")
    (tmp_path / "main.py").write_text(text, "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    got = subprocess.run(
        [sys.executable, "-m", "rnnprof", "run", "main.py"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    advice = advise(rnnprof.load(tmp_path / "run.json"))
    assert got.returncode == (0 if detached else 1), got.stderr
    if detached:
        assert "detach" in advice.checked
        assert "detach" not in {one.key for one in advice.findings}
        return
    assert "backward through the graph a second time" in got.stderr
    one = advice.findings[0]
    assert one.title == "`hidden` is not detached between two steps: the run failed"
    assert (Path(one.file).name, one.source) == ("main.py", "output, hidden = model(data, hidden)")


def test_memory_that_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_course, "SPARING", 0)
    model, kept = nn.Linear(H, H), []

    def step(prof: Any) -> None:
        model(torch.randn(B, H)).sum().backward()
        # As the outputs of all steps in a list would: a MiB for each.
        kept.append(torch.ones(1 << 18))

    (one,) = found(memory_growth, recorded(tmp_path, step, model, 200))
    assert "The resident memory of the process grew from" in one.evidence
    kept.clear()


def test_memory_that_does_not_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_course, "SPARING", 0)
    model = nn.Linear(H, H)
    run = recorded(tmp_path, lambda prof: model(torch.randn(B, H)).sum().backward(), model, 200)
    assert found(memory_growth, run) == ()


def paced(clock: FakeClock, pace: Callable[[int], int], steps: int = 1000) -> Run:
    """A loop in which backward takes that many milliseconds."""
    model = nn.Linear(H, H)
    with rnnprof.profile(None, clock=clock, warmup=0, control_every=0) as prof:
        for at in range(steps):
            with prof.step():
                with prof.stage("forward"):
                    loss = model(torch.ones(B, H)).sum()
                    clock.advance(40 * MS)
                with prof.stage("backward"):
                    loss.backward()
                    clock.advance(pace(at) * MS)
    return prof.run


def test_steps_that_get_slower(clock: FakeClock) -> None:
    (one,) = found(drift, paced(clock, lambda at: 60 + at // 20))
    assert one.title == "Steps get slower over the run: +35.4 % from its first to its last quarter"
    assert one.stage == ("backward",)
    assert "At the end it still grows." in one.evidence


def test_steps_that_stall(clock: FakeClock) -> None:
    run = paced(clock, lambda at: 1000 if at % 100 == 50 else 60)
    (one,) = found(stalls, run)
    assert (one.title, one.stage) == ("10 of 1,000 steps stall in `backward`", ("backward",))
    assert found(drift, run) == ()


def test_even_steps(clock: FakeClock) -> None:
    run = paced(clock, lambda at: 60 + at % 3)
    assert found(drift, run) == ()
    assert found(stalls, run) == ()


@pytest.mark.parametrize("collected", [True, False])
def test_garbage_collection(tmp_path: Path, collected: bool) -> None:
    model = nn.Linear(H, H)
    was = gc.isenabled()
    gc.disable()
    # What there is already would take long to go through.
    gc.freeze()
    alive: list[list[int]] = [[] for _ in range(20_000)] if collected else []
    try:

        def step(prof: Any) -> None:
            model(torch.randn(B, H)).sum().backward()
            if collected:
                gc.collect()

        run = recorded(tmp_path, step, model, 150)
    finally:
        alive.clear()
        gc.unfreeze()
        if was:
            gc.enable()
    assert run.vitals is not None
    if run.vitals.pauses is None:
        pytest.skip("only the compiled part sees collections")
    titles = [one.title for one in found(stalls, run)]
    assert any("Python's garbage collection" in title for title in titles) is collected
