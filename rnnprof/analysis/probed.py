"""The result of the probe: where the host waits, what each stage computes, what memory it takes.

It is part of a `Breakdown`. What is not known is None, and ``–`` in print. The printed percentage of
a ``…_share`` is the ``…_percent`` beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

from rnnprof.analysis.peaks import Peaks
from rnnprof.probes import Path


@dataclass(frozen=True)
class WaitRow:
    """One place in the program at which the host waits for the device, or would wait.

    Args:
        place: ``file:line`` with a short file; ``in`` and the stage's path where the file is not known.
        file, line, function, source, library: as in `probes.Wait`.
        stage: name of the stage that it is in; ``other`` for the step itself.
        path: names of the stages; empty for the step itself.
        way: how it waits, the key of a `waiting.Way`.
        call: what was called.
        form: how a program writes it; empty where the way is not known, like the next two.
        why, instead: a sentence each; there is no ``instead`` where the wait is meant.
        can_go: whether there is another way to write it; None where that is not known.
        count: how often in the step.
        waited_ns: time in it; None without an accelerator.
        share, percent: of the time of the probed step.
    """

    place: str
    file: str
    line: int
    function: str
    source: str
    library: str
    stage: str
    path: Path
    way: str
    call: str
    form: str
    why: str
    instead: str
    can_go: bool | None
    count: int
    waited_ns: int | None
    share: float | None
    percent: str


@dataclass(frozen=True)
class WaitReport:
    """Where the host waits.

    Args:
        sentence: how many places there are, and what they cost.
        places: their number, those that the run does not keep included.
        count: number of waits in the step, of the places that it keeps.
        waited_ns: time in all of them; None without an accelerator.
        share, percent: of the time of the probed step.
        rows: the longest first; without times, the most frequent.
        unkept: places that the run does not keep.
    """

    sentence: str
    places: int
    count: int
    waited_ns: int | None
    share: float | None
    percent: str
    rows: tuple[WaitRow, ...]
    unkept: int


@dataclass(frozen=True)
class TypeWork:
    """What is computed in one type of number.

    Args:
        dtype: the type, as torch names it.
        flops, bytes, operators: as in `probes.Work`.
        peak: operations per second that the device can do of it.
    """

    dtype: str
    flops: int
    bytes: int
    operators: int
    peak: float | None


@dataclass(frozen=True)
class WorkRow:
    """What one stage computes in a step, its child stages apart; or the whole step.

    Args:
        name: the stage's name; ``other`` for the time of the step in no stage.
        path: names of the stages; empty for ``other`` and the step.
        flops, bytes, operators: of all types of number.
        types: these, one by one.
        self_ns: mean time in a measured step.
        busy_ns: time in a traced step in which the device ran its kernels; None where none was traced.
        basis: what rates and shares are over: ``busy``, ``self``, or empty where no time is known.
        flops_per_second, bytes_per_second: over that time.
        intensity: operations for each byte.
        compute_share, compute_percent: of the device's peak; each type of number over its own.
        memory_share, memory_percent: of its memory bandwidth.
        idle_share, idle_percent: of its time in which the device ran nothing.
        verdict: ``compute``, ``bandwidth``, ``launch``, or empty.
        reason: the figures that give it, or why there is none.
        peak_bytes: most memory of `WorkReport.place`, as `WorkReport.absolute` says.
    """

    name: str
    path: Path
    flops: int
    bytes: int
    operators: int
    types: tuple[TypeWork, ...]
    self_ns: float | None
    busy_ns: float | None
    basis: str
    flops_per_second: float | None
    bytes_per_second: float | None
    intensity: float | None
    compute_share: float | None
    compute_percent: str
    memory_share: float | None
    memory_percent: str
    idle_share: float | None
    idle_percent: str
    verdict: str = ""
    reason: str = ""
    peak_bytes: int | None = None


@dataclass(frozen=True)
class WorkReport:
    """What the stages compute.

    Args:
        sentence: what one step computes and takes of memory; empty where neither is known.
        rows: the stages as a tree, ``other`` last.
        step: the whole step.
        kind: the kind of step that the times are of; empty where they are not known.
        peaks: what the device can do.
        uncounted: operators without a formula: the operations are a lower bound.
        notes: sentences on peaks, times and what is missing.
        place: the memory of which `WorkRow.peak_bytes` are.
        absolute: whether they are all that is allocated, and not what the stage adds to it.
    """

    sentence: str
    rows: tuple[WorkRow, ...]
    step: WorkRow
    kind: str
    peaks: Peaks | None
    uncounted: tuple[str, ...]
    notes: tuple[str, ...]
    place: str
    absolute: bool


@dataclass(frozen=True)
class MemoryRow:
    """What one stage does to one memory, child stages included.

    Args:
        name: the stage's name; ``step`` for the whole step.
        path: names of the stages; empty for the whole step.
        allocated_bytes, above_bytes, reserved_bytes: `Memory.allocated_bytes`, `Memory.peak_bytes` and
            `Memory.reserved_bytes`.
        peak_bytes: most that was allocated, all that was there before the step included.
    """

    name: str
    path: Path
    allocated_bytes: int
    above_bytes: int | None
    peak_bytes: int | None
    reserved_bytes: int | None


@dataclass(frozen=True)
class MemoryReport:
    """One memory in the probed step.

    Args:
        place: as `Place.name`.
        rows: the stages as a tree, the whole step last.
        begin_bytes, reserved_bytes, total_bytes: as in `Place`.
        peak_bytes: most that was allocated in the step.
        peak_share, peak_percent: that over the size of the memory; not known where it is larger.
        reserved_share, reserved_percent: what torch holds over the size of the memory.
    """

    place: str
    rows: tuple[MemoryRow, ...]
    begin_bytes: int | None
    reserved_bytes: int | None
    total_bytes: int | None
    peak_bytes: int | None
    peak_share: float | None
    peak_percent: str
    reserved_share: float | None
    reserved_percent: str


@dataclass(frozen=True)
class ProbeReport:
    """What the probed step showed.

    Args:
        step: its number, from 0 at the start of training.
        device: what the program computed on.
        total_ns: host time of the step; the probe slowed it.
        waits: where the host waits.
        work: what the stages compute.
        memory: what they do to each memory.
    """

    step: int
    device: str
    total_ns: int
    waits: WaitReport
    work: WorkReport
    memory: tuple[MemoryReport, ...]
