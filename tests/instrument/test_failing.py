"""An unedited script that fails: its run says of what, and the script ends as it does in Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import rnnprof
from rnnprof.network import Line
from rnnprof.vitals import Failure

pytest.importorskip("torch")

SCRIPT = """
import torch
rnn = torch.nn.GRU(3, 4)
optimizer = torch.optim.SGD(rnn.parameters(), lr=0.1)
hidden = torch.zeros(1, 2, 4)
for _ in range(5):
    optimizer.zero_grad()
    out, hidden = rnn(torch.randn(5, 2, 3), hidden)
    loss = out.sum()
    loss.backward()
    optimizer.step()
"""


def run(script: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *options, script.name]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=script.parent)


def test_a_hidden_state_that_is_not_detached(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(SCRIPT.lstrip(), "utf-8")
    plain = run(script)
    recorded = run(script, "-m", "rnnprof", "run", "-o", "run.json")
    assert recorded.returncode == plain.returncode == 1
    assert recorded.stderr.startswith(plain.stderr)
    saved = rnnprof.load(tmp_path / "run.json")
    assert saved.ended == "RuntimeError"
    assert saved.vitals is not None
    found = saved.vitals.failure
    assert isinstance(found, Failure)
    assert found.line == Line(str(script), 9, "<module>", "loss.backward()")
    assert found.states == ("hidden",)
    handed_on = "out, hidden = rnn(torch.randn(5, 2, 3), hidden)"
    assert found.state_line == Line(str(script), 7, "<module>", handed_on)


@pytest.mark.parametrize("end", ["raise SystemExit(3)", "raise KeyboardInterrupt"])
def test_what_is_no_failure(tmp_path: Path, end: str) -> None:
    script = tmp_path / "main.py"
    script.write_text(f"import rnnprof\n{end}\n", "utf-8")
    run(script, "-m", "rnnprof", "run", "-o", "run.json")
    assert rnnprof.load(tmp_path / "run.json").vitals is None
