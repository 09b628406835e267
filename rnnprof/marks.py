"""A thread's track through its tree of stages: the fast part, and what happens when order is odd.

The fast part comes compiled (`_marks.c`) or, where it was not compiled, in Python
(`marks_python.py`): ``RNNPROF_PURE_PYTHON=1`` asks for the latter.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from rnnprof.decorators import decorate
from rnnprof.errors import NestingError, UsageError

if TYPE_CHECKING or os.environ.get("RNNPROF_PURE_PYTHON"):
    from rnnprof import marks_python as fast
else:
    try:
        from rnnprof import _marks as fast
    except ImportError:
        from rnnprof import marks_python as fast

NATIVE = fast.__name__ == "rnnprof._marks"
"""Whether the compiled part is at work."""
HAVE_CLOCK = bool(fast.HAVE_CLOCK)
"""Whether stages can read the host's clock themselves."""

Tally = fast.Tally
BaseStep = fast.Step
Mark = fast.Mark
record_on = fast.record_on

MAX_STAGES = 500
"""Stages that one thread may have; later ones count as time of the stage around them."""
MAX_DEPTH = 64
"""How deep stages may nest, likewise."""
MAX_TOKENS = 10**12
"""More tokens than this in one step are a mistake."""


def record_off(track: Any) -> None:
    """Undo `record_on`, unless marks act on another track by now."""
    if fast.recorded_on() is track:
        record_on(None)


class NoStage(fast.NoStage):
    """A stage that measures nothing, but can decorate a function that will be measured later."""

    __slots__ = ()

    # Static: there is nothing to bind, and binding would take longer than all the rest.
    __enter__ = staticmethod(fast.nothing)
    __exit__ = staticmethod(fast.nothing)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return _decorated(self.name, function)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name,)


class Stage(fast.Stage):
    """One place in the tree: a context manager, and a decorator.

    It belongs to the thread that asked for it. Used as a decorator it is looked up anew at each
    call, so that the function is timed wherever it is called from.
    """

    __slots__ = ()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return _decorated(self.name, function)

    def child(self, name: str) -> Stage:
        """Make the stage of that name inside this one, timed like this one."""
        return type(self)(self.track, name, self, self.clock)

    def __repr__(self) -> str:
        return f"<rnnprof stage {'/'.join(reversed([s.name for s in chain(self)]))}>"


class Shadow(Stage):
    """Stands for a visit that is not counted, so that every exit finds its own entry."""

    __slots__ = ()

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.uncounted = True


def _decorated(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    # Decorated at import, called in whatever profile records then: look for it at each call.
    from rnnprof import active

    return decorate(lambda: active.stage(name), f"stage({name!r})", function)


def chain(stage: Any) -> Iterator[Any]:
    """The stage and those around it, innermost first, up to the root of its step or lane."""
    while stage is not None:
        yield stage
        stage = stage.parent


class Track(fast.Track):
    """One thread's position in its tree, with the slow paths that the fast part calls."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = 0
        self.refused = 0
        self.nulls: dict[str, NoStage] = {}

    def null(self, name: str) -> NoStage:
        """A stage of that name that measures nothing."""
        found = self.nulls.get(name)
        if found is None:
            found = NoStage(name)
            if len(self.nulls) < MAX_STAGES:
                self.nulls[name] = found
        return found

    def odd_tokens(self, tokens: Any) -> int:
        """Tokens as a whole number, also where they come as one of torch's or numpy's."""
        try:
            number = operator.index(tokens)
        except TypeError:
            number = -1
        if not 0 <= number < MAX_TOKENS:
            raise UsageError(f"tokens is a whole number, 0 or more and not absurdly large, not {tokens!r}")
        return number

    def missing_stage(self, name: str) -> Any:
        """Make the stage of that name inside the current one."""
        if not isinstance(name, str) or not name:
            raise UsageError(f"a stage's name is a non-empty string, not {name!r}")
        current: Any = self.current
        if self.closed or current is None or current.muted:
            return self.null(name)
        around = list(chain(current))
        # The root of a lane or step is not a stage: `train` may be the name of one inside.
        if any(stage.name == name for stage in around[:-1]):
            # Recursion: one visit is what happens between the outermost entry and its exit.
            return current.children.setdefault(name, self.null(name))
        if self.stages >= MAX_STAGES or len(around) > MAX_DEPTH:
            self.refused += 1
            return self.null(name)
        self.stages += 1
        stage: Stage = current.child(name)
        current.children[name] = stage
        return stage

    def misplaced_enter(self, stage: Any) -> None:
        """Enter a stage object that was asked for elsewhere: the stage of its name, here."""
        track = self.here()
        current: Any = track.current
        if track.closed or current is None or current.muted:
            return
        here = track.stage(stage.name)
        if not isinstance(here, Stage):
            # A visit that is not counted must still be the one that its exit closes.
            here = Shadow(track, stage.name, current, None if fast.HAVE_CLOCK else stage.clock)
        here.__enter__()

    def misplaced_exit(self, stage: Any, failed: bool) -> None:
        """Leave a stage that is not the current one: find what it stands for, or complain."""
        track = self.here()
        current: Any = track.current
        if track.closed or current is None or current.muted:
            return
        error = RuntimeError if failed else None
        if current.name == stage.name and current.parent is not None:
            current.__exit__(error, None, None)
            return
        opened = list(chain(current))
        if stage in opened:
            inner = [other.name for other in opened[: opened.index(stage)]]
            # An exception unwinds generators and exit stacks in any order: then, no complaint.
            track.current = stage if failed else stage.parent
            if failed:
                stage.__exit__(error, None, None)
                return
            raise NestingError(
                f"stage {stage.name!r} was closed while {_names(inner)}, opened inside it, "
                f"{'is' if len(inner) == 1 else 'are'} still open: close the inner stage first "
                "(a stage must not stay open across a `yield`)"
            )
        if not failed:
            raise NestingError(
                f"stage {stage.name!r} was closed, but it is not open here: it was closed before, "
                "or opened in another step or lane (a stage must not stay open across a `yield`)"
            )

    def left_open(self) -> list[str]:
        """The names of the open stages that should have been closed; those of marks need not be."""
        return [one.name for one in chain(self.current) if one.parent is not None and not one.flat]

    def end_spans(self, now: int) -> None:
        """Count what is open up to its root, as it ends outside steps."""
        for stage in chain(self.current):
            self.count(stage.tally, stage.start, now - stage.start)
            stage.flat = False

    def here(self) -> Track:
        """The track of the calling thread."""
        return self

    def foreign_stage(self, name: str) -> Any:
        """The stage of that name on the calling thread's own track."""
        return self.here().stage(name)

    def odd_mark(self, name: str | None) -> None:
        """A mark where spans are timed elsewhere."""
        current: Any = self.current
        if current.flat:
            current.parent.boundary(current, name)
        else:
            current.boundary(None, name)


def _names(names: list[str]) -> str:
    return " and ".join(repr(name) for name in names)
