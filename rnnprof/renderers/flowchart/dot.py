"""A graph as Graphviz DOT: the same rows and containers, placed by ``dot``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rnnprof.renderers.flowchart import theme
from rnnprof.renderers.flowchart.dot_edges import edges, keys
from rnnprof.renderers.flowchart.dot_label import box_label, group_label, lane_label, legend_label
from rnnprof.renderers.flowchart.escape import dot_string
from rnnprof.renderers.flowchart.graph import END, Box, Graph, Lane
from rnnprof.renderers.flowchart.grid import Cell, Grid, grid
from rnnprof.renderers.flowchart.layout import layout
from rnnprof.renderers.flowchart.pieces import Piece, pieces
from rnnprof.renderers.flowchart.shapes import title
from rnnprof.renderers.flowchart.text import printable

_FONT = "Helvetica,Arial,DejaVu Sans,sans-serif"


def dot(graph: Graph) -> str:
    """Write a graph in the DOT language (https://graphviz.org/doc/info/lang.html) for ``dot``.

    Graphviz has no grid, and with nested clusters it may change the order within a rank. So rows are
    equal ranks, rows that run from right to left have their edges drawn backwards, and every place
    of the grid that is empty holds an invisible node: then the order of the columns is the one
    without crossings, which ``dot`` keeps.
    """
    columns = layout(graph, printable).columns
    graph = replace(graph, lanes=tuple(_flat(lane) for lane in graph.lanes))
    cells = grid(graph, columns, zigzag=True)
    lines = "line" if cells.turns <= 2 else "spline"
    out = [
        "digraph rnnprof {",
        f"  graph [rankdir=TB, newrank=true, remincross=false, compound=true, splines={lines}, nodesep=0.4,",
        f'    ranksep=0.55, pad=0.25, fontname="{_FONT}", fontsize=11, bgcolor=white,',
        f'    fontcolor="#{theme.INK}", tooltip="rnnprof flow chart", labelloc=b,',
        f"    label={legend_label(graph)}];",
        f'  node [shape=box, style="rounded,filled", fontname="{_FONT}", fontsize=12, margin="0.05,0.05"];',
        f'  edge [fontname="{_FONT}", fontsize=10, fontcolor="#{theme.MUTED}", tooltip=" "];',
    ]
    for lane in graph.lanes:
        out += _lane(graph, lane, cells)
    out += [f"  {line};" for line in edges(graph, cells)]
    return "\n".join([*out, "}", ""])


def _flat(lane: Lane) -> Lane:
    """The ``other`` of the step as a common box, for Graphviz keeps no room inside the loop."""
    return replace(lane, loose=(lane.other, *lane.loose), other=None) if lane.other else lane


def _lane(graph: Graph, lane: Lane, cells: Grid) -> Iterator[str]:
    yield f"  subgraph cluster_{lane.key} {{"
    yield f'    graph [style="rounded,filled", fillcolor="#{theme.LANE}", color="#{theme.LANE_LINE}",'
    name = dot_string(printable(lane.name))
    yield f"      labeljust=l, labelloc=t, margin=14, tooltip={name}, label={lane_label(graph, lane)}];"
    seen: set[str] = set()
    for at, row in enumerate(cells.rows[lane.key]):
        boxes = {cell.col: cell for cell in row.cells}
        names = keys(graph, lane, at, cells)
        yield from _places(
            graph, pieces(row, seen), boxes, names, 0, cells.columns - 1, f"{lane.key}r{at}", "    "
        )
    yield "  }"


def _places(
    graph: Graph,
    found: tuple[Piece, ...],
    boxes: dict[int, Cell],
    names: list[str],
    low: int,
    high: int,
    row: str,
    indent: str,
) -> Iterator[str]:
    """The nodes of some columns of a row from left to right, containers as clusters."""
    starts = {piece.low: piece for piece in found}
    col = low
    while col <= high:
        if col in starts:
            piece = starts[col]
            fill, line = theme.ground(piece.group), theme.edge(piece.group)
            tip = dot_string(printable(title(piece.group)))
            yield f"{indent}subgraph cluster_{row}_{piece.group.key} {{"
            yield f'{indent}  graph [style="rounded,filled", fillcolor="#{fill}", color="#{line}", margin=9,'
            yield f"{indent}    tooltip={tip}, label={group_label(graph, piece)}];"
            yield from _places(graph, piece.inner, boxes, names, piece.low, piece.high, row, indent + "  ")
            yield f"{indent}}}"
            col = piece.high + 1
            continue
        if col in boxes:
            yield indent + _node(graph, boxes[col].box, boxes[col])
        elif names[col] == END:
            yield indent + _decision(graph, col)
        elif names[col] not in names[:col]:
            yield f"{indent}{names[col]} [shape=point, style=invis, width=0.01, group=c{col}];"
        col += 1


def _decision(graph: Graph, col: int) -> str:
    words = "\\n".join(graph.end.rsplit(" ", 1))
    return (
        f'{END} [shape=diamond, style=filled, fillcolor=white, color="#{theme.WIRE}", group=c{col}, '
        f'width=1.6, height=0.9, fixedsize=true, fontsize=11, label="{words}"];'
    )


def _node(graph: Graph, box: Box, cell: Cell) -> str:
    fill, hot = theme.fill(box), box.key in graph.hot
    line, weight = (theme.HOT, 2.6) if hot else (theme.edge(box), 1.1)
    style = "rounded,filled,dashed" if box.kind in ("other", "empty") else "rounded,filled"
    group = f"group=c{cell.col}, " if cell.span == 1 else ""
    return (
        f'{box.key} [fillcolor="#{fill}", color="#{line}", fontcolor="#{theme.ink(fill)}",\n'
        f'        penwidth={weight}, style="{style}", {group}tooltip={dot_string(printable(title(box)))},\n'
        f"        label={box_label(box, cell.span)}];"
    )
