"""The report as text, markdown, CSV and JSON: whole golden files, and what each must never do."""

from __future__ import annotations

import csv
import io
import json
import re
from itertools import pairwise

import pytest
from golden_files import same_as_golden
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from rnnprof.analysis.breakdown import breakdown
from rnnprof.model import Run
from rnnprof.renderers import json_report, table
from tests.run_builder import lane_of, run_of, runs, steps_of, word_language_model

FORMATS = {
    "table.txt": table.text,
    "table.md": table.markdown,
    "table.csv": table.csv,
    "table.json": json_report.render,
}
COLOUR = re.compile(r"\x1b\[[0-9;]+m")
EVIL = "\x1b[2J[red]a|b`c`\n<script>alert(1)</script>\u202egnp.exe & *x*"
SLOW = settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.mark.parametrize("name", FORMATS)
def test_the_whole_output(name: str) -> None:
    same_as_golden(name, FORMATS[name](breakdown(word_language_model())))


def test_the_whole_text_by_run() -> None:
    same_as_golden("table_by_run.txt", table.text(breakdown(word_language_model(), "run")))


@SLOW
@given(runs(), st.sampled_from(("step", "run")), st.sampled_from((40, 57, 80, 120)))
def test_no_line_is_wider_than_the_page(run: Run, by: str, width: int) -> None:
    lines = table.text(breakdown(run, by), width).split("\n")
    assert max(cell_len(line) for line in lines) <= width
    assert lines[-1] == ""
    assert not any(line.endswith(" ") for line in lines)
    assert "\x1b" not in "".join(lines)


@SLOW
@given(runs(), st.sampled_from(("step", "run")))
def test_every_format_of_every_run(run: Run, by: str) -> None:
    result = breakdown(run, by)
    assert len(list(csv.reader(io.StringIO(table.csv(result))))) == len(result.stages) + 1
    content = json.loads(json_report.render(result))
    assert [stage["self_ns"] for stage in content["stages"]] == [row.self_ns for row in result.stages]
    tables = [line for line in table.markdown(result, "stages").splitlines() if line.startswith("| ")]
    # Each section has a heading and a rule besides its rows, and so has the table of the lanes.
    sections = len({(row.lane, row.in_step) for row in result.stages})
    lanes = len(result.lanes) + (result.run_ns > 0)
    assert len(tables) == len(result.stages) + 2 * sections + lanes + 2


def test_columns_stand_in_line() -> None:
    lines = table.text(breakdown(word_language_model())).split("\n")
    head = next(line for line in lines if line.startswith("stage "))
    rows = [line for line in lines if " 200  " in line]
    assert len(rows) == 12
    assert {len(line) for line in rows} == {len(head)}
    assert len(head) <= 80
    assert {line.index(" 200  ") for line in rows} == {head.index("count") + 1}


def test_columns_are_left_out_one_by_one_where_the_page_is_narrow() -> None:
    result = breakdown(word_language_model())

    def head(width: int) -> list[str]:
        lines = table.text(result, width).split("\n")
        return next(line for line in lines if line.startswith("stage ")).split()

    seen = [head(width) for width in range(130, 39, -1)]
    assert seen[0] == [
        "stage",
        "share",
        "±",
        "total",
        "self",
        "time",
        "count",
        "mean",
        "median",
        "p95",
    ]
    assert seen[-1] == ["stage", "share", "total", "time"]
    assert all(len(narrow) <= len(wide) for wide, narrow in pairwise(seen))


def test_colour_is_only_there_when_asked_for() -> None:
    result = breakdown(word_language_model())
    plain, coloured = table.text(result), table.text(result, color=True)
    assert "\x1b" not in plain
    assert "\x1b[1mtrain, one step = 100 %\x1b[0m" in coloured
    assert COLOUR.sub("", coloured) == plain


def test_ascii_only() -> None:
    text = table.text(breakdown(word_language_model()), ascii_only=True)
    assert text.isascii()
    assert "backward     53.0 %   +-0.4" in text
    assert len({len(line) for line in text.split("\n") if " 200  " in line}) == 1
    assert "#####" in table.text(breakdown(word_language_model()), width=120, ascii_only=True)


def test_csv_holds_whole_nanoseconds() -> None:
    result = breakdown(word_language_model())
    rows = list(csv.DictReader(io.StringIO(table.csv(result))))
    backward = next(row for row in rows if row["stage"] == "backward")
    exact = next(row for row in result.stages if row.name == "backward")
    assert exact.interval_ns is not None
    assert int(backward["total_ns"]) == exact.total_ns
    assert int(backward["mean_low_ns"]) == round(exact.interval_ns[0])
    assert float(backward["share"]) == exact.share
    assert next(row for row in rows if row["stage"] == "corpus")["share"] == ""


def test_json_holds_exact_numbers_and_null_for_what_is_not_known() -> None:
    result = breakdown(word_language_model())
    content = json.loads(json_report.render(result))
    assert list(content) == [
        "by", "run_ns", "lanes", "stages", "steps", "step", "perturbation", "notes", "environment",
        "created", "ended", "clock",
    ]  # fmt: skip
    assert set(content["stages"][0]) == {
        "name", "path", "lane", "in_step", "remainder", "count", "share", "percent", "total_share",
        "total_percent", "self_ns", "total_ns", "mean_ns", "median_ns", "p95_ns", "min_ns", "max_ns",
        "interval_ns", "share_interval", "per_step_ns",
    }  # fmt: skip
    decoder = next(stage for stage in content["stages"] if stage["name"] == "decoder")
    assert decoder["path"] == ["forward", "decoder"]
    assert isinstance(decoder["total_ns"], int)
    corpus = content["stages"][0]
    assert [corpus[key] for key in ("name", "share", "percent", "interval_ns")] == [
        "corpus",
        None,
        None,
        None,
    ]
    assert content["step"] == content["steps"]["train"]
    assert content["step"]["kinds"] == {"warmup": 10, "host": 200, "control": 10}
    assert content["perturbation"]["sentence"] == result.perturbation.sentence


def test_a_mean_without_a_spread_is_not_shown() -> None:
    result = breakdown(run_of([lane_of("train", {"host": steps_of([{("a",): [50], (): [100]}] * 4)})]))
    text = table.text(result, 130)
    assert "One step of train: ± ?, median 100 ns, 95th percentile 100 ns" in text
    assert "50.0 %  ± ?" in text
    assert "- Fewer than 5 host steps in train: no confidence intervals." in text


def test_the_device_and_its_clock_are_named() -> None:
    steps = {"event": steps_of([{("a",): [50], (): [100]}]), "sync": steps_of([{(): [100]}] * 3)}
    about = {
        "command": "main.py --cuda",
        "cpu": "Some CPU",
        "device": "NVIDIA H200",
        "threads": 8,
        "torch": "2.5.1",
    }
    lines = table.text(breakdown(run_of([lane_of("train", steps)], environment=about))).split("\n")
    assert lines[:2] == ["main.py --cuda", "NVIDIA H200, 8 threads, torch 2.5.1, 2025-03-01 12:00"]
    assert "1 step timed by events on the device; left out: 3 sync" in lines
    about["device"] = "cpu"
    text = table.markdown(breakdown(run_of([lane_of("train", steps)], environment=about)))
    assert text.split("\n\n")[1] == "Some CPU, 8 threads, torch 2.5.1, 2025-03-01 12:00"
    assert table.text(breakdown(run_of([lane_of("train", steps)]))).startswith("rnnprof\n2025-03-01 12:00\n")


def test_an_unknown_format_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'latex'"):
        table.latex  # noqa: B018
