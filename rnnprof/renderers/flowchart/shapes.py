"""What stands inside a box, a container's head and a lane's tab, fitted to its room."""

from __future__ import annotations

from dataclasses import replace

from rnnprof.renderers.flowchart import theme
from rnnprof.renderers.flowchart.graph import Box, Group, Lane
from rnnprof.renderers.flowchart.scene import Panel, Rect, Text
from rnnprof.renderers.flowchart.text import Printable, shorten, width

CHIP_H = 19.0
_INSET = 7.0
_HEAD = 24.0


def box(item: Box, rect: Rect, hot: bool, clean: Printable) -> Panel:
    """A box of the grid: name, phrase, the share or duration in large type, duration, bar."""
    fill = theme.fill(item)
    colour, room, x = theme.ink(fill), rect.w - 2 * _INSET, rect.cx
    lines: list[tuple[float, str, float, bool]] = []
    name = clean(item.name)
    note, small = clean(item.note) if item.note else "", item.small
    if item.kind == "empty":
        lines = [(50, name, 12, False)]
    else:
        lines.append((19 if note else 23, name, 13, True))
        if note:
            lines.append((33.5, note, 9.5, False))
        lines.append((58 if small else 64, item.large, 20, True))
        if small:
            lines.append((76, small, 11, False))
    texts = tuple(
        Text(x, rect.y + dy, shorten(text, room, size, bold), size, bold, colour, room=room)
        for dy, text, size, bold in lines
        if text
    )
    return Panel(
        item.key,
        rect,
        fill,
        theme.HOT if hot else theme.edge(item),
        texts,
        weight=2.4 if hot else 1.1,
        dashed=item.kind in ("other", "empty"),
        bar=min(max(item.share or 0.0, 0.0), 1.0),
        bar_fill=theme.edge(item),
        title=title(item),
    )


def chip(item: Box, x: float, y: float, hot: bool, clean: Printable) -> Panel:
    """A small dashed box in one line: a container's own time, or the ``other`` of the step."""
    fill = theme.fill(item)
    parts = _chip_parts(item, clean)
    rect = Rect(x, y, chip_width(item, clean), CHIP_H)
    texts, at = [], x + 6
    for text, size, bold in parts:
        room = width(text, size, bold)
        texts.append(Text(at, y + 13.5, text, size, bold, theme.ink(fill), "start", room=room + 0.01))
        at += room + 5
    return Panel(
        item.key,
        rect,
        fill,
        theme.HOT if hot else theme.edge(item),
        tuple(texts),
        radius=4,
        weight=2.0 if hot else 1.0,
        dashed=True,
        title=title(item),
    )


def chip_width(item: Box, clean: Printable) -> float:
    """How wide the chip of that box is."""
    return sum(width(*part) + 5 for part in _chip_parts(item, clean)) + 7


def _chip_parts(item: Box, clean: Printable) -> list[tuple[str, float, bool]]:
    parts = [(clean(item.name), 10.0, False), (item.large, 11.5, True)]
    return parts + ([(item.small, 10.0, False)] if item.small else [])


def title(item: Box | Group) -> str:
    """Everything about a box in one line, for a tooltip; the name is whole and untrusted."""
    name = item.name
    if isinstance(item, Box):
        name = " / ".join(item.path) or item.name
        if item.kind == "self":
            name += " (self)"
    return ", ".join(part for part in (name, item.percent.strip("–"), item.time) if part)


def head(
    group: Group, left: float, right: float, first: bool, clean: Printable
) -> tuple[float, list[Text], Rect | None]:
    """The head of a container, relative to its top: height, texts, and where its own time goes.

    Name, share, duration and own time stand in one line where they fit, else in up to three.
    A part of a container that was divided over a turn has only its name and says so.
    """
    room = right - left - 2 * _INSET
    fill = theme.ground(group)
    colour = theme.ink(fill)
    name = clean(group.name) + ("" if first else " (continued)")
    tokens: list[tuple[list[tuple[str, float, bool]], float]] = []
    numbers: list[tuple[str, float, bool]] = []
    if first:
        if group.share is not None:
            numbers.append((group.percent, 17, True))
        numbers.append((group.time, 11 if numbers else 14, not numbers))
    wide = sum(width(*part) + 9 for part in numbers)
    name = shorten(name, room, 13, True)
    tokens.append(([(name, 13, True)], width(name, 13, True) + 9))
    if numbers:
        tokens.append((numbers, wide + 4))
    lines: list[Text] = []
    x, y = left + _INSET, 18.0
    for parts, wide in tokens:
        if x > left + _INSET and x + wide - 9 > right - _INSET:
            x, y = left + _INSET, y + 20
        at = x
        for text, size, bold in parts:
            lines.append(Text(at, y, text, size, bold, colour, "start", room=width(text, size, bold) + 0.01))
            at += width(text, size, bold) + 9
        x += wide
    spot = None
    if first and group.own:
        wide = chip_width(group.own, clean)
        if x + wide > right - _INSET:
            x, y = left + _INSET, y + 20
        spot = Rect(right - _INSET - wide if y == 18 else left + _INSET, y - 14.5, wide, CHIP_H)
    return y + _HEAD - 15, lines, spot


def container(group: Group, rect: Rect, texts: tuple[Text, ...]) -> Panel:
    """The panel behind a container's boxes."""
    line = theme.edge(group)
    return Panel(group.key, rect, theme.ground(group), line, texts, radius=6, title=title(group))


def lane(item: Lane, rect: Rect, tab: float, clean: Printable) -> Panel:
    """A lane: a pale panel whose dark tab holds its name, its time and its share, turned."""
    room = rect.h - 14
    lines = [(clean(item.name), 14.0, True), (item.time, 10.5, False), (item.percent, 14.0, True)]
    if item.thread:
        lines[2] = ("beside the run", 10.5, False)
    lines = [line for line in lines if line[0]]
    first = tab / 2 + 4.5 - 9.5 * (len(lines) - 1)
    fill = theme.THREAD_TAB if item.thread else theme.TAB
    texts = tuple(
        Text(
            rect.x + first + 19 * at,
            rect.cy,
            shorten(text, room, size, bold),
            size,
            bold,
            theme.ink(fill),
            turned=True,
            room=room,
        )
        for at, (text, size, bold) in enumerate(lines)
    )
    title = ", ".join(part for part in (item.name, item.time, item.percent) if part)
    return Panel(item.key, rect, theme.LANE, theme.LANE_LINE, texts, 7, tab=tab, tab_fill=fill, title=title)


def moved(text: Text, down: float) -> Text:
    """The same text further down."""
    return replace(text, y=text.y + down)
