"""The table of docs/study.md is what the two sweeps beside it have found."""

from __future__ import annotations

from pathlib import Path

from benchmarks.study import table

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_table_is_that_of_the_sweeps() -> None:
    lines = table(DOCS / "study" / "time.csv", DOCS / "study" / "perplexity.csv")
    assert len(lines) == 2 + 54
    assert "\n".join(lines) in (DOCS / "study.md").read_text(encoding="utf-8")
