"""One table as CSV (RFC 4180, but with plain newlines): stages, functions or operators."""

from __future__ import annotations

import csv as csv_module
import io

from rnnprof import units
from rnnprof.analysis.result import Breakdown
from rnnprof.renderers.table import page
from rnnprof.renderers.table.model import Table

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv(breakdown: Breakdown, only: str = "") -> str:
    """Write the table of stages, or another one, for a spreadsheet or a program.

    Args:
        breakdown: the result to write.
        only: one of `page.PARTS`; the stages where it is empty.

    Returns:
        A heading and one row for each stage, function or operator, in whole nanoseconds and
        fractions; an empty cell is not known. A name that a spreadsheet would take for a formula gets
        a leading apostrophe.
    """
    return lay_out(page.raw(breakdown, only))


def lay_out(table: Table) -> str:
    """Write one table as CSV.

    Args:
        table: the table.

    Returns:
        A heading and one line for each row.
    """
    out = io.StringIO()
    writer = csv_module.writer(out, lineterminator="\n")
    writer.writerow([_name(column.title) for column in table.columns])
    for section in table.sections:
        for row in section.rows:
            cells = zip(row.cells, table.columns, strict=True)
            writer.writerow([cell if column.right else _name(cell) for cell, column in cells])
    return out.getvalue()


def _name(cell: str) -> str:
    return ("'" if cell.startswith(FORMULA) else "") + (units.visible(cell) if cell else "")
