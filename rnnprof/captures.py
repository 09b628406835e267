"""What a run keeps of its traces: summaries in bounded space, and where the captures lie.

The captures themselves (torch.profiler's trace, cProfile's statistics) are files of their own; a
report is made from these summaries alone. All times are whole nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

Path = tuple[str, ...]
"""Names of stages, outermost first; empty for the time in the step but in no stage."""

MOST_OPERATORS = 24
"""Operators, and kernels, that are kept of a stage; the rest becomes one that is named OTHERS."""
MOST_FUNCTIONS = 40
"""Functions that are kept of a whole capture."""
MOST_STAGE_FUNCTIONS = 12
"""Functions that are kept of a stage."""
OTHERS = "(others)"


@dataclass(frozen=True)
class Operator:
    """All calls of one operator in one stage of the traced steps.

    Args:
        name: as torch names it, such as ``aten::addmm``.
        calls: number of calls.
        self_ns: host time in it and in no operator that it calls.
        device_ns: time of the kernels that it launched itself.
    """

    name: str
    calls: int
    self_ns: int
    device_ns: int = 0


@dataclass(frozen=True)
class Kernel:
    """All launches of one kernel, or one kind of copy, in one stage of the traced steps.

    Args:
        name: as the device's tracer names it.
        calls: number of launches.
        device_ns: summed time on the device.
    """

    name: str
    calls: int
    device_ns: int


@dataclass(frozen=True)
class TracedStage:
    """One stage in the traced steps, its child stages apart.

    Args:
        path: its name and those of the stages around it.
        calls: number of visits.
        total_ns: host time of its labels, children included.
        operators: by self time, longest first; without those of child stages.
        kernels: by device time, longest first; without those launched in child stages.
        launches: calls of the host that started a kernel or a copy.
        busy_ns: time in which the device ran a kernel of this stage, overlaps counted once.
        gap_ns: time in which the device waited for the next kernel, where that one is this stage's.
    """

    path: Path
    calls: int
    total_ns: int
    operators: tuple[Operator, ...] = ()
    kernels: tuple[Kernel, ...] = ()
    launches: int = 0
    busy_ns: int = 0
    gap_ns: int = 0


@dataclass(frozen=True)
class Trace:
    """One window of consecutive steps that torch.profiler watched.

    Args:
        first_step: number of the first one, from 0 at the start of training.
        steps: number of steps in it that ended well.
        total_ns: host time of these steps, by their labels.
        file: the raw trace, relative to the run file's folder.
        bytes: its size on the disk.
        device: whether the trace has kernels of a device.
        shapes, stack, memory: whether these were recorded.
        stages: what happened in each stage; the first one, with an empty path, is the step itself.
    """

    first_step: int
    steps: int
    total_ns: int
    file: str
    bytes: int
    device: bool = False
    shapes: bool = False
    stack: bool = False
    memory: bool = False
    stages: tuple[TracedStage, ...] = ()


@dataclass(frozen=True)
class Function:
    """One Python or built-in function, as cProfile counts it.

    Args:
        file: its source file; ``~`` for a built-in function.
        line: where it begins; 0 for a built-in function.
        name: its name.
        calls: all calls.
        primitive_calls: calls that were not recursive.
        own_ns: time in it and in no function that it calls.
        total_ns: time in it, the functions that it calls included.
    """

    file: str
    line: int
    name: str
    calls: int
    primitive_calls: int
    own_ns: int
    total_ns: int


@dataclass(frozen=True)
class StageFunctions:
    """The functions that were called within one stage, its child stages apart.

    Args:
        path: the stage's name and those of the stages around it; empty for the step itself.
        own_ns: summed own time of all functions, those that are not kept included.
        functions: by own time, longest first.
    """

    path: Path
    own_ns: int
    functions: tuple[Function, ...]


@dataclass(frozen=True)
class Functions:
    """What cProfile saw of the run.

    Args:
        file: statistics of the whole run, relative to the run file's folder.
        loop_file: the same from the first step on, the set-up left out; empty where there was none.
        setup_ns: summed own time of all functions before the first step.
        loop_ns: the same from the first step on.
        setup: functions before the first step, by own time, longest first.
        loop: functions from the first step on, likewise.
        steps: steps in which the functions of each stage were told apart.
        stages: these, stage by stage.
    """

    file: str
    loop_file: str
    setup_ns: int
    loop_ns: int
    setup: tuple[Function, ...] = ()
    loop: tuple[Function, ...] = ()
    steps: int = 0
    stages: tuple[StageFunctions, ...] = ()
