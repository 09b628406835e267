"""Steps of a loop that marks none: from one update of the parameters to the next."""

from __future__ import annotations

import enum
from _thread import get_ident
from typing import Any

from rnnprof import active
from rnnprof.instrument.patches import Patches

EVALUATE = "evaluate"


class Role(enum.Enum):
    """What a call says about the step."""

    TRAINS = enum.auto()
    """It is part of training: where no step is open, one begins."""
    PREPARES = enum.auto()
    """So is this, but the loop may still go off to evaluate before it trains."""
    FOLLOWS = enum.auto()
    """It belongs to whatever has begun; where no training has, it evaluates."""
    ENDS = enum.auto()
    """It is part of training and the last of the step: the next one begins when it returns."""


class ImpliedSteps:
    """Opens a stage for each call that is hooked, and the steps around them.

    Steps that the user marks come first: once there is one, no step is implied any more in that
    profile. Neither is one inside the user's lanes and stages.

    Args:
        wanted: whether steps are implied at all.
    """

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._profile: Any = None
        self._track: Any = None
        self._given_way = False
        self._patches = Patches()
        self._open = False
        self._trained = False

    def stage(self, name: str, role: Role) -> Any:
        """The stage to open around a call.

        Args:
            name: the stage's name.
            role: what the call says about the step.

        Returns:
            A context manager, or None where nothing records.
        """
        profile = active.current()
        track = None if profile is None else profile.track
        if track is None or track.current is None or get_ident() != track.owner:
            return None
        if not self._wanted:
            return track.stage(name)
        if profile is not self._profile:
            self._meet(profile)
        root = track.step.root is not None
        if self._given_way or track._around or (root and not self._open):
            return track.stage(name)
        if not self._trained and track.current.parent is None and role is Role.FOLLOWS:
            return _Evaluation(self, name)
        if not self._open:
            if track.current.parent is not None:
                return track.stage(name)
            self._begin()
        self._trained = self._trained or role in (Role.TRAINS, Role.ENDS)
        return _InStep(self, track.stage(name), role is Role.ENDS)

    def close(self) -> None:
        """Drop the step that is open, and imply none any more in this profile."""
        self._given_way = True
        self._drop()
        if not self._open:
            self._patches.undo()

    # ---- steps ------------------------------------------------------------------------------

    def _meet(self, profile: Any) -> None:
        self._patches.undo()
        self._profile = profile
        self._track = profile.track
        self._given_way = self._open = self._trained = False
        mark = profile._step

        def step(tokens: int | None) -> Any:
            # The user marks a step: what was implied up to here was none. A lane has its own.
            if not profile.track._around:
                self.close()
            return mark(tokens)

        self._patches.set(profile, "_step", step)
        profile.at_stop(self.close)

    def _begin(self) -> None:
        self._track.open_step(None).__enter__()
        self._open = True
        self._trained = False

    def _end(self) -> None:
        """The parameters have been updated: one step is over, and the next one begins."""
        if not self._open:
            return
        step = self._track.step
        if self._track.current is not step.root:
            # A stage of the user's was opened in this step and is still open: no step ends in it.
            step.spoiled = True
            return
        self._open = False
        step.__exit__(None, None, None)
        self._begin()

    def _drop(self, failed: bool = False) -> None:
        """Forget the step that is open, unless it is paused by a lane of the user's."""
        track = self._track
        if not self._open or track._around:
            return
        step, root = track.step, track.step.root
        # With a stage of the user's still open in it, a step can only fail.
        failed = failed or track.current is not root
        self._open = False
        step.spoiled = True
        step.__exit__(RuntimeError if failed else None, None, None)
        if not self._trained and not failed:
            # Its kind is still to come.
            step.deck.append(root)

    def _fail(self) -> None:
        if not self._open:
            return
        if self._track.current is self._track.step.root:
            self._drop(failed=True)
        else:
            self._track.step.spoiled = True


class _InStep:
    """A stage in an implied step."""

    __slots__ = ("ends", "stage", "steps")

    def __init__(self, steps: ImpliedSteps, stage: Any, ends: bool) -> None:
        self.steps = steps
        self.stage = stage
        self.ends = ends

    def __enter__(self) -> None:
        self.stage.__enter__()

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        self.stage.__exit__(kind, value, traceback)
        if kind is not None:
            self.steps._fail()
        elif self.ends:
            self.steps._end()


class _Evaluation:
    """A stage in a visit of the lane `evaluate`; the step before it was none, and it begins anew."""

    __slots__ = ("name", "resumes", "stage", "state", "steps")

    def __init__(self, steps: ImpliedSteps, name: str) -> None:
        self.steps = steps
        self.name = name

    def __enter__(self) -> None:
        track = self.steps._track
        self.resumes = self.steps._open
        self.steps._drop()
        self.state = track.enter_lane(EVALUATE)
        self.stage = track.stage(self.name)
        self.stage.__enter__()

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        self.stage.__exit__(kind, value, traceback)
        self.steps._track.leave_lane(self.state, kind is not None)
        if self.resumes and kind is None:
            self.steps._begin()
