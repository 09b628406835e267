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
    for power, unit in ((60, "EiB"), (50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if number >= 1 << power:
            return f"{significant(number / (1 << power))} {unit}"
    return f"{count(number)} bytes"


def growth(number: int) -> str:
    """Write a number of bytes that grew or, with a minus, shrank: ``+1.21 MiB``, ``-8 bytes``, ``0``."""
    return f"{'-' if number < 0 else '+'}{size(abs(number))}" if number else "0"


def metric(number: float, unit: str = "") -> str:
    """Write a number with three significant digits and a prefix of the SI: ``312 TFLOP/s``, ``19.5 G``.

    Args:
        number: not negative.
        unit: what is behind the prefix.

    Returns:
        What no device reaches is only said to be more: ``>999 E``.
    """
    prefixes = ["", "k", "M", "G", "T", "P", "E"]
    while float(f"{number:.3g}") >= 1000 and len(prefixes) > 1:
        number, prefixes = number / 1000, prefixes[1:]
    text = ">999" if float(f"{number:.3g}") >= 1000 else significant(number)
    return f"{text} {prefixes[0]}{unit}".rstrip()


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
    """Write a percentage that stands alone and may be above 100 %; a dash where it is not known.

    From ten times the whole on it is only said to be more: ``>999 %``.
    """
    if share is None:
        return "–"
    if share >= 9.995:
        return ">999 %"
    return f"{significant(share * 100)} %" if share > 1 else percent(tenths([share])[0], share)


def signed(share: float) -> str:
    """Write a change as a percentage with its sign: ``+5.3 %``, ``-0.04 %``, ``+130 %``, ``0 %``."""
    if share == 0:
        return "0 %"
    size = abs(share) * 100
    if size < 0.005:
        return f"{'-' if share < 0 else '+'}<0.01 %"
    digits = 2 if size < 0.095 else 1 if size < 99.95 else 0
    return f"{share * 100:+,.{digits}f} %"


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
