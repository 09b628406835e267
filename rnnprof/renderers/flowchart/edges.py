"""The ways of the arrows: along rows, around turns, and between lanes through channels without boxes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rnnprof.renderers.flowchart import theme
from rnnprof.renderers.flowchart.graph import END, Edge, Graph
from rnnprof.renderers.flowchart.scene import BOX_W, Point, Rect, Text, Wire
from rnnprof.renderers.flowchart.text import width

_SIZE = 10.5


@dataclass(frozen=True)
class Spot:
    """Where a box ended up.

    Args:
        rect: the box.
        lane: the key of its lane.
        row: the index of its row in the lane.
        back: whether that row runs from right to left.
        top: where an arrow from above arrives: the box, or the outermost container around it.
        row_top, row_bottom: the row with its containers.
        last: whether nothing stands to the right of it in its row.
    """

    rect: Rect
    lane: str
    row: int
    back: bool
    top: float
    row_top: float
    row_bottom: float
    last: bool


@dataclass
class Track:
    """Everything that the ways depend on.

    Args:
        left, right: the x of the channels beside all boxes.
        turns: how many rows the loop takes.
        spots: the boxes by their key.
        lanes: the lanes by their key.
        decision: the diamond that closes the loop.
    """

    left: float
    right: float
    turns: int
    spots: dict[str, Spot] = field(default_factory=dict)
    lanes: dict[str, Rect] = field(default_factory=dict)
    decision: Rect | None = None


def wires(graph: Graph, track: Track) -> Iterator[Wire]:
    """The way of every edge of the graph."""
    before = [edge.tail for edge in graph.edges if edge.kind == "once" and edge.label.startswith("start")]
    started = _leave(track.spots[before[0]], track)[-1][0] if before else None
    for edge in graph.edges:
        if END in (edge.tail, edge.head):
            wire = _closing(edge, track)
        elif edge.kind == "once":
            wire = _between(edge, track, started)
        else:
            wire = _along(edge, track, track.spots[edge.tail].lane == graph.loop)
        yield wire


def _along(edge: Edge, track: Track, looped: bool) -> Wire:
    tail, head = track.spots[edge.tail], track.spots[edge.head]
    one, two = tail.rect, head.rect
    points: tuple[Point, ...]
    if tail.row == head.row:
        points = (
            ((one.x, one.cy), (two.right, two.cy)) if head.back else ((one.right, one.cy), (two.x, two.cy))
        )
    elif looped:
        x = one.x + BOX_W / 2 if tail.back else one.right - BOX_W / 2
        points = ((x, one.bottom), (x, head.top))
    else:
        y = (tail.row_bottom + head.row_top) / 2
        points = ((one.cx, one.bottom), (one.cx, y), (two.x + BOX_W / 2, y), (two.x + BOX_W / 2, head.top))
    return Wire(edge.tail, edge.head, points, edge.kind)


def _closing(edge: Edge, track: Track) -> Wire:
    """From the last box to the decision, and from the decision back or on to the evaluation."""
    end = track.decision
    assert end is not None  # the graph has such an edge only where it has a loop
    points: tuple[Point, ...]
    label = None
    if edge.head == END:
        tail = track.spots[edge.tail]
        if tail.row == track.turns - 1:
            points = ((tail.rect.x, tail.rect.cy), (end.right, end.cy))
        else:
            x = tail.rect.right - BOX_W / 2
            points = ((x, tail.rect.bottom), (x, end.cy), (end.right, end.cy))
        return Wire(edge.tail, edge.head, points, edge.kind)
    head = track.spots[edge.head]
    if edge.kind == "once":
        x = head.rect.x + BOX_W / 2
        points = ((end.cx, end.bottom), (x, head.top))
        lane = track.lanes[head.lane]
        label = _label(edge.label, x + 9, lane.y - 18, "start", "")
    elif track.turns == 2:
        points = ((end.cx, end.y), (end.cx, head.rect.bottom))
        label = _label(edge.label, end.cx, (end.y + head.row_bottom) / 2 + 4, "middle", theme.LANE)
    else:
        y = head.rect.cy
        points = ((end.x, end.cy), (track.left, end.cy), (track.left, y), (head.rect.x, y))
        text = _label(edge.label, track.left + 3.8, (y + end.cy) / 2, "middle", theme.LANE)
        label = Text(**{**text.__dict__, "turned": True})
    return Wire(edge.tail, edge.head, points, edge.kind, label=label)


def _between(edge: Edge, track: Track, started: float | None) -> Wire:
    """Into the loop from above: from the set-up, or around the right side from the evaluation."""
    tail, head = track.spots[edge.tail], track.spots[edge.head]
    loop = track.lanes[head.lane]
    channel, into = loop.y - 21, head.rect.x + BOX_W / 2
    out = _leave(tail, track)
    if edge.label != "next epoch":
        x = out[-1][0]
        points = (
            (*out, (x, channel), (into, channel), (into, head.top)) if x != into else (*out, (into, head.top))
        )
        need = width(edge.label, _SIZE) + 40
        if x - into > need:
            label = _label(edge.label, (x + into) / 2, channel + 3.6, "middle", theme.PAPER)
        else:
            label = _label(edge.label, into - 9, channel + 3.6, "end", "")
        return Wire(edge.tail, edge.head, points, edge.kind, label=label)
    x = track.right
    if tail.last:
        out = ((tail.rect.right, tail.rect.cy),)
        points = (*out, (x, tail.rect.cy), (x, channel), (into, channel))
    else:
        y = tail.row_bottom + 10
        points = ((tail.rect.cx, tail.rect.bottom), (tail.rect.cx, y), (x, y), (x, channel), (into, channel))
    label = _label(edge.label, x - 9, track.lanes[tail.lane].y - 18, "end", "")
    # Where two dashed lines meet, one ends; drawn over each other they would look solid.
    end = ((into, channel), (into, head.top)) if started is None else ((max(started, into), channel),)
    points = (*points[:-1], *end)
    return Wire(edge.tail, edge.head, points, edge.kind, head=started is None, label=label)


def _leave(tail: Spot, track: Track) -> tuple[Point, ...]:
    """From a box down out of its lane; past rows below it along the right side."""
    rect, lane = tail.rect, track.lanes[tail.lane]
    if tail.row_bottom > lane.bottom - 30:
        return ((rect.cx, rect.bottom),)
    y = tail.row_bottom + 10
    return ((rect.cx, rect.bottom), (rect.cx, y), (track.right, y))


def _label(words: str, x: float, y: float, anchor: str, ground: str) -> Text:
    return Text(
        x, y, words, _SIZE, colour=theme.MUTED, anchor=anchor, room=width(words, _SIZE) + 0.01, ground=ground
    )
