"""cProfile over the whole run: one profiler, the loop told apart from the set-up, and the stages.

The profiler is never stopped in between. Where it is, cProfile forgets the functions that are open
(``main``, ``train``) and never counts their own time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rnnprof.captures import MOST_FUNCTIONS, Functions
from rnnprof.errors import UsageError
from rnnprof.traces.function_changes import Uncollected
from rnnprof.traces.function_files import of_program
from rnnprof.traces.function_stages import StageCounts
from rnnprof.traces.function_stats import (
    Aside,
    Table,
    alone,
    difference,
    longest,
    own_ns,
    plain,
    table,
    write,
)
from rnnprof.traces.giving_way import MONITORING, Guard, Profile

_ABANDONED: list[Any] = []


class FunctionTrace:
    """What cProfile counts of a run; the recorder's watcher of the steps in which stages are told apart.

    cProfile counts the thread that started it. From Python 3.12 on it sees all threads, but with one
    stack for them all: time that threads spend at once goes to whichever of their functions returned
    first, and only the sum is right.

    Where the program starts a profiler of its own, this one ends, and the program's works as it would
    have without rnnprof. Before Python 3.12 compiled profilers that tell nobody, such as that of
    torch.profiler's ``with_stack``, end it too: then the functions that are open at that time are lost.

    Args:
        timer: the clock, in whole nanoseconds, for tests; by default cProfile's own.
    """

    kind = "cprofile"
    slow = True
    paths: Callable[[], Iterable[tuple[str, ...]]]

    def __init__(self, timer: Callable[[], int] | None = None) -> None:
        self.stopped = False
        # Whether another profiler has taken its place, so that the counts end early.
        self.replaced = False
        self._profiler = Profile() if timer is None else Profile(timer, 1e-9)
        self._stages = StageCounts(self._profiler.getstats, timer or time.perf_counter_ns)
        self._running = False
        self._setup: list[Any] | None = None
        self._whole: list[Any] = []
        self._asides: list[Table] = []
        self._guard = Guard(self._give_way)

    @property
    def done(self) -> bool:
        """Whether stages are told apart no more: it has ended, or that has taken long enough."""
        return self._stages.spent or not self._counting()

    # ---- the run ----------------------------------------------------------------------------

    def start(self) -> None:
        """Count from now on; functions that are open already are never counted.

        Raises:
            UsageError: if another profiler is active in this thread.
        """
        other = sys.getprofile()
        try:
            if other is not None and not MONITORING:
                raise ValueError
            self._profiler.enable()
        except ValueError:
            raise UsageError(
                "cProfile cannot count while another profiler is active: end that one, or leave out cprofile"
            ) from None
        self._running = True
        self._guard.begin()

    def loop_begins(self) -> None:
        """The first step is about to begin: what has been counted so far is the set-up.

        Functions that are open now count to the loop, in which they return.
        """
        if self._setup is None:
            self._setup = self._counted()

    def aside(self) -> Aside:
        """A context manager for work of our own: what is called in it is not the program's."""
        # Also where it ends meanwhile: what was counted until then is not the program's either.
        return Aside(lambda: table(self._counted()), self._asides)

    def stop(self) -> None:
        """Count no more."""
        self._end()
        self._guard.end()
        self.stopped = True

    # ---- steps in which stages are told apart -----------------------------------------------

    def open(self, step: int) -> None:
        """A step is about to begin.

        Args:
            step: its number.
        """
        if self._counting():
            self._stages.open()

    def begin(self) -> None:
        """The step begins: its clock is read after this."""

    def end(self) -> None:
        """The step ends: its clock is read after this."""

    def enter(self, name: str) -> None:
        """A stage is about to begin: its clock is read after this."""
        if self._running:
            self._stages.enter(name)

    def leave(self, name: str) -> None:
        """A stage is about to end: its clock is read after this."""
        if self._running:
            self._stages.leave(name)

    def close(self, keep: bool) -> None:
        """A step has ended.

        Args:
            keep: whether it counts.
        """
        self._stages.close(self._counting() and keep)

    def pause(self) -> None:
        """The next step is not watched."""

    # ---- what was found ---------------------------------------------------------------------

    def save(self, whole: Path, loop: Path) -> None:
        """Write statistics that pstats and snakeviz read.

        Args:
            whole: the file for the whole run: all that cProfile counted.
            loop: the file for what was counted from the first step on, without what it takes to tell
                stages apart; where there was no step, or nothing was counted, it is not written,
                since pstats refuses an empty one.

        Raises:
            RunFileError: if a file cannot be written.
        """
        _, of_loop = self._tables()
        for counted, path in ((table(self._counted()), whole), (of_loop, loop)):
            if counted:
                write(counted, path)

    def summary(self, file: str, loop_file: str) -> Functions:
        """What a run keeps.

        Args:
            file: the file of the whole run, relative to the run file.
            loop_file: that of the loop.
        """
        setup, loop = map(alone, self._tables())
        return Functions(
            file=file,
            loop_file=loop_file,
            setup_ns=own_ns(setup),
            loop_ns=own_ns(loop),
            setup=longest(setup, MOST_FUNCTIONS),
            loop=longest(loop, MOST_FUNCTIONS),
            steps=self._stages.steps,
            stages=self._stages.stages(),
        )

    def _tables(self) -> tuple[Table, Table]:
        """What the program counted in the set-up and in the loop."""
        whole = table(self._counted())
        setup = whole if self._setup is None else table(self._setup)
        loop = difference(whole, setup)
        for called in self._asides:
            loop = difference(loop, called)
        return of_program(setup), of_program(loop)

    def _counted(self) -> list[Any]:
        if not self._running:
            return self._whole
        with Uncollected():
            return plain(self._profiler.getstats())

    # ---- other profilers --------------------------------------------------------------------

    def _counting(self) -> bool:
        """Whether it counts still."""
        if self._running and not self._profiler.in_place:
            self._end()
        return self._running

    def _end(self) -> None:
        if not self._running:
            return
        if self._profiler.in_place:
            self._profiler.disable()
        else:
            # To disable it, or to let it be collected, would end the one that took its place.
            self.replaced = True
            _ABANDONED.append(self._profiler)
        self._whole = self._counted()
        self._running = False

    def _give_way(self) -> None:
        """End before the program's own profiler begins."""
        if self._running:
            self._end()
            self._guard.end()
            self.replaced = True
