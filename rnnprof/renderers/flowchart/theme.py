"""From a share to colours that carry it: heat scale, line, ink and tint, in colour and in grey."""

from __future__ import annotations

import math

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
    at = place(share) * (len(STOPS) - 1)
    low = min(int(at), len(STOPS) - 2)
    return mix(STOPS[low + 1], STOPS[low], at - low)


def mix(over: str, under: str, part: float) -> str:
    """Blend two colours of six hexadecimal digits: ``part`` of ``over``, the rest of ``under``."""
    pairs = ((int(over[i : i + 2], 16), int(under[i : i + 2], 16)) for i in (0, 2, 4))
    return "".join(f"{round(a * part + b * (1 - part)):02X}" for a, b in pairs)


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
