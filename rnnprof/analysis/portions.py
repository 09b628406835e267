"""Shares of what the traces hold: parts that add up to their group, and groups to 100 %."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rnnprof import units
from rnnprof.captures import Path


@dataclass(frozen=True)
class Portion:
    """A part of a whole, and how many tenths of a percent are printed for it."""

    part: int
    whole: int
    tenths: int

    @property
    def share(self) -> float | None:
        """The part over the whole, or None where that is 0."""
        return self.part / self.whole if self.whole else None

    @property
    def percent(self) -> str:
        """The share as printed."""
        return units.percent(self.tenths, self.part / self.whole) if self.whole else "–"


def portions(groups: Sequence[Sequence[int]]) -> list[list[Portion]]:
    """Divide the sum of all groups.

    Args:
        groups: groups of parts, not negative.

    Returns:
        A portion for each part. Their printed tenths add up to 100 %.
    """
    whole = sum(sum(group) for group in groups)
    if not whole:
        return [[Portion(part, 0, 0) for part in group] for group in groups]
    tenths = iter(units.tenths([part / whole for group in groups for part in group], 1000))
    return [[Portion(part, whole, next(tenths)) for part in group] for group in groups]


def together(parts: Sequence[Portion]) -> Portion:
    """The sum of some portions of one whole, as exact and as printed.

    Args:
        parts: the portions.
    """
    whole = parts[0].whole if parts else 0
    return Portion(sum(each.part for each in parts), whole, sum(each.tenths for each in parts))


def parents(paths: Sequence[Path]) -> dict[Path, Path]:
    """Find the stage around each stage.

    Args:
        paths: stages, in any order.

    Returns:
        For each path that is not empty, the longest part of it that is a stage of its own, or else
        the empty path, which is the step.
    """
    known = set(paths)
    return {
        path: next((path[:end] for end in range(len(path) - 1, 0, -1) if path[:end] in known), ())
        for path in paths
        if path
    }


def tree_order(paths: Sequence[Path]) -> list[Path]:
    """Sort stages into a tree.

    Args:
        paths: stages in order of their first appearance.

    Returns:
        The same, parents before their children; the step itself, the empty path, comes last.
    """
    below: dict[Path, list[Path]] = {}
    for path, parent in parents(paths).items():
        below.setdefault(parent, []).append(path)

    def visit(parent: Path) -> Iterator[Path]:
        for path in below.get(parent, ()):
            yield path
            yield from visit(path)

    return [*visit(()), *([()] if () in paths else [])]
