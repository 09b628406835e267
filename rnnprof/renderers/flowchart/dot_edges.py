"""The edges of the DOT output: the visible ones, and the invisible ones that hold the grid."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from rnnprof.renderers.flowchart import theme
from rnnprof.renderers.flowchart.graph import END, Edge, Graph, Lane
from rnnprof.renderers.flowchart.grid import Grid

_STRAIGHT = 600  # more than what Graphviz gives for a narrow cluster
_PLAIN = f'color="#{theme.WIRE}", penwidth=1.3, arrowsize=0.8'
_STYLES = {
    "flow": _PLAIN,
    "back": _PLAIN,
    "hot": f'color="#{theme.HOT}", penwidth=4, arrowsize=0.9',
    "once": f"{_PLAIN}, style=dashed",
}


def keys(graph: Graph, lane: Lane, at: int, cells: Grid) -> list[str]:
    """The node in each column of a row: a box in all its columns, the decision, or an invisible one."""
    names = [f"{lane.key}r{at}c{col}" for col in range(cells.columns)]
    for cell in cells.rows[lane.key][at].cells:
        names[cell.col : cell.col + cell.span] = [cell.box.key] * cell.span
    if lane.key == graph.loop and at == cells.turns - 1:
        names[0] = END
    return names


def edges(graph: Graph, cells: Grid) -> Iterator[str]:
    """All edges, ranks first; an invisible edge is left out where a visible one does its work.

    Invisible ranks above, between and below the lanes lie outside every cluster, where Graphviz keeps
    the order of a rank; its search for few crossings sets out from there. They also part the lanes.
    """
    rows, owners = _rows(graph, cells)
    borders = {
        cell.box.key: f"cluster_{lane.key}r{at}_{cell.groups[0].key}"
        for lane in graph.lanes
        for at, row in enumerate(cells.rows[lane.key])
        for cell in row.cells
        if cell.groups
    }
    visible = [line for edge in graph.edges for line in _visible(edge, rows, owners, borders)]
    drawn = {(line.split()[0], line.split()[2]) for line in visible}
    for row, owner in zip(rows, owners, strict=True):
        if not owner:
            yield "; ".join(f"{name} [shape=point, style=invis, width=0.01]" for name in row)
    above: list[str] = []
    for row in rows:
        names = list(dict.fromkeys(row))
        yield f"{{rank=same; {'; '.join(names)}}}"
        for pair in dict.fromkeys(zip(above, row, strict=False)):
            if pair not in drawn:
                yield f"{pair[0]} -> {pair[1]} [style=invis, weight={_STRAIGHT}]"
        for pair in pairwise(names):
            if pair not in drawn:
                yield f"{pair[0]} -> {pair[1]} [style=invis]"
        above = row
    yield from visible


def _rows(graph: Graph, cells: Grid) -> tuple[list[list[str]], list[str]]:
    """The nodes of every rank from the top, and the lane of each; none for the ranks around lanes."""
    rows, owners = [], []
    for at, lane in enumerate(graph.lanes):
        rows.append([f"g{at}c{col}" for col in range(cells.columns)])
        rows += [keys(graph, lane, index, cells) for index in range(len(cells.rows[lane.key]))]
        owners += ["", *(lane.key for _ in cells.rows[lane.key])]
    if rows:
        rows.append([f"g{len(graph.lanes)}c{col}" for col in range(cells.columns)])
        owners.append("")
    return rows, owners


def _visible(edge: Edge, rows: list[list[str]], owners: list[str], borders: dict[str, str]) -> Iterator[str]:
    style = _STYLES[edge.kind]
    at = {name: (index, row.index(name)) for index, row in enumerate(rows) for name in row}
    tail, head = at[edge.tail], at[edge.head]
    if edge.head == END and tail[0] != head[0]:  # down beside the decision, then to its side
        corner = rows[head[0]][tail[1] + rows[tail[0]].count(edge.tail) - 1]
        yield f"{edge.tail} -> {corner} [dir=none, {style}, weight={_STRAIGHT}]"
        yield f"{END} -> {corner} [dir=back, {style}]"
    elif edge.kind == "back":
        yield f'{edge.head} -> {edge.tail} [dir=back, weight={_STRAIGHT}, {style}, xlabel="{edge.label}  "]'
    elif edge.kind == "once":
        yield from _once(edge, rows, at, owners)
    elif tail[0] != head[0]:
        into = f"lhead={borders[edge.head]}, " if edge.head in borders else ""  # not through the head's text
        yield f"{edge.tail} -> {edge.head} [{into}{style}, weight={_STRAIGHT}]"
    elif tail[1] > head[1]:
        yield f"{edge.head} -> {edge.tail} [dir=back, {style}]"
    else:
        yield f"{edge.tail} -> {edge.head} [{style}]"


def _once(
    edge: Edge, rows: list[list[str]], at: dict[str, tuple[int, int]], owners: list[str]
) -> Iterator[str]:
    """Between lanes, straight down a column from node to node, to or from the border of a lane."""
    style = f"{_STYLES['once']}, weight={_STRAIGHT}"
    words = f'fontcolor="#{theme.MUTED}", xlabel="{edge.label} "'
    label = f'[style=filled, color="#{theme.WIRE}", fontsize=10, {words}]'
    top, col = at[edge.tail]
    low = at[edge.head][0]
    lane, goal = owners[top], owners[low]
    mine = [index for index, owner in enumerate(owners) if owner == lane]
    theirs = [index for index, owner in enumerate(owners) if owner == goal]
    if low < top:  # back up to the loop, whose lane is the one above
        way = [rows[index][col] for index in range(theirs[-1], mine[0] + 1)]
        out = f"lhead=cluster_{lane}, " if mine[0] != top else ""
        yield f"{way[0]} -> {way[1]} [dir=back, ltail=cluster_{goal}, {style}]"
        yield f"{way[1]} {label}"
        yield f"{way[1]} -> {way[2]} [dir=none, {out}{style}]"
        return
    last = top if edge.tail == END else mine[-1]
    way = [rows[index][col] for index in range(last, low + 1)]
    out = f"ltail=cluster_{lane}, " if last != top else ""
    for one, two in pairwise(way[:-1]):
        yield f"{one} -> {two} [dir=none, {out}{style}]"
    yield f"{way[-2]} {label}"
    yield f"{way[-2]} -> {way[-1]} [lhead=cluster_{goal}, {style}]"
