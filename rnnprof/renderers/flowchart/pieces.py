"""The containers of one row: which columns they cover and how much room they need around the boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnnprof.renderers.flowchart.graph import Group
from rnnprof.renderers.flowchart.grid import Cell, Row

PAD = 9.0
"""Between a container's border and what is in it, in pixels."""

GAP = 36.0
"""Between the boxes of neighbouring columns."""


@dataclass(frozen=True)
class Piece:
    """A container, or the part of it that lies in one row.

    Args:
        group: the container.
        low, high: its first and last column.
        first: whether it is the first part, which bears the numbers.
        inner: the containers in it.
        left, right, depth: how many borders lie between its boxes and its outside, on each side and below.
    """

    group: Group
    low: int
    high: int
    first: bool
    inner: tuple[Piece, ...]
    left: int
    right: int
    depth: int


def pieces(row: Row, seen: set[str]) -> tuple[Piece, ...]:
    """The outermost containers of a row.

    Args:
        row: the row.
        seen: keys of containers that were begun in earlier rows; extended.
    """
    return _runs(row.cells, 0, seen)


def _runs(cells: Sequence[Cell], level: int, seen: set[str]) -> tuple[Piece, ...]:
    found, start = [], 0
    while start < len(cells):
        group = cells[start].groups[level] if len(cells[start].groups) > level else None
        end = start + 1
        while end < len(cells) and group and group in cells[end].groups[level : level + 1]:
            end += 1
        if group:
            run = cells[start:end]
            inner = _runs(run, level + 1, seen)
            low, high = run[0].col, run[-1].col + run[-1].span - 1
            found.append(
                Piece(
                    group,
                    low,
                    high,
                    group.key not in seen,
                    inner,
                    1 + max((piece.left for piece in inner if piece.low == low), default=0),
                    1 + max((piece.right for piece in inner if piece.high == high), default=0),
                    1 + max((piece.depth for piece in inner), default=0),
                )
            )
            seen.add(group.key)
        start = end
    return tuple(found)


def gaps(rows: Sequence[tuple[Piece, ...]], columns: int) -> list[float]:
    """The room before each column, and after the last, that the rows' containers need, in pixels.

    Args:
        rows: the outermost containers of every row.
        columns: the number of columns.

    Returns:
        ``columns + 1`` distances; the first and the last hold borders only.
    """
    needed = [0] * (columns + 1)
    for row in rows:
        here = [0] * (columns + 1)
        for piece in row:
            here[piece.low] += piece.left
            here[piece.high + 1] += piece.right
        needed = [max(a, b) for a, b in zip(needed, here, strict=True)]
    return [PAD * count + (GAP if 0 < at < columns else 0.0) for at, count in enumerate(needed)]
