"""Processes that are killed, fork, exit early or are interrupted: the run file is always whole."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from helpers import in_steps, lane, outside

import rnnprof

LOOP = """
import sys, rnnprof
from rnnprof.testing import FakeClock
clock = FakeClock()  # by which saving takes no time, so that this loop does little else
with rnnprof.profile(sys.argv[1], clock=clock, save_every=1e-9, warmup=0) as prof:
    with prof.stage("corpus"):
        print("recording", flush=True)
    while True:
        with prof.step(tokens=5):
            with prof.stage("forward"):
                clock.advance(200)
            with prof.stage("backward"):
                clock.advance(400)
        with prof.lane("evaluate"), prof.stage("forward"):
            clock.advance(100)
"""


def script(tmp_path: Path, text: str, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(text))
    return subprocess.run(
        [sys.executable, str(path), *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=120
    )


def killed(tmp_path: Path, after_s: float) -> Path:
    """Start a loop, kill it at a moment that it cannot foresee, and return its run file."""
    path = tmp_path / "run.json"
    loop = subprocess.Popen(
        [sys.executable, "-c", LOOP, str(path)], stdout=subprocess.PIPE, cwd=tmp_path, text=True
    )
    assert loop.stdout is not None
    assert loop.stdout.readline() == "recording\n"
    # The moment of the kill is the thing under test: this is no waiting for something to happen.
    time.sleep(after_s)
    loop.send_signal(signal.SIGKILL)
    loop.wait()
    loop.stdout.close()
    return path


@pytest.mark.parametrize("seed", range(20))
def test_a_killed_run_loads(tmp_path: Path, seed: int) -> None:
    run = rnnprof.load(killed(tmp_path, random.Random(seed).random() * 0.05))
    assert run.ended == "running"
    assert run.lanes[0].name == "setup"


def test_a_run_that_never_ends_is_on_disk(tmp_path: Path) -> None:
    done = script(
        tmp_path,
        """
        import os, rnnprof
        from rnnprof.testing import FakeClock
        clock = FakeClock()
        prof = rnnprof.profile("run.json", clock=clock, warmup=0, control_every=0, save_every=1e-9).start()
        for _ in range(50):
            with prof.step(), prof.stage("forward"):
                clock.advance(10)
        os._exit(7)
        """,
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")
    run = rnnprof.load(tmp_path / "run.json")
    assert in_steps(run) == {"forward": (50, 500)}
    assert run.ended == "running"


def test_a_program_without_steps_is_saved_as_it_goes(tmp_path: Path) -> None:
    script(
        tmp_path,
        """
        import os, rnnprof
        from rnnprof.testing import FakeClock
        clock = FakeClock()
        prof = rnnprof.profile("run.json", clock=clock, save_every=1e-9).start()
        for _ in range(50):
            with prof.stage("forward"):
                clock.advance(10)
        os._exit(0)
        """,
    )
    assert outside(rnnprof.load(tmp_path / "run.json"), "setup")["forward"] == (50, 500)


def test_exit_without_stop_saves(tmp_path: Path) -> None:
    done = script(
        tmp_path,
        """
        import sys, rnnprof
        prof = rnnprof.profile("run.json", warmup=0, control_every=0).start()
        with prof.step(), prof.stage("forward"):
            pass
        sys.exit(3)
        """,
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
    run = rnnprof.load(tmp_path / "run.json")
    assert (run.ended, in_steps(run)["forward"][0]) == ("finished", 1)


def test_an_exception_keeps_its_traceback_and_the_run(tmp_path: Path) -> None:
    text = """
    import contextlib, sys, rnnprof
    with (rnnprof.profile("run.json", warmup=0, control_every=0) if "on" in sys.argv
          else contextlib.nullcontext()):
        with rnnprof.step(), rnnprof.stage("forward"):
            pass
        with rnnprof.step(), rnnprof.stage("forward"):
            raise ValueError("lost")
    """
    plain, profiled = script(tmp_path, text, "off"), script(tmp_path, text, "on")
    assert (plain.returncode, profiled.returncode) == (1, 1)
    assert plain.stderr == profiled.stderr
    assert "lost" in profiled.stderr
    run = rnnprof.load(tmp_path / "run.json")
    assert (run.ended, in_steps(run)["forward"][0]) == ("ValueError", 1)


def test_ctrl_c_saves_and_still_interrupts(tmp_path: Path) -> None:
    done = script(
        tmp_path,
        """
        import os, signal, rnnprof
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
        with rnnprof.profile("run.json", warmup=0, control_every=0) as prof:
            for i in range(9):
                with prof.step(), prof.stage("forward"):
                    if i == 5:
                        os.kill(os.getpid(), signal.SIGINT)
        """,
    )
    assert done.returncode == -signal.SIGINT
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")
    run = rnnprof.load(tmp_path / "run.json")
    assert (run.ended, in_steps(run)["forward"][0]) == ("KeyboardInterrupt", 5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_records_nothing_and_saves_nothing(tmp_path: Path) -> None:
    done = script(
        tmp_path,
        """
        import os, sys, rnnprof
        with rnnprof.profile("run.json", warmup=0, control_every=0, save_every=1e-6) as prof:
            for i in range(4):
                with prof.step(), prof.stage("forward"):
                    if i == 2 and os.fork() == 0:
                        with prof.stage("child"), rnnprof.stage("child"):
                            pass
                        break
            else:
                os.wait()
        sys.exit(0)
        """,
    )
    assert (done.returncode, done.stderr) == (0, "")
    run = rnnprof.load(tmp_path / "run.json")
    assert in_steps(run).keys() == {"forward"}
    assert in_steps(run)["forward"][0] == 4
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_dataloader_workers_do_not_disturb(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    done = script(
        tmp_path,
        """
        import warnings; warnings.simplefilter("ignore")
        import rnnprof, torch
        from torch.utils.data import DataLoader, Dataset

        class Numbers(Dataset):
            def __len__(self): return 32
            @rnnprof.stage("item")
            def __getitem__(self, i):
                with rnnprof.stage("decode"):
                    return torch.tensor(i)

        if __name__ == "__main__":
            with rnnprof.profile("run.json", warmup=0, control_every=0) as prof:
                for batch in prof.steps(DataLoader(Numbers(), batch_size=4, num_workers=2)):
                    with prof.stage("forward"):
                        batch.sum()
        """,
    )
    assert (done.returncode, done.stderr) == (0, "")
    run = rnnprof.load(tmp_path / "run.json")
    assert {path: count for path, (count, _) in in_steps(run).items()} == {"get_batch": 8, "forward": 8}


def test_ranks_save_beside_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "8")
    with rnnprof.profile(tmp_path / "run.json") as prof, prof.stage("a"):
        pass
    run = rnnprof.load(tmp_path / "run.rank3.json")
    assert (run.rank, run.world_size) == (3, 8)
    assert not (tmp_path / "run.json").exists()


def test_a_disk_that_is_full_now_is_no_reason_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rnnprof import runfile

    def full(*_: object) -> None:
        raise rnnprof.RunFileError("cannot write run.json: No space left on device")

    with rnnprof.profile(tmp_path / "run.json", save_every=1e-6, warmup=0, control_every=0) as prof:
        with monkeypatch.context() as patch:
            patch.setattr(runfile, "write_atomically", full)
            for _ in range(3):
                with prof.step():
                    pass
        with prof.step():
            pass
    run = rnnprof.load(tmp_path / "run.json")
    assert lane(run, "train").steps["host"].series.count == 4
    assert {"code": "save_failed", "message": "cannot write run.json: No space left on device"} in run.notes


def test_a_folder_that_vanishes_does_not_end_the_program(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    folder.mkdir()
    lost = r"rnnprof: cannot write .*run\.json: No such file.*: this run is lost"
    with pytest.warns(RuntimeWarning, match=lost):  # noqa: PT031
        with rnnprof.profile(folder / "run.json", save_every=1e-6, warmup=0) as prof:
            (folder / "run.json").unlink()
            folder.rmdir()
            for _ in range(3):
                with prof.step():
                    pass
    assert prof.run.lane("train") is not None


def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with rnnprof.profile("run.json") as prof, prof.stage("a"):
        monkeypatch.chdir(tmp_path / "elsewhere")
    assert outside(rnnprof.load(tmp_path / "run.json"), "setup").keys() == {"a"}


@pytest.mark.parametrize("where", ["missing/run.json", "."])
def test_a_path_that_cannot_be_written_is_said_at_once(tmp_path: Path, where: str) -> None:
    with pytest.raises(rnnprof.RunFileError, match="cannot write"), rnnprof.profile(tmp_path / where):
        pytest.fail("the program went on")


def test_the_file_holds_nothing_but_json(tmp_path: Path) -> None:
    with rnnprof.profile(tmp_path / "run.json") as prof, prof.stage("\ud800 lone, ünïcode, \x00"):
        pass
    data = json.loads((tmp_path / "run.json").read_text())
    assert data["lanes"][0]["stages"][0]["name"] == "\ud800 lone, ünïcode, \x00"
