"""The tables of stages and lanes, and the words around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rnnprof import units
from rnnprof.analysis.result import Breakdown, Interval, StageRow, StepSummary
from rnnprof.renderers.table.model import UNKNOWN, Column, Row, Section, Table, duration, exact, mean, whole

TIMED = {
    "host": "timed by the host's clock",
    "sync": "timed with a synchronization at every mark",
    "event": "timed by events on the device",
    "warmup": "of warmup",
    "control": "timed only at their two ends",
    "trace": "traced by torch.profiler",
    "cprofile": "watched by cProfile, stage by stage",
    "probe": "looked at closely",
}

Cells = Sequence[tuple[Column, Callable[[StageRow], str]]]


def stages(breakdown: Breakdown) -> Table:
    """The table of all stages for reading: the main lane's step first, then lane by lane."""
    shown: Cells = (
        (Column("stage", right=False), lambda row: units.visible(row.name)),
        (Column("share", bar=True), lambda row: row.percent),
        (Column("±", rank=4, bar=True), _points),
        (Column("total", rank=1), lambda row: row.total_percent),
        (Column("self", rank=6), lambda row: units.duration(row.self_ns)),
        (Column("time"), lambda row: units.duration(row.total_ns)),
        (Column("count", rank=3), lambda row: units.count(row.count)),
        (Column("mean", rank=8), lambda row: mean(row.mean_ns, row.half_ns) if row.in_step else "–"),
        (Column("median", rank=2), lambda row: duration(row.median_ns)),
        (Column("p95", rank=5), lambda row: duration(row.p95_ns)),
    )
    # The interval is of the share in a step; a part of the run is a sum, not an estimate.
    columns = [pair for pair in shown if breakdown.by == "step" or pair[0].title != "±"]
    groups: dict[tuple[str, bool], list[Row]] = {}
    for row in breakdown.stages:
        cells = tuple(cell(row) for _, cell in columns)
        groups.setdefault((row.lane, row.in_step), []).append(Row(cells, row.depth, row.share, row.remainder))
    main = (breakdown.step.lane, True) if breakdown.step else None
    order = sorted(groups, key=lambda group: group != main)
    sections = [Section(_section_title(breakdown, *group), tuple(groups[group])) for group in order]
    return Table(tuple(column for column, _ in columns), tuple(sections), bars=True)


def lanes(breakdown: Breakdown) -> Table:
    """The table of the lanes, and the run as their sum."""
    columns = (
        Column("lane", right=False),
        Column("time"),
        Column("share of run", rank=1),
        Column("visits", rank=3),
        Column("steps", rank=2),
        Column("mean step", rank=4),
    )
    rows = []
    for lane in breakdown.lanes:
        step = breakdown.steps.get(lane.name)
        each = mean(step.mean_ns, step.half_ns) if step else ""
        name = units.visible(lane.name) + (" (thread)" if lane.thread else "")
        number = units.count(lane.steps) if lane.steps else ""
        rows.append(
            Row((name, units.duration(lane.total_ns), lane.percent, units.count(lane.count), number, each))
        )
    if breakdown.run_ns:
        rows.append(Row(("run", units.duration(breakdown.run_ns), "100 %", "", "", ""), quiet=True))
    return Table(columns, (Section("", tuple(rows)),))


def raw(breakdown: Breakdown) -> Table:
    """The table of all stages for programs: one row for each stage and lane, whole nanoseconds."""
    shown: Cells = (
        (Column("stage", right=False), lambda row: row.name),
        (Column("path", right=False), lambda row: "/".join(row.path)),
        (Column("lane", right=False), lambda row: row.lane),
        (Column("in_step"), lambda row: str(row.in_step).lower()),
        (Column("remainder"), lambda row: str(row.remainder).lower()),
        (Column("depth"), lambda row: str(row.depth)),
        (Column("count"), lambda row: str(row.count)),
        (Column("share"), lambda row: exact(row.share)),
        (Column("percent"), lambda row: "" if row.share is None else row.percent),
        (Column("total_share"), lambda row: exact(row.total_share)),
        (Column("self_ns"), lambda row: str(row.self_ns)),
        (Column("total_ns"), lambda row: str(row.total_ns)),
        (Column("mean_ns"), lambda row: whole(row.mean_ns)),
        (Column("median_ns"), lambda row: whole(row.median_ns)),
        (Column("p95_ns"), lambda row: whole(row.p95_ns)),
        (Column("min_ns"), lambda row: whole(row.min_ns)),
        (Column("max_ns"), lambda row: whole(row.max_ns)),
        (Column("mean_low_ns"), lambda row: whole(_end(row.interval_ns, 0))),
        (Column("mean_high_ns"), lambda row: whole(_end(row.interval_ns, 1))),
        (Column("share_low"), lambda row: exact(_end(row.share_interval, 0))),
        (Column("share_high"), lambda row: exact(_end(row.share_interval, 1))),
    )
    rows = tuple(Row(tuple(cell(row) for _, cell in shown), row.depth) for row in breakdown.stages)
    return Table(tuple(column for column, _ in shown), (Section("", rows),))


def heading(breakdown: Breakdown) -> tuple[str, str]:
    """The command that was measured, and in one line on what and when."""
    about = breakdown.environment
    command = about.get("command", "")
    words = " ".join(str(part) for part in command) if isinstance(command, (list, tuple)) else str(command)
    device = about.get("device", "")
    parts = [about.get("cpu") or device if device in ("", "cpu") else device]
    if "threads" in about:
        parts.append(f"{about['threads']} thread{'s' * (about['threads'] != 1)}")
    parts += [f"{key} {about[key]}" for key in ("torch",) if key in about]
    parts.append(breakdown.created[:16].replace("T", " "))
    return units.visible(words or "rnnprof"), units.visible(", ".join(str(part) for part in parts if part))


def step_lines(step: StepSummary) -> list[str]:
    """What there is to say about the steps of the main lane."""
    spread = f"median {duration(step.median_ns)}, 95th percentile {duration(step.p95_ns)}"
    lines = [f"One step of {units.visible(step.lane)}: {mean(step.mean_ns, step.half_ns)}, {spread}"]
    if step.tokens_per_second is not None and step.ns_per_token is not None:
        lines.append(
            f"{units.count(step.tokens_per_second)} tokens/s, {units.duration(step.ns_per_token)} per token"
        )
    others = [f"{units.count(number)} {kind}" for kind, number in step.kinds.items() if kind != step.kind]
    ending = f"; left out: {', '.join(others)}" if others else ""
    lines.append(f"{units.count(step.count)} step{'s' * (step.count != 1)} {TIMED[step.kind]}{ending}")
    return lines


def legend(breakdown: Breakdown) -> list[str]:
    """What the columns of the table of stages mean."""
    words = "share, self: the stage without the stages in it; total, time: with them."
    words += " p95: 95 % of its spans are shorter."
    if breakdown.by == "step":
        words += " ±: 95 % confidence, in points of a percent."
    return [words]


def _section_title(breakdown: Breakdown, lane: str, in_step: bool) -> str:
    name = units.visible(lane)
    if not in_step:
        return f"{name}, outside its steps" if lane in breakdown.steps else name
    main = breakdown.by == "step" and breakdown.step is not None and breakdown.step.lane == lane
    return f"{name}, one step = 100 %" if main else f"{name}, inside its steps"


def _points(row: StageRow) -> str:
    """Half the interval of the share, in percentage points."""
    if row.share is None:
        return "–"
    if row.share_half is None:
        return UNKNOWN
    return "±<0.1" if 0 < row.share_half < 0.0005 else f"±{100 * row.share_half:.1f}"


def _end(interval: Interval | None, end: int) -> float | None:
    return None if interval is None else interval[end]
