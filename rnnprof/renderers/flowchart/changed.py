"""From the graph of one run to that of a comparison: the same boxes, what changed in each, its colour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rnnprof.analysis.compared import NONE, Comparison, StageChange
from rnnprof.renderers.flowchart import theme
from rnnprof.renderers.flowchart.graph import Box, Graph, Group, Item, Lane
from rnnprof.units import duration

Path = tuple[str, ...]
Changes = Mapping[Path, StageChange]


def changed(graph: Graph, found: Comparison) -> Graph:
    """Put a comparison into the graph of its second side.

    Args:
        graph: the graph of a run after the change.
        found: the comparison.

    Returns:
        The same graph; each stage of the compared steps says how its time changed, and is blue where
        it is shown to be faster, red where slower, pale grey where nothing is shown. Stages that are
        gone come last.
    """
    changes = found.by_path()
    # The loop, or the lane that was asked for.
    key = next((lane.key for lane in graph.lanes if lane.name == found.after.lane), graph.loop)
    lanes = tuple(
        replace(_lane(lane, changes), time=f"step {found.step.percent}")
        if lane.key == key
        else replace(lane, percent="")
        for lane in graph.lanes
    )
    edges = tuple(replace(edge, kind="flow") if edge.kind == "hot" else edge for edge in graph.edges)
    words = graph.step
    if key == graph.loop:
        verdict = f"{graph.step[0]}: {found.step.verdict}"
        before, after = duration(found.step.before_ns), duration(found.step.after_ns)
        words = (verdict, found.step.percent, f"{before} before, {after} after")
    return replace(
        graph,
        lanes=lanes,
        edges=edges,
        hot=frozenset(),
        basis="change, where one is shown",
        step=words,
        change=True,
    )


def _lane(lane: Lane, changes: Changes) -> Lane:
    inside = f"{lane.key}i"
    gone = [
        stage
        for path, stage in changes.items()
        if stage.only == "before" and (len(path) == 1 or changes[path[:-1]].only != "before")
    ]
    boxes = tuple(
        _box(Box(f"{lane.key}g{at}", stage.name, "", None, "", "", 0, "stage", stage.path), stage)
        for at, stage in enumerate(gone)
    )
    return replace(
        lane,
        percent="",
        flow=tuple(_item(item, (), inside, changes) for item in lane.flow),
        loose=(*(_item(item, (), inside, changes) for item in lane.loose), *boxes),
        other=_item_box(lane.other, inside, changes) if lane.other else None,
        aside=" and ".join([*([lane.aside] if lane.loose else []), *(["gone"] if gone else [])]),
    )


def _item(item: Item, above: Path, inside: str, changes: Changes) -> Item:
    if isinstance(item, Box):
        return _item_box(item, inside, changes)
    path = (*above, item.name)
    stage = changes.get(path) if item.key.startswith(inside) else None
    items = tuple(_item(inner, path, inside, changes) for inner in item.items)
    if stage is None:
        return replace(item, items=items)
    return Group(item.key, item.name, 0.0, stage.percent, _long(stage), None, items, _colour(stage))


def _item_box(box: Box, inside: str, changes: Changes) -> Box:
    stage = changes.get(() if box.kind == "other" else box.path) if box.key.startswith(inside) else None
    return replace(box, share=None, percent="") if stage is None else _box(box, stage)


def _box(box: Box, stage: StageChange) -> Box:
    """The box with its change in place of its share."""
    note = "" if stage.only else stage.verdict
    return replace(
        box, note=note, share=0.0, percent=stage.percent, long=_long(stage), visits=0, fill=_colour(stage)
    )


def _long(stage: StageChange) -> str:
    return _times(stage.before_ns, stage.after_ns)


def _times(before_ns: float, after_ns: float) -> str:
    if before_ns and after_ns:
        return f"{duration(before_ns)}, now {duration(after_ns)}"
    return f"was {duration(before_ns)}" if before_ns else duration(after_ns)


def _colour(stage: StageChange) -> str:
    """Blue to red where a difference is shown; a stage of one side alone has the strongest colour."""
    if stage.verdict == NONE:
        return theme.change(0.0)
    most = theme.MOST_CHANGE
    return theme.change(stage.ratio if stage.ratio is not None else most if stage.after_ns else -most)
