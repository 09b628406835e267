"""The report as GitHub-flavoured markdown."""

from __future__ import annotations

import re

from rnnprof import units
from rnnprof.analysis.result import Breakdown
from rnnprof.renderers.table import model

SPECIAL = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")
"""What markdown would read as its own; an underscore within a word is not."""


def markdown(breakdown: Breakdown) -> str:
    """Write the report for a README, an issue or a paper's appendix.

    Args:
        breakdown: the result to write.

    Returns:
        Paragraphs and tables, with a newline at the end.
    """
    command, about = model.heading(breakdown)
    blocks = [f"**{_escape(command)}**", _escape(about), *_tables(model.lanes(breakdown))]
    if breakdown.step:
        blocks.append("\n".join(f"- {_escape(line)}" for line in model.step_lines(breakdown.step)))
    blocks += _tables(model.stages(breakdown))
    blocks += [_escape(line) for line in (*model.legend(breakdown), breakdown.perturbation.sentence)]
    if breakdown.notes:
        blocks.append("\n".join(f"- {_escape(note)}" for note in breakdown.notes))
    return "\n\n".join(blocks) + "\n"


def _tables(table: model.Table) -> list[str]:
    """One markdown table for each section, below its heading."""
    heads = [column.title for column in table.columns]
    rules = ["---:" if column.right else ":---" for column in table.columns]
    blocks = []
    for section in table.sections:
        if section.title:
            blocks.append(f"**{_escape(section.title)}**")
        lines = [heads, rules]
        for row in section.rows:
            first, *others = (_escape(cell) for cell in row.cells)
            lines.append(["&emsp;" * row.depth + first, *others])
        blocks.append("\n".join("| " + " | ".join(line) + " |" for line in lines))
    return blocks


def _escape(text: str) -> str:
    """Text that markdown and HTML show as it is."""
    if not text:
        return ""
    safe = units.visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return SPECIAL.sub(lambda match: "\\" + match.group(), safe)
