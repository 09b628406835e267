"""Which box goes into which row and column; a loop becomes a racetrack, other lanes plain rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from rnnprof.renderers.flowchart.graph import Box, Graph, Group, leaves

Leaf = tuple[Box, tuple[Group, ...]]

_SPLIT = 3.0  # a divided container is worse than four empty columns
_SLACK = 0.15
_ROW = 1.5
_JOINT = 0.3
_WORTH = 0.05  # shares from here on make a box worth two columns


@dataclass(frozen=True)
class Cell:
    """A box in its row: the containers around it, its first column and how many it spans."""

    box: Box
    groups: tuple[Group, ...]
    col: int
    span: int = 1


@dataclass(frozen=True)
class Row:
    """Cells from left to right; ``back`` when the flow runs from right to left."""

    cells: tuple[Cell, ...]
    back: bool = False


@dataclass(frozen=True)
class Grid:
    """All lanes in one grid of columns.

    Args:
        columns: how many there are.
        width: how many of them the loop takes.
        rows: the rows of each lane, by its key.
        turns: how many rows of the loop's lane belong to the loop.
        splits: how many containers are divided between rows.
    """

    columns: int
    width: int
    rows: dict[str, list[Row]] = field(default_factory=dict)
    turns: int = 0
    splits: int = 0


def grid(graph: Graph, columns: int, zigzag: bool = False) -> Grid:
    """Lay all lanes into a grid of columns.

    Args:
        graph: what is drawn.
        columns: how many columns, two at least.
        zigzag: whether every other row of a plain lane runs from right to left, so that no arrow
            has to cross the lane.
    """
    rows: dict[str, list[Row]] = {}
    width, turns, splits = 0, 0, 0
    for lane in graph.lanes:
        if lane.key == graph.loop:
            track, width, cut = racetrack(list(leaves(lane.flow)), columns)
            turns = len(track)
            rows[lane.key], more = _beside(track, list(leaves(lane.loose)), width, columns)
            splits += cut + more
        else:
            rows[lane.key], cut = _plain(
                list(leaves((*lane.flow, *lane.loose))), columns, 0, zigzag, len(list(leaves(lane.flow)))
            )
            splits += cut
    return Grid(columns, width, rows, turns, splits)


def racetrack(boxes: list[Leaf], columns: int) -> tuple[list[Row], int, int]:
    """Rows that run right, left, right, left, so that the last ends below the first box.

    The number of rows is even and as small as ``columns`` allows; the last row leaves its left
    column to the decision. Among the widths that need no more rows, the one is taken that divides
    the fewest containers and leaves the fewest empty columns.

    Args:
        boxes: the loop's boxes in order, one at least.
        columns: the greatest width.

    Returns:
        The rows, how many columns they take, and how many containers are divided.
    """
    count = 2 * max(1, math.ceil((len(boxes) + 1) / (2 * columns)))
    best: tuple[float, int, list[int]] | None = None
    for width in range(2, columns + 1):
        rooms = [width] * (count - 1) + [width - 1]
        found = _breaks(boxes, rooms, True)
        if found and (best is None or found[0] < best[0]):
            best = found[0], width, found[1]
    if best is None:  # too few boxes for that many rows; cannot happen with the smallest even number
        raise ValueError(f"{len(boxes)} boxes do not fit into {count} rows of {columns}")
    _, width, ends = best
    rows, start = [], 0
    for at, end in enumerate(ends):
        last = at == len(ends) - 1
        row = _spread(boxes[start:end], width - last, bool(at % 2), int(last))
        rows.append(row)
        start = end
    return rows, width, _cut(boxes, ends)


def _beside(track: list[Row], boxes: list[Leaf], width: int, columns: int) -> tuple[list[Row], int]:
    """Boxes that are no part of the loop: to its right where columns are free, else below it."""
    if boxes and width < columns:
        rows, cut = _plain(boxes, columns, width, False)
        if len(rows) <= len(track) and not cut:
            sides = [row.cells for row in rows] + [()] * (len(track) - len(rows))
            return [Row((*row.cells, *side), row.back) for row, side in zip(track, sides, strict=True)], 0
    # The first column stays free for the arrow down from the decision.
    rows, cut = _plain(boxes, columns, 1, False)
    return track + rows, cut


def _plain(
    boxes: list[Leaf], columns: int, first: int, zigzag: bool, joint: int = 0
) -> tuple[list[Row], int]:
    """Rows from left to right, full ones first, broken before the box ``joint`` where that is free."""
    if not boxes:
        return [], 0
    room = max(columns - first, 1)
    least = math.ceil(len(boxes) / room)
    found = [(_breaks(boxes, [room] * n, False, joint), n) for n in (least, least + 1) if n <= len(boxes)]
    _, ends = min((result[0] + _ROW * n, result[1]) for result, n in found if result)
    rows: list[Row] = []
    start = 0
    for end in ends:
        back = zigzag and len(rows) % 2 == 1
        # A row turns below the last box of the row above it, where it has the room.
        if back:
            turn = max(rows[-1].cells[-1].col, end - start - 1)
        else:
            turn = min(rows[-1].cells[0].col, columns - end + start) if zigzag and rows else first
        cells = [
            Cell(box, groups, turn - at if back else turn + at)
            for at, (box, groups) in enumerate(boxes[start:end])
        ]
        rows.append(Row(tuple(reversed(cells) if back else cells), back))
        start = end
    return rows, _cut(boxes, ends)


def _breaks(
    boxes: list[Leaf], rooms: Sequence[int], looped: bool, joint: int = 0
) -> tuple[float, list[int]] | None:
    """The cheapest way to break a sequence into rows with that much room: cost and ends of the rows.

    A loop of one or two boxes may leave its last row to the decision alone.
    """
    best: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}
    for at, room in enumerate(rooms):
        step: dict[int, tuple[float, list[int]]] = {}
        least = 0 if looped and len(boxes) <= 2 and at == len(rooms) - 1 else 1
        for start, (cost, ends) in best.items():
            for end in range(start + least, min(start + room, len(boxes)) + 1):
                slack = room - end + start
                price = cost + _SPLIT * _shared(boxes, end)
                price += (
                    _SLACK * slack**2 * (1 + 0.01 * (len(rooms) - at))
                    if looped
                    else 0.001 * slack * (len(rooms) - at)
                )
                price += 0.0 if looped or end in (joint, len(boxes)) else _JOINT
                if end not in step or price < step[end][0]:
                    step[end] = price, [*ends, end]
        best = step
    return best.get(len(boxes))


def _shared(boxes: list[Leaf], at: int) -> int:
    """How many containers hold both the box before and the box after a break."""
    if not 0 < at < len(boxes):
        return 0
    return sum(one is two for one, two in zip(boxes[at - 1][1], boxes[at][1], strict=False))


def _cut(boxes: list[Leaf], ends: list[int]) -> int:
    return sum(_shared(boxes, end) for end in ends[:-1])


def _spread(boxes: list[Leaf], room: int, back: bool, first: int) -> Row:
    """A row that reaches from side to side: heavy boxes take two columns, then arrows become longer."""
    spans = [1] * len(boxes)
    slack = room - len(boxes)
    if len(boxes) == 1 and not first:
        spans, slack = [room], 0
    for at in sorted(range(len(boxes)), key=lambda i: -(boxes[i][0].share or 0)):
        if slack and (boxes[at][0].share or 0) >= _WORTH:
            spans[at], slack = spans[at] + 1, slack - 1
    cells, col = [], 0
    for at, (box, groups) in enumerate(boxes):
        skipped = round(at * slack / (len(boxes) - 1)) if len(boxes) > 1 else 0
        left = col + skipped
        cells.append(Cell(box, groups, first + (room - left - spans[at] if back else left), spans[at]))
        col += spans[at]
    return Row(tuple(reversed(cells) if back else cells), back)
