"""Steps under a profiler of torch's, with the stages as labels in its trace."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

from rnnprof.captures import Path as StagePath
from rnnprof.traces.kineto import cheapest_label, quiet
from rnnprof.traces.ways_in import TorchGuard

MARK = "rnnprof/"
"""How our labels begin, and a number follows: a stage may have an operator's name, and Kineto writes
names that are not ASCII, or have a quotation mark in them, so that they cannot be read."""


class Labelled:
    """Watches consecutive steps with a profiler of torch's; half of a `recorder.watched.Watcher`.

    Consecutive steps are one window: the profiler starts before the first one, and what it saw is
    written and summed up after the last one.

    Args:
        make: makes the profiler: has ``start``, ``stop`` and ``export_chrome_trace``.
        guard: what keeps it apart from profilers of the program's.
        aside: gives the context manager in which it is started and its trace written.
    """

    slow = False

    def __init__(
        self,
        make: Callable[[Any], Any],
        guard: TorchGuard,
        aside: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        self.paths: Callable[[], Iterable[StagePath]] = tuple
        self.failure: str | None = None
        self.watching = self.begun = False
        """Whether a window is open, and whether one ever was to be."""

        self._make = make
        self._aside = aside
        self._kept: list[int] = []
        self._step = 0
        self._mark = ""
        self._profiler: Any = None
        self._label: Any = None
        self._labels: dict[str, Any] = {}
        self._names: dict[str, str] = {}
        self._opened: list[tuple[str, Any]] = []
        self._guard = guard
        guard.add(self._give_way)

    def _sum_up(self, profiler: Any) -> None:
        """Write what the profiler saw of the steps that were kept."""
        raise NotImplementedError

    # ---- steps and stages -------------------------------------------------------------------

    def open(self, step: int) -> None:
        """Start the profiler, where this is the first step of a window."""
        if not self.watching:
            self.watching = self.begun = True
            self._kept = []
            with self._aside():
                self._start()
        self._step = step

    def begin(self) -> None:
        """Open the step's label."""
        self._mark = f"{MARK}{len(self._names)}"
        self.enter(f"ProfilerStep#{self._step}")

    def enter(self, name: str) -> None:
        """Open a label."""
        if self._profiler is None:
            return
        try:
            label = self._labels.get(name)
            if label is None:
                mark = f"{MARK}{len(self._names)}"
                self._names[mark] = name
                label = self._labels[name] = self._label(mark)
            label.__enter__()
        except Exception as error:  # a label that cannot be opened must not end the program
            self._fail(f"a label could not be opened: {in_one_line(error)}")
            return
        self._opened.append((name, label))

    def leave(self, name: str) -> None:
        """Close the label of that name, and those left open in it."""
        opened = self._opened
        if opened and opened[-1][0] == name:
            self._close_last()
        elif any(name == one for one, _ in opened):
            while self._close_last() != name:
                pass

    def end(self) -> None:
        """Close the step's label, and those left open in it."""
        self._close_labels()

    def close(self, keep: bool) -> None:
        """Note whether the step counts; one that does not gives its number to the next."""
        self._labels.pop(f"ProfilerStep#{self._step}", None)
        if keep and self._profiler is not None:
            self._kept.append(self._step)
        elif self._mark in self._names:
            self._names[self._mark] = f"ProfilerStep {self._step}"

    def pause(self) -> None:
        """The window is over: stop the profiler, write the trace and sum it up."""
        if self.watching:
            self.watching = False
            with self._aside():
                self._finish()

    def stop(self) -> None:
        """Nothing is watched any more."""
        self.pause()
        self._guard.end()

    def disown(self) -> None:
        """In a forked child: record nothing more, which would grow as long as the child lives.

        Once CUDA is in use, ending the profiler may call the driver, which a forked child must not.
        """
        torch, profiler = sys.modules.get("torch"), self._profiler
        self._profiler = None
        if torch is None or profiler is None:
            return
        with contextlib.suppress(Exception), quiet():
            if torch.cuda.is_initialized():
                torch.autograd._enable_record_function(False)
            else:
                profiler.stop()

    def _close_labels(self) -> None:
        while self._opened:
            self._close_last()

    def _close_last(self) -> str:
        name, label = self._opened.pop()
        # Quickly: the stage has ended, and the label is to end with it.
        try:
            label.__exit__(None, None, None)
        except Exception as error:
            self._fail(f"a label could not be closed: {in_one_line(error)}")
        return name

    # ---- the profiler -----------------------------------------------------------------------

    def _start(self) -> None:
        torch = sys.modules.get("torch")
        if torch is None:
            self._fail("the program does not use torch")
            return
        try:
            if torch.autograd._profiler_enabled():
                self._fail("the program runs a profiler of torch itself: only one can be active")
                return
            with quiet():
                profiler = self._make(torch)
                self._label = cheapest_label(torch)
                # Known before it starts, so that it is stopped even if Ctrl-C comes meanwhile.
                self._profiler = profiler
                self._guard.start(torch, profiler)
        except Exception as error:
            self._profiler = None
            self._fail(f"torch.profiler did not start: {in_one_line(error)}")

    def _give_way(self) -> None:
        """The program starts a profiler of torch's: it must not fail, so ours ends."""
        if self._profiler is None:
            return
        self._fail("the program started a profiler of torch itself while steps were traced")
        with contextlib.suppress(Exception):
            self._stop()

    def _stop(self) -> Any:
        profiler, self._profiler = self._profiler, None
        self._close_labels()
        if profiler is not None:
            with quiet():
                profiler.stop()
        return profiler

    def _finish(self) -> None:
        if self._profiler is None:
            return
        try:
            profiler = self._stop()
            if self._kept:
                self._sum_up(profiler)
        except Exception as error:
            self._fail(f"the trace could not be written: {in_one_line(error)}")

    def _fail(self, why: str) -> None:
        self.failure = self.failure or why


def in_one_line(error: Exception) -> str:
    """What an exception says, short enough for a note."""
    return " ".join(f"{error or type(error).__name__}".split())[:300]
