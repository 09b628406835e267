"""Comparisons in every format: whole golden files, narrow pages, names never obeyed."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from flow_cases import needs
from golden_files import same_as_golden
from rich.cells import cell_len

from rnnprof.analysis.breakdown import breakdown
from rnnprof.errors import UsageError
from rnnprof.renderers import compare_json
from rnnprof.renderers.flowchart import SYNTAXES, render_difference
from rnnprof.renderers.flowchart.theme import CHANGES, change, contrast, ink
from rnnprof.renderers.table import as_csv, as_markdown, as_text
from rnnprof.renderers.table.compare_tables import blocks, raw
from tests.compared_runs import AFTER, EVIL, FOUND, hostile, lonely

DIVIDED = breakdown(AFTER)
OUTPUTS: dict[str, Callable[[], str]] = {
    "compare.txt": lambda: as_text.lay_out(blocks(FOUND)),
    "compare_wide.txt": lambda: as_text.lay_out(blocks(FOUND), 130),
    "compare.md": lambda: as_markdown.lay_out(blocks(FOUND)),
    "compare.csv": lambda: as_csv.lay_out(raw(FOUND)),
    "compare.json": lambda: compare_json.render(FOUND),
    "compare.svg": lambda: render_difference(DIVIDED, FOUND, "svg"),
    "compare.dot": lambda: render_difference(DIVIDED, FOUND, "dot"),
    "compare.mmd": lambda: render_difference(DIVIDED, FOUND, "mermaid"),
    "compare.tex": lambda: render_difference(DIVIDED, FOUND, "tikz"),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_the_whole_output(name: str) -> None:
    same_as_golden(name, OUTPUTS[name]())


def heading(width: int) -> list[str]:
    """The titles of the columns that fit."""
    lines = as_text.lay_out(blocks(FOUND), width).split("\n")
    return next(line for line in lines if line.startswith("stage ")).split()


def test_a_narrow_page_keeps_the_verdict() -> None:
    assert heading(40)[:2] == ["stage", "verdict"]
    assert heading(60) == ["stage", "verdict", "change", "range"]
    every = ["stage", "verdict", "change", "range", "before", "after", "effect", "part"]
    assert heading(200) == every


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_line_is_wider_than_the_page(width: int) -> None:
    _, evil = hostile()
    for found in (FOUND, evil, lonely()):
        for line in as_text.lay_out(blocks(found), width, ascii_only=width == 80).split("\n"):
            assert cell_len(line) <= width, line


def test_names_are_never_obeyed() -> None:
    after, found = hostile()
    text = as_text.lay_out(blocks(found), 200)
    markdown = as_markdown.lay_out(blocks(found))
    for shown in (text, markdown):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    assert "<script" not in markdown
    assert "| a|b" not in markdown
    rows = list(csv.reader(io.StringIO(as_csv.lay_out(raw(found)))))
    assert len(rows) == 5
    assert {len(row) for row in rows} == {len(rows[0])}
    assert not any(row[0].startswith(("=", "+", "-", "@")) for row in rows)
    assert json.loads(compare_json.render(found))["stages"][0]["name"] == EVIL
    divided = breakdown(after)
    root = ET.fromstring(render_difference(divided, found, "svg"))
    assert not [element for element in root.iter() if element.tag.endswith("script")]
    for syntax in SYNTAXES:
        drawn = render_difference(divided, found, syntax)
        assert "<script" not in drawn
        assert "\x1b" not in drawn


def test_json_has_the_three_words_and_no_nan() -> None:
    content = json.loads(compare_json.render(FOUND), parse_constant=pytest.fail)
    assert content["step"]["verdict"] == "slower"
    words = {stage["name"]: stage["verdict"] for stage in content["stages"]}
    assert words["backward"] == "slower"
    assert words["clip"] == "faster"
    assert words["log"] == "slower"
    assert words["forward"] == "no difference shown"
    forced = json.loads(compare_json.render(lonely()), parse_constant=pytest.fail)
    assert forced["step"]["interval"] is None
    assert forced["forced"]


def test_every_printed_change_is_in_every_syntax() -> None:
    for syntax in SYNTAXES:
        drawn = render_difference(DIVIDED, FOUND, syntax)
        for stage in FOUND.stages:
            words = stage.percent.replace("%", r"\%") if syntax == "tikz" else stage.percent
            words = words.replace("<", {"tikz": "{<}", "mermaid": "#60;"}.get(syntax, "&lt;"))
            assert words.replace("-", "{-}") in drawn if syntax == "tikz" else words in drawn, stage.name


def test_the_colours_of_changes_are_readable() -> None:
    for tenth in range(-1000, 1001):
        fill = change(tenth / 1000)
        assert contrast(ink(fill), fill) >= 4.5
    assert (change(-0.5), change(0), change(0.5)) == (CHANGES[0], CHANGES[4], CHANGES[-1])
    assert (change(-9), change(9)) == (CHANGES[0], CHANGES[-1])


def test_graphviz_draws_it(tmp_path: Path) -> None:
    import subprocess

    needs("dot")
    after, evil = hostile()
    for name, (divided, found) in {"a": (DIVIDED, FOUND), "b": (breakdown(after), evil)}.items():
        (tmp_path / name).write_text(render_difference(divided, found, "dot"), encoding="utf-8")
        done = subprocess.run(["dot", "-Tsvg", str(tmp_path / name)], capture_output=True, text=True)
        assert done.returncode == 0
        assert "rror" not in done.stderr


def test_an_unknown_syntax_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown flow chart syntax 'png'"):
        render_difference(DIVIDED, FOUND, "png")
