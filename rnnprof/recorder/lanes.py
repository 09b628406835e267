"""Lanes: the top-level parts of a program, which follow each other and never overlap."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

from rnnprof import active
from rnnprof.decorators import decorate
from rnnprof.errors import EnoughSteps, UsageError
from rnnprof.marks import Stage, Tally
from rnnprof.recorder.own import own_time
from rnnprof.recorder.steps import Root, Step
from rnnprof.stages import MEASURED

THREAD = "thread "
"""How the names of threads' lanes begin."""


class LaneState:
    """One lane of one thread while it is recorded.

    Args:
        track: the thread's track.
        name: the lane's name.
        thread: whether the lane is a whole thread beside the main one.
    """

    def __init__(self, track: Any, name: str, thread: bool = False) -> None:
        self.track = track
        self.name = name
        self.thread = thread
        self.root = Stage(track, name, None, track.recorder.reading)
        self.step = Step(track)
        self.roots: dict[str, Root] = {}
        self.enclosed: dict[Tally, int] = {}
        self.kinds: list[str] = []
        # Steps of the lane that have been given their kind.
        self.dealt = 0
        # Those of them that did not count.
        self.dropped = 0

    def next_roots(self) -> list[Root]:
        """The roots of the next steps, of the kinds that the schedule deals; the first one last.

        Raises:
            EnoughSteps: there have been as many steps as were asked for.
        """
        left = self._left()
        if left is not None and left <= 0:
            raise EnoughSteps(0)
        recorder = self.track.recorder
        if recorder.once is not None and self.dealt and self.name == "train" and not self.thread:
            once, recorder.once = recorder.once, None
            with own_time(self.track):
                once()
        roots = self._deal()
        if left is not None and len(roots) > left:
            self.dealt -= len(roots) - left
            del roots[:-left]
        if self.name == "train" and not self.thread:
            recorder.vitals.dealt(self, len(roots), recorder.schedule.warmup)
        return roots

    def _left(self) -> int | None:
        """How many steps are to come; None where the program itself knows when to end."""
        recorder = self.track.recorder
        if recorder.limit is None or self.name != "train" or self.thread:
            return None
        most: int = recorder.schedule.warmup + recorder.limit
        return most - (self.dealt - self.dropped)

    def _deal(self) -> list[Root]:
        recorder = self.track.recorder
        if not self.kinds:
            recorder.timing.look_again()
        if recorder.queue is None or self.thread:
            kinds = recorder.kinds_for(self.name, self.thread)
            roots = {kind: self.root_of(kind) for kind in set(kinds)}
            self.dealt += len(kinds)
            return [roots[kind] for kind in kinds]
        if not self.kinds:
            self.kinds = recorder.kinds_for(self.name, self.thread)
        kind = self.kinds.pop()
        kind = recorder.timing.kind_now(kind, self.roots.get(kind))
        self.dealt += 1
        return [self.root_of("host" if recorder.queue.full and kind in (*MEASURED, "control") else kind)]

    def root_of(self, kind: str) -> Root:
        """The root of the lane's steps of one kind, made when the first one comes."""
        root = self.roots.get(kind)
        if root is None:
            root = self.roots[kind] = self.track.recorder.new_root(self, kind)
        return root

    def number(self) -> int:
        """The number of the step that begins now, from 0."""
        return self.dealt - len(self.step.deck) - 1

    def next_kind(self) -> str | None:
        """The kind of the next step, where it has been dealt or chosen."""
        if self.step.deck:
            return next((kind for kind, root in self.roots.items() if root is self.step.deck[-1]), None)
        return self.kinds[-1] if self.kinds else self.track.recorder.schedule.next_chosen()

    def give_up(self, kind: str) -> None:
        """Make no further step one of that kind."""
        schedule = self.track.recorder.schedule
        schedule.give_up(kind)
        if kind in self.roots:
            root, main = self.roots[kind], self.root_of(schedule.main)
            self.step.deck[:] = [main if one is root else one for one in self.step.deck]
        self.kinds = [schedule.main if one == kind else one for one in self.kinds]

    def choose(self, kind: str, steps: int) -> int:
        """Make the next steps steps of a kind; return how many were of another."""
        deck, kinds, changed = self.step.deck, self.kinds, 0
        on_deck = min(steps, len(deck))
        dealt = min(steps - on_deck, len(kinds))
        # The next one is the last.
        for at in range(len(deck) - on_deck, len(deck)):
            root = self.root_of(kind)
            changed += deck[at] is not root
            deck[at] = root
        for at in range(len(kinds) - dealt, len(kinds)):
            changed += kinds[at] != kind
            kinds[at] = kind
        later: int = self.track.recorder.schedule.choose(kind, steps - on_deck - dealt)
        return changed + later


def choose(track: Any, kind: str, steps: int) -> int:
    """Make the next steps of the training steps of a kind.

    Args:
        track: that of the thread that opened the profile.
        kind: the kind.
        steps: how many.

    Returns:
        How many of them were not of that kind yet.

    Raises:
        UsageError: on another thread.
    """
    if threading.get_ident() != track.owner:
        raise UsageError("trace_steps is for the thread that opened the profile")
    train = track.lanes.get("train")
    changed: int = (track.recorder.schedule if train is None else train).choose(kind, steps)
    return changed


class LaneContext:
    """The context manager and decorator of `prof.lane(name)`."""

    def __init__(self, track: Any, name: str) -> None:
        self._track = track
        self._name = name
        self._state: LaneState | None = None

    def __enter__(self) -> None:
        # On whatever thread it is entered.
        self._track = self._track.here()
        self._state = self._track.enter_lane(self._name)

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        self._track.leave_lane(self._state, kind is not None)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        name = self._name
        return decorate(lambda: active.lane(name), f"lane({name!r})", function)


def this_thread() -> threading.Thread | None:
    """The calling thread, or None for one that Python did not start.

    `threading.current_thread` would make up an object for such a thread, and keep it.
    """
    ident = threading.get_ident()
    return next((thread for thread in threading.enumerate() if thread.ident == ident), None)


def name_of_thread() -> str:
    """The thread's name without its numbers: the threads of a pool share a lane."""
    thread = this_thread()
    name = re.sub(r"[-_ ]?\d+", "", thread.name).strip() if thread else ""
    return f"{THREAD}{name[:80] or 'unnamed'}"
