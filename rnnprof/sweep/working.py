"""Working through a plan: every run that has not ended yet, one after the other."""

from __future__ import annotations

import contextlib
import datetime
import os
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from rnnprof.environment import hide_secrets
from rnnprof.errors import RunFileError, UsageError
from rnnprof.runcheck import shown
from rnnprof.sweep import process
from rnnprof.sweep.judging import judge
from rnnprof.sweepfile import PLAN, load_ended, load_plan, save_ended, save_plan
from rnnprof.sweepmodel import Ended, Factor, Plan, Trial

Run = Callable[..., process.Finish]


class Progress(Protocol):
    """What is told how far a sweep has come."""

    def begin(self, trial: Trial) -> None:
        """A run begins."""

    def tick(self, seconds: float) -> None:
        """It has run so long."""

    def end(self, trial: Trial, ended: Ended) -> None:
        """It has ended."""


def make_plan(
    target: Sequence[str],
    fixed: Sequence[str],
    factors: tuple[Factor, ...],
    *,
    steps: int | None,
    warmup: int,
    repeat: int,
    seed: int,
    **other: Any,
) -> Plan:
    """Plan the runs: so many rounds, in each of which every combination comes once, in random order.

    So what changes slowly on the machine (its heat, its neighbours) meets all combinations alike.

    Args:
        target: the script, or ``-m`` and a module.
        fixed: the program's arguments that do not vary.
        factors: what varies.
        steps: training steps after the warmup; None for all.
        warmup: first steps that are left out.
        repeat: number of rounds.
        seed: of the order.
        other: further fields of the plan.
    """
    number = 1
    for factor in factors:
        number *= len(factor.levels)
    dice = random.Random(seed)
    order = tuple(tuple(dice.sample(range(number), number)) for _ in range(repeat))
    return Plan(
        created=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        folder=os.getcwd(),
        target=tuple(target),
        fixed=tuple(fixed),
        shown=tuple(hide_secrets([*target, *fixed])),
        factors=factors,
        steps=steps,
        warmup=warmup,
        repeat=repeat,
        seed=seed,
        order=order,
        **other,
    )


def settle(plan: Plan, folder: Path) -> Plan:
    """Write a plan into its folder, or find there that it is the one that was begun.

    Args:
        plan: what is wanted.
        folder: the sweep's; it is made if it is not there.

    Returns:
        The plan to work through: an older one with the same runs as it was.

    Raises:
        UsageError: the folder holds another sweep, or something else.
        RunFileError: it cannot be read or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        empty = not any(one.name != LOCK for one in folder.iterdir())
    except OSError as error:
        raise RunFileError(f"cannot make the folder {shown(folder)}: {error.strerror}") from None
    if (folder / PLAN).exists():
        older = load_plan(folder)
        if _same(older, plan):
            return older
        raise UsageError(
            f"{shown(folder)} holds another sweep: give another folder with -o, or go on with that one by "
            f"--resume {shown(folder)}"
        )
    if not empty:
        raise UsageError(f"{shown(folder)} is no sweep and not empty: give another folder with -o")
    save_plan(plan, folder)
    return plan


def _same(older: Plan, plan: Plan) -> bool:
    keys = ("folder", "target", "fixed", "factors", "steps", "warmup", "repeat", "seed", "options")
    return all(getattr(older, key) == getattr(plan, key) for key in keys)


LOCK = ".lock"


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other sweeps out of a folder; the lock goes with the process, however it ends.

    Raises:
        UsageError: another one works in it.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOCK, "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"another sweep is at work in {shown(folder)}: let it end, or end it") from None
        yield


def left(plan: Plan, folder: Path) -> list[Trial]:
    """The runs that have not ended yet, in their order.

    Raises:
        RunFileError: what one of them left cannot be read.
    """
    return [trial for trial in plan.trials() if load_ended(trial, folder) is None]


def command(plan: Plan, trial: Trial, folder: Path) -> list[str]:
    """The command line of one run."""
    words = [
        sys.executable,
        "-m",
        "rnnprof",
        "run",
        "--no-report",
        "--count-parameters",
        "--warmup",
        str(plan.warmup),
    ]
    words += ["-o", str(trial.file(folder.absolute(), "run.json"))]
    words += [] if plan.steps is None else ["--max-steps", str(plan.steps)]
    return [*words, *plan.options, *plan.target, *plan.words(trial.combination)]


def work(plan: Plan, folder: Path, progress: Progress, run: Run = process.run) -> None:
    """Make every run that has not ended yet; whatever becomes of one, the next one follows.

    Args:
        plan: what to run.
        folder: the sweep's.
        progress: told of each.
        run: runs one process, as `process.run`.

    Raises:
        UsageError: the working directory of the runs is gone.
        RunFileError: the folder cannot be written.
        KeyboardInterrupt: after the run that was under way has been ended; it is not kept.
    """
    if not Path(plan.folder).is_dir():
        raise UsageError(f"{shown(plan.folder)}, in which the sweep was begun, is no folder any more")
    for trial in left(plan, folder):
        for ending in ("run.json", "out.txt", "err.txt"):
            trial.file(folder, ending).unlink(missing_ok=True)
        progress.begin(trial)
        finish = run(
            command(plan, trial, folder),
            plan.folder,
            trial.file(folder, "out.txt"),
            trial.file(folder, "err.txt"),
            plan.timeout_s,
            progress.tick,
        )
        ended = judge(finish, trial, folder, plan.timeout_s)
        save_ended(ended, trial, folder)
        progress.end(trial, ended)
