"""How wide a text is and how to shorten it, without a font file."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

Printable = Callable[[str], str]

# Advance widths of ASCII 32 to 126 in thousandths of the font size: Adobe's Core 14 AFM files,
# Helvetica and Helvetica-Bold. Arial and Liberation Sans have the same.
_REGULAR = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 "
    "278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 "
    "667 611 722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 "
    "222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584"
)
_BOLD = (
    "278 333 474 556 556 889 722 238 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 "
    "333 333 584 584 584 611 975 722 722 722 722 667 611 778 722 278 556 722 611 833 722 778 667 778 722 667 "
    "611 722 667 944 667 667 611 333 278 333 584 556 333 556 611 556 611 556 333 611 611 278 278 556 278 889 "
    "611 611 611 611 389 556 333 611 556 778 556 556 500 389 280 389 584"
)
# With the other signs that rnnprof itself writes, from the same files.
_SIGNS = {"–": 556, "±": 584, "×": 584, "…": 1000}
_WIDTHS = {
    bold: {**{chr(32 + i): int(w) for i, w in enumerate(table.split())}, **_SIGNS, "µ": micro}
    for bold, table, micro in ((False, _REGULAR, 556), (True, _BOLD, 611))
}
_WIDE, _UNKNOWN = 1200, 700
_SPARE = 1.03  # fonts that stand in for Helvetica are a little wider


def width(text: str, size: float, bold: bool = False) -> float:
    """The width of a line of text, in the unit of ``size``.

    Wide East Asian characters and emoji count double (Unicode Standard Annex 11), marks that sit on
    other characters count nothing, and characters outside ASCII count a generous average.

    Args:
        text: one line.
        size: font size.
        bold: whether it is set in bold.
    """
    return sum(_advance(char, bold) for char in text) * size * _SPARE / 1000


def is_known(text: str) -> bool:
    """Whether the width of a line is that of its characters, and no estimate.

    Args:
        text: one line.
    """
    return all(char in _WIDTHS[False] for char in text)


def _advance(char: str, bold: bool) -> int:
    if char in _WIDTHS[bold]:
        return _WIDTHS[bold][char]
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return _WIDE if unicodedata.east_asian_width(char) in "WF" else _UNKNOWN


def shorten(text: str, room: float, size: float, bold: bool = False) -> str:
    """Cut a text with ``…`` so that it is no wider than ``room``.

    Args:
        text: one line.
        room: the width to keep, in the unit of ``size``.
        size: font size.
        bold: whether it is set in bold.

    Returns:
        The text itself where it fits; never a mark cut from the character that carries it.
    """
    if width(text, size, bold) <= room:
        return text
    left = room - width("…", size, bold)
    kept = 0
    for char in text:
        left -= _advance(char, bold) * size * _SPARE / 1000
        if left < 0:
            break
        kept += 1
    return text[:kept].rstrip() + "…"


def printable(text: str) -> str:
    """One visible line: white space folded, control characters and what XML 1.0 forbids as ``�``.

    Direction marks and overrides are dropped, for they could reorder the text around a name.
    A name without anything to see becomes ``(unnamed)``.
    """
    out = []
    for char in " ".join(text.split()):
        kind = unicodedata.category(char)
        if kind in ("Cc", "Cs", "Cn", "Co") or char in "\ufffe\uffff":
            out.append("\ufffd")
        elif kind not in ("Cf", "Zl", "Zp") or char == "\u200d":
            out.append(char)
    return "".join(out).strip() or "(unnamed)"
