"""The loop that forgets to detach its state: found out in both its forms, and not where it detaches."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnnprof import runfile
from rnnprof.analysis.advice.advise import advise

pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "undetached.py"
LINE = "output, hidden = rnn(embedding(data), hidden)"


def ran(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the example, or rnnprof with it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def profiled(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the example under `rnnprof run`."""
    return ran(folder, "-m", "rnnprof", "run", str(SCRIPT), *words)


def test_a_graph_that_grows_in_silence(tmp_path: Path) -> None:
    got = profiled(tmp_path)
    assert (got.returncode, got.stdout.count(": loss ")) == (0, 3)
    first = advise(runfile.load(tmp_path / "run.json")).findings[0]
    assert (first.key, first.urgent, first.source) == ("detach", True, LINE)
    assert first.file == str(SCRIPT)
    place = f"(undetached.py:{first.line}); `rnnprof report --advice run.json` says more\n"
    assert f"rnnprof: {first.title} {place}" in got.stderr


def test_a_loop_that_fails(tmp_path: Path) -> None:
    plain = ran(tmp_path, str(SCRIPT), "--crash")
    got = profiled(tmp_path, "--crash")
    assert (got.returncode, got.stdout) == (plain.returncode, plain.stdout) == (1, plain.stdout)
    # The traceback is the program's own, and comes first.
    assert got.stderr.startswith(plain.stderr)
    assert "backward through the graph a second time" in plain.stderr
    first = advise(runfile.load(tmp_path / "run.json")).findings[0]
    assert (first.key, first.urgent) == ("detach", True)
    place = f"(undetached.py:{first.line}); `rnnprof report --advice run.json` says more\n"
    assert f"rnnprof: {first.title} {place}" in got.stderr


def test_the_loop_as_it_should_be(tmp_path: Path) -> None:
    assert profiled(tmp_path, "--detach").returncode == 0
    found = advise(runfile.load(tmp_path / "run.json"))
    assert "detach" in found.checked
    assert "detach" not in {one.key for one in found.findings}
