"""What the tables of the probe share: numbers as cells, and no column without a value."""

from __future__ import annotations

from collections.abc import Sequence

from rnnprof import units
from rnnprof.renderers.table.model import Column, Row, Section, Table

NAME = 14
"""Width of a stage's name that is kept free before a column is."""


def metric(number: float | None) -> str:
    """A number with a prefix of the SI, or a dash where it is not known."""
    return "–" if number is None else units.metric(number)


def size(number: int | None) -> str:
    """A number of bytes, or a dash where it is not known."""
    return "–" if number is None else units.size(number)


def growth(number: int | None) -> str:
    """A number of bytes with its sign, or a dash where it is not known."""
    return "–" if number is None else units.growth(number)


def filled(first: Column, columns: Sequence[Column], rows: Sequence[Row], title: str, name: int) -> Table:
    """Make a table without the columns that have no value in any row.

    Args:
        first: the column of names.
        columns: the others.
        rows: cells of all columns.
        title: what is above the table.
        name: width of the names that is kept free before a column is.
    """
    empty = ("", "–")
    kept = [
        place for place in range(len(columns)) if any(row.cells[place + 1] not in empty for row in rows)
    ] or [0]
    cut = [
        Row(
            (row.cells[0], *(row.cells[place + 1] for place in kept)),
            row.depth,
            quiet=row.quiet,
            head=row.head,
        )
        for row in rows
    ]
    return Table((first, *(columns[place] for place in kept)), (Section(title, tuple(cut)),), name=name)
