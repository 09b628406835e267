"""How far a sweep has come, on stderr: a bar in a terminal, a line for each run elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from rnnprof.runcheck import shown
from rnnprof.sweep.working import Progress, left
from rnnprof.sweepfile import load_ended
from rnnprof.sweepmodel import DONE, Ended, Plan, Trial
from rnnprof.units import duration, visible


class TimeLeft:
    """Guesses how long the rest of a sweep takes, from the runs that have ended.

    Args:
        plan: the sweep.
        folder: with what has ended before.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._left = left(plan, folder)
        self._seconds: dict[int, list[float]] = {}
        for trial in plan.trials():
            ended = load_ended(trial, folder)
            if ended is not None:
                self._note(trial, ended)

    def _note(self, trial: Trial, ended: Ended) -> None:
        self._seconds.setdefault(trial.combination, []).append(ended.seconds)

    def end(self, trial: Trial, ended: Ended) -> None:
        """A run has ended."""
        self._note(trial, ended)
        self._left.remove(trial)

    def seconds(self, so_far: float = 0.0) -> float | None:
        """Seconds to the end; None before any run has ended.

        A combination that has run before is expected to take as long again, others the mean.

        Args:
            so_far: seconds that the run that is under way has taken.
        """
        known = [one for seconds in self._seconds.values() for one in seconds]
        if not known:
            return None
        usual = sum(known) / len(known)
        expected = [
            sum(mine) / len(mine) if (mine := self._seconds.get(trial.combination)) else usual
            for trial in self._left
        ]
        return max(sum(expected) - so_far, max(sum(expected[1:]), 0.0))


def label(plan: Plan, trial: Trial) -> str:
    """A run in words: ``model=LSTM bptt=16``, and its round where there are several."""
    levels = zip(plan.factors, plan.levels(trial.combination), strict=True)
    words = " ".join(f"{visible(factor.name)}={visible(level)}" for factor, level in levels)
    return words + (f" (round {trial.round + 1})" if plan.repeat > 1 else "")


def about(seconds: float | None) -> str:
    """What is left, in words."""
    return "" if seconds is None else f", about {duration(seconds * 1e9)} left"


class Lines:
    """A line for each run that has ended.

    Args:
        plan: the sweep.
        folder: its folder.
        say: prints one line.
    """

    def __init__(self, plan: Plan, folder: Path, say: Callable[[str], None]) -> None:
        self.plan = plan
        self.left = TimeLeft(plan, folder)
        self.say = say
        self.total = sum(map(len, plan.order))
        self.done = self.total - len(left(plan, folder))

    def begin(self, trial: Trial) -> None:
        """A run begins."""

    def tick(self, seconds: float) -> None:
        """It has run so long."""

    def end(self, trial: Trial, ended: Ended) -> None:
        """It has ended."""
        self.left.end(trial, ended)
        self.done += 1
        what = duration(ended.seconds * 1e9)
        if ended.status != DONE:
            what = f"{ended.status} after {what}: {shown(ended.words)}"
        left = about(self.left.seconds()) if self.done < self.total else ""
        self.say(f"{self.done} of {self.total}: {label(self.plan, trial)}: {what}{left}")


class Bar(Lines):
    """A bar, with the lines of failures above it.

    Args:
        plan: the sweep.
        folder: its folder.
        say: prints one line above the bar.
        draw: shows what is under way and how many runs are done.
    """

    def __init__(
        self, plan: Plan, folder: Path, say: Callable[[str], None], draw: Callable[[str, int, int], None]
    ) -> None:
        super().__init__(plan, folder, say)
        self._draw = draw
        self._label = ""

    def begin(self, trial: Trial) -> None:
        """A run begins."""
        self._label = label(self.plan, trial)
        self.tick(0.0)

    def tick(self, seconds: float) -> None:
        """It has run so long."""
        words = f"{self._label}, {seconds:.0f} s{about(self.left.seconds(seconds))}"
        self._draw(words, self.done, self.total)


@contextlib.contextmanager
def progress(plan: Plan, folder: Path) -> Iterator[Progress]:
    """What is told how far the sweep is; drawn on stderr.

    Args:
        plan: the sweep.
        folder: its folder.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield Lines(plan, folder, _print)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as RichBar

    console = Console(stderr=True, highlight=False)
    columns = (MofNCompleteColumn(), BarColumn(bar_width=20), TextColumn("{task.description}"))
    # Drawn when the sweep looks at its run, and by no thread of its own: one more would run beside it.
    with RichBar(*columns, console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task("", total=None)

        def draw(words: str, done: int, total: int) -> None:
            bar.update(task, description=escape(words), completed=done, total=total, refresh=True)

        yield Bar(plan, folder, lambda line: console.print(escape(line)), draw)


def _print(line: str) -> None:
    if sys.stderr is not None:
        encoding = sys.stderr.encoding or "utf-8"
        print(line.encode(encoding, "replace").decode(encoding), file=sys.stderr, flush=True)
