"""The clocks side by side, and the sentence on which stage the host's clock blamed."""

from __future__ import annotations

from rnnprof.analysis.clocked import ClockReport
from rnnprof.renderers.table.model import Block, Column, Table


def blocks(found: ClockReport, whole: bool) -> list[Block]:
    """What a report for reading shows of the clocks.

    Args:
        found: the clocks.
        whole: whether the table is wanted, or the sentence alone.

    Returns:
        The sentence, after the table where that is wanted.
    """
    return []


def raw(found: ClockReport | None) -> Table:
    """The clocks for programs: one row for each stage.

    Args:
        found: the clocks, or None for a table without rows.
    """
    return Table((Column("stage", right=False),), ())
