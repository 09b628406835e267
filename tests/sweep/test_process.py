"""One process of a sweep: how it ends, what it took, and that nothing of it is left."""

from __future__ import annotations

import itertools
import os
import select
import signal
import sys
from pathlib import Path

import pytest

from rnnprof.sweep.process import Finish, run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and process groups are POSIX's")


def python(folder: Path, code: str, **options: object) -> Finish:
    """Run Python code as a sweep runs a program."""
    command = [sys.executable, "-c", code]
    return run(command, str(folder), folder / "out", folder / "err", **options)  # type: ignore[arg-type]


def wait_for(pid: int) -> None:
    """Wait until a process that is no child of this one has ended."""
    if not hasattr(os, "pidfd_open"):
        pytest.skip("this system cannot wait for a process that is no child")
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    assert poll.poll(60_000), "the process is still there"
    os.close(handle)


def test_its_exit_code_logs_and_memory(tmp_path: Path) -> None:
    got = python(tmp_path, "import sys, os; print(os.getcwd()); print('no', file=sys.stderr); sys.exit(3)")
    assert (got.code, got.timed_out) == (3, False)
    assert got.seconds > 0
    assert got.peak_bytes is not None
    assert 1 << 20 < got.peak_bytes < 1 << 32
    assert (tmp_path / "out").read_text() == f"{tmp_path}\n"
    assert (tmp_path / "err").read_text() == "no\n"


def test_its_memory_is_its_peak(tmp_path: Path) -> None:
    small = python(tmp_path, "pass").peak_bytes
    large = python(tmp_path, "x = bytearray(b'1') * (100 << 20); del x").peak_bytes
    assert small is not None
    assert large is not None
    # The first is that of the tests themselves.
    assert small <= large
    assert large > 100 << 20


def test_a_signal(tmp_path: Path) -> None:
    assert python(tmp_path, "import os; os.kill(os.getpid(), 9)").code == -signal.SIGKILL


def test_it_reads_nothing(tmp_path: Path) -> None:
    assert python(tmp_path, "import sys; sys.exit(len(sys.stdin.read()))").code == 0


FAMILY = """
import subprocess, sys, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(child.pid, flush=True)
signal.pause()
"""


def test_a_time_limit_ends_it_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnnprof.sweep.process.GRACE_S", 0.1)
    seconds = []

    def clock() -> float:
        # Time passes only once the program has said that it is there.
        text = (tmp_path / "out").read_text() if (tmp_path / "out").exists() else ""
        seconds.append(100.0 if text.endswith("\n") else 0.0)
        return seconds[-1]

    got = python(tmp_path, FAMILY, timeout_s=50.0, clock=clock)
    # It did not listen to SIGTERM.
    assert (got.code, got.timed_out, got.seconds) == (-signal.SIGKILL, True, 100.0)
    wait_for(int((tmp_path / "out").read_text()))


def test_what_it_leaves_behind_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnprof.sweep.process.GRACE_S", 0.1)
    code = FAMILY.removesuffix("signal.pause()\n")
    got = python(tmp_path, code)
    assert (got.code, got.timed_out) == (0, False)
    wait_for(int((tmp_path / "out").read_text()))


def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    ticks = itertools.count()

    def tick(seconds: float) -> None:
        if (tmp_path / "out").read_text():
            raise KeyboardInterrupt
        next(ticks)

    with pytest.raises(KeyboardInterrupt):
        python(tmp_path, "import os, signal; print(os.getpid(), flush=True); signal.pause()", tick=tick)
    wait_for(int((tmp_path / "out").read_text()))


def test_without_file_handles_of_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    assert python(tmp_path, "import sys; sys.exit(4)").code == 4
