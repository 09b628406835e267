"""`rnnprof report` and the command line around it: formats, files, one-line errors, exit codes."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from rnnprof import runfile
from rnnprof.analysis.advice.advise import examined
from rnnprof.analysis.breakdown import breakdown
from rnnprof.cli import report
from rnnprof.cli.main import main
from rnnprof.model import Lane, Series, Stage, Steps, Timeline
from rnnprof.renderers import flowchart, json_report, table
from tests.cli.failing import failure
from tests.clocked_run import clocked_language_model
from tests.run_builder import lane_of, run_of, word_language_model
from tests.traced_run import traced_language_model

RUN = word_language_model(steps=40)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def saved(tmp_path: Path) -> str:
    path = tmp_path / "run.json"
    runfile.save(RUN, path)
    return str(path)


EXPECTED = {
    "text": lambda: table.text(examined(RUN)),
    "markdown": lambda: table.markdown(examined(RUN)),
    "csv": lambda: table.csv(breakdown(RUN)),
    "json": lambda: json_report.render(examined(RUN)),
    "svg": lambda: flowchart.render(breakdown(RUN, "run"), "svg"),
}


@pytest.mark.parametrize("form", EXPECTED)
def test_every_format_goes_to_stdout(form: str, saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", saved, "--format", form]) == 0
    assert capsys.readouterr().out == EXPECTED[form]()


def test_text_by_step_is_the_default(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", saved]) == 0
    assert capsys.readouterr() == (EXPECTED["text"](), "")


@pytest.mark.parametrize(
    ("ending", "form"),
    [("txt", "text"), ("MD", "markdown"), ("csv", "csv"), ("json", "json"), ("svg", "svg")],
)
def test_the_ending_picks_the_format(
    ending: str, form: str, saved: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"out.{ending}"
    assert main(["report", saved, "-o", str(path)]) == 0
    assert path.read_text(encoding="utf-8") == EXPECTED[form]()
    assert capsys.readouterr() == ("", "")


def test_every_ending_stands_for_a_known_format() -> None:
    assert set(report.ENDINGS.values()) == {*report.TABLES, *report.FLOWCHARTS}


def test_an_explicit_format_beats_the_ending(saved: str, tmp_path: Path) -> None:
    path = tmp_path / "out.foo"
    assert main(["report", saved, "-o", str(path), "--format", "csv"]) == 0
    assert path.read_text(encoding="utf-8") == EXPECTED["csv"]()


def test_by_width_and_color(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", saved, "--by", "run", "--width", "60", "--color", "always"]) == 0
    assert capsys.readouterr().out == table.text(examined(RUN, "run"), 60, color=True)


def test_color_depends_on_the_terminal(
    saved: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "72")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    seen = []
    for change in ({}, {"NO_COLOR": "1"}, {"NO_COLOR": "", "TERM": "dumb"}):
        for name, value in change.items():
            monkeypatch.setenv(name, value)
        assert main(["report", saved]) == 0
        seen.append(capsys.readouterr().out)
    coloured, plain = table.text(examined(RUN), 72, color=True), table.text(examined(RUN), 72)
    assert seen == [coloured, plain, plain]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
@pytest.mark.parametrize("form", ["text", "markdown"])
def test_any_encoding_of_stdout_will_do(
    encoding: str, form: str, saved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding=encoding, newline="\n"))
    assert main(["report", saved, "--format", form]) == 0
    text = out.getvalue().decode(encoding)
    assert "?" not in text
    knows_all = encoding == "utf-8" or (form == "markdown" and encoding == "cp1252")
    expected = "One step of train: 25.9 ms ± " if knows_all else "One step of train: 25.9 ms +- "
    assert expected in text


def test_a_name_that_stdout_cannot_write_becomes_question_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runfile.save(run_of([lane_of("训练", unclaimed=5)]), tmp_path / "run.json")
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding="cp1252", newline="\n"))
    assert main(["report", str(tmp_path / "run.json")]) == 0
    assert b"\n??" in out.getvalue()


PARTS_OF = {
    "stages": traced_language_model,
    "functions": traced_language_model,
    "operators": traced_language_model,
    "clocks": clocked_language_model,
}
"""A run that has each part."""


@pytest.mark.parametrize("form", report.PARTED)
@pytest.mark.parametrize("only", PARTS_OF)
def test_one_part_of_a_run(form: str, only: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = PARTS_OF[only]()
    runfile.save(run, tmp_path / "run.json")
    assert main(["report", str(tmp_path / "run.json"), "--only", only, "--format", form]) == 0
    expected = {
        "text": lambda: table.text(breakdown(run), only=only),
        "markdown": lambda: table.markdown(breakdown(run), only),
        "csv": lambda: table.csv(breakdown(run), only),
    }
    assert capsys.readouterr().out == expected[form]()


def test_clocks_is_short_for_only_clocks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = clocked_language_model()
    runfile.save(run, tmp_path / "run.json")
    assert main(["report", str(tmp_path / "run.json"), "--clocks"]) == 0
    assert capsys.readouterr().out == table.text(breakdown(run), only="clocks")
    assert main(["report", str(tmp_path / "run.json")]) == 0
    assert "The host's clock blames clip (90.8 % of the step), wrongly" in capsys.readouterr().out


def test_all_parts_of_a_traced_run_are_the_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runfile.save(traced_language_model(), tmp_path / "run.json")
    assert main(["report", str(tmp_path / "run.json")]) == 0
    out = capsys.readouterr().out
    assert "\ntrain, one step = 100 %\n" in out
    assert "\nFunctions from the first step on (cProfile, 5.09 s)\n" in out
    assert "\nOperators of each stage (torch.profiler, steps 20–22, time in one step)\n" in out


def test_a_part_that_the_run_lacks_or_the_format(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(["report", saved, "--only", "functions"], capsys) == (
        f"{saved}: the run has no functions: record it with --cprofile"
    )
    assert failure(["report", saved, "--only", "operators", "--format", "csv"], capsys) == (
        f"{saved}: the run has no operators: record it with --trace"
    )
    assert failure(["report", saved, "--clocks"], capsys) == (
        f"{saved}: no accelerator was timed, so that there is one clock alone: the host's, which is right on "
        "a CPU"
    )
    assert failure(["report", saved, "--only", "stages", "--format", "svg"], capsys) == (
        "--only is for text, markdown, csv: leave it out with --format svg"
    )


def test_a_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none.json"
    assert failure(["report", str(path)], capsys) == f"cannot read {path}: No such file or directory"


def test_a_file_that_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "list.json"
    path.write_text("[1, 2")
    assert "is no complete JSON" in failure(["report", str(path)], capsys)


def test_a_run_without_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.json"
    runfile.save(run_of([]), path)
    assert failure(["report", str(path)], capsys) == f"{path}: the run holds no time yet"


def test_an_unknown_ending_lists_the_known_ones(
    saved: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failure(["report", saved, "-o", "out.pdf"], capsys) == (
        "-o out.pdf: give --format, or one of the endings .txt .md .csv .json .dot .gv .svg .tex .mmd"
    )


def test_the_run_itself_is_never_overwritten(
    saved: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path(saved).read_bytes()
    link = tmp_path / "link.json"
    link.symlink_to(saved)
    for output in (saved, str(link), str(tmp_path / "." / "run.json")):
        message = failure(["report", saved, "-o", output], capsys)
        assert message == f"-o {Path(output)} would overwrite the run that is in it: give another name"
    assert Path(saved).read_bytes() == before


def test_a_folder_that_is_not_there(saved: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none" / "out.csv"
    assert failure(["report", saved, "-o", str(path)], capsys).startswith(f"cannot write {path}: ")


def test_a_width_that_is_too_narrow(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(["report", saved, "--width", "39"], capsys) == "--width 39 is too narrow: give 40 or more"


def test_an_unexpected_os_error_is_one_line(
    saved: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: object) -> None:
        raise OSError(28, "No space left on device", "/tmp/x")

    monkeypatch.setattr(runfile, "load", full)
    assert failure(["report", saved], capsys) == "/tmp/x: No space left on device"


def test_ctrl_c_exits_with_130(
    saved: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runfile, "load", interrupted)
    assert main(["report", saved]) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("form", [*report.TABLES, *report.FLOWCHARTS])
@pytest.mark.parametrize("by", ["step", "run"])
def test_the_most_that_a_run_may_hold(
    form: str, by: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    most = 2**63 - 1
    series = Series(most, most, 0, most, (0, 3711), (1, 1))
    stages: tuple[Stage, ...] = ()
    for _ in range(80):
        stages = (Stage("a", series, stages=stages),)
    line = Timeline((most,) * 1025, (most,) * 1025)
    steps = {kind: Steps(series, series, line, most, most, stages) for kind in ("host", "control")}
    lanes = [Lane("train", False, series, stages, steps), Lane("thread", True, series, stages, steps)]
    notes = ({"code": "aborted_steps", "count": 10**400},)
    runfile.save(run_of(lanes, wall_ns=most, notes=notes), tmp_path / "run.json")
    assert main(["report", str(tmp_path / "run.json"), "--format", form, "--by", by]) == 0
    assert capsys.readouterr().err == ""
