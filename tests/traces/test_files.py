"""Where the traces of a run lie, and what an earlier run of the same name left."""

from __future__ import annotations

from pathlib import Path

from rnnprof.traces.files import Files


def test_names_of_one_process() -> None:
    files = Files(Path("/runs/lstm.json"))
    assert files.functions == Path("/runs/lstm.prof")
    assert files.loop_functions == Path("/runs/lstm.loop.prof")
    assert files.stages == Path("/runs/lstm.trace/stages.trace.json.gz")
    assert files.copy == Path("/runs/lstm.trace/lstm.json")
    assert files.steps(5, 7) == Path("/runs/lstm.trace/steps-5-7.trace.json.gz")
    assert files.tensorboard(1234) == Path("/runs/lstm.trace/rank0.1234.pt.trace.json.gz")
    assert files.relative(files.steps(5, 7)) == "lstm.trace/steps-5-7.trace.json.gz"
    assert files.relative(files.functions) == "lstm.prof"


def test_the_ranks_of_a_job_share_a_folder() -> None:
    files = Files(Path("/runs/run.rank3.json"), rank=3)
    assert files.functions == Path("/runs/run.rank3.prof")
    assert files.copy == Path("/runs/run.trace/run.rank3.json")
    assert files.steps(5, 7) == Path("/runs/run.trace/steps-5-7.rank3.trace.json.gz")
    assert files.tensorboard(9) == Path("/runs/run.trace/rank3.9.pt.trace.json.gz")
    # Not every rank is in a name: a user may have chosen one for each process.
    assert Files(Path("/runs/a.json"), rank=3).folder == Path("/runs/a.trace")


def test_an_earlier_run_is_cleared_and_nothing_else(tmp_path: Path) -> None:
    files = Files(tmp_path / "run.json")
    files.folder.mkdir()
    mine = [
        *(files.functions, files.loop_functions, files.copy, files.stages, files.steps(1, 3)),
        files.folder / ".4711.steps-1-3.trace.json",
        *(files.tensorboard(77), files.folder / "events.out.tfevents.12.rnnprof.rank0"),
    ]
    others = [
        *(tmp_path / "run.json", tmp_path / "other.prof", files.folder / "notes.txt"),
        files.folder / "steps-1-3.rank1.trace.json.gz",
        files.folder / "rank1.77.pt.trace.json.gz",
        files.folder / "events.out.tfevents.12.rnnprof.rank1",
        files.folder / "events.out.tfevents.12.host",
    ]
    for file in [*mine, *others]:
        file.write_text("x")
    files.clear()
    assert [file for file in mine if file.exists()] == []
    assert [file for file in others if not file.exists()] == []


def test_clearing_where_nothing_is(tmp_path: Path) -> None:
    Files(tmp_path / "run.json").clear()
    assert list(tmp_path.iterdir()) == []
