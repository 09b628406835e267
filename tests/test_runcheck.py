"""What the schema cannot say of a run, or says only roughly, and that its messages are clean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import rnnprof
from rnnprof import histogram, runcheck
from tests.test_runfile import changed, refused, series


@pytest.mark.parametrize("key", ["version", "wall_ns", "rank", "world_size"])
def test_integers_are_written_as_such(tmp_path: Path, key: str) -> None:
    message = "is no valid run: a number of the run is not written as an integer"
    assert refused(tmp_path, changed(**{key: 1.0})) == message


def test_the_longest_durations_have_the_last_bin() -> None:
    bins = runcheck.schema()["definitions"]["series"]["properties"]["bins"]
    assert bins["items"]["maximum"] == histogram.index(2**63 - 1) == bins["maxItems"] - 1


def test_lanes_have_names_of_their_own(tmp_path: Path) -> None:
    lane = {"name": "train", "series": series()}
    assert refused(tmp_path, changed(lanes=[lane, lane])) == "is no valid run: it has two lanes 'train'"


def nested(levels: int) -> list[dict[str, Any]]:
    stages: list[dict[str, Any]] = []
    for _ in range(levels):
        stages = [{"name": "a", "series": series(), "stages": stages}]
    return stages


def test_what_nests_too_deep(tmp_path: Path) -> None:
    lane = {"name": "train", "series": series(), "stages": nested(81)}
    message = "is no valid run: its stages nest deeper than 80 levels"
    assert refused(tmp_path, changed(lanes=[lane])) == message
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]
    message = "is no valid run: its environment nest deeper than 80 levels"
    assert refused(tmp_path, changed(environment={"deep": deep})) == message


def test_steps_may_go_on_while_a_running_program_is_saved(tmp_path: Path) -> None:
    more = series(count=2, total_ns=10)
    lane = {"name": "train", "series": series(), "steps": {"host": {"series": series(), "wall": more}}}
    message = "is no valid run: the two clocks of train, host steps count 1 and 2 steps"
    assert refused(tmp_path, changed(lanes=[lane])) == message
    (tmp_path / "run.json").write_bytes(changed(lanes=[lane], ended="running"))
    rnnprof.load(tmp_path / "run.json")


HOSTILE = "\x1b[31m\n" + "x" * 5000


@pytest.mark.parametrize(
    "lanes",
    [
        [{"name": HOSTILE, "series": series(min_ns=9)}],
        [{"name": HOSTILE, "series": series()}] * 2,
        [{"name": "train", "series": series(), "steps": {HOSTILE: {"series": series()}}}],
        [{"name": "train", "series": series(), "steps": {"\x1b\n": {}}}],
    ],
)
def test_a_message_is_one_short_clean_line(tmp_path: Path, lanes: list[Any]) -> None:
    message = refused(tmp_path, changed(lanes=lanes))
    assert message.isprintable()
    assert len(message) < 250
