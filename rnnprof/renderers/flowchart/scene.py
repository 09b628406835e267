"""What a drawing consists of, in pixels from the top left corner; SVG and TikZ draw the same scene."""

from __future__ import annotations

from dataclasses import dataclass

from rnnprof.renderers.flowchart.theme import INK

Point = tuple[float, float]

BOX_W, BOX_H = 148.0, 92.0


@dataclass(frozen=True)
class Rect:
    """A rectangle: its top left corner, width and height."""

    x: float
    y: float
    w: float
    h: float

    @property
    def right(self) -> float:
        """The x of its right side."""
        return self.x + self.w

    @property
    def bottom(self) -> float:
        """The y of its lower side."""
        return self.y + self.h

    @property
    def cx(self) -> float:
        """The x of its middle."""
        return self.x + self.w / 2

    @property
    def cy(self) -> float:
        """The y of its middle."""
        return self.y + self.h / 2


@dataclass(frozen=True)
class Text:
    """One line of text that has been shortened to its room.

    Args:
        x, y: where its baseline is anchored.
        string: the line; untrusted, so a renderer escapes it.
        size: font size in pixels.
        bold: whether it is bold.
        colour: six hexadecimal digits.
        anchor: ``start``, ``middle`` or ``end``.
        turned: whether it is turned to read upwards, around its anchor.
        room: the width that it may take.
        ground: the colour of a plate behind it, or empty.
    """

    x: float
    y: float
    string: str
    size: float
    bold: bool = False
    colour: str = INK
    anchor: str = "middle"
    turned: bool = False
    room: float = 0.0
    ground: str = ""


@dataclass(frozen=True)
class Panel:
    """A rounded rectangle with text: a box, a container or a lane.

    Args:
        key: of the box or container.
        rect: where it is.
        fill, line: colours.
        texts: what stands in it.
        radius: of its corners.
        weight: width of its border.
        dashed: whether the border is dashed.
        bar, bar_fill: part of its width, 0 to 1, that the bar at its lower side takes, and its colour.
        tab: width of the dark tab at its left side, and its colour; 0 for none.
        title: the whole name and numbers, for a tooltip; untrusted.
    """

    key: str
    rect: Rect
    fill: str
    line: str
    texts: tuple[Text, ...] = ()
    radius: float = 5.0
    weight: float = 1.1
    dashed: bool = False
    bar: float = 0.0
    bar_fill: str = ""
    tab: float = 0.0
    tab_fill: str = ""
    title: str = ""

    @property
    def bars(self) -> tuple[Rect, Rect]:
        """The groove along the lower side, and the part of it that the bar fills."""
        side = self.radius + 1
        whole = Rect(self.rect.x + side, self.rect.bottom - 6.5, self.rect.w - 2 * side, 3.5)
        return whole, Rect(whole.x, whole.y, max(whole.w * self.bar, 0.8), whole.h)


@dataclass(frozen=True)
class Wire:
    """An arrow along horizontal and vertical lines; ``kind`` as in the graph, ``head`` for its arrowhead."""

    tail: str
    end: str
    points: tuple[Point, ...]
    kind: str
    head: bool = True
    label: Text | None = None


@dataclass(frozen=True)
class Legend:
    """The scale of the colours with its ticks, and samples of the arrows with their meaning."""

    ramp: Rect
    ticks: tuple[tuple[float, Text], ...]
    samples: tuple[tuple[Point, str, Text], ...]
    texts: tuple[Text, ...]
    stops: tuple[str, ...]


@dataclass(frozen=True)
class Scene:
    """A whole drawing.

    Args:
        width, height: in pixels.
        lanes, containers, boxes: panels, in the order in which they are painted; the small boxes of a
            container's own time are among the boxes.
        decision: where the diamond is, or None, with its text.
        wires: the arrows.
        texts: what stands outside panels.
        legend: what colours and arrows mean.
        splits: how many containers had to be divided between rows.
        columns: of the grid.
    """

    width: float
    height: float
    lanes: tuple[Panel, ...]
    containers: tuple[Panel, ...]
    boxes: tuple[Panel, ...]
    decision: tuple[Rect, tuple[Text, ...]] | None
    wires: tuple[Wire, ...]
    texts: tuple[Text, ...]
    legend: Legend
    splits: int
    columns: int
