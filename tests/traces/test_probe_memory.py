"""Memory stage by stage, from allocations in traces made by hand and in a real one."""

from __future__ import annotations

from typing import Any

import pytest
from trace_builder import BACKWARD, MAIN, TraceBuilder

from rnnprof.probes import Memory, Place
from rnnprof.traces.events import entries
from rnnprof.traces.labels import Labels, find
from rnnprof.traces.probe.memory import RESIDENT, Resident, memory

PATHS = (("forward",), ("forward", "rnn"), ("backward",))


def allocation(
    trace: TraceBuilder,
    at: float,
    size: int,
    total: int,
    held: int,
    kind: int = 1,
    index: int = 0,
    tid: int = MAIN,
) -> dict[str, Any]:
    """An allocation, or a release where the size is negative."""
    args = {"Total Reserved": held, "Total Allocated": total, "Bytes": size}
    args |= {"Device Type": kind, "Device Id": index, "Addr": 1}
    event = {"ph": "i", "cat": "cpu_instant_event", "s": "t", "name": "[memory]", "pid": 99, "tid": tid}
    event |= {"ts": at, "args": args}
    trace.events.append(event)
    return event


def labels_of(trace: TraceBuilder) -> Labels:
    return find(entries(trace.data()), PATHS, (4,))


@pytest.fixture
def step() -> TraceBuilder:
    """A step of 100 µs on a device that held 1,000 bytes of 4,000 reserved before it."""
    trace = TraceBuilder()
    trace.step(4, 0, 100)
    trace.label("forward", 10, 40)
    trace.label("rnn", 20, 30)
    trace.label("backward", 50, 90)
    allocation(trace, 12, 500, 1500, 4000)
    allocation(trace, 22, 3000, 4500, 6000)
    allocation(trace, 26, -2000, 2500, 6000)
    # Autograd's own thread frees what the forward pass kept, and allocates gradients.
    allocation(trace, 55, 700, 3200, 6000, tid=BACKWARD)
    allocation(trace, 60, -1500, 1700, 6000, tid=BACKWARD)
    return trace


def test_growth_peak_and_reserved_of_each_stage(step: TraceBuilder) -> None:
    rows, places = memory(step.data(), labels_of(step))
    assert rows == (
        Memory((), "cuda:0", 0, 700, 3500, 2000),
        Memory(("forward",), "cuda:0", 0, 1500, 3500, 2000),
        Memory(("forward", "rnn"), "cuda:0", 500, 1000, 3000, 2000),
        Memory(("backward",), "cuda:0", 1500, -800, 700, 0),
    )
    assert places == (Place("cuda:0", 1000, 6000, None),)


def test_several_visits_are_summed_and_the_highest_peak_stays() -> None:
    trace = TraceBuilder()
    trace.step(4, 0, 100)
    for start in (10, 30, 50):
        trace.label("forward", start, start + 10)
    allocation(trace, 11, 10, 10, 0, kind=0, index=-1)
    allocation(trace, 31, 50, 60, 0, kind=0, index=-1)
    allocation(trace, 32, -50, 10, 0, kind=0, index=-1)
    allocation(trace, 51, 20, 30, 0, kind=0, index=-1)
    rows, places = memory(trace.data(), labels_of(trace))
    assert rows == (Memory((), "cpu", 0, 30, 60, None), Memory(("forward",), "cpu", 10, 30, 50, None))
    # What the host had allocated before is not known.
    assert places == (Place("cpu", None, None, None),)


def test_each_device_by_itself(step: TraceBuilder) -> None:
    allocation(step, 70, 64, 64, 128, index=1)
    allocation(step, 71, 8, 8, 0, kind=13)
    rows, places = memory(step.data(), labels_of(step))
    assert [place.name for place in places] == ["cuda:0", "cuda:1", "mps:0"]
    assert [row for row in rows if row.place == "cuda:1" and row.allocated_bytes] == [
        Memory((), "cuda:1", 0, 64, 64, 0),
        Memory(("backward",), "cuda:1", 0, 64, 64, 0),
    ]


def test_what_is_outside_the_step_does_not_count(step: TraceBuilder) -> None:
    before = memory(step.data(), labels_of(step))
    allocation(step, -5, 1 << 40, 1 << 40, 1 << 40)
    allocation(step, 101, 1 << 40, 1 << 40, 1 << 40)
    assert memory(step.data(), labels_of(step)) == before


@pytest.mark.parametrize(
    "broken",
    [
        {"args": None},
        {"args": {}},
        {"args": {"Bytes": "8", "Total Allocated": 1, "Total Reserved": 1, "Device Type": 1, "Device Id": 0}},
        {
            "args": {
                "Bytes": True,
                "Total Allocated": 1,
                "Total Reserved": 1,
                "Device Type": 1,
                "Device Id": 0,
            }
        },
        {"ts": "soon"},
    ],
)
def test_what_is_no_allocation_is_passed_over(step: TraceBuilder, broken: dict[str, Any]) -> None:
    before = memory(step.data(), labels_of(step))
    allocation(step, 15, 1, 1, 1).update(broken)
    assert memory(step.data(), labels_of(step)) == before


def test_resident_memory_at_the_borders() -> None:
    trace = TraceBuilder()
    trace.step(4, 0, 100)
    trace.label("forward", 10, 40)
    borders = [((), 5000, 9000), (("forward",), 6000, 7000), (("forward",), 7500, 7400)]
    rows, places = memory(trace.data(), labels_of(trace), borders, 5000)
    assert rows == (
        Memory((), RESIDENT, 0, 4000, None, None),
        Memory(("forward",), RESIDENT, 1000, 900, None, None),
    )
    assert places == (Place(RESIDENT, 5000, None, None),)


def test_a_trace_without_the_step() -> None:
    assert memory(TraceBuilder().data(), Labels(), [((), 1, 2)], 1) == ((), ())


def test_resident_memory_is_read() -> None:
    try:
        resident = Resident()
    except OSError:
        pytest.skip("this system has no /proc/self/statm")
    assert resident.read() > 1 << 20
    resident.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        resident.read()
