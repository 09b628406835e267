"""The HTML-like labels of the DOT output (https://graphviz.org/doc/info/shapes.html#html)."""

from __future__ import annotations

from rnnprof.renderers.flowchart import theme
from rnnprof.renderers.flowchart.escape import html_label
from rnnprof.renderers.flowchart.graph import Box, Graph, Lane
from rnnprof.renderers.flowchart.legend import hot_words
from rnnprof.renderers.flowchart.pieces import Piece
from rnnprof.renderers.flowchart.text import printable, shorten

_WIDE, _STEP = 122, 26  # points: a box of one column, and the gap between two
_TABLE = '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="{}">'


def _fit(text: str, room: float, size: float, bold: bool = False) -> str:
    return html_label(shorten(printable(text), room, size, bold))


def box_label(box: Box, span: int) -> str:
    """Name, phrase, share, duration and bar of a box that spans some columns."""
    wide = _WIDE * span + _STEP * (span - 1)
    rows = [f'<TR><TD WIDTH="{wide}" HEIGHT="16"><B>{_fit(box.name, wide - 4, 12, True)}</B></TD></TR>']
    if box.kind == "empty":
        rows = [f'<TR><TD WIDTH="{wide}" HEIGHT="60">{html_label(box.name)}</TD></TR>']
    if box.note:
        rows.append(f'<TR><TD><FONT POINT-SIZE="8">{_fit(box.note, wide - 4, 8)}</FONT></TD></TR>')
    if box.large:
        rows.append(f'<TR><TD><FONT POINT-SIZE="17"><B>{html_label(box.large)}</B></FONT></TD></TR>')
    if box.small:
        rows.append(f'<TR><TD><FONT POINT-SIZE="10">{html_label(box.small)}</FONT></TD></TR>')
    if box.share:
        long = wide - 14
        done = min(max(round(long * box.share), 1), long - 1)
        colour = theme.edge(box)
        pale = theme.groove(colour, theme.fill(box))
        # Of a fixed size as a whole, for else Graphviz draws the two parts apart.
        table = _TABLE.format(0).replace(">", f' FIXEDSIZE="TRUE" WIDTH="{long}" HEIGHT="4">')
        bar = f'<TD FIXEDSIZE="TRUE" WIDTH="{done}" HEIGHT="4" BGCOLOR="#{colour}"></TD>'
        bar += f'<TD FIXEDSIZE="TRUE" WIDTH="{long - done}" HEIGHT="4" BGCOLOR="#{pale}"></TD>'
        rows.append(f"<TR><TD>{table}<TR>{bar}</TR></TABLE></TD></TR>")
    return f"<{_TABLE.format(1)}{''.join(rows)}</TABLE>>"


def group_label(graph: Graph, piece: Piece) -> str:
    """The head of a container: name, share, duration and, as a small box, its own time."""
    group = piece.group
    room = _WIDE * (piece.high - piece.low + 1)
    parts = [f"<TD><B>{_fit(group.name, room, 12, True)}{'' if piece.first else ' (continued)'}</B></TD>"]
    if piece.first and group.share is not None:
        parts.append(f'<TD><FONT POINT-SIZE="15"><B>{html_label(group.percent)}</B></FONT></TD>')
    if piece.first:
        parts.append(f"<TD>{html_label(group.time)}</TD>")
    rows = [f'<TR><TD ALIGN="LEFT">{_TABLE.format(2)}<TR>{"".join(parts)}</TR></TABLE></TD>']
    if piece.first and group.own:
        fill, hot = theme.fill(group.own), group.own.key in graph.hot
        line = theme.HOT if hot else theme.edge(group.own)
        text = f"{html_label(group.own.name)} <B>{html_label(group.own.percent)}</B>"
        cell = (
            f'<TD BORDER="{2 if hot else 1}" STYLE="dashed" COLOR="#{line}" BGCOLOR="#{fill}">'
            f'<FONT POINT-SIZE="10" COLOR="#{theme.ink(fill)}">{text}</FONT></TD>'
        )
        joint = "</TR><TR>" if piece.low == piece.high else ""
        rows.append(f'{joint}<TD ALIGN="LEFT">{_TABLE.format(3)}<TR>{cell}</TR></TABLE></TD>')
    ink = theme.ink(theme.ground(group))
    return f'<<FONT COLOR="#{ink}">{_TABLE.format(1)}{"".join(rows)}</TR></TABLE></FONT>>'


def lane_label(graph: Graph, lane: Lane) -> str:
    """The title of a lane: name, time, throughput and share."""
    words = [
        lane.time,
        graph.step[2] if lane.key == graph.loop else "",
        "beside the run" if lane.thread else "",
    ]
    rest = html_label(", ".join(word for word in words if word))
    name = f'<FONT POINT-SIZE="13"><B>{_fit(lane.name, 300, 13, True)}</B></FONT>'
    share = f"<B>{html_label(lane.percent)}</B>" if lane.percent else ""
    return f'<{name}<FONT COLOR="#{theme.MUTED}">   {rest}   </FONT>{share}>'


def legend_label(graph: Graph) -> str:
    """The heat scale in steps, and what the thick arrows mean."""
    percents = (0, 1, 2, 5, 10, 20, 30, 50, 75, 100)
    marks = [(theme.heat(number / 100), f"{number} %") for number in percents]
    if graph.change:
        changes = (-0.5, -0.2, -0.1, -0.05, -0.01, 0.01, 0.05, 0.1, 0.2, 0.5)
        marks = [(theme.change(part), f"{part:+.0%}".replace("%", " %")) for part in changes]
    small = f'<FONT POINT-SIZE="10" COLOR="#{theme.MUTED}">'
    cells = "".join(
        f'<TD WIDTH="36" HEIGHT="15" BORDER="1" COLOR="#{theme.LANE_LINE}" BGCOLOR="#{colour}">'
        f'<FONT POINT-SIZE="8" COLOR="#{theme.ink(colour)}">{mark}</FONT></TD>'
        for colour, mark in marks
    )
    scale = f"<TD>{small}{html_label(graph.basis)}  </FONT></TD>{cells}"
    hot = ""
    if graph.hot:
        words = html_label(hot_words(graph))
        hot = f'<TD><FONT COLOR="#{theme.HOT}"><B>thick red</B></FONT>{small}: {words}      </FONT></TD>'
    return f"<{_TABLE.format(2)}<TR>{hot}{scale}</TR></TABLE>>"
