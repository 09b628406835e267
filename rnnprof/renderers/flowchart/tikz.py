"""A scene as a LaTeX document that needs pgf/TikZ alone."""

from __future__ import annotations

from rnnprof.renderers.flowchart import theme
from rnnprof.renderers.flowchart.escape import tex, tex_printable
from rnnprof.renderers.flowchart.graph import Graph
from rnnprof.renderers.flowchart.layout import layout
from rnnprof.renderers.flowchart.legend import ARROW
from rnnprof.renderers.flowchart.scene import Legend, Panel, Rect, Scene, Text, Wire
from rnnprof.renderers.flowchart.text import printable

_UNIT = 0.72  # points to a pixel: the sizes below then come close to those in which cmss exists
_SIZES = ("6", "7", "8", "9", "10", "12", "14.4", "17.28")
_HEAD = r"""\documentclass{{article}}
\usepackage{{tikz}}
\usepackage[paperwidth={wide}pt,paperheight={high}pt,margin=0pt]{{geometry}}
\usetikzlibrary{{arrows.meta}}
\pagestyle{{empty}}\setlength{{\parindent}}{{0pt}}
{colours}
\tikzset{{t/.style={{inner sep=0pt,outer sep=0pt}},
  flow/.style={{draw=c{wire},line width=1.1pt,rounded corners=2.5pt,-{{Stealth[length=2.3mm,width=1.9mm]}}}},
  back/.style={{flow}},
  once/.style={{flow,dash pattern=on 3.2pt off 2.2pt}},
  hot/.style={{draw=c{hot},line width=3pt,-{{Stealth[length=3.6mm,width=3.3mm]}}}}}}
\begin{{document}}\sffamily
\begin{{tikzpicture}}[x={unit}pt,y=-{unit}pt]
\path[use as bounding box] (0,0) rectangle ({right},{bottom});"""


def tikz(graph: Graph) -> str:
    """Write a graph as a LaTeX document for pdflatex or lualatex.

    It needs what Debian's ``texlive-pictures`` brings: the classes ``article`` and ``geometry`` and
    pgf (https://ctan.org/pkg/pgf), with the font ``cmss`` in the encoding OT1. Characters that this
    font lacks appear as their code point, such as ``U+65E5``; full names of shortened stages are
    not kept. No line is longer than 300 characters.
    """
    scene = layout(graph, lambda text: tex_printable(printable(text)))
    body: list[str] = []
    for panel in (*scene.lanes, *scene.containers):
        body += _panel(panel)
    body += [_wire(wire) for wire in scene.wires]
    for panel in scene.boxes:
        body += _panel(panel)
    if scene.decision:
        body += _decision(*scene.decision)
    body += [_text(wire.label) for wire in scene.wires if wire.label]
    body += [_text(text) for text in scene.texts]
    body += _legend(scene.legend)
    head = _HEAD.format(
        wide=_n(scene.width * _UNIT + 1), high=_n(scene.height * _UNIT + 1), colours=_colours(scene),
        wire=theme.WIRE, hot=theme.HOT, unit=_UNIT, right=_n(scene.width), bottom=_n(scene.height),
    )  # fmt: skip
    return "\n".join([head, *body, r"\end{tikzpicture}", r"\end{document}", ""])


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _colours(scene: Scene) -> str:
    used = {theme.WIRE, theme.HOT, theme.PAPER, theme.INK, theme.MUTED, *scene.legend.stops}
    texts = [*scene.texts, *(wire.label for wire in scene.wires if wire.label)]
    for panel in (*scene.lanes, *scene.containers, *scene.boxes):
        used |= {panel.fill, panel.line, panel.tab_fill, panel.bar_fill}
        if panel.bar:
            used.add(theme.groove(panel.bar_fill, panel.fill))
        texts += panel.texts
    used |= {text.colour for text in texts} | {text.ground for text in texts}
    return "\n".join(rf"\definecolor{{c{colour}}}{{HTML}}{{{colour}}}" for colour in sorted(used - {""}))


def _at(x: float, y: float) -> str:
    return f"({_n(x)},{_n(y)})"


def _rect(rect: Rect) -> str:
    return f"{_at(rect.x, rect.y)} rectangle {_at(rect.right, rect.bottom)}"


def _panel(panel: Panel) -> list[str]:
    rect, corners = panel.rect, f"rounded corners={_n(panel.radius * _UNIT)}pt"
    out = [rf"\fill[{corners},fill=c{panel.fill}] {_rect(rect)};"]
    if panel.tab:
        tab = Rect(rect.x, rect.y, panel.tab, rect.h)
        out.append(rf"\begin{{scope}}\clip[{corners}] {_rect(rect)};")
        out.append(rf"\fill[c{panel.tab_fill}] {_rect(tab)};\end{{scope}}")
    if panel.bar:
        groove, bar = panel.bars
        colour = theme.groove(panel.bar_fill, panel.fill)
        out.append(rf"\fill[c{colour}] {_rect(groove)};\fill[c{panel.bar_fill}] {_rect(bar)};")
    dash = ",dash pattern=on 2.4pt off 1.6pt" if panel.dashed else ""
    weight = f"line width={_n(panel.weight * _UNIT)}pt"
    out.append(rf"\draw[{corners},draw=c{panel.line},{weight}{dash}] {_rect(rect)};")
    return out + [_text(text) for text in panel.texts]


def _wire(wire: Wire) -> str:
    way = " -- ".join(_at(x, y) for x, y in wire.points)
    return rf"\draw[{wire.kind}{'' if wire.head else ',-'}] {way};"


def _decision(rect: Rect, texts: tuple[Text, ...]) -> list[str]:
    corners = (rect.x, rect.cy), (rect.cx, rect.y), (rect.right, rect.cy), (rect.cx, rect.bottom)
    way = " -- ".join(_at(x, y) for x, y in corners)
    shape = rf"\draw[draw=c{theme.WIRE},fill=c{theme.PAPER},line width=1pt] {way} -- cycle;"
    return [shape, *(_text(text) for text in texts)]


def _text(text: Text) -> str:
    size = min(_SIZES, key=lambda size: abs(float(size) - text.size * _UNIT))
    font = rf"\fontsize{{{size}}}{{{size}}}\selectfont" + (r"\bfseries\boldmath" if text.bold else "")
    anchor = {"start": "base west", "middle": "base", "end": "base east"}[text.anchor]
    more = ",rotate=90" if text.turned else ""
    if text.ground:
        more += f",fill=c{text.ground},inner sep=2.5pt"
    return (
        rf"\node[t,anchor={anchor},text=c{text.colour}{more},font={font}] at {_at(text.x, text.y)} {{%"
        + f"\n{tex(text.string)}}};"
    )


def _legend(legend: Legend) -> list[str]:
    out = []
    for (x, y), kind, text in legend.samples:
        out += [_wire(Wire("", "", ((x, y), (x + ARROW, y)), kind)), _text(text)]
    ramp, parts = legend.ramp, len(legend.stops) - 1
    for at in range(parts):
        part = Rect(ramp.x + ramp.w * at / parts, ramp.y, ramp.w / parts, ramp.h)
        one, two = legend.stops[at], legend.stops[at + 1]
        out.append(rf"\shade[left color=c{one},right color=c{two}] {_rect(part)};")
    out.append(rf"\draw[draw=c{theme.WIRE},line width=.4pt] {_rect(ramp)};")
    for x, text in legend.ticks:
        out.append(
            rf"\draw[draw=c{theme.WIRE},line width=.5pt] {_at(x, ramp.bottom)} -- {_at(x, ramp.bottom + 3)};"
        )
        out.append(_text(text))
    return out + [_text(text) for text in legend.texts]
