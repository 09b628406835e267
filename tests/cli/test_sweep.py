"""``rnnprof sweep``: small scripts that nobody edited, run as a user would run them."""

from __future__ import annotations

import io
import json
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rnnprof import runfile
from rnnprof.cli import sweep_report
from rnnprof.cli.main import main
from rnnprof.cli.sweep_progress import Bar, Lines, label, progress
from rnnprof.errors import UsageError
from rnnprof.sweep import process
from rnnprof.sweep.process import Finish
from rnnprof.sweep.working import alone, command, left, make_plan, settle, work
from rnnprof.sweepfile import load_ended, load_plan, save_plan
from rnnprof.sweepmodel import DONE, FAILED, MEMORY, NO_STEPS, TIMEOUT, Ended, Plan, Trial
from tests.cli.failing import failure
from tests.cli.test_run import FAKE, ROOT
from tests.sweep.test_process import wait_for
from tests.sweep_folder import BPTT, MODEL, factor, plan_of, run_at

SCRIPT = (
    FAKE
    + """\
import argparse, math, os, sys
parser = argparse.ArgumentParser()
parser.add_argument("--mode", default="good")
parser.add_argument("--size", type=int, default=1)
parser.add_argument("--epochs", type=int, default=1)
args = parser.parse_args()
if args.mode == "memory":
    raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
if args.mode == "exit":
    print("no such mode", file=sys.stderr)
    sys.exit(3)
if args.mode == "hang":
    import signal
    signal.pause()
if args.mode == "gate" and not os.path.exists("open"):
    with open("begun", "w") as begun:
        print(os.getpid(), file=begun)
    open("gate").read()
if args.mode == "none":
    sys.exit()
for epoch in range(args.epochs):
    for x in range(30):
        optimizer.zero_grad()
        loss = criterion(model(x))
        loss.backward()
        sum(range(1000 * args.size))
        optimizer.step()
    print(f"epoch {epoch}: valid loss {2 - epoch}")
"""
)
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the script."""
    (tmp_path / "train.py").write_text(SCRIPT)
    return tmp_path


def sweep(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run ``rnnprof sweep`` there."""
    return subprocess.run(
        [sys.executable, "-m", "rnnprof", "sweep", *words],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_combination_and_a_report(folder: Path) -> None:
    got = sweep(folder, "--repeat", "2", "train.py", "--epochs", "2", "--grid", "--size=1,20")
    assert got.returncode == 0, got.stderr
    lines = got.stderr.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("1 of 4: size=")
    assert " left" in lines[0]
    assert lines[3].startswith("4 of 4: size=")
    assert " left" not in lines[3]
    assert got.stdout.startswith("Sweep of train.py --epochs 2\n4 runs, 4 done")
    assert re.search("^size +time per step", got.stdout, re.MULTILINE)
    plan = load_plan(folder / "sweep")
    assert sorted(map(sorted, plan.order)) == [[0, 1], [0, 1]]
    run = runfile.load(folder / "sweep" / "0002-1.run.json")
    assert run.environment["command"][-3:] == ["--epochs", "2", "--size=20"]
    assert (folder / "sweep" / "0002-1.out.txt").read_text().splitlines()[-1] == "epoch 1: valid loss 1"
    found = json.loads(report(folder / "sweep", "--format", "json"))
    assert found["metrics"] == ["valid perplexity"]
    row = found["combinations"][1]
    assert row["steps_per_epoch"] == 30
    assert row["metrics"][0]["final"] == pytest.approx(2.718281828)
    # The same command again finds nothing to do.
    again = sweep(folder, "--repeat", "2", "train.py", "--epochs", "2", "--grid", "--size=1,20")
    assert (again.returncode, again.stdout) == (0, got.stdout)
    assert again.stderr == "rnnprof: 4 of 4 runs are there already\n"


def report(folder: Path, *words: str) -> str:
    """What ``rnnprof sweep report -o`` writes."""
    out = folder.parent / "report"
    assert main(["sweep", "report", str(folder), "-o", str(out), *words]) == 0
    return out.read_text(encoding="utf-8")


def test_failures_are_results_and_the_others_follow(folder: Path) -> None:
    got = sweep(folder, "--steps", "10", "train.py", "--grid", "--mode=memory,exit,none,good")
    assert got.returncode == 1
    plan = load_plan(folder / "sweep")
    ended = {
        plan.levels(trial.combination)[0]: load_ended(trial, folder / "sweep") for trial in plan.trials()
    }
    said = {mode: (one.status, one.words) for mode, one in ended.items() if one is not None}
    assert said["memory"] == (MEMORY, "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB")
    assert said["exit"] == (FAILED, "no such mode")
    assert said["none"][0] == NO_STEPS
    assert said["good"] == (DONE, "")
    run = runfile.load(folder / "sweep" / "0004-1.run.json")
    assert run.ended == "EnoughSteps"
    assert "mode=exit: failed: no such mode" in got.stdout
    assert "out of memory after" in got.stderr


def test_a_time_limit(folder: Path) -> None:
    got = sweep(folder, "-o", "slow", "--timeout", "1s", "train.py", "--grid", "--mode=hang")
    assert got.returncode == 1
    ended = load_ended(Trial(0, 0), folder / "slow")
    assert ended is not None
    assert (ended.status, ended.code, ended.words) == (TIMEOUT, -signal.SIGTERM, "it took more than 1 s")


def first_line(fifo: Path) -> str:
    """What is written into a FIFO; a test fails where nothing is."""
    handle = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    assert poll.poll(60_000), "the program did not begin"
    text = os.read(handle, 100).decode()
    os.close(handle)
    return text


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with the one that began it")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_sweep_that_is_killed_goes_on_where_it_was(folder: Path, number: int) -> None:
    os.mkfifo(folder / "begun")
    os.mkfifo(folder / "gate")
    words = ["--seed", "4", "train.py", "--grid", "--mode=good,gate,memory"]
    began = subprocess.Popen(
        [sys.executable, "-m", "rnnprof", "sweep", *words],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests run in the background of a shell, SIGINT is ignored, and so it would be there.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    pid = int(first_line(folder / "begun"))
    plan = load_plan(folder / "sweep")
    assert plan.order[0].index(1) == 1, "another seed would make the gate the second run"
    with pytest.raises(UsageError, match="another sweep is at work in"), alone(folder / "sweep"):
        pass
    began.send_signal(number)
    _, err = began.communicate()
    wait_for(pid)
    if number == signal.SIGINT:
        assert began.returncode == 130
        assert "rnnprof: interrupted; `rnnprof sweep --resume sweep` goes on with it\n" in err
    else:
        assert began.returncode == -signal.SIGKILL
    first = Trial(0, plan.order[0][0])
    before = first.file(folder / "sweep", "ended.json").stat().st_mtime_ns
    assert [trial.combination for trial in left(plan, folder / "sweep")] == list(plan.order[0][1:])
    # Half a run of the one that was under way: it is made again, from its begin.
    assert Trial(0, 1).file(folder / "sweep", "run.json").exists()
    (folder / "open").touch()
    got = sweep(folder, "--resume", "sweep")
    assert got.returncode == 1
    assert got.stderr.startswith("rnnprof: 1 of 3 runs are there already\n2 of 3: mode=gate: ")
    assert left(plan, folder / "sweep") == []
    assert first.file(folder / "sweep", "ended.json").stat().st_mtime_ns == before
    gate = load_ended(Trial(0, 1), folder / "sweep")
    assert gate is not None
    assert gate.status == DONE


def test_neither_the_sweep_nor_its_report_loads_torch(tmp_path: Path) -> None:
    plan = begun(tmp_path)
    work(plan, tmp_path, Lines(plan, tmp_path, lambda line: None), faked(tmp_path))
    code = (
        "import sys\n"
        "from rnnprof.cli.main import main\n"
        f"assert main(['sweep', '--resume', {str(tmp_path)!r}]) == 1\n"
        f"assert main(['sweep', 'report', {str(tmp_path)!r}, '--format', 'svg']) == 0\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_module(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").touch()
    (tmp_path / "pack" / "train.py").write_text(SCRIPT)
    got = sweep(tmp_path, "--steps", "5", "-m", "pack.train", "--epochs", "1", "--grid", "--size", "1")
    assert got.returncode == 0, got.stderr
    assert runfile.load(tmp_path / "sweep" / "0001-1.run.json").ended == "EnoughSteps"


# ---- in this process --------------------------------------------------------------------------


def test_the_order_is_random_and_seeded() -> None:
    def order(seed: int) -> tuple[tuple[int, ...], ...]:
        plan = make_plan(["a.py"], [], (MODEL, BPTT), steps=None, warmup=5, repeat=3, seed=seed)
        assert [sorted(one) for one in plan.order] == [list(range(6))] * 3
        return plan.order

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert len(set(order(1))) > 1


def test_what_is_run(tmp_path: Path) -> None:
    plan = plan_of(steps=50, options=("--clock", "host"))
    words = command(plan, Trial(1, 4), tmp_path)
    assert words[:4] == [sys.executable, "-m", "rnnprof", "run"]
    shown = " ".join(words[4:]).replace(str(tmp_path), "FOLDER")
    assert shown == (
        "--no-report --count-parameters --warmup 5 -o FOLDER/0005-2.run.json --max-steps 50 --clock host "
        "main.py --epochs 2 --model=GRU --bptt=32"
    )


def test_secrets_are_not_shown() -> None:
    plan = make_plan(["a.py"], ["--api-key", "x1"], (MODEL,), steps=None, warmup=5, repeat=1, seed=1)
    assert plan.shown == ("a.py", "--api-key", "***")
    assert plan.words(0) == ["--api-key", "x1", "--model=LSTM"]


def test_a_folder_that_holds_something_else(tmp_path: Path) -> None:
    plan = plan_of()
    assert settle(plan, tmp_path / "new" / "one") == plan
    assert settle(plan_of(created="later"), tmp_path / "new" / "one") == plan
    with pytest.raises(UsageError, match="holds another sweep: give another folder with -o"):
        settle(plan_of(warmup=6), tmp_path / "new" / "one")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is no sweep and not empty: give another folder with -o"):
        settle(plan, tmp_path)


def faked(folder: Path, seconds: float = 10.0) -> process.Callable[..., Finish]:
    """Runs nothing, and leaves a run file as if it had."""

    def run(
        words: list[str], cwd: str, out: Path, err: Path, timeout_s: float | None, tick: object
    ) -> Finish:
        assert callable(tick)
        tick(4.0)
        out.touch()
        err.write_text("RuntimeError: no\n")
        if "--bptt=64" in words:
            return Finish(1, seconds, None, False)
        runfile.save(run_at(10**6), words[words.index("-o") + 1])
        return Finish(0, seconds, 1 << 20, False)

    return run


def begun(tmp_path: Path, repeat: int = 1) -> Plan:
    """A plan in a folder."""
    plan = plan_of(folder=str(tmp_path), repeat=repeat)
    save_plan(plan, tmp_path)
    return plan


def test_lines_with_the_time_left(tmp_path: Path) -> None:
    said: list[str] = []
    plan = begun(tmp_path)
    work(plan, tmp_path, Lines(plan, tmp_path, said.append), faked(tmp_path))
    assert said == [
        "1 of 6: model=LSTM bptt=16: 10.0 s, about 50.0 s left",
        "2 of 6: model=LSTM bptt=32: 10.0 s, about 40.0 s left",
        "3 of 6: model=LSTM bptt=64: failed after 10.0 s: RuntimeError: no, about 30.0 s left",
        "4 of 6: model=GRU bptt=16: 10.0 s, about 20.0 s left",
        "5 of 6: model=GRU bptt=32: 10.0 s, about 10.0 s left",
        "6 of 6: model=GRU bptt=64: failed after 10.0 s: RuntimeError: no",
    ]


def test_a_bar_with_the_time_left(tmp_path: Path) -> None:
    drawn: list[tuple[str, int, int]] = []
    said: list[str] = []
    plan = begun(tmp_path, repeat=2)
    work(
        plan, tmp_path, Bar(plan, tmp_path, said.append, lambda *words: drawn.append(words)), faked(tmp_path)
    )
    assert drawn[:4] == [
        ("model=LSTM bptt=16 (round 1), 0 s", 0, 12),
        ("model=LSTM bptt=16 (round 1), 4 s", 0, 12),
        ("model=LSTM bptt=32 (round 1), 0 s, about 110 s left", 1, 12),
        ("model=LSTM bptt=32 (round 1), 4 s, about 106 s left", 1, 12),
    ]
    assert drawn[-1] == ("model=GRU bptt=64 (round 2), 4 s, about 6.00 s left", 11, 12)
    assert len(said) == 12


class Terminal(io.StringIO):
    """A stream that says that it is one."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_and_no_name_is_its_markup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of((factor("model", "[red]x", "\x1b[2Jy"),), folder=str(tmp_path))
    save_plan(plan, tmp_path)
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with progress(plan, tmp_path) as watching:
        assert isinstance(watching, Bar)
        work(plan, tmp_path, watching, faked(tmp_path))
    assert isinstance(sys.stderr, Terminal)
    text = sys.stderr.getvalue()
    assert "1 of 2: model=[red]x: 10.0 s, about 10.0 s left" in text
    assert "model=\\x1b[2Jy" in text
    assert "\x1b[2J" not in text


def test_a_combination_is_expected_to_take_as_long_as_before(tmp_path: Path) -> None:
    plan = plan_of((MODEL,), repeat=2, folder=str(tmp_path))
    watching = Lines(plan, tmp_path, lambda line: None)
    assert watching.left.seconds() is None
    watching.left.end(Trial(0, 0), Ended(DONE, 0, 100.0))
    watching.left.end(Trial(0, 1), Ended(DONE, 0, 10.0))
    assert watching.left.seconds() == 110.0
    assert watching.left.seconds(30.0) == 80.0
    # One that takes longer than expected leaves the others.
    assert watching.left.seconds(300.0) == 10.0
    assert label(plan_of((MODEL,)), Trial(0, 1)) == "model=GRU"


def test_a_run_file_that_is_damaged_is_a_failure(tmp_path: Path) -> None:
    plan = begun(tmp_path)
    work(plan, tmp_path, Lines(plan, tmp_path, lambda line: None), faked(tmp_path))
    Trial(0, 0).file(tmp_path, "run.json").write_text("{")
    found = sweep_report.read(tmp_path)
    assert found.runs == (6, 3, 3, 0)
    assert found.combinations[0].failures[0].startswith("failed: ")
    assert "is no complete JSON" in found.combinations[0].failures[0]


@pytest.mark.parametrize(
    ("form", "begins"),
    [
        ("text", "Sweep of main.py --epochs 2\n"),
        ("markdown", "**Sweep of main.py --epochs 2**\n"),
        ("csv", "model,bptt,status,runs_done,steps,step_ns,"),
        ("latex", "% needs \\usepackage{booktabs}\n"),
        ("json", "{\n"),
        ("svg", "<svg "),
    ],
)
def test_formats(tmp_path: Path, form: str, begins: str, capsys: pytest.CaptureFixture[str]) -> None:
    plan = begun(tmp_path / "s") if (tmp_path / "s").mkdir() is None else plan_of()
    work(plan, tmp_path / "s", Lines(plan, tmp_path / "s", lambda line: None), faked(tmp_path))
    assert main(["sweep", "report", str(tmp_path / "s"), "--format", form]) == 0
    out = capsys.readouterr().out
    assert out.startswith(begins)
    ending = {"markdown": ".md", "latex": ".tex", "text": ".txt"}.get(form, f".{form}")
    assert main(["sweep", "report", str(tmp_path / "s"), "-o", str(tmp_path / f"out{ending}")]) == 0
    assert (tmp_path / f"out{ending}").read_text(encoding="utf-8") == out


def test_formulas_of_the_report(tmp_path: Path) -> None:
    plan = begun(tmp_path)
    work(plan, tmp_path, Lines(plan, tmp_path, lambda line: None), faked(tmp_path))
    found = sweep_report.read(tmp_path, "20*bptt", "3200/bptt", ["acc=acc (.*)"])
    assert found.combinations[1].steps_per_epoch == 100
    assert found.combinations[1].tokens_per_second == pytest.approx(640e3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train.py"], "give what varies after the script"),
        (["--", "--grid", "--a=1"], "give a script to run, or -m MODULE, before --grid"),
        (["none.py", "--grid", "--a=1"], "none.py: there is no such file"),
        (["-m", "no_such", "--grid", "--a=1"], "-m no_such: there is no such module of Python source"),
        (["--steps", "0", "train.py", "--grid", "--a=1"], "--steps 0: give 1 or more"),
        (["--repeat", "0", "train.py", "--grid", "--a=1"], "--repeat 0: give 1 or more"),
        (
            ["--timeout", "soon", "train.py", "--grid", "--a=1"],
            "--timeout soon: give seconds, or such as 90s",
        ),
        (["--timeout", "0", "train.py", "--grid", "--a=1"], "--timeout 0: give seconds"),
        (["--metric", "x", "train.py", "--grid", "--a=1"], "--metric 'x': give NAME=REGEX"),
        (["--rule", "x", "train.py", "--grid", "--a=1"], "x"),
        (
            ["--tokens-per-step", "b", "train.py", "--grid", "--a=1"],
            "--tokens-per-step: there is no option 'b'",
        ),
        (["--resume", "nowhere"], "nowhere is no sweep: it has no plan.json"),
        (["--resume", "nowhere", "train.py"], "--resume FOLDER goes on with what is planned there"),
        (["--resume", "nowhere", "--dry-run"], "--resume FOLDER goes on with what is planned there"),
        (["--steps", "9", "--resume", "nowhere"], "--resume FOLDER goes on with what is planned there"),
        (["report", "nowhere"], "nowhere is no sweep: it has no plan.json"),
        (["report", "nowhere", "--width", "5"], "--width 5 is too narrow"),
        (["report", "nowhere", "--lines", "a"], "--lines is for the plot"),
        (["report", "nowhere", "-o", "x.doc"], "-o x.doc: give --format, or one of the endings .txt"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(folder)
    assert said in failure(["sweep", *words], capsys)
    assert [path.name for path in folder.iterdir()] == ["train.py"]


def test_a_dry_run_runs_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    assert (
        main(["sweep", "--dry-run", "--steps", "9", "train.py", "--epochs", "2", "--grid", "--size=1,2"]) == 0
    )
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.rpartition(" ")[2] for line in lines) == ["--size=1", "--size=2"]
    assert lines[0].startswith("rnnprof run --no-report --count-parameters --warmup 5 -o ")
    assert [path.name for path in folder.iterdir()] == ["train.py"]
