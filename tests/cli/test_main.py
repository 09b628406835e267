"""The command line around the subcommands: help, exit codes, one-line errors, what is loaded."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnnprof import runfile
from rnnprof._version import __version__
from rnnprof.cli import COMMANDS
from rnnprof.cli.main import NO_READER, main
from tests.run_builder import word_language_model

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def saved(tmp_path: Path) -> str:
    path = tmp_path / "run.json"
    runfile.save(word_language_model(steps=40), path)
    return str(path)


def test_without_a_command_the_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out = capsys.readouterr().out
    assert out.startswith("usage: rnnprof ")
    assert all(name in out for name in COMMANDS)


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"rnnprof {__version__}\n"


@pytest.mark.parametrize(
    "argv", [["nonsense"], ["report"], ["report", "x", "--format", "pdf"], ["report", "x", "--wid", "50"]]
)
def test_arguments_that_make_no_sense(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert "rnnprof" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_module(name: str) -> None:
    module = importlib.import_module(f"rnnprof.cli.{name}")
    assert callable(module.add_arguments)
    assert callable(module.run)


def python(*argv: str, **changed: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **changed}
    return subprocess.run(
        [sys.executable, *argv], capture_output=True, text=True, env=environment, check=False
    )


LOADED = """
import json, sys
from rnnprof.cli.main import main
main(["report", sys.argv[1], "--format", sys.argv[2], "-o", sys.argv[1] + ".out"])
print(json.dumps([name for name in ("torch", "rich", "rnnprof.cli.demo") if name in sys.modules]))
"""


@pytest.mark.parametrize(
    ("form", "loaded"), [("text", ["rich"]), ("csv", []), ("markdown", []), ("json", []), ("svg", [])]
)
def test_a_report_loads_only_what_it_needs(form: str, loaded: list[str], saved: str) -> None:
    done = python("-c", LOADED, saved, form)
    assert done.stderr == ""
    assert json.loads(done.stdout) == loaded


LATE = "import sys; sys.stdin.read(); from rnnprof.cli.main import main; sys.exit(main(sys.argv[1:]))"


def test_a_reader_that_goes_away_is_no_error(saved: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LATE, "report", saved],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stdin.close()
    assert process.stderr.read() == b""
    assert process.wait() == NO_READER
    process.stderr.close()


def test_the_module_is_a_program(saved: str) -> None:
    done = python("-m", "rnnprof", "report", saved, PYTHONIOENCODING="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("main.py --epochs 1 --model LSTM\n")


CLOSED = """
import json, sys
sys.stdout = None
from rnnprof.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_closed_stdout_is_one_line(saved: str) -> None:
    for words in (["report", saved], ["demo", "--quick"]):
        done = python("-c", CLOSED, *words)
        line = "rnnprof: error: stdout is closed: there is nowhere to print\n"
        assert (done.returncode, done.stderr) == (2, line)
    done = python("-c", CLOSED, "report", saved, "-o", saved + ".csv")
    assert (done.returncode, done.stderr) == (0, "")


def test_an_error_is_one_short_clean_line(capsys: pytest.CaptureFixture[str], saved: str) -> None:
    assert main(["report", saved, "-o", "\x1b[31m\n" + "x" * 5000]) == 2
    err = capsys.readouterr().err
    assert err.endswith("\n")
    assert err[:-1].isprintable()
    assert len(err) < 600
