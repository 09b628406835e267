"""The report as GitHub-flavoured markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rnnprof import units
from rnnprof.analysis.result import Breakdown
from rnnprof.renderers.table import model, page

SPECIAL = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")
"""What markdown would read as its own; an underscore within a word is not."""

BEGINNING = re.compile(r"(?:[-+#=]|\d+[.)])")
"""What would begin a list, a heading or a rule where it begins a paragraph."""


def markdown(breakdown: Breakdown, only: str = "") -> str:
    """Write the report for a README, an issue or a paper's appendix.

    Args:
        breakdown: the result to write.
        only: one of `page.PARTS`, or everything.

    Returns:
        Paragraphs and tables, with a newline at the end.
    """
    return lay_out(page.blocks(breakdown, only))


def lay_out(blocks: Sequence[model.Block]) -> str:
    """Write words and tables as markdown.

    Args:
        blocks: what to write, from top to bottom.

    Returns:
        Paragraphs and tables, with a newline at the end.
    """
    parts: list[str] = []
    for block in blocks:
        if isinstance(block, model.Table):
            parts += _tables(block)
        else:
            parts += _numbered(block) if isinstance(block, model.Items) else _words(block)
    return "\n\n".join(parts) + "\n"


def _words(words: model.Words) -> list[str]:
    """Paragraphs, a list, or the bold line at the top."""
    lines = [_escape(line) for line in words.lines]
    if words.kind in ("facts", "notes"):
        return ["\n".join(f"- {line}" for line in lines)] if lines else []
    return [f"**{line}**" for line in lines] if words.kind == "title" else lines


def _tables(table: model.Table) -> list[str]:
    """One markdown table for each section, below its heading."""
    heads = [_escape(column.title) for column in table.columns]
    rules = ["---:" if column.right else ":---" for column in table.columns]
    blocks = []
    for section in table.sections:
        if section.title:
            blocks.append(f"**{_escape(section.title)}**")
        lines = [heads, rules]
        for row in section.rows:
            first, *others = (_escape(cell) for cell in row.cells)
            name = f"**{first}**" if row.head else first
            lines.append(["&emsp;" * row.depth + name, *others])
        blocks.append("\n".join("| " + " | ".join(line) + " |" for line in lines))
    meaning = model.meaning(table.columns)
    return [*blocks, _escape(meaning)] if meaning else blocks


def _numbered(items: model.Items) -> list[str]:
    """A list that renders with its numbers; the paragraphs of an item are indented under its title."""
    parts = [f"**{_escape(items.title)}**", _escape(items.sentence)]
    for number, item in enumerate(items.items, 1):
        sign = f"{number}. "
        parts.append(f"{sign}**{_paragraph(item.title)}**")
        parts += [" " * len(sign) + _paragraph(line) for line in item.lines]
    return parts


def _paragraph(text: str) -> str:
    """A text that begins a paragraph."""
    safe = _escape(text.strip())
    sign = BEGINNING.match(safe)
    return safe if sign is None else f"{safe[: sign.end() - 1]}\\{safe[sign.end() - 1 :]}"


def _escape(text: str) -> str:
    """Text that markdown and HTML show as it is."""
    if not text:
        return ""
    safe = units.visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return SPECIAL.sub(lambda match: "\\" + match.group(), safe)
