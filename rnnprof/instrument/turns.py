"""The turns of a step loop: where one step ends and the next begins, and which turns are steps."""

from __future__ import annotations

import sys
from threading import local
from typing import Any

from rnnprof import active
from rnnprof.marks import Mark

END = Mark(None)
FETCH = Mark("get_batch")
TRAIN, EVALUATE = "train", "evaluate"


class Trained(local):
    """Called where the program backpropagates: the thread's turn that is under way is a training step."""

    yes = False
    unseen = False
    """Set on the class where code that backpropagates was compiled, and calls this no more."""

    def seen(self) -> bool:
        """Whether the turn has trained, as far as can be known."""
        return self.yes or Trained.unseen

    def __call__(self) -> None:
        self.yes = True

    def __reduce__(self) -> tuple[Any, ...]:
        return Trained, ()


TRAINED = Trained()


def here() -> Any:
    """The calling thread's track in the active profile, or None."""
    profile = active.current() if active.boundaries else None
    return profile.track.here() if profile is not None and profile.track is not None else None


def enter_lane(name: str) -> Any:
    """Enter a lane, unless it is open already; returns its context manager, or None."""
    track = here()
    if track is None or track.closed or track.is_open(name):
        return None
    lane = active.lane(name)
    lane.__enter__()
    return lane


class Visit:
    """One run of a step loop, from its first turn to its last.

    A turn of a training loop that does not backpropagate is no step: where the first one of a
    visit does not, the loop evaluates, and so do the turns that follow.

    Args:
        lane: ``train`` or ``evaluate``.
        fetches: whether a turn begins with the fetch of a batch.
    """

    __slots__ = ("around_trained", "error", "fetches", "first", "lane", "step", "train")

    def __init__(self, lane: str, fetches: bool) -> None:
        self.train = lane == TRAIN
        self.lane: Any = None
        self.fetches = fetches
        self.first = True
        self.error = sys.exc_info()[1]
        # A loop that evaluates may run inside a step, which has trained by then or has not.
        self.around_trained = TRAINED.yes
        self.step: Any = None
        if not self.train:
            self._enter_lane()
        self._begin()

    def _enter_lane(self) -> None:
        END()
        self.lane = enter_lane(EVALUATE)

    def _begin(self) -> None:
        TRAINED.yes = False
        step = active.step()
        step.__enter__()
        self.step = step
        if self.fetches:
            FETCH()

    def turn(self) -> None:
        """End one step and begin the next."""
        END()
        trained, step = TRAINED.seen() if self.train else TRAINED.yes, self.step
        self.step = None
        if trained is not self.train:
            step.spoiled = True
        step.__exit__(None, None, None)
        if trained is not self.train or self.first:
            self._judge(trained)
        self._begin()

    def _judge(self, trained: bool) -> None:
        """The first turn tells what the loop does; later, so does one that trains after all."""
        if self.first and not trained and self.train:
            self.train = False
            self._enter_lane()
        elif trained and not self.train:
            self.train = True
            lane, self.lane = self.lane, None
            if lane is not None:
                lane.__exit__(None, None, None)
        self.first = False

    def end(self) -> None:
        """The loop is over: keep the last turn only if it was a whole step."""
        END()
        error = sys.exc_info()[1]
        failed = error is not None and error is not self.error
        step, self.step = self.step, None
        if step is not None:
            if failed:
                step.__exit__(type(error), error, None)
            else:
                step.spoiled = not (self.train and TRAINED.seen())
                step.__exit__(None, None, None)
        TRAINED.yes = self.around_trained
        lane, self.lane = self.lane, None
        if lane is not None:
            lane.__exit__(None, None, None)
