"""The memory over the training: which points are kept, and where they come from."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rnnprof.recorder import memory_course
from rnnprof.recorder.memory_course import Courses, allocated
from rnnprof.vitals import MOST_POINTS, MemoryCourse

PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


@pytest.fixture(autouse=True)
def _no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_course, "allocated", lambda torch: {})


class Ticks:
    """A clock that goes on by so much at each reading."""

    def __init__(self, *ticks: int) -> None:
        self.now, self.ticks = 0, list(ticks)

    def __call__(self) -> int:
        self.now += self.ticks.pop(0) if len(self.ticks) > 1 else self.ticks[0]
        return self.now


def statm(folder: Path, pages: int) -> str:
    (folder / "statm").write_text(f"9999 {pages} 3 4 0 5 0\n")
    return str(folder / "statm")


def test_points_are_read_anew(tmp_path: Path) -> None:
    courses = Courses(statm(tmp_path, 10), Ticks(0))
    courses.look(5)
    statm(tmp_path, 12)
    courses.look(21)
    courses.look(21)
    assert courses.found() == (MemoryCourse("resident", (5, 21), (10 * PAGE, 12 * PAGE)),)


@pytest.mark.parametrize("content", ["", "1", "x y", None])
def test_a_system_without_the_file_has_no_course(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "statm").write_text(content)
    courses = Courses(str(tmp_path / "statm"), Ticks(0))
    courses.look(5)
    assert courses.found() == ()


def test_points_are_bounded_and_their_spacing_doubles(tmp_path: Path) -> None:
    courses = Courses(statm(tmp_path, 10), Ticks(0))
    for step in range(10_000):
        courses.look(step)
    (course,) = courses.found()
    assert len(course.steps) < MOST_POINTS
    apart = {later - step for step, later in zip(course.steps, course.steps[1:], strict=False)}
    assert apart == {64}
    assert course.steps[0] == 0
    assert course.steps[-1] == 9984


def test_a_look_takes_at_most_one_part_in_a_thousand(tmp_path: Path) -> None:
    clock = Ticks(0, 3, 0)
    courses = Courses(statm(tmp_path, 10), clock)
    courses.look(0)
    for now, step in ((3002, 1), (3003, 2), (3004, 3)):
        clock.now = now
        courses.look(step)
    # The second one took no time at all: the third may come at once.
    assert courses.found()[0].steps == (0, 2, 3)


def test_one_long_look_does_not_end_the_course(tmp_path: Path) -> None:
    clock = Ticks(0, 3, 0, 10**9, 0)
    courses = Courses(statm(tmp_path, 10), clock)
    courses.look(0)
    clock.now = 3003
    courses.look(1)
    clock.now = 10**9 + 3003 + 6000
    courses.look(2)
    assert courses.found()[0].steps == (0, 1, 2)


def torch_with(cuda: dict[str, Any] | None, **others: Any) -> Any:
    modules = {name: None if one is None else SimpleNamespace(**one) for name, one in others.items()}
    return SimpleNamespace(cuda=None if cuda is None else SimpleNamespace(**cuda), **modules)


def device(*sizes: int, started: bool = True) -> dict[str, Any]:
    return {
        "is_initialized": lambda: started,
        "device_count": lambda: len(sizes),
        "memory_allocated": lambda index: sizes[index],
    }


def test_devices_that_hold_something() -> None:
    assert allocated(torch_with(device(0, 700), xpu=device(5))) == {"cuda:1": 700, "xpu:0": 5}
    assert allocated(None) == {}
    assert allocated(SimpleNamespace()) == {}


def test_no_device_is_started_or_missed_for_another() -> None:
    def broken() -> int:
        raise RuntimeError("CUDA error: device-side assert triggered")

    assert allocated(torch_with(device(3, started=False), xpu=None)) == {}
    failing = {**device(3), "device_count": broken}
    assert allocated(torch_with(failing, xpu=device(5))) == {"xpu:0": 5}


def test_a_place_that_comes_later_has_its_own_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    courses = Courses(statm(tmp_path, 10), Ticks(0))
    courses.look(5)
    monkeypatch.setattr(memory_course, "allocated", lambda torch: {"cuda:0": 70})
    courses.look(21)
    assert courses.found() == (
        MemoryCourse("resident", (5, 21), (10 * PAGE, 10 * PAGE)),
        MemoryCourse("cuda:0", (21,), (70,)),
    )
