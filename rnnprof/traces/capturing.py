"""All that a profile captures beside its stages: traces, cProfile's counts, and one step's probe.

Nothing is imported for what was not asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnprof.errors import RunFileError, UsageError
from rnnprof.model import Run
from rnnprof.recorder.own import own_time
from rnnprof.recorder.spans import SpanLog
from rnnprof.recorder.watched import MOST_STEPS, Captured, Watcher, kinds
from rnnprof.schedule import Schedule
from rnnprof.traces.files import Files
from rnnprof.traces.folder import complete
from rnnprof.traces.options import Tracing, function_steps, tracing
from rnnprof.traces.reasons import probe_notes, trace_notes, why_no_trace
from rnnprof.traces.ways_in import TorchGuard

if TYPE_CHECKING:
    from rnnprof.traces.cprofile_trace import FunctionTrace
    from rnnprof.traces.probe.watch import ProbeTrace
    from rnnprof.traces.torch_trace import TorchTrace

NOWHERE = "traces are files beside the run file: give the profile a path"
NO_COUNTS = "cProfile's statistics are files beside the run file: give the profile a path"
PEAKS = "peaks"
NOTHING = "0 steps to trace, and no stages: there is nothing to write"
EXCLUSIVE = "with_stack and cProfile exclude each other before Python 3.12: ask for one of them"


class Capturing:
    """What looks into a run while it is recorded; the recorder's `Captures`.

    Args:
        run: the run file, or None.
        schedule: which steps are watched is added to it.
        cprofile: whether cProfile counts the functions of the whole run.
        trace: what torch.profiler watches; see `options.tracing`.
        probe: whether one step of the warmup is looked at closely; None to do so without a profiler,
            where there is a run file; ``"peaks"`` to measure in the end what the device can do at most.

    Raises:
        UsageError: if an argument makes no sense, or there is no run file to write traces beside.
    """

    def __init__(
        self,
        run: Path | None,
        schedule: Schedule,
        cprofile: bool,
        trace: Any,
        probe: bool | str | None = None,
    ) -> None:
        self._files = None if run is None else Files(run)
        self._torch: TorchTrace | None = None
        self._functions: FunctionTrace | None = None
        self._probe: ProbeTrace | None = None
        self._guard = TorchGuard()
        self._training = self._stopped = self._counting = False
        # Why cProfile's statistics are not there; how many steps were asked for, and how many too many.
        self._lost, self._asked, self._refused = "", 0, 0
        self.log: SpanLog | None = None
        """Where the spans of all steps are written down, for the stage-only trace."""

        options = tracing(trace)
        numbers: tuple[int, ...] = ()
        if options is not None:
            numbers = options.numbers(schedule.warmup)
            self._asked = len(numbers)
            self._torch = self._torch_trace(options) if numbers else None
            self.log = SpanLog() if options.stages else None
            if self._files is None or not (numbers or options.stages):
                raise UsageError(NOTHING if self._files is not None else NOWHERE)
        if cprofile:
            if options is not None and options.with_stack and sys.version_info < (3, 12):
                raise UsageError(EXCLUSIVE)
            self._functions = self._function_trace()
        schedule.chosen.update(kinds(self._chosen(numbers, schedule.warmup)))
        if probe not in (None, False, True, PEAKS):
            raise UsageError(f"probe={probe!r} is not known: give True, False or {PEAKS!r}")
        if probe or (probe is None and run is not None):
            self._add_probe(schedule, probe)
        self._first = numbers[0] if numbers else 0

    def _chosen(self, traced: tuple[int, ...], warmup: int) -> Iterable[tuple[Watcher, Iterable[int]]]:
        if self._torch is not None:
            yield self._torch, traced
        if self._functions is not None:
            yield self._functions, function_steps(warmup + len(traced))

    def _add_probe(self, schedule: Schedule, asked: bool | str | None) -> None:
        from rnnprof.traces.probe.watch import ProbeTrace, probed_step

        step = probed_step(schedule.warmup, schedule.chosen, bool(asked))
        if step is not None:
            self._probe = ProbeTrace(self._guard, self._aside, bool(asked), asked == PEAKS)
            schedule.chosen[step] = self._probe.kind
            schedule.border = step - 1

    def _torch_trace(self, options: Tracing) -> TorchTrace:
        if self._files is None:
            raise UsageError(NOWHERE)
        from rnnprof.traces.torch_trace import TorchTrace

        return TorchTrace(options, self._files, self._guard, self._aside)

    def _aside(self) -> AbstractContextManager[None]:
        """What torch.profiler takes is no function of the program."""
        return nullcontext() if self._functions is None else self._functions.aside()

    def _function_trace(self) -> FunctionTrace:
        if self._files is None:
            raise UsageError(NO_COUNTS)
        from rnnprof.traces.cprofile_trace import FunctionTrace

        return FunctionTrace()

    def ask(self, steps: int, choose: Callable[[str, int], int]) -> None:
        """Have more steps traced; those beyond `MOST_STEPS` in a run are not.

        Args:
            steps: how many.
            choose: makes so many of the next steps steps of a kind; returns how many were not yet.

        Raises:
            UsageError: if that is no number of steps, or there is no run file.
        """
        asked = len(Tracing(steps).numbers(0))
        if not asked:
            raise UsageError("0 steps to trace: give 1 or more")
        if self._torch is None:
            self._torch = self._torch_trace(Tracing())
        granted = min(asked, MOST_STEPS - self._asked)
        self._asked += choose(self._torch.kind, granted)
        self._refused += asked - granted

    # ---- while the run is recorded ----------------------------------------------------------

    def watcher(self, kind: str) -> Watcher | None:
        """What looks into steps of that kind, or None."""
        return next(
            (one for one in (self._torch, self._functions, self._probe) if one and one.kind == kind), None
        )

    def start(self) -> None:
        """The recording begins.

        Raises:
            UsageError: if cProfile cannot count, since another profiler does.
        """
        if self._files is not None:
            self._files.clear(functions=self._functions is not None)
        if self._functions is not None:
            self._functions.start()
            self._counting = True

    def training_begins(self, track: Any) -> None:
        """Steps of the training are about to begin; the first ones matter, and the one before the probe.

        Args:
            track: the thread's track.
        """
        if self._probe is not None and track.lane.dealt == track.recorder.schedule.border:
            self._probe.step_before()
        if self._training:
            return
        self._training = True
        if self._probe is not None and "torch" not in sys.modules:
            # Nothing to look at: the step is one of the warmup like the others.
            track.recorder.schedule.give_up(self._probe.kind)
            self._probe = None
        if self._functions is not None:
            with own_time(track):
                self._functions.loop_begins()

    def lane_begins(self, track: Any) -> None:
        """Another lane begins between two steps: what happens in it belongs in no window.

        Args:
            track: the thread's track.
        """
        for one in filter(None, (self._torch, self._probe)):
            if one.watching:
                with own_time(track):
                    one.pause()

    def found(self) -> Captured:
        """What has been found so far."""
        asked = self._asked if self._stopped else 0
        notes = [*probe_notes(self._probe, self._stopped), *trace_notes(self._torch, asked, self._refused)]
        functions = None
        if self._functions is not None and self._files is not None:
            if self._counting:
                files = (self._files.functions, self._files.loop_functions)
                names = (self._files.relative(file) if file.exists() else "" for file in files)
                functions = self._functions.summary(*names)
            if self._functions.replaced:
                notes.append({"code": "cprofile_replaced"})
            if self._lost:
                notes.append({"code": "cprofile_lost", "message": self._lost})
        traces = () if self._torch is None else tuple(self._torch.traces)
        return Captured(traces, functions, tuple(notes), None if self._probe is None else self._probe.probe)

    # ---- at the end -------------------------------------------------------------------------

    def stop(self, track: Any) -> None:
        """The recording ends: write what is not written yet.

        Args:
            track: that of the thread that opened the profile.
        """
        self._stopped = True
        if self._functions is not None:
            self._functions.stop()
        if not (self._torch or self._functions or (self._probe and self._probe.begun)):
            return
        with own_time(track):
            if self._torch is not None:
                self._torch.stop()
            if self._probe is not None:
                self._probe.stop()
                track.recorder.remark(peaks=self._probe.peaks)
            if self._functions is not None and self._files is not None:
                try:
                    self._functions.save(self._files.functions, self._files.loop_functions)
                except RunFileError as error:
                    self._lost = str(error)

    def finish(self, run: Run) -> str | None:
        """The run is saved: complete the folder of its traces.

        Args:
            run: the run.

        Returns:
            Why there is no trace, or no whole one, where one was asked for; otherwise None.
        """
        torch = self._torch
        if self._files is None or (torch is None and self.log is None):
            return None
        try:
            if (torch is not None and torch.traces) or (self.log is not None and self.log.kept):
                complete(self._files, run, self.log)
        except Exception as error:  # whatever it is, the run is saved, and the program has done its work
            return (torch and torch.failure) or f"the folder of the traces is not complete: {error}"
        return None if torch is None or torch.traces else why_no_trace(torch, run, self._first)

    def disown(self) -> None:
        """In a forked child: count nothing more."""
        if self._functions is not None:
            self._functions.stop()
        for one in filter(None, (self._torch, self._probe)):
            one.disown()
