"""One step of the warmup under a profiler that counts no time: shapes, memory, and waits."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from rnnprof.captures import Path as StagePath
from rnnprof.devices import find_device
from rnnprof.model import Json
from rnnprof.probes import Place, Probe, ProbedStage
from rnnprof.traces.events import entries
from rnnprof.traces.labelled import Labelled
from rnnprof.traces.labels import Labels, find
from rnnprof.traces.probe.hush import Hush
from rnnprof.traces.probe.memory import RESIDENT, Border, Resident, memory
from rnnprof.traces.probe.peaks import measured_peaks
from rnnprof.traces.probe.waits import Waits
from rnnprof.traces.probe.work import work
from rnnprof.traces.ways_in import TorchGuard


def probed_step(warmup: int, taken: Collection[int], asked: bool) -> int | None:
    """Which step is probed: the last one of the warmup that nothing else looks into.

    Args:
        warmup: number of steps in it.
        taken: numbers of the steps that something looks into.
        asked: whether a run without warmup is to be probed as well, in its second step.

    Returns:
        The step's number from 0, or None.
    """
    steps: Iterable[int] = range(warmup - 1, -1, -1) if warmup else range(1, 1 + asked)
    return next((step for step in steps if step not in taken), None)


class PlainProfiler:
    """torch's profiler without its wrapper, whose start imports hundreds of modules.

    It looks at the host alone, also where there is a device: no kernel is traced.

    Args:
        torch: the module.
    """

    def __init__(self, torch: Any) -> None:
        self._hush = Hush(torch)
        self._profiler = torch.autograd.profiler.profile(
            use_kineto=True, record_shapes=True, profile_memory=self._hush.possible
        )

    def start(self) -> None:
        """Begin."""
        self._hush.start()
        self._profiler.__enter__()

    def stop(self) -> None:
        """End."""
        try:
            self._profiler.__exit__(None, None, None)
        finally:
            self._hush.stop()

    def export_chrome_trace(self, file: str) -> None:
        """Write what it saw."""
        self._profiler.export_chrome_trace(file)


class ProbeTrace(Labelled):
    """Looks closely into one step; a `recorder.watched.Watcher`.

    Args:
        guard: what keeps its profiler apart from those of the program's.
        aside: gives the context manager in which its own work is done.
        peaks: whether it measures, when the run has ended, what the device can do at most.
    """

    kind = "probe"

    def __init__(
        self,
        guard: TorchGuard,
        aside: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
        peaks: bool = False,
    ) -> None:
        super().__init__(PlainProfiler, guard, aside)
        self.probe: Probe | None = None
        self.environment: Json = {}
        """What was measured of the machine, as part of the run's environment."""

        self._peaks = peaks
        self.done = False
        self._device = "cpu"
        self._waits: Waits | None = None
        self._resident: Resident | None = None
        self._borders: list[Border] = []
        self._begun: list[tuple[str, int]] = []

    # ---- the step ---------------------------------------------------------------------------

    def open(self, step: int) -> None:
        """Begin to look."""
        super().open(step)
        torch = sys.modules.get("torch")
        if self._profiler is None or torch is None:
            return
        device = find_device()
        self._device = "cpu" if device is None else device.name
        self._borders, self._begun = [], []
        with contextlib.suppress(OSError):
            self._resident = Resident()
        self._waits = Waits(torch, self._device, self._path, perf_counter_ns)
        self._waits.start()

    def enter(self, name: str) -> None:
        """A stage, or the step, is about to begin."""
        if self._resident is not None:
            self._begun.append((name, self._resident.read()))
        super().enter(name)

    def leave(self, name: str) -> None:
        """A stage has ended."""
        super().leave(name)
        self._close_border(name)

    def end(self) -> None:
        """The step has ended."""
        super().end()
        while self._begun:
            self._close_border(self._begun[-1][0])

    def close(self, keep: bool) -> None:
        """Stop looking."""
        self.look_away()
        super().close(keep)
        self.done = self.done or bool(self._kept)

    def stop(self) -> None:
        """Nothing is watched any more."""
        self.look_away()
        super().stop()
        if self._peaks and self.probe is not None and not self.environment:
            dtypes = sorted({one.dtype for one in self.probe.work if one.flops})
            with self._aside():
                self.environment = {"peaks": measured_peaks(sys.modules["torch"], self.probe.device, dtypes)}

    def look_away(self) -> None:
        """Put back all that was changed to look."""
        if self._waits is not None:
            self._waits.stop()
        if self._resident is not None:
            self._resident.close()
            self._resident = None

    def _close_border(self, name: str) -> None:
        if self._resident is None or not any(name == one for one, _ in self._begun):
            return
        now, ended = self._resident.read(), ""
        while ended != name:
            path = self._names_of(self._begun)
            ended, before = self._begun.pop()
            self._borders.append((path, before, now))

    def _path(self) -> StagePath:
        return self._names_of(self._opened)

    @staticmethod
    def _names_of(opened: list[tuple[str, Any]]) -> StagePath:
        # The first one is the step's.
        return tuple(name for name, _ in opened[1:])

    # ---- what it showed ---------------------------------------------------------------------

    def _sum_up(self, profiler: Any) -> None:
        with tempfile.TemporaryDirectory(prefix="rnnprof-") as folder:
            data, _ = self._export(profiler, Path(folder, "probe.json"))
        step = self._kept[-1]
        labels = find(entries(data), tuple(self.paths()), (step,))
        if not labels.windows:
            self._fail("the probed step is not in the trace")
            return
        found, more = ((), 0) if self._waits is None else self._waits.found()
        if self._waits is not None and self._waits.failure:
            self._fail(self._waits.failure)
        rows, uncounted = work(data, labels)
        # The step's own visit ends last, but began first.
        borders = sorted(self._borders, key=lambda border: len(border[0]))
        began = borders[0][1] if borders else None
        memories, places = memory(data, labels, borders, began)
        self.probe = Probe(
            step=step,
            device=self._device,
            total_ns=labels.windows[0][1] - labels.windows[0][0],
            stages=_stages(labels),
            waits=found,
            more_waits=more,
            work=rows,
            uncounted=uncounted,
            memory=memories,
            places=tuple(map(_with_size, places)),
        )


def _stages(labels: Labels) -> tuple[ProbedStage, ...]:
    visits: dict[StagePath, list[int]] = {}
    for one in labels.entries:
        visits.setdefault(labels.paths[one.order], []).append(one.end - one.start)
    return tuple(ProbedStage(path, len(spans), sum(spans)) for path, spans in visits.items())


def _with_size(place: Place) -> Place:
    """The place with the size of its memory, where that can be asked for."""
    return Place(place.name, place.begin_bytes, place.reserved_bytes, _size(place.name))


def _size(name: str) -> int | None:
    try:
        if name in ("cpu", RESIDENT):
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        kind, _, index = name.partition(":")
        torch = sys.modules["torch"]
        properties = getattr(torch, "cuda" if kind == "hip" else kind).get_device_properties(int(index))
        return int(properties.total_memory)
    except Exception:  # what cannot be asked for is not known
        return None
