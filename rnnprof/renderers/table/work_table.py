"""The table of what each stage computes, over its time and against what the device can do."""

from __future__ import annotations

from collections.abc import Callable

from rnnprof import units
from rnnprof.analysis.probed import ProbeReport, WorkRow
from rnnprof.renderers.table.model import Block, Column, Row, Words, duration
from rnnprof.renderers.table.probe_parts import NAME, filled, metric, size

Cells = tuple[tuple[Column, Callable[[WorkRow], str], bool], ...]
"""Columns with what they show of a row, and whether a short report has them."""
POINTER = "Stage by stage: rnnprof report FILE --only work, or --only memory."

WORK: Cells = (
    (Column("FLOPs"), lambda row: metric(row.flops), True),
    (Column("FLOP/s", rank=3), lambda row: metric(row.flops_per_second), True),
    (Column("of peak", rank=2), lambda row: row.compute_percent, True),
    (Column("bytes", rank=8), lambda row: metric(row.bytes), False),
    (Column("bytes/s", rank=6), lambda row: metric(row.bytes_per_second), True),
    (Column("of peak", rank=4), lambda row: row.memory_percent, True),
    (Column("FLOP/byte", rank=9), lambda row: metric(row.intensity), False),
    (
        Column("time", rank=7),
        lambda row: duration(row.busy_ns if row.basis == "busy" else row.self_ns),
        False,
    ),
    (Column("idle", rank=10), lambda row: row.idle_percent, False),
    (Column("bound by", rank=1), lambda row: row.verdict, True),
    (Column("memory", rank=5), lambda row: size(row.peak_bytes), True),
)


def blocks(found: ProbeReport, whole: bool) -> list[Block]:
    """What a report for reading shows of the stages' work.

    Args:
        found: what the probed step showed.
        whole: whether it shows all columns and every reason.

    Returns:
        A table and its legend.
    """
    work = found.work
    if not whole and work.peaks is None:
        # Rates alone say little: of what the device can do, they say what is to be gained.
        return [Words("legend", (f"{work.sentence} {POINTER}",))] if work.sentence else []
    done = [row.path for row in work.rows if row.operators]
    if not done:
        return [Words("legend", ("No operator that computes was seen in the probed step.",))]
    around = {path[:end] for path in done for end in range(len(path) + 1)}
    shown = [row for row in work.rows if row.path in around and (row.path or row.operators)]
    columns = [column for column, _, short in WORK if short or whole]
    rows = []
    for row in (*shown, work.step):
        depth = max(len(row.path) - 1, 0)
        cells = tuple(cell(row) if row.operators else "" for _, cell, short in WORK if short or whole)
        name = units.visible(row.name)
        rows.append(Row((name, *cells), depth, quiet=not row.path))
    table = filled(Column("stage", right=False), columns, rows, "What each stage does (one step)", NAME)
    titles = [column.title for column in table.columns]
    words = "FLOPs, bytes: of the operators of a stage, child stages apart; bytes as if nothing was cached."
    if "of peak" in titles:
        words += " of peak: of what the device can do of the number on its left."
        if any((row.memory_share or 0) > 1 for row in (*shown, work.step)):
            words += " Above 100 % of bytes/s, caches serve a part."
    if "bound by" in titles:
        words += " bound by: what explains half of the time or more."
    if "memory" in titles:
        what = "most that is allocated" if work.absolute else "most that a stage adds to what is allocated"
        words += f" memory: {what} on {units.visible(work.place)}, child stages included."
    lines = [words, *map(units.visible, work.notes)]
    # Without peaks a note has said why there is no verdict.
    said = [row for row in (*shown, work.step) if row.reason and (work.peaks or row.verdict)]
    lines += [units.visible(f"{'/'.join(row.path) or row.name}: {_said(row)}.") for row in said * whole]
    return [table, Words("legend", tuple(lines))]


def _said(row: WorkRow) -> str:
    return f"{row.verdict}, {row.reason}" if row.verdict else row.reason
