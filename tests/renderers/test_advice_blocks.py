"""What a report says of what to change: whole golden files, the healthy case, names that are never obeyed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from golden_files import same_as_golden
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from rnnprof.analysis.advice.advised import Finding
from rnnprof.analysis.advice.worded import AMDAHL, most_urgent
from rnnprof.renderers import json_report, table
from rnnprof.renderers.table import as_latex, page
from tests.advised_run import (
    BARE,
    DETACH,
    HEALTHY,
    HOSTILE,
    RAGGED,
    THREE,
    UNSEEN,
    VOCABULARY,
    advice_of,
    advised,
)

OUTPUTS: dict[str, Callable[[], str]] = {
    "advice.txt": lambda: table.text(advised(), only="advice"),
    "advice_narrow.txt": lambda: table.text(advised(), 40, only="advice"),
    "advice.md": lambda: table.markdown(advised(), "advice"),
    "advice.csv": lambda: table.csv(advised(), "advice"),
    "advice.json": lambda: json.dumps(json.loads(json_report.render(advised()))["advice"], indent=2) + "\n",
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_the_whole_output(name: str) -> None:
    same_as_golden(name, OUTPUTS[name]())


def test_a_report_ends_with_what_to_change() -> None:
    for write in (table.text, table.markdown):
        bare, whole = write(BARE), write(advised())
        assert whole.startswith(bare)
        said = whole[len(bare) :]
        assert said.startswith(("\nWhat to change\n3 of 12 ", "\n**What to change**\n\n3 of 12 "))
        # What the bounds rest on, and what could not be checked, is for those who ask.
        assert "Bound: " not in said
        assert "could not be made" not in said
    last = table.text(advised(advice_of(RAGGED))).split("\n\n")[-1]
    assert last == (
        "1. The last batch of each epoch is smaller than the others\n"
        "   1 batch of 64 has 3 of 20 sequences.\n"
        "   Time: in the stage get_batch\n"
        "   Try: drop_last=True.\n"
        "   Check: the longest step is no other than the median one.\n"
    )


def test_a_healthy_run_is_told_so_in_one_sentence() -> None:
    sentence = "12 checks found nothing to change; 3 had no signal.\n"
    assert table.text(advised(HEALTHY)) == f"{table.text(BARE)}\n{sentence}"
    assert table.markdown(advised(HEALTHY)) == f"{table.markdown(BARE)}\n{sentence}"
    assert table.text(advised(HEALTHY), 100, only="advice").split("\n\n", 1)[1] == (
        f"{sentence}\nChecks that could not be made:\n"
        "- cells, padding: No step was looked at closely (no probe).\n"
        "- threads: This system does not say how long threads wait for a core.\n"
    )


def test_where_no_check_could_be_made_nothing_is_said() -> None:
    assert table.text(advised(UNSEEN)) == table.text(BARE)
    assert table.markdown(advised(UNSEEN)) == table.markdown(BARE)


def test_what_a_report_does_not_show_is_counted() -> None:
    many = advice_of(*(replace(RAGGED, title=f"Finding {number}") for number in range(1, 13)), shown=5)
    text = table.text(advised(many), 100)
    assert [f"\n{number}. Finding {number}\n" in text for number in range(1, 8)] == [True] * 5 + [False] * 2
    assert text.endswith("\n\n7 more findings: rnnprof report FILE --advice\n")
    whole = table.text(advised(many), 100, only="advice")
    assert "\n12. Finding 12\n    1 batch of 64 has 3 of 20 sequences.\n" in whole
    assert "more finding" not in whole
    assert "\n\n12. **Finding 12**\n\n    1 batch of 64" in table.markdown(advised(many), "advice")
    assert "1 more finding: " in table.text(advised(replace(many, shown=11)))


def test_the_first_saving_is_said_to_be_an_upper_bound() -> None:
    for order in ((DETACH, VOCABULARY, RAGGED), (RAGGED, VOCABULARY, DETACH)):
        text = table.text(advised(advice_of(*order)), 400)
        assert text.count(AMDAHL) == 1
        assert text.index(AMDAHL) > text.index("saves at most")
    assert AMDAHL not in table.text(advised(advice_of(RAGGED)), 400)


def test_places() -> None:
    def place(**changed: object) -> str:
        one = replace(VOCABULARY, **{"evidence": "E.", "change": "C.", **changed})  # type: ignore[arg-type]
        lines = table.text(advised(advice_of(one)), 200).split("\n")
        return " | ".join(lines[lines.index("   E.") + 1 : lines.index("   Try: C.")]).strip()

    assert place() == ("Where: main.py:181: loss = criterion(output, targets) |    Time: in the stage loss")
    assert (
        place(stage=("forward", "rnn"), source="") == "Where: main.py:181 |    Time: in the stage forward/rnn"
    )
    assert place(stage=(), line=0) == "Where: main.py: loss = criterion(output, targets)"
    assert place(file="", line=0, source="") == "Time: in the stage loss"
    assert place(file="", line=0, source="x = 1", stage=()) == "Where: x = 1"
    assert place(file="", line=0, source="", stage=()) == ""


def test_the_most_urgent() -> None:
    assert most_urgent(advice_of(VOCABULARY)) == most_urgent(HEALTHY) == most_urgent(UNSEEN) == ""
    urgent = replace(DETACH, file="/home/user/main.py")
    assert most_urgent(advice_of(urgent, DETACH)) == (
        "The hidden state is not detached: the graph grows with every step (main.py:207)"
    )
    assert most_urgent(advice_of(replace(DETACH, file="", title="It fails"))) == "It fails"


def test_no_name_is_ever_obeyed() -> None:
    text = table.text(advised(), 1000, only="advice")
    shown = "\\x1b[2J[red]a|b`c`\\n<script>alert(1)</script>\\u202egnp.exe & *x*"
    assert f"/main.py:207: output, hidden = model(data, hidden)  # {shown}\n" in text
    assert f"   Time: in the stage forward/{shown}\n" in text
    for only in ("", "advice"):
        for words in (table.text(advised(), only=only, color=False), table.markdown(advised(), only)):
            assert all(char.isprintable() or char == "\n" for char in words)
        marked = table.markdown(advised(), only)
        assert "<" not in marked
        assert "\\[red\\]a\\|b\\`c\\`" in marked
    assert json.loads(json_report.render(advised()))["advice"]["findings"][0]["stage"] == ["forward", HOSTILE]


@pytest.mark.parametrize("words", ["# x", "- x", "+ x", "1. x", "12) x", "=== x", "    x", "* x", "> x"])
def test_no_text_begins_another_block_in_markdown(words: str) -> None:
    marked = table.markdown(advised(advice_of(replace(RAGGED, evidence=words, title=words))))
    escaped = {
        "# x": "\\# x", "- x": "\\- x", "+ x": "\\+ x", "1. x": "1\\. x", "12) x": "12\\) x",
        "=== x": "\\=== x", "    x": "x", "* x": "\\* x", "> x": "&gt; x",
    }[words]  # fmt: skip
    assert f"\n\n1. **{escaped}**\n\n   {escaped}\n\n   Time: in the stage get_batch" in marked


def test_csv() -> None:
    first, second, third = csv.DictReader(io.StringIO(table.csv(advised(), "advice")))
    assert (first["rank"], first["saving"], first["percent"], first["urgent"]) == (
        "1",
        "0.712",
        "71.2 %",
        "true",
    )
    assert (second["stage"], second["line"], second["urgent"]) == ("loss", "181", "false")
    assert (third["saving"], third["percent"], third["file"], third["line"]) == ("", "", "", "")
    for breakdown_of in (advised(HEALTHY), BARE):
        assert table.csv(breakdown_of, "advice").count("\n") == 1


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_csv_never_starts_a_text_like_a_formula(name: str) -> None:
    one = Finding(name, name, name, name, name, bound=name, file=name, source=name, stage=(name,))
    for row in csv.reader(io.StringIO(table.csv(advised(advice_of(one)), "advice"))):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)


def test_json_is_null_where_a_saving_is_not_known() -> None:
    found = json.loads(json_report.render(advised()))["advice"]
    assert list(found) == ["sentence", "findings", "shown", "checked", "silent"]
    assert [one["percent"] for one in found["findings"]] == ["71.2 %", "18.3 %", None]
    assert [one["saving"] for one in found["findings"]] == [0.712, 0.183, None]
    assert found["silent"][0] == {"key": "cells", "reason": "No step was looked at closely (no probe)."}
    assert "advice" not in json.loads(json_report.render(BARE))


def test_latex() -> None:
    written = as_latex.lay_out(page.blocks(advised(advice_of(RAGGED)), "advice"))
    assert (
        "\\begin{enumerate}\n\\item \\textbf{The last batch of each epoch is smaller than the others}\n\n"
        "1 batch of 64 has 3 of 20 sequences.\n\nTime: in the stage get\\_batch\n\n"
    ) in written


@settings(deadline=None, max_examples=40)
@given(st.text(max_size=60), st.sampled_from((40, 57, 80)))
def test_no_text_is_wider_than_the_page(words: str, width: int) -> None:
    one = Finding("x", words, words, words, words, None, "–", words, words, 1, words, (words,), True)
    for only in ("", "advice"):
        text = table.text(advised(advice_of(one, THREE.findings[0])), width, only=only)
        assert max(cell_len(line) for line in text.split("\n")) <= width
    assert table.markdown(advised(advice_of(one)), "advice")
