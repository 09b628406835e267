"""The legend: what the colours, the thick arrows and the dashed lines mean."""

from __future__ import annotations

from rnnprof.renderers.flowchart import theme
from rnnprof.renderers.flowchart.graph import Graph
from rnnprof.renderers.flowchart.scene import Legend, Point, Rect, Text
from rnnprof.renderers.flowchart.text import width

_RAMP_W, _RAMP_H, _SIZE, _LINE, _ARROW = 270.0, 9.0, 10.5, 24.0, 44.0


def hot_words(graph: Graph) -> str:
    """What the thick arrows and borders mean."""
    return f"the fewest stages that make 90 % of {graph.step[0]}"


def legend(graph: Graph, left: float, right: float, top: float) -> tuple[Legend, float]:
    """The legend between two sides; in one line where it fits, else the scale comes below.

    Args:
        graph: what is drawn.
        left, right, top: the room in pixels.

    Returns:
        The legend and the y where it ends.
    """
    kinds, labels = {edge.kind for edge in graph.edges}, {edge.label for edge in graph.edges}
    wanted = [("hot", hot_words(graph))] if graph.hot else []
    if "once" in kinds:
        wanted.append(("once", "once per epoch" if "next epoch" in labels else "once"))
    samples: list[tuple[Point, str, Text]] = []
    x, y = left, top + 12
    for kind, phrase in wanted:
        need = _ARROW + 8 + width(phrase, _SIZE)
        if samples and x + need > right:
            x, y = left, y + _LINE
        text = Text(x + _ARROW + 8, y + 3.6, phrase, _SIZE, colour=theme.MUTED, anchor="start", room=need)
        samples.append(((x, y), kind, text))
        x += need + 26
    basis = width(graph.basis, _SIZE)
    if samples and x + basis + 10 + _RAMP_W > right - 12:
        x, y = left, y + _LINE
    ramp = Rect(right - 14 - _RAMP_W, y - _RAMP_H / 2, _RAMP_W, _RAMP_H)
    words = Text(
        ramp.x - 12, y + 3.6, graph.basis, _SIZE, colour=theme.MUTED, anchor="end", room=basis + 0.01
    )
    scale = theme.scale(graph.change)
    ticks = tuple(
        (at, Text(at, ramp.bottom + 12.5, mark, 8.5, colour=theme.MUTED, room=30.0))
        for at, mark in ((ramp.x + place * ramp.w, mark) for place, mark in scale.ticks)
    )
    return Legend(ramp, ticks, tuple(samples), (words,), scale.stops), ramp.bottom + 18


ARROW = _ARROW
"""Length of a sample arrow in pixels."""
