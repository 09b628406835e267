"""One process of a sweep: started, waited for without disturbing it, ended with all it started."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GRACE_S = 5.0
"""Seconds that a process has to end once it was asked to."""

TICK_S = 1.0
"""Seconds between two looks: a process that waits takes next to nothing from the one that is measured."""

_PDEATHSIG = 1
"""``PR_SET_PDEATHSIG`` of Linux (prctl(2)): the signal that a process gets when its parent dies."""


@dataclass(frozen=True)
class Finish:
    """How a process ended.

    Args:
        code: its exit code; negative for a signal.
        seconds: how long it took.
        peak_bytes: the most that was resident; None where the system does not say.
        timed_out: whether it was ended for taking too long.
    """

    code: int
    seconds: float
    peak_bytes: int | None
    timed_out: bool


def run(
    command: Sequence[str],
    folder: str,
    out: Path,
    err: Path,
    timeout_s: float | None = None,
    tick: Callable[[float], None] = lambda seconds: None,
    clock: Callable[[], float] = time.monotonic,
) -> Finish:
    """Run a command to its end.

    Args:
        command: its words.
        folder: its working directory.
        out: file for its stdout.
        err: file for its stderr.
        timeout_s: seconds after which it is ended, with the processes that it started.
        tick: called now and then with the seconds so far.
        clock: seconds that only grow.

    Returns:
        How it ended.

    Raises:
        OSError: it cannot be started, or a log cannot be written.
        BaseException: what `tick` raises, or Ctrl-C, after the process was ended.
    """
    began = clock()
    with open(out, "wb") as to_out, open(err, "wb") as to_err:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=to_out,
            stderr=to_err,
            start_new_session=True,
            preexec_fn=_die_with(os.getpid()),
        )
    waiting = _Waiting(process)
    timed_out = False
    try:
        while not waiting.ended(TICK_S if timeout_s is None else min(TICK_S, max(timeout_s / 4, 0.01))):
            seconds = clock() - began
            if timeout_s is not None and seconds >= timeout_s:
                timed_out = True
                waiting.end()
                break
            tick(seconds)
        # What it started and left behind would disturb the runs to come.
        waiting.clear()
    except BaseException:
        waiting.end()
        raise
    finally:
        waiting.close()
    return Finish(process.returncode, clock() - began, waiting.peak_bytes, timed_out)


def _die_with(parent: int) -> Callable[[], None] | None:
    """Have the kernel end the process when this one is killed, so that it does not run on unseen."""
    if sys.platform != "linux":
        return None
    import ctypes

    try:
        prctl: Any = ctypes.PyDLL(None).prctl
    except (OSError, AttributeError):
        return None

    def before() -> None:
        prctl(_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return before


class _Waiting:
    """Waits for one process, and learns what it took."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.peak_bytes: int | None = None
        self._process = process
        self._poll: Any = None
        self._handle = -1
        with contextlib.suppress(OSError, AttributeError):
            self._handle = os.pidfd_open(process.pid)  # type: ignore[attr-defined, unused-ignore]
            self._poll = select.poll()
            self._poll.register(self._handle, select.POLLIN)

    def ended(self, seconds: float) -> bool:
        """Wait so long, and say whether the process has ended."""
        if self._process.returncode is not None:
            return True
        if not hasattr(os, "wait4"):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
            return self._process.returncode is not None
        if self._poll is not None:
            self._poll.poll(seconds * 1000)
        elif not self._reaped():
            time.sleep(min(seconds, 0.05))
        return self._process.returncode is not None or self._reaped()

    def _reaped(self) -> bool:
        pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
        if pid == 0:
            return False
        self._process.returncode = os.waitstatus_to_exitcode(status)
        # In bytes on macOS, in KiB elsewhere (getrusage(2)).
        self.peak_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return True

    def end(self) -> None:
        """End the process and what it started: first ask, then kill."""
        self.signal_all(signal.SIGTERM)
        until = time.monotonic() + GRACE_S
        while not self.ended(0.1) and time.monotonic() < until:
            pass
        self.signal_all(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        while not self.ended(0.1):
            pass

    def clear(self) -> None:
        """The process has ended: end what it started and left behind."""
        if not hasattr(os, "killpg"):
            return
        until = time.monotonic() + GRACE_S
        self.signal_all(signal.SIGTERM)
        while self._is_group() and time.monotonic() < until:
            time.sleep(0.02)
        self.signal_all(signal.SIGKILL)

    def _is_group(self) -> bool:
        try:
            os.killpg(self._process.pid, 0)
        except OSError:
            return False
        return True

    def signal_all(self, number: int) -> None:
        """Send a signal to the process and to those that it started."""
        if hasattr(os, "killpg"):
            # The group has the number of the process, and lives as long as anything in it.
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, number)
        elif self._process.returncode is None:
            self._process.terminate()

    def close(self) -> None:
        """Let go of it."""
        if self._handle >= 0:
            os.close(self._handle)
