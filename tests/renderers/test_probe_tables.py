"""What a report shows of a run's probe: whole golden files, parts alone, and names that are never obeyed."""

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
from rnnprof.model import Run
from rnnprof.probes import Memory, Place, Probe, ProbedStage, Wait, Work
from rnnprof.renderers import json_report, table
from tests.probe_builder import wait_of
from tests.probed_run import probe_of, probed_language_model, probed_on_device
from tests.run_builder import lane_of, run_of, runs, word_language_model

CPU, DEVICE = breakdown(probed_language_model()), breakdown(probed_on_device(trace=True))
PARTS = ("waits", "work", "memory")
EVIL = "\x1b[2J[red]a|b`c`\n<script>alert(1)</script>\u202egnp.exe & *x*"
OUTPUTS: dict[str, Callable[[], str]] = {
    "probed.txt": lambda: table.text(CPU),
    "probed_waits.txt": lambda: table.text(DEVICE, 100, only="waits"),
    "probed_work.txt": lambda: table.text(DEVICE, 120, only="work"),
    "probed_memory.txt": lambda: table.text(DEVICE, only="memory"),
    "probed_waits.md": lambda: table.markdown(DEVICE, "waits"),
    "probed_work.md": lambda: table.markdown(CPU, "work"),
    "probed_waits.csv": lambda: table.csv(DEVICE, "waits"),
    "probed_work.csv": lambda: table.csv(DEVICE, "work"),
    "probed_memory.csv": lambda: table.csv(DEVICE, "memory"),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_the_whole_output(name: str) -> None:
    same_as_golden(name, OUTPUTS[name]())


def test_a_short_report_holds_the_essence() -> None:
    lines = table.text(DEVICE).split("\n")
    start = lines.index("What each stage does (one step)")
    assert lines[start + 1] == ("stage       FLOPs  FLOP/s  of peak  bytes/s  of peak   bound by   memory")
    assert "loss            0       0        –    855 G   55.0 %  bandwidth  482 MiB" in lines
    assert not any(line.startswith("Memory of each stage") for line in lines)
    assert not any("total_loss += loss.item()" in line for line in lines)


def test_without_peaks_a_short_report_has_one_line_of_work_and_memory() -> None:
    found = breakdown(replace(word_language_model(), probe=probe_of()))
    lines = table.text(found, 200).split("\n")
    assert "What each stage does (one step)" not in lines
    start = next(place for place, line in enumerate(lines) if line.startswith("One step computes"))
    assert lines[start - 1] == lines[start + 1] == ""
    assert lines[start] == (
        "One step computes 29.3 GFLOP (1.14 TFLOP/s) and adds at most 190 MiB to what is allocated on cpu. "
        "Stage by stage: rnnprof report FILE --only work, or --only memory."
    )


def test_what_is_the_same_of_several_waits_is_said_once() -> None:
    waits = (wait_of(1), wait_of(2, way="number", call="float(Tensor)"), wait_of(3))
    text = table.text(breakdown(probed_language_model(probe=probe_of(waits=waits))), 200)
    assert text.count("The number is on the device") == 1
    assert "tensor.item(), float(tensor): The number is on the device" in text
    assert "Where the host would wait (step 9)" in text


def test_parts_alone() -> None:
    texts = {only: table.text(DEVICE, only=only) for only in PARTS}
    words = ("Where the host waits", "What each stage does", "Memory of each stage")
    for only, own in zip(PARTS, words, strict=True):
        assert [word for word in words if word in texts[only]] == [own]
        assert texts[only].startswith("main.py --epochs 1 --model LSTM\n")
    assert "  total_loss += loss.item()" in texts["waits"]
    assert "loss: bandwidth, 55.0 % of the memory bandwidth." in texts["work"]


def test_a_short_report_has_eight_waits_and_counts_the_others() -> None:
    waits = tuple(wait_of(line, waited_ns=line) for line in range(1, 13))
    found = breakdown(probed_on_device(probe=probe_of("cuda", waits=waits, more_waits=30)))
    text = table.text(found)
    assert text.count("main.py:") == 8
    assert "And 34 more places; `--only waits` shows all that the run keeps." in text
    whole = table.text(found, only="waits")
    assert whole.count("main.py:") == 12
    assert "And 30 more places that the run does not keep." in whole
    assert "The host waits for the device at 42 places in a step:" in whole


def test_a_wait_whose_place_is_not_known() -> None:
    given = {
        "way": "mask",
        "call": "tensor[mask]",
        "file": "",
        "function": "",
        "source": "",
        "waited_ns": None,
    }
    waits = (wait_of(0, ("forward", "rnn"), count=2, **given), wait_of(0, (), **given))
    found = breakdown(probed_language_model(probe=probe_of(waits=waits)))
    for only in ("", "waits"):
        lines = [" ".join(line.split()) for line in table.text(found, 100, only=only).split("\n")]
        row = lines.index("in forward/rnn tensor[mask] 2 rnn" + " yes" * bool(only))
        assert lines[row + 1] == "place not known tensor[mask] 1 other" + " yes" * bool(only)
        assert lines[row + 2] == ""
    assert "| in forward/rnn tensor\\[mask\\] | 2 | rnn | yes |" in table.markdown(found, "waits")
    first, last = csv.DictReader(io.StringIO(table.csv(found, "waits")))
    assert (first["place"], first["path"], first["file"], first["line"]) == (
        "in forward/rnn", "forward/rnn", "", "0",
    )  # fmt: skip
    assert (last["place"], last["path"], last["stage"]) == ("place not known", "", "other")
    rows = json.loads(json_report.render(found))["probe"]["waits"]["rows"]
    assert [(row["place"], row["file"]) for row in rows] == [("in forward/rnn", ""), ("place not known", "")]


def test_columns_without_a_value_are_left_out() -> None:
    bare = breakdown(replace(word_language_model(), probe=probe_of()))
    text = table.text(bare, 200, only="work")
    heads = next(line for line in text.split("\n") if line.startswith("stage "))
    assert heads.split() == ["stage", "FLOPs", "FLOP/s", "bytes", "bytes/s", "FLOP/byte", "time", "memory"]
    assert "of peak" not in text
    assert "bound by" not in text
    assert "waited" not in table.text(bare, only="waits")
    memory = table.text(bare, only="memory").split("\n")
    assert "stage          growth      above" in memory
    assert memory[-3:] == [
        "growth: what is allocated at a stage's end over its beginning, child stages",
        "included; above: the most in between.",
        "",
    ]


def test_narrow_pages_keep_what_matters_most() -> None:
    heads = {
        width: next(line for line in table.text(DEVICE, width, only="work").split("\n") if "FLOPs" in line)
        for width in (40, 50, 60)
    }
    assert [heads[width].split() for width in heads] == [
        ["stage", "FLOPs", "of", "peak", "bound", "by"],
        ["stage", "FLOPs", "FLOP/s", "of", "peak", "bound", "by"],
        ["stage", "FLOPs", "FLOP/s", "of", "peak", "of", "peak", "bound", "by"],
    ]


def test_wide_characters_count_as_two_columns() -> None:
    probe = Probe(0, "cpu", 0, work=(Work((), "float32", 1, 0, 1),), uncounted=("训练" * 30, "训练"))
    text = table.text(breakdown(run_of([lane_of("train", unclaimed=9)], probe=probe)), 40)
    assert max(map(cell_len, text.split("\n"))) == 40


def test_negative_growth_has_a_minus() -> None:
    rows = list(csv.DictReader(io.StringIO(table.csv(DEVICE, "memory"))))
    backward = next(row for row in rows if row["stage"] == "backward")
    assert (backward["allocated_bytes"], backward["place"]) == ("-99614720", "cuda:0")
    assert "backward    -95.0 MiB" in table.text(DEVICE, only="memory")


def test_a_probe_that_saw_nothing() -> None:
    found = breakdown(replace(word_language_model(), probe=Probe(9, "cpu", 0)))
    said = {
        "waits": "No place found at which the host waits for the device.",
        "work": "No operator that computes was seen in the probed step.",
        "memory": "The probe saw no memory.",
    }
    for only, words in said.items():
        assert words in table.text(found, only=only)
    # On a CPU nobody is told what there is not.
    assert len(table.text(found)) == len(table.text(breakdown(word_language_model())))
    on_device = table.text(breakdown(replace(word_language_model(), probe=Probe(9, "cuda", 0))))
    assert said["waits"] in on_device
    for only in PARTS:
        assert table.csv(found, only).count("\n") == (3 if only == "work" else 1)
        assert table.csv(breakdown(word_language_model()), only).count("\n") == 1


def test_json() -> None:
    content = json.loads(json_report.render(DEVICE))["probe"]
    assert list(content) == ["step", "device", "total_ns", "waits", "work", "memory"]
    assert content["waits"]["rows"][0]["percent"] == "42.0 %"
    assert content["work"]["step"]["compute_percent"] == "7.3 %"
    assert content["work"]["rows"][0]["compute_percent"] is None
    assert content["memory"][0]["peak_percent"] == "1.2 %"
    assert content["memory"][1]["peak_percent"] is None
    assert "probe" not in json.loads(json_report.render(breakdown(word_language_model())))


def evil() -> Breakdown:
    """A probe in which everything that a user can name is hostile."""
    probe = Probe(
        step=1,
        device=EVIL,
        total_ns=100,
        stages=(ProbedStage((EVIL,), 1, 90),),
        waits=(
            Wait((EVIL,), EVIL, EVIL, f"/{EVIL}/{EVIL}", 1, EVIL, EVIL, EVIL, 1, 50),
            Wait((EVIL,), EVIL, EVIL, "", 0, EVIL, EVIL, EVIL, 1, 40),
        ),
        work=(Work((EVIL,), EVIL, 1, 1, 1),),
        uncounted=(EVIL,),
        memory=(Memory((EVIL,), EVIL, 0, -5, 9, 1),),
        places=(Place(EVIL, 1, 2, 3),),
    )
    environment = {"device": EVIL, "peaks": {"flops": {EVIL: 1e9}, "bytes": 1e9}}
    return breakdown(run_of([lane_of("train", unclaimed=9)], probe=probe, environment=environment))


@pytest.mark.parametrize("only", PARTS)
def test_no_name_is_ever_obeyed(only: str) -> None:
    text = table.text(evil(), 400, only=only)
    assert "\\x1b[2J[red]a|b`c`\\n<script>" in text
    assert all(char.isprintable() or char == "\n" for char in text)
    marked = table.markdown(evil(), only)
    assert "<" not in marked
    assert all(char.isprintable() or char == "\n" for char in marked)
    rows = [line for line in marked.split("\n") if line.startswith("| ")]
    assert len({line.replace("\\|", "").count("|") for line in rows}) == 1
    assert json.loads(json_report.render(evil()))["probe"]["device"] == EVIL


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_csv_never_starts_a_name_like_a_formula(name: str) -> None:
    probe = Probe(
        1, "cpu", 9,
        waits=(Wait((name,), name, name, name, 0, name, name, name, 1, 5),),
        work=(Work((name,), name, 1, 1, 1),),
        memory=(Memory((name,), name, 0, 5, 9, 1),),
    )  # fmt: skip
    found = breakdown(run_of([lane_of("train", unclaimed=9)], probe=probe))
    for only in PARTS:
        for row in csv.reader(io.StringIO(table.csv(found, only))):
            assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(runs(), st.sampled_from((40, 57, 80, 120)))
def test_every_format_of_every_part(run: Run, width: int) -> None:
    result = breakdown(run)
    for only in PARTS if run.probe else ():
        lines = table.text(result, width, only=only).split("\n")
        assert max(cell_len(line) for line in lines) <= width
        assert "\x1b" not in "".join(lines)
        heads = {len(row) for row in csv.reader(io.StringIO(table.csv(result, only)))}
        assert len(heads) == 1
        assert table.markdown(result, only)
    assert max(cell_len(line) for line in table.text(result, width).split("\n")) <= width
    content = json.loads(json_report.render(result))
    assert ("probe" in content) == (run.probe is not None)
