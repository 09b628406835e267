"""What a report says of what to change."""

from __future__ import annotations

from rnnprof.analysis.advice.advised import Advice, Finding
from rnnprof.analysis.advice.worded import TITLE, unchecked, worded
from rnnprof.renderers.table.model import Block, Column, Item, Items, Row, Section, Table, Words, exact, many

NUMBERS = ("rank", "saving", "percent", "urgent", "line")
COLUMNS = (
    *("rank", "key", "saving", "percent", "urgent", "title", "evidence", "change", "check", "bound"),
    *("file", "line", "source", "stage"),
)


def blocks(advice: Advice, whole: bool) -> list[Block]:
    """What a report for reading says of it.

    Args:
        advice: all findings.
        whole: whether advice alone was asked for: then all of it.

    Returns:
        A numbered list; one sentence where nothing is to be changed; nothing where no check could be made.
    """
    found: list[Block] = []
    if advice.findings:
        said = worded(advice, whole)
        items = tuple(Item(one.title, one.lines) for one in said)
        found.append(Items(TITLE, advice.sentence, items))
        left = len(advice.findings) - len(said)
        if left:
            found.append(Words("legend", (f"{many(left, 'more finding')}: rnnprof report FILE --advice",)))
    elif advice.sentence:
        found.append(Words("legend", (advice.sentence,)))
    if whole and advice.silent:
        found.append(Words("legend", ("Checks that could not be made:",)))
        found.append(Words("notes", unchecked(advice)))
    return found


def raw(advice: Advice | None) -> Table:
    """The findings for programs, one row each.

    Args:
        advice: all findings, or None for a table without rows.
    """
    columns = tuple(Column(title, right=title in NUMBERS) for title in COLUMNS)
    rows = [_row(rank, one) for rank, one in enumerate(advice.findings, 1)] if advice else []
    return Table(columns, (Section("", tuple(rows)),))


def _row(rank: int, one: Finding) -> Row:
    saving = (exact(one.saving), "" if one.saving is None else one.percent)
    texts = (one.title, one.evidence, one.change, one.check, one.bound, one.file)
    line = str(one.line) if one.line else ""
    cells = (str(rank), one.key, *saving, str(one.urgent).lower(), *texts, line)
    return Row((*cells, one.source, "/".join(one.stage)))
