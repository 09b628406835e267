"""What torch.profiler saw, stage by stage: operators, kernels, the device's work and its waiting."""

from __future__ import annotations

from collections.abc import Sequence

from rnnprof import units
from rnnprof.analysis.captured import (
    DeviceTime,
    KernelRow,
    OperatorRow,
    TracedRow,
    TraceReport,
)
from rnnprof.analysis.functions import NOTABLE, TOP_OF_STAGE
from rnnprof.analysis.portions import Portion, parents, portions, together, tree_order
from rnnprof.captures import OTHERS, Trace, TracedStage
from rnnprof.stages import OTHER

NO_OPERATOR = "in no operator"
"""The time of a stage in none of its operators: Python, and what rnnprof and the tracer cost."""


def window(trace: Trace) -> TraceReport:
    """Divide the time of one window of traced steps among stages and operators.

    A stage whose operators, on several threads at once, took longer than it counts as long as they
    did, so that shares add up to 1.

    Args:
        trace: the run's summary of it.

    Returns:
        Every number that a report prints.
    """
    stages = _in_order(trace)
    own = _own(stages)
    parts = [_parts(own[stage.path], [one.self_ns for one in stage.operators]) for stage in stages]
    shares = portions(parts)
    devices: Sequence[DeviceTime | None] = [None] * len(stages)
    total = None
    if trace.device:
        devices, total = _device(stages, trace.steps)
    rows = [
        _row(stage, divided, device, trace)
        for stage, divided, device in zip(stages, shares, devices, strict=True)
    ]
    return TraceReport(
        first_step=trace.first_step,
        last_step=trace.first_step + max(trace.steps, 1) - 1,
        steps=trace.steps,
        step_ns=_per(trace.total_ns, trace.steps),
        file=trace.file,
        bytes=trace.bytes,
        device=trace.device,
        shapes=trace.shapes,
        stack=trace.stack,
        memory=trace.memory,
        stages=tuple(rows),
        total=total,
    )


def _in_order(trace: Trace) -> list[TracedStage]:
    """The stages as a tree, the step itself last; it is there also where the trace lacks it."""
    by_path = {stage.path: stage for stage in trace.stages}
    by_path.setdefault((), TracedStage((), trace.steps, trace.total_ns))
    return [by_path[path] for path in tree_order(list(by_path))]


def _own(stages: Sequence[TracedStage]) -> dict[tuple[str, ...], int]:
    """Host time of each stage without the stages in it; never negative."""
    own = {stage.path: stage.total_ns for stage in stages}
    totals = dict(own)
    for path, parent in parents(list(totals)).items():
        own[parent] -= totals[path]
    return {path: max(ns, 0) for path, ns in own.items()}


def _parts(own_ns: int, found: Sequence[int]) -> list[int]:
    """The parts of a stage, and last what is left of it."""
    return [*found, max(own_ns - sum(found), 0)]


def _per(number: int, steps: int) -> float:
    return number / steps if steps else 0.0


def _row(stage: TracedStage, shares: Sequence[Portion], device: DeviceTime | None, trace: Trace) -> TracedRow:
    whole, steps = together(shares), trace.steps
    operators = [
        OperatorRow(
            name=one.name,
            calls=one.calls,
            self_ns=one.self_ns,
            share=share.share,
            percent=share.percent,
            calls_per_step=_per(one.calls, steps),
            self_per_step_ns=_per(one.self_ns, steps),
            device_ns=one.device_ns if trace.device else None,
            device_per_step_ns=_per(one.device_ns, steps) if trace.device else None,
        )
        for one, share in zip(stage.operators, shares[:-1], strict=True)
    ]
    rest = shares[-1]
    if rest.part:
        operators.append(
            OperatorRow(
                name=NO_OPERATOR,
                calls=None,
                self_ns=rest.part,
                share=rest.share,
                percent=rest.percent,
                calls_per_step=None,
                self_per_step_ns=_per(rest.part, steps),
                remainder=True,
            )
        )
    operators.sort(key=lambda row: -row.self_ns)
    return TracedRow(
        name=stage.path[-1] if stage.path else OTHER,
        path=stage.path,
        calls=stage.calls,
        calls_per_step=_per(stage.calls, steps),
        total_ns=stage.total_ns,
        self_ns=whole.part,
        self_per_step_ns=_per(whole.part, steps),
        share=whole.share,
        percent=whole.percent,
        operators=tuple(operators),
        shown=_shown(whole.share or 0, operators),
        device=device,
    )


def _shown(share: float, operators: Sequence[OperatorRow]) -> tuple[int, ...]:
    """Places of a notable stage's longest operators, and of the time in none where it is notable."""
    if share < NOTABLE:
        return ()
    named = [i for i, row in enumerate(operators) if not row.remainder and row.name != OTHERS and row.self_ns]
    rest = [i for i, row in enumerate(operators) if row.remainder and (row.share or 0) >= NOTABLE]
    return tuple(sorted([*named[:TOP_OF_STAGE], *rest]))


def _device(stages: Sequence[TracedStage], steps: int) -> tuple[list[DeviceTime], DeviceTime]:
    """What the device did in each stage, and in all together."""
    parts = [_parts(stage.busy_ns, [one.device_ns for one in stage.kernels]) for stage in stages]
    shares = portions(parts)
    each = [
        _device_time(
            together(divided),
            (stage.busy_ns, stage.gap_ns, stage.launches),
            _kernels(stage, divided, steps),
            steps,
        )
        for stage, divided in zip(stages, shares, strict=True)
    ]
    sums = (
        sum(stage.busy_ns for stage in stages),
        sum(stage.gap_ns for stage in stages),
        sum(stage.launches for stage in stages),
    )
    return each, _device_time(together([one for divided in shares for one in divided]), sums, (), steps)


def _kernels(stage: TracedStage, shares: Sequence[Portion], steps: int) -> tuple[KernelRow, ...]:
    rows = [
        KernelRow(
            name=one.name,
            calls=one.calls,
            device_ns=one.device_ns,
            share=share.share,
            percent=share.percent,
            calls_per_step=_per(one.calls, steps),
            device_per_step_ns=_per(one.device_ns, steps),
        )
        for one, share in zip(stage.kernels, shares[:-1], strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: (row.name == OTHERS, -row.device_ns)))


def _device_time(
    whole: Portion, sums: tuple[int, int, int], kernels: tuple[KernelRow, ...], steps: int
) -> DeviceTime:
    busy_ns, gap_ns, launches = sums
    busy = busy_ns / (busy_ns + gap_ns) if busy_ns + gap_ns else None
    named = sum(row.name != OTHERS for row in kernels)
    return DeviceTime(
        kernels=kernels,
        shown=min(TOP_OF_STAGE, named) if (whole.share or 0) >= NOTABLE else 0,
        device_ns=whole.part,
        device_per_step_ns=_per(whole.part, steps),
        share=whole.share,
        percent=whole.percent,
        busy_ns=busy_ns,
        gap_ns=gap_ns,
        gap_per_step_ns=_per(gap_ns, steps),
        busy_share=busy,
        busy_percent="–" if busy is None else units.percent(units.tenths([busy])[0], busy),
        launches=launches,
        launches_per_step=_per(launches, steps),
    )
