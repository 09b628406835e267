"""Advice on the command line: at the end of `rnnprof report`, alone, and after `rnnprof run`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rnnprof import runfile
from rnnprof.analysis.advice import advise
from rnnprof.analysis.advice.advised import Advice
from rnnprof.analysis.breakdown import breakdown
from rnnprof.cli.main import main
from rnnprof.instrument import measure
from rnnprof.model import Run
from rnnprof.renderers import flowchart, json_report, table
from tests.advised_run import DETACH, HEALTHY, HOSTILE, RAGGED, THREE, UNSEEN, advice_of, advised
from tests.run_builder import run_of, word_language_model

RUN = word_language_model()
URGENT = replace(DETACH, file="/home/user/main.py")


@pytest.fixture
def saved(tmp_path: Path) -> str:
    path = tmp_path / "run.json"
    runfile.save(RUN, path)
    return str(path)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Callable[[Advice], None]:
    """Says what the checks find."""

    def say(advice: Advice) -> None:
        monkeypatch.setattr(advise, "advise", lambda *_: advice)

    return say


Given = Callable[[Advice], None]
Captured = pytest.CaptureFixture[str]


def out(capsys: Captured, *words: str) -> str:
    """What a command prints that ends well."""
    assert main(list(words)) == 0
    said, err = capsys.readouterr()
    assert err == ""
    return said


def test_a_report_ends_with_advice(saved: str, given: Given, capsys: Captured) -> None:
    given(THREE)
    whole = advised(THREE)
    assert out(capsys, "report", saved) == table.text(whole)
    assert out(capsys, "report", saved, "--format", "markdown") == table.markdown(whole)
    assert out(capsys, "report", saved, "--format", "json") == json_report.render(whole)
    by_run = replace(breakdown(RUN, "run"), advice=THREE)
    assert out(capsys, "report", saved, "--by", "run") == table.text(by_run)


@pytest.mark.parametrize("option", [["--only", "advice"], ["--advice"]])
def test_advice_alone(option: list[str], saved: str, given: Given, capsys: Captured) -> None:
    for advice in (THREE, HEALTHY):
        given(advice)
        whole = advised(advice)
        assert out(capsys, "report", saved, *option) == table.text(whole, only="advice")
        assert out(capsys, "report", saved, *option, "--format", "csv") == table.csv(whole, "advice")
        markdown = out(capsys, "report", *option, saved, "--format", "markdown")
        assert markdown == table.markdown(whole, "advice")


def test_what_holds_no_advice_makes_no_check(
    saved: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr(advise, "advise", lambda *_: 1 / 0)
    assert out(capsys, "report", saved, "--format", "csv") == table.csv(breakdown(RUN))
    assert out(capsys, "report", saved, "--only", "stages") == table.text(breakdown(RUN), only="stages")
    assert out(capsys, "report", saved, "--format", "svg") == flowchart.render(breakdown(RUN, "run"), "svg")


def test_where_no_check_could_be_made(saved: str, given: Given, capsys: Captured) -> None:
    given(UNSEEN)
    assert out(capsys, "report", saved) == table.text(breakdown(RUN))
    for more in ([], ["--format", "csv"]):
        assert main(["report", saved, "--advice", *more]) == 2
        assert capsys.readouterr() == (
            "",
            f"rnnprof: error: {saved}: no check of the advice could be made: it takes measured training "
            "steps, or one that was looked at closely (no --no-probe)\n",
        )


def test_json_has_all_or_nothing(saved: str, capsys: Captured) -> None:
    assert main(["report", saved, "--advice", "--format", "json"]) == 2
    assert capsys.readouterr().err == (
        "rnnprof: error: --only is for text, markdown, csv: leave it out with --format json\n"
    )


def after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *options: str, run: Run = RUN, lost: bool = False
) -> None:
    """Run a program that has ended with 3, of which this run was recorded."""
    (tmp_path / "main.py").write_text("")
    monkeypatch.chdir(tmp_path)
    path = None if lost else tmp_path / "run.json"

    def ends(_target: Any, _prof: Any, _rules: Any, _depth: Any, tell: Any, *_more: Any) -> int:
        tell(measure.Outcome(run, path, ("something to know",)))
        return 3

    monkeypatch.setattr(measure, "measure", ends)
    with pytest.raises(SystemExit) as ended:
        main(["run", *options, "main.py"])
    assert ended.value.code == 3


def test_after_a_program_the_most_urgent_is_said(
    tmp_path: Path, given: Given, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    given(advice_of(URGENT, RAGGED))
    after(tmp_path, monkeypatch)
    printed, err = capsys.readouterr()
    assert printed == ""
    assert err == (
        f"\n{table.text(advised(advice_of(URGENT, RAGGED)))}\n"
        "rnnprof: something to know\n"
        "rnnprof: The hidden state is not detached: the graph grows with every step (main.py:207); "
        "`rnnprof report --advice run.json` says more\n"
        f"rnnprof: the run is saved in {tmp_path / 'run.json'}; `rnnprof report run.json` shows it again\n"
    )


def test_after_a_program_that_could_not_be_saved(
    tmp_path: Path, given: Given, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    given(advice_of(replace(URGENT, title=HOSTILE)))
    after(tmp_path, monkeypatch, lost=True)
    last = capsys.readouterr().err.split("\n")[-2]
    assert last.startswith("rnnprof: \\x1b[2J[red]a|b`c`\\n<script>alert(1)</script>\\u202egnp.exe ")
    assert last.endswith(" (main.py:207)")


@pytest.mark.parametrize("advice", [advice_of(RAGGED), HEALTHY, UNSEEN])
def test_after_a_program_what_is_not_urgent_has_no_line_of_its_own(
    advice: Advice, tmp_path: Path, given: Given, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    given(advice)
    after(tmp_path, monkeypatch)
    assert [line for line in capsys.readouterr().err.split("\n") if line.startswith("rnnprof: ")] == [
        "rnnprof: something to know",
        f"rnnprof: the run is saved in {tmp_path / 'run.json'}; `rnnprof report run.json` shows it again",
    ]


def test_without_a_report_nothing_is_said_of_it(
    tmp_path: Path, given: Given, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    given(advice_of(URGENT))
    after(tmp_path, monkeypatch, "--no-report")
    assert capsys.readouterr().err == "rnnprof: something to know\n"
    # A program that ended before any time was recorded has no report either.
    after(tmp_path, monkeypatch, run=run_of([]))
    assert capsys.readouterr().err.split("\n")[:-2] == ["rnnprof: something to know"]
