"""What the tab shows of a run, as JSON: words that renderers write, and numbers to draw by.

The page computes nothing that is read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rnnprof import units
from rnnprof.analysis.advice.advised import Advice
from rnnprof.analysis.breakdown import breakdown
from rnnprof.analysis.course import Course, course
from rnnprof.analysis.result import Breakdown
from rnnprof.model import Json, Run

if TYPE_CHECKING:
    from rnnprof.renderers.table.model import Block, Table

POINTS = 160
"""Most points of a chart."""
TICKS = 5
"""About how many numbers stand at an axis."""


def run(recorded: Run, by: str) -> Json:
    """Everything that the tab shows of one run but for its flowchart.

    Args:
        recorded: the run.
        by: what 100 % is, ``"step"`` or ``"run"``.

    Returns:
        ``{"error": sentence}`` where it holds no time yet, else:
        ``heading`` (command, machine), ``by``, ``stages`` and ``lanes`` (see `_table`), ``main`` (title of
        the section that the course is of, or empty), ``steps``, ``notes`` and ``legend`` (sentences),
        ``course`` (see `_course`, or null), ``traces`` (a list of blocks for each window),
        ``functions`` and ``advice`` (blocks; see `_block`).

    Raises:
        UsageError: ``by`` is neither.
    """
    from rnnprof.analysis.advice.advise import examined
    from rnnprof.renderers.table import function_tables, operator_tables, stage_tables

    result = examined(recorded, by)
    if result.run_ns == 0 and result.step is None:
        return {"error": "the run holds no time yet"}
    stages = stage_tables.stages(result)
    return {
        "heading": stage_tables.heading(result),
        "by": result.by,
        "stages": _table(stages),
        "main": stages.sections[0].title if result.step else "",
        "lanes": _table(stage_tables.lanes(result)),
        "steps": stage_tables.step_lines(result.step) if result.step else [],
        "notes": _notes(result),
        "legend": stage_tables.legend(result),
        "course": _course(course(recorded, POINTS)),
        "traces": [_blocks(operator_tables.blocks((each,), result.agreement)) for each in result.traces],
        "functions": _blocks(function_tables.blocks(result.functions)) if result.functions else [],
        "advice": _advice(result.advice),
    }


def flowchart(recorded: Run, by: str) -> str:
    """The flowchart as SVG.

    Args:
        recorded: the run.
        by: what 100 % is.

    Raises:
        UsageError: ``by`` is neither.
    """
    from rnnprof.renderers import flowchart as renderer

    return renderer.render(breakdown(recorded, by), "svg")


def _notes(result: Breakdown) -> list[str]:
    """What to know before trusting the numbers."""
    sentence = result.perturbation.sentence
    return [*([sentence] if sentence else []), *map(units.visible, result.notes)]


def _advice(advice: Advice | None) -> list[Json]:
    """All findings, and which checks could not be made; nothing where none could."""
    from rnnprof.renderers.table import advice_blocks

    return _blocks(advice_blocks.blocks(advice, whole=True)) if advice and advice.checked else []


def _blocks(blocks: Sequence[Block]) -> list[Json]:
    """Tables, words and numbered lists, from top to bottom: see `_block`."""
    return [_block(each) for each in blocks]


def _block(block: Block) -> Json:
    """``{"table": ...}``, ``{"lines": [...]}`` or ``{"items": [...]}``.

    A list has its ``sentence`` as well; each of its items a ``title`` and ``lines``.
    """
    from rnnprof.renderers.table.model import Items, Words

    if isinstance(block, Words):
        return {"lines": list(map(units.visible, block.lines))}
    if isinstance(block, Items):
        items = [
            {"title": units.visible(item.title), "lines": list(map(units.visible, item.lines))}
            for item in block.items
        ]
        return {"sentence": block.sentence, "items": items}
    return {"table": _table(block)}


def _table(table: Table) -> Json:
    """A table of words.

    Returns:
        ``columns`` with ``title`` and ``right``; ``sections`` with ``title`` and ``rows``, which have
        ``cells``, ``depth``, ``share`` (of a bar, or null), ``quiet``, ``head``, and a ``key`` by which
        the same row is found in another run.
    """
    sections = []
    for section in table.sections:
        rows: list[Json] = []
        path: list[str] = []
        for row in section.rows:
            path[row.depth :] = [row.cells[0]]
            rows.append(
                {
                    "key": [*path, "remainder"] if row.quiet else list(path),
                    "depth": row.depth,
                    "cells": row.cells,
                    "share": row.share,
                    "quiet": row.quiet,
                    "head": row.head,
                }
            )
        sections.append({"title": section.title, "rows": rows})
    return {
        "columns": [{"title": column.title, "right": column.right} for column in table.columns],
        "sections": sections,
    }


def _course(found: Course | None) -> Json | None:
    """The course of the stages, to be drawn as areas upon each other.

    Returns:
        ``title``; ``steps`` (x) and ``words`` for each point; ``lines`` with ``name``, ``key``, ``own``
        (y, nanoseconds) and ``words`` for each point; ``top`` (y); ``x_ticks`` and ``y_ticks`` with
        ``at`` and ``words``.
    """
    if found is None or len(found.steps) < 2:
        return None
    points = range(len(found.steps))
    tenths = [units.tenths([line.shares[at] for line in found.lines]) for at in points]
    # Where two clocks disagree, the stages can be more than their step.
    top = max(sum(line.own_ns[at] for line in found.lines) for at in points)
    lines = [
        {
            "name": " / ".join(units.visible(name) for name in line.path),
            "key": [*map(units.visible, line.path), *(["remainder"] if line.remainder else [])],
            "own": [round(own) for own in line.own_ns],
            "words": [
                f"{units.duration(line.own_ns[at])}, {units.percent(tenths[at][place], line.shares[at])}"
                for at in points
            ],
        }
        for place, line in enumerate(found.lines)
    ]
    return {
        "title": f"{units.visible(found.lane)}: self time of each stage in one step, over the steps",
        "steps": found.steps,
        "words": [
            f"step {units.count(found.steps[at])}: {units.duration(found.step_ns[at])}" for at in points
        ],
        "lines": lines,
        "top": top,
        "x_ticks": [{"at": at, "words": units.count(at)} for at in _ticks(found.steps[0], found.steps[-1])],
        "y_ticks": [{"at": at, "words": units.duration(at) if at else "0"} for at in _ticks(0, top)],
    }


def _ticks(low: float, high: float) -> list[int]:
    """Round whole numbers from low to high, evenly spaced by 1, 2 or 5 times a power of ten."""
    rough = max((high - low) / TICKS, 1)
    power = 10 ** math.floor(math.log10(rough))
    space = next(part * power for part in (1, 2, 5, 10) if part * power >= rough * 0.999)
    return [at * space for at in range(math.ceil(low / space), math.floor(high / space) + 1)]
