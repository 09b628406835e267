"""The tables of the probe: where the host waits, what each stage computes, what memory it takes."""

from __future__ import annotations

from rnnprof.analysis.probed import ProbeReport
from rnnprof.renderers.table.model import Block, Column, Table


def blocks(found: ProbeReport, only: str) -> list[Block]:
    """What a report for reading shows of the probe.

    Args:
        found: what the probed step showed.
        only: ``waits``, ``work``, ``memory``, or empty for the essence of each.

    Returns:
        Tables, each with its legend.
    """
    return []


def raw(found: ProbeReport | None, only: str) -> Table:
    """One of the tables for programs.

    Args:
        found: what the probed step showed, or None for a table without rows.
        only: ``waits``, ``work`` or ``memory``.
    """
    return Table((Column("stage", right=False),), ())
