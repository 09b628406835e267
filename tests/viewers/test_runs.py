"""Which runs are found under a folder, and that nothing else is opened."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from run_builder import word_language_model

from rnnprof import runfile
from rnnprof.viewers import runs
from rnnprof.viewers.runs import Runs


def save(path: Path, steps: int = 20, **changed: object) -> Path:
    """A run in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    runfile.save(word_language_model(steps, **changed), path)
    return path


def names(root: Path) -> list[str]:
    return [found.name for found in Runs(root).listing().runs]


def test_runs_at_any_depth_by_their_relative_paths(tmp_path: Path) -> None:
    for name in ("b.json", "a/run.json", "a/b/c/run.rank3.json"):
        save(tmp_path / name)
    assert names(tmp_path) == ["a/b/c/run.rank3.json", "a/run.json", "b.json"]
    found = Runs(tmp_path).read("a/run.json")
    assert found is not None
    assert found.run == word_language_model(20)


def test_other_files_are_no_runs(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "list.json").write_text("[1")
    (tmp_path / "steps-10-12.trace.json").write_text('{"format": "rnnprof-run"}')
    (tmp_path / "rank0.1.pt.trace.json").write_text('{"format": "rnnprof-run"}')
    (tmp_path / "folder.json").mkdir()
    save(tmp_path / ".hidden" / "run.json")
    save(tmp_path / ".run.json.7.tmp")
    save(tmp_path / "run.txt")
    here = Runs(tmp_path)
    assert here.listing() == runs.Listing(())
    assert not here.any()
    for name in ("config.json", "folder.json", ".hidden/run.json", "run.txt", "none.json"):
        assert here.read(name) is None


def test_a_broken_run_says_what_is_wrong(tmp_path: Path) -> None:
    whole = save(tmp_path / "good.json").read_text()
    (tmp_path / "cut.json").write_text(whole[:2000])
    newer = json.loads(whole) | {"version": 99}
    (tmp_path / "newer.json").write_text(json.dumps(newer))
    cut, good, newest = Runs(tmp_path).listing().runs
    assert cut.run is None
    assert cut.error.startswith("cut.json is no complete JSON at line 1")
    assert "\n" not in cut.error
    assert (good.name, good.error) == ("good.json", "")
    assert newest.error.startswith("newer.json was written by a newer rnnprof")
    assert str(tmp_path) not in cut.error + newest.error


def test_a_run_is_read_again_when_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = save(tmp_path / "run.json", 20)
    read: list[Path] = []
    load = runfile.load
    monkeypatch.setattr(runfile, "load", lambda path: read.append(path) or load(path))
    here = Runs(tmp_path)
    for _ in range(2):
        assert here.listing().runs[0].run == word_language_model(20)
    assert read == [file]
    save(file, 30)
    assert here.listing().runs[0].run == word_language_model(30)
    file.unlink()
    assert here.listing().runs == ()
    assert here.read("run.json") is None


@pytest.mark.parametrize(
    "name",
    [
        "../out.json",
        "a/../../out.json",
        "/etc/passwd.json",
        "a//run.json",
        "./a/run.json",
        "a\\run.json",
        "",
        ".",
        "..",
        "a/",
        "a\0.json",
        "\udcff.json",
        "a/.run.json",
        "x" * 5000 + ".json",
    ],
)
def test_names_that_lead_out_or_are_odd(tmp_path: Path, name: str) -> None:
    save(tmp_path / "out.json")
    save(tmp_path / "in" / "a" / "run.json")
    assert Runs(tmp_path / "in").read(name) is None


def test_an_absolute_path_is_no_name(tmp_path: Path) -> None:
    file = save(tmp_path / "in" / "run.json")
    assert Runs(tmp_path / "in").read(str(file)) is None


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    save(tmp_path / "secret" / "run.json")
    inside = tmp_path / "in"
    save(inside / "run.json")
    try:
        os.symlink(tmp_path / "secret" / "run.json", inside / "file.json")
        os.symlink(tmp_path / "secret", inside / "folder")
        os.symlink(inside / "run.json", inside / "same.json")
    except OSError:
        pytest.skip("needs symbolic links")
    here = Runs(inside)
    assert [found.name for found in here.listing().runs] == ["run.json", "same.json"]
    assert here.read("file.json") is None
    assert here.read("folder/run.json") is None


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    save(tmp_path / "real" / "run.json")
    try:
        os.symlink(tmp_path / "real", tmp_path / "link")
    except OSError:
        pytest.skip("needs symbolic links")
    assert names(tmp_path / "link") == ["run.json"]


def test_the_copy_among_the_traces_shows_once(tmp_path: Path) -> None:
    for name in ("run.json", "run.trace/run.json", "run.rank3.json", "run.trace/run.rank3.json"):
        save(tmp_path / name, rank=3 if "rank3" in name else 0, world_size=4)
    assert names(tmp_path) == ["run.json", "run.rank3.json"]
    assert names(tmp_path / "run.trace") == ["run.json", "run.rank3.json"]


def test_a_copy_that_is_another_run_or_stands_for_a_broken_one_is_shown(tmp_path: Path) -> None:
    save(tmp_path / "run.trace" / "run.json", created="2024-01-01T00:00:00+00:00")
    save(tmp_path / "run.json")
    assert names(tmp_path) == ["run.json", "run.trace/run.json"]
    (tmp_path / "run.json").write_text('{"format": "rnnprof-run", ')
    assert names(tmp_path) == ["run.json", "run.trace/run.json"]


def test_the_search_is_bounded_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for at in range(4):
        save(tmp_path / f"run{at}.json")
    save(tmp_path / "1" / "2" / "run.json")
    monkeypatch.setattr(runs, "MOST_RUNS", 3)
    found = Runs(tmp_path).listing()
    assert [one.name for one in found.runs] == ["run0.json", "run1.json", "run2.json"]
    assert found.note == "Not everything is shown: more than 3 runs."
    monkeypatch.setattr(runs, "MOST_FILES", 2)
    assert Runs(tmp_path).listing().note == "Not everything is shown: more than 2 files."
    monkeypatch.setattr(runs, "MOST_RUNS", 9)
    monkeypatch.setattr(runs, "MOST_FILES", 99)
    monkeypatch.setattr(runs, "DEEPEST", 1)
    found = Runs(tmp_path).listing()
    assert "1/2/run.json" not in [one.name for one in found.runs]
    assert found.note == "Not everything is shown: more than 1 levels of folders."


def test_a_large_file_is_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = save(tmp_path / "run.json").stat().st_size
    monkeypatch.setattr(runs, "MOST_BYTES", size)
    assert names(tmp_path) == ["run.json"]
    monkeypatch.setattr(runs, "MOST_BYTES", size - 1)
    assert names(tmp_path) == []


def test_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    here = Runs(tmp_path / "later")
    assert not here.any()
    save(tmp_path / "later" / "run.json")
    assert here.any()
    assert here.listing().runs[0].name == "run.json"
