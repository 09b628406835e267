"""What the benchmarks share: interleaved rounds, ratios with their spread, and the machine's name."""

from __future__ import annotations

import platform
import random
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

Timed = Callable[[int], float]


def interleaved(variants: dict[str, Timed], rounds: int, count: int) -> dict[str, list[float]]:
    """Time variants in turn, in a new random order each round.

    Args:
        variants: functions that repeat something a number of times and return nanoseconds for each.
        rounds: number of rounds.
        count: repetitions within a round.

    Returns:
        For each variant one figure a round, in nanoseconds.
    """
    dice = random.Random(0)
    found: dict[str, list[float]] = {name: [] for name in variants}
    names = list(variants)
    for _ in range(rounds):
        dice.shuffle(names)
        for name in names:
            found[name].append(variants[name](count))
    return found


def ratio(values: Sequence[float], base: Sequence[float]) -> tuple[float, float, float]:
    """Median ratio of rounds and its 95 % interval, by order statistics (distribution-free)."""
    return median_with_interval([a / b for a, b in zip(values, base, strict=True)])


def median_with_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Median and its 95 % interval, by order statistics (distribution-free)."""
    ordered = sorted(values)
    n, reach = len(ordered), 0.98 * len(ordered) ** 0.5
    low, high = max(0, int(n / 2 - reach)), min(n - 1, int(n / 2 + reach))
    return statistics.median(ordered), ordered[low], ordered[high]


def cpu() -> str:
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def machine() -> str:
    """The machine and the versions, for the head of a table."""
    import os

    text = f"{cpu()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    try:
        import torch
    except ImportError:
        return text
    return f"{text}, torch {torch.__version__}"
