"""Cost per token against the number of time steps that backward goes through, and where its knee lies.

A step of ``T`` time steps takes ``fixed + T x scaled``. A token pays ``scaled + fixed / T`` for each of the
sequences side by side: less with every time step more, but hardly any less where the fixed part has become a
small one.
"""

from __future__ import annotations

from dataclasses import dataclass

from rnnprof.analysis.result import Interval

KNEE = 0.1
"""The fixed part of a step at the knee: beyond it no length saves more than a tenth of the time per token."""
TIMES = 1 / KNEE - 1
"""How many times as much as the fixed part the other one is at the knee."""


def knee(fixed: float, steps: float) -> float:
    """Where the fixed part falls to `KNEE`.

    Args:
        fixed: the part of a step that does not grow, 0 to 1 (less than 1).
        steps: time steps at which it is that.

    Returns:
        A number of time steps.
    """
    return TIMES * steps * fixed / (1 - fixed)


def cost(fixed: float, steps: float, other: float) -> float:
    """Time per token at another number of time steps, over that at the first.

    Args:
        fixed: the part of a step that does not grow, at ``steps``.
        steps, other: numbers of time steps, above 0.
    """
    return 1 - fixed + fixed * steps / other


@dataclass(frozen=True)
class KneeLevel:
    """One number of time steps that was run.

    Args:
        level: as it was given.
        ratio: time per token over that of the longest; of several combinations the geometric mean.
        fixed: the part of a step that does not grow, by the fit.
        percent: the same as printed.
    """

    level: str
    ratio: float
    fixed: float
    percent: str


@dataclass(frozen=True)
class Knee:
    """What a sweep tells of the cost per token against the number of time steps.

    Args:
        factor: the name of what counts the time steps.
        levels: the shortest first.
        fixed_ns: the part of a step's time that does not grow; geometric mean of the combinations.
        steps: the number of time steps at which it falls to `KNEE` of a step; 0 where none was found.
        interval: its 95 % confidence interval, or None.
        cells: combinations that it rests on.
        sentence: all of it in words.
    """

    factor: str
    levels: tuple[KneeLevel, ...]
    fixed_ns: float
    steps: float
    interval: Interval | None
    cells: int
    sentence: str
