"""A sweep's folder: what is written is read again, and what is no sweep is said to be none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rnnprof.errors import RunFileError
from rnnprof.sweepfile import load_ended, load_plan, save_ended, save_plan
from rnnprof.sweepmodel import MEMORY, Ended, Trial
from tests.sweep_folder import plan_of

TRIAL = Trial(1, 4)


def test_there_and_back(tmp_path: Path) -> None:
    plan = plan_of(
        repeat=2, steps=50, timeout_s=1.5, options=("--clock", "host"), metrics=("a=b",), tokens="9"
    )
    save_plan(plan, tmp_path)
    assert load_plan(tmp_path) == plan
    assert load_ended(TRIAL, tmp_path) is None
    ended = Ended(MEMORY, 1, 2.5, "no memory", None)
    save_ended(ended, TRIAL, tmp_path)
    assert load_ended(TRIAL, tmp_path) == ended
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0005-2.ended.json", "plan.json"]


def test_combinations_and_their_words() -> None:
    plan = plan_of(fixed=("--lr", "5"))
    assert plan.combinations == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert plan.levels(4) == ("GRU", "32")
    assert plan.words(4) == ["--lr", "5", "--model=GRU", "--bptt=32"]
    assert list(plan_of(repeat=2).trials())[5:7] == [Trial(0, 5), Trial(1, 0)]


def test_a_folder_without_a_plan(tmp_path: Path) -> None:
    with pytest.raises(RunFileError) as error:
        load_plan(tmp_path)
    assert str(error.value) == f"{tmp_path} is no sweep: it has no plan.json"


@pytest.mark.parametrize(
    "changed",
    [
        {"format": "another"},
        {"factors": []},
        {"factors": [{"name": "a", "levels": ["1"], "words": []}]},
        {"order": [[0, 1]]},
        {"order": [[0, 1, 2, 3, 4, 4]]},
        {"repeat": 2},
        {"repeat": 0},
        {"steps": 0},
        {"more": 1},
        {"target": "main.py"},
        {"order": [[0, 1, 2, 3, 4, 5.0]]},
        {"repeat": 1.0},
        {"timeout_s": float("nan")},
    ],
)
def test_a_plan_that_is_none(tmp_path: Path, changed: dict[str, Any]) -> None:
    save_plan(plan_of(), tmp_path)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    with pytest.raises(RunFileError) as error:
        load_plan(tmp_path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, '{"format": "rnnprof-sweep-1"}', "\xff"])
def test_files_that_are_none(tmp_path: Path, text: str) -> None:
    TRIAL.file(tmp_path, "ended.json").write_text(text, encoding="latin-1")
    (tmp_path / "plan.json").write_text(text, encoding="latin-1")
    for load in (lambda: load_ended(TRIAL, tmp_path), lambda: load_plan(tmp_path)):
        with pytest.raises(RunFileError):
            load()


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"status": "well"}, "ended.json.status must be one of"),
        ({"peak_bytes": 5.0}, "a number of it is not written as an integer"),
        ({"seconds": float("inf")}, "it holds Infinity, which is no finite number"),
    ],
)
def test_the_fault_of_an_end_is_named(tmp_path: Path, changed: dict[str, Any], fault: str) -> None:
    save_ended(Ended(MEMORY, 1, 2.5), TRIAL, tmp_path)
    path = TRIAL.file(tmp_path, "ended.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    with pytest.raises(RunFileError) as error:
        load_ended(TRIAL, tmp_path)
    assert str(error.value).startswith(f"{path} is no part of a sweep: ")
    assert fault in str(error.value)
