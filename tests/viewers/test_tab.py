"""The tab's addresses: what they answer, what they refuse, and with which headers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from advised_run import HEALTHY, THREE, UNSEEN
from run_builder import lane_of, run_of, steps_of, word_language_model

import rnnprof
from rnnprof import runfile
from rnnprof.analysis.advice import advise
from rnnprof.analysis.advice.worded import worded
from rnnprof.analysis.breakdown import breakdown
from rnnprof.captures import Function, Functions, Operator, Trace, TracedStage
from rnnprof.renderers import flowchart
from rnnprof.renderers.table import stage_tables
from rnnprof.testing import FakeClock

pytest.importorskip("tensorboard")

from tensorboard.plugins import base_plugin
from werkzeug.test import Client, TestResponse

from rnnprof.viewers.tab import FILES, Tab

HOSTILE = "<script>alert(1)</script>"


def tab_of(logdir: str | Path) -> Tab:
    return Tab(base_plugin.TBContext(logdir=str(logdir)))


def get(logdir: str | Path, route: str, method: str = "GET", **asked: str) -> TestResponse:
    """Ask for one of the tab's addresses."""
    application = tab_of(logdir).get_plugin_apps()[route]
    return Client(application).open(f"/data/plugin/rnnprof{route}", query_string=asked, method=method)


def shown(logdir: Path, name: str = "run.json", **asked: str) -> Any:
    answer = get(logdir, "/run", run=name, **asked)
    assert answer.status_code == 200
    return answer.json


@pytest.fixture
def logdir(tmp_path: Path) -> Path:
    """A log directory with one run."""
    folder = tmp_path / "logs"
    folder.mkdir()
    runfile.save(word_language_model(40), folder / "run.json")
    return folder


def is_sealed(answer: TestResponse) -> bool:
    """Whether a browser may do nothing with the answer but show it."""
    return (
        answer.headers["X-Content-Type-Options"] == "nosniff"
        and answer.headers["Content-Security-Policy"]
        == "default-src 'none'; style-src 'unsafe-inline'; sandbox"
        and answer.headers["Cache-Control"] == "no-cache"
    )


def test_tensorboard_is_told_of_the_tab(logdir: Path, tmp_path: Path) -> None:
    tab = tab_of(logdir)
    about = tab.frontend_metadata()
    assert (tab.plugin_name, about.tab_name, about.es_module_path) == ("rnnprof", "rnnprof", "/index.js")
    assert about.es_module_path in tab.get_plugin_apps()
    assert not about.disable_reload
    assert tab.is_active()
    (tmp_path / "none").mkdir()
    assert not tab_of(tmp_path / "none").is_active()


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_pages_files(logdir: Path, name: str) -> None:
    answer = get(logdir, f"/{name}")
    assert answer.status_code == 200
    assert answer.content_type == FILES[name]
    assert is_sealed(answer)
    # Nothing in them leads to another machine, and nothing is made of markup.
    text = answer.text.replace("http://www.w3.org/2000/svg", "")
    for word in (
        "http:",
        "https:",
        "//cdn",
        "@import",
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "eval(",
    ):
        assert word not in text


def test_every_file_of_the_page_is_served() -> None:
    folder = Path(rnnprof.__file__).parent / "viewers" / "static" / "tab"
    assert {file.name for file in folder.iterdir()} == set(FILES)


def test_the_list_of_runs(logdir: Path) -> None:
    (logdir / "cut.json").write_text((logdir / "run.json").read_text()[:900])
    answer = get(logdir, "/runs")
    assert is_sealed(answer)
    assert answer.content_type == "application/json"
    cut, run = answer.json["runs"]
    assert cut["run"] == "cut.json"
    assert cut["error"].startswith("cut.json is no complete JSON")
    assert (run["run"], run["error"], run["created"]) == ("run.json", "", "2025-03-01 12:00")
    assert answer.json["note"] == ""


def test_the_words_are_those_of_the_report(logdir: Path) -> None:
    for by in ("step", "run"):
        result = breakdown(word_language_model(40), by)
        found = shown(logdir, by=by)
        table = stage_tables.stages(result)
        assert [column["title"] for column in found["stages"]["columns"]] == [c.title for c in table.columns]
        assert [
            (each["title"], [row["cells"] for row in each["rows"]]) for each in found["stages"]["sections"]
        ] == [(each.title, [list(row.cells) for row in each.rows]) for each in table.sections]
        assert found["heading"] == list(stage_tables.heading(result))
        assert found["notes"] == [result.perturbation.sentence, *result.notes]
        answer = get(logdir, "/flowchart", run="run.json", by=by)
        assert answer.text == flowchart.render(result, "svg")
        assert answer.content_type.startswith("image/svg+xml")
        assert is_sealed(answer)


def test_the_course_of_the_stages(logdir: Path) -> None:
    course = shown(logdir)["course"]
    assert len(course["steps"]) == len(course["words"]) == 40
    assert [line["name"] for line in course["lines"]][3:5] == ["forward", "forward / encoder"]
    assert course["lines"][-1]["key"] == ["other", "remainder"]
    assert course["words"][0].startswith("step 11: ")
    heights = [sum(line["own"][at] for line in course["lines"]) for at in range(40)]
    assert course["top"] == pytest.approx(max(heights), abs=20)
    assert [tick["words"] for tick in course["y_ticks"]] == ["0", "10.0 ms", "20.0 ms"]
    assert [tick["words"] for tick in course["x_ticks"]] == ["20", "30", "40", "50"]


def test_a_stage_has_the_same_key_in_every_table(logdir: Path) -> None:
    found = shown(logdir)
    rows = found["stages"]["sections"][0]["rows"]
    assert [row["key"] for row in rows] == [line["key"] for line in found["course"]["lines"]]


def test_traces_and_functions(tmp_path: Path) -> None:
    stages = (TracedStage((), 2, 900), TracedStage((HOSTILE,), 2, 800, (Operator("aten::mm", 4, 700),)))
    windows = tuple(Trace(first, 2, 900, f"run.trace/{first}.gz", 2048, stages=stages) for first in (5, 20))
    one = Function("main.py", 3, "train", 1, 1, 40, 100)
    functions = Functions("run.prof", "run.loop.prof", 10, 100, (one,), (one,))
    runfile.save(word_language_model(20, traces=windows, functions=functions), tmp_path / "run.json")
    found = shown(tmp_path)
    assert len(found["traces"]) == 2
    for (table, words), window in zip(found["traces"], ("steps 5–6", "steps 20–21"), strict=True):
        (section,) = table["table"]["sections"]
        assert window in section["title"]
        assert {HOSTILE, "aten::mm"} <= {row["cells"][0] for row in section["rows"]}
        assert "2.00 KiB" in " ".join(words["lines"])
    table, words = found["functions"]
    assert table["table"]["sections"][0]["rows"][0]["cells"][0] == "main.py:3(train)"
    assert "run.prof" in words["lines"][0]


def test_what_to_change(logdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for advice, blocks in ((UNSEEN, 0), (HEALTHY, 3), (THREE, 3)):
        monkeypatch.setattr(advise, "advise", lambda *_, found=advice: found)
        for by in ("step", "run"):
            assert len(shown(logdir, by=by)["advice"]) == blocks
    found, words, unchecked = shown(logdir)["advice"]
    assert found["sentence"] == THREE.sentence
    assert [one["title"] for one in found["items"]] == [one.title for one in worded(THREE)]
    lines = found["items"][0]["lines"]
    assert lines[0].startswith("At most: an upper bound by Amdahl's law")
    assert all(char.isprintable() for line in lines for char in line)
    assert any("<script>alert(1)</script>\\u202egnp.exe" in line for line in lines)
    assert words == {"lines": ["Checks that could not be made:"]}
    assert unchecked["lines"][0] == "cells, padding: No step was looked at closely (no probe)."


def test_a_recorded_run(tmp_path: Path, clock: FakeClock) -> None:
    with rnnprof.profile(tmp_path / "run.json", clock=clock, warmup=0, control_every=0) as prof:
        for _ in range(4):
            with prof.step():
                with prof.stage(HOSTILE):
                    clock.advance(3_000_000)
                with prof.stage("backward"):
                    clock.advance(1_000_000)
    rows = shown(tmp_path)["stages"]["sections"][0]["rows"]
    assert [row["cells"][:2] for row in rows] == [
        [HOSTILE, "75.0 %"],
        ["backward", "25.0 %"],
        ["other", "0 %"],
    ]
    picture = get(tmp_path, "/flowchart", run="run.json").text
    assert not [each for each in ElementTree.fromstring(picture).iter() if each.tag.endswith("script")]


def test_a_run_without_time_and_one_that_cannot_be_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runfile.save(run_of([]), tmp_path / "empty.json")
    runfile.save(run_of([lane_of("train", {"host": steps_of([{(): [5]}])})]), tmp_path / "run.json")
    assert shown(tmp_path, "empty.json") == {"error": "the run holds no time yet"}
    assert shown(tmp_path)["course"] is None
    monkeypatch.setattr("rnnprof.viewers.shown.run", lambda *_: 1 / 0)
    answer = get(tmp_path, "/run", run="run.json")
    assert (answer.status_code, answer.json) == (500, {"error": "cannot be shown: ZeroDivisionError"})
    assert is_sealed(answer)


@pytest.mark.parametrize("route", ["/run", "/flowchart"])
@pytest.mark.parametrize(
    "name",
    [
        "../secret.json",
        "..%2Fsecret.json",
        "a/../../secret.json",
        "/etc/passwd",
        "",
        "none.json",
        "link.json",
        "%2e%2e/secret.json",
        "..\\secret.json",
        "run.json/",
        "run.json\0",
        "{absolute}",
    ],
)
def test_what_is_not_a_run_in_the_log_directory_is_refused(logdir: Path, route: str, name: str) -> None:
    secret = logdir.parent / "secret.json"
    runfile.save(word_language_model(20, created="1999-01-01T00:00:00+00:00"), secret)
    os.symlink(secret, logdir / "link.json")
    answer = get(logdir, route, run=name.format(absolute=secret))
    assert answer.status_code == 404
    assert answer.json == {"error": "there is no such run in the log directory"}
    assert is_sealed(answer)


def test_a_broken_run_answers_with_its_fault(logdir: Path) -> None:
    (logdir / "cut.json").write_text((logdir / "run.json").read_text()[:900])
    answer = get(logdir, "/run", run="cut.json")
    assert answer.status_code == 404
    assert answer.json["error"].startswith("cut.json is no complete JSON")


def test_odd_requests_are_answered_in_one_line(logdir: Path) -> None:
    for answer, status in (
        (get(logdir, "/run", run="run.json", by="day"), 400),
        (get(logdir, "/runs", method="POST"), 405),
        (get(logdir, "/*"), 404),
    ):
        assert answer.status_code == status
        assert is_sealed(answer)
        assert "\n" not in answer.json["error"]
    assert get(logdir, "/runs", method="HEAD").data == b""


@pytest.mark.parametrize("logdir", ["", "gs://bucket/logs"])
def test_a_log_directory_that_is_no_folder(logdir: str) -> None:
    assert not tab_of(logdir).is_active()
    assert get(logdir, "/runs").json["runs"] == []
    assert "--logdir" in get(logdir, "/runs").json["note"]
    assert get(logdir, "/run", run="run.json").status_code == 404


def test_loading_it_loads_neither_torch_nor_what_draws() -> None:
    code = (
        "import sys, rnnprof.viewers.tab\n"
        "print(sorted({'torch', 'numpy', 'tensorflow', 'rich', 'rnnprof.renderers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_tensorboard_finds_it_by_its_entry_point() -> None:
    from importlib.metadata import entry_points

    (entry,) = [one for one in entry_points(group="tensorboard_plugins") if one.name == "rnnprof"]
    assert entry.load() is Tab
