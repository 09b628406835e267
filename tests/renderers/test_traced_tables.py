"""What a report shows of a run's traces: whole golden files, parts alone, and names that are never obeyed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from golden_files import same_as_golden
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from rnnprof.analysis.breakdown import breakdown
from rnnprof.analysis.result import Breakdown
from rnnprof.captures import Function, Functions, Kernel, Operator, StageFunctions, Trace, TracedStage
from rnnprof.model import Run
from rnnprof.renderers import json_report, table
from tests.capture_builder import trace_of
from tests.run_builder import WORD_STAGES, lane_of, run_of, runs, word_language_model
from tests.traced_run import traced_language_model

CPU, DEVICE = breakdown(traced_language_model()), breakdown(traced_language_model(device=True))
EVIL = "\x1b[2J[red]a|b`c`\n<script>alert(1)</script>\u202egnp.exe & *x*"
SLOW = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
OUTPUTS: dict[str, Callable[[], str]] = {
    "traced.txt": lambda: table.text(CPU),
    "traced_device.txt": lambda: table.text(DEVICE, 100, only="operators"),
    "traced_functions.md": lambda: table.markdown(CPU, "functions"),
    "traced_functions.csv": lambda: table.csv(CPU, "functions"),
    "traced_operators.md": lambda: table.markdown(DEVICE, "operators"),
    "traced_operators.csv": lambda: table.csv(CPU, "operators"),
    "traced_device.csv": lambda: table.csv(DEVICE, "operators"),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_the_whole_output(name: str) -> None:
    same_as_golden(name, OUTPUTS[name]())


def test_the_functions_of_the_loop() -> None:
    lines = table.text(CPU).split("\n")
    start = lines.index("Functions from the first step on (cProfile, 5.09 s)")
    assert lines[start + 1 : start + 4] == [
        "function                                share      own  per call    total  calls",
        "{method 'run_backward' o…se' objects}  52.6 %   2.68 s   13.4 ms   2.68 s    200",
        "{built-in method torch.lstm}           27.1 %   1.38 s   6.90 ms   1.38 s    200",
    ]
    assert lines[start + 12] == (
        "other functions                         4.0 %   206 ms         –        –      –"
    )


def test_the_operators_of_a_stage() -> None:
    lines = table.text(CPU, only="operators").split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith("backward "))
    assert lines[start : start + 5] == [
        "backward                    52.8 %  ██████▍       13.4 ms",
        "  aten::mm                  36.9 %  ████▍         9.38 ms    142",
        "  aten::sum                  5.3 %  ▋             1.34 ms     71",
        "  aten::copy_                5.3 %  ▋             1.34 ms    140",
        "  in no operator             5.3 %  ▋             1.34 ms",
    ]


def test_without_traces_nothing_changes() -> None:
    plain = breakdown(word_language_model())
    for only in ("", "stages"):
        assert table.text(plain, only=only) == table.text(plain)
        assert table.markdown(plain, only) == table.markdown(plain)
        assert table.csv(CPU, only) == table.csv(CPU)
    assert not {"functions", "traces", "agreement"} & set(json.loads(json_report.render(plain)))


def test_a_part_alone() -> None:
    stages, functions, operators = (
        table.text(CPU, only=only) for only in ("stages", "functions", "operators")
    )
    heading = "main.py --epochs 1 --model LSTM\n"
    for text, words in (
        (stages, "Cost of measuring"), (functions, "(cProfile,"), (operators, "(torch.profiler,"),
    ):  # fmt: skip
        assert text.startswith(heading)
        assert words in text
    for text in (functions, operators):
        assert "Cost of measuring" not in text
    assert "(torch.profiler," not in functions + stages
    assert "(cProfile," not in operators + stages


def test_on_a_cpu_the_device_is_absent_and_not_zero() -> None:
    assert "device" not in table.text(CPU, only="operators")
    assert "device" not in table.csv(CPU, "operators")
    content = json.loads(json_report.render(CPU))["traces"][0]
    assert (content["total"], content["stages"][0]["device"]) == (None, None)
    assert content["stages"][0]["operators"][0]["device_ns"] is None
    assert json.loads(json_report.render(DEVICE))["traces"][0]["total"]["busy_percent"] == "81.8 %"


def test_csv_has_exact_numbers_and_nothing_for_unknown_ones() -> None:
    rows = list(csv.DictReader(io.StringIO(table.csv(DEVICE, "operators"))))
    backward = [row for row in rows if row["stage"] == "backward"]
    assert [row["kind"] for row in backward] == ["stage", *["operator"] * 3, "remainder", *["kernel"] * 3]
    stage, operator = backward[:2]
    assert (stage["self_ns"], stage["launches_per_step"], stage["busy_share"]) == (
        "40200000", "353.0", "0.8181818181818182",
    )  # fmt: skip
    assert (operator["name"], operator["calls_per_step"], operator["launches"]) == ("aten::mm", "142.0", "")
    functions = list(csv.DictReader(io.StringIO(table.csv(CPU, "functions"))))
    assert {row["part"] for row in functions} == {"loop", "setup", "stage"}
    recursive = next(row for row in functions if row["name"] == "repackage_hidden")
    assert (recursive["calls"], recursive["primitive_calls"]) == ("600", "200")
    assert table.csv(breakdown(word_language_model()), "operators").count("\n") == 1


def test_recursive_calls_are_told_apart() -> None:
    recursive = Function("/a/main.py", 3, "walk", 1500, 300, 10, 20)
    found = breakdown(
        run_of([lane_of("setup", unclaimed=9)], functions=Functions("a", "b", 20, 0, (recursive,)))
    )
    text = table.text(found)
    assert "Functions before the first step (cProfile, 20 ns)" in text
    row = next(line for line in text.split("\n") if line.startswith("main.py:3(walk)"))
    assert row.split()[1:] == ["50.0", "%", "10", "ns", "0", "ns", "20", "ns", "0", "ns", "1,500/300"]
    nothing = breakdown(run_of([lane_of("setup", unclaimed=9)], functions=Functions("a", "b", 0, 0)))
    assert "cProfile saw no function that took time." in table.text(nothing)


def test_of_several_windows_the_last_is_shown_and_the_others_are_named() -> None:
    own = {(): 27_000, **dict(WORD_STAGES)}
    shapes = replace(trace_of(own, first=900, steps=1), shapes=True, stack=True)
    found = breakdown(replace(traced_language_model(), traces=(trace_of(own), shapes)))
    text = " ".join(table.text(found, 200, only="operators").split())
    assert "(torch.profiler, step 900, time in one step)" in text
    assert "The trace: run.trace/steps-900-900.trace.json.gz (1.18 MiB, shapes, stack)." in text
    assert "Also traced: steps 20–22 in run.trace/steps-20-22.trace.json.gz (1.18 MiB)." in text
    rows = list(csv.DictReader(io.StringIO(table.csv(found, "operators"))))
    assert {row["first_step"] for row in rows} == {"20", "900"}


def test_ascii_only() -> None:
    text = table.text(DEVICE, ascii_only=True)
    assert text.isascii()
    assert "steps 20-22" in text


def evil() -> Breakdown:
    """Traces in which everything that a user can name is hostile."""
    function = Function(f"/{EVIL}/{EVIL}", 1, EVIL, 1, 1, 50, 50)
    functions = Functions(
        EVIL, EVIL, 50, 50, (function,), (function,), 1, (StageFunctions((EVIL,), 50, (function,)),)
    )
    stage = TracedStage((EVIL,), 1, 90, (Operator(EVIL, 1, 90, 5),), (Kernel(EVIL, 1, 5),), 1, 5, 5)
    trace = Trace(0, 1, 90, EVIL, 1, True, stages=(stage,))
    return breakdown(run_of([lane_of("train", unclaimed=9)], traces=(trace,), functions=functions))


def test_no_name_is_ever_obeyed() -> None:
    text = table.text(evil(), 200)
    assert "\\x1b[2J[red]a|b`c`\\n<script>" in text
    assert all(char.isprintable() or char == "\n" for char in text)
    assert max(map(cell_len, text.split("\n"))) <= 200
    marked = table.markdown(evil())
    assert "<" not in marked
    assert all(char.isprintable() or char == "\n" for char in marked)
    rows = [line for line in marked.split("\n") if line.startswith("| ")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {5, 6, 7, 8, 10}
    assert json.loads(json_report.render(evil()))["traces"][0]["file"] == EVIL


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_csv_never_starts_a_name_like_a_formula(name: str) -> None:
    stage = TracedStage((name,), 1, 90, (Operator(name, 1, 90, 5),), (Kernel(name, 1, 5),), 1, 5, 5)
    function = Function(name, 1, name, 1, 1, 50, 50)
    functions = Functions("a", "b", 0, 50, (), (function,), 1, (StageFunctions((name,), 50, (function,)),))
    traces = (Trace(0, 1, 90, "c", 1, True, stages=(stage,)),)
    found = breakdown(run_of([lane_of("train", unclaimed=9)], traces=traces, functions=functions))
    for only in ("functions", "operators"):
        for row in csv.reader(io.StringIO(table.csv(found, only))):
            assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(runs(), st.sampled_from((40, 57, 80, 120)))
def test_every_format_of_every_part(run: Run, width: int) -> None:
    result = breakdown(run)
    for only in ("functions", "operators"):
        lines = table.text(result, width, only=only).split("\n")
        assert max(cell_len(line) for line in lines) <= width
        assert "\x1b" not in "".join(lines)
        heads = {len(row) for row in csv.reader(io.StringIO(table.csv(result, only)))}
        assert len(heads) == 1
    stages = sum(len(trace.stages) for trace in result.traces)
    kinds = [row["kind"] for row in csv.DictReader(io.StringIO(table.csv(result, "operators")))]
    assert kinds.count("stage") == stages
    content = json.loads(json_report.render(result))
    assert len(content.get("traces", ())) == len(run.traces)
    assert ("functions" in content) == (run.functions is not None)
