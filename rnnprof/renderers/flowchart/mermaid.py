"""A graph as a Mermaid flow chart: a tall column, fit for a README."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rnnprof.renderers.flowchart import theme
from rnnprof.renderers.flowchart.escape import mermaid as quoted
from rnnprof.renderers.flowchart.escape import mermaid_words as words
from rnnprof.renderers.flowchart.graph import END, Box, Graph, Group, Item, Lane, groups, leaves
from rnnprof.renderers.flowchart.text import printable, shorten

_CLASSES = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75)
_ROOM, _SIZE = 260.0, 14.0


def mermaid(graph: Graph) -> str:
    """Write a graph as Mermaid (https://mermaid.js.org/syntax/flowchart.html).

    Mermaid places everything itself and ignores the direction of a subgraph that has edges to its
    outside, so the picture is one column. Colours come as classes of shares.
    """
    out = ["flowchart TB"]
    for lane in graph.lanes:
        out += _lane(graph, lane)
    if not graph.lanes:
        out.append('  nothing["nothing was recorded"]')
    for edge in graph.edges:
        arrow = {"hot": "==>", "once": "-.->"}.get(edge.kind, "-->")
        label = f'|"{words(edge.label)}"|' if edge.label else ""
        out.append(f"  {edge.tail} {arrow}{label} {edge.head}")
    out += _classes(graph)
    return "\n".join([*out, ""])


def _lane(graph: Graph, lane: Lane) -> Iterator[str]:
    parts = [lane.time, graph.step[2] if lane.key == graph.loop else "", lane.percent]
    parts += ["beside the run"] if lane.thread else [graph.basis if lane.percent else ""]
    name = f"{_short(lane.name)}: {_join(parts)}"
    yield f'  subgraph {lane.key}["{name}"]'
    yield from _items(lane.flow, "    ")
    yield from _items(lane.loose, "    ")
    if lane.other:
        yield _box(lane.other, "    ")
    if lane.key == graph.loop:
        yield f'    {END}{{"{words(graph.end)}"}}'
    yield "  end"


def _items(items: Sequence[Item], indent: str) -> Iterator[str]:
    for item in items:
        if isinstance(item, Box):
            yield _box(item, indent)
            continue
        numbers = [item.percent if item.share is not None else "", item.time]
        yield f'{indent}subgraph {item.key}["{_short(item.name)}: {_join(numbers)}"]'
        yield from _items(item.items, indent + "  ")
        if item.own:
            yield _box(item.own, indent + "  ")
        yield f"{indent}end"


def _box(box: Box, indent: str) -> str:
    lines = [f"<b>{_short(box.name)}</b>", words(box.note), f"<b>{words(box.large)}</b>" if box.large else ""]
    text = "<br/>".join(line for line in [*lines, words(box.small)] if line)
    return f'{indent}{box.key}["{text}"]'


def _short(name: str) -> str:
    return quoted(shorten(printable(name), _ROOM, _SIZE))


def _join(parts: Sequence[str]) -> str:
    return ", ".join(words(part) for part in parts if part)


def _classes(graph: Graph) -> Iterator[str]:
    """One class for each range of shares that occurs, one for dashed boxes and one for hot ones."""
    shown: dict[int, list[str]] = {}
    boxes = [box for lane in graph.lanes for box, _ in leaves((*lane.flow, *lane.loose))]
    boxes += [lane.other for lane in graph.lanes if lane.other]
    held: list[Group] = [group for lane in graph.lanes for group in groups((*lane.flow, *lane.loose))]
    boxes += [group.own for group in held if group.own]
    for box in [box for box in boxes if not box.fill]:
        share = box.share or 0.0
        shown.setdefault(max(at for at, least in enumerate(_CLASSES) if share >= least), []).append(box.key)
    for at, keys in sorted(shown.items()):
        fill = theme.heat(_CLASSES[at] if at else 0.0)
        line = theme.line(_CLASSES[at])
        yield f"  classDef h{at} fill:#{fill},stroke:#{line},color:#{theme.ink(fill)}"
        yield f"  class {','.join(keys)} h{at}"
    for box in [box for box in boxes if box.fill]:
        yield f"  style {box.key} fill:#{box.fill},stroke:#{theme.edge(box)},color:#{theme.ink(box.fill)}"
    for group in held:
        fill = theme.ground(group)
        yield f"  style {group.key} fill:#{fill},stroke:#{theme.edge(group)},color:#{theme.ink(fill)}"
    for lane in graph.lanes:
        yield f"  style {lane.key} fill:#{theme.LANE},stroke:#{theme.LANE_LINE},color:#{theme.INK}"
    if dashed := [box.key for box in boxes if box.kind != "stage"]:
        yield "  classDef dashed stroke-dasharray:4 3"
        yield f"  class {','.join(dashed)} dashed"
    if graph.hot:
        yield f"  classDef hot stroke:#{theme.HOT},stroke-width:3px"
        yield f"  class {','.join(sorted(graph.hot))} hot"
    if hot := [at for at, edge in enumerate(graph.edges) if edge.kind == "hot"]:
        yield f"  linkStyle {','.join(map(str, hot))} stroke:#{theme.HOT},stroke-width:4px"
