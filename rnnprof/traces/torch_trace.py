"""torch.profiler on a few chosen steps, with the stages as labels in its trace."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from rnnprof.captures import Trace
from rnnprof.traces import events, for_tensorboard, operators
from rnnprof.traces.files import Files
from rnnprof.traces.kineto import exported
from rnnprof.traces.labelled import Labelled
from rnnprof.traces.options import Tracing
from rnnprof.traces.ways_in import TorchGuard


class TorchTrace(Labelled):
    """Looks into steps with torch.profiler; a `recorder.watched.Watcher`.

    Args:
        options: what is recorded.
        files: where the traces lie.
        guard: what keeps torch.profiler apart from profilers of the program's.
        aside: gives the context manager in which torch.profiler is started and its trace written.
    """

    kind = "trace"
    done = False

    def __init__(
        self,
        options: Tracing,
        files: Files,
        guard: TorchGuard,
        aside: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        super().__init__(self._profiler_of, guard, aside)
        self.options = options
        self.traces: list[Trace] = []
        self._files = files
        self._began = 0

    def _profiler_of(self, torch: Any) -> Any:
        self._began = time.time_ns() // 1_000_000
        return torch.profiler.profile(
            record_shapes=self.options.record_shapes,
            with_stack=self.options.with_stack,
            profile_memory=self.options.profile_memory,
        )

    def _sum_up(self, profiler: Any) -> None:
        self._files.folder.mkdir(exist_ok=True)
        raw = self._files.steps(self._kept[0], self._kept[-1])
        data, size = exported(profiler, raw, self._names)
        paths, steps = tuple(self.paths()), tuple(self._kept)
        found = operators.summarise(data, paths, steps)
        fit = for_tensorboard.fit(data, paths, steps)
        events.write(self._files.tensorboard(self._began), fit)
        trace = Trace(
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
        self.traces.append(trace)
