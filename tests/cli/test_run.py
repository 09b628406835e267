"""``rnnprof run``: small scripts, each in a process of its own, as a user would run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from rnnprof import runfile
from rnnprof.cli.main import main
from rnnprof.model import Run, walk
from tests.cli.failing import failure

ROOT = Path(__file__).resolve().parents[2]

FAKE = """\
class Model:
    def __call__(self, x):
        return self
    def backward(self): pass
    step = zero_grad = item = backward
model = optimizer = criterion = Model()
"""
LOOP = """\
for x in range(60):
    optimizer.zero_grad()
    loss = criterion(model(x))
    loss.backward()
    my_clip(loss)
    optimizer.step()
"""
STEP = FAKE + "def my_clip(x): pass\n" + LOOP

TORCH = """\
import sys
import torch
from torch import nn

torch.manual_seed(0)
encoder = nn.Embedding(10, 4)
model = nn.Sequential(encoder, nn.Linear(4, 10))
optimizer = torch.optim.SGD(model.parameters(), 0.1)
criterion = nn.CrossEntropyLoss()
for i in range(40):
    x = torch.randint(10, (5,))
    optimizer.zero_grad()
    loss = criterion(model(x), x)
    loss.backward()
    optimizer.step()
    if i % 20 == 0:
        print(i, repr(loss.item()))
print(torch.rand(1).item(), sys.argv, __name__, __file__)
sys.exit(int(sys.argv[1]))
"""


class Ended(NamedTuple):
    """How a process ended, and what it wrote."""

    code: int
    out: str
    err: str


def python(folder: Path, *words: str) -> Ended:
    """Run Python in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def rnnprof(folder: Path, *words: str) -> Ended:
    """Run ``rnnprof run``."""
    return python(folder, "-m", "rnnprof", "run", *words)


def counts(run: Run) -> dict[str, int]:
    """How often each stage of the train lane was visited in steps of all kinds; `step` for the steps."""
    train = run.lane("train")
    assert train is not None
    found: dict[str, int] = {}
    for kind in train.steps.values():
        found["step"] = found.get("step", 0) + kind.series.count
        for path, stage in walk(kind.stages):
            name = "/".join(path)
            found[name] = found.get(name, 0) + stage.series.count
    return found


def test_a_script_runs_as_it_is_and_its_run_is_saved_and_shown(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "train.py").write_text(TORCH)
    plain = python(tmp_path, "train.py", "3", "--lr", "-o")
    got = rnnprof(tmp_path, "--control-every", "0", "train.py", "3", "--lr", "-o")
    assert (got.code, got.out) == (plain.code, plain.out) == (3, plain.out)
    assert "['train.py', '3', '--lr', '-o'] __main__" in got.out
    run = runfile.load(tmp_path / "run.json")
    assert run.ended == "SystemExit"
    found = counts(run)
    for stage in ("get_batch", "zero_grad", "forward", "loss", "backward", "update"):
        assert found[stage] == found["step"] == 40
    assert found["log"] == 2
    assert found["forward/0"] == 40
    assert re.search(r"^ *forward .*%", got.err, re.MULTILINE)
    assert got.err.endswith(
        f"rnnprof: the run is saved in {tmp_path / 'run.json'}; `rnnprof report run.json` shows it again\n"
    )
    again = python(tmp_path, "-m", "rnnprof", "report", "run.json")
    assert again.code == 0
    assert again.out.strip() in got.err


def test_without_a_report_and_without_torch(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(STEP)
    assert rnnprof(tmp_path, "--no-report", "-o", "a.json", "--warmup", "0", "train.py") == (0, "", "")
    found = counts(runfile.load(tmp_path / "a.json"))
    assert found["step"] == 60
    assert found["my_clip"] == found["update"] < 60
    assert not (tmp_path / "run.json").exists()


def test_a_module_of_a_package(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("")
    (tmp_path / "pack" / "train.py").write_text(
        f"import sys\nfrom .model import *\nprint(sys.argv[1:], __name__, __package__)\n{LOOP}"
    )
    (tmp_path / "pack" / "model.py").write_text(FAKE + "def my_clip(x): pass\n")
    got = rnnprof(tmp_path, "--no-report", "-m", "pack.train", "-x", "--explain")
    assert got == (0, "['-x', '--explain'] __main__ pack\n", "")
    assert counts(runfile.load(tmp_path / "run.json"))["step"] == 60


def test_rules_of_the_project_and_of_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(STEP)
    (tmp_path / "pyproject.toml").write_text('[tool.rnnprof.stages]\nmy_clip = "clip"\n"*criterion" = "x"\n')
    rule = "*criterion=distance"
    got = rnnprof(tmp_path, "--no-report", "--control-every", "0", "--rule", rule, "train.py")
    assert got == (0, "", "")
    stages = {"get_batch", "zero_grad", "forward", "distance", "backward", "clip", "update"}
    assert set(counts(runfile.load(tmp_path / "run.json"))) == {"step", *stages}


def test_explain_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train.py").write_text("raise SystemExit('it ran')\n" + LOOP)
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--explain", "--rule", "my_clip=clip", "train.py", "--its-own"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    said = [re.sub(" {2,}", "  ", line).strip() for line in out.splitlines()]
    assert said == [
        "train.py",
        "",
        "step: the loop in line 2: the innermost loop that backpropagates in line 5 and updates in line 7",
        "",
        "line  stage  source  why",
        "1  .  raise SystemExit('it ran')",
        "2  get_batch  for x in range(60):  STEP: the loop's header fetches",
        "3  zero_grad  optimizer.zero_grad()  optimizer.zero_grad: drops the old gradients",
        "4  forward, loss  loss = criterion(model(x))  model: its name says model; criterion is a loss",
        "5  backward  loss.backward()  loss.backward: back-propagates",
        "6  clip  my_clip(loss)  a rule on the command line",
        "7  update  optimizer.step()  optimizer.step: changes the parameters",
    ]
    assert not (tmp_path / "run.json").exists()


NO_LOOP = """\
rnnprof: no training loop was found, so the run has no steps.
looked for a loop that backpropagates (.backward() or torch.autograd.grad) and changes the parameters \
(optimizer.step() or a change by .grad), also through the functions that it calls,
in 1 file: main.py.
saw a call that backpropagates: main.py:2.
saw a change of parameters: nowhere.
saw 1 loop: main.py:1.
the program never imported torch.
a comment `# rnnprof: step` in the line of a loop makes it the step.
"""


def test_no_loop_is_said_and_the_script_ends_as_it_would(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("for x in [1, 2]:\n    loss.backward() if x > 2 else print(x)\n1 / 0\n")
    got = rnnprof(tmp_path, "--no-report", "main.py")
    plain = python(tmp_path, "main.py")
    assert got == (1, "1\n2\n", plain.err + NO_LOOP)
    run = runfile.load(tmp_path / "run.json")
    assert ([lane.name for lane in run.lanes], run.ended) == (["setup"], "ZeroDivisionError")


THREAD = (
    "import threading\n"
    + FAKE
    + """\
def my_clip(x): pass
def train():
    for x in range(60):
        optimizer.zero_grad()
        loss = criterion(model(x))
        loss.backward()
        optimizer.step()
one = threading.Thread(target=train, name="one")
one.start()
one.join()
"""
)


def test_steps_of_a_thread_are_steps(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(THREAD)
    assert rnnprof(tmp_path, "--no-report", "main.py") == (0, "", "")
    lane = runfile.load(tmp_path / "run.json").lane("thread one")
    assert lane is not None
    assert lane.steps["host"].series.count == 60


ENDS = {
    "an exception": ("model.backward(1)\n", 1, "TypeError", ""),
    "sys.exit": ("raise SystemExit('words')\n", 1, "SystemExit", "words\n"),
    "os._exit": ("import os; os._exit(7)\n", 7, "os._exit", ""),
    "Ctrl-C that is handled": (
        "try:\n    raise KeyboardInterrupt\nexcept KeyboardInterrupt:\n    print('stopped')\n",
        0,
        "finished",
        "",
    ),
    "Ctrl-C": ("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n", -2, "KeyboardInterrupt", None),
}


@pytest.mark.parametrize("name", ENDS)
def test_how_a_script_ends(name: str, tmp_path: Path) -> None:
    end, code, ended, err = ENDS[name]
    handler = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    (tmp_path / "main.py").write_text(handler + STEP + end)
    got = rnnprof(tmp_path, "--no-report", "main.py")
    plain = python(tmp_path, "main.py")
    assert got == plain
    assert got.code == code
    assert err is None or got.err.endswith(err)
    run = runfile.load(tmp_path / "run.json")
    assert (run.ended, counts(run)["step"]) == (ended, 60)


REFUSED = {
    "nothing": ([], "give a script to run, or -m MODULE"),
    "no file": (["missing.py"], "missing.py: there is no such file"),
    "no module": (["-m", "no.such"], "-m no.such: there is no such module of Python source"),
    "-m alone": (["-m"], "-m needs the name of a module"),
    "a rule": (["--rule", "x", "main.py"], "--rule 'x': write PATTERN=STAGE, such as --rule 'my_clip*=clip'"),
    "a depth": (["--depth", "9", "main.py"], "--depth 9: give a number from 0 to 8"),
    "no folder for the run": (["-o", "no/run.json", "main.py"], "no/run.json"),
    "a clock": (["--clock", "event", "main.py"], "event"),
    "warmup": (["--warmup", "-1", "main.py"], "warmup"),
    "explain of no Python": (["--explain", "broken.py"], "broken.py: this is no Python source that"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_options_are_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "main.py").write_text("raise SystemExit('it ran')\n")
    (tmp_path / "broken.py").write_text("x = = 1\n")
    monkeypatch.chdir(tmp_path)
    words, said = REFUSED[name]
    if "--clock" in words:
        pytest.importorskip("torch")
    assert said in failure(["run", *words], capsys)


def test_a_script_that_does_not_compile_is_left_to_python(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("x = = 1\n")
    assert rnnprof(tmp_path, "main.py") == python(tmp_path, "main.py")
