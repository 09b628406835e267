"""A program that opens a profile of its own under `rnnprof run`: its own goes first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import rnnprof

PROGRAM = """
import rnnprof

with rnnprof.profile("own.json", warmup=0, control_every=0) as prof:
    for i in range(3):
        with prof.step(), prof.stage("forward"):
            print(i)
print("done")
"""


def test_a_profile_of_the_programs_own(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "rnnprof", "run", "-o", "outer.json", "main.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "0\n1\n2\ndone\n")
    assert (
        "the program opened a profile of its own, and from then on nothing else was recorded" in done.stderr
    )
    own = rnnprof.load(tmp_path / "own.json")
    (train,) = (lane for lane in own.lanes if lane.name == "train")
    assert train.steps["host"].wall.count == 3
    assert rnnprof.load(tmp_path / "outer.json").ended == "gave way"


MARKED = """
import torch
import rnnprof

w = torch.ones(4, 4, requires_grad=True)
for i in range(9):
    with rnnprof.step(tokens=3):
        with rnnprof.stage("forward"):
            loss = (w @ w).sum()
        loss.backward()
        w.data.add_(w.grad, alpha=-0.1)
        w.grad = None
with rnnprof.lane("evaluate"):
    print("done")
"""


def test_steps_that_the_program_marks_itself(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(MARKED)
    command = [sys.executable, "-m", "rnnprof", "run", "--warmup", "2", "--control-every", "0", "main.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert "rnnprof: main.py:7 marks steps itself: the program's own marks are what is shown." in done.stderr
    run = rnnprof.load(tmp_path / "run.json")
    train = run.lane("train")
    assert train is not None
    assert {kind: (one.wall.count, one.tokens) for kind, one in train.steps.items()} == {
        "warmup": (1, 3),
        "probe": (1, 3),
        "host": (7, 21),
    }
    assert [stage.name for stage in train.steps["host"].stages] == ["forward"]
    assert [lane.name for lane in run.lanes] == ["setup", "train", "evaluate"]
    done = subprocess.run(
        [*command[:4], "--explain", "main.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "main.py:7 marks steps itself" in done.stderr
