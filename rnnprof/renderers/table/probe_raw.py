"""The tables of the probe for programs: exact numbers, nothing for what is not known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rnnprof.analysis.probed import MemoryRow, ProbeReport, WaitRow, WorkRow
from rnnprof.renderers.table.model import Column, Row, Section, Table, exact, whole


def _table(words: Sequence[str], numbers: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    columns = [*(Column(title, right=False) for title in words), *(Column(title) for title in numbers)]
    return Table(tuple(columns), (Section("", tuple(Row(tuple(cells)) for cells in rows)),))


def _values(row: object, titles: Sequence[str]) -> list[str]:
    """Numbers of a row by their names: whole nanoseconds, exact fractions, nothing for unknown ones."""
    values = [getattr(row, title) for title in titles]
    return [
        whole(value) if title.endswith("_ns") else exact(value)
        for title, value in zip(titles, values, strict=True)
    ]


def _waits(found: ProbeReport | None) -> Table:
    words = (
        "place",
        "file",
        "function",
        "source",
        "library",
        "stage",
        "path",
        "way",
        "call",
        "form",
        "why",
        "instead",
    )
    numbers = ("line", "count", "waited_ns", "share")

    def cells(row: WaitRow) -> list[str]:
        path = "/".join(row.path)
        texts = [path if title == "path" else getattr(row, title) for title in words]
        can_go = "" if row.can_go is None else str(row.can_go).lower()
        return [*texts, can_go, *_values(row, numbers)]

    rows = [cells(row) for row in found.waits.rows] if found else []
    return _table((*words, "can_go"), numbers, rows)


def _work(found: ProbeReport | None) -> Table:
    """A row for each stage and for the step, and below it one for each type of number."""
    numbers = ("flops", "bytes", "operators")
    peak = ("peak_flops_per_second",)
    more = (
        *("self_ns", "busy_ns", "flops_per_second", "bytes_per_second", "intensity"),
        *("compute_share", "memory_share", "idle_share", "peak_bytes"),
    )

    def cells(kind: str, row: WorkRow) -> list[list[str]]:
        place = [row.name, "/".join(row.path)]
        said = [row.basis, row.verdict, row.reason]
        rows = [[kind, *place, "", *said, *_values(row, numbers), "", *_values(row, more)]]
        for one in row.types:
            known = [*_values(one, numbers), exact(one.peak)]
            rows.append(["type", *place, one.dtype, "", "", "", *known, *("" for _ in more)])
        return rows

    rows: list[list[str]] = []
    if found:
        rows = [each for row in found.work.rows for each in cells("stage", row)]
        rows += cells("step", found.work.step)
    words = ("kind", "stage", "path", "dtype", "basis", "verdict", "reason")
    return _table(words, (*numbers, *peak, *more), rows)


def _memory(found: ProbeReport | None) -> Table:
    numbers = ("allocated_bytes", "above_bytes", "peak_bytes", "reserved_bytes")
    of_place = ("begin_bytes", "total_bytes")

    def cells(place: str, row: MemoryRow) -> list[str]:
        return [place, row.name, "/".join(row.path), *_values(row, numbers)]

    rows = [
        [*cells(memory.place, row), *_values(memory, of_place)]
        for memory in (found.memory if found else ())
        for row in memory.rows
    ]
    return _table(("place", "stage", "path"), (*numbers, *of_place), rows)


TABLES: Mapping[str, Callable[[ProbeReport | None], Table]] = {
    "waits": _waits,
    "work": _work,
    "memory": _memory,
}
