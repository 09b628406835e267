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
