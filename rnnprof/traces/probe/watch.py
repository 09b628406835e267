"""One step of the warmup, looked at closely: where the host waits, what is computed, what memory it takes."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from rnnprof.captures import Path as StagePath
from rnnprof.devices import find_device
from rnnprof.model import Json
from rnnprof.probes import Probe, ProbedStage
from rnnprof.traces.events import entries
from rnnprof.traces.kineto import taken
from rnnprof.traces.labelled import Labelled, in_one_line
from rnnprof.traces.labels import find
from rnnprof.traces.probe.looks import Looks
from rnnprof.traces.probe.memory import Border, Resident, memory, resident_memory, with_size
from rnnprof.traces.probe.passes import next_node
from rnnprof.traces.probe.peaks import measured_peaks
from rnnprof.traces.probe.plain import PlainProfiler
from rnnprof.traces.probe.unnamed import unnamed
from rnnprof.traces.probe.waits import Waits, ranked
from rnnprof.traces.probe.work import work
from rnnprof.traces.ways_in import TorchGuard


def probed_step(warmup: int, taken: Collection[int], asked: bool) -> int | None:
    """Which step is probed: one of the warmup that nothing else looks into, the last but one if it can be.

    After it one more step of the warmup runs, so that the probe has emptied no cache of a measured one.

    Args:
        warmup: number of steps in it.
        taken: numbers of the steps that something looks into.
        asked: whether a run without warmup is to be probed as well, in its second step.

    Returns:
        The step's number from 0, or None.
    """
    last = range(warmup - 1, warmup) if warmup else range(1, 1 + asked)
    steps = chain(range(warmup - 2, -1, -1), last)
    return next((step for step in steps if step not in taken), None)


MOST_BYTES = 16_000_000
"""The largest trace that is read: that of some 4,000 operators."""
MOST_GROWTH = 1 << 30
"""Resident bytes that the step may add before torch's profiler is taken for the cause."""


class ProbeTrace(Labelled):
    """Looks closely into one step; a `recorder.watched.Watcher`.

    Where the host waits, and the resident memory, are seen without a profiler. The rest takes torch's,
    which leaves a thread behind, and with that a forked child that ends as programs do may hang: so
    that is only for who asks for it.

    Args:
        guard: what keeps its profiler apart from those of the program's.
        aside: gives the context manager in which its own work is done.
        whole: whether torch's profiler is used, for operations and allocations.
        peaks: whether it measures, when the run has ended, what the device can do at most.
    """

    kind = "probe"

    def __init__(
        self,
        guard: TorchGuard,
        aside: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
        whole: bool = False,
        peaks: bool = False,
    ) -> None:
        super().__init__(PlainProfiler, guard, aside)
        self.probe: Probe | None = None
        self.peaks: Json | None = None
        """What the device can do at most; None where it was not measured."""

        self.done = False
        self._whole, self._measure = whole, peaks
        self._device = "cpu"
        self._waits: Waits | None = None
        self._looks = Looks()
        self._previous: int | None = None
        self._resident: Resident | None = None
        self._borders: list[Border] = []
        # Of the open stages, the step first: name, resident memory and time when they began.
        self._begun: list[tuple[str, int, int]] = []
        self._visits: dict[StagePath, list[int]] = {}

    # ---- the step ---------------------------------------------------------------------------

    def step_before(self) -> None:
        """The step before the probed one is about to begin."""
        torch = sys.modules.get("torch")
        with contextlib.suppress(Exception):
            self._previous = None if torch is None else next_node(torch)

    def open(self, step: int) -> None:
        """Begin to look."""
        if self._whole:
            super().open(step)
        self.watching, self.begun, self._step = True, True, step
        torch = sys.modules.get("torch")
        if torch is None:
            return
        try:
            device = find_device()
        except Exception as error:  # the device itself does not work
            self._fail(f"the device could not be found: {in_one_line(error)}")
            return
        self._device = "cpu" if device is None else device.name
        self._borders, self._begun, self._visits = [], [], {}
        with self._aside():
            with contextlib.suppress(OSError):
                self._resident = Resident()
            self._waits = Waits(torch, self._device, self._path, perf_counter_ns)
            self._waits.start()
            # Around those of the waits, so that they are the first to go.
            self._looks = Looks()
            self._looks.start(torch, self._device, self._path, self._previous)

    def enter(self, name: str) -> None:
        """A stage, or the step, is about to begin."""
        resident = self._resident.read() if self._resident is not None else 0
        self._begun.append((name, resident, perf_counter_ns()))
        self._visits.setdefault(self._path(), [])
        if resident - self._begun[0][1] > MOST_GROWTH:
            self._fail("the step took too much memory under torch's profiler: too many operators")
            with contextlib.suppress(Exception):
                self._stop()
        super().enter(name)

    def leave(self, name: str) -> None:
        """A stage has ended."""
        super().leave(name)
        self._close_border(name)

    def end(self) -> None:
        """The step has ended."""
        super().end()
        if self._begun:
            # The step's own, and all in it.
            self._close_border(self._begun[0][0])

    def close(self, keep: bool) -> None:
        """Stop looking."""
        self.look_away()
        super().close(keep)
        self.done = self.done or (keep and self._waits is not None)

    def stop(self) -> None:
        """Nothing is watched any more."""
        self.look_away()
        super().stop()
        if self._measure and self.probe is not None and self.peaks is None:
            dtypes = sorted({one.dtype for one in self.probe.work if one.flops})
            with self._aside():
                self.peaks = measured_peaks(sys.modules["torch"], self.probe.device, dtypes)

    def disown(self) -> None:
        """In a forked child: look no more."""
        self.look_away()
        super().disown()

    def look_away(self) -> None:
        """Put back all that was changed to look."""
        self._looks.stop()
        if self._waits is not None:
            self._waits.stop()
        if self._resident is not None:
            self._resident.close()
            self._resident = None
        # Those that are open still, in a step that is cut short, will not be closed.
        self._begun = []

    def _close_border(self, name: str) -> None:
        if not any(name == one for one, *_ in self._begun):
            return
        now, resident = perf_counter_ns(), self._resident.read() if self._resident is not None else 0
        ended = ""
        while ended != name:
            path = self._path()
            ended, before, since = self._begun.pop()
            self._visits[path].append(now - since)
            if self._resident is not None:
                self._borders.append((path, before, resident))

    def _path(self) -> StagePath:
        # The first one is the step's.
        return tuple(name for name, *_ in self._begun[1:])

    # ---- what it showed ---------------------------------------------------------------------

    def _finish(self) -> None:
        if self.done and self.probe is None and self._waits is not None:
            found, more = self._waits.found()
            if self._waits.failure:
                self._fail(self._waits.failure)
            stages = [ProbedStage(path, len(spans), sum(spans)) for path, spans in self._visits.items()]
            memories, places = resident_memory(*self._resident_borders())
            self.probe = Probe(
                step=self._step,
                device=self._device,
                total_ns=stages[0].total_ns,
                stages=tuple(stages),
                waits=found,
                more_waits=more,
                memory=memories,
                places=tuple(map(with_size, places)),
                anatomy=self._looks.anatomy(),
            )
        super()._finish()

    def _resident_borders(self) -> tuple[list[Border], int | None]:
        # The step's own visit ends last, but began first.
        borders = sorted(self._borders, key=lambda border: len(border[0]))
        return borders, borders[0][1] if borders else None

    def _sum_up(self, profiler: Any) -> None:
        """Add what needs a trace; what was seen without it stays, whatever becomes of that."""
        if self.probe is None:
            return
        with tempfile.TemporaryDirectory(prefix="rnnprof-") as folder:
            data = taken(profiler, Path(folder, "probe.json"), self._names, MOST_BYTES)
        labels = find(entries(data), tuple(self.paths()), (self.probe.step,))
        if not labels.windows:
            self._fail("the probed step is not in the trace")
            return
        found, more = self.probe.waits, self.probe.more_waits
        if self._device == "cpu":
            watched = self._waits is not None and self._waits.failure is None
            found, beyond = ranked((*found, *unnamed(data, labels, watched)))
            more += beyond
        rows, uncounted = work(data, labels)
        memories, places = memory(data, labels, *self._resident_borders())
        self.probe = replace(
            self.probe,
            waits=found,
            more_waits=more,
            work=rows,
            uncounted=uncounted,
            memory=memories,
            places=tuple(map(with_size, places)),
        )
