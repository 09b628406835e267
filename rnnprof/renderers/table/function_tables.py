"""The tables of functions, and the words below them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rnnprof import units
from rnnprof.analysis.captured import FunctionReport, FunctionRow, FunctionTable
from rnnprof.renderers.table.model import (
    Block,
    Column,
    Row,
    Section,
    Table,
    Words,
    duration,
    exact,
    many,
    rate,
    whole,
)
from rnnprof.stages import OTHER

NAME = 30
"""Width of a function's name that is kept free before a column is."""
COLUMNS = (
    Column("function", right=False),
    Column("share", bar=True),
    Column("own"),
    Column("per call", rank=3),
    Column("total", rank=2),
    Column("per call", rank=4),
    Column("calls", rank=1),
)
STAGE_COLUMNS = (
    Column("stage, function", right=False),
    Column("share", bar=True),
    Column("own"),
    Column("calls", rank=1),
)


def blocks(found: FunctionReport) -> list[Block]:
    """What a report for reading shows of the functions.

    Args:
        found: what cProfile saw.

    Returns:
        Two tables, each with its legend: the functions of the loop, or of the set-up where there is
        none, and those of each stage, where these were told apart.
    """
    where, top = "from the first step on", found.loop
    if not top.own_ns:
        where, top = "before the first step", found.setup
    if not top.functions:
        return [Words("legend", ("cProfile saw no function that took time.",))]
    title = f"Functions {where} (cProfile, {units.duration(top.own_ns)})"
    words = "own: time in the function itself; total: with those that it calls; share: of all own time."
    if found.loop_file:
        words += (
            f" All functions: {units.visible(found.loop_file)}, with the set-up {units.visible(found.file)}."
        )
    elif found.file:
        words += f" All functions: {units.visible(found.file)}."
    shown: list[Block] = [_top(title, top), Words("legend", (words,))]
    if found.stages:
        rows = [row for stage in found.stages for row in _stage(stage, found.steps)]
        title = f"Functions of each stage (cProfile, {many(found.steps, 'step')}, time in one step)"
        shown.append(Table(STAGE_COLUMNS, (Section(title, tuple(rows)),), bars=True, name=NAME))
        words = (
            "own, calls: means of these steps, which cProfile slowed unequally; share: of all own time in "
        )
        words += "them. CSV and JSON have all functions."
        shown.append(Words("legend", (words,)))
    return shown


def _top(title: str, found: FunctionTable) -> Table:
    rows = [_row(one) for one in found.functions[: found.shown]]
    if found.unshown:
        rows.append(_row(found.unshown))
    return Table(COLUMNS, (Section(title, tuple(rows)),), name=NAME)


def _row(one: FunctionRow) -> Row:
    cells = (
        units.visible(one.name),
        one.percent,
        units.duration(one.own_ns),
        duration(one.own_each_ns),
        duration(one.total_ns),
        duration(one.total_each_ns),
        _calls(one),
    )
    return Row(cells, share=one.share, quiet=one.remainder)


def _calls(one: FunctionRow) -> str:
    """All calls, and behind a slash those that were not recursive, where these are fewer."""
    if one.calls is None or one.primitive_calls is None:
        return "–"
    plain = units.count(one.calls)
    return plain if one.calls == one.primitive_calls else f"{plain}/{units.count(one.primitive_calls)}"


def _stage(stage: FunctionTable, steps: int) -> list[Row]:
    depth = max(len(stage.path) - 1, 0)
    name = units.visible(stage.path[-1]) if stage.path else OTHER
    cells = (name, stage.percent, duration(stage.own_per_step_ns), "")
    rows = [Row(cells, depth, stage.share, quiet=not stage.path, head=bool(stage.path))]
    for one in stage.functions[: stage.shown]:
        cells = (
            units.visible(one.name),
            one.percent,
            duration(one.own_per_step_ns),
            rate(one.calls_per_step),
        )
        rows.append(Row(cells, depth + 1, one.share))
    return rows


def raw(found: FunctionReport | None) -> Table:
    """All functions for programs: of the loop, of the set-up, and of each stage.

    Args:
        found: what cProfile saw, or None for a table without rows.
    """
    shown: Sequence[tuple[Column, Callable[[FunctionRow], str]]] = (
        (Column("function", right=False), lambda row: row.name),
        (Column("file", right=False), lambda row: row.file),
        (Column("line"), lambda row: "" if row.remainder else str(row.line)),
        (Column("name", right=False), lambda row: row.function),
        (Column("remainder"), lambda row: str(row.remainder).lower()),
        (Column("calls"), lambda row: exact(row.calls)),
        (Column("primitive_calls"), lambda row: exact(row.primitive_calls)),
        (Column("own_ns"), lambda row: str(row.own_ns)),
        (Column("total_ns"), lambda row: exact(row.total_ns)),
        (Column("own_per_call_ns"), lambda row: whole(row.own_each_ns)),
        (Column("total_per_call_ns"), lambda row: whole(row.total_each_ns)),
        (Column("share"), lambda row: exact(row.share)),
        (Column("percent"), lambda row: "" if row.share is None else row.percent),
        (Column("own_per_step_ns"), lambda row: whole(row.own_per_step_ns)),
        (Column("calls_per_step"), lambda row: exact(row.calls_per_step)),
    )
    places = (Column("part", right=False), Column("stage", right=False), Column("path", right=False))
    tables: list[tuple[str, FunctionTable]] = []
    if found:
        tables = [("loop", found.loop), ("setup", found.setup), *(("stage", one) for one in found.stages)]
    rows = []
    for part, table in tables:
        name = "" if part != "stage" else table.path[-1] if table.path else OTHER
        for one in table.functions:
            cells = (part, name, "/".join(table.path), *(cell(one) for _, cell in shown))
            rows.append(Row(cells))
    return Table((*places, *(column for column, _ in shown)), (Section("", tuple(rows)),))
