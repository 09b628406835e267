"""The result of looking into a run's traces: functions, operators and kernels, each with its share.

They are part of a `Breakdown`. Times of a step are means over the steps that were watched. A share
is None, and ``–`` in print, where what it is of is 0.
"""

from __future__ import annotations

from dataclasses import dataclass

from rnnprof.captures import Path


@dataclass(frozen=True)
class FunctionRow:
    """One function, or all those that a table leaves out.

    Args:
        name: ``file:line(name)`` with a short file; as cProfile prints it for a built-in function.
        file, line, function: as cProfile knows it.
        calls: all calls; like the next ones None where it is not known.
        primitive_calls: those that were not recursive.
        own_ns: time in it and in no function that it calls.
        total_ns: time in it, the functions that it calls included.
        own_each_ns: own time of a call.
        total_each_ns: total time of a call that was not recursive.
        share, percent: own time over the basis, and as printed.
        own_per_step_ns: mean own time in a step; None outside steps.
        calls_per_step: mean number of calls in a step; None outside steps.
        remainder: whether it stands for all functions that are not told apart.
    """

    name: str
    file: str
    line: int
    function: str
    calls: int | None
    primitive_calls: int | None
    own_ns: int
    total_ns: int | None
    own_each_ns: float | None
    total_each_ns: float | None
    share: float | None
    percent: str
    own_per_step_ns: float | None = None
    calls_per_step: float | None = None
    remainder: bool = False


@dataclass(frozen=True)
class FunctionTable:
    """The functions of one part of the program, by own time.

    Args:
        path: the stage; empty for the step itself, and outside steps.
        own_ns: own time of all functions of this part.
        own_per_step_ns: its mean in a step; None outside steps.
        share, percent: ``own_ns`` over the basis: of the part, or of all stages together.
        functions: longest first; the last one stands for all that the run does not keep.
        shown: how many of them a short table shows.
        unshown: all others together, or None where there are none.
    """

    path: Path
    own_ns: int
    own_per_step_ns: float | None
    share: float | None
    percent: str
    functions: tuple[FunctionRow, ...]
    shown: int
    unshown: FunctionRow | None


@dataclass(frozen=True)
class FunctionReport:
    """What cProfile saw.

    Args:
        file, loop_file: the statistics, relative to the run file's folder.
        loop: functions from the first step on; shares are of their own time.
        setup: functions before the first step; shares are of their own time.
        steps: steps in which the functions of each stage were told apart.
        stages: the functions of each stage; shares are of the own time in all of these steps.
    """

    file: str
    loop_file: str
    loop: FunctionTable
    setup: FunctionTable
    steps: int
    stages: tuple[FunctionTable, ...]


@dataclass(frozen=True)
class OperatorRow:
    """One operator in one stage.

    Args:
        name: as torch names it.
        calls: number of calls in all traced steps; None for the time in no operator.
        self_ns: host time in it and in no operator that it calls.
        share, percent: ``self_ns`` over the time of the traced steps, and as printed.
        calls_per_step: mean number of calls in a step; None for the time in no operator.
        self_per_step_ns: mean self time in a step.
        device_ns: time of the kernels that it launched; None without a device.
        device_per_step_ns: its mean in a step; None without a device.
        remainder: whether it is the time of the stage in no operator.
    """

    name: str
    calls: int | None
    self_ns: int
    share: float | None
    percent: str
    calls_per_step: float | None
    self_per_step_ns: float
    device_ns: int | None = None
    device_per_step_ns: float | None = None
    remainder: bool = False


@dataclass(frozen=True)
class KernelRow:
    """One kernel, or kind of copy, in one stage.

    Args:
        name: as the device's tracer names it.
        calls: number of launches in all traced steps.
        device_ns: summed time on the device.
        share, percent: ``device_ns`` over the time of all kernels, and as printed.
        calls_per_step: mean number of launches in a step.
        device_per_step_ns: mean time in a step.
    """

    name: str
    calls: int
    device_ns: int
    share: float | None
    percent: str
    calls_per_step: float
    device_per_step_ns: float


@dataclass(frozen=True)
class DeviceTime:
    """What the device did in one stage, or in all.

    Args:
        kernels: by time, longest first; empty for all stages together.
        shown: how many of them a short table shows.
        device_ns: summed time of the kernels.
        device_per_step_ns: its mean in a step.
        share, percent: ``device_ns`` over that of all stages, and as printed.
        busy_ns: time in which a kernel ran.
        gap_ns: time in which the device waited for one.
        gap_per_step_ns: its mean in a step.
        busy_share, busy_percent: ``busy_ns`` over both, and as printed.
        launches: kernels and copies that the host started.
        launches_per_step: their mean number in a step.
    """

    kernels: tuple[KernelRow, ...]
    shown: int
    device_ns: int
    device_per_step_ns: float
    share: float | None
    percent: str
    busy_ns: int
    gap_ns: int
    gap_per_step_ns: float
    busy_share: float | None
    busy_percent: str
    launches: int
    launches_per_step: float


@dataclass(frozen=True)
class TracedRow:
    """One stage in the traced steps.

    Args:
        name: its name; ``other`` for the time of the step in no stage.
        path: its name and those of the stages around it; empty for ``other``.
        calls: number of visits.
        calls_per_step: their mean number in a step.
        total_ns: host time, child stages included.
        self_ns: host time without them; at least that of its operators.
        self_per_step_ns: its mean in a step.
        share, percent: ``self_ns`` over the time of the traced steps; the sum of its operators'.
        operators: by self time, longest first; the time in no operator is among them.
        shown: places of the operators that a short table shows.
        device: what the device did, or None without one.
    """

    name: str
    path: Path
    calls: int
    calls_per_step: float
    total_ns: int
    self_ns: int
    self_per_step_ns: float
    share: float | None
    percent: str
    operators: tuple[OperatorRow, ...]
    shown: tuple[int, ...]
    device: DeviceTime | None


@dataclass(frozen=True)
class TraceReport:
    """One window of traced steps.

    Args:
        first_step, last_step: their numbers.
        steps: how many ended well.
        step_ns: mean host time of one of them.
        file: the trace, relative to the run file's folder.
        bytes: its size.
        device: whether a device's kernels were traced.
        shapes, stack, memory: whether these were recorded.
        stages: parents before their children, ``other`` last.
        total: what the device did in all stages, or None without one.
    """

    first_step: int
    last_step: int
    steps: int
    step_ns: float
    file: str
    bytes: int
    device: bool
    shapes: bool
    stack: bool
    memory: bool
    stages: tuple[TracedRow, ...]
    total: DeviceTime | None
