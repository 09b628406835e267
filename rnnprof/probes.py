"""What the run keeps of its probe: one step in which the program was looked at closely.

The step is one of the warmup, of a kind of its own, and in no figure of time. What it tells (where
the host waits, floating-point operations, bytes, memory) is of one step, stage by stage.
"""

from __future__ import annotations

from dataclasses import dataclass

from rnnprof.anatomy import Anatomy
from rnnprof.captures import Path as Path

MOST_WAITS = 100
"""Places that are kept; those beyond are counted in `Probe.more_waits`."""


@dataclass(frozen=True)
class Wait:
    """One place in the program at which the host waits for the device, or would if there were one.

    Args:
        path: the stage that it is in.
        way: how it waits: the key of a `waiting.Way`.
        call: what was called, as a program writes it, such as ``Tensor.item``.
        file: the program's own source file (the innermost one that is no library's); empty where only
            the stage is known.
        line: the line in it; 0 where it is not known.
        function: the function in it.
        source: that line, stripped, cut to 200 characters; empty where it is not at hand.
        library: where inside a library the call is, as ``clip_grad.py:59``; empty where the
            program itself makes it.
        count: how often it happened in the step.
        waited_ns: time that the host spent in these calls; None where there was no device, and
            where it is not known (the way ``other``).
    """

    path: Path
    way: str
    call: str
    file: str
    line: int
    function: str
    source: str
    library: str
    count: int
    waited_ns: int | None


@dataclass(frozen=True)
class Work:
    """What the operators of one stage compute in one type of number.

    Args:
        path: the stage, its child stages apart.
        dtype: type of number, as torch names it, such as ``float32``.
        flops: floating-point operations of matrix products, convolutions, recurrent layers and
            attention; a multiplication with an addition counts as 2.
        bytes: bytes that its operators read and write, if nothing stayed in a cache.
        operators: calls of operators that do work of their own.
    """

    path: Path
    dtype: str
    flops: int
    bytes: int
    operators: int


@dataclass(frozen=True)
class Memory:
    """What one stage does to one memory, child stages included.

    Args:
        path: the stage; empty for the whole step.
        place: ``cuda:0`` and the like, ``cpu`` for what torch allocates on the host, ``resident``
            for the process's resident memory.
        before_bytes: allocated when the stage began, over that when the step began; of the visit
            with the highest peak.
        allocated_bytes: growth of what is allocated, from begin to end, summed over the visits.
        peak_bytes: most that was allocated above what it began with; None where it is not known.
        reserved_bytes: growth of what torch holds of the device, summed over the visits; None where
            nothing is reserved.
    """

    path: Path
    place: str
    before_bytes: int
    allocated_bytes: int
    peak_bytes: int | None
    reserved_bytes: int | None


@dataclass(frozen=True)
class Place:
    """One memory in the probed step.

    Args:
        name: as in `Memory.place`.
        begin_bytes: allocated when the step began; None where it is not known.
        reserved_bytes: held of the device when the step ended; None where nothing is.
        total_bytes: size of the memory; None where it is not known.
    """

    name: str
    begin_bytes: int | None
    reserved_bytes: int | None
    total_bytes: int | None


@dataclass(frozen=True)
class ProbedStage:
    """One stage of the probed step.

    Args:
        path: its name and those of the stages around it; empty for the step itself.
        calls: number of visits.
        total_ns: host time, child stages included; the probe slowed it.
    """

    path: Path
    calls: int
    total_ns: int


@dataclass(frozen=True)
class Probe:
    """What the probed step showed.

    Args:
        step: its number, from 0 at the start of training.
        device: ``cpu``, ``cuda`` and the like: what the program computed on.
        total_ns: host time of the step; the probe slowed it.
        stages: parents before their children; the first one is the step itself.
        waits: where the host waits.
        more_waits: places beyond `MOST_WAITS`.
        work: what the operators compute; empty where torch's profiler was not asked for.
        uncounted: operators that compute, but for which there is no formula, by name.
        memory: what each stage does to each memory.
        places: these memories.
        anatomy: how the step is built; None where that was not looked at.
    """

    step: int
    device: str
    total_ns: int
    stages: tuple[ProbedStage, ...] = ()
    waits: tuple[Wait, ...] = ()
    more_waits: int = 0
    work: tuple[Work, ...] = ()
    uncounted: tuple[str, ...] = ()
    memory: tuple[Memory, ...] = ()
    places: tuple[Place, ...] = ()
    anatomy: Anatomy | None = None
