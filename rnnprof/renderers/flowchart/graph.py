"""What a flow chart shows: lanes, boxes, containers and edges; no geometry and no syntax."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rnnprof.units import count


@dataclass(frozen=True)
class Box:
    """One box: a stage, the ``other`` of a step or lane, or a container's own time.

    Args:
        key: an identifier of letters and digits, unique in the graph.
        name: the stage's name, as the user gave it.
        note: one phrase about it, or empty.
        share: its part of the basis, or None.
        percent: ``share`` as the breakdown prints it.
        long: its duration in words, or empty: in one step, of the only visit, or of the mean visit.
        visits: how often it was visited outside steps; 0 inside steps.
        kind: ``stage``, ``other``, ``self`` or ``empty``.
        path: names from the outermost stage to this one.
        fill: its colour, six hexadecimal digits, where it is not that of its share.
    """

    key: str
    name: str
    note: str
    share: float | None
    percent: str
    long: str
    visits: int
    kind: str
    path: tuple[str, ...] = ()
    fill: str = ""

    @property
    def large(self) -> str:
        """The largest text: the percentage, or the duration where there is no share."""
        return self.long if self.share is None else self.percent

    @property
    def small(self) -> str:
        """The duration; where that is the largest text already, how often."""
        if self.share is not None:
            return self.time
        return "once" if self.visits == 1 else f"{count(self.visits)} times" if self.visits else ""

    @property
    def time(self) -> str:
        """The duration and how often: ``306 ms``, ``553 ms once`` or ``14 × 0.8 ms``."""
        return visits(self.long, self.visits)


@dataclass(frozen=True)
class Group:
    """A container: a stage with the boxes of its child stages, and its own time if it has any."""

    key: str
    name: str
    share: float | None
    percent: str
    time: str
    own: Box | None
    items: tuple[Item, ...]
    fill: str = ""


Item = Box | Group


@dataclass(frozen=True)
class Lane:
    """One lane.

    Args:
        key: an identifier.
        name: the lane's name.
        thread: whether it runs beside the main thread.
        time: how often and how long, in words.
        percent: its share as printed, or empty.
        flow: what happens one after the other.
        loose: what has no place in that order: ``other``, and stages outside the steps.
        other: the ``other`` of the step, in the lane that is drawn as a loop.
        aside: what the loose boxes of that lane are.
    """

    key: str
    name: str
    thread: bool
    time: str
    percent: str
    flow: tuple[Item, ...]
    loose: tuple[Item, ...]
    other: Box | None = None
    aside: str = "outside the steps"


@dataclass(frozen=True)
class Edge:
    """An arrow between two boxes; ``kind`` is ``flow``, ``hot``, ``back`` or ``once``."""

    tail: str
    head: str
    kind: str
    label: str = ""


@dataclass(frozen=True)
class Graph:
    """What is drawn.

    Args:
        lanes: from the top to the bottom.
        loop: the key of the lane that is drawn as a loop, or empty.
        end: the text of the decision that closes the loop.
        edges: all arrows.
        hot: keys of the fewest boxes that make 90 % of a step.
        basis: what 100 % is, in words.
        step: for the middle of the loop: what it is, its duration, its throughput.
        change: whether colours are changes between two sides of runs, not shares.
    """

    lanes: tuple[Lane, ...]
    loop: str
    end: str
    edges: tuple[Edge, ...]
    hot: frozenset[str]
    basis: str
    step: tuple[str, str, str]
    change: bool = False


END = "decision"
"""Key of the decision that closes the loop; ``end`` would be a word of Mermaid's."""


def leaves(items: Sequence[Item], above: tuple[Group, ...] = ()) -> Iterator[tuple[Box, tuple[Group, ...]]]:
    """Every box that is drawn in a row, in order, with the containers around it, outermost first."""
    for item in items:
        if isinstance(item, Box):
            yield item, above
        else:
            yield from leaves(item.items, (*above, item))


def groups(items: Sequence[Item]) -> Iterator[Group]:
    """Every container, outermost first."""
    for item in items:
        if isinstance(item, Group):
            yield item
            yield from groups(item.items)


def visits(long: str, times: int) -> str:
    """A duration and how often, in words; ``times`` is 0 for a part of a step."""
    return f"{long} once" if times == 1 else f"{count(times)} × {long}" if times else long
