"""A comparison as words and tables: the verdict, each stage's difference, what else differs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rnnprof import units
from rnnprof.analysis.compared import CUT, Change, Comparison, Side, StageChange, StepChange
from rnnprof.analysis.result import Interval
from rnnprof.renderers.table.model import Block, Column, Row, Section, Table, Words, exact, many, whole

TIMED = {
    "host": "timed by the host's clock",
    "sync": "timed with a synchronization at every mark",
    "event": "timed by events on the device",
}
RANGE = "its 95 % confidence interval, those of all stages together"
CUT_MARK = "*"
CUT_LEGEND = (
    "*: visits longer than twice the median are counted as that long, which shows more; the effect counts "
    "them in full."
)

NAMED = 4
"""Files of a side that are named."""

Cells = Sequence[tuple[Column, Callable[[StageChange], str], Callable[[StepChange], str]]]


def blocks(found: Comparison) -> list[Block]:
    """What a comparison for reading holds.

    Args:
        found: the comparison.

    Returns:
        Words and tables, from top to bottom.
    """
    step = found.step
    page: list[Block] = [
        Words("title", (units.visible(step.sentences[0][:1].upper() + step.sentences[0][1:]),)),
        Words("facts", (*step.sentences[1:], _side("before", found.before), _side("after", found.after))),
        _stages(found),
        *([Words("legend", (CUT_LEGEND,))] if any(map(_is_cut, found.stages)) else []),
    ]
    if found.unlike:
        lines = tuple(
            f"{one.what}: {_short(one.before)} before, {_short(one.after)} after" for one in found.unlike
        )
        page += [Words("legend", ("What else differs:",)), Words("notes", lines)]
    warnings = [f"Compared by force: {reason}." for reason in found.forced]
    if warnings or found.notes:
        page += [Words("legend", ("To know before trusting it:",)), Words("notes", (*warnings, *found.notes))]
    return page


def _side(which: str, side: Side) -> str:
    """The runs of a side, and how many steps they have."""
    names = [units.visible(name) for name in side.names[:NAMED]]
    more = f" and {len(side.names) - NAMED} others" if len(side.names) > NAMED else ""
    timed = TIMED.get(side.kinds[0], f"of the kind {side.kinds[0]}")
    runs = f"{many(len(side.names), 'run')}, " if len(side.names) > 1 else ""
    steps = many(sum(side.steps), "step")
    label = "" if side.names[0].startswith(f"{which} ") else f"{which}: "
    return f"{label}{', '.join(names)}{more} ({runs}{steps} of {units.visible(side.lane)} {timed})"


def _stages(found: Comparison) -> Table:
    """One row for each stage, and one for the whole step."""
    shown: Cells = (
        (Column("stage", right=False), lambda row: units.visible(row.name), lambda step: "one step"),
        (Column("verdict", right=False), _verdict, _verdict),
        (Column("change", means="of the time per step, the stages in it included"), _change, _change),
        (Column("range", rank=1, means=RANGE), lambda row: row.range, lambda step: step.range),
        (Column("before", rank=4), lambda row: _time(row, "before"), lambda step: _time(step, "before")),
        (Column("after", rank=3), lambda row: _time(row, "after"), lambda step: _time(step, "after")),
        (
            Column("effect", rank=2, means="the change over the step before"),
            lambda row: row.effect_percent,
            lambda step: units.signed(step.effect),
        ),
        (Column("part", rank=5, means="over the step's change"), lambda row: row.part_percent, _whole_part),
    )
    rows = [
        Row(tuple(cell(row) for _, cell, _ in shown), row.depth, quiet=row.remainder) for row in found.stages
    ]
    rows.append(Row(tuple(cell(found.step) for _, _, cell in shown), head=True))
    return Table(tuple(column for column, _, _ in shown), (Section("", tuple(rows)),))


def _verdict(row: Change) -> str:
    return row.verdict


def _change(row: Change) -> str:
    return row.percent + (CUT_MARK if _is_cut(row) else "")


def _is_cut(row: Change) -> bool:
    return row.basis == CUT


def _time(row: Change, side: str) -> str:
    ns = row.before_ns if side == "before" else row.after_ns
    return units.duration(ns) if ns else "–"


def _whole_part(step: StepChange) -> str:
    return "100 %" if step.verdict != "no difference shown" else "–"


def _short(text: str, most: int = 160) -> str:
    """A value that fits beside another; what differs is often at the end."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-most // 2 :]}"


def raw(found: Comparison) -> Table:
    """The comparison for programs: one row for each stage, and one for the step with an empty path."""
    shown: Sequence[tuple[Column, Callable[[StageChange], str], Callable[[StepChange], str]]] = (
        (Column("stage", right=False), lambda row: row.name, lambda step: "one step"),
        (Column("path", right=False), lambda row: "/".join(row.path), lambda step: ""),
        (Column("remainder"), lambda row: str(row.remainder).lower(), lambda step: "false"),
        (Column("only", right=False), lambda row: row.only, lambda step: ""),
        (Column("verdict", right=False), _verdict, _verdict),
        (Column("basis", right=False), lambda row: row.basis, lambda step: step.basis),
        *(
            (Column(name), _whole(name), _whole(name))
            for name in ("before_ns", "after_ns", "change_ns")
        ),
        (Column("low_ns"), _low_ns, _low_ns),
        (Column("high_ns"), _high_ns, _high_ns),
        (Column("ratio"), _ratio, _ratio),
        (Column("low"), _low, _low),
        (Column("high"), _high, _high),
        (Column("smallest"), _smallest, _smallest),
        (Column("effect_ns"), lambda row: whole(row.effect_ns), lambda step: whole(step.effect_ns)),
        (Column("effect"), lambda row: exact(row.effect), lambda step: exact(step.effect)),
        (Column("part"), lambda row: exact(row.part), lambda step: ""),
    )  # fmt: skip
    rows = [Row(tuple(cell(row) for _, cell, _ in shown)) for row in found.stages]
    rows.append(Row(tuple(cell(found.step) for _, _, cell in shown)))
    return Table(tuple(column for column, _, _ in shown), (Section("", tuple(rows)),))


def _whole(name: str) -> Callable[[Change], str]:
    return lambda row: whole(getattr(row, name))


def _low_ns(row: Change) -> str:
    return whole(_end(row.interval_ns, 0))


def _high_ns(row: Change) -> str:
    return whole(_end(row.interval_ns, 1))


def _ratio(row: Change) -> str:
    return exact(row.ratio)


def _low(row: Change) -> str:
    return exact(_end(row.interval, 0))


def _high(row: Change) -> str:
    return exact(_end(row.interval, 1))


def _smallest(row: Change) -> str:
    return exact(row.smallest)


def _end(interval: Interval | None, end: int) -> float | None:
    return None if interval is None else interval[end]
