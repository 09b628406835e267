"""What `rnnprof view` opens in what, and the folder that it gives to TensorBoard."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from rnnprof import runfile
from rnnprof.captures import Trace
from rnnprof.viewers import choice, logdir
from rnnprof.viewers.choice import Choice, choose
from tests.cli.view_files import EVENTS, PLAIN, TWO_WINDOWS, write_plain, write_trace, write_traced


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, so that messages hold short names."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def plain() -> None:
    write_plain()


@pytest.fixture
def traced() -> None:
    write_traced()


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(
    ("file", "viewer", "content", "expected"),
    [
        ("run.json", None, None, Choice("tensorboard", Path("run.json"))),
        ("run.trace", None, None, Choice("tensorboard", Path("run.trace"))),
        ("run.json", "perfetto", None, Choice("perfetto", Path("run.trace/stages.trace.json.gz"))),
        ("run.trace", "perfetto", None, Choice("perfetto", Path("run.trace/stages.trace.json.gz"))),
        (
            "run.json",
            "speedscope",
            "steps",
            Choice("speedscope", Path("run.trace/steps-9-10.trace.json.gz"), (TWO_WINDOWS,)),
        ),
        (
            "run.trace",
            None,
            "steps",
            Choice("perfetto", Path("run.trace/steps-9-10.trace.json.gz"), (TWO_WINDOWS,)),
        ),
        ("run.json", None, "stages", Choice("perfetto", Path("run.trace/stages.trace.json.gz"))),
        ("run.json", "snakeviz", None, Choice("snakeviz", Path("run.prof"))),
        ("run.json", None, "functions", Choice("snakeviz", Path("run.prof"))),
        ("run.json", None, "loop", Choice("snakeviz", Path("run.loop.prof"))),
        ("run.prof", None, None, Choice("snakeviz", Path("run.prof"))),
        (
            "run.trace/steps-30-32.trace.json.gz",
            None,
            None,
            Choice("perfetto", Path("run.trace/steps-30-32.trace.json.gz")),
        ),
    ],
)
def test_what_opens_in_what(file: str, viewer: str | None, content: str | None, expected: Choice) -> None:
    assert choose(Path(file), viewer, content) == expected


@pytest.mark.usefixtures("traced")
def test_the_functions_beside_a_folder(folder: Path) -> None:
    assert choose(Path("run.trace"), "snakeviz", "loop") == Choice("snakeviz", folder / "run.loop.prof")


@pytest.mark.usefixtures("traced")
def test_what_opens_where_something_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "find_spec", lambda name: None)
    monkeypatch.setattr(choice.perfetto, "find_spec", lambda name: None)
    assert choose(Path("run.json")) == Choice("speedscope", Path("run.trace/stages.trace.json.gz"))
    Path("run.trace/stages.trace.json.gz").unlink()
    assert choose(Path("run.json")).file == Path("run.trace/steps-9-10.trace.json.gz")


def test_the_ranks_of_a_job_share_the_folder() -> None:
    traces = (Trace(3, 1, 1000, "run.trace/steps-3-3.rank1.trace.json.gz", 10),)
    runfile.save(replace(PLAIN, rank=1, world_size=2, traces=traces), "run.rank1.json")
    write_trace("run.trace/steps-3-3.rank1.trace.json.gz")
    write_trace("run.trace/stages.trace.json.gz")
    assert choose(Path("run.rank1.json"), "perfetto").file == Path("run.trace/steps-3-3.rank1.trace.json.gz")
    write_trace("run.trace/stages.rank1.trace.json.gz")
    assert choose(Path("run.rank1.json"), "perfetto").file == Path("run.trace/stages.rank1.trace.json.gz")


@pytest.mark.parametrize(("text", "viewer"), [(json.dumps(EVENTS), "perfetto"), ("[\n", "perfetto")])
def test_a_trace_is_known_by_its_content(text: str, viewer: str) -> None:
    Path("a.json").write_text(text)
    assert choose(Path("a.json")) == Choice(viewer, Path("a.json"))


@pytest.mark.usefixtures("plain")
def test_a_run_without_traces_has_a_passing_folder(folder: Path) -> None:
    with logdir.logdir(Path("run.json"), []) as passing:
        assert passing.parent != folder
        assert (passing / "run.json").read_bytes() == Path("run.json").read_bytes()
        assert len(list(passing.glob("events.out.tfevents.*"))) == 1
    assert not passing.exists()
    assert sorted(path.name for path in folder.iterdir()) == ["run.json"]


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("file", ["run.json", "run.trace"])
def test_the_copy_and_the_scalars_are_brought_up_to_date(file: str) -> None:
    copy = Path("run.trace/run.json")
    with logdir.logdir(Path(file), []) as found:
        assert found.resolve() == Path("run.trace").resolve()
        assert copy.read_bytes() == Path("run.json").read_bytes()
        (scalars,) = found.glob("events.out.tfevents.*")
    scalars.write_bytes(b"kept")
    with logdir.logdir(Path(file), []):
        assert scalars.read_bytes() == b"kept"
    os.utime("run.json", ns=(0, copy.stat().st_mtime_ns + 1))
    with logdir.logdir(Path(file), []):
        assert scalars.read_bytes() != b"kept"


@pytest.mark.usefixtures("traced")
def test_a_folder_that_cannot_be_written_is_shown_as_it_is() -> None:
    Path("run.trace/run.json").mkdir()
    os.utime("run.trace/run.json", ns=(0, 0))
    notices: list[str] = []
    with logdir.logdir(Path("run.json"), notices):
        assert len(notices) == 1
    assert notices[0].startswith("what is shown may be older than run.json: cannot write ")
