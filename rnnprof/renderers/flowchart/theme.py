"""From a share to colours that carry it: heat scale, line, ink and tint, in colour and in grey."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

STOPS = ("FFFFFF", "FFFFCC", "FFEDA0", "FED976", "FEB24C", "FD8D3C", "FC4E2A", "E31A1C", "B10026")
"""White, then ColorBrewer's YlOrRd in eight classes (C. Brewer, https://colorbrewer2.org, Apache 2.0)."""

TICKS = (
    (0.0, "0 %"),
    (0.01, "1 %"),
    (0.05, "5 %"),
    (0.1, "10 %"),
    (0.25, "25 %"),
    (0.5, "50 %"),
    (1.0, "100 %"),
)
"""Shares that the legend names, with their text."""

CHANGES = ("2166AC", "4393C3", "92C5DE", "D1E5F0", "F7F7F7", "FDDBC7", "F4A582", "D6604D", "B2182B")
"""Faster to slower: ColorBrewer's RdBu in nine classes, blue first."""

MOST_CHANGE = 0.5
"""The change, up or down, that has the strongest colour."""

INK, PAPER, MUTED = "1A1A1A", "FFFFFF", "4F5A68"
LANE, LANE_LINE, TAB, THREAD_TAB = "F4F6F9", "C9D1DB", "3D4A5C", "6B7788"
WIRE, HOT = "5F6B7A", "B10026"
PALE_LINE = "A8B0BB"


def place(share: float) -> float:
    """Where a share lies on the scale, from 0 to 1.

    The square root spreads small shares: 1 % lies at a tenth of the scale, not at a hundredth.

    Args:
        share: a fraction; outside 0 to 1 it is clamped.
    """
    return math.sqrt(min(max(share, 0.0), 1.0))


def heat(share: float | None) -> str:
    """The fill of a box, as six hexadecimal digits; white where there is no share."""
    if share is None:
        return PAPER
    return _along(STOPS, place(share))


def mix(over: str, under: str, part: float) -> str:
    """Blend two colours of six hexadecimal digits: ``part`` of ``over``, the rest of ``under``."""
    pairs = ((int(over[i : i + 2], 16), int(under[i : i + 2], 16)) for i in (0, 2, 4))
    return "".join(f"{round(a * part + b * (1 - part)):02X}" for a, b in pairs)


@dataclass(frozen=True)
class Scale:
    """A scale for the legend: its colours at equal distances, and marks with their places from 0 to 1."""

    stops: tuple[str, ...]
    ticks: tuple[tuple[float, str], ...]


class Coloured(Protocol):
    """A box or container: its share, and its colour where that is not its share's."""

    @property
    def share(self) -> float | None: ...
    @property
    def fill(self) -> str: ...


def scale(change: bool) -> Scale:
    """The scale of shares, or that of changes."""
    if not change:
        return Scale(STOPS, tuple((place(share), mark) for share, mark in TICKS))
    marks = (
        (-0.5, "-50 %"),
        (-0.1, "-10 %"),
        (-0.01, "-1 %"),
        (0.01, "+1 %"),
        (0.1, "+10 %"),
        (0.5, "+50 %"),
    )
    return Scale(CHANGES, tuple((change_place(part), mark) for part, mark in marks))


def change_place(part: float) -> float:
    """Where a change lies on its scale, from 0 to 1; the square root spreads small ones."""
    far = math.sqrt(min(abs(part) / MOST_CHANGE, 1.0))
    return 0.5 + math.copysign(far, part) / 2


def change(part: float) -> str:
    """The fill of a box whose time changed by this part."""
    return _along(CHANGES, change_place(part))


def fill(item: Coloured) -> str:
    """The fill of a box."""
    return item.fill or heat(item.share)


def edge(item: Coloured) -> str:
    """The border of a box or container, and the colour of its bar."""
    return mix("000000", item.fill, 0.34) if item.fill else line(item.share)


def ground(item: Coloured) -> str:
    """The fill of a container."""
    return mix(item.fill, LANE, 0.4) if item.fill else tint(item.share)


def _along(stops: tuple[str, ...], part: float) -> str:
    at = part * (len(stops) - 1)
    low = min(int(at), len(stops) - 2)
    return mix(stops[low + 1], stops[low], at - low)


def line(share: float | None) -> str:
    """The border of a box and the colour of its bar: its fill, darkened, or a pale grey."""
    return PALE_LINE if share is None or share < 0.01 else mix("000000", heat(share), 0.34)


def groove(bar: str, fill: str) -> str:
    """The colour of the rest of a bar, so that one sees of what it is a part."""
    return mix(bar, fill, 0.22)


def tint(share: float | None) -> str:
    """The fill of a container: its heat, thinned on the colour of a lane so that boxes stand out."""
    return mix(heat(share), LANE, 0.4) if share else PAPER


def luminance(colour: str) -> float:
    """Relative luminance of an sRGB colour (WCAG 2.2, https://www.w3.org/TR/WCAG22/#dfn-relative-luminance)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, two: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2, https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio)."""
    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


def ink(fill: str) -> str:
    """Dark or white ink, whichever is easier to read on ``fill``; black where both are hard to read.

    Black or white has a contrast of at least 4.58, the square root of 21, on any colour: enough for
    WCAG's level AA (4.5), which the softer dark ink just misses on some reds.
    """
    best = max((INK, PAPER), key=lambda colour: contrast(colour, fill))
    return best if contrast(best, fill) >= 4.5 else "000000"
