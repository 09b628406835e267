"""torch.profiler on a few chosen steps, with the stages as labels in its trace."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

from rnnprof.captures import Trace
from rnnprof.traces import events, for_tensorboard, operators
from rnnprof.traces.files import Files
from rnnprof.traces.kineto import cheapest_label, exported, quiet
from rnnprof.traces.options import Tracing
from rnnprof.traces.ways_in import TorchGuard

MARK = "rnnprof/"
"""How our labels begin, and a number follows: a stage may have an operator's name, and Kineto writes
names that are not ASCII, or have a quotation mark in them, so that they cannot be read."""


class TorchTrace:
    """Looks into steps with torch.profiler; a `recorder.watched.Watcher`.

    Consecutive steps are one window: torch.profiler starts before the first one, and what it saw
    is written and summed up after the last one.

    Args:
        options: what is recorded.
        files: where the traces lie.
        aside: gives the context manager in which torch.profiler is started and its trace written.
    """

    kind = "trace"
    slow = done = False

    def __init__(
        self,
        options: Tracing,
        files: Files,
        aside: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        self.options = options
        self.paths: Callable[[], Iterable[tuple[str, ...]]] = tuple
        self.traces: list[Trace] = []
        self.failure: str | None = None
        self.watching = self.begun = False
        """Whether a window is open, and whether one ever was to be."""

        self._files = files
        self._aside = aside
        self._kept: list[int] = []
        self._step = 0
        self._mark = ""
        self._began = 0
        self._profiler: Any = None
        self._label: Any = None
        self._labels: dict[str, Any] = {}
        self._names: dict[str, str] = {}
        self._opened: list[tuple[str, Any]] = []
        self._guard = TorchGuard(self._give_way)

    # ---- steps and stages -------------------------------------------------------------------

    def open(self, step: int) -> None:
        """Start torch.profiler, where this is the first step of a window."""
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
            self._fail(f"a label could not be opened: {_words(error)}")
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
        while self._opened:
            self._close_last()

    def close(self, keep: bool) -> None:
        """Note whether the step counts; one that does not gives its number to the next."""
        self._labels.pop(f"ProfilerStep#{self._step}", None)
        if keep and self._profiler is not None:
            self._kept.append(self._step)
        elif self._mark in self._names:
            self._names[self._mark] = f"ProfilerStep {self._step}"

    def pause(self) -> None:
        """The window is over: stop torch.profiler, write the trace and sum it up."""
        if self.watching:
            self.watching = False
            with self._aside():
                self._finish()

    def stop(self) -> None:
        """Nothing is traced any more."""
        self.pause()
        self._guard.end()

    def _close_last(self) -> str:
        name, label = self._opened.pop()
        # Quickly: the stage has ended, and the label is to end with it.
        try:
            label.__exit__(None, None, None)
        except Exception as error:
            self._fail(f"a label could not be closed: {_words(error)}")
        return name

    # ---- torch.profiler ---------------------------------------------------------------------

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
                profiler = torch.profiler.profile(
                    record_shapes=self.options.record_shapes,
                    with_stack=self.options.with_stack,
                    profile_memory=self.options.profile_memory,
                )
                self._label = cheapest_label(torch)
                # Known before it starts, so that it is stopped even if Ctrl-C comes meanwhile.
                self._profiler = profiler
                self._guard.start(torch, profiler)
        except Exception as error:
            self._profiler = None
            self._fail(f"torch.profiler did not start: {_words(error)}")
            return
        self._began = time.time_ns() // 1_000_000

    def _give_way(self) -> None:
        """The program starts a profiler of torch's: it must not fail, so ours ends."""
        if self._profiler is None:
            return
        self._fail("the program started a profiler of torch itself while steps were traced")
        with contextlib.suppress(Exception):
            self._stop()

    def _stop(self) -> Any:
        profiler, self._profiler = self._profiler, None
        self.end()
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
                self.traces.append(self._write(profiler))
        except Exception as error:
            self._fail(f"the trace could not be written: {_words(error)}")

    def _fail(self, why: str) -> None:
        self.failure = self.failure or why

    # ---- files ------------------------------------------------------------------------------

    def _write(self, profiler: Any) -> Trace:
        self._files.folder.mkdir(exist_ok=True)
        raw = self._files.steps(self._kept[0], self._kept[-1])
        data, size = exported(profiler, raw, self._names)
        paths, steps = tuple(self.paths()), tuple(self._kept)
        found = operators.summarise(data, paths, steps)
        fit = for_tensorboard.fit(data, paths, steps)
        events.write(self._files.tensorboard(self._began), fit)
        return Trace(
            first_step=steps[0],
            steps=found.steps,
            total_ns=found.total_ns,
            file=self._files.relative(raw),
            bytes=size,
            device=found.device,
            shapes=self.options.record_shapes,
            stack=self.options.with_stack,
            memory=self.options.profile_memory,
            stages=found.stages,
        )


def _words(error: Exception) -> str:
    return " ".join(f"{error or type(error).__name__}".split())[:300]
