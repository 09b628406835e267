"""The file of the stage-only trace: exact events, rounding that never overlaps, and its size."""

from __future__ import annotations

import gzip
import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rnnprof
from rnnprof import marks
from rnnprof.errors import TraceError
from rnnprof.recorder.spans import SpanLog
from rnnprof.testing import FakeClock, FakeDevice
from rnnprof.traces import stage_trace

STAGES = {
    "get_batch": 30_000,
    "repackage": 8_000,
    "zero_grad": 20_000,
    "forward": 4_100_000,
    "loss": 600_000,
    "backward": 9_000_000,
    "clip": 400_000,
    "update": 700_000,
}


def recorded(clock: Any, log: SpanLog, **options: Any) -> Any:
    """A profile, begun, whose spans are written down."""
    options = {"warmup": 0, "control_every": 0, **options}
    prof = rnnprof.profile(None, clock=clock, **options).start()
    log.attach(prof._recorder.track(), "main")
    return prof


def end(prof: Any, log: SpanLog) -> None:
    """Stop the profile and close the log."""
    prof.stop()
    log.close()


def read(file: Path) -> dict[str, Any]:
    """The trace as an object."""
    data: dict[str, Any] = json.loads(gzip.decompress(file.read_bytes()))
    return data


def shown(data: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Row, category, name, start and length in nanoseconds of each event."""
    rows = {one["tid"]: one["args"]["name"] for one in data["traceEvents"] if one["name"] == "thread_name"}
    return [
        (rows[one["tid"]], one["cat"], one["name"], round(one["ts"] * 1000), round(one["dur"] * 1000))
        for one in data["traceEvents"]
        if one["ph"] == "X"
    ]


def test_events_are_exact(clock: FakeClock, tmp_path: Path) -> None:
    clock.advance(10**15)
    log = SpanLog()
    prof = recorded(clock, log)
    for _ in range(2):
        with prof.step():
            clock.advance(1)
            with prof.stage('a "quoted" \\ stage\n'):
                clock.advance(1234)
                with prof.stage("rnn ✓ \ud800"):
                    clock.advance(100_000)
        clock.advance(50)
    end(prof, log)
    file = tmp_path / "new" / "stages.trace.json.gz"
    size = stage_trace.write(log, file, "train.py")
    assert size == file.stat().st_size
    assert [one.name for one in file.parent.iterdir()] == [file.name]
    data = read(file)
    assert data["displayTimeUnit"] == "ms"
    assert data["otherData"] == {
        "by": "rnnprof",
        "times_rounded_to_ns": 1,
        "steps": 2,
        "steps_kept": 2,
        "spans": 8,
        "spans_kept": 8,
        "kept": "all",
        "threads_left_out": 0,
        "ended_early": None,
    }
    assert shown(data) == [
        ("main", "lane", "setup", 0, 0),
        ("main", "lane", "train", 0, 202_570),
        ("main", "step,host", "step", 0, 101_235),
        ("main", "stage", 'a "quoted" \\ stage\n', 1, 101_234),
        ("main", "stage", "rnn ✓ \ud800", 1235, 100_000),
        ("main", "step,host", "step", 101_285, 101_235),
        ("main", "stage", 'a "quoted" \\ stage\n', 101_286, 101_234),
        ("main", "stage", "rnn ✓ \ud800", 102_520, 100_000),
    ]
    assert [one["args"] for one in data["traceEvents"] if one["name"] == "step"] == [{"step": 0}, {"step": 1}]
    named = {one["name"]: one["args"] for one in data["traceEvents"] if one["ph"] == "M"}
    assert named["process_name"] == {"name": "train.py"}
    assert all(one["cat"] and one["pid"] == 1 and "tid" in one for one in data["traceEvents"])


def test_a_parent_comes_before_what_is_as_long_as_it_is(clock: FakeClock, tmp_path: Path) -> None:
    log = SpanLog()
    prof = recorded(clock, log)
    with prof.step(), prof.stage("outer"), prof.stage("inner"):
        clock.advance(7)
    end(prof, log)
    stage_trace.write(log, tmp_path / "a.json.gz")
    names = [name for _, cat, name, *_ in shown(read(tmp_path / "a.json.gz")) if cat != "lane"]
    assert names == ["step", "outer", "inner"]


def test_a_device_has_a_row_of_its_own(clock: FakeClock, tmp_path: Path) -> None:
    log, device = SpanLog(), FakeDevice(clock)
    prof = recorded("event", log, device=device)
    with prof.step():
        marks.Mark("forward")()
        clock.advance(2)
        device.launch(300)
    end(prof, log)
    stage_trace.write(log, tmp_path / "a.json.gz")
    assert [one for one in shown(read(tmp_path / "a.json.gz")) if one[0] == "device"] == [
        ("device", "step,event", "step", 0, 302),
        ("device", "stage", "forward", 0, 302),
    ]


def test_nothing_recorded_is_a_trace_without_events(tmp_path: Path) -> None:
    stage_trace.write(SpanLog(), tmp_path / "a.json.gz")
    data = read(tmp_path / "a.json.gz")
    assert shown(data) == []
    assert data["otherData"]["spans"] == 0


def test_the_file_says_what_was_left_out(clock: FakeClock, tmp_path: Path) -> None:
    log = SpanLog(limit=40, chunk=6)
    prof = recorded(clock, log)
    for _ in range(100):
        with prof.step(), prof.stage("forward"):
            clock.advance(10)
    end(prof, log)
    stage_trace.write(log, tmp_path / "a.json.gz")
    data = read(tmp_path / "a.json.gz")
    about = data["otherData"]
    assert about["kept"] == "one of 8 windows of consecutive steps"
    assert (about["steps"], about["spans"]) == (100, 202)
    assert about["steps_kept"] == sum(name == "step" for _, _, name, *_ in shown(data))
    assert about["spans_kept"] == len(shown(data)) <= 40


def with_noise(count: int, scale: float = 1.0) -> SpanLog:
    """A language model's steps, with stages of random length and the marks' own gaps."""
    dice, clock, log = random.Random(1), FakeClock(), SpanLog()
    prof = recorded(clock, log)
    for _ in range(count):
        with prof.step():
            for name, ns in STAGES.items():
                with prof.stage(name):
                    clock.advance(round(dice.lognormvariate(0, 0.12) * ns * scale))
                clock.advance(round(dice.lognormvariate(6, 0.3)))
    end(prof, log)
    return log


@pytest.mark.parametrize("scale", [0.1, 1, 20])
def test_a_hundred_thousand_steps_would_stay_below_ten_megabytes(
    scale: float, tmp_path: Path, monkeypatch: Any
) -> None:
    count = 2000
    log = with_noise(count, scale)
    monkeypatch.setattr(stage_trace, "TARGET_BYTES", stage_trace.TARGET_BYTES * count // 100_000)
    size = stage_trace.write(log, tmp_path / "a.json.gz")
    assert size * 100_000 / count < 9_500_000
    data = read(tmp_path / "a.json.gz")
    assert data["otherData"]["times_rounded_to_ns"] <= 1000
    assert data["otherData"]["steps_kept"] == count


@pytest.mark.parametrize("unit", stage_trace.UNITS_NS)
@settings(deadline=None)
@given(
    # The gaps and lengths of a step's stages, in nanoseconds.
    spans=st.lists(st.tuples(st.integers(0, 30_000), st.integers(0, 30_000)), min_size=1, max_size=12)
)
def test_rounding_keeps_nesting_and_order(unit: int, spans: list[tuple[int, int]]) -> None:
    clock, log = FakeClock(17), SpanLog()
    prof = recorded(clock, log)
    with prof.step():
        for gap, ns in spans:
            clock.advance(gap)
            with prof.stage("forward"):
                clock.advance(ns)
    end(prof, log)
    chunk = log.rows[0].inside.chunks[0]
    text = stage_trace._events(log.places, chunk, 1, chunk.begins, unit)
    step, *stages = json.loads(f"[{text[1:]}]")
    ends = [(round(one["ts"] * 1000), round((one["ts"] + one["dur"]) * 1000)) for one in (step, *stages)]
    assert all(number % unit == 0 for both in ends for number in both)
    (begin, end_), *inner = ends
    for (_, before), (after, _) in itertools.pairwise(inner):
        assert before <= after
    assert begin <= inner[0][0]
    assert inner[-1][1] <= end_
    exact = chunk.columns()
    for (start, stop), (first, last) in zip(inner, zip(exact[1], exact[2], strict=True), strict=False):
        assert abs(start + chunk.begins - first) <= unit / 2
        assert abs(stop + chunk.begins - last) <= unit / 2


def test_a_file_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "a.json.gz").mkdir()
    with pytest.raises(TraceError, match=r"^cannot write .*a\.json\.gz: ") as caught:
        stage_trace.write(SpanLog(), tmp_path / "a.json.gz")
    assert "\n" not in str(caught.value)
    assert [one.name for one in tmp_path.iterdir()] == ["a.json.gz"]
