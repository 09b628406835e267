"""speedscope from the package's own copy: what it is given, and what it draws without a network."""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from rnnprof.errors import UsageError
from rnnprof.viewers import speedscope
from rnnprof.viewers.choice import choose

PLACE = {"pid": 7, "tid": 7}
STAGES = {"get_batch": 20, "forward": 300, "loss": 40, "backward": 500, "update": 25}


def torch_like() -> list[dict[str, Any]]:
    """A trace as torch.profiler writes it: a process without a number, arguments, other events."""
    found: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", "pid": 7, "tid": 0, "args": {"name": "python"}},
        {"ph": "M", "name": "thread_name", **PLACE, "args": {"name": "main"}},
        {"ph": "M", "name": "process_labels", "pid": 7, "tid": 0, "args": {"labels": "CPU"}},
        {
            "ph": "X",
            "name": "PyTorch Profiler (0)",
            "pid": "Spans",
            "tid": "PyTorch Profiler",
            "ts": 0,
            "dur": 9,
        },
        {"ph": "i", "name": "Record Window End", "pid": "", "tid": "", "ts": 9, "s": "g"},
        {"ph": "s", "id": 1, **PLACE, "ts": 1, "name": "fwdbwd"},
    ]
    now = 0
    for step in range(5):
        start = now
        for number, (name, duration) in enumerate(STAGES.items()):
            args = {"External id": step * 10 + number}
            found.append({"ph": "X", "name": name, "ts": now, "dur": duration, "args": args, **PLACE})
            now += duration
        found.append({"ph": "X", "name": f"ProfilerStep#{step}", "ts": start, "dur": now - start, **PLACE})
    return found


@pytest.fixture(params=["steps.trace.json", "steps.trace.json.gz"])
def trace(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    file = tmp_path / str(request.param)
    text = json.dumps({"schemaVersion": 1, "traceEvents": torch_like()}).encode()
    file.write_bytes(gzip.compress(text) if file.suffix == ".gz" else text)
    return file


def given(trace: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(speedscope.readable(trace))
    return found


def test_what_speedscope_is_given(trace: Path) -> None:
    found = given(trace)
    assert found["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    assert found["shared"]["frames"] == [{"name": name} for name in ("step", *STAGES, "PyTorch Profiler (0)")]
    first, second = found["profiles"]
    assert (first["name"], second["name"]) == ("python, main", "Spans, PyTorch Profiler")
    assert (first["type"], first["unit"], first["startValue"], first["endValue"]) == (
        "evented",
        "nanoseconds",
        0,
        5 * sum(STAGES.values()) * 1000,
    )
    events = [(event["type"], event["frame"], event["at"]) for event in first["events"]]
    assert events[:5] == [("O", 0, 0), ("O", 1, 0), ("C", 1, 20_000), ("O", 2, 20_000), ("C", 2, 320_000)]
    assert events[10:13] == [("C", 5, 885_000), ("C", 0, 885_000), ("O", 0, 885_000)]
    assert len(events) == 2 * 5 * (len(STAGES) + 1)


def test_spans_that_overlap_are_made_to_nest(tmp_path: Path) -> None:
    spans = [("outer", 10, 10.5), ("late", 12, 20), ("empty", 12.0004, 0), ("after", 40, -1), ("", 20.5, 1)]
    file = tmp_path / "a.json"
    file.write_text(
        json.dumps([{"ph": "X", "name": name, "ts": start, "dur": dur} for name, start, dur in spans])
    )
    found = given(file)
    names = [frame["name"] for frame in found["shared"]["frames"]]
    (only,) = found["profiles"]
    assert only["name"] == "None, None"
    assert [(event["type"], names[event["frame"]], event["at"]) for event in only["events"]] == [
        ("O", "outer", 0),
        ("O", "late", 2000),
        ("O", "empty", 2000),
        ("C", "empty", 2000),
        ("C", "late", 10500),
        ("C", "outer", 10500),
        ("O", "", 10500),
        ("C", "", 11500),
        ("O", "after", 30000),
        ("C", "after", 30000),
    ]
    assert only["endValue"] == 30000


def table_of(browser: Any, names: Iterable[str]) -> str:
    """The view that is text, once it has these names; the flame chart is a canvas."""
    browser.driver.execute_script(
        "Array.from(document.querySelectorAll('div')).filter("
        "div => div.textContent.endsWith('Sandwich') && div.children.length < 2).pop().click()"
    )
    # Its rows come after the table, when the browser has laid that out.
    for name in names:
        browser.wait(f"document.body.innerText.includes({json.dumps(name)})")
    return str(browser.text())


def test_speedscope_shows_the_stages_without_a_network(trace: Path, browser: Any) -> None:
    with contextlib.closing(speedscope.serve(trace)) as viewer:
        assert viewer.notices == ()
        assert viewer.url.endswith(f"/#profileURL=/trace.json&title={trace.name}")
        browser.open(viewer.url)
        browser.wait("document.body.innerText.includes('Sandwich')")
        assert trace.name in browser.text()
        table = table_of(browser, STAGES)
        for name in STAGES:
            # One row for all five visits.
            assert table.count(name) == 1
        assert "2.50ms (56%)" in table
        assert browser.asked_elsewhere() == []
        assert browser.errors() == []


def test_speedscope_shows_the_stages_of_a_run(traced_run: Path, browser: Any) -> None:
    with contextlib.closing(speedscope.serve(choose(traced_run, "speedscope", "steps").file)) as viewer:
        browser.open(viewer.url)
        browser.wait("document.body.innerText.includes('Sandwich')")
        names = ("step", "forward", "backward", "aten::lstm")
        table = table_of(browser, names)
        for name in names:
            assert f"{name}\n" in table
        assert browser.asked_elsewhere() == []


def test_a_large_trace_is_announced(trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speedscope, "PLEASANT", 100)
    monkeypatch.setattr(speedscope, "readable", lambda trace: b" " * 2_345_678)
    with contextlib.closing(speedscope.serve(trace)) as viewer:
        assert viewer.notices == ("2 MB are much for speedscope: try --in perfetto",)


@pytest.mark.parametrize(
    "text",
    [
        '{"traceEvents": []}',
        '{"traceEvents": [1, {"ph": "X", "ts": "1", "pid": 1, "tid": 1}, {"ph": "M", "args": []}]}',
        '{"traceEvents": [{"ph": "B", "ts": 1, "pid": 1, "tid": 1}]}',
    ],
)
def test_a_trace_without_spans(text: str, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(text)
    with pytest.raises(UsageError) as error:
        speedscope.serve(file)
    assert str(error.value) == f"{file} has no complete spans: try --in perfetto"


def test_the_copy_has_its_licences() -> None:
    assert "MIT License" in (speedscope.STATIC / "LICENSE").read_text()
    assert "SIL OPEN FONT LICENSE" in (speedscope.STATIC / "source-code-pro.LICENSE.md").read_text()
    assert (speedscope.STATIC / "release.txt").read_text().startswith("speedscope@1.25.0\n")
