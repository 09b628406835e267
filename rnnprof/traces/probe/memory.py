"""What each stage does to the memory: from the allocations in a trace, and the process's own size.

A trace with ``profile_memory`` has one instant ``[memory]`` for every allocation and release, with
its bytes and what is allocated and reserved then (``torch/csrc/profiler/collection.cpp``). So the
peak of a stage is known without the counters of `torch.cuda`, which are the program's to reset.
"""

from __future__ import annotations

import os
import sys
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from rnnprof.captures import Path
from rnnprof.model import Json
from rnnprof.probes import Memory, Place
from rnnprof.recorder.resident import RESIDENT as RESIDENT
from rnnprof.recorder.resident import Resident as Resident
from rnnprof.traces.events import is_time, nanoseconds
from rnnprof.traces.labels import Labels

DEVICES = {0: "cpu", 1: "cuda", 6: "hip", 12: "xpu", 13: "mps"}
"""Names of device types by their number (``c10/core/DeviceType.h``); others are ``device``."""
MOST_PLACES = 32

Border = tuple[Path, int, int]
"""A visit of a stage: its path, and the bytes that were resident at its begin and its end."""


class _Change(NamedTuple):
    """One allocation or release: when, and by how much, with what is allocated and reserved then."""

    time: int
    bytes: int
    allocated: int
    reserved: int


class _Level:
    """What is allocated in one place over the step, above what it was when the step began.

    Args:
        changes: those of the step, in order of time; at least one.
    """

    def __init__(self, changes: Sequence[_Change]) -> None:
        self._times = [change.time for change in changes]
        self._levels = list(accumulate(change.bytes for change in changes))
        self._reserved = [change.reserved for change in changes]
        self.begin = changes[0].allocated - changes[0].bytes

    def at(self, time: int) -> int:
        """The level just before a moment, in bytes."""
        index = bisect_left(self._times, time) - 1
        return self._levels[index] if index >= 0 else 0

    def peak(self, begin: int, end: int) -> int:
        """The highest level from one moment to another, in bytes."""
        inside = self._levels[bisect_left(self._times, begin) : bisect_left(self._times, end)]
        return max([self.at(begin), *inside])

    def reserved(self, time: int) -> int:
        """What was reserved just before a moment; at the first change where there was none before."""
        return self._reserved[max(bisect_left(self._times, time) - 1, 0)]


def memory(
    data: Json, labels: Labels, borders: Iterable[Border] = (), began: int | None = None
) -> tuple[tuple[Memory, ...], tuple[Place, ...]]:
    """Sum up what each stage of one step does to each memory.

    What another thread allocates counts to the stage that the step's thread is in at that moment.

    Args:
        data: a trace with ``profile_memory``, as :func:`rnnprof.traces.events.read` gives it.
        labels: the labels of the step and its stages.
        borders: visits with the resident memory at both ends, in bytes; the step's own included.
        began: resident memory when the step began, in bytes; None where it is not known.

    Returns:
        Rows by place, then in the order of the stages, and the places. Sizes of devices are not in a
        trace: `Place.total_bytes` is None.
    """
    if not labels.windows:
        return (), ()
    begin, end = labels.windows[0]
    rows: list[Memory] = []
    places: list[Place] = []
    for name, changes in list(_changes(data, begin, end).items())[:MOST_PLACES]:
        level, on_device = _Level(changes), name != "cpu"
        visits = [(labels.paths[one.order], one.start, one.end) for one in labels.entries]
        for path, found in _by_path(visits):
            rows.append(_row(path, name, level, [(start, stop) for _, start, stop in found], on_device))
        places.append(
            Place(
                name,
                max(level.begin, 0) if on_device else None,
                max(level.reserved(end), 0) if on_device else None,
                None,
            )
        )
    resident, where = resident_memory(borders, began)
    return (*rows, *resident), (*places, *where)


def resident_memory(
    borders: Iterable[Border], began: int | None
) -> tuple[tuple[Memory, ...], tuple[Place, ...]]:
    """Sum up what each stage does to the process's resident memory.

    Args:
        borders: visits with the resident memory at both ends, in bytes; the step's own included.
        began: resident memory when the step began, in bytes; None where it is not known.
    """
    rows = tuple(
        Memory(
            path,
            RESIDENT,
            found[0][1] - (began or 0),
            sum(end - begin for _, begin, end in found),
            None,
            None,
        )
        for path, found in _by_path(borders)
    )
    return tuple(rows), (Place(RESIDENT, began, None, None),) if rows else ()


def _changes(data: Json, begin: int, end: int) -> dict[str, list[_Change]]:
    """The changes within the step, by their place, in order of time."""
    found: dict[str, list[_Change]] = {}
    for event in data["traceEvents"]:
        if not isinstance(event, dict) or event.get("name") != "[memory]":
            continue
        args, time = event.get("args"), event.get("ts")
        if not isinstance(args, dict) or not is_time(time):
            continue
        numbers: list[Any] = [args.get(key) for key in ("Bytes", "Total Allocated", "Total Reserved")]
        kind, index = args.get("Device Type"), args.get("Device Id")
        if any(type(number) is not int for number in (*numbers, kind, index)):
            continue
        when = nanoseconds(time)
        if begin <= when <= end:
            found.setdefault(_name(kind, index), []).append(_Change(when, *numbers))
    for changes in found.values():
        changes.sort(key=lambda change: change.time)
    return found


def _name(kind: Any, index: Any) -> str:
    name = DEVICES.get(kind, "device")
    return name if name == "cpu" else f"{name}:{max(index, 0)}"


def _by_path(visits: Iterable[tuple[Path, int, int]]) -> list[tuple[Path, list[tuple[Path, int, int]]]]:
    """Visits of the same stage together, in the order in which stages first began."""
    found: dict[Path, list[tuple[Path, int, int]]] = {}
    for visit in visits:
        found.setdefault(visit[0], []).append(visit)
    return list(found.items())


def _row(path: Path, place: str, level: _Level, visits: list[tuple[int, int]], on_device: bool) -> Memory:
    peaks = [(level.peak(begin, end) - level.at(begin), level.at(begin)) for begin, end in visits]
    peak, before = max(peaks)
    return Memory(
        path,
        place,
        before,
        sum(level.at(end) - level.at(begin) for begin, end in visits),
        peak,
        sum(level.reserved(end) - level.reserved(begin) for begin, end in visits) if on_device else None,
    )


def with_size(place: Place) -> Place:
    """The place with the size of its memory, where that can be asked for."""
    return Place(place.name, place.begin_bytes, place.reserved_bytes, _size(place.name))


def _size(name: str) -> int | None:
    try:
        if name in ("cpu", RESIDENT):
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        kind, _, index = name.partition(":")
        torch = sys.modules["torch"]
        properties = getattr(torch, "cuda" if kind == "hip" else kind).get_device_properties(int(index))
        return int(properties.total_memory)
    except Exception:  # what cannot be asked for is not known
        return None
