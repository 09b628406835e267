"""The simulated example: it runs without torch, and its report names the stage that was blamed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnnprof import runfile
from rnnprof.analysis.breakdown import breakdown
from rnnprof.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "asynchronous.py"


def test_the_simulated_loop_is_told_as_its_page_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Without torch: a module of that name that cannot be imported comes first.
    (tmp_path / "torch.py").write_text("raise ImportError('this example needs no torch')\n")
    places = os.pathsep.join([str(tmp_path), str(ROOT)])
    ran = subprocess.run(
        [sys.executable, str(SCRIPT)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": places},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("405 steps, ")

    saved = tmp_path / "asynchronous.json"
    found = breakdown(runfile.load(saved)).clocks
    assert found is not None
    assert [column.kind for column in found.columns] == ["host", "sync", "event"]
    rows = {row.name: row for row in found.stages}
    host = {name: row.host.share or 0 for name, row in rows.items() if row.host}
    device = {name: row.event.share or 0 for name, row in rows.items() if row.event}
    assert sorted(host, key=lambda name: -host[name])[:2] == ["clip", "update"]
    assert sorted(device, key=lambda name: -device[name])[:2] == ["backward", "forward"]
    # Like a K80: a tenth of a second.
    assert 0.08e9 < found.columns[-1].step_ns < 0.12e9

    assert main(["report", "--clocks", str(saved)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert " ".join(found.sentence.split()) in printed
    for word in ("clip", "backward"):
        assert word in found.sentence
