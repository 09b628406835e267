"""What a report holds, from top to bottom, whatever its syntax."""

from __future__ import annotations

from rnnprof.analysis.result import Breakdown
from rnnprof.renderers.table import (
    advice_blocks,
    clock_tables,
    function_tables,
    operator_tables,
    probe_tables,
    stage_tables,
)
from rnnprof.renderers.table.model import Block, Table, Words

PROBE = ("waits", "work", "memory")
PARTS = ("stages", "functions", "operators", "clocks", *PROBE, "advice")
"""What may be asked for alone; those of `PROBE` come from the probe."""


def blocks(breakdown: Breakdown, only: str = "") -> list[Block]:
    """What a report for reading holds.

    Args:
        breakdown: the result.
        only: one of `PARTS`, or empty for everything that there is.

    Returns:
        Words and tables, from top to bottom.
    """
    command, about = stage_tables.heading(breakdown)
    found: list[Block] = [Words("title", (command,)), Words("about", (about,))]
    if only in ("", "stages"):
        found.append(stage_tables.lanes(breakdown))
        if breakdown.step:
            found.append(Words("facts", tuple(stage_tables.step_lines(breakdown.step))))
        found.append(stage_tables.stages(breakdown))
        found.append(Words("legend", tuple(stage_tables.legend(breakdown))))
    if only in ("", "clocks") and breakdown.clocks:
        found += clock_tables.blocks(breakdown.clocks, whole=bool(only))
    if only in ("", *PROBE) and breakdown.probe:
        found += probe_tables.blocks(breakdown.probe, only)
    if only in ("", "functions") and breakdown.functions:
        found += function_tables.blocks(breakdown.functions)
    if only in ("", "operators") and breakdown.traces:
        found += operator_tables.blocks(breakdown.traces, breakdown.agreement)
    if only in ("", "stages"):
        found.append(Words("cost", (breakdown.perturbation.sentence,)))
        found.append(Words("notes", breakdown.notes))
    if only in ("", "advice") and breakdown.advice:
        found += advice_blocks.blocks(breakdown.advice, whole=bool(only))
    return found


def raw(breakdown: Breakdown, only: str = "") -> Table:
    """The one table that a program reads.

    Args:
        breakdown: the result.
        only: one of `PARTS`; the stages where it is empty.
    """
    if only == "functions":
        return function_tables.raw(breakdown.functions)
    if only == "operators":
        return operator_tables.raw(breakdown.traces)
    if only == "clocks":
        return clock_tables.raw(breakdown.clocks)
    if only in PROBE:
        return probe_tables.raw(breakdown.probe, only)
    if only == "advice":
        return advice_blocks.raw(breakdown.advice)
    return stage_tables.raw(breakdown)
