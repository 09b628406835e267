"""The context manager that users open: `rnnprof.profile("run.json")`."""

from __future__ import annotations

import atexit
import contextlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from rnnprof import active, marks, runfile
from rnnprof.clocks import Clock
from rnnprof.devices import Device
from rnnprof.errors import NestingError, RunFileError, TraceError, UsageError
from rnnprof.model import Run
from rnnprof.recorder import Recorder
from rnnprof.recorder.lanes import LaneContext, choose
from rnnprof.schedule import DEFAULT_CONTROL_EVERY, DEFAULT_WARMUP, Schedule
from rnnprof.traces.capturing import Capturing
from rnnprof.traces.options import DEFAULT_STEPS


class profile:
    """Record the stages of a training loop and save them as a run.

    Use it as a context manager, or call `start` and `stop`. Before the first step everything is
    the lane ``setup``, after it ``train``; `lane` marks other parts.

    Args:
        path: the run file to write; None to save nothing (see `run`). In a distributed job the
            rank is added to the name.
        clock: ``"auto"`` (the host's on a CPU; on CUDA and XPU most steps by events, a few by the host's
            clock and a few that wait for the device), ``"host"``, ``"sync"``, ``"event"`` (refused where
            events keep no time), or an object with ``name`` and ``now()`` in nanoseconds.
        warmup: number of first training steps that are left out of the statistics.
        control_every: one step in so many is timed only at its ends, to learn what measuring
            costs; 0 for none.
        save_every: seconds between two saves.
        device: the accelerator to time, for tests; by default the one that torch uses.
        cprofile: whether cProfile counts Python's functions during the whole run, which slows it.
        trace: what torch.profiler watches: True for three steps after the warmup, a number of
            steps, steps' numbers, or a `Tracing`. See `trace_steps`.
        probe: whether one step of the warmup is looked at closely. By default, in a run that is saved,
            for where the host waits; True also, with torch's profiler, for what is computed and what
            memory it takes; ``"peaks"`` measures at the end what the device can do at most, as well.

    Raises:
        UsageError: if an argument makes no sense, or the clock needs an accelerator and there
            is none.
        RunFileError: on entry, if the run file cannot be written.
        NestingError: on entry, if a profile is recording already; on exit, if a stage or step
            was left open.
        TraceError: on exit, if a trace was asked for and there is none.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = "run.json",
        *,
        clock: str | Clock = "auto",
        warmup: int = DEFAULT_WARMUP,
        control_every: int = DEFAULT_CONTROL_EVERY,
        save_every: float = 5.0,
        device: Device | None = None,
        cprofile: bool = False,
        trace: Any = None,
        probe: bool | str | None = None,
    ) -> None:
        if not isinstance(save_every, (int, float)) or not save_every > 0:
            raise UsageError(f"save_every is a number of seconds above 0, not {save_every!r}")
        self.path = None if path is None else runfile.place(path)
        schedule = Schedule(warmup=warmup, control_every=control_every)
        self._captures = Capturing(self.path, schedule, cprofile, trace, probe)
        self._recorder = Recorder(self.path, clock, schedule, save_every, device, self._captures)
        self._recorder.log = self._captures.log
        # Takes note of the exception that is about to end the recording.
        self.failed = self._recorder.vitals.failed
        self._state = "new"
        self._track: Any = None
        # Whether the run could not be written at its end.
        self.lost = False
        # Called when the program opens a profile of its own, so that it may.
        self.gives_way: Callable[[], None] | None = None
        self._at_stop: list[Callable[[], None]] = []
        self._stage: Callable[[str], Any] = active.stage
        self._step: Callable[[int | None], Any] = active.step

    # ---- begin and end ----------------------------------------------------------------------

    def start(self) -> profile:
        """Begin to record; the run is saved at `stop`, or at the program's exit."""
        if self._state != "new":
            raise NestingError(f"this profile was opened before ({self.describe()}): make a new one")
        active.activate(self)
        try:
            self._track = self._recorder.begin()
            self._captures.start()
        except BaseException:
            active.deactivate(self)
            raise
        self._stage = self._track.stage
        self._step = self._track.open_step
        self._state = "recording"
        if active.boundaries:
            marks.record_on(self._track)
        atexit.register(self.stop)
        return self

    def stop(self, ended: str = "finished") -> None:
        """End the recording and save it; a second call does nothing.

        Args:
            ended: how the program ended, as it is saved.
        """
        if self._state != "recording":
            return
        self._state = ended
        active.deactivate(self)
        marks.record_off(self._track)
        atexit.unregister(self.stop)
        for undo in reversed(self._at_stop):
            undo()
        try:
            try:
                self._captures.stop(self._track)
            finally:
                # Also where Ctrl-C has ended what is written or measured now.
                left = self._recorder.end(ended)
            missing = self._captures.finish(self.run)
        except RunFileError as error:
            self.lost = True
            # The program has done its work: that it cannot be saved must not undo it.
            warnings.warn(f"rnnprof: {error}: this run is lost", RuntimeWarning, stacklevel=2)
            return
        if left:
            names = " and ".join(map(repr, left))
            raise NestingError(f"the profile ended while {names} was still open; what was recorded is saved")
        if missing and ended == "finished":
            raise TraceError(f"there is no trace: {missing}; the run is saved")

    def at_stop(self, undo: Callable[[], None]) -> None:
        """Have something undone when the recording ends: called without arguments, once."""
        self._at_stop.append(undo)

    def __enter__(self) -> profile:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, value: Any, traceback: Any) -> None:
        if kind is None:
            self.stop()
            return
        self.failed(value)
        # The user's exception matters more than a disk that is full.
        with contextlib.suppress(Exception):
            self.stop(kind.__name__)

    def disown(self) -> None:
        """In a forked child: record nothing, and leave the parent's file alone."""
        self._state = "finished"
        marks.record_off(self._track)
        self._captures.disown()
        self._recorder.disown()
        atexit.unregister(self.stop)

    def describe(self) -> str:
        """The profile in a few words, for messages."""
        return f"saved in {self.path}" if self.path is not None else "not saved"

    # ---- marks ------------------------------------------------------------------------------

    def stage(self, name: str) -> Any:
        """Mark a stage; stages nest.

        Args:
            name: its name, such as ``"forward"``.

        Returns:
            A context manager that is also a decorator.
        """
        return self._stage(name)

    def step(self, tokens: int | None = None) -> Any:
        """Mark a step: one iteration of the training loop, its batch fetch included.

        Args:
            tokens: tokens that this step trains on, for throughput; it may also be set inside,
                as ``step.tokens``.

        Returns:
            A context manager that is also a decorator.
        """
        return self._step(tokens)

    def lane(self, name: str) -> Any:
        """Mark a lane: a top-level part of the program, whose time is no other lane's.

        Args:
            name: ``"setup"``, ``"train"``, ``"evaluate"`` or one of your own.

        Returns:
            A context manager that is also a decorator.
        """
        if self._state != "recording":
            return active.lane(name)
        return LaneContext(self._track, name)

    def steps(self, iterable: Iterable[Any], tokens: int | None = None) -> Iterator[Any]:
        """Make every turn of a ``for`` loop a step; the fetch is its stage ``get_batch``.

        Args:
            iterable: what the loop runs over, such as a DataLoader.
            tokens: tokens of each step, for throughput.

        Yields:
            The items of the iterable. A turn that `break` or an exception leaves is not counted.
        """
        iterator = iter(iterable)
        while True:
            with self.step(tokens) as step:
                with self.stage("get_batch"):
                    try:
                        item = next(iterator)
                    except StopIteration:
                        step.spoiled = True
                        return
                try:
                    yield item
                except GeneratorExit:
                    # The loop was left in the middle of this turn, by `break` or an exception.
                    step.spoiled = True
                    return

    def trace_steps(self, steps: int = DEFAULT_STEPS) -> None:
        """Have torch.profiler watch the steps that come next, the one that is open excepted.

        Args:
            steps: how many; in a run no more than 1,000 are. They are left out of the statistics;
                their trace lies beside the run file, in a folder of its name.

        Raises:
            UsageError: if nothing records, the profile has no run file, or it is no number.
        """
        if self._state != "recording":
            raise UsageError("trace_steps is for a profile that records: open it first")
        self._captures.ask(steps, partial(choose, self._track))

    @property
    def track(self) -> Any:
        """The track of the thread that opened the profile; None before."""
        return self._track

    @property
    def run(self) -> Run:
        """What has been recorded so far, or the whole run once the profile has ended."""
        return self._recorder.run("running" if self._state == "recording" else self._state)


active.invisible_to_dynamo(profile.stage, profile.step, profile.lane)
