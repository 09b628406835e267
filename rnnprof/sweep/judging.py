"""What became of a run of a sweep: from its exit code, its logs and its run file."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from rnnprof import runfile
from rnnprof.errors import RunFileError
from rnnprof.stages import MEASURED
from rnnprof.sweep.process import Finish
from rnnprof.sweepmodel import DONE, FAILED, KILLED, MEMORY, NO_STEPS, TIMEOUT, Ended, Trial

TAIL_BYTES = 65_536
LONGEST = 300
"""Characters of the last line that are kept."""

_OUT_OF_MEMORY = re.compile(
    r"out of memory|OutOfMemoryError|MemoryError|can't allocate memory|Cannot allocate memory", re.I
)
_OWN = "rnnprof: "


def judge(finish: Finish, trial: Trial, folder: Path, timeout_s: float | None) -> Ended:
    """Say how a run ended.

    Args:
        finish: how its process did.
        trial: which run.
        folder: the sweep's.
        timeout_s: its time limit in seconds, or None.

    Returns:
        Its status, with the last line on stderr where it is not done.
    """
    lines = _tail(trial.file(folder, "err.txt"))
    words = _last(lines)
    status = DONE
    if finish.timed_out:
        status, words = TIMEOUT, f"it took more than {timeout_s:g} s"
    elif finish.code == -signal.SIGKILL:
        status = MEMORY if _no_memory(lines) else KILLED
        words = f"SIGKILL, as systems do that run out of memory{': ' * bool(words)}{words}"
    elif finish.code < 0:
        status, words = KILLED, f"{_signal(-finish.code)}{': ' * bool(words)}{words}"
    elif finish.code != 0:
        status = MEMORY if _no_memory(lines) else FAILED
        words = words or f"exit code {finish.code}"
    else:
        reason = _without_steps(trial.file(folder, "run.json"))
        if reason is None:
            words = ""
        else:
            status, words = NO_STEPS, _last(lines, own=True) or reason
    return Ended(status, finish.code, round(finish.seconds, 3), words[:LONGEST], finish.peak_bytes)


def _without_steps(path: Path) -> str | None:
    """Why a run has no step that was measured; None if it has one."""
    try:
        train = runfile.load(path).lane("train")
    except RunFileError as error:
        return str(error)
    if train is None or not any(train.steps):
        return "no training step was found in it"
    if not any(train.steps[kind].series.count for kind in MEASURED if kind in train.steps):
        return "no training step came after the warmup"
    return None


def _tail(path: Path) -> list[str]:
    """The last lines of a log."""
    try:
        with open(path, "rb") as file:
            file.seek(0, 2)
            file.seek(max(file.tell() - TAIL_BYTES, 0))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip()]


def _last(lines: list[str], own: bool = False) -> str:
    """The last line of the program's, or of rnnprof's own."""
    said = [line for line in lines if line.startswith(_OWN) is own]
    return (said or lines or [""])[-1]


def _no_memory(lines: list[str]) -> bool:
    return any(_OUT_OF_MEMORY.search(line) for line in lines[-20:])


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
