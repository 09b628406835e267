"""The folder of a run's traces, complete in itself: what viewers need beside the traces."""

from __future__ import annotations

import sys
from pathlib import Path

from rnnprof import runfile
from rnnprof.model import Run
from rnnprof.recorder.spans import SpanLog
from rnnprof.traces.files import Files


def complete(files: Files, run: Run, log: SpanLog | None) -> None:
    """Write a copy of the run, its scalars, and the trace of its stages.

    Args:
        files: where they lie.
        run: the run, as it was saved.
        log: the spans of all steps, or None.
    """
    from rnnprof.traces import scalars, stage_trace

    files.folder.mkdir(exist_ok=True)
    runfile.save(run, files.copy)
    scalars.write(run, files.folder)
    if log is not None:
        stage_trace.write(log, files.stages, Path((sys.argv or [""])[0]).name or "rnnprof")
