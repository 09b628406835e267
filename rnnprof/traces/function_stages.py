"""The functions of each stage, from one cProfile that knows of no stages and is never stopped.

At each border of a stage in a chosen step the counts so far are compared with those at the border
before. cProfile counts a function when it returns. So the own time of a function that stays open,
such as the one that holds the loop and its statements, is not in its counts yet: it is what is left
of a stage's time when everything that returned is taken away.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from types import CodeType, FrameType
from typing import Any

from rnnprof.captures import MOST_STAGE_FUNCTIONS, StageFunctions
from rnnprof.captures import Path as StagePath
from rnnprof.traces.function_changes import Changes, less, of_rnnprof
from rnnprof.traces.function_stats import NOTHING, Counts, Label, label, longest

Place = tuple[int, CodeType]
"""A frame that is never held, so that nothing in it lives longer than it would: its id and code."""

MOST_NS = 1_500_000_000
"""Time that looking may take in a run: with ``import torch`` counted, a look is 10 to 30 ms."""
ENTERING = frozenset(("__enter__", "__exit__", "enter_context"))
"""Functions, of contextlib or anyone's, that are not those in which a stage's statements are."""


class Visit:
    """One visit of a stage, or the step.

    Args:
        name: the stage's name.
        path: it and the names of the stages around it.
        place: the function that it began in.
    """

    __slots__ = ("left", "name", "path", "place")

    def __init__(self, name: str, path: StagePath, place: Place | None) -> None:
        self.name = name
        self.path = path
        self.place = place
        # Time in it, in nanoseconds, and in none of the functions that returned in it.
        self.left = 0


class StageCounts:
    """The counts of each stage in chosen steps.

    A function's calls and time are counted where it returns. Only the own time of the function in
    which a stage both begins and ends is counted within that stage, whether or not it returns there.

    Args:
        counts: gives cProfile's entries, as `cProfile.Profile.getstats`.
        timer: cProfile's clock, in nanoseconds.
    """

    def __init__(self, counts: Callable[[], Iterable[Any]], timer: Callable[[], int]) -> None:
        self.steps = 0
        self._changes = Changes(counts)
        self._timer = timer
        self._visits: list[Visit] = []
        # When the clock of the counts stood still last, and went on.
        self._halted = self._since = 0
        self._spent = 0
        self._early: list[tuple[Place, int]] = []
        self._step: dict[StagePath, dict[Label, Counts]] = {}
        self._kept: dict[StagePath, dict[Label, Counts]] = {}

    @property
    def spent(self) -> bool:
        """Whether the time that looking may take in a run is used up."""
        return self._spent > MOST_NS

    def open(self) -> None:
        """A step begins; where looking has taken too long already it is not looked into."""
        self._step = {}
        self._early = []
        self._visits = []
        if self.spent:
            return
        # The second comparison sees all that the first one called itself, and leaves it out.
        self._border()
        self._visits = [Visit("", (), self._border())]
        self._go_on()

    def enter(self, name: str) -> None:
        """A stage begins inside the one that is open, unless looking has taken too long by now.

        Then the step is looked into no more, and does not count.
        """
        if self.spent:
            self._visits = []
        if self._visits:
            place = self._border()
            self._visits.append(Visit(name, (*self._visits[-1].path, name), place))
            self._go_on()

    def leave(self, name: str) -> None:
        """The innermost stage of that name ends, and whatever is open inside it."""
        for visit in self._visits[1:]:
            if visit.name == name:
                place = self._border()
                while self._end(place) != name:
                    pass
                self._go_on()
                return

    def close(self, keep: bool) -> None:
        """The step ends, and whatever is open in it.

        Args:
            keep: whether it counts.
        """
        if self._visits:
            place = self._border()
            while self._visits:
                self._end(place)
            if keep:
                self.steps += 1
                for path, functions in self._step.items():
                    _add(self._kept.setdefault(path, {}), functions)

    def stages(self) -> tuple[StageFunctions, ...]:
        """What was counted in the steps that were kept, a stage after the one around it."""
        found = ((path, _nonzero(self._kept[path])) for path in sorted(self._kept, key=len))
        return tuple(
            StageFunctions(path, sum(one[2] for one in every.values()), longest(every, MOST_STAGE_FUNCTIONS))
            for path, every in found
            if every
        )

    # ---- at a border ------------------------------------------------------------------------

    def _border(self) -> Place | None:
        """Count to the innermost stage what has returned since the last border.

        Returns:
            The program's function that is being run.
        """
        self._halted = self._timer()
        spent = self._halted - self._since
        changed, own = self._changes.take()
        if self._visits:
            visit = self._visits[-1]
            self._settle(changed)
            visit.left += spent - own - sum(counts[2] for counts in changed.values())
            named: dict[Label, Counts] = self._step.setdefault(visit.path, {})
            for key, counts in changed.items():
                _add(named, {self._changes.label(key): counts})
        return _place(sys._getframe(1))

    def _go_on(self) -> None:
        self._since = self._timer()
        self._spent += self._since - self._halted

    # ---- functions that stay open -----------------------------------------------------------

    def _end(self, place: Place | None) -> str:
        """End the innermost visit; what is left of it was spent in the function around it."""
        visit = self._visits.pop()
        if place != visit.place:
            # Functions that began in it and are open yet: the stage that they return in has them.
            if self._visits:
                self._visits[-1].left += visit.left
        elif place is not None and visit.left > 0:
            counts = (0, 0, visit.left, visit.left)
            _add(self._step.setdefault(visit.path, {}), {label(place[1]): counts})
            self._early.append((place, visit.left))
        return visit.name

    def _settle(self, changed: dict[int, Counts]) -> None:
        """Take away from functions that have returned what was counted while they were open."""
        if not self._early:
            return
        alive = _open(sys._getframe(1))
        open_still = []
        for place, ns in self._early:
            if place in alive:
                open_still.append((place, ns))
            elif id(place[1]) in changed:
                key = id(place[1])
                ns = min(ns, changed[key][2])
                changed[key] = less(changed[key], (0, 0, ns, ns))
        self._early = open_still


def _place(frame: FrameType | None) -> Place | None:
    """The innermost of the program's functions, but for those through which a stage is entered."""
    found: Place | None = None
    while frame is not None:
        code = frame.f_code
        if code.co_name in ENTERING:
            found = None
        elif found is not None:
            break
        elif not of_rnnprof(code.co_filename):
            found = (id(frame), code)
        frame = frame.f_back
    return found


def _open(frame: FrameType | None) -> set[Place]:
    """All functions that are open."""
    found = set()
    while frame is not None:
        found.add((id(frame), frame.f_code))
        frame = frame.f_back
    return found


def _add(to: dict[Label, Counts], more: dict[Label, Counts]) -> None:
    for name, counts in more.items():
        before = to.get(name, NOTHING)
        to[name] = (
            before[0] + counts[0],
            before[1] + counts[1],
            before[2] + counts[2],
            before[3] + counts[3],
        )


def _nonzero(functions: dict[Label, Counts]) -> dict[Label, Counts]:
    return {name: counts for name, counts in functions.items() if counts[1] or counts[2]}
