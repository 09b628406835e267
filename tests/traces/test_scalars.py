"""Scalars: TensorBoard reads exactly what was written."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from run_builder import lane_of, run_of, steps_of, word_language_model, word_step

from rnnprof.analysis.breakdown import breakdown
from rnnprof.errors import RunFileError
from rnnprof.model import Run
from rnnprof.traces import scalars


def read(folder: Path) -> dict[str, list[tuple[float, int, float]]]:
    """All scalars of a folder as TensorBoard reads them."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), {"scalars": 0})
    events.Reload()
    return {
        tag: [(one.wall_time, one.step, one.value) for one in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def as_float32(value: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    run = word_language_model(30)
    file = scalars.write(run, tmp_path / "run.trace")
    assert file == tmp_path / "run.trace" / "events.out.tfevents.1740830400.rnnprof.rank0"
    written: dict[str, list[tuple[float, int, float]]] = {}
    for when, step, values in scalars.points(run):
        for tag, value in values.items():
            written.setdefault(tag, []).append((when, step, as_float32(value)))
    assert read(file.parent) == written
    assert len(written["step ms"]) == 30
    step = breakdown(run).step
    assert step is not None
    assert step.tokens_per_second is not None
    assert [value for _, _, value in written["tokens per second"]] == [as_float32(step.tokens_per_second)]
    assert {"stage ms/forward", "stage ms/forward/rnn", "share %/forward/rnn", "share %/other"} <= set(
        written
    )


def test_the_values_are_those_of_the_steps(tmp_path: Path) -> None:
    steps = [{(): [4_000_000], ("a",): [3_000_000], ("a", "b"): [1_000_000]}, {(): [8_000_000]}]
    scalars.write(run_of([lane_of("train", {"host": steps_of(steps)})]), tmp_path)
    found = {tag: [(step, value) for _, step, value in points] for tag, points in read(tmp_path).items()}
    assert found == {
        "step ms": [(1, 4.0), (2, 8.0)],
        "stage ms/a": [(1, 3.0), (2, 0.0)],
        "share %/a": [(1, 50.0), (2, 0.0)],
        "stage ms/a/b": [(1, 1.0), (2, 0.0)],
        "share %/a/b": [(1, 25.0), (2, 0.0)],
        "stage ms/other": [(1, 1.0), (2, 8.0)],
        "share %/other": [(1, 25.0), (2, 100.0)],
    }


def test_names_that_look_alike_have_tags_of_their_own(tmp_path: Path) -> None:
    step = {(): [100], ("a",): [50], ("a", "b"): [20], ("a/b",): [10], ("other",): [5], ("é\n<b>",): [1]}
    scalars.write(run_of([lane_of("train", {"host": steps_of([step])})]), tmp_path)
    assert {tag for tag in read(tmp_path) if tag.startswith("stage")} == {
        "stage ms/a",
        "stage ms/a/b",
        "stage ms/a/b (2)",
        "stage ms/other",
        "stage ms/other (2)",
        "stage ms/é\\n<b>",
    }


def test_a_later_save_and_a_later_run_take_its_place(tmp_path: Path) -> None:
    first = scalars.write(word_language_model(20), tmp_path)
    assert scalars.write(word_language_model(40), tmp_path) == first
    assert len(read(tmp_path)["step ms"]) == 40
    other_rank = scalars.write(word_language_model(20, rank=1), tmp_path)
    later = scalars.write(word_language_model(25, created="2025-03-01T13:00:00+00:00"), tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([other_rank, later])


def test_a_run_without_steps_has_no_values(tmp_path: Path) -> None:
    scalars.write(run_of([lane_of("setup", unclaimed=5)]), tmp_path)
    assert read(tmp_path) == {}


def test_long_runs_stay_below_what_tensorboard_shows(tmp_path: Path) -> None:
    dice = random.Random(1)
    steps = steps_of([word_step(dice) for _ in range(1024)])
    file = scalars.write(run_of([lane_of("train", {"host": steps})]), tmp_path)
    # Of more than 1,000 points TensorBoard shows a choice.
    assert len(read(tmp_path)["step ms"]) == 512
    assert file.stat().st_size < 1_000_000


def test_what_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunFileError, match=r"^cannot write .*rank0: .+$"):
        scalars.write(word_language_model(20), tmp_path / "file")


def run_at(created: str) -> Run:
    return word_language_model(20, created=created)


@pytest.mark.parametrize("created", ["", "yesterday", "0001-01-01T00:00:00+00:00"])
def test_a_date_that_cannot_be_told_is_the_oldest(tmp_path: Path, created: str) -> None:
    assert scalars.write(run_at(created), tmp_path).name == "events.out.tfevents.0000000000.rnnprof.rank0"


def test_writing_loads_neither_tensorboard_nor_torch() -> None:
    code = (
        "import sys, rnnprof.traces.scalars\n"
        "print(sorted({'tensorboard', 'torch', 'numpy', 'absl', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
