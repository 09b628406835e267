"""`rnnprof demo`: its files, its report, its exit codes, and that it leaves the interpreter as it was."""

from __future__ import annotations

import io
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import rnnprof
from rnnprof import runfile
from rnnprof.cli import demo
from rnnprof.cli.main import main
from rnnprof.errors import UsageError
from rnnprof.model import Run

FILES = ["flowchart.dot", "flowchart.svg", "flowchart.tex", "run.json"]
Capture = pytest.CaptureFixture[str]


def run(*options: str) -> int:
    return main(["demo", *options])


def trained(recorded: Run) -> int:
    lane = recorded.lane("train")
    return 0 if lane is None else sum(steps.series.count for steps in lane.steps.values())


def written(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir())


@pytest.mark.parametrize("model", ["LSTM", "Transformer"])
def test_quick_writes_four_files_and_prints_the_shares(tmp_path: Path, capsys: Capture, model: str) -> None:
    pytest.importorskip("torch")
    out = tmp_path / "new" / "folder"
    assert run("--quick", "--out", str(out), "--model", model) == 0
    assert written(out) == FILES
    assert trained(runfile.load(out / "run.json")) == demo.QUICK_STEPS
    printed = capsys.readouterr()
    for word in ("backward", "update", "decoder", " %", f"rnnprof report {out / 'run.json'}"):
        assert word in printed.out
    for name in FILES:
        assert str(out / name) in printed.out
    assert "\x1b" not in printed.out + printed.err
    assert [line for line in printed.err.splitlines() if line.startswith("step ")][-1] == "step 12 of 12"
    assert ElementTree.parse(out / "flowchart.svg").getroot().tag.endswith("svg")
    assert (out / "flowchart.dot").read_text().lstrip().startswith("digraph")
    assert "\\begin{document}" in (out / "flowchart.tex").read_text()


def test_a_second_demo_replaces_the_first(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    assert run("--quick", "--out", str(tmp_path)) == 0
    assert run("--quick", "--out", str(tmp_path), "--steps", "4") == 0
    assert written(tmp_path) == FILES
    assert trained(runfile.load(tmp_path / "run.json")) == 4


# Mistakes


def one_line(capsys: Capture) -> str:
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


def test_without_torch_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert run("--quick", "--out", str(tmp_path / "new")) == 1
    assert "pip install torch" in one_line(capsys)
    assert written(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    pytest.importorskip("torch")
    file = tmp_path / "file"
    file.write_text("mine")
    for out in (file, file / "below"):
        assert run("--quick", "--out", str(out)) == 2
        assert f"--out {out}: cannot write there" in one_line(capsys)
    assert file.read_text() == "mine"
    (tmp_path / "flowchart.svg").mkdir()
    assert run("--quick", "--out", str(tmp_path)) == 2
    assert "flowchart.svg is a folder there" in one_line(capsys)
    assert written(tmp_path) == ["file", "flowchart.svg"]


def test_no_steps_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    pytest.importorskip("torch")
    assert run("--steps", "0", "--out", str(tmp_path)) == 2
    assert "--steps 0" in one_line(capsys)
    assert written(tmp_path) == []


# Ctrl-C


def test_ctrl_c_saves_and_reports_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    pytest.importorskip("torch")
    call: Callable[[Any, int, int], None] = demo.Progress.__call__

    def stop(self: demo.Progress, done: int, planned: int) -> None:
        call(self, done, planned)
        if done == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(demo.Progress, "__call__", stop)
    assert run("--quick", "--out", str(tmp_path)) == 130
    assert written(tmp_path) == FILES
    assert trained(runfile.load(tmp_path / "run.json")) == 3
    printed = capsys.readouterr()
    assert "backward" in printed.out
    assert "Interrupted after 3 steps" in printed.err


def test_a_second_ctrl_c_saves_and_reports_too(tmp_path: Path, capsys: Capture) -> None:
    def train(argv: list[str], on_step: Callable[[int, int], None]) -> float:
        with rnnprof.profile(argv[argv.index("--profile") + 1], clock="host") as prof:
            with prof.step(), prof.stage("forward"):
                pass
            raise KeyboardInterrupt

    program: Any = SimpleNamespace(main=train)
    assert demo.demonstrate(program, [], tmp_path) == 130
    assert runfile.load(tmp_path / "run.json").ended == "KeyboardInterrupt"
    assert written(tmp_path) == FILES
    assert "forward" in capsys.readouterr().out


def test_ctrl_c_before_anything_is_recorded(tmp_path: Path, capsys: Capture) -> None:
    def train(argv: list[str], on_step: Callable[[int, int], None]) -> float:
        raise KeyboardInterrupt

    program: Any = SimpleNamespace(main=train)
    assert demo.demonstrate(program, [], tmp_path) == 130
    assert "before anything was recorded" in capsys.readouterr().err
    assert written(tmp_path) == []


# The example


def test_the_example_is_found_beside_the_package_and_inside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (demo.find_example() / "README.md").is_file()
    package = tmp_path / "rnnprof"
    monkeypatch.setattr(demo, "__file__", str(package / "cli" / "demo.py"))
    with pytest.raises(UsageError, match="not part of this installation"):
        demo.find_example()
    for root in (tmp_path, package):
        folder = root / "examples" / "word_language_model"
        folder.mkdir(parents=True)
        (folder / "main.py").touch()
        assert demo.find_example() == folder


def test_loading_leaves_the_interpreter_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = ModuleType("data")
    monkeypatch.setitem(sys.modules, "data", mine)
    monkeypatch.delitem(sys.modules, "model", raising=False)
    (tmp_path / "data.py").write_text("NAME = 'theirs'")
    (tmp_path / "model.py").write_text("from data import NAME")
    (tmp_path / "main.py").write_text("import data, model\nloaded = data.NAME, model.NAME")
    path, modules = list(sys.path), set(sys.modules)
    assert demo.load_example(tmp_path).loaded == ("theirs", "theirs")
    (tmp_path / "main.py").write_text("import data, model\nraise OSError('broken')")
    with pytest.raises(OSError, match="broken"):
        demo.load_example(tmp_path)
    assert sys.path == path
    assert set(sys.modules) == modules
    assert sys.modules["data"] is mine


def test_the_demo_knows_the_models_of_the_example() -> None:
    pytest.importorskip("torch")
    program = demo.load_example(demo.find_example())
    assert sorted(demo.MODELS) == sorted(program.MODELS) == sorted(demo.RATES)
    for model in demo.MODELS:
        for quick in (False, True):
            assert program.parse(demo.options(model, 5, quick)).model == model


@pytest.mark.parametrize("steps", [1, 99, 100, 101, 800, 997])
def test_steps_are_rounded_up_to_full_epochs(steps: int) -> None:
    given = demo.options("LSTM", steps, False)
    epochs, per_epoch = (int(given[given.index(name) + 1]) for name in ("--epochs", "--steps"))
    assert per_epoch <= demo.STEPS_PER_EPOCH
    assert steps <= epochs * per_epoch < steps + epochs


def test_importing_the_subcommand_does_not_import_torch() -> None:
    code = "import sys, rnnprof.cli.demo; sys.exit('torch' in sys.modules)"
    root = Path(rnnprof.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, timeout=60).returncode == 0


def test_progress_speaks_ten_times() -> None:
    seen: list[int] = []
    bar = demo.Progress(lambda done, planned: seen.append(done), None)
    for done in range(1, 251):
        bar(done, 250)
    assert seen == list(range(25, 251, 25))
    assert (bar.done, bar.planned) == (250, 250)


def test_any_encoding_of_stdout_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding="ascii", newline="\n"))
    assert run("--quick", "--out", str(tmp_path / "ü")) == 0
    assert b"?/run.json" in out.getvalue()
