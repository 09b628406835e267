"""Names that a user, a script or a file chose: shown as they are, shortened, and never obeyed."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len

from rnnprof.analysis.breakdown import breakdown
from rnnprof.analysis.result import Breakdown
from rnnprof.renderers import json_report, table
from tests.run_builder import lane_of, run_of, steps_of

COLOUR = re.compile(r"\x1b\[[0-9;]+m")
EVIL = "\x1b[2J[red]a|b`c`\n<script>alert(1)</script>\u202egnp.exe & *x*"


def evil() -> Breakdown:
    """A breakdown in which everything that a user can name is hostile."""
    steps = steps_of([{(EVIL,): [60], (EVIL, "=1+1"): [20], (): [100]}] * 8)
    notes = ({"code": "open_at_end", "stages": [EVIL]},)
    environment = {"command": ["python", EVIL], "device": EVIL, "torch": EVIL}
    return breakdown(
        run_of([lane_of(EVIL, {"host": steps})], notes=notes, environment=environment, ended=EVIL)
    )


def test_a_name_that_is_too_long_loses_its_middle() -> None:
    name = "a_stage_with_a_name_that_never_ends_until_this_end"
    steps = steps_of([{(name,): [60], (): [100]}] * 8)
    text = table.text(breakdown(run_of([lane_of("train", {"host": steps})])))
    line = next(line for line in text.split("\n") if line.startswith("a_stage"))
    assert line.startswith("a_stage_with_…is_end  60.0 %")
    assert len(line) == 80


def test_wide_characters_keep_the_columns_in_line() -> None:
    steps = steps_of([{("前向传播",): [60], (): [100]}] * 8)
    lines = table.text(breakdown(run_of([lane_of("train", {"host": steps})]))).split("\n")
    widths = [cell_len(line) for line in lines if " 60.0 %" in line or " 40.0 %" in line]
    assert len(set(widths)) == 1


def test_text_never_obeys_a_name() -> None:
    text = table.text(evil(), 120)
    assert "\\x1b[2J[red]a|b`c`\\n<script>" in text
    assert "\\u202e" in text
    assert all(char.isprintable() or char == "\n" for char in text)
    assert COLOUR.sub("", table.text(evil(), 120, color=True)) == text


def test_markdown_never_obeys_a_name() -> None:
    text = table.markdown(evil())
    assert "\\\\x1b\\[2J\\[red\\]a\\|b\\`c\\`\\\\n&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "\\\\u202egnp.exe &amp; \\*x\\*" in text
    assert "<" not in text
    assert all(char.isprintable() or char == "\n" for char in text)
    rows = [line for line in text.split("\n") if line.startswith("| ")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {7, 11}


def test_markdown_leaves_underscores_in_words_alone() -> None:
    steps = steps_of([{("get_batch",): [30], ("_init_",): [30], (): [100]}] * 8)
    text = table.markdown(breakdown(run_of([lane_of("train", {"host": steps})])))
    assert "| get_batch |" in text
    assert "| \\_init\\_ |" in text


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_csv_never_starts_a_name_like_a_formula(name: str) -> None:
    steps = steps_of([{(name,): [60], (): [100]}] * 8)
    rows = list(csv.DictReader(io.StringIO(table.csv(breakdown(run_of([lane_of(name, {"host": steps})]))))))
    for key in ("stage", "path", "lane"):
        assert rows[0][key].startswith("'")
    assert (rows[0]["self_ns"], rows[0]["share"], rows[0]["percent"]) == ("480", "0.6", "60.0 %")


def test_json_has_no_nan_and_keeps_names_exact() -> None:
    environment: dict[str, Any] = {"load": [float("nan"), float("inf"), 1.5], "x": {"y": float("-inf")}}
    text = json_report.render(replace(evil(), environment=environment))
    assert text.isascii()
    content = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert content["environment"] == {"load": [None, None, 1.5], "x": {"y": None}}
    assert content["stages"][0]["name"] == EVIL
