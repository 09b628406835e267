"""What is to be traced: which steps, and what of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rnnprof.errors import UsageError

DEFAULT_STEPS = 3


@dataclass(frozen=True)
class Tracing:
    """What torch.profiler is to watch.

    Args:
        steps: how many steps, right after the warmup; or their numbers, from 0 at the start of
            training, such as ``range(100, 103)``.
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
            UsageError: if `steps` makes no sense.
        """
        if isinstance(self.steps, int) and not isinstance(self.steps, bool):
            if self.steps < 1:
                raise UsageError(f"{self.steps} steps to trace: give 1 or more")
            return tuple(range(warmup, warmup + self.steps))
        try:
            numbers = tuple(sorted(set(self.steps)))  # type: ignore[arg-type]
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
