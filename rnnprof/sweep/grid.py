"""The grid of a command line: which arguments vary, and through which values."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from rnnprof.errors import UsageError
from rnnprof.sweepmodel import MOST, Factor

GRID = "--grid"
ON, OFF = "on", "off"

_COMMA = re.compile(r"(?<!\\),")


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part the program's words from those of the grid.

    Args:
        words: what follows the sweep's own options.

    Returns:
        The program with its fixed arguments, and what stands after the last ``--grid``.

    Raises:
        UsageError: there is no grid, or nothing in it.
    """
    if GRID not in words:
        raise UsageError("give what varies after the script: rnnprof sweep script.py --grid --bptt=16,32")
    place = len(words) - 1 - list(reversed(words)).index(GRID)
    if not words[place + 1 :]:
        raise UsageError(f"{GRID} stands before what varies, such as --bptt=16,32: nothing follows it")
    return list(words[:place]), list(words[place + 1 :])


def factors(words: Sequence[str], repeat: int = 1) -> tuple[Factor, ...]:
    """Read the grid.

    ``--bptt=16,32`` gives the program ``--bptt=16`` or ``--bptt=32``; ``--bptt 16,32`` gives it two
    words. ``size=1,2`` does as the first. A switch alone, ``--tied``, is left out or given. A comma
    in a value is written ``\\,``.

    Args:
        words: what stands after ``--grid``.
        repeat: runs of each combination, for the limit on all of them.

    Returns:
        The factors, in their order.

    Raises:
        UsageError: a word makes no sense, a factor or a value is given twice, or there are too many.
    """
    found: list[Factor] = []
    left = list(words)
    while left:
        word = left.pop(0)
        option, sign, values = word.partition("=")
        name = option.lstrip("-")
        if not name or not (sign or word.startswith("-")):
            raise UsageError(f"--grid {word!r}: give an option with its values, such as --bptt=16,32")
        if sign:
            levels = _levels(word, values)
            given: list[tuple[str, ...]] = [(f"{option}={level}",) for level in levels]
        elif left and not left[0].startswith("-"):
            if re.match(r"[A-Za-z_]\w*=", left[0]):
                raise UsageError(
                    f"--grid {word} {left[0]!r}: two factors, or one? write {word}=... or put it last"
                )
            levels = _levels(word, left.pop(0))
            given = [(option, level) for level in levels]
        else:
            levels, given = [OFF, ON], [(), (option,)]
        if any(name == factor.name for factor in found):
            raise UsageError(f"--grid: {name} is given twice: put all its values into one list")
        found.append(Factor(name, tuple(levels), tuple(given)))
    runs = math.prod(len(factor.levels) for factor in found) * repeat
    if runs > MOST:
        raise UsageError(f"the grid has {runs:,} runs: give {MOST:,} or fewer")
    return tuple(found)


def _levels(word: str, values: str) -> list[str]:
    levels = [value.replace("\\,", ",") for value in _COMMA.split(values)]
    twice = next((level for level in levels if levels.count(level) > 1), None)
    if twice is not None:
        raise UsageError(f"--grid {word!r}: the value {twice!r} is given twice")
    return levels
