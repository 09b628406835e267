"""What each stage does to each memory."""

from __future__ import annotations

from rnnprof import units
from rnnprof.analysis.portions import tree_order
from rnnprof.analysis.probed import MemoryReport, MemoryRow
from rnnprof.probes import Memory, Path, Place, Probe

STEP = "step"
RESIDENT = "resident"


def memory_reports(probe: Probe) -> tuple[MemoryReport, ...]:
    """Lay out the memory of the probed step.

    Args:
        probe: what it showed.

    Returns:
        A report for each memory that is named, also where the run lacks its size.
    """
    named = {place.name: place for place in probe.places}
    for one in probe.memory:
        named.setdefault(one.place, Place(one.place, None, None, None))
    return tuple(_report(probe, place) for place in named.values())


def main_memory(reports: tuple[MemoryReport, ...], device: str) -> MemoryReport | None:
    """The memory that a short table shows.

    Args:
        reports: all memories.
        device: what the program computed on.

    Returns:
        That of the device in which the step adds most; None where no peak of it is known.
    """

    def most(report: MemoryReport) -> int:
        return max((row.above_bytes or 0 for row in report.rows), default=0)

    own = [one for one in reports if one.place.split(":")[0] == device]
    known = [one for one in own if any(row.above_bytes is not None for row in one.rows)]
    return max(known, key=most, default=None)


def _report(probe: Probe, place: Place) -> MemoryReport:
    found = {one.path: one for one in probe.memory if one.place == place.name}
    order: list[Path] = [stage.path for stage in probe.stages if stage.path in found]
    rows = [_row(found[path], place) for path in tree_order(list(dict.fromkeys([*order, *found])))]
    peaks = [row.peak_bytes for row in rows if row.peak_bytes is not None]
    peak = max(peaks, default=None)
    peak_share, reserved_share = _share(peak, place), _share(place.reserved_bytes, place)
    return MemoryReport(
        place=place.name,
        rows=tuple(rows),
        begin_bytes=place.begin_bytes,
        reserved_bytes=place.reserved_bytes,
        total_bytes=place.total_bytes,
        peak_bytes=peak,
        peak_share=peak_share,
        peak_percent=units.fraction(peak_share),
        reserved_share=reserved_share,
        reserved_percent=units.fraction(reserved_share),
    )


def _row(one: Memory, place: Place) -> MemoryRow:
    peak = None
    if place.begin_bytes is not None and one.peak_bytes is not None:
        peak = max(place.begin_bytes + one.before_bytes + one.peak_bytes, 0)
    return MemoryRow(
        name=one.path[-1] if one.path else STEP,
        path=one.path,
        allocated_bytes=one.allocated_bytes,
        above_bytes=one.peak_bytes,
        peak_bytes=peak,
        reserved_bytes=one.reserved_bytes,
    )


def _share(number: int | None, place: Place) -> float | None:
    """A part of the memory; None where it is not known, or contradicts the memory's size."""
    if number is None or not place.total_bytes or not 0 <= number <= place.total_bytes:
        return None
    return number / place.total_bytes
