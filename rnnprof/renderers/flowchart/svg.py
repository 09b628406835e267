"""A scene as SVG: drawn without any program, safe to open, readable without colour."""

from __future__ import annotations

from rnnprof.renderers.flowchart import theme
from rnnprof.renderers.flowchart.escape import xml
from rnnprof.renderers.flowchart.graph import Graph
from rnnprof.renderers.flowchart.layout import layout
from rnnprof.renderers.flowchart.legend import ARROW
from rnnprof.renderers.flowchart.scene import Legend, Panel, Point, Rect, Scene, Text, Wire
from rnnprof.renderers.flowchart.text import is_known, printable, width

_FONT = "Helvetica, Arial, DejaVu Sans, sans-serif"
_HEAD, _HOT_HEAD = 6.0, 9.8  # how far the tips of the arrowheads reach beyond their lines
_STYLE = (
    "polyline{fill:none;stroke-linejoin:round}"
    f".flow,.back{{stroke:#{theme.WIRE};stroke-width:1.5}}"
    f".once{{stroke:#{theme.WIRE};stroke-width:1.5;stroke-dasharray:5 3}}"
    f".hot{{stroke:#{theme.HOT};stroke-width:4.2}}"
)


def svg(graph: Graph) -> str:
    """Write a graph as one SVG document (SVG 1.1, https://www.w3.org/TR/SVG11/).

    It holds no script and no reference to anything outside it, has its own white ground, and names
    itself for screen readers.
    """
    scene = layout(graph, printable)
    wide, high = _n(scene.width), _n(scene.height)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" '
        f'role="img" aria-labelledby="title desc" font-family="{_FONT}">',
        f'<title id="title">rnnprof flow chart: {_subject(graph)}</title>',
        f'<desc id="desc">{xml(_description(graph, scene))}</desc>',
        f"<defs>{_marker('a', theme.WIRE, 9)}{_marker('h', theme.HOT, 15)}{_ramp(scene.legend.stops)}</defs>",
        f"<style>{_STYLE}</style>",
        f'<rect width="{wide}" height="{high}" fill="#{theme.PAPER}"/>',
    ]
    out += [_panel(panel) for panel in (*scene.lanes, *scene.containers)]
    out += [_wire(wire) for wire in scene.wires]
    out += [_panel(panel) for panel in scene.boxes]
    if scene.decision:
        out.append(_decision(*scene.decision))
    out += [_text(wire.label) for wire in scene.wires if wire.label]
    out += [_text(text) for text in scene.texts]
    out += _legend(scene.legend)
    return "\n".join([*out, "</svg>", ""])


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _description(graph: Graph, scene: Scene) -> str:
    boxes = "; ".join(printable(panel.title) for panel in scene.boxes if panel.title)
    lanes = "; ".join(printable(panel.title) for panel in scene.lanes)
    return f"Numbers are the {graph.basis}. Lanes: {lanes}. Stages: {boxes}."


def _subject(graph: Graph) -> str:
    return "what changed" if graph.change else "where the time went"


def _marker(key: str, colour: str, size: int) -> str:
    return (
        f'<marker id="{key}" viewBox="0 0 10 10" refX="4" refY="5" markerWidth="{size}" '
        f'markerHeight="{size}" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M0 0L10 5L0 10L3 5Z" fill="#{colour}"/></marker>'
    )


def _ramp(stops: tuple[str, ...]) -> str:
    """The scale is linear between its stops, for a place on it is the square root of a share."""
    last = len(stops) - 1
    marks = "".join(f'<stop offset="{_n(100 * i / last)}%" stop-color="#{c}"/>' for i, c in enumerate(stops))
    return f'<linearGradient id="ramp">{marks}</linearGradient>'


def _rect(rect: Rect, more: str) -> str:
    return f'<rect x="{_n(rect.x)}" y="{_n(rect.y)}" width="{_n(rect.w)}" height="{_n(rect.h)}" {more}/>'


def _panel(panel: Panel) -> str:
    rect, radius = panel.rect, _n(panel.radius)
    out = [f"<g><title>{xml(printable(panel.title))}</title>" if panel.title else "<g>"]
    out.append(_rect(rect, f'rx="{radius}" fill="#{panel.fill}"'))
    if panel.tab:
        # Round at the left, square at the right.
        side, arc = _n(rect.x + panel.tab), f"a{radius} {radius} 0 0 0"
        way = f"M{side} {_n(rect.y)}H{_n(rect.x + panel.radius)}{arc} -{radius} {radius}"
        way += f"V{_n(rect.bottom - panel.radius)}{arc} {radius} {radius}H{side}Z"
        out.append(f'<path d="{way}" fill="#{panel.tab_fill}"/>')
    if panel.bar:
        groove, bar = panel.bars
        out.append(_rect(groove, f'fill="#{theme.groove(panel.bar_fill, panel.fill)}"'))
        out.append(_rect(bar, f'fill="#{panel.bar_fill}"'))
    dash = ' stroke-dasharray="4 2.5"' if panel.dashed else ""
    out.append(
        _rect(rect, f'rx="{radius}" fill="none" stroke="#{panel.line}" stroke-width="{panel.weight}"{dash}')
    )
    out += [_text(text) for text in panel.texts]
    return "".join([*out, "</g>"])


def _wire(wire: Wire) -> str:
    back = (_HOT_HEAD if wire.kind == "hot" else _HEAD) if wire.head else 0.0
    points = " ".join(f"{_n(x)},{_n(y)}" for x, y in _short(wire.points, back))
    head = f' marker-end="url(#{"h" if wire.kind == "hot" else "a"})"' if wire.head else ""
    return f'<polyline class="{wire.kind}" points="{points}"{head}/>'


def _short(points: tuple[Point, ...], by: float) -> tuple[Point, ...]:
    """The same way, ended earlier to make room for the arrowhead, whose tip then touches the box."""
    (x0, y0), (x1, y1) = points[-2:]
    part = by / max(abs(x1 - x0) + abs(y1 - y0), by, 1.0)
    return (*points[:-1], (x1 - (x1 - x0) * part, y1 - (y1 - y0) * part))


def _decision(rect: Rect, texts: tuple[Text, ...]) -> str:
    points = f"{_n(rect.x)},{_n(rect.cy)} {_n(rect.cx)},{_n(rect.y)} {_n(rect.right)},{_n(rect.cy)} "
    points += f"{_n(rect.cx)},{_n(rect.bottom)}"
    shape = f'<polygon points="{points}" fill="#{theme.PAPER}" stroke="#{theme.WIRE}" stroke-width="1.5"/>'
    return shape + "".join(_text(text) for text in texts)


def _text(text: Text) -> str:
    weight = ' font-weight="700"' if text.bold else ""
    anchor = "" if text.anchor == "start" else f' text-anchor="{text.anchor}"'
    turn = f' transform="rotate(-90 {_n(text.x)} {_n(text.y)})"' if text.turned else ""
    plate = ""
    if text.ground:
        wide = width(text.string, text.size, text.bold) + 8
        plate = _rect(
            Rect(text.x - wide / 2, text.y - text.size, wide, text.size + 4), f'fill="#{text.ground}"{turn}'
        )
    # The layout knows Helvetica's widths; another font is made to fit, so that no text meets the next.
    fit = ""
    if len(text.string) > 1 and is_known(text.string):
        wide = width(text.string, text.size, text.bold)
        fit = f' textLength="{_n(wide)}" lengthAdjust="spacingAndGlyphs"'
    return (
        f'{plate}<text x="{_n(text.x)}" y="{_n(text.y)}" font-size="{_n(text.size)}"{weight}{anchor}{turn}'
        f'{fit} fill="#{text.colour}">{xml(text.string)}</text>'
    )


def _legend(legend: Legend) -> list[str]:
    out = []
    for (x, y), kind, text in legend.samples:
        out.append(_wire(Wire("", "", ((x, y), (x + ARROW, y)), kind)) + _text(text))
    out.append(_rect(legend.ramp, f'fill="url(#ramp)" stroke="#{theme.WIRE}" stroke-width="0.6"'))
    for x, text in legend.ticks:
        y = legend.ramp.bottom
        out.append(f'<path d="M{_n(x)} {_n(y)}v3" stroke="#{theme.WIRE}" stroke-width="0.8"/>{_text(text)}')
    return out + [_text(text) for text in legend.texts]
