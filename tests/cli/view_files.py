"""A run with everything beside it, for the tests of `rnnprof view`."""

from __future__ import annotations

import cProfile
import gzip
import json
from dataclasses import replace
from pathlib import Path

from rnnprof import runfile
from rnnprof.captures import Functions, Trace
from tests.run_builder import word_language_model

PLAIN = word_language_model(steps=40)
EVENTS = {"traceEvents": [{"ph": "X", "name": "forward", "ts": 1, "dur": 2, "pid": 1, "tid": 1}]}
PLUGIN_TRACE = "run.trace/rank0.1700000000000.pt.trace.json.gz"
STEPS = ("run.trace/steps-9-10.trace.json.gz", "run.trace/steps-30-32.trace.json.gz")
STAGES = "run.trace/stages.trace.json.gz"

TWO_WINDOWS = "steps-9-10.trace.json.gz is shown, the first of 2: the others open by their own names"


def write_trace(name: str) -> None:
    """Write a small trace, in the current folder as all that follows."""
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_bytes(gzip.compress(json.dumps(EVENTS).encode()))


def write_plain(name: str = "run.json") -> None:
    """Write a run without traces."""
    runfile.save(PLAIN, name)


def write_traced() -> None:
    """Write run.json with two windows of traced steps, and all its traces."""
    traces = tuple(Trace(first, 2, 1000, name, 10) for first, name in zip((9, 30), STEPS, strict=True))
    functions = Functions("run.prof", "run.loop.prof", 10, 20)
    runfile.save(replace(PLAIN, traces=traces, functions=functions), "run.json")
    for name in (*STEPS, STAGES, PLUGIN_TRACE):
        write_trace(name)
    for name in ("run.prof", "run.loop.prof"):
        profiler = cProfile.Profile()
        profiler.runcall(sorted, [2, 1])
        profiler.dump_stats(name)
