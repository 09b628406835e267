"""torch.profiler on a few chosen steps, with the stages as labels in its trace."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from rnnprof.captures import Trace
from rnnprof.model import Json
from rnnprof.traces import events, for_tensorboard, operators
from rnnprof.traces.files import Files
from rnnprof.traces.options import Tracing

MARK = "rnnprof/"
"""How the names of our labels begin until the trace is written: a stage may have an operator's name."""
_LOG_LEVEL = "KINETO_LOG_LEVEL"
"""Where Kineto, torch.profiler's library, is told how much to print on stderr; read when it starts."""


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
        self.begun = False
        """Whether a step was to be traced so far."""

        self._files = files
        self._aside = aside
        self._watching = False
        self._kept: list[int] = []
        self._step = 0
        self._began = 0
        self._profiler: Any = None
        self._label: Any = None
        self._labels: dict[str, Any] = {}
        self._opened: list[tuple[str, Any]] = []
        self._restore: Callable[[], None] = _nothing

    # ---- steps and stages -------------------------------------------------------------------

    def open(self, step: int) -> None:
        """Start torch.profiler, where this is the first step of a window, and label the step."""
        if not self._watching:
            self._watching = self.begun = True
            self._kept = []
            with self._aside():
                self._start()
        self._step = step
        self.enter(f"ProfilerStep#{step}")

    def enter(self, name: str) -> None:
        """Open a label."""
        if self._profiler is None:
            return
        label = self._labels.get(name)
        if label is None:
            label = self._labels[name] = self._label(MARK + name)
        label.__enter__()
        self._opened.append((name, label))

    def leave(self, name: str) -> None:
        """Close the label of that name, and those left open in it."""
        opened = self._opened
        if opened and opened[-1][0] == name:
            # Quickly: the stage has ended, and the label is to end with it.
            opened.pop()[1].__exit__(None, None, None)
        elif any(name == one for one, _ in opened):
            while self._close_last() != name:
                pass

    def close(self, keep: bool) -> None:
        """Close the step's label."""
        while self._opened:
            self._close_last()
        self._labels.clear()
        if keep and self._profiler is not None:
            self._kept.append(self._step)

    def pause(self) -> None:
        """The window is over: stop torch.profiler, write the trace and sum it up."""
        if self._watching:
            self._watching = False
            with self._aside():
                self._finish()

    def _close_last(self) -> str:
        name, label = self._opened.pop()
        # A label that cannot be closed must not end the program.
        with contextlib.suppress(Exception):
            label.__exit__(None, None, None)
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
            with _quiet():
                profiler = torch.profiler.profile(
                    record_shapes=self.options.record_shapes,
                    with_stack=self.options.with_stack,
                    profile_memory=self.options.profile_memory,
                )
                self._label = _cheapest_label(torch)
                profiler.start()
        except Exception as error:
            self._fail(f"torch.profiler did not start: {_words(error)}")
            return
        self._profiler = profiler
        self._began = time.time_ns() // 1_000_000
        self._give_way_to_others(torch)

    def _give_way_to_others(self, torch: Any) -> None:
        """If the program starts a profiler of torch's while ours runs, ours ends: it must not fail."""
        kind = torch.autograd.profiler.profile
        prepare = kind.__dict__.get("_prepare_trace")
        if prepare is None:
            return

        def _prepare_trace(other: Any) -> Any:
            self._restore()
            self._fail("the program started a profiler of torch itself while steps were traced")
            self._stop()
            return prepare(other)

        kind._prepare_trace = _prepare_trace

        def restore() -> None:
            if kind.__dict__.get("_prepare_trace") is _prepare_trace:
                kind._prepare_trace = prepare

        self._restore = restore

    def _stop(self) -> Any:
        profiler, self._profiler = self._profiler, None
        while self._opened:
            self._close_last()
        if profiler is not None:
            with _quiet():
                profiler.stop()
        return profiler

    def _finish(self) -> None:
        if self._profiler is None:
            return
        self._restore()
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
        data, size = _exported(profiler, raw)
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


def _nothing() -> None:
    return None


def _exported(profiler: Any, file: Path) -> tuple[Json, int]:
    """Write torch.profiler's own trace, whole or not at all, with the labels under their own names."""
    temporary = file.with_name(f".{os.getpid()}.{file.name}")
    try:
        with _quiet():
            profiler.export_chrome_trace(str(temporary))
        data = events.take_marks(events.read(temporary), MARK)
        return data, events.write(file, data)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _cheapest_label(torch: Any) -> Any:
    """The label that costs least: the public one takes twelve times as long."""
    fast = getattr(torch._C._profiler, "_RecordFunctionFast", None)
    return torch.profiler.record_function if fast is None else fast


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The program's own output stays as it was, whatever torch has to say of its profiler."""
    level = os.environ.get(_LOG_LEVEL)
    os.environ.setdefault(_LOG_LEVEL, "99")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if level is None:
            os.environ.pop(_LOG_LEVEL, None)


def _words(error: Exception) -> str:
    return " ".join(f"{error or type(error).__name__}".split())[:300]
