"""One model of a report, which text, markdown and CSV lay out: words, rows, columns, alignment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rnnprof import units

NARROWEST = 40
"""The narrowest page that a table is laid out for."""

BLOCKS = " ▏▎▍▌▋▊▉█"
"""What bars are made of, in eighths of a column."""

ASCII = str.maketrans({"µ": "u", "…": "~", "–": "-", "±": "+-", **dict.fromkeys(BLOCKS[1:], "#")})
"""What stands for the tables' other characters where only ASCII can be printed."""

UNKNOWN = "± ?"
"""Stands for a mean whose spread is not known; such a mean is not shown."""


@dataclass(frozen=True)
class Column:
    """One column.

    Args:
        title: its heading.
        right: whether it is aligned to the right, as numbers are.
        rank: where the page is narrow, the highest is left out first; 0 always stays.
        bar: whether a bar of the share may follow it.
        means: what it holds, for the line below the table; empty where its title says it.
    """

    title: str
    right: bool = True
    rank: int = 0
    bar: bool = False
    means: str = ""


@dataclass(frozen=True)
class Row:
    """One row.

    Args:
        cells: its texts, the first of which may hold a name that the user chose.
        depth: how deep the first cell is indented.
        share: the fraction that a bar may show, or None.
        quiet: whether it matters less: the time that no stage claims.
        head: whether the rows below it are parts of it.
    """

    cells: tuple[str, ...]
    depth: int = 0
    share: float | None = None
    quiet: bool = False
    head: bool = False


@dataclass(frozen=True)
class Section:
    """Rows under one heading, which is empty where the table needs none."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Table:
    """Sections of rows that share their columns.

    Args:
        columns: the columns, the first of which holds names.
        sections: the rows.
        bars: whether a bar of the share is wanted where the page is wide enough.
        name: width of the names that is kept free before a column is.
    """

    columns: tuple[Column, ...]
    sections: tuple[Section, ...]
    bars: bool = False
    name: int = 12


@dataclass(frozen=True)
class Words:
    """Lines of words in a report.

    Args:
        kind: ``title``; ``about``, which belongs to the title above; ``facts``, a list; ``legend``;
            ``cost``, the cost of measuring; ``notes``, a list that belongs to the words above.
        lines: the lines. Only notes may hold names that are not yet fit to print.
    """

    kind: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Item:
    """One of a numbered list.

    Args:
        title: its first line.
        lines: paragraphs below it. Both may hold names that are not yet fit to print.
    """

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Items:
    """A numbered list.

    Args:
        title: what stands above it.
        sentence: what is said of all of it.
        items: the list.
    """

    title: str
    sentence: str
    items: tuple[Item, ...]


Block = Table | Words | Items


def mean(mean_ns: float, half_ns: float | None) -> str:
    """A mean with its spread; never without."""
    return UNKNOWN if half_ns is None else f"{units.duration(mean_ns)} ± {units.duration(half_ns)}"


def duration(ns: float | None) -> str:
    """A duration for reading, or a dash where it is not known."""
    return "–" if ns is None else units.duration(ns)


def whole(ns: float | None) -> str:
    """Whole nanoseconds for programs, or nothing where they are not known."""
    return "" if ns is None else str(round(ns))


def exact(number: float | None) -> str:
    """A number for programs, or nothing where it is not known."""
    return "" if number is None else repr(number)


def rate(number: float | None) -> str:
    """How often in a step, or nothing where it is not known."""
    if number is None:
        return ""
    return units.count(number) if number >= 1000 or number == round(number) else units.significant(number)


def meaning(columns: Iterable[Column]) -> str:
    """What columns hold, in one sentence; empty where their titles say it.

    Args:
        columns: those that are shown.
    """
    said = [f"{column.title}: {column.means}" for column in columns if column.means]
    return "; ".join(said) + "." if said else ""


def many(number: int, noun: str) -> str:
    """A number of things: ``1 step``, ``16 steps``."""
    return f"{units.count(number)} {noun}{'s' * (number != 1)}"
