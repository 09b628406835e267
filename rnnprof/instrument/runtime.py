"""What rewritten code calls: the turns of a step loop, lanes, and what is seen on the way.

Nothing here may disturb the program: whatever goes wrong ends the measurement of that loop, not
the loop.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from collections.abc import Callable
from typing import Any

from rnnprof import active
from rnnprof.instrument.turns import END, EVALUATE, TRAIN, TRAINED, Visit, enter_lane, here


class Loop:
    """A loop in the source whose turns are steps.

    Args:
        lane: ``train`` or ``evaluate``.
        fetches: whether a turn begins with the fetch of a batch.
    """

    def __init__(self, lane: str, fetches: bool) -> None:
        self.lane = lane
        self.fetches = fetches
        self._visits: dict[int, list[Visit | None]] = {}

    def begin(self) -> Visit | None:
        """The loop is about to begin.

        Returns:
            The visit that begins with it; None where nothing records.
        """
        visit = None
        if active.current() is not None and not step_is_open(self.lane):
            try:
                visit = Visit(self.lane, self.fetches)
            except Exception:
                forget()
        self._visits.setdefault(get_ident(), []).append(visit)
        return visit

    def turn(self) -> None:
        """A turn of the loop is over."""
        visits = self._visits.get(get_ident())
        visit = visits[-1] if visits else None
        if visits and visit is not None:
            try:
                visit.turn()
            except Exception:
                visits[-1] = None
                forget()

    def end(self) -> None:
        """The loop is over, however it ended."""
        visits = self._visits.get(get_ident())
        visit = visits.pop() if visits else None
        if visit is not None:
            try:
                visit.end()
            except Exception:
                forget()

    def __reduce__(self) -> tuple[Any, ...]:
        return Loop, (self.lane, self.fetches)


def forget() -> None:
    """Something went wrong in rnnprof: go on without the step that is open."""
    note(sys.exc_info()[1])
    track = here()
    step = track.step if track is not None else None
    if step is not None and step.root is not None:
        try:
            step.__exit__(RuntimeError, None, None)
        except Exception as error:
            note(error)


def note(error: BaseException | None) -> None:
    """Remember an error of rnnprof itself: in words, since an error holds on to the user's tensors."""
    if len(failures) < MOST:
        failures.append(repr(error))


MOST = 8
failures: list[str] = []
"""Errors of rnnprof itself, which the program never saw."""


def step_is_open(lane: str) -> bool:
    """Whether the calling thread has a step open in the lane that the loop's steps would be in."""
    track = here()
    if track is None or track.closed:
        return True
    if lane == EVALUATE and track.lane.name != EVALUATE:
        return False
    return track.lane.step.root is not None


class LaneBlock:
    """A block of the source that is a lane; a context manager, also when it is entered again inside.

    Args:
        name: the lane's name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._opened: dict[int, list[Any]] = {}

    def __enter__(self) -> None:
        END()
        lane = None
        try:
            lane = enter_lane(self.name)
        except Exception:
            forget()
        self._opened.setdefault(get_ident(), []).append(lane)

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        END()
        opened = self._opened.get(get_ident())
        lane = opened.pop() if opened else None
        if lane is not None:
            try:
                lane.__exit__(kind, value, traceback)
            except Exception:
                forget()

    def __reduce__(self) -> tuple[Any, ...]:
        return LaneBlock, (self.name,)


class StepBlock:
    """The body of a function that is one step; a context manager."""

    def __init__(self) -> None:
        self._loop = Loop(TRAIN, False)

    def __enter__(self) -> None:
        visit = self._loop.begin()
        if visit is not None:
            # What calls the function is not known: every call is a step.
            visit.first = False

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        TRAINED.yes = True
        self._loop.end()


class Watch:
    """Gives back what it is given, the model that a statement calls, and shows it to the hooks.

    Args:
        watch: called with the model.
    """

    def __init__(self, watch: Callable[[Any], None]) -> None:
        self._watch = watch

    def __call__(self, model: Any) -> Any:
        try:
            self._watch(model)
        except Exception:
            note(sys.exc_info()[1])
        return model

    def __reduce__(self) -> tuple[Any, ...]:
        return Watch, (_ignore,)


def _ignore(model: Any) -> None:
    return None
