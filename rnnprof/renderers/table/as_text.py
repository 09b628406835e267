"""The report as text for a terminal; rich lays it out, and no name is ever read as its markup."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from rnnprof import units
from rnnprof.analysis.result import Breakdown
from rnnprof.renderers.table import model, page

GAP = 2
HEADINGS = {"title": "bold", "about": "dim"}
TIGHT = ("about", "notes")
"""Kinds of words with no empty line above them."""

BAR, WIDER_BAR = 6, 12
BAR_PLACE, BAR_RANK = -1, 9


def text(
    breakdown: Breakdown, width: int = 80, color: bool = False, ascii_only: bool = False, only: str = ""
) -> str:
    """Write the report for a terminal.

    Args:
        breakdown: the result to write.
        width: columns of the terminal; fewer than 40 count as 40.
        color: whether to colour it with ANSI escapes.
        ascii_only: whether to write the report's own words and bars in ASCII, for a terminal or
            pipe that knows nothing else.
        only: one of `page.PARTS`, or everything.

    Returns:
        Lines that are at most that wide, with a newline at the end of each.
    """
    return lay_out(page.blocks(breakdown, only), width, color, ascii_only)


def lay_out(
    blocks: Sequence[model.Block], width: int = 80, color: bool = False, ascii_only: bool = False
) -> str:
    """Write words and tables for a terminal.

    Args:
        blocks: what to write, from top to bottom.
        width, color, ascii_only: as in `text`.

    Returns:
        Lines that are at most that wide, with a newline at the end of each.
    """
    width = max(width, model.NARROWEST)

    def plain(words: str) -> str:
        return words.translate(model.ASCII) if ascii_only else words

    lines: list[Text] = []
    for block in blocks:
        tight = isinstance(block, model.Words) and block.kind in TIGHT
        lines += [Text()] if lines and not tight else []
        if isinstance(block, model.Table):
            lines += _layout(block, width, plain)
        elif isinstance(block, model.Items):
            lines += _number(block, width, plain)
        else:
            lines += _say(block, width, plain)
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        legacy_windows=False,
        _environ={},
    )
    for line in lines:
        console.print(line, no_wrap=True, overflow="ignore", crop=False, soft_wrap=True)
    return out.getvalue()


def _say(words: model.Words, width: int, plain: Callable[[str], str]) -> list[Text]:
    """The lines of words: a heading is cut to the width, all else broken at it."""
    lines = [plain(line) for line in words.lines]
    if words.kind in HEADINGS:
        return [Text(plain(_shorten(line, width)), HEADINGS[words.kind]) for line in lines]
    if words.kind == "notes":
        lines = [plain(f"- {units.visible(line)}") for line in words.lines]
    return _paragraphs(lines, width, "" if words.kind == "legend" else "  ")


def _number(items: model.Items, width: int, plain: Callable[[str], str]) -> list[Text]:
    """The lines of a numbered list, its paragraphs indented under their titles."""
    lines = [Text(plain(_shorten(items.title, width)), "bold")]
    lines += _paragraphs([plain(items.sentence)], width, "")
    for number, item in enumerate(items.items, 1):
        sign = f"{number}. "
        lines.append(Text())
        for text, style in ((item.title, "bold"), *((line, "") for line in item.lines)):
            for part in _broken(plain(units.visible(text)), width - len(sign), ""):
                lines.append(Text(sign + part, style))
                sign = " " * len(sign)
    return lines


def _layout(table: model.Table, width: int, plain: Callable[[str], str]) -> list[Text]:
    """The lines of a table: all columns that fit, and a bar where the table wants one."""
    rows = [row for section in table.sections for row in section.rows]
    widths = [
        max([cell_len(plain(column.title)), *(cell_len(plain(row.cells[place])) for row in rows)])
        for place, column in enumerate(table.columns)
    ]
    needed = max([widths[0], *(2 * row.depth + cell_len(plain(row.cells[0])) for row in rows)])
    ranks = {place: column.rank for place, column in enumerate(table.columns) if place}
    if table.bars:
        ranks[BAR_PLACE] = BAR_RANK

    def free() -> int:
        return width - sum(GAP + (widths[place] if place != BAR_PLACE else BAR) for place in ranks)

    while free() < min(needed, table.name) and max(ranks.values()) > 0:
        ranks.pop(max(ranks, key=lambda place: ranks[place]))
    bar = BAR + min(max(free() - needed, 0), WIDER_BAR - BAR)
    name = min(needed, max(free(), 1))
    shown = sorted(place for place in ranks if place != BAR_PLACE)
    after = max((place for place in shown if table.columns[place].bar), default=0)

    def line(first: str, cells: Sequence[str], share: float | None, style: str) -> Text:
        words = Text(set_cell_size(plain(_shorten(plain(first), name)), name), style)
        for place in shown:
            cell = plain(cells[place])
            words.append(" " * (GAP + widths[place] - cell_len(cell)) + cell)
            if BAR_PLACE in ranks and place == after:
                words.append(" " * GAP + plain(_bar(share, bar)), "cyan")
        words.rstrip()
        return words

    titles = [column.title for column in table.columns]
    lines = []
    for number, section in enumerate(table.sections):
        lines += [Text()] if number else []
        lines += [Text(plain(_shorten(plain(section.title), width)), "bold")] if section.title else []
        lines += [] if number else [line(titles[0], titles, None, "bold")]
        for row in section.rows:
            style = "dim" if row.quiet else "bold" if row.head else ""
            lines.append(line("  " * row.depth + row.cells[0], row.cells, row.share, style))
    # Of a column that is not shown, nothing is said.
    meaning = model.meaning(table.columns[place] for place in (0, *shown))
    return [*lines, Text(), *_paragraphs([plain(meaning)], width, "")] if meaning else lines


def _bar(share: float | None, width: int) -> str:
    """A bar whose full width is 100 %; the smallest share above 0 is still seen."""
    eighths = max(round(share * width * 8), 1) if share else 0
    full, part = divmod(eighths, 8)
    return (model.BLOCKS[-1] * full + (model.BLOCKS[part] if part else "")).ljust(width)


def _shorten(words: str, width: int) -> str:
    """Cut out the middle of what is too wide: names that begin alike often differ at their end."""
    if cell_len(words) <= width:
        return words
    mark = "…"
    end = ""
    for char in reversed(words):
        if cell_len(end) + cell_len(char) > (width - 1) // 3:
            break
        end = char + end
    return set_cell_size(words, width - 1 - cell_len(end)).rstrip() + mark + end


def _paragraphs(lines: list[str], width: int, indent: str) -> list[Text]:
    """Lines broken at the width, with what follows indented."""
    return [Text(part) for line in lines for part in _broken(line, width, indent)]


def _broken(line: str, width: int, indent: str) -> list[str]:
    """A line broken so that its parts fit, also where some characters are two columns wide."""
    for characters in range(width, width // 2, -1):
        parts = textwrap.wrap(line, characters, subsequent_indent=indent)
        if all(cell_len(part) <= width for part in parts):
            return parts
    return textwrap.wrap(line, width // 2, subsequent_indent=indent)
