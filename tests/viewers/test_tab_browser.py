"""The tab in a real browser, in a real TensorBoard, without a network."""

from __future__ import annotations

import csv
import io
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from advised_run import THREE
from run_builder import lane_of, run_of, steps_of, word_language_model

from rnnprof import runfile
from rnnprof.analysis.advice import advise
from rnnprof.analysis.advice.worded import worded
from rnnprof.analysis.breakdown import breakdown
from rnnprof.model import Run
from rnnprof.renderers import json_report
from rnnprof.renderers.table import csv as csv_report

pytest.importorskip("tensorboard")

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"
RUNS = {
    "a/run.json": word_language_model(60),
    "b/run.json": word_language_model(45, seed=2, created="2025-03-02T12:00:00+00:00"),
}
MAIN = "document.querySelector('main')"


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, one that was cut short, and the copy that a trace comes with."""
    folder = tmp_path_factory.mktemp("logs")
    for name in ("a", "b", "a/run.trace"):
        (folder / name).mkdir()
    for name, run in RUNS.items():
        runfile.save(run, folder / name)
    runfile.save(RUNS["a/run.json"], folder / "a" / "run.trace" / "run.json")
    (folder / "cut.json").write_text((folder / "a" / "run.json").read_text()[:900])
    return folder


@pytest.fixture(scope="module")
def address(logdir: Path) -> Iterator[str]:
    """A TensorBoard of that folder."""
    from rnnprof.viewers.tensorboard import serve

    viewer = serve(logdir)
    yield viewer.url
    viewer.close()


class Page:
    """The tab, as a browser shows it within TensorBoard."""

    def __init__(self, browser: Any, address: str) -> None:
        self.browser = browser
        browser.driver.switch_to.default_content()
        browser.open("about:blank")
        browser.open(f"{address}#rnnprof")
        browser.wait("document.querySelector('iframe[src*=rnnprof]')")
        browser.driver.switch_to.frame(browser.driver.find_element("css selector", "iframe[src*=rnnprof]"))

    def ask(self, script: str, *given: object) -> Any:
        return self.browser.driver.execute_script(script, *given)

    def shows(self, runs: list[str], by: str = "step") -> None:
        """Wait until it shows these runs."""
        words = json.dumps({"by": by, "runs": runs}, separators=(",", ":"))
        self.browser.wait(f"{MAIN} && {MAIN}.dataset.shown === {words!r}")

    def click(self, selector: str) -> None:
        self.ask("document.querySelector(arguments[0]).click()", selector)

    def rows(self) -> dict[tuple[str, ...], list[str]]:
        """The rows of the breakdown's first section by their stage: all words but the name's."""
        rows = self.ask(
            "return [...document.querySelectorAll('section[aria-label=Breakdown] tbody')[0].rows].slice(1)"
            ".map((row) => [JSON.parse(row.dataset.stage), [...row.cells].map((cell) => cell.innerText)])"
        )
        return {tuple(key): [cell.strip() for cell in cells[1:]] for key, cells in rows}


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Page]:
    yield Page(browser, address)
    browser.driver.switch_to.default_content()
    assert browser.asked_elsewhere() == []
    assert browser.errors() == []


def shares(run: Run) -> dict[tuple[str, ...], str]:
    """Each stage's share in a step, as the report in JSON has it; it must agree with the one in CSV."""
    result = breakdown(run)
    rows = json.loads(json_report.render(result))["stages"]
    table = list(csv.DictReader(io.StringIO(csv_report(result))))
    assert [row["percent"] or None for row in table] == [row["percent"] for row in rows]
    inside = [row for row in rows if row["lane"] == "train" and row["in_step"]]
    return {(*row["path"], *(["remainder"] if row["remainder"] else [])): row["percent"] for row in inside}


def test_each_stage_with_its_share_in_two_runs_side_by_side(page: Page) -> None:
    page.shows(list(RUNS))
    rows = page.rows()
    one, other = map(shares, RUNS.values())
    assert len(one) == 12
    assert {key: cells[0] for key, cells in rows.items()} == one
    assert {key: cells[4] for key, cells in rows.items()} == other
    heads = page.ask("return [...document.querySelectorAll('th.run')].map((each) => each.innerText)")
    assert heads[:2] == list(RUNS)
    assert page.ask("return document.querySelectorAll('.chart').length") == 2
    assert page.ask("return document.querySelectorAll('.chart .area').length") == 24
    page.browser.wait(
        "[...document.querySelectorAll('.flowchart img')].every((one) => one.naturalWidth > 500)"
    )


def test_a_run_that_is_broken_says_so_beside_the_others(page: Page) -> None:
    page.shows(list(RUNS))
    assert page.ask("return document.querySelectorAll('.runs label').length") == 3
    assert "cut.json is no complete JSON" in page.ask("return document.querySelector('.broken').innerText")
    assert page.ask("return document.querySelector('.broken input').disabled")


def test_one_run_in_full_and_another_basis(page: Page) -> None:
    page.shows(list(RUNS))
    page.click("input[value='b/run.json']")
    page.shows(["a/run.json"])
    run = RUNS["a/run.json"]
    text = page.ask("return document.body.innerText")
    for title in ("share", "±", "total", "self", "time", "count", "mean", "median", "p95"):
        assert title in page.ask("return document.querySelector('thead').innerText")
    for note in breakdown(run).notes:
        assert note in text
    indents = page.ask(
        "return [...document.querySelectorAll('tbody')[0].querySelectorAll('th.name')]"
        ".map((each) => parseFloat(getComputedStyle(each).paddingLeft))"
    )
    names = list(shares(run))
    assert indents[names.index(("forward", "rnn"))] > indents[names.index(("forward",))]
    page.click("input[value=run]")
    page.shows(["a/run.json"], by="run")
    inside = [row for row in breakdown(run, "run").stages if row.lane == "train" and row.in_step]
    assert [cells[0] for cells in page.rows().values()] == [row.percent for row in inside]


def test_the_chart_tells_what_is_under_the_cursor(page: Page) -> None:
    page.shows(list(RUNS))
    page.ask("document.querySelector('.plot').focus()")
    before = page.ask("return document.querySelector('.now').innerText")
    for key, step in (("\ue011", "step 11: "), ("\ue014", "step 12: "), ("\ue010", "step 73: ")):
        # Home, the right arrow, End.
        page.browser.driver.switch_to.active_element.send_keys(key)
        now = page.ask("return document.querySelector('.now').innerText")
        assert now.startswith(step)
        assert page.ask("return document.querySelector('.plot').ariaValueText") == now
    assert now == before
    legend = page.ask("return document.querySelector('.legend').innerText")
    assert "forward / rnn" in legend
    assert "backward" in legend


def test_names_are_shown_and_not_obeyed(page: Page, logdir: Path) -> None:
    page.shows(list(RUNS))
    steps = steps_of([{(): [4_000_000], (HOSTILE,): [3_000_000]}] * 6)
    runfile.save(run_of([lane_of("train", {"host": steps})]), logdir / "hostile.json")
    try:
        page.click("header button")
        page.shows([*RUNS, "hostile.json"])
        rows = page.rows()
        assert rows[(HOSTILE,)][8] == "75.0 %"
        legends = page.ask("return [...document.querySelectorAll('.legend')].map((each) => each.innerText)")
        assert HOSTILE in legends[2]
        assert page.ask("return document.querySelectorAll('main script, main img[src=x]').length") == 0
    finally:
        (logdir / "hostile.json").unlink()


@pytest.fixture
def findings(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorBoard is in this process, so what it finds can be given to it."""
    monkeypatch.setattr(advise, "advise", lambda *_: THREE)


def test_what_to_change_is_shown_and_not_obeyed(findings: None, page: Page) -> None:
    page.shows(list(RUNS))
    items = page.ask(
        "return [...document.querySelectorAll('section[aria-label=\"What to change\"] .column')]"
        ".map((column) => [...column.querySelectorAll('li strong')].map((title) => title.innerText))"
    )
    assert items == [[one.title for one in worded(THREE)]] * 2
    words = page.ask("return document.querySelector('section[aria-label=\"What to change\"]').innerText")
    assert THREE.sentence in words
    assert "<script>alert(1)</script>" in words
    assert "cells, padding: No step was looked at closely (no probe)." in words
    assert page.ask("return document.querySelectorAll('main script').length") == 0


def test_tensorboards_reload_shows_a_run_that_goes_on(page: Page, logdir: Path) -> None:
    page.shows(list(RUNS))
    longer = word_language_model(80)
    runfile.save(longer, logdir / "a" / "run.json")
    try:
        page.ask("parent.document.querySelector('.reload-button').click()")
        page.browser.wait("document.body.innerText.includes('80 steps timed')")
        assert [cells[0] for cells in page.rows().values()] == list(shares(longer).values())
    finally:
        runfile.save(RUNS["a/run.json"], logdir / "a" / "run.json")


def test_it_follows_the_dark_theme_and_scrolls_where_it_is_narrow(page: Page) -> None:
    page.shows(list(RUNS))
    assert page.ask("return document.documentElement.dataset.theme") == "light"
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = page.ask(ground)
    page.ask("parent.document.body.classList.add('dark-mode')")
    page.browser.wait("document.documentElement.dataset.theme === 'dark'")
    assert page.ask(ground) != light
    page.ask("document.body.style.width = '360px'")
    assert page.ask("return document.body.scrollWidth") <= 400
    tables = "[...document.querySelectorAll('section > .scroll')]"
    assert page.ask(f"return {tables}.some((one) => one.scrollWidth > one.clientWidth)")


@pytest.mark.parametrize(
    "path", ["none.js", "tab.py", "..%2f..%2ftab.py", "runs/more", "run?run=..%2Fx.json"]
)
def test_addresses_that_lead_nowhere(address: str, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as found:
        urllib.request.urlopen(f"{address}data/plugin/rnnprof/{path}")
    with found.value as answer:
        assert answer.code == 404
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
