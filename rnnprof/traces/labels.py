"""Which labels of a trace are steps and stages, and in which stage the program was at a moment."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from rnnprof.captures import Path
from rnnprof.traces.events import ANNOTATION, OPERATOR, STEP, Entry


@dataclass
class Labels:
    """The labels of the steps that count, and of the stages inside them.

    Args:
        thread: process and thread that ran the steps; None where no step was found.
        paths: path of each label, by its entry's order in the trace; empty for a step.
        entries: these labels, in order of start.
        windows: beginning and end of each step, in nanoseconds.
    """

    thread: tuple[int | str, int | str] | None = None
    paths: dict[int, Path] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    windows: list[tuple[int, int]] = field(default_factory=list)
    _times: list[int] = field(default_factory=list)
    _stages: list[Path | None] = field(default_factory=list)

    def at(self, time: int) -> Path | None:
        """The innermost stage at a moment of the labelled thread; None outside the steps."""
        index = bisect_right(self._times, time) - 1
        return self._stages[index] if index >= 0 else None

    def _from(self, time: int, path: Path | None) -> None:
        self._times.append(time)
        self._stages.append(path)


def step_number(name: str) -> int | None:
    """The number in the label of a step, or None for any other name."""
    digits = name[len(STEP) :]
    return int(digits) if name.startswith(STEP) and digits.isdecimal() and digits.isascii() else None


def find(entries: Iterable[Entry], paths: Collection[Path], steps: Collection[int]) -> Labels:
    """Find the labels of steps and stages in a trace.

    A label is a stage's only where its name continues the path of the labels around it, and where it
    is of the same category as the step's, since all were made alike: torch, and the program itself,
    write annotations too. Those are passed over.

    Args:
        entries: entries of the trace, in any order.
        paths: paths of the stages under the step.
        steps: numbers of the steps that count.

    Returns:
        What was found on the thread that ran the first of these steps.
    """
    wanted, known = frozenset(steps), frozenset(paths)
    host = [entry for entry in entries if entry.category in (ANNOTATION, OPERATOR)]
    first = min((entry for entry in host if step_number(entry.name) in wanted), default=None)
    if first is None:
        return Labels()
    alike = sorted(
        entry for entry in host if entry.category == first.category and entry.thread == first.thread
    )
    labels = Labels(thread=first.thread)
    around: list[tuple[int, Path]] = []

    def leave(until: int) -> None:
        while around and around[-1][0] <= until:
            end, _ = around.pop()
            labels._from(end, around[-1][1] if around else None)

    for entry in alike:
        leave(entry.start)
        path = (*around[-1][1], entry.name) if around else ()
        if path not in known if around else step_number(entry.name) not in wanted:
            continue
        end = min(entry.end, around[-1][0]) if around else entry.end
        if not around:
            labels.windows.append((entry.start, end))
        around.append((end, path))
        labels._from(entry.start, path)
        labels.paths[entry.order] = path
        labels.entries.append(entry)
    leave(max((end for end, _ in around), default=0))
    return labels
