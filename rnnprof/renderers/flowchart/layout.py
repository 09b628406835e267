"""From a graph to a drawing: columns shared by all lanes, rows, containers, lanes and the legend."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from rnnprof.renderers.flowchart import shapes, theme
from rnnprof.renderers.flowchart.edges import Spot, Track, wires
from rnnprof.renderers.flowchart.graph import Graph, Lane, leaves
from rnnprof.renderers.flowchart.grid import Row, grid
from rnnprof.renderers.flowchart.legend import legend
from rnnprof.renderers.flowchart.pieces import GAP, PAD, Piece, gaps, pieces
from rnnprof.renderers.flowchart.scene import BOX_H, BOX_W, Panel, Rect, Scene, Text
from rnnprof.renderers.flowchart.text import Printable, shorten

ASPECT = 1.75
"""The ratio of width to height that is aimed at, between a slide and a sheet of paper."""

MARGIN, TAB, LANE_PAD = 14.0, 70.0, 20.0
_ROW_GAP, _LANE_GAP, _NEAR, _CHANNEL = 42.0, 44.0, 16.0, 28.0
_LEFT, _RIGHT, _SIDE = 22.0, 22.0, 24.0  # inside a lane; _SIDE more where an arrow runs along the side
_DECISION = (118.0, 66.0)
_MOST = 10


@dataclass
class _Sheet:
    """A drawing in the making."""

    graph: Graph
    clean: Printable
    track: Track
    xs: list[float]
    lanes: list[Panel] = field(default_factory=list)
    containers: list[Panel] = field(default_factory=list)
    boxes: list[Panel] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)


def layout(graph: Graph, clean: Printable) -> Scene:
    """Draw a graph on the grid whose picture has the best shape and divides the fewest containers.

    Args:
        graph: what to draw.
        clean: turns an untrusted name into characters that the output can show.

    Returns:
        A scene in which no two boxes overlap, no text is wider than its room, and no arrow
        passes through a box.
    """
    longest = max((len(list(leaves((*lane.flow, *lane.loose)))) for lane in graph.lanes), default=2)
    scenes = [_draw(graph, clean, columns) for columns in range(2, max(min(longest, _MOST), 2) + 1)]
    return min(
        scenes, key=lambda scene: abs(math.log(scene.width / scene.height / ASPECT)) + 0.3 * scene.splits
    )


def _draw(graph: Graph, clean: Printable, columns: int) -> Scene:
    cells = grid(graph, columns)
    found: dict[str, list[tuple[Piece, ...]]] = {}
    for lane in graph.lanes:
        seen: set[str] = set()
        found[lane.key] = [pieces(row, seen) for row in cells.rows[lane.key]]
    around = cells.turns > 2
    once = any(edge.label == "next epoch" for edge in graph.edges)
    room = gaps([row for rows in found.values() for row in rows], columns)
    xs = [MARGIN + TAB + _LEFT + (_SIDE if around else 0.0) + room[0]]
    used = max(
        [2, *(cell.col + cell.span for rows in cells.rows.values() for row in rows for cell in row.cells)]
    )
    for gap in room[1:used]:
        xs.append(xs[-1] + BOX_W + gap)
    right = xs[-1] + BOX_W + room[used] - (GAP if used < columns else 0) + _RIGHT + (_SIDE if once else 0.0)
    track = Track(left=xs[0] - room[0] - _SIDE + 6, right=right - 20, turns=cells.turns)
    sheet = _Sheet(graph, clean, track, xs)
    y = MARGIN
    if once and graph.lanes and graph.lanes[0].key == graph.loop:
        y += _CHANNEL - MARGIN + 8
    for at, lane in enumerate(graph.lanes):
        top = y
        y = _rows(sheet, lane, cells.rows[lane.key], found[lane.key], y + LANE_PAD, cells.width) + LANE_PAD
        rect = Rect(MARGIN, top, right - MARGIN, y - top)
        sheet.lanes.append(shapes.lane(lane, rect, TAB, clean))
        track.lanes[lane.key] = rect
        if at + 1 < len(graph.lanes):
            y += _LANE_GAP if _joined(graph, lane, graph.lanes[at + 1]) else _NEAR
    if not graph.lanes:
        right = 420.0
        sheet.texts.append(
            Text(right / 2 + 7, y + 34, "nothing was recorded", 14, colour=theme.MUTED, room=right)
        )
        y += 60
    marks, y = legend(graph, MARGIN, right, y + 14)
    right = max(right, MARGIN + 420.0)
    decision = _decision(graph, track)
    return Scene(
        right + MARGIN,
        y + MARGIN / 2,
        tuple(sheet.lanes),
        tuple(sheet.containers),
        tuple(sheet.boxes),
        decision,
        tuple(wires(graph, track)),
        tuple(sheet.texts),
        marks,
        cells.splits,
        columns,
    )


def _joined(graph: Graph, one: Lane, two: Lane) -> bool:
    """Whether an arrow runs between two neighbouring lanes."""
    return (
        graph.loop in (one.key, two.key)
        and not two.thread
        and {one.name, two.name} & {"setup", "evaluate"} != set()
    )


def _rows(
    sheet: _Sheet, lane: Lane, rows: list[Row], found: list[tuple[Piece, ...]], y: float, width: int
) -> float:
    """Place the rows of a lane from ``y`` on; returns where they end."""
    looped = lane.key == sheet.graph.loop
    turns = sheet.track.turns if looped else 0
    for index, row in enumerate(rows):
        if looped and index == turns // 2:
            y = _centre(sheet, lane, y, width)
        elif index:
            y += _ROW_GAP
        y = _row(sheet, lane, row, found[index], index, y, looped and index == turns - 1)
    loose = next(leaves(lane.loose), None)
    if looped and loose:
        spot = sheet.track.spots[loose[0].key]
        left, words = spot.rect.x, lane.aside
        text = Text(left, spot.top - 7, words, 10.5, colour=theme.MUTED, anchor="start", room=BOX_W)
        sheet.texts.append(text)
    return y


def _row(
    sheet: _Sheet, lane: Lane, row: Row, found: tuple[Piece, ...], index: int, top: float, closing: bool
) -> float:
    heads = [_head(sheet, piece) for piece in found]
    y = top + max(heads, default=0.0)
    height = BOX_H if row.cells else _DECISION[1]
    bottom = max([y + height, *(y + BOX_H + PAD * piece.depth for piece in found)])
    if closing:
        wide, high = _DECISION
        middle = sheet.xs[0] + BOX_W / 2
        sheet.track.decision = Rect(middle - wide / 2, y + (height - high) / 2, wide, high)
    for piece in found:
        _container(sheet, piece, y)
    for at, cell in enumerate(row.cells):
        last = cell.col + cell.span - 1
        rect = Rect(sheet.xs[cell.col], y, sheet.xs[last] + BOX_W - sheet.xs[cell.col], BOX_H)
        sheet.boxes.append(shapes.box(cell.box, rect, cell.box.key in sheet.graph.hot, sheet.clean))
        outer = [
            head for head, piece in zip(heads, found, strict=True) if piece.low <= cell.col <= piece.high
        ]
        sheet.track.spots[cell.box.key] = Spot(
            rect,
            lane.key,
            index,
            row.back,
            y - max(outer, default=0.0),
            top,
            bottom,
            at == len(row.cells) - 1,
        )
    return bottom


def _sides(sheet: _Sheet, piece: Piece) -> tuple[float, float]:
    return sheet.xs[piece.low] - PAD * piece.left, sheet.xs[piece.high] + BOX_W + PAD * piece.right


def _head(sheet: _Sheet, piece: Piece) -> float:
    """How far a container reaches above its boxes, the heads of containers in it included."""
    own = shapes.head(piece.group, *_sides(sheet, piece), piece.first, sheet.clean)[0]
    inner = max((_head(sheet, inner) for inner in piece.inner), default=0.0)
    return own + inner


def _container(sheet: _Sheet, piece: Piece, y: float) -> None:
    left, right = _sides(sheet, piece)
    top = y - _head(sheet, piece)
    _, lines, spot = shapes.head(piece.group, left, right, piece.first, sheet.clean)
    texts = tuple(shapes.moved(text, top) for text in lines)
    rect = Rect(left, top, right - left, y + BOX_H + PAD * piece.depth - top)
    sheet.containers.append(shapes.container(piece.group, rect, texts))
    if spot and piece.group.own:
        hot = piece.group.own.key in sheet.graph.hot
        sheet.boxes.append(shapes.chip(piece.group.own, spot.x, top + spot.y, hot, sheet.clean))
    for inner in piece.inner:
        _container(sheet, inner, y)


def _centre(sheet: _Sheet, lane: Lane, y: float, width: int) -> float:
    """What stands inside the loop: the step's duration, its throughput and its ``other``."""
    words, long, speed = sheet.graph.step
    low, high = sheet.xs[0] + BOX_W / 2 + 46, sheet.xs[width - 1] + BOX_W / 2 - 14
    x, room = (low + high) / 2, high - low
    lines = [(words, 11.0, False, theme.MUTED, 16.0), (long, 22.0, True, theme.INK, 25.0)]
    if speed:
        lines.append((speed, 11.0, False, theme.MUTED, 17.0))
    y += 10
    for text, size, bold, colour, step in lines:
        y += step
        sheet.texts.append(Text(x, y, shorten(text, room, size, bold), size, bold, colour, room=room))
    if lane.other:
        wide = shapes.chip_width(lane.other, sheet.clean)
        hot = lane.other.key in sheet.graph.hot
        sheet.boxes.append(shapes.chip(lane.other, x - wide / 2, y + 9, hot, sheet.clean))
        y += 9 + shapes.CHIP_H
    return y + 16


def _decision(graph: Graph, track: Track) -> tuple[Rect, tuple[Text, ...]] | None:
    if track.decision is None:
        return None
    words = graph.end.rsplit(" ", 1)
    rect = track.decision
    first = rect.cy + 4 - 6.5 * (len(words) - 1)
    return rect, tuple(
        Text(rect.cx, first + 13 * at, word, 11, True, room=rect.w * 0.55) for at, word in enumerate(words)
    )
