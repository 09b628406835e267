"""The plot of a sweep as SVG: drawn without any program, safe to open, readable without colour."""

from __future__ import annotations

from rnnprof.analysis.plotted import Line, Panel, Plot, Point
from rnnprof.renderers.flowchart.escape import xml
from rnnprof.renderers.flowchart.text import printable, shorten

_FONT = "Helvetica, Arial, DejaVu Sans, sans-serif"
_INK, _MUTED, _GRID, _PAPER = "#1A1A1A", "#4F5A68", "#E3E7EC", "#FFFFFF"
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#6B7788")
"""Colours to be told apart with any sight (Okabe and Ito, https://jfly.uni-koeln.de/color/), and a grey."""
_DASHES = ("", "6 3", "2 3", "8 3 2 3", "4 2", "1 2", "10 4", "3 6")

_LEFT, _TOP, _WIDE, _HIGH, _GAP = 70.0, 66.0, 250.0, 220.0, 34.0
_INSET = 16.0
"""Room between a panel's sides and its first and last level."""
_KEY = 18.0
"""Height of a line of the key."""
_CAP = 3.5


def svg(plot: Plot) -> str:
    """Write a plot as one SVG document (SVG 1.1, https://www.w3.org/TR/SVG11/).

    It holds no script and no reference to anything outside it, has its own white ground, and names
    itself for screen readers.

    Args:
        plot: what to draw.

    Returns:
        The document, with a newline at its end.
    """
    keys = max((len(panel.lines) for panel in plot.panels if panel.second), default=0)
    wide = _n(_LEFT + len(plot.panels) * (_WIDE + _GAP))
    high = _n(_TOP + _HIGH + 52 + (keys + 1) * _KEY * bool(keys))
    names = ", ".join(printable(panel.factor) for panel in plot.panels)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" '
        f'role="img" aria-labelledby="title desc" font-family="{_FONT}" font-size="12">',
        f'<title id="title">rnnprof sweep: {xml(printable(plot.title))} by {xml(names)}</title>',
        f'<desc id="desc">{xml(printable(plot.about))}</desc>',
        f'<rect width="{wide}" height="{high}" fill="{_PAPER}"/>',
        _text(_LEFT, 24, plot.title, "start", "bold", size=15),
        _text(_LEFT, 42, plot.about, "start", colour=_MUTED, size=11),
    ]
    for number, panel in enumerate(plot.panels):
        out += _panel(plot, panel, _LEFT + number * (_WIDE + _GAP), number == 0)
    return "\n".join([*out, "</svg>", ""])


def _panel(plot: Plot, panel: Panel, left: float, labels: bool) -> list[str]:
    bottom = _TOP + _HIGH
    out = [f'<g><rect x="{_n(left)}" y="{_n(_TOP)}" width="{_n(_WIDE)}" height="{_n(_HIGH)}" fill="none"']
    out[0] += f' stroke="{_MUTED}"/>'
    for tick in plot.ticks:
        y = bottom - tick.place * _HIGH
        out.append(f'<path d="M{_n(left)} {_n(y)}h{_n(_WIDE)}" stroke="{_GRID}"/>')
        out += [_text(left - 6, y + 4, tick.label, "end", colour=_MUTED)] if labels else []
    room = (_WIDE - 2 * _INSET) / max(len(panel.ticks) - 1, 1) - 4
    for tick in panel.ticks:
        out.append(_text(_x(left, tick.place), bottom + 16, tick.label, "middle", colour=_MUTED, room=room))
    out.append(_text(left + _WIDE / 2, bottom + 36, panel.factor, "middle", "bold", room=_WIDE))
    for number, line in enumerate(panel.lines):
        out += _line(line, left, number)
    if panel.second:
        y = bottom + 36 + _KEY * 1.3
        out.append(_text(left, y, f"{panel.second}:", "start", colour=_MUTED, room=_WIDE))
        for number, line in enumerate(panel.lines):
            y += _KEY
            out.append(f'<path d="M{_n(left)} {_n(y - 4)}h30" {_stroke(number)}/>')
            out.append(_text(left + 38, y, line.label, "start", room=_WIDE - 38))
    return [*out, "</g>"]


def _line(line: Line, left: float, number: int) -> list[str]:
    points = " ".join(f"{_n(_x(left, one.x))},{_n(_y(one.y))}" for one in line.points)
    out = [f'<polyline points="{points}" {_stroke(number)}/>']
    colour = _COLOURS[number % len(_COLOURS)]
    return out + [_point(one, left, colour) for one in line.points]


def _point(point: Point, left: float, colour: str) -> str:
    x, y = _x(left, point.x), _y(point.y)
    bar = ""
    if point.low is not None and point.high is not None:
        low, high = _n(_y(point.low)), _n(_y(point.high))
        side, across = _n(x - _CAP), _n(2 * _CAP)
        way = f"M{_n(x)} {low}V{high}M{side} {low}h{across}M{side} {high}h{across}"
        bar = f'<path d="{way}" stroke="{colour}" stroke-width="1.2" fill="none"/>'
    words = xml(printable(point.words))
    return f'<g><title>{words}</title>{bar}<circle cx="{_n(x)}" cy="{_n(y)}" r="3" fill="{colour}"/></g>'


def _x(left: float, place: float) -> float:
    return left + _INSET + place * (_WIDE - 2 * _INSET)


def _y(place: float) -> float:
    return _TOP + _HIGH - place * _HIGH


def _stroke(number: int) -> str:
    dash = _DASHES[number % len(_DASHES)]
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'fill="none" stroke="{_COLOURS[number % len(_COLOURS)]}" stroke-width="1.8"{dashed}'


def _text(
    x: float,
    y: float,
    words: str,
    anchor: str,
    weight: str = "",
    colour: str = _INK,
    size: float = 12,
    room: float | None = None,
) -> str:
    shown = printable(words) if room is None else shorten(printable(words), max(room, size), size)
    more = f' font-weight="{weight}"' if weight else ""
    more += f' font-size="{_n(size)}"' if size != 12 else ""
    more += f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{_n(x)}" y="{_n(y)}"{more} fill="{colour}">{xml(shown)}</text>'


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
