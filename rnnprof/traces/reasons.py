"""Why a trace or a probe is not there, or not whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rnnprof.model import Json, Run
from rnnprof.recorder.watched import MOST_STEPS

if TYPE_CHECKING:
    from rnnprof.traces.probe.watch import ProbeTrace
    from rnnprof.traces.torch_trace import TorchTrace


def probe_notes(probe: ProbeTrace | None, ended: bool) -> Iterable[Json]:
    """The run's notes on its probe.

    Args:
        probe: what looks, or None.
        ended: whether the recording has ended.
    """
    if probe is None:
        return
    failure = probe.failure
    if failure is None and ended and probe.begun and probe.probe is None:
        failure = "the step that was to be looked at did not end well"
    if failure is not None:
        yield {"code": "probe_failed", "message": failure}


def trace_notes(torch: TorchTrace | None, asked: int, refused: int) -> Iterable[Json]:
    """The run's notes on its traces.

    Args:
        torch: what traces, or None.
        asked: steps that were to be traced; 0 while there may be more.
        refused: steps beyond the most that are traced.
    """
    if torch is None:
        return
    traced = sum(trace.steps for trace in torch.traces)
    if torch.failure:
        yield {"code": "trace_failed", "message": torch.failure}
    elif 0 < traced < asked:
        yield {"code": "trace_incomplete", "count": traced, "asked": asked}
    if refused:
        yield {"code": "trace_limit", "limit": MOST_STEPS, "count": refused}


def why_no_trace(torch: TorchTrace, run: Run, first: int) -> str:
    """Why nothing was traced though it was asked for.

    Args:
        torch: what was to trace.
        run: the run.
        first: number of the first step that was to be traced.
    """
    lane = run.lane("train")
    steps = sum(kind.wall.count for kind in lane.steps.values()) if lane is not None else 0
    if torch.failure:
        return torch.failure
    if torch.begun:
        return "no traced step ended well"
    if not steps and any(other.steps for other in run.lanes if other.thread):
        return "only the thread that opened the profile is traced, and the steps were another's"
    if not steps:
        return "no step of a training loop was seen"
    return f"the run ended after {steps} steps, and the first to be traced was number {first} (from 0)"
