"""The run file: what is saved is what is loaded, and whatever is no run is refused in one line."""

from __future__ import annotations

import json
import math
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

import rnnprof
from rnnprof import histogram, runcheck, runfile, runlayout
from rnnprof.errors import RunFileError
from rnnprof.model import Run
from tests.run_builder import runs, word_language_model


def example() -> Run:
    return word_language_model()


@given(runs())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_load_gives_what_was_saved(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "run.json"
    rnnprof.save(run, path)
    assert rnnprof.load(path) == run


@given(runs())
@settings(deadline=None)
def test_what_is_saved_fits_the_published_schema(run: Run) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft7Validator(runcheck.schema()).validate(json.loads(json.dumps(runlayout.to_json(run))))


def test_the_schema_is_a_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft7Validator.check_schema(runcheck.schema())


def refused(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(RunFileError) as error:
        rnnprof.load(path)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message.removeprefix(f"{path} ")


def changed(**changes: Any) -> bytes:
    return json.dumps({**runlayout.to_json(example()), **changes}).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: nothing was saved in it"),
        (b" \n", "is empty: nothing was saved in it"),
        (b"\xff\xfe\x00", "is no rnnprof run: it is not text"),
        (b"{", "is no complete JSON at line 1, column 2: it was cut short or is no run"),
        (b"[" * 200_000, "is no complete JSON: it was cut short or is no run"),
        (b"[]", 'is no rnnprof run: it has no "format": "rnnprof-run"'),
        (b'{"format": "other"}', 'is no rnnprof run: it has no "format": "rnnprof-run"'),
        (
            changed(version=2),
            "was written by a newer rnnprof (format 2, this one reads 1): "
            "upgrade with `pip install -U rnnprof`",
        ),
        (changed(version="1"), "is no valid run: run.version must be same as const definition: 1"),
        (changed(lanes={}), "is no valid run: run.lanes must be array"),
        (changed(wall_ns=-1), "is no valid run: run.wall_ns must be bigger than or equal to 0"),
        (changed(wall_ns=1.5), "is no valid run: run.wall_ns must be integer"),
        (changed(environment={"a": math.nan}), "is no valid run: it holds NaN, which is no finite number"),
        (changed(notes=[-math.inf]), "is no valid run: it holds -Infinity, which is no finite number"),
        (b'{"a": -1e999}', "is no valid run: it holds -1e999, which is no finite number"),
        (
            changed(lanes=[{"name": 3}]),
            "is no valid run: run.lanes[0] must contain ['series'] properties",
        ),
    ],
)
def test_what_is_no_run(tmp_path: Path, content: bytes, message: str) -> None:
    assert refused(tmp_path, content) == message


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    whole = json.dumps(runlayout.to_json(example())).encode()
    for length in range(0, len(whole), max(1, len(whole) // 60)):
        assert "is no complete JSON" in (message := refused(tmp_path, whole[:length])) or "empty" in message


def series(**changes: Any) -> dict[str, Any]:
    return {"count": 1, "total_ns": 5, "min_ns": 5, "max_ns": 5, "bins": [5], "counts": [1], **changes}


EMPTY = {"count": 0, "total_ns": 0, "min_ns": 0, "max_ns": 0}


@pytest.mark.parametrize(
    ("lane", "message"),
    [
        ({"series": series(bins=[])}, "the histogram of train has 0 bins but 1 counts"),
        ({"series": series(min_ns=9)}, "the shortest span of train is longer than its longest"),
        ({"series": series(counts=[4])}, "the histogram of train holds more than its 1 spans"),
        (
            {"series": series(), "steps": {"host": {"series": series(), "timeline": {"totals_ns": [1]}}}},
            "the timeline of train, host steps has 0 counts but 1 totals",
        ),
        (
            {
                "series": series(),
                "steps": {
                    "host": {
                        "series": series(),
                        "timeline": {"counts": [1], "totals_ns": [1]},
                        "stages": [{"name": "a", "series": series(), "timeline": {"totals_ns": [1, 2]}}],
                    }
                },
            },
            "the timeline of train, host steps, stage 'a' has not the buckets of its steps",
        ),
        (
            {"series": series(), "steps": {"lunch": {"series": series()}}},
            None,
        ),
        ({"series": series(count=0, bins=[], counts=[])}, "train has time but no spans"),
        (
            {"series": series(), "steps": {"host": {"series": series(), "wall": EMPTY}}},
            "the two clocks of train, host steps count 1 and 0 steps",
        ),
        *(
            ({"series": series(**{key: value})}, "a number of train is not written as an integer")
            for key, value in {"count": 1.0, "total_ns": 5.0, "bins": [5.0], "counts": [1.0]}.items()
        ),
        (
            {"series": series(), "steps": {"host": {"series": series(), "tokens": 1.0}}},
            "a number of train, host steps is not written as an integer",
        ),
        (
            {
                "series": series(),
                "steps": {"host": {"series": series(), "timeline": {"counts": [1.0], "totals_ns": [1]}}},
            },
            "a number of train, host steps is not written as an integer",
        ),
        (
            {"series": series(), "stages": [{"name": "a", "series": series(), "steps_ns": 1.0}]},
            "a number of train, stage 'a' is not written as an integer",
        ),
        ({"series": series(total_ns=2**63)}, None),
        ({"series": series(total_ns=10**400)}, None),
        ({"series": series(bins=[histogram.index(2**63 - 1) + 1])}, None),
        (
            {
                "series": series(),
                "steps": {
                    "host": {"series": series(), "timeline": {"counts": [1] * 1026, "totals_ns": [1] * 1026}}
                },
            },
            None,
        ),
    ],
)
def test_parts_that_contradict_each_other(tmp_path: Path, lane: dict[str, Any], message: str | None) -> None:
    found = refused(tmp_path, changed(lanes=[{"name": "train", **lane}]))
    assert found.startswith("is no valid run: ")
    if message is not None:
        assert found == f"is no valid run: {message}"


def test_paths_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match=r"cannot read .*none\.json: No such file or directory"):
        rnnprof.load(tmp_path / "none.json")
    with pytest.raises(RunFileError, match="is a folder: give the run file in it"):
        rnnprof.load(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read anything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    rnnprof.save(example(), path)
    path.chmod(0)
    with pytest.raises(RunFileError, match=r"cannot read .*: Permission denied"):
        rnnprof.load(path)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(RunFileError, match=r"cannot write .*run\.json: No space left on device"):
        runfile.write_atomically(path, "new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]
    assert path.read_text() == "old"


def test_a_link_is_followed_and_a_device_written(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "folder" / "run.json")
    runfile.write_atomically(link, "text")
    assert link.is_symlink()
    assert (tmp_path / "folder" / "run.json").read_text() == "text"
    if os.path.exists("/dev/null"):
        runfile.write_atomically(Path("/dev/null"), "text")
    with pytest.raises(RunFileError, match="it is a folder"):
        runfile.write_atomically(tmp_path, "text")


def test_a_path_is_printed_clean_and_short(tmp_path: Path) -> None:
    for path in (tmp_path / "\x1b[31m\n.json", tmp_path / "/".join(["x" * 200] * 10)):
        for act in (rnnprof.load, lambda path: runfile.write_atomically(path / "no" / "folder", "")):
            with pytest.raises(RunFileError) as error:
                act(path)
            assert str(error.value).isprintable()
            assert len(str(error.value)) < 300


def test_a_path_that_no_file_can_have() -> None:
    with pytest.raises(RunFileError, match=r"^cannot read a\\x00b: embedded null byte$"):
        rnnprof.load("a\0b")
    with pytest.raises(RunFileError, match=r"^cannot write a\\x00b: .*null"):
        runfile.write_atomically(Path("a\0b"), "text")


@pytest.mark.skipif(os.name != "posix", reason="permission bits")
def test_an_older_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    rnnprof.save(example(), path)
    path.chmod(0o600)
    rnnprof.save(example(), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="no /dev/stdout")
def test_stdout_may_be_a_pipe() -> None:
    code = "from rnnprof import runfile; runfile.write_atomically(runfile.Path('/dev/stdout'), 'text')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "text", "")
