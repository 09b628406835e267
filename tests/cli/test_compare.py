"""`rnnprof compare`: sides, formats, files, exit codes, one-line errors."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rnnprof import runfile
from rnnprof.analysis.breakdown import breakdown
from rnnprof.analysis.compare import compare
from rnnprof.cli.main import main
from rnnprof.model import Run
from rnnprof.renderers import compare_json, flowchart
from rnnprof.renderers.table import as_csv, as_markdown, as_text
from rnnprof.renderers.table.compare_tables import blocks, raw
from tests.cli.failing import failure
from tests.compared_runs import AFTER, BEFORE
from tests.noisy_runs import run_with, steps_with, white


def bare(seed: int, slower: float = 1.0, steps: int = 300, noise: float = 0.02) -> Run:
    """A run of steps alone."""
    spans = [round(20e6 * slower * part) for part in white(random.Random(seed), steps, noise)]
    return run_with(steps_with({}, spans))


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two run files in the current folder."""
    monkeypatch.chdir(tmp_path)
    runfile.save(BEFORE, "a.json")
    runfile.save(AFTER, "b.json")
    return ["a.json", "b.json"]


def test_every_format_goes_to_stdout(pair: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = compare(*pair)
    expected = {
        "text": as_text.lay_out(blocks(found)),
        "markdown": as_markdown.lay_out(blocks(found)),
        "csv": as_csv.lay_out(raw(found)),
        "json": compare_json.render(found),
        **{form: flowchart.render_difference(breakdown(AFTER), found, form) for form in flowchart.SYNTAXES},
    }
    for form, text in expected.items():
        assert main(["compare", *pair, "--format", form]) == 0
        assert capsys.readouterr() == (text, "")
    assert main(["compare", *pair]) == 0
    assert capsys.readouterr().out == expected["text"]


@pytest.mark.parametrize(
    ("ending", "start"), [("md", "**Slower"), ("json", "{"), ("svg", "<svg"), ("csv", "stage")]
)
def test_the_ending_picks_the_format(
    ending: str, start: str, pair: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *pair, "-o", f"out.{ending}"]) == 0
    assert Path(f"out.{ending}").read_text(encoding="utf-8").startswith(start)
    assert capsys.readouterr() == ("", "")


def test_width_and_color(pair: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *pair, "--width", "120", "--color", "always"]) == 0
    assert capsys.readouterr().out == as_text.lay_out(blocks(compare(*pair)), 120, color=True)


def test_several_runs_a_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = []
    for seed in range(6):
        runfile.save(bare(seed, 1.1 if seed > 2 else 1.0), tmp_path / f"{seed}.json")
        names.append(str(tmp_path / f"{seed}.json"))
    assert main(["compare", *names[:3], "--to", *names[3:], "--format", "json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["step"]["verdict"] == "slower"
    assert content["before"]["names"] == names[:3]
    assert content["after"]["steps"] == [300, 300, 300]
    said = failure(["compare", *names[:3]], capsys)
    assert said == "3 files without --to: give BEFORE AFTER, or BEFORE... --to AFTER..."
    assert failure(["compare", names[0]], capsys).startswith("1 file without --to")


def judged(slower: float, allowed: str, tmp_path: Path, steps: int = 300, noise: float = 0.02) -> int:
    """The exit code of a comparison of two runs, the second slower by that factor."""
    runfile.save(bare(1, 1.0, steps, noise), tmp_path / "a.json")
    runfile.save(bare(2, slower, steps, noise), tmp_path / "b.json")
    return main(["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--fail-if-slower", allowed])


def test_the_exit_code_for_ci(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judged(1.1, "3%", tmp_path) == 1
    out, err = capsys.readouterr()
    assert out.startswith("Slower: ")
    assert err.startswith("rnnprof: the step is slower by +")
    assert err.endswith("%, and +3.0 % is the limit\n")
    assert judged(1.1, "20 %", tmp_path) == 0
    assert judged(1.0, "3", tmp_path) == 0
    assert judged(0.9, "3%", tmp_path) == 0
    assert judged(1.1, "0%", tmp_path) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_too_little_data_to_judge_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judged(1.0, "3%", tmp_path, steps=12, noise=0.2) == 0
    err = capsys.readouterr().err
    assert err.startswith("rnnprof: warning: too little data to judge by +3.0 %: only differences of +")
    assert err.count("\n") == 1


def test_what_is_refused(pair: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(["compare", *pair, "--fail-if-slower", "much"], capsys).startswith(
        "--fail-if-slower much: give"
    )
    assert failure(["compare", *pair, "-o", "b.json"], capsys).startswith("-o b.json would overwrite the run")
    assert failure(["compare", *pair, "-o", "b.png"], capsys).startswith("-o b.png: give --format")
    assert failure(["compare", *pair, "--width", "9"], capsys).startswith("--width 9 is too narrow")
    assert failure(["compare", "a.json", "c.json"], capsys).startswith("cannot read c.json")
    assert failure(["compare", *pair, "--lane", "mine"], capsys) == (
        "these runs cannot be compared: a.json has no steps in that lane, but in train (give --lane)"
    )
    runfile.save(replace(AFTER, environment={"device": "NVIDIA H200"}), "gpu.json")
    said = failure(["compare", "a.json", "gpu.json"], capsys)
    assert said == (
        "these runs should not be compared: a.json ran on a CPU, gpu.json on an accelerator. "
        "To do it all the same: --force, in Python force=True"
    )
    assert main(["compare", "a.json", "gpu.json", "--force"]) == 0
    assert "- Compared by force: a.json ran on a CPU, gpu.json on an" in capsys.readouterr().out


def test_the_help_has_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["compare", "--help"])
    assert ended.value.code == 0
    words = capsys.readouterr().out
    assert "BEFORE... --to AFTER..." in words
    assert "exit codes: 0, or 1 where --fail-if-slower finds the step slower" in words


@pytest.mark.parametrize(
    ("form", "rich"), [("text", True), ("markdown", False), ("json", False), ("svg", False)]
)
def test_comparing_never_loads_torch(form: str, rich: bool, pair: list[str]) -> None:
    code = (
        "import sys, contextlib, io\n"
        "from rnnprof.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    assert main(['compare', *{pair!r}, '--format', {form!r}]) == 0\n"
        "print('torch' in sys.modules, 'numpy' in sys.modules, 'rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"False False {rich}\n"


def test_a_run_counts_once(pair: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(["compare", "a.json", "./a.json"], capsys) == "a.json is given twice: a run counts once"
    words = ["compare", "a.json", "--to", "b.json", "b.json"]
    assert failure(words, capsys) == "b.json is given twice: a run counts once"
