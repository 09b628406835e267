"""What every part of the benchmark is given, and what it gives back."""

from __future__ import annotations

import inspect
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rnnprof

from .card import Card

Interval = tuple[float, float, float]
"""A middle value and the two ends of its 95 % interval."""


@dataclass
class Bench:
    """What a part is given.

    Args:
        card: the accelerator, or its stand-in.
        tiny: whether this is a dry run: the smallest sizes, the fewest steps.
        folder: where run files may be written.
        seconds: time that the part may take.
        fp16: whether half precision is measured as well.
    """

    card: Card
    tiny: bool
    folder: Path
    seconds: float
    fp16: bool = False
    began: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        """Seconds that are left of the part's time."""
        return max(self.began + self.seconds - time.monotonic(), 0.0)

    def some(self, many: int, few: int) -> int:
        """A number of steps or rounds: many, or few in a dry run."""
        return few if self.tiny else many

    def steps_in(self, seconds: float, step_ns: float, least: int, most: int) -> int:
        """How many steps fit into a time.

        Args:
            seconds: the time.
            step_ns: what a step takes, in nanoseconds.
            least: no fewer, whatever they take.
            most: no more.
        """
        return least if self.tiny else max(least, min(most, int(seconds * 1e9 / max(step_ns, 1.0))))

    def profile(self, name: str | None = None, **options: Any) -> Any:
        """A profile on this card; an option that this rnnprof does not have is left out.

        Args:
            name: the run file's name; None to save nothing.
            **options: see `rnnprof.profile`.
        """
        known = inspect.signature(rnnprof.profile).parameters
        asked = {key: value for key, value in options.items() if key in known}
        path = None if name is None else self.folder / f"{name}.json"
        return rnnprof.profile(path, device=self.card.stand_in, **asked)


@dataclass
class Findings:
    """What a part has found.

    Args:
        title: its heading.
        text: paragraphs and tables, in Markdown.
        data: the same figures as plain JSON.
        flags: what is not as it should be, one line each.
        failed: what could not be measured, and why.
    """

    title: str
    text: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def markdown(self) -> str:
        """The findings as a section of a page."""
        failed = [f"- **{what} failed: {why}**" for what, why in self.failed.items()]
        flags = [*failed, *(f"- **{flag}**" for flag in self.flags)]
        return "\n\n".join([f"### {self.title}", *self.text, *(["\n".join(flags)] if flags else [])])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown.

    Args:
        head: names of the columns.
        rows: the cells of each row.
    """
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


def reason(error: Exception) -> str:
    """An error in one line."""
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"[:300]


def ms(ns: float | None) -> str:
    """Nanoseconds as milliseconds; a dash for what is not known."""
    return "–" if ns is None else f"{ns / 1e6:.3f}"


def percent(share: float | None, digits: int = 1) -> str:
    """A part of one in percent; a dash for what is not known."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def between(found: Interval | None, digits: int = 3) -> str:
    """A ratio with its interval; a dash for what is not known."""
    if found is None:
        return "–"
    middle, low, high = found
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
