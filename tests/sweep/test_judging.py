"""What became of a run: its status and the words that are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnprof import runfile
from rnnprof.sweep.judging import judge
from rnnprof.sweep.process import Finish
from rnnprof.sweepmodel import DONE, FAILED, KILLED, MEMORY, NO_STEPS, TIMEOUT, Trial
from tests.run_builder import lane_of, run_of, steps_of
from tests.sweep_folder import run_at

TRIAL = Trial(0, 0)
OWN = "\nrnnprof: a line of rnnprof's\n"


@pytest.mark.parametrize(
    ("code", "timed_out", "err", "status", "words"),
    [
        (1, False, f"Traceback\n  x\nValueError: no{OWN}", FAILED, "ValueError: no"),
        (3, False, "", FAILED, "exit code 3"),
        (3, False, OWN, FAILED, "rnnprof: a line of rnnprof's"),
        (1, False, "torch.OutOfMemoryError: CUDA out of memory.\n", MEMORY, None),
        (1, False, "MemoryError\n", MEMORY, "MemoryError"),
        (1, False, "RuntimeError: DefaultCPUAllocator: can't allocate memory: you\n", MEMORY, None),
        (1, False, "out of memory, trying less\n" + "line\n" * 30 + "ValueError\n", FAILED, "ValueError"),
        (-9, False, "", KILLED, "SIGKILL, as systems do that run out of memory"),
        (-11, False, "loading\n", KILLED, "SIGSEGV: loading"),
        (-15, True, "loading\n", TIMEOUT, "it took more than 7.5 s"),
        (0, True, "", TIMEOUT, "it took more than 7.5 s"),
        (1, False, "x" * 400, FAILED, "x" * 300),
    ],
)
def test_failures(
    tmp_path: Path, code: int, timed_out: bool, err: str, status: str, words: str | None
) -> None:
    TRIAL.file(tmp_path, "err.txt").write_text(err)
    got = judge(Finish(code, 1.23456, 5, timed_out), TRIAL, tmp_path, 7.5)
    assert (got.status, got.code, got.seconds, got.peak_bytes) == (status, code, 1.235, 5)
    assert got.words == (err.strip() if words is None else words)


def test_done(tmp_path: Path) -> None:
    TRIAL.file(tmp_path, "err.txt").write_text("a warning\n")
    runfile.save(run_at(10**6), TRIAL.file(tmp_path, "run.json"))
    assert judge(Finish(0, 1.0, None, False), TRIAL, tmp_path, None).status == DONE
    assert judge(Finish(0, 1.0, None, False), TRIAL, tmp_path, None).words == ""


def test_without_a_step(tmp_path: Path) -> None:
    def words() -> str:
        got = judge(Finish(0, 1.0, None, False), TRIAL, tmp_path, None)
        assert got.status == NO_STEPS
        return got.words

    assert words() == f"cannot read {TRIAL.file(tmp_path, 'run.json')}: No such file or directory"
    runfile.save(run_of([lane_of("setup", unclaimed=5)]), TRIAL.file(tmp_path, "run.json"))
    assert words() == "no training step was found in it"
    warm = {"warmup": steps_of([{(): [5]}])}
    runfile.save(run_of([lane_of("train", warm)]), TRIAL.file(tmp_path, "run.json"))
    assert words() == "no training step came after the warmup"
    TRIAL.file(tmp_path, "err.txt").write_text("done\nrnnprof: no loop was found that trains\ndone\n")
    assert words() == "rnnprof: no loop was found that trains"
