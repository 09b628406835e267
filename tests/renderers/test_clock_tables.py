"""The clocks side by side in every format: whole golden files, narrow pages, names never obeyed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import pytest
from golden_files import same_as_golden
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from rnnprof.analysis.breakdown import breakdown
from rnnprof.model import Run
from rnnprof.renderers import json_report, table
from tests.clocked_run import A, clocked_language_model, clocked_run, steps_at, trace_at
from tests.run_builder import runs, word_language_model

RESULT = breakdown(clocked_language_model())
UNTRACED = breakdown(clocked_language_model(traces=()))
EVIL = "\x1b[2J[red]a|b`c`\n<script>alert(1)</script>\u202egnp.exe & *x*"
OUTPUTS: dict[str, Callable[[], str]] = {
    "clocks.txt": lambda: table.text(RESULT, only="clocks"),
    "clocks_wide.txt": lambda: table.text(RESULT, 130, only="clocks"),
    "clocks_untraced.txt": lambda: table.text(UNTRACED, only="clocks"),
    "clocks.md": lambda: table.markdown(RESULT, "clocks"),
    "clocks.csv": lambda: table.csv(RESULT, "clocks"),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_the_whole_output(name: str) -> None:
    same_as_golden(name, OUTPUTS[name]())


def heading(width: int) -> list[str]:
    """The titles of the columns that fit."""
    lines = table.text(RESULT, width, only="clocks").split("\n")
    return next(line for line in lines if line.startswith("stage ")).split()


def test_a_narrow_page_keeps_what_matters_most() -> None:
    clocks = ["host", "sync", "device"]
    assert heading(40) == ["stage", "host", "device", "bound"]
    assert heading(48) == ["stage", *clocks, "bound"]
    assert heading(58) == ["stage", *clocks, "busy", "bound"]
    assert heading(80) == ["stage", "host", "time", "sync", "device", "time", "busy", "gaps", "bound"]
    every = [title for clock in clocks for title in (clock, "±", "time")]
    assert heading(200) == ["stage", *every, "busy", "gaps", "busy", "%", "launches", "bound"]


def test_the_default_report_has_the_sentence_alone() -> None:
    lines = table.text(RESULT, 200, only="").split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith("The host's clock blames clip"))
    assert lines[start : start + 3] == [
        "The host's clock blames clip (90.8 % of the step), wrongly: on the device it takes 2.5 %, and most "
        "goes to backward (53.0 %), for which the host's clock shows 4.0 %.",
        "The step is device-bound: a kernel runs in 95.0 % of it.",
        "All clocks side by side: rnnprof report FILE --clocks.",
    ]  # fmt: skip
    assert "Clocks side by side" not in "\n".join(lines)


def test_nothing_is_said_of_a_verdict_that_there_is_none() -> None:
    own = {A: 90_000, (): 0}
    text = table.text(breakdown(clocked_run({"host": steps_at(own, 12)})), 200)
    assert "Only the host's clock timed these steps" in text
    assert "cannot be told: trace some steps" not in text
    whole = table.text(breakdown(clocked_run({"host": steps_at(own, 12)})), only="clocks")
    assert "bound: " not in whole
    assert not any(line.endswith(" bound") for line in whole.split("\n"))


def test_too_few_steps_for_a_spread() -> None:
    own = {A: 90_000, (): 0}
    text = table.text(
        breakdown(clocked_run({"host": steps_at(own, 3), "event": steps_at(own, 3)})), only="clocks"
    )
    row = next(line for line in text.split("\n") if line.startswith("a "))
    assert row.split()[1:] == ["100", "%", "±", "?", "91.2", "µs", "100", "%", "±", "?", "91.2", "µs"]


def test_on_a_cpu_nothing_changes() -> None:
    plain = breakdown(word_language_model())
    assert "clock blames" not in table.text(plain)
    assert "clocks" not in json.loads(json_report.render(plain))
    assert table.csv(plain, "clocks").count("\n") == 1


def test_csv_has_whole_nanoseconds_fractions_and_nothing_for_what_is_unknown() -> None:
    first, *_, last = csv.DictReader(io.StringIO(table.csv(UNTRACED, "clocks")))
    assert (first["stage"], first["remainder"], last["stage"], last["remainder"]) == (
        "get_batch", "false", "other", "true",
    )  # fmt: skip
    assert (first["host_per_step_ns"], first["host_percent"], first["busy_per_step_ns"]) == (
        "40804",
        "0.2 %",
        "",
    )
    assert float(first["host_share_low"]) < float(first["host_share"]) < float(first["host_share_high"])
    only = breakdown(clocked_run({"sync": steps_at({A: 9, (): 0}, 2)}))
    row = next(csv.DictReader(io.StringIO(table.csv(only, "clocks"))))
    assert (row["sync_percent"], row["sync_low_ns"], row["host_percent"], row["device_share"]) == (
        "100 %",
        "",
        "",
        "",
    )


def test_json_has_everything() -> None:
    content = json.loads(json_report.render(RESULT))["clocks"]
    assert [column["kind"] for column in content["columns"]] == ["host", "sync", "event"]
    clip = next(row for row in content["stages"] if row["path"] == ["clip"])
    assert (clip["verdict"], clip["host"]["percent"], clip["event"]["percent"]) == (
        "waits",
        "90.8 %",
        "2.5 %",
    )
    assert content["bound"]["busy_share"] == pytest.approx(0.95, abs=0.002)
    assert json.loads(json_report.render(UNTRACED))["clocks"]["stages"][0]["busy"] is None


def test_ascii_only() -> None:
    assert table.text(RESULT, only="clocks", ascii_only=True).isascii()
    assert table.text(RESULT, ascii_only=True).isascii()


def test_no_name_is_ever_obeyed() -> None:
    own = {(EVIL,): 900_000, ("",): 100_000, (): 0}
    other = {(EVIL,): 100_000, ("",): 900_000, (): 0}
    kinds = {"host": steps_at(own, 12), "sync": steps_at(other, 12), "event": steps_at(other, 90)}
    result = breakdown(clocked_run(kinds, traces=(trace_at(other, 0.5),)))
    for text in (table.text(result, 300, only="clocks"), table.text(result, 300)):
        assert "blames \\x1b[2J[red]a|b`c`\\n<script>" in text
        assert all(char.isprintable() or char == "\n" for char in text)
    for only in ("", "clocks"):
        marked = table.markdown(result, only)
        assert "<script" not in marked
        assert all(char.isprintable() or char == "\n" for char in marked)
    names = [row[0] for row in csv.reader(io.StringIO(table.csv(result, "clocks")))]
    assert names[1].startswith("\\x1b[2J")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_csv_never_starts_a_name_like_a_formula(name: str) -> None:
    result = breakdown(clocked_run({"sync": steps_at({(name,): 90_000, (): 0}, 9)}))
    for row in csv.reader(io.StringIO(table.csv(result, "clocks"))):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(runs(), st.sampled_from((40, 57, 80, 130)))
def test_every_format_of_every_run(run: Run, width: int) -> None:
    result = breakdown(run)
    lines = table.text(result, width, only="clocks").split("\n")
    assert max(cell_len(line) for line in lines) <= width
    assert not any(line.endswith(" ") for line in lines)
    assert "\x1b" not in "".join(lines)
    assert len({len(row) for row in csv.reader(io.StringIO(table.csv(result, "clocks")))}) == 1
    rows = [line for line in table.markdown(result, "clocks").split("\n") if line.startswith("| ")]
    assert len({line.replace("\\|", "").count("|") for line in rows}) <= 1
    assert ("clocks" in json.loads(json_report.render(result))) == (result.clocks is not None)
