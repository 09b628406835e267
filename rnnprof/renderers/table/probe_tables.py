"""What a report for reading shows of the probe: where the host waits, and the memory of the stages."""

from __future__ import annotations

from collections.abc import Sequence

from rnnprof import units
from rnnprof.analysis.probed import MemoryReport, MemoryRow, ProbeReport, WaitRow
from rnnprof.renderers.table import probe_raw, work_table
from rnnprof.renderers.table.model import Block, Column, Row, Table, Words, duration, many
from rnnprof.renderers.table.probe_parts import NAME, filled, growth, size

CPU = "cpu"
MOST = 8
"""Waits in a short report."""
PLACE = 30
"""Width of a place in the program that is kept free before a column is."""

MEANINGS = {
    "growth": "what is allocated at a stage's end over its beginning, child stages included",
    "above": "the most in between",
    "peak": "that with all that was there before",
    "reserved": "growth of what torch holds of the device",
}
"""What the columns of memory mean."""

WAITS = (
    Column("count"),
    Column("waited", rank=1),
    Column("share", rank=2),
    Column("stage", rank=3),
    Column("can go", rank=4),
)


def blocks(found: ProbeReport, only: str) -> list[Block]:
    """What a report for reading shows of the probe.

    Args:
        found: what the probed step showed.
        only: ``waits``, ``work``, ``memory``, or empty for the essence of each.

    Returns:
        Tables, each with its legend.
    """
    shown: list[Block] = []
    if only in ("", "waits"):
        shown += _waits(found, MOST if not only else None)
    if only in ("", "work"):
        shown += work_table.blocks(found, whole=bool(only))
    if only == "memory":
        shown += _memory(found)
    return shown


def raw(found: ProbeReport | None, only: str) -> Table:
    """One of the tables for programs.

    Args:
        found: what the probed step showed, or None for a table without rows.
        only: ``waits``, ``work`` or ``memory``.
    """
    return probe_raw.TABLES[only](found)


def _waits(probe: ProbeReport, most: int | None) -> list[Block]:
    found = probe.waits
    sentence = Words("legend", (found.sentence,))
    if not found.rows:
        # On a CPU, that nothing would wait is for those who ask.
        return [sentence] if most is None or probe.device != CPU else []
    shown = found.rows[:most]
    columns = WAITS if most is None else WAITS[:-1]
    rows = [row for one in shown for row in _wait(one, source=most is None)]
    waits = "would wait" if probe.device == CPU else "waits"
    title = f"Where the host {waits} (step {units.count(probe.step)})"
    table = filled(Column("place, call", right=False), columns, rows, title, PLACE)
    left = found.places - len(shown)
    lines = [f"And {many(left, 'more place')}; `--only waits` shows all that the run keeps."] if left else []
    if most is None:
        lines = [f"And {many(left, 'more place')} that the run does not keep."] if left else []
    lines += _ways(shown)
    return [sentence, table, *([Words("legend", tuple(lines))] if lines else [])]


def _wait(one: WaitRow, source: bool) -> list[Row]:
    """A place, and below it what stands there and where in a library it waits."""
    first = f"{units.visible(one.place)} {units.visible(one.call)}"
    cells = (first, units.count(one.count), duration(one.waited_ns), one.percent, units.visible(one.stage))
    if not source:
        return [Row(cells)]
    can_go = "–" if one.can_go is None else "yes" if one.can_go else "no"
    below = [words for words in (one.source, one.library and f"in {one.library}") if words]
    return [
        Row((*cells, can_go)),
        *(Row((units.visible(words), *("" for _ in WAITS)), 1, quiet=True) for words in below),
    ]


def _ways(shown: Sequence[WaitRow]) -> list[str]:
    """Why the host waits, and what to write instead: once, of all for which it is the same."""
    forms: dict[tuple[str, str], dict[str, None]] = {}
    for one in shown:
        if one.form:
            forms.setdefault((one.why, one.instead), {})[one.form] = None
    return [
        units.visible(f"{', '.join(those)}: {' '.join(part for part in words if part)}")
        for words, those in forms.items()
    ]


def _memory(found: ProbeReport) -> list[Block]:
    shown: list[Block] = []
    columns = (Column("growth"), Column("above", rank=1), Column("peak", rank=2), Column("reserved", rank=3))
    for memory in found.memory:
        title = f"Memory of each stage: {units.visible(memory.place)} (step {units.count(found.step)})"
        rows = [_memory_row(row) for row in memory.rows]
        if rows:
            shown.append(filled(Column("stage", right=False), columns, rows, title, NAME))
        if words := _memory_words(memory):
            shown.append(Words("legend", (words,)))
    if not shown:
        return [Words("legend", ("The probe saw no memory.",))]
    titles = {column.title for block in shown if isinstance(block, Table) for column in block.columns}
    words = "; ".join(f"{title}: {meaning}" for title, meaning in MEANINGS.items() if title in titles)
    return [*shown, *([Words("legend", (f"{words}.",))] if words else [])]


def _memory_row(row: MemoryRow) -> Row:
    cells = (
        units.visible(row.name),
        growth(row.allocated_bytes),
        size(row.above_bytes),
        size(row.peak_bytes),
        growth(row.reserved_bytes),
    )
    return Row(cells, max(len(row.path) - 1, 0), quiet=not row.path)


def _memory_words(memory: MemoryReport) -> str:
    """The most that was allocated, and what is held, of how much."""
    of = "" if memory.total_bytes is None else f" of {units.size(memory.total_bytes)}"
    parts = []
    if memory.peak_bytes is not None:
        share = "" if memory.peak_share is None else f" ({memory.peak_percent}{of})"
        parts.append(f"at most {units.size(memory.peak_bytes)} is allocated{share}")
    if memory.reserved_bytes is not None:
        share = "" if memory.reserved_share is None else f" ({memory.reserved_percent}{of})"
        parts.append(f"torch holds {units.size(memory.reserved_bytes)}{share}")
    return f"{units.visible(memory.place)}: {', '.join(parts)}." if parts else ""
