"""The time of a device is divided among the stages: every instant once."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rnnprof.traces.device_time import Work, busy_and_gaps

A, B = ("a",), ("b",)


def test_one_after_another() -> None:
    work = [Work("0", 10, 30, A), Work("0", 50, 60, B), Work("0", 60, 70, A)]
    assert busy_and_gaps(work, [(0, 100)]) == ({A: 30, B: 10}, {A: 10, B: 20})


def test_overlapped_time_belongs_to_the_kernel_that_began_first() -> None:
    work = [Work("0", 5, 20, B), Work("0", 0, 10, A), Work("0", 6, 9, A), Work("0", 15, 30, A)]
    assert busy_and_gaps(work, [(0, 30)]) == ({A: 20, B: 10}, {A: 0, B: 0})


def test_idle_time_outside_the_steps_is_nobodys() -> None:
    work = [Work("0", 12, 14, A), Work("0", 40, 50, B)]
    # 10 to 12; then 14 to 20 and 35 to 40: between the two steps nobody waited for a stage.
    assert busy_and_gaps(work, [(10, 20), (35, 60)]) == ({A: 2, B: 10}, {A: 2, B: 11})


def test_the_device_may_finish_after_the_host() -> None:
    work = [Work("0", 5, 30, A), Work("0", 33, 40, B)]
    assert busy_and_gaps(work, [(0, 20)]) == ({A: 25, B: 7}, {A: 5, B: 3})


def test_what_does_not_count_only_ends_idle_time() -> None:
    work = [Work("0", 0, 10, None), Work("0", 12, 20, A), Work("0", 25, 40, None), Work("0", 30, 50, B)]
    assert busy_and_gaps(work, [(5, 60)]) == ({A: 8, B: 20}, {A: 2, B: 0})


def test_each_device_on_its_own() -> None:
    work = [Work("0", 0, 10, A), Work("1", 5, 15, A), Work("1", 20, 25, B)]
    assert busy_and_gaps(work, [(0, 30)]) == ({A: 20, B: 5}, {A: 5, B: 5})


def test_nothing_at_all() -> None:
    assert busy_and_gaps([], []) == ({}, {})
    assert busy_and_gaps([Work("0", 1, 2, A)], []) == ({A: 1}, {A: 0})


@st.composite
def works(draw: st.DrawFn) -> list[Work]:
    found = []
    for _ in range(draw(st.integers(0, 12))):
        start = draw(st.integers(0, 60))
        path = draw(st.sampled_from([A, B, ("a", "b"), None]))
        found.append(Work(draw(st.sampled_from("01")), start, start + draw(st.integers(0, 15)), path))
    return found


@settings(deadline=None, max_examples=60)
@given(works(), st.integers(0, 30), st.integers(0, 30))
def test_instant_by_instant(work: list[Work], begin: int, length: int) -> None:
    busy, gaps = busy_and_gaps(work, [(begin, begin + length)])
    counted = [one for one in work if one.path is not None]
    end = max([begin + length, *(one.end for one in counted)])
    union = sum(
        any(one.start <= now < one.end and one.device == device for one in counted)
        for now in range(80)
        for device in "01"
    )
    assert sum(busy.values()) == union
    idle = 0
    for device in "01":
        mine = [one for one in work if one.device == device]
        for now in range(begin, end):
            if any(one.start <= now < one.end for one in mine):
                continue
            later = min((one.start for one in mine if one.start > now), default=None)
            ends_it = [one for one in work if one.device == device and one.start == later]
            idle += bool(ends_it) and ends_it[0].path is not None
    assert sum(gaps.values()) == idle
    assert all(time >= 0 for time in [*busy.values(), *gaps.values()])
