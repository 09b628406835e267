"""Which kind each step is: warmup first, then blocks in which the kinds are mixed at random."""

from __future__ import annotations

import random
from collections.abc import Mapping

from rnnprof.errors import UsageError

DEFAULT_WARMUP = 5
DEFAULT_CONTROL_EVERY = 16
MAX_BLOCK = 10_000


class Schedule:
    """Deals the kinds of step.

    After warmup, steps come in blocks of ``control_every``: one control step, a few of the rare
    kinds, the rest of the main kind. The order within a block is random, so that nothing periodic
    in the loop (a log line every 200 steps) always meets the same kind; the generator is our own,
    seeded, so that the user's random stream stays as it was and a run can be repeated.

    Args:
        main: the kind of most steps.
        rare: kinds of which each block holds one.
        warmup: number of first steps that are left out of the statistics.
        control_every: steps in a block; 0 for no control steps.
        chosen: steps whose kind is fixed, by their number from 0.
    """

    def __init__(
        self,
        main: str = "host",
        rare: tuple[str, ...] = (),
        warmup: int = DEFAULT_WARMUP,
        control_every: int = DEFAULT_CONTROL_EVERY,
        chosen: Mapping[int, str] | None = None,
    ) -> None:
        self.main = main
        self.rare = rare
        self.warmup = _whole("warmup", warmup)
        self.control_every = _whole("control_every", control_every)
        if control_every and control_every < len(rare) + 2:
            raise UsageError(f"control_every={control_every} leaves no measured step: use 8 or more, or 0")
        if control_every > MAX_BLOCK:
            raise UsageError(
                f"control_every={control_every} is more than {MAX_BLOCK}: use 0 for no control steps"
            )
        self.chosen = dict(chosen or {})
        self.border = 0
        """A step of the warmup before which kinds are dealt anew, so that whoever deals hears of it."""

        self._random = random.Random(1111)
        self._warmed = 0
        self._dealt = 0

    def timed_as(self, main: str, rare: tuple[str, ...] = ()) -> Schedule:
        """The same schedule, from its start, with other kinds of measured steps."""
        other = Schedule(main, rare, self.warmup, self.control_every, self.chosen)
        other.border = self.border
        return other

    def block(self) -> list[str]:
        """The kinds of the next steps, the last one first: the warmup, then one block after the other."""
        kinds = self._block()
        for place in range(len(kinds)):
            kinds[-1 - place] = self.chosen.pop(self._dealt + place, kinds[-1 - place])
        self._dealt += len(kinds)
        return kinds

    def give_up(self, kind: str) -> None:
        """Make no step to come one of that kind."""
        self.chosen = {number: one for number, one in self.chosen.items() if one != kind}

    def next_chosen(self) -> str | None:
        """The kind that is fixed for the next step to be dealt, or None."""
        return self.chosen.get(self._dealt)

    def choose(self, kind: str, steps: int) -> int:
        """Fix the kind of the next steps to be dealt.

        Args:
            kind: their kind.
            steps: how many.

        Returns:
            How many of them were not fixed to that kind yet.
        """
        numbers = range(self._dealt, self._dealt + steps)
        changed = sum(self.chosen.get(number) != kind for number in numbers)
        self.chosen.update(dict.fromkeys(numbers, kind))
        return changed

    def _block(self) -> list[str]:
        if self._warmed < self.warmup:
            end = self.border if self._warmed < self.border < self.warmup else self.warmup
            number = min(end - self._warmed, 64)
            self._warmed += number
            return ["warmup"] * number
        special = [*self.rare, "control"] if self.control_every else list(self.rare)
        size = self.control_every or 16 * (len(special) + 1)
        kinds = [self.main] * size
        for kind in special:
            place = self._place(size)
            while kinds[place] != self.main:
                place = self._place(size)
            kinds[place] = kind
        return kinds

    def _place(self, size: int) -> int:
        return int(self._random.random() * size)

    def as_numbers(self) -> Mapping[str, int]:
        """The schedule as it is saved with a run."""
        return {"warmup": self.warmup, "control_every": self.control_every}


def _whole(name: str, number: int) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise UsageError(f"{name} is a number of steps, 0 or more, not {number!r}")
    return number
