"""Numbers into words: durations, percentages and counts, each written one way everywhere."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def duration(ns: float) -> str:
    """Write a duration with three significant digits and its unit.

    Args:
        ns: the duration in nanoseconds, not negative.

    Returns:
        For example ``"957 ms"``, ``"15.4 ms"``, ``"36.0 us"`` as ``"36.0 µs"``, ``"2.05 h"``.
    """
    if ns < 1000:
        return f"{ns:.0f} ns"
    value, unit = ns / 1000, "µs"
    for limit, name in ((1000, "ms"), (1000, "s")):
        if float(f"{value:.3g}") < limit:
            break
        value, unit = value / limit, name
    if unit == "s" and float(f"{value:.3g}") >= 120:
        value, unit = value / 60, "min"
        if float(f"{value:.3g}") >= 120:
            value, unit = value / 60, "h"
    return f"{significant(value)} {unit}"


def significant(value: float, digits: int = 3) -> str:
    """Write a number with a fixed number of significant digits and no exponent."""
    if value == 0:
        return "0"
    text = f"{value:.{digits}g}"
    if "e" in text:
        return f"{float(text):.0f}"
    whole, _, part = text.partition(".")
    missing = digits - len(whole.lstrip("-0")) - len(part) if whole.lstrip("-0") else 0
    if missing > 0:
        part += "0" * missing
    return f"{whole}.{part}" if part else whole


def count(number: float) -> str:
    """Write a count with thousands separated by a comma: ``12,345``."""
    return f"{number:,.0f}"


def size(number: int) -> str:
    """Write a number of bytes with three significant digits and its unit: ``1.21 MiB``."""
    for limit, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if number >= limit:
            return f"{significant(number / limit)} {unit}"
    return f"{count(number)} bytes"


def growth(number: int) -> str:
    """Write a number of bytes that grew or, with a minus, shrank: ``+1.21 MiB``, ``-8 bytes``, ``0``."""
    return f"{'-' if number < 0 else '+'}{size(abs(number))}" if number else "0"


def metric(number: float, unit: str = "") -> str:
    """Write a number with three significant digits and a prefix of the SI: ``312 TFLOP/s``, ``19.5 G``.

    Args:
        number: not negative.
        unit: what is behind the prefix.
    """
    prefixes = ["", "k", "M", "G", "T", "P", "E"]
    while float(f"{number:.3g}") >= 1000 and len(prefixes) > 1:
        number, prefixes = number / 1000, prefixes[1:]
    return f"{significant(number)} {prefixes[0]}{unit}".rstrip()


def tenths(shares: Sequence[float], total: int | None = None) -> list[int]:
    """Round shares to tenths of a percent that add to what the exact shares add to.

    The method of the largest remainder (Hamilton's): every share is rounded down, and the tenths
    left over go to the largest remainders, so that the printed column adds up exactly.

    Args:
        shares: fractions, not negative; their sum is usually 1.
        total: tenths to hand out where these shares are part of others, rounded before them;
            their own sum, rounded, if absent.

    Returns:
        Whole tenths of a percent, one for each share; 1000 is 100 %.
    """
    exact = [share * 1000 for share in shares]
    down = [int(value + 1e-9) for value in exact]
    left = (round(sum(exact)) if total is None else total) - sum(down)
    order = sorted(range(len(exact)), key=lambda i: (down[i] - exact[i], i))
    for i in order[: max(left, 0)]:
        down[i] += 1
    return down


def percent(tenth: int, share: float) -> str:
    """Write a percentage that is never 0 or 100 unless the share is exactly that.

    Args:
        tenth: the rounded share in tenths of a percent, as :func:`tenths` gives it.
        share: the exact share, to tell a true zero from a small one.

    Returns:
        For example ``"58.8 %"``, ``"<0.1 %"``, ``">99.9 %"``, ``"0 %"``, ``"100 %"``.
    """
    if tenth <= 0:
        return "0 %" if share == 0 else "<0.1 %"
    if tenth >= 1000:
        return "100 %" if share >= 1 else ">99.9 %"
    return f"{tenth // 10}.{tenth % 10} %"


def fraction(share: float | None) -> str:
    """Write a percentage that stands alone and may be above 100 %; a dash where it is not known."""
    if share is None:
        return "–"
    return f"{significant(share * 100)} %" if share > 1 else percent(tenths([share])[0], share)


def visible(text: str) -> str:
    """Make a name safe to print: nothing in it can move the cursor, hide, or reverse the line.

    Args:
        text: a name that the user, a script or a file chose.

    Returns:
        The same with control, formatting and line-separating characters and lone surrogates
        written as escapes, e.g. ``"\\x1b"`` and ``"\\u202e"``; ``""`` becomes a pair of quotes.
    """
    hidden = ("Cc", "Cf", "Cs", "Zl", "Zp")
    shown = (
        char.encode("unicode_escape").decode("ascii") if unicodedata.category(char) in hidden else char
        for char in text
    )
    return "".join(shown) or '""'
