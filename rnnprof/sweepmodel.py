"""A sweep as data: what is to be run, and how each of its runs ended."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

MOST = 10_000
"""Runs that one sweep may have."""

DONE, FAILED, MEMORY, KILLED, TIMEOUT, NO_STEPS = (
    *("done", "failed", "out of memory", "killed", "timeout"),
    "no steps",
)
"""How a run can end: well; with an exit code; for want of memory; by a signal; at its time limit; or
well, but without a training step that was measured."""


@dataclass(frozen=True)
class Factor:
    """What varies.

    Args:
        name: of the option, without its dashes.
        levels: its values, as they were given.
        words: for each level the words of the command line that stand for it.
    """

    name: str
    levels: tuple[str, ...]
    words: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Plan:
    """What is to be run.

    Args:
        created: when it was made, ISO 8601 with its time zone.
        folder: working directory of the runs.
        target: the script, or ``-m`` and a module.
        fixed: the program's arguments that are the same in all runs.
        shown: target and fixed arguments, secrets left out, for a report.
        factors: what varies; combinations are numbered with the last one varying fastest.
        steps: training steps after the warmup; None for as many as the program makes.
        warmup: first steps that are left out.
        repeat: runs of each combination.
        seed: of the order.
        order: for each round the combinations in the order in which they are run.
        options: further options of ``rnnprof run``.
        timeout_s: seconds after which a run is ended; None for never.
        tokens: formula of the tokens in a step, or empty.
        steps_per_epoch: formula of the steps in an epoch, or empty.
        metrics: what is looked for in the logs besides validation perplexity: ``NAME=REGEX``.
    """

    created: str
    folder: str
    target: tuple[str, ...]
    fixed: tuple[str, ...]
    shown: tuple[str, ...]
    factors: tuple[Factor, ...]
    steps: int | None
    warmup: int
    repeat: int
    seed: int
    order: tuple[tuple[int, ...], ...]
    options: tuple[str, ...] = ()
    timeout_s: float | None = None
    tokens: str = ""
    steps_per_epoch: str = ""
    metrics: tuple[str, ...] = ()

    @cached_property
    def combinations(self) -> list[tuple[int, ...]]:
        """For each combination the place of its level in each factor."""
        return list(itertools.product(*(range(len(factor.levels)) for factor in self.factors)))

    def levels(self, combination: int) -> tuple[str, ...]:
        """The levels of a combination, one for each factor."""
        places = self.combinations[combination]
        return tuple(factor.levels[place] for factor, place in zip(self.factors, places, strict=True))

    def words(self, combination: int) -> list[str]:
        """The program's arguments in a combination: the fixed ones, then those that vary."""
        places = self.combinations[combination]
        varying = [factor.words[place] for factor, place in zip(self.factors, places, strict=True)]
        return [*self.fixed, *itertools.chain.from_iterable(varying)]

    def trials(self) -> Iterator[Trial]:
        """All runs, in their order."""
        for number, order in enumerate(self.order):
            for combination in order:
                yield Trial(number, combination)


@dataclass(frozen=True)
class Trial:
    """One run of a plan.

    Args:
        round: from 0.
        combination: its number, from 0.
    """

    round: int
    combination: int

    def file(self, folder: Path, ending: str) -> Path:
        """One of its files: ``run.json``, ``out.txt``, ``err.txt`` or ``ended.json``."""
        return folder / f"{self.combination + 1:04d}-{self.round + 1}.{ending}"


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Args:
        status: one of `DONE`, `FAILED`, `MEMORY`, `KILLED`, `TIMEOUT`, `NO_STEPS`.
        code: the exit code; negative for the signal that ended it.
        seconds: how long it took, its start included.
        words: the last line on stderr; of a run that is done nothing.
        peak_bytes: the most that was resident in its process, or in the sweep's own when it began;
            None where the system does not say.
    """

    status: str
    code: int
    seconds: float
    words: str = ""
    peak_bytes: int | None = None
