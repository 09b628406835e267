"""The clocks side by side, and the sentence on which stage the host's clock blamed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rnnprof import units
from rnnprof.analysis.clock_verdicts import WORDS
from rnnprof.analysis.clocked import BusyTime, ClockReport, ClockRow, ClockTime, Interval
from rnnprof.renderers.table.model import (
    UNKNOWN,
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

TITLES = {"host": "host", "sync": "sync", "event": "device"}
MEANINGS = {
    "host": "host: by the host's clock, as time.time() would have it",
    "sync": "sync: with a synchronization at every mark",
    "event": "device: by events on the device",
}
RANKS = {"host": (0, 10, 6), "sync": (2, 12, 8), "event": (0, 9, 5)}
"""For each clock, how soon its share, the share's spread and the time are left out."""
POINTER = "All clocks side by side: rnnprof report FILE --clocks."

Cells = Sequence[tuple[Column, Callable[[ClockRow], str]]]


def blocks(found: ClockReport, whole: bool) -> list[Block]:
    """What a report for reading shows of the clocks.

    Args:
        found: the clocks.
        whole: whether the table is wanted, or the sentence alone.

    Returns:
        The table where it is wanted, and the sentences.
    """
    said = [found.sentence, *found.remarks]
    if not whole:
        said += [found.bound.sentence] if found.bound.verdict else []
        return [Words("legend", tuple(units.visible(line) for line in (*said, POINTER)))]
    said.append(found.bound.sentence)
    said += [found.sync_cost.sentence] if found.sync_cost else []
    lines = tuple(units.visible(line) for line in said)
    return [_table(found), Words("legend", _legend(found)), Words("facts", lines)]


def _table(found: ClockReport) -> Table:
    """One row for each stage, and one for the whole step."""
    shown: list[tuple[Column, Callable[[ClockRow], str], str]] = [
        (Column("stage", right=False), lambda row: units.visible(row.name), "one step")
    ]
    for column in found.columns:
        share, spread, time = RANKS[column.kind]
        of = _of(column.kind)
        shown += [
            (Column(TITLES[column.kind], rank=share), _share(of), "100 %" if column.step_ns else "–"),
            (Column("±", rank=spread), _points(of), ""),
            (Column("time", rank=time), _time(of), units.duration(column.step_ns)),
        ]
    if found.traced:
        total = found.traced.total
        shown += [
            (Column("busy", rank=3), _busy("busy_per_step_ns"), units.duration(total.busy_per_step_ns)),
            (Column("gaps", rank=4), _busy("gap_per_step_ns"), units.duration(total.gap_per_step_ns)),
            (Column("busy %", rank=7), _busy_percent, total.busy_percent),
            (Column("launches", rank=11), _launches, rate(total.launches_per_step)),
        ]
    if any((found.bound.verdict, *(row.verdict for row in found.stages))):
        shown.append((Column("bound", right=False, rank=1), lambda row: row.verdict, found.bound.verdict))
    rows = [
        Row(tuple(cell(row) for _, cell, _ in shown), max(len(row.path) - 1, 0), quiet=row.remainder)
        for row in found.stages
    ]
    rows.append(Row(tuple(total for _, _, total in shown), quiet=True))
    title = f"Clocks side by side ({units.visible(found.lane)}, self time in one step)"
    return Table(tuple(column for column, _, _ in shown), (Section(title, tuple(rows)),))


def _legend(found: ClockReport) -> tuple[str, ...]:
    words = [f"{MEANINGS[column.kind]} ({many(column.steps, 'step')})" for column in found.columns]
    if found.traced:
        steps = many(found.traced.steps, "step")
        words.append(
            f"busy, gaps: a kernel ran, or the device waited for the stage's next one ({steps} traced)"
        )
    words.append("±: 95 % confidence, in points of a percent")
    used = {row.verdict for row in found.stages} | {found.bound.verdict}
    bounds = [f"{word}, {WORDS[word]}" for word in WORDS if word in used]
    return "; ".join(words) + ".", *([f"bound: {'; '.join(bounds)}."] if bounds else [])


def _of(kind: str) -> Callable[[ClockRow], ClockTime | None]:
    return lambda row: {"host": row.host, "sync": row.sync, "event": row.event}[kind]


def _share(of: Callable[[ClockRow], ClockTime | None]) -> Callable[[ClockRow], str]:
    return lambda row: one.percent if (one := of(row)) else "–"


def _time(of: Callable[[ClockRow], ClockTime | None]) -> Callable[[ClockRow], str]:
    return lambda row: duration(one.per_step_ns if (one := of(row)) else None)


def _points(of: Callable[[ClockRow], ClockTime | None]) -> Callable[[ClockRow], str]:
    """Half the interval of the share, in percentage points."""

    def points(row: ClockRow) -> str:
        one = of(row)
        if one is None or one.share is None:
            return ""
        if one.share_half is None:
            return UNKNOWN
        return "±<0.1" if 0 < one.share_half < 0.0005 else f"±{100 * one.share_half:.1f}"

    return points


def _busy(what: str) -> Callable[[ClockRow], str]:
    return lambda row: duration(None if row.busy is None else getattr(row.busy, what))


def _busy_percent(row: ClockRow) -> str:
    return row.busy.busy_percent if row.busy else "–"


def _launches(row: ClockRow) -> str:
    return rate(row.busy.launches_per_step) if row.busy else "–"


def raw(found: ClockReport | None) -> Table:
    """The clocks for programs: one row for each stage.

    Args:
        found: the clocks, or None for a table without rows.
    """
    shown: list[tuple[Column, Callable[[ClockRow], str]]] = [
        (Column("stage", right=False), lambda row: row.name),
        (Column("path", right=False), lambda row: "/".join(row.path)),
        (Column("remainder"), lambda row: str(row.remainder).lower()),
    ]
    for kind, title in TITLES.items():
        shown += [(Column(f"{title}_{name}"), cell) for name, cell in _raw_clock(_of(kind))]
    for name in ("busy_per_step_ns", "gap_per_step_ns"):
        shown.append((Column(name), _raw_busy(name, whole)))
    for name in ("busy_share", "launches_per_step"):
        shown.append((Column(name), _raw_busy(name, exact)))
    shown += [
        (Column("bound", right=False), lambda row: row.verdict),
        (Column("because", right=False), lambda row: row.because),
    ]
    rows = tuple(Row(tuple(cell(row) for _, cell in shown)) for row in (found.stages if found else ()))
    return Table(tuple(column for column, _ in shown), (Section("", rows),))


def _raw_clock(of: Callable[[ClockRow], ClockTime | None]) -> list[tuple[str, Callable[[ClockRow], str]]]:
    def known(cell: Callable[[ClockTime], str]) -> Callable[[ClockRow], str]:
        return lambda row: cell(one) if (one := of(row)) else ""

    return [
        ("per_step_ns", known(lambda one: whole(one.per_step_ns))),
        ("low_ns", known(lambda one: whole(_end(one.interval_ns, 0)))),
        ("high_ns", known(lambda one: whole(_end(one.interval_ns, 1)))),
        ("share", known(lambda one: exact(one.share))),
        ("percent", known(lambda one: "" if one.share is None else one.percent)),
        ("share_low", known(lambda one: exact(_end(one.share_interval, 0)))),
        ("share_high", known(lambda one: exact(_end(one.share_interval, 1)))),
    ]


def _raw_busy(name: str, form: Callable[[float | None], str]) -> Callable[[ClockRow], str]:
    def cell(row: ClockRow) -> str:
        busy: BusyTime | None = row.busy
        return form(None if busy is None else getattr(busy, name))

    return cell


def _end(interval: Interval | None, end: int) -> float | None:
    return None if interval is None else interval[end]
