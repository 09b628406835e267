"""What each stage computes, over the time that it takes, against what the device can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rnnprof import units
from rnnprof.analysis.bounds import BEYOND, Evidence, verdict
from rnnprof.analysis.clocked import ClockReport
from rnnprof.analysis.peaks import Peaks
from rnnprof.analysis.portions import tree_order
from rnnprof.analysis.probed import MemoryReport, TypeWork, WorkRow
from rnnprof.analysis.stage_times import StepTimes
from rnnprof.probes import Path, Probe, Work
from rnnprof.stages import OTHER

LAUNCH = "launch"
"""The verdict of the clocks side by side that the device waits for the host."""
NAMED = 3
"""Types of number that a reason names."""


def work_rows(
    probe: Probe,
    times: StepTimes,
    clocks: ClockReport | None,
    peaks: Peaks | None,
    memory: MemoryReport | None,
) -> tuple[tuple[WorkRow, ...], WorkRow]:
    """Lay out the work of the probed step.

    Args:
        probe: what it showed.
        times: of the stages, in the other steps.
        clocks: which stages let the device wait for the host; None without an accelerator.
        peaks: what the device can do, where that is known.
        memory: the memory of which the peaks are wanted.

    Returns:
        The stages as a tree, with ``other`` last, and the whole step.
    """
    found: dict[Path, list[Work]] = {}
    for one in probe.work:
        found.setdefault(one.path, []).append(one)
    paths = dict.fromkeys([*(stage.path for stage in probe.stages), *found, ()])
    late = [row for row in clocks.stages if row.verdict == LAUNCH] if clocks else []
    launch = {row.path: row.because for row in late if row.path not in times.closed}
    used = _peaks_of(memory)
    rows = []
    for path in tree_order(list(paths)):
        row = _row(path, found.get(path, ()), times.own_ns.get(path), times.busy_ns.get(path), peaks)
        row = replace(row, peak_bytes=used.get(path) if path else None)
        row = _with_idle(row, times.idle(path))
        rows.append(_with_verdict(row, times.share(path), launch.get(path, ""), peaks))
    whole = _row((), probe.work, times.step_ns, None, peaks)
    busy = sum(times.busy_ns.values()) if times.busy_ns else None
    whole = replace(whole, name="step", busy_ns=busy, peak_bytes=used.get(()))
    whole = _with_idle(whole, times.step_idle())
    share = 1.0 if whole.basis else None
    bound = clocks.bound.sentence if clocks and clocks.bound.verdict == LAUNCH else ""
    return tuple(rows), _with_verdict(whole, share, bound, peaks, _from_memory(rows, times.step_ns))


def _from_memory(rows: Sequence[WorkRow], step_ns: float | None) -> float | None:
    """Part of the step that memory explains at least: nothing of stages that caches serve."""
    parts = [
        (row.memory_share if row.memory_share <= BEYOND else 0.0)
        * ((row.busy_ns if row.basis == "busy" else row.self_ns) or 0.0)
        for row in rows
        if row.memory_share is not None
    ]
    return sum(parts) / step_ns if parts and step_ns else None


def _peaks_of(memory: MemoryReport | None) -> dict[Path, int | None]:
    """The most memory of each stage: all that is allocated where that is known."""
    if memory is None:
        return {}
    absolute = memory.peak_bytes is not None
    return {row.path: row.peak_bytes if absolute else row.above_bytes for row in memory.rows}


def _row(
    path: Path, works: Sequence[Work], own_ns: float | None, busy_ns: float | None, peaks: Peaks | None
) -> WorkRow:
    """One stage's work over the time in which the device ran its kernels, or else over its own."""
    by_type = _types(works, peaks)
    flops, size = sum(one.flops for one in by_type), sum(one.bytes for one in by_type)
    basis, over = ("busy", busy_ns) if busy_ns else ("self", own_ns) if own_ns else ("", None)
    seconds = over / 1e9 if over else None
    least = peaks.least_seconds({one.dtype: one.flops for one in by_type}) if peaks else None
    compute = least / seconds if seconds and least is not None else None
    speed = peaks.bytes if peaks else None
    memory = size / speed / seconds if seconds and speed and size else None
    return WorkRow(
        name=path[-1] if path else OTHER,
        path=path,
        flops=flops,
        bytes=size,
        operators=sum(one.operators for one in by_type),
        types=by_type,
        self_ns=own_ns,
        busy_ns=busy_ns,
        basis=basis,
        flops_per_second=flops / seconds if seconds else None,
        bytes_per_second=size / seconds if seconds else None,
        intensity=flops / size if size else None,
        compute_share=compute,
        compute_percent=units.fraction(compute),
        memory_share=memory,
        memory_percent=units.fraction(memory),
        idle_share=None,
        idle_percent="–",
    )


def _types(works: Sequence[Work], peaks: Peaks | None) -> tuple[TypeWork, ...]:
    """The work by type of number, most operations first."""
    of_type: dict[str, list[Work]] = {}
    for one in works:
        of_type.setdefault(one.dtype, []).append(one)
    rates: Mapping[str, float] = peaks.flops if peaks else {}
    found = [
        TypeWork(
            dtype,
            sum(one.flops for one in some),
            sum(one.bytes for one in some),
            sum(one.operators for one in some),
            rates.get(dtype),
        )
        for dtype, some in of_type.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.flops, -one.bytes, one.dtype)))


def _with_idle(row: WorkRow, idle: float | None) -> WorkRow:
    return replace(row, idle_share=idle, idle_percent=units.fraction(idle))


def _with_verdict(
    row: WorkRow, share: float | None, launch: str, peaks: Peaks | None, memory: float | None = None
) -> WorkRow:
    """The same row with what holds it back; nothing is said of a stage that computes nothing."""
    if not row.operators:
        return row
    evidence = Evidence(
        share if row.basis else None,
        row.compute_share,
        row.memory_share if memory is None else memory,
        row.idle_share,
        launch,
        _lacking(row, peaks),
    )
    word, reason = verdict(evidence)
    return replace(row, verdict=word, reason=reason)


def _lacking(row: WorkRow, peaks: Peaks | None) -> str:
    """Which peak is not known without which nothing can be said of a row."""
    if peaks is None:
        return "the device's peaks are not known"
    types = [one.dtype for one in row.types if one.flops and one.peak is None]
    if types:
        return f"the device's peak of {', '.join(types[:NAMED])} is not known"
    return "" if peaks.bytes else "the device's memory bandwidth is not known"
