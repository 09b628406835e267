"""What is to be traced: which steps, and what of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rnnprof.errors import UsageError
from rnnprof.recorder.watched import MOST_STEPS

DEFAULT_STEPS = 3
FUNCTION_STEPS = 16
"""Steps in which the functions of each stage are told apart."""
FUNCTION_EVERY = 7
"""One step in so many is one of them, so that nothing periodic in the loop always meets them."""


@dataclass(frozen=True)
class Tracing:
    """What torch.profiler is to watch.

    Args:
        steps: how many steps, right after the warmup; 0 for none (see `stages`); or their numbers,
            from 0 at the start of training, such as ``range(100, 103)``.
        record_shapes: whether the shapes of operators' inputs are recorded.
        with_stack: whether Python's calls and torch's modules are recorded, which is slow.
        profile_memory: whether allocations are recorded.
        stages: whether the stages of all steps are recorded as well, without operators.
    """

    steps: int | Iterable[int] = DEFAULT_STEPS
    record_shapes: bool = False
    with_stack: bool = False
    profile_memory: bool = False
    stages: bool = True

    def numbers(self, warmup: int) -> tuple[int, ...]:
        """The numbers of the steps to trace, in ascending order.

        Args:
            warmup: number of first steps that are warmup.

        Raises:
            UsageError: if `steps` makes no sense, or is more than `MOST_STEPS`.
        """
        steps = self.steps
        if isinstance(steps, int) and not isinstance(steps, bool):
            if steps < 0:
                raise UsageError(f"{steps} steps to trace: give 1 or more, or 0 for the stages alone")
            if steps == 0:
                return ()
            steps = range(warmup, warmup + steps)
        found: set[int] = set()
        try:
            for number in steps:  # type: ignore[union-attr]
                found.add(number)
                if len(found) > MOST_STEPS:
                    raise UsageError(f"more than {MOST_STEPS} steps to trace: a viewer cannot open that")
            numbers = tuple(sorted(found))
        except TypeError:
            numbers = ()
        if not numbers:
            raise UsageError(f"steps to trace are a number of steps, or steps' numbers, not {self.steps!r}")
        return numbers


def tracing(asked: Any) -> Tracing | None:
    """What was meant by the argument ``trace``.

    Args:
        asked: a `Tracing`; True for the default, a number of steps, steps' numbers; None or False
            for nothing.

    Raises:
        UsageError: if it is something else.
    """
    if asked is None or asked is False:
        return None
    if asked is True:
        return Tracing()
    if isinstance(asked, Tracing):
        return asked
    if isinstance(asked, (int, range, list, tuple, set, frozenset)):
        return Tracing(asked)
    raise UsageError(f"trace is True, a number of steps, steps' numbers or a Tracing, not {asked!r}")


def steps_in(words: str) -> int | range:
    """Steps as they are given on a command line.

    Args:
        words: ``"3"`` for so many after the warmup, ``"100-102"`` for these, ``"0"`` for none.

    Raises:
        UsageError: if it is something else.
    """
    found = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", words.strip(), re.ASCII)
    if found is None or (found[2] is not None and int(found[2]) < int(found[1])):
        raise UsageError(
            f"--trace-steps {words}: give a number of steps, or the first and the last such as 100-102"
        )
    return int(found[1]) if found[2] is None else range(int(found[1]), int(found[2]) + 1)


def function_steps(first: int) -> range:
    """The steps in which the functions of each stage are told apart, by their number.

    Args:
        first: the first step that may be one of them.
    """
    return range(first, first + FUNCTION_STEPS * FUNCTION_EVERY, FUNCTION_EVERY)
