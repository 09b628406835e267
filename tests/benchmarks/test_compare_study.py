"""`benchmarks/compare_study.py` prints a row for every noise; its figures are in docs/compare.md."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.noisy_runs import NOISES

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "compare_study.py"


@pytest.mark.parametrize("more", [[], ["--stages"]])
def test_a_small_study(more: list[str]) -> None:
    command = [sys.executable, str(SCRIPT), "--pairs", "1", "--steps", "40", *more]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    firsts = [line.split()[0] for line in done.stdout.splitlines() if line.endswith("%")]
    runs = [] if more else ["1", "2", "3", "5"]
    assert [first for first in firsts if first != "runs"] == [*NOISES, *runs]
