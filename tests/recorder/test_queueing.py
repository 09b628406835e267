"""Waiting for a core, from files as Linux has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnprof.recorder.queueing import Queueing, times
from rnnprof.vitals import Crowding


def threads(folder: Path, **found: str) -> str:
    for old in folder.glob("*/schedstat"):
        old.unlink()
    for name, line in found.items():
        place = folder / name.strip("t")
        place.mkdir(exist_ok=True)
        (place / "schedstat").write_text(line)
    return str(folder)


def test_what_passed_since_is_summed_over_busy_threads(tmp_path: Path) -> None:
    now = [1000]
    # Threads 7 (trains), 8 (works), 9 (sleeps), 10 (ends); 11 begins later.
    folder = threads(tmp_path, t7="100 50 9", t8="10 10 1", t9="0 0 0", t10="5 5 5")
    queueing = Queueing(folder, lambda: now[0], own=7)
    now[0] += 400
    threads(tmp_path, t7="300 90 19", t8="30 190 2", t9="19 3 2", t11="200 1 1")
    assert queueing.found() == Crowding(400, 3, 200 + 20 + 200, 40 + 180 + 1, 40)


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"t7": "0 0 0", "t8": "0 0 0"},
        {"t7": "500 0 3"},
        {"t8": "500 9 3"},
        {"t7": "500", "t8": "x 9 3"},
    ],
)
def test_what_the_system_does_not_count_is_not_there(tmp_path: Path, found: dict[str, str]) -> None:
    now = [1000]
    queueing = Queueing(threads(tmp_path, **found), lambda: now[0], own=7)
    now[0] += 10
    assert queueing.found() is None


def test_no_time_has_passed(tmp_path: Path) -> None:
    queueing = Queueing(threads(tmp_path, t7="5 5 5"), lambda: 3, own=7)
    assert queueing.found() is None


def test_a_number_that_another_thread_has_now(tmp_path: Path) -> None:
    now = [0]
    queueing = Queueing(threads(tmp_path, t7="5 5 5", t8="900 900 9"), lambda: now[0], own=7)
    now[0] = 100
    threads(tmp_path, t7="50 15 5", t8="20 30 9")
    assert queueing.found() == Crowding(100, 2, 45 + 20, 10 + 30, 10)
    # It has run for longer than the one before, and waited less.
    threads(tmp_path, t7="50 15 5", t8="950 30 9")
    assert queueing.found() == Crowding(100, 2, 45 + 950, 10 + 30, 10)


def test_files_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "12").mkdir()
    assert times(threads(tmp_path, t7="5 6 7", tx="1 2 3")) == {7: (5, 6)}
    assert times(str(tmp_path / "none")) == {}
