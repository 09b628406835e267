"""``--max-steps``: a program that is ended, in order, after so many training steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnprof import profile, runfile
from rnnprof.analysis.breakdown import breakdown
from rnnprof.cli.main import main
from rnnprof.errors import EnoughSteps
from rnnprof.testing import FakeClock, FakeDevice
from tests.cli.test_run import FAKE, counts, rnnprof

LOOPS = (
    FAKE
    + """\
n = 0
def train():
    global n
    for x in range(7):
        optimizer.zero_grad()
        loss = criterion(model(x))
        loss.backward()
        optimizer.step()
        n += 1
def evaluate():
    for x in range(3):
        model(x)
try:
    for epoch in range(20):
        train()
        evaluate()
finally:
    print("steps", n)
print("the end")
"""
)
BY_HAND = """\
import rnnprof
with rnnprof.lane("evaluate"):
    with rnnprof.step(): pass
try:
    while True:
        with rnnprof.step() as step:
            with rnnprof.stage("forward"): pass
            step.spoiled = spoil = not globals().get("spoil")
finally:
    print("in order")
"""


def test_the_program_ends_after_the_warmup_and_so_many_steps(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(LOOPS)
    got = rnnprof(tmp_path, "--no-report", "--control-every", "0", "--max-steps", "31", "train.py")
    assert (got.code, got.out, got.err) == (0, "steps 36\n", "")
    run = runfile.load(tmp_path / "run.json")
    assert run.ended == "EnoughSteps"
    assert counts(run)["step"] == counts(run)["update"] == 36
    assert "The program was ended after the steps that --max-steps asked for." in breakdown(run).notes


def test_a_program_that_ends_before_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(LOOPS)
    got = rnnprof(tmp_path, "--no-report", "--max-steps", "136", "train.py")
    assert (got.code, got.out) == (0, "steps 140\nthe end\n")
    assert runfile.load(tmp_path / "run.json").ended == "finished"


def test_marks_of_the_program_and_steps_that_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(BY_HAND)
    got = rnnprof(tmp_path, "--no-report", "--warmup", "2", "--max-steps", "20", "train.py")
    assert (got.code, got.out) == (0, "in order\n")
    assert counts(runfile.load(tmp_path / "run.json"))["step"] == 22


def test_a_step_that_failed_does_not_count(tmp_path: Path) -> None:
    done = 0
    with pytest.raises(EnoughSteps) as error, profile(tmp_path / "run.json", warmup=1) as prof:
        prof.track.recorder.limit = 3
        for turn in range(100):
            try:
                with prof.step():
                    if turn % 2:
                        raise ValueError
                    done += 1
            except ValueError:
                pass
    assert error.value.code == 0
    assert done == 4
    assert prof.run.ended == "EnoughSteps"


def test_a_profile_of_the_program_is_refused_at_once(tmp_path: Path) -> None:
    # Imported so that the reader of programs does not follow it into rnnprof's own source.
    own = "with __import__('rnnprof').profile('own.json'): print('inside')\n"
    (tmp_path / "train.py").write_text(own)
    got = rnnprof(tmp_path, "--no-report", "--max-steps", "5", "train.py")
    assert (got.code, got.out) == (1, "")
    assert "UsageError: the program opens a profile of its own, which would not end" in got.err
    assert not (tmp_path / "own.json").exists()
    assert rnnprof(tmp_path, "--no-report", "train.py").out == "inside\n"


def test_zero_steps_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--max-steps", "0", "train.py"]) == 2
    assert capsys.readouterr().err == "rnnprof: error: --max-steps 0: give 1 or more\n"


def test_steps_timed_by_events_are_counted_as_they_end(clock: FakeClock) -> None:
    device = FakeDevice(clock)
    spoiled = False
    done = 0
    with pytest.raises(EnoughSteps), profile(None, clock="auto", warmup=2, device=device) as prof:
        prof.track.recorder.limit = 20
        while True:
            with prof.step() as step:
                clock.advance(10)
                device.launch(50)
                step.spoiled = spoiled = done % 3 == 2 and not spoiled
            done += not spoiled
    assert done == 22
    assert sum(steps.series.count for steps in prof.run.lanes[-1].steps.values()) == 22


TORCH = """\
import torch
model = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Linear(5, 3))
tied = torch.nn.Linear(5, 3)
tied.weight = model[1].weight
lazy = torch.nn.LazyLinear(4)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for i in range(12):
    optimizer.zero_grad()
    loss = model(torch.ones(2, 3)).sum()
    loss.backward()
    optimizer.step()
"""


def test_parameters_are_counted_once_each(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "train.py").write_text(TORCH)
    got = rnnprof(tmp_path, "--no-report", "--count-parameters", "train.py")
    assert (got.code, got.out) == (0, "")
    assert runfile.load(tmp_path / "run.json").environment["parameters"] == 15 + 5 + 15 + 3 + 3


def test_without_torch_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(LOOPS)
    rnnprof(tmp_path, "--no-report", "--count-parameters", "train.py")
    assert "parameters" not in runfile.load(tmp_path / "run.json").environment
