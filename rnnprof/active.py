"""The profile that records now, and the module-level marks that act on it.

Without a profile these marks do nothing, in less than the time of reading the clock twice, so that
they can stay in a program for good.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rnnprof.decorators import decorate
from rnnprof.errors import NestingError, UsageError
from rnnprof.marks import MAX_STAGES, NoStage

_profile: Any = None
boundaries = True
"""Whether the marks in rewritten code act on a profile that opens: not where the program has its own."""
_nothing: dict[str, NoStage] = {}


def stage(name: str) -> Any:
    """Mark a stage of the active profile; without one, do nothing.

    Args:
        name: the stage's name, such as ``"forward"``.

    Returns:
        A context manager that is also a decorator. A decorated function is timed in whatever
        profile is active when it is called; as a context manager, ask for it where it is used:
        what was asked for before the profile opened does nothing.
    """
    if _profile is not None:
        return _profile.stage(name)
    try:
        return _nothing[name]
    except (KeyError, TypeError):
        if not isinstance(name, str) or not name:
            raise UsageError(f"a stage's name is a non-empty string, not {name!r}") from None
        found = NoStage(name)
        if len(_nothing) < MAX_STAGES:
            _nothing[name] = found
        return found


def step(tokens: int | None = None) -> Any:
    """Mark a step of the active profile; without one, do nothing.

    Args:
        tokens: tokens that this step trains on, for throughput.

    Returns:
        A context manager, also a decorator; what it gives has an attribute ``tokens`` to be set
        where the number is only known inside the step.
    """
    if _profile is not None:
        return _profile.step(tokens)
    return _NoStep(tokens)


def lane(name: str) -> Any:
    """Mark a lane of the active profile; without one, do nothing.

    Args:
        name: ``"setup"``, ``"train"``, ``"evaluate"`` or one of your own.

    Returns:
        A context manager, also a decorator.
    """
    if _profile is not None:
        return _profile.lane(name)
    return _NoLane(name)


def steps(iterable: Iterable[Any], tokens: int | None = None) -> Iterator[Any]:
    """Make every turn of a loop a step of the active profile; without one, just loop.

    Args:
        iterable: what the loop runs over; fetching from it is the stage ``get_batch``.
        tokens: tokens of each step, for throughput.

    Yields:
        The items of the iterable.
    """
    if _profile is not None:
        yield from _profile.steps(iterable, tokens)
    else:
        yield from iterable


def activate(profile: Any) -> None:
    """Make a profile the one that module-level marks act on.

    Raises:
        NestingError: if another one is recording.
    """
    global _profile
    if _profile is not None and _profile.gives_way is not None:
        _profile.gives_way()
    if _profile is not None:
        raise NestingError(
            f"a profile is recording already ({_profile.describe()}): close it before the next begins"
        )
    _profile = profile


def deactivate(profile: Any) -> None:
    """Undo `activate`."""
    global _profile
    if _profile is profile:
        _profile = None


def current() -> Any:
    """The profile that records now, or None."""
    return _profile


class _NoStep:
    """What `step()` gives without a profile."""

    __slots__ = ("_given", "spoiled", "tokens")

    def __init__(self, tokens: int | None) -> None:
        self._given = self.tokens = tokens
        self.spoiled = False

    def __enter__(self) -> _NoStep:
        return self

    def __exit__(self, *error: Any) -> None:
        return None

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return decorate(lambda: step(self._given), "step()", function)


class _NoLane:
    """What `lane()` gives without a profile."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: Any) -> None:
        return None

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return decorate(lambda: lane(self.name), f"lane({self.name!r})", function)


# torch.compile follows the attribute set below instead of the function: inside a compiled function
# there are no stages to time, and a mark must neither break the graph nor become part of it.
def _nothing_compiled(*_: Any, **__: Any) -> Any:
    return contextlib.nullcontext()


def _no_step_compiled(*_: Any, **__: Any) -> Any:
    return contextlib.nullcontext(_NoStep(None))


def invisible_to_dynamo(stage: Any, step: Any, lane: Any) -> None:
    """Make `torch.compile` take marks for context managers that do nothing."""
    stage._torchdynamo_inline = lane._torchdynamo_inline = _nothing_compiled
    step._torchdynamo_inline = _no_step_compiled


invisible_to_dynamo(stage, step, lane)


def _forget_in_child() -> None:
    global _profile
    if _profile is not None:
        _profile.disown()
        _profile = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
