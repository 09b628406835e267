"""The twin in Python passes the tests of the compiled part, and CI has the compiled part."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnnprof import marks

HERE = Path(__file__).parent


def test_the_same_tests_pass_without_the_compiled_part() -> None:
    if not marks.NATIVE:
        pytest.skip("this is the run without it")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE), "--deselect", __file__],
        env={**os.environ, "RNNPROF_PURE_PYTHON": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


def test_ci_measures_with_the_compiled_part() -> None:
    if os.environ.get("RNNPROF_PURE_PYTHON"):
        pytest.skip("asked for without it")
    if not marks.NATIVE and os.environ.get("CI") != "true":
        pytest.skip("the compiled part was not built: no C compiler?")
    assert marks.NATIVE
