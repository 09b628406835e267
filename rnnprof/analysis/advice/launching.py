"""Steps in which the device waits for the host to launch its next kernel."""

from __future__ import annotations

from collections.abc import Iterable

from rnnprof import units
from rnnprof.analysis.advice.advised import Finding
from rnnprof.analysis.advice.case import Abstain, Case
from rnnprof.analysis.advice.loading import FETCHING
from rnnprof.analysis.advice.sync_points import CPU
from rnnprof.analysis.clocked import ClockReport, ClockRow

NAMED = 3
"""Stages that the evidence names."""


def launch(case: Case) -> Iterable[Finding]:
    """Find a step, or stages, bound by the launches of its kernels."""
    clocks = case.result.clocks
    if clocks is None:
        device = str(case.run.environment.get("device", "cpu")).lower()
        raise Abstain(CPU if device.startswith("cpu") else "No clock of the device was read.")
    bound, stages = clocks.bound, _stages(clocks)
    if bound.verdict == "device":
        return
    if bound.verdict != "launch" and not stages:
        if not bound.traced:
            raise Abstain(bound.sentence)
        return
    idle = 1 - (bound.busy_share or 0.0)
    if bound.verdict != "launch":
        idle = min(idle, sum(map(_idle, stages)))
    # While the batch is fetched there is nothing to launch: that is another finding.
    fetching = case.share(FETCHING) or 0.0
    compiled = case.run.vitals.compiled if case.run.vitals else None
    yield Finding(
        key="launch",
        title="The device waits for the host to launch its kernels",
        evidence=" ".join(filter(None, (bound.sentence, _where(stages), _launches(case, clocks)))),
        change=(
            "In this order: a larger batch or a longer bptt, where training allows it, so that each kernel "
            "has more to do; fewer kernels, with whole layers for cells, and an optimizer with `fused=True`; "
            + ("`mode='reduce-overhead'` of `torch.compile`" if compiled else _COMPILE)
            + ", which wants the same shapes in every step: leave out a last, shorter batch (`drop_last`)."
        ),
        check="Trace some steps again (`--trace`): the device is busier, and `rnnprof compare` says faster.",
        saving=max(idle - fetching, 0.0),
        bound=_bound(clocks, fetching),
        stage=stages[0].path if len(stages) == 1 else (),
    )


_COMPILE = "`torch.compile(model, mode='reduce-overhead')` or a CUDA graph"


def _stages(clocks: ClockReport) -> list[ClockRow]:
    found = [row for row in clocks.stages if row.verdict == "launch" and row.path]
    return sorted(found, key=_idle, reverse=True)


def _idle(row: ClockRow) -> float:
    """The part of a step in which the device waits in a stage."""
    time = row.event or row.sync or row.host
    idle = 1 - row.busy.busy_share if row.busy and row.busy.busy_share is not None else 1.0
    return (time.share or 0.0) * idle if time else 0.0


def _where(stages: list[ClockRow]) -> str:
    if not stages:
        return ""
    more = f" and {units.count(len(stages) - NAMED)} more" if len(stages) > NAMED else ""
    return f"So it is in {', '.join('/'.join(row.path) for row in stages[:NAMED])}{more}."


def _launches(case: Case, clocks: ClockReport) -> str:
    trace = case.run.device_trace
    if trace is None or clocks.traced is None:
        return ""
    kernels = [kernel for stage in trace.stages for kernel in stage.kernels]
    calls = sum(kernel.calls for kernel in kernels)
    said = f"A traced step has {units.count(clocks.traced.total.launches_per_step)} launches"
    if calls:
        said += f"; a kernel takes {units.duration(sum(one.device_ns for one in kernels) / calls)} on average"
    return f"{said}."


def _bound(clocks: ClockReport, fetching: float) -> str:
    known = "by a trace" if clocks.bound.traced else "as far as the clocks prove"
    less = ", less that of fetching the batch" if fetching else ""
    return f"The part of the step in which the device may wait, {known}{less}."
