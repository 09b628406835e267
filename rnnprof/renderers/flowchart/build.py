"""From a breakdown to a graph: which boxes there are, what they say, and how they are joined."""

from __future__ import annotations

from collections.abc import Iterator

from rnnprof.analysis.result import Breakdown, LaneRow, StageRow, StepSummary
from rnnprof.renderers.flowchart.graph import END, Box, Edge, Graph, Group, Item, Lane, groups, leaves, visits
from rnnprof.stages import DESCRIPTIONS, OTHER
from rnnprof.units import count, duration, significant

CONTAINERS = 2
"""How many levels of containers are drawn; deeper stages are counted in the box that holds them."""

HOT_PART = 0.9
"""The part of a step that the marked stages make."""


def graph(breakdown: Breakdown) -> Graph:
    """Turn a breakdown into lanes, boxes and edges; every number in them is the breakdown's own.

    The lanes come in the order set-up, loop, evaluation, the user's own, threads, so that every edge
    between lanes joins neighbours.
    """
    summary = breakdown.step
    main = summary.lane if summary else ""
    before = [lane for lane in breakdown.lanes if lane.name == "setup" != main and not lane.thread]
    loop = [lane for lane in breakdown.lanes if lane.name == main and not lane.thread]
    after = [lane for lane in breakdown.lanes if lane.name == "evaluate" != main and not lane.thread]
    named = [*before, *loop, *after]
    own = [lane for lane in breakdown.lanes if lane not in named and not lane.thread]
    threads = [lane for lane in breakdown.lanes if lane.thread]
    lanes = []
    for at, row in enumerate([*named, *own, *threads]):
        rows = [stage for stage in breakdown.stages if stage.lane == row.name]
        lanes.append(_lane(f"l{at}", row, rows, breakdown.by, row in loop))
    looped = lanes[len(before)] if loop else None
    evaluated = lanes[len(before) + 1] if loop and after else None
    hot = _hot(looped)
    edges = [edge for lane in lanes for edge in _flow(lane, hot)]
    if looped:
        edges += _loop(looped, lanes[0] if before else None, evaluated)
    step = "a training step" if main == "train" else "a step"
    return Graph(
        lanes=tuple(lanes),
        loop=looped.key if looped else "",
        end=("end of epoch?" if evaluated else "end?") if looped else "",
        edges=tuple(edges),
        hot=hot,
        basis=f"share of {step}" if breakdown.by == "step" else "share of the run",
        step=_centre(summary, step) if looped and summary else ("", "", ""),
    )


def _centre(summary: StepSummary, step: str) -> tuple[str, str, str]:
    speed = summary.tokens_per_second
    words = "" if speed is None else f"{count(speed) if speed >= 100 else significant(speed)} tokens/s"
    return step.replace("a ", "one ", 1), duration(summary.mean_ns), words


def _lane(key: str, row: LaneRow, rows: list[StageRow], by: str, looped: bool) -> Lane:
    inside = [r for r in rows if r.in_step]
    outside = [r for r in rows if not r.in_step]
    stages, other = _items(f"{key}i", inside, row)
    rest, remainder = _items(f"{key}o", outside, row)
    flow: tuple[Item, ...]
    loose: tuple[Item, ...]
    chip: Box | None = None
    if row.thread:
        flow, loose = (), (*stages, *rest, *other, *remainder)
    elif looped and (stages or not other):
        flow, loose, chip = stages, (*rest, *remainder), other[0] if other else None
    elif looped:
        flow, loose = other, (*rest, *remainder)
    elif stages:
        flow, loose = stages, (*other, *rest, *remainder)
    else:
        flow, loose = rest, (*other, *remainder)
    if not flow and (looped or not loose):
        flow = (Box(f"{key}e", "no stages", "", None, "", "", 0, "empty"),)
    percent = "" if by == "step" or row.thread or row.share is None else row.percent
    return Lane(key, row.name, row.thread, _lane_time(row), percent, flow, loose, chip)


def _lane_time(row: LaneRow) -> str:
    if row.steps and row.step_ns is not None:
        return f"{count(row.steps)} × {duration(row.step_ns)}"
    if row.count == 1:
        return f"once, {duration(row.total_ns)}"
    return f"{count(row.count)} times, {duration(row.total_ns)}" if row.count else duration(row.total_ns)


def _items(key: str, rows: list[StageRow], lane: LaneRow) -> tuple[tuple[Item, ...], tuple[Box, ...]]:
    """The tree of the stages, and the ``other`` if it is more than nothing."""
    stages = [row for row in rows if row.depth or row.name != OTHER]
    rest = [row for row in rows if not row.depth and row.name == OTHER]
    other = []
    for at, row in enumerate(rest):
        if row.percent != "0 %" and (row.share is not None or row.total_ns):
            note = "outside the steps" if lane.steps and not row.in_step else DESCRIPTIONS.get(OTHER, "")
            long = duration(row.per_step_ns if row.in_step else row.total_ns)
            other.append(
                Box(f"{key}x{at}", row.name, note, row.share, row.percent, long, 0, "other", row.path)
            )
    return _tree(key, stages, 0), tuple(other)


def _tree(key: str, rows: list[StageRow], level: int) -> tuple[Item, ...]:
    items: list[Item] = []
    starts = [at for at, row in enumerate(rows) if row.depth <= level]
    for at, start in enumerate(starts):
        row, name = rows[start], f"{key}n{at}"
        inner = rows[start + 1 : starts[at + 1] if at + 1 < len(starts) else None]
        if inner and level < CONTAINERS:
            own = Box(f"{name}s", "(self)", "", row.share, row.percent, "", 0, "self", row.path)
            shown = own if row.share and row.percent != "0 %" else None
            items.append(
                Group(
                    name,
                    row.name,
                    row.total_share,
                    row.total_percent,
                    visits(*_long(row)),
                    shown,
                    _tree(name, inner, level + 1),
                )
            )
            continue
        note = f"+{len(inner)} inside" if inner else DESCRIPTIONS.get(row.name, "")
        share, percent = (row.total_share, row.total_percent) if inner else (row.share, row.percent)
        items.append(Box(name, row.name, note, share, percent, *_long(row), "stage", row.path))
    return tuple(items)


def _long(row: StageRow) -> tuple[str, int]:
    """A duration in words, and how often; 0 in a step."""
    if row.in_step:
        return duration(row.per_step_ns), 0
    return duration(row.mean_ns if row.count > 1 else row.total_ns), row.count


def _hot(lane: Lane | None) -> frozenset[str]:
    if lane is None:
        return frozenset()
    boxes = [box for box, _ in leaves(lane.flow)] + ([lane.other] if lane.other else [])
    boxes += [group.own for group in groups(lane.flow) if group.own]
    shares = sorted(((box.share or 0.0, box.key) for box in boxes), key=lambda pair: -pair[0])
    needed = HOT_PART * sum(share for share, _ in shares)
    hot, made = set(), 0.0
    for share, key in shares:
        if made >= needed - 1e-12:
            break
        made += share
        hot.add(key)
    return frozenset(hot)


def _flow(lane: Lane, hot: frozenset[str]) -> Iterator[Edge]:
    """Arrows along the flow; one into a hot box is hot, and so is the way over one box between two."""
    keys = [box.key for box, _ in leaves(lane.flow)]
    for at in range(1, len(keys)):
        into = keys[at] in hot
        over = keys[at - 1] in hot and at + 1 < len(keys) and keys[at + 1] in hot
        yield Edge(keys[at - 1], keys[at], "hot" if into or over else "flow")


def _loop(lane: Lane, setup: Lane | None, evaluated: Lane | None) -> Iterator[Edge]:
    keys = [box.key for box, _ in leaves(lane.flow)]
    yield Edge(keys[-1], END, "flow")
    yield Edge(END, keys[0], "back", "no: next step")
    if setup and (before := [box.key for box, _ in leaves(setup.flow)]):
        yield Edge(before[-1], keys[0], "once", "start training" if lane.name == "train" else "start")
    if evaluated and (after := [box.key for box, _ in leaves((*evaluated.flow, *evaluated.loose))]):
        last = [box.key for box, _ in leaves(evaluated.flow)] or after[:1]
        yield Edge(END, after[0], "once", "yes: evaluate")
        yield Edge(last[-1], keys[0], "once", "next epoch")
