"""`instrument()`: what it refuses, what it does without a source, and its own profile."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import rnnprof
from rnnprof.errors import UsageError
from rnnprof.testing import FakeClock
from tests.instrument.script_runs import ROOT
from tests.recorder.helpers import in_steps, profile, steps


class Callable:
    def __call__(self) -> None: ...

    def __repr__(self) -> str:
        return "<it>"


def generator() -> Any:
    yield 1


async def coroutine() -> None: ...


async def asynchronous() -> Any:
    yield 1


PREFIX = "instrument() takes a function or a method, not "
REFUSED = {
    "a class": (Callable, "Callable, which is a class: give its method that trains"),
    "a coroutine": (coroutine, "coroutine, which is a coroutine: other tasks run while it waits"),
    "an asynchronous generator": (
        asynchronous,
        "asynchronous, which is a coroutine: other tasks run while it waits",
    ),
    "a generator": (
        generator,
        "generator, which is a generator: its consumer runs between two steps; "
        "give the function that consumes it",
    ),
    "an object": (Callable(), "Callable <it>: give its method, such as trainer.step"),
    "a partial": (
        functools.partial(len),
        "partial functools.partial(<built-in function len>): give its method, such as trainer.step",
    ),
    "a built-in": (len, "len: give its method, such as trainer.step"),
    "a number": (3, "int 3"),
    "None": (None, "NoneType None"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused(what: str) -> None:
    thing, words = REFUSED[what]
    with pytest.raises(UsageError) as caught:
        rnnprof.instrument(thing)
    assert str(caught.value) == PREFIX + words


class Trainer:
    def batches(self) -> Any:
        yield 1


def test_what_is_refused_in_a_method() -> None:
    with pytest.raises(UsageError, match=r"not Trainer\.batches, which is a generator"):
        rnnprof.instrument(Trainer().batches)


OWN = """
import rnnprof
class Model:
    def __call__(self, x):
        return self
    def backward(self): pass
    step = backward
model = optimizer = Model()
@rnnprof.instrument
def step(x):
    model(x).backward()
    optimizer.step()
for x in range(40):
    step(x)
if __name__ == "__main__":
    print("done", step.__code__.co_consts[0])
    {end}
"""


@pytest.mark.parametrize(("end", "code"), [("", 0), ("raise SystemExit(3)", 3), ("1 / 0", 1)])
def test_a_profile_of_its_own_is_saved_at_exit(end: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(OWN.replace("{end}", end))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "main.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, "done None\n")
    assert done.stderr.count("Traceback") == done.stderr.count("ZeroDivisionError") == (end == "1 / 0")
    run = json.loads((tmp_path / "run.json").read_text())
    train = next(lane for lane in run["lanes"] if lane["name"] == "train")
    assert sum(kind["series"]["count"] for kind in train["steps"].values()) == 40
    assert run["ended"] == "finished"


HOOKED = """
def step(x, y):
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()
"""


def test_without_source_the_stages_are_told_by_hooks(clock: FakeClock) -> None:
    torch = pytest.importorskip("torch")
    model, criterion = torch.nn.Sequential(torch.nn.Linear(2, 2)), torch.nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    names = {"torch": torch, "model": model, "criterion": criterion, "optimizer": optimizer}
    exec(HOOKED, names)
    before = [torch.Tensor.backward, torch.nn.Module.__call__, torch.optim.SGD.step]
    with pytest.warns(RuntimeWarning, match="^rnnprof: the source of step cannot be read: each call is a "):
        step = rnnprof.instrument(names["step"])
    x = torch.ones(1, 2)
    with profile(clock) as prof:
        for _ in range(3):
            step(x, x)
        with pytest.raises(AttributeError):
            step(x, None)
    assert [torch.Tensor.backward, torch.nn.Module.__call__, torch.optim.SGD.step] == before
    assert steps(prof.run).count == 3
    found = {name.partition("/")[0]: count for name, (count, _) in in_steps(prof.run).items()}
    assert set(found) == {"zero_grad", "forward", "loss", "backward", "clip", "update"}
    assert {path for path in in_steps(prof.run) if path.startswith("forward/")} == {"forward/0"}


def test_a_source_that_changed_since_it_was_imported(tmp_path: Path) -> None:
    path = tmp_path / "changed_since.py"
    path.write_text("def step(x):\n    model(x).backward()\n")
    spec = importlib.util.spec_from_file_location("changed_since", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path.write_text("# another line\n" + path.read_text())
    with pytest.warns(RuntimeWarning, match="the source of step cannot be read"):
        rnnprof.instrument(module.step)
    with pytest.warns(RuntimeWarning, match=r"the source of .*<lambda> cannot be read"):
        rnnprof.instrument(lambda: None)
