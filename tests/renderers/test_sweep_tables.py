"""A sweep in every format: whole golden files, names never obeyed, a plot that stays in its frame."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from golden_files import same_as_golden

from rnnprof.analysis.plotted import plot
from rnnprof.analysis.sweeping import sweep_report
from rnnprof.analysis.swept import SweepReport
from rnnprof.errors import UsageError
from rnnprof.renderers import plot as plot_svg
from rnnprof.renderers import sweep_json
from rnnprof.renderers.table import as_csv, as_latex, as_markdown, as_text, sweep_tables
from rnnprof.sweepmodel import TIMEOUT
from tests.sweep_folder import BPTT, MODEL, factor, failure, outcome, plan_of, run_at

EVIL = "\x1b[2J[red]a|b`c`\n<script>alert(1)</script>\u202egnp.exe & *x* \\input{/etc/passwd} %$#_{}~^"


def studied() -> SweepReport:
    """Twelve combinations, two rounds: one ran out of memory, one took too long."""
    layers = factor("nlayers", "1", "2")
    plan = plan_of((MODEL, BPTT, layers), repeat=2, tokens="20*bptt", steps_per_epoch="104431/bptt")
    dice = random.Random(3)
    runs = []
    for number in range(2):
        for i in range(12):
            model, bptt, deep = (int(place) for place in plan.combinations[i])
            ns = 4e6 * 1.9**bptt * 1.6**deep * (0.85 if model else 1.0) * dice.lognormvariate(0, 0.02)
            said = (400.0 - 10 * i, 300.0 - 9 * i, 310.0) if i != 7 else (float("nan"),)
            about = {"cpu": "A processor", "torch": "2.5.1", "parameters": 10**6 * (i + 1)}
            run = run_at(round(ns), 20_000, environment=about)
            runs.append(outcome(i, run, number, valid_perplexity=said))
    runs[5] = failure(5, words="RuntimeError: CUDA out of memory.")
    runs[17] = failure(5, words="RuntimeError: CUDA out of memory.", number=1)
    runs[20] = failure(8, TIMEOUT, "it took more than 60 s", 1)
    return sweep_report(plan, runs)


def hostile() -> SweepReport:
    """The same where every name is somebody else's."""
    plan = plan_of((factor(EVIL, EVIL, "=1+1"), BPTT), shown=(EVIL,), metrics=(f"{EVIL}=x",))
    runs = [outcome(i, run_at(10**6 * (i + 1), environment={"cpu": EVIL})) for i in range(5)]
    runs[0].metrics[EVIL] = (1.0,)  # type: ignore[index]
    return sweep_report(plan, [*runs, failure(5, words=EVIL)])


REPORT = studied()
OUTPUTS: dict[str, Callable[[SweepReport], str]] = {
    "sweep.txt": lambda report: as_text.lay_out(sweep_tables.blocks(report)),
    "sweep_wide.txt": lambda report: as_text.lay_out(sweep_tables.blocks(report), 150),
    "sweep.md": lambda report: as_markdown.lay_out(sweep_tables.blocks(report)),
    "sweep.csv": lambda report: as_csv.lay_out(sweep_tables.raw(report)),
    "sweep.tex": lambda report: as_latex.lay_out(sweep_tables.blocks(report)),
    "sweep.json": sweep_json.render,
    "sweep.svg": lambda report: plot_svg.svg(plot(report)),
}


@pytest.mark.parametrize("name", [name for name in OUTPUTS if not name.endswith("json")])
def test_the_whole_output(name: str) -> None:
    same_as_golden(name, OUTPUTS[name](REPORT))


@pytest.mark.parametrize("name", OUTPUTS)
def test_names_are_never_obeyed(name: str) -> None:
    text = OUTPUTS[name](hostile())
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert name.endswith((".txt", ".csv", ".json")) or "<script>" not in text
    if name.endswith(".md"):
        assert not re.search(r"(?<!\\)\|b", text)
    if name.endswith(".tex"):
        assert not re.search(r"(?<!\$)\\input", text)
    if name.endswith(".csv"):
        rows = list(csv.reader(io.StringIO(text)))
        assert {len(row) for row in rows} == {len(rows[0])}
        assert "'=1+1" in {row[0] for row in rows}


def test_latex_can_be_set(tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("pdflatex is not installed")
        pytest.skip("pdflatex is not installed")
    for number, report in enumerate((REPORT, hostile())):
        body = OUTPUTS["sweep.tex"](report)
        head = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}"
        (tmp_path / f"{number}.tex").write_text(f"{head}\n{body}\\end{{document}}\n")
        command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", f"{number}.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        if "booktabs.sty' not found" in done.stdout and os.environ.get("CI") != "true":
            pytest.skip("booktabs is not installed")
        assert done.returncode == 0, done.stdout[-2000:]


def test_json_has_no_nan() -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    found = json.loads(OUTPUTS["sweep.json"](REPORT), parse_constant=refuse)
    assert found["runs"] == {"planned": 24, "done": 21, "failed": 3, "missing": 0}
    row = found["combinations"][7]
    assert row["levels"] == {"model": "GRU", "bptt": "16", "nlayers": "2"}
    assert (row["metrics"][0]["final"], row["status"]) == (None, "done")
    assert found["combinations"][8]["status"] == "1 of 2"


def test_the_plot_stays_in_its_frame_and_says_its_numbers() -> None:
    for report in (REPORT, hostile()):
        root = ElementTree.fromstring(plot_svg.svg(plot(report)))
        wide = float(root.attrib["width"])
        circles = root.iter("{http://www.w3.org/2000/svg}circle")
        places = [(float(one.attrib["cx"]), float(one.attrib["cy"])) for one in circles]
        assert places
        assert all(0 < x < wide and 66 <= y <= 286 for x, y in places)
    drawn = plot(REPORT)
    assert [panel.factor for panel in drawn.panels] == ["model", "bptt", "nlayers"]
    assert [panel.second for panel in drawn.panels] == ["bptt", "model", "model"]
    assert all(
        0 <= end <= 1
        for p in drawn.panels
        for one in p.lines
        for q in one.points
        for end in (q.low, q.high)
        if end is not None
    )
    bptt = drawn.panels[1]
    assert [(tick.label, tick.place) for tick in bptt.ticks] == [
        ("16", 0.0),
        ("32", pytest.approx(0.5)),
        ("64", 1.0),
    ]
    assert re.fullmatch(r"bptt=16, model=LSTM: \S+ ms, \S+ ms to \S+ ms", bptt.lines[0].points[0].words)
    assert [panel.second for panel in plot(REPORT, "nlayers").panels] == ["nlayers", "nlayers", "model"]


def test_a_point_is_the_mean_of_what_is_there_at_all_points() -> None:
    """LSTM at bptt 64 has one of its two depths: the panel of bptt compares that depth alone."""
    layers = factor("nlayers", "1", "2")
    plan = plan_of((BPTT, layers))
    runs = [outcome(i, run_at(ns)) for i, ns in enumerate([10**6, 9 * 10**6, 2 * 10**6, 10**6, 4 * 10**6])]
    drawn = plot(sweep_report(plan, runs), "nlayers")
    assert [len(line.points) for line in drawn.panels[0].lines] == [3, 2]
    one = plot(sweep_report(plan_of((BPTT,)), [outcome(0, run_at(1_500_000))]))
    assert (one.panels[0].second, one.panels[0].ticks[0].place) == ("", 0.5)
    assert [tick.label for tick in one.ticks] == ["1.00 ms", "2.00 ms"]


def test_what_cannot_be_plotted() -> None:
    with pytest.raises(UsageError, match="no combination has a time yet"):
        plot(sweep_report(plan_of(), []))
    with pytest.raises(
        UsageError, match="--lines x: there is no such factor: give one of model, bptt, nlayers"
    ):
        plot(REPORT, "x")


def test_a_sweep_without_any_time_is_a_table_all_the_same() -> None:
    report = sweep_report(plan_of(), [failure(i, words=f"exit code {i}") for i in range(6)])
    text = OUTPUTS["sweep.txt"](report)
    assert "6 runs, 0 done, 6 failed" in text
    assert "- model=GRU bptt=64: out of memory: exit code 5" in text
