"""`torch.compile` under `rnnprof run`: the same results, and no mark in what is compiled."""

from __future__ import annotations

import importlib
import inspect
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rnnprof.instrument.compiling import Compiling
from rnnprof.instrument.importer import AfterImport
from tests.instrument.script_runs import ROOT

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.filterwarnings("ignore")

MODELS = """
import torch
from torch import nn

class Cell(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.criterion = nn.CrossEntropyLoss()

    # It computes the loss as well, so its own lines have stages.
    def forward(self, x, hidden, y):
        hidden = repackage(hidden)
        out = torch.tanh(self.linear(x) + hidden)
        loss = self.criterion(out, y)
        return loss

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Embedding(8, 8)
        self.cell = Cell()

    def forward(self, x, y):
        return self.cell(self.encoder(x), torch.zeros(4, 8), y)

# After what calls it.
def repackage(hidden):
    return hidden.detach()
"""

# `fast` is a name that no reading sees through: there the marks are in place when Dynamo comes.
TRAIN = """
import sys
import torch
from models import Model

fast = getattr(torch, "compile")

def train(way, step, compiled=lambda model: model):
    if way not in sys.argv:
        return
    torch.manual_seed(1)
    model = compiled(Model())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for i in range(3):
        x, y = torch.randint(0, 8, (4,)), torch.randint(0, 8, (4,))
        print(way, step(model, optimizer, x, y).item().hex())

def in_place(model):
    model.compile(backend="eager", fullgraph=True)
    return model

def plain(model, optimizer, x, y):
    optimizer.zero_grad()
    loss = model(x, y)
    loss.backward()
    return finish(model, optimizer, loss)

@torch.compile(backend="eager")
def decorated(model, optimizer, x, y):
    optimizer.zero_grad()
    loss = model(x, y)
    loss.backward()
    return finish(model, optimizer, loss)

@fast(backend="eager")
def unseen(model, optimizer, x, y):
    optimizer.zero_grad()
    loss = model(x, y)
    loss.backward()
    return finish(model, optimizer, loss)

def finish(model, optimizer, loss):
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss

train("plain", plain)
train("decorated", decorated)
train("unseen", unseen)
train("model", plain, lambda model: torch.compile(model, backend="eager", fullgraph=True))
train("in_place", plain, in_place)
print(torch.compile.__name__, torch.compile.__module__, "exec_module" in vars(torch.__loader__))
"""


def written_to(folder: Path) -> None:
    (folder / "models.py").write_text(MODELS)
    (folder / "train.py").write_text(TRAIN)


def run_here(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], way: str
) -> list[str]:
    """What the program prints in plain Python."""
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "argv", ["train.py", way])
    try:
        with torch.random.fork_rng():
            runpy.run_path(str(folder / "train.py"))
    finally:
        sys.modules.pop("models", None)
    return capsys.readouterr().out.splitlines()


def test_what_is_compiled_does_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written_to(tmp_path)
    *losses, last = run_here(tmp_path, monkeypatch, capsys, "plain")
    ways = ["plain", "decorated", "unseen", "model", "in_place"]
    done = subprocess.run(
        [sys.executable, "-m", "rnnprof", "run", "--no-report", "train.py", *ways],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "rnnprof:" not in done.stderr
    expected = [loss.replace("plain", way) for way in ways for loss in losses]
    assert done.stdout.splitlines() == [*expected, last]


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to import from, with the imports as they were before at the end."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    yield tmp_path
    sys.modules.pop("imported_once", None)


def test_a_module_is_waited_for_until_it_has_been_imported(alone: Path) -> None:
    calls: list[bool] = []
    (alone / "imported_once.py").write_text("value = 1\n")
    finder = AfterImport("imported_once", lambda: calls.append("imported_once" in sys.modules))
    finder.install()
    importlib.import_module("json.tool")
    assert (finder in sys.meta_path, calls) == (True, [])
    module = importlib.import_module("imported_once")
    assert (module.value, calls, finder in sys.meta_path) == (1, [True], False)
    assert module.__loader__ is module.__spec__.loader
    assert "exec_module" not in vars(module.__loader__)
    finder.remove()


def test_an_import_that_fails_is_waited_for_again(alone: Path) -> None:
    calls: list[int] = []
    finder = AfterImport("imported_once", lambda: calls.append(1) or 1 // 0)
    finder.install()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("imported_once")
    (alone / "imported_once.py").write_text("raise ValueError('broken')\n")
    importlib.invalidate_caches()
    with pytest.raises(ValueError, match="broken") as caught:
        importlib.import_module("imported_once")
    assert not [one for one in caught.traceback if "rnnprof" in str(one.path)]
    assert (calls, finder in sys.meta_path) == ([], True)
    (alone / "imported_once.py").write_text("value = 'another length'\n")
    assert importlib.import_module("imported_once").value == "another length"
    assert calls == [1]


def marked(function: Any) -> Any:
    """Give a function other code, as a rewriter does, and remember the user's."""
    plain = function.__code__
    function.__code__ = (lambda x: -x).__code__
    return {function.__code__: plain}


def test_everything_is_undone() -> None:
    def double(x: int) -> int:
        return 2 * x

    before = torch.compile
    compiling = Compiling(marked(double))
    compiling.open()
    try:
        assert torch.compile is not before
        assert torch.compile.__wrapped__ is before  # type: ignore[attr-defined]
        assert inspect.signature(torch.compile) == inspect.signature(before)
        assert double(1) == -1
        assert torch.compile(double, disable=True)(1) == 2
    finally:
        compiling.close()
        compiling.close()
    assert torch.compile is before
    from torch._dynamo.variables.functions import UserFunctionVariable

    assert not hasattr(UserFunctionVariable.get_code, "__wrapped__")
