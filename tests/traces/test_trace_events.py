"""Chrome traces: read, written, and their times in whole nanoseconds."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_builder import TraceBuilder

from rnnprof.errors import UsageError
from rnnprof.traces import events


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=2**43 * 1000))
def test_nanoseconds_are_exact_for_any_time_that_kineto_writes(ns: int) -> None:
    written = json.loads(f"{ns // 1000}.{ns % 1000:03}")
    assert events.nanoseconds(written) == ns


def test_a_plain_product_would_be_wrong_by_one() -> None:
    times = range(4_419_713_408_867_000, 4_419_713_408_868_000)
    assert [ns for ns in times if round(ns / 1000 * 1000) != ns]
    assert [ns for ns in times if events.nanoseconds(ns / 1000) != ns] == []
    assert events.nanoseconds(5) == 5000


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    trace = TraceBuilder()
    trace.op("aten::mm <b>ü</b>", 1.5, 2.25)
    file = tmp_path / "deep" / "a.trace.json.gz"
    size = events.write(file, trace.data(note="x"))
    assert size == file.stat().st_size
    assert os.listdir(file.parent) == [file.name]
    assert events.read(file) == trace.data(note="x")
    assert json.loads(gzip.decompress(file.read_bytes())) == trace.data(note="x")


def test_the_same_trace_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        events.write(tmp_path / name, TraceBuilder().data())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_plain_file_and_a_bare_list_are_traces(tmp_path: Path) -> None:
    (tmp_path / "plain.json").write_text('{"traceEvents": [{"ph": "X"}]}')
    (tmp_path / "list.json").write_text('[{"ph": "X"}]')
    for name in ("plain.json", "list.json"):
        assert events.read(tmp_path / name) == {"traceEvents": [{"ph": "X"}]}


def test_what_kineto_writes_that_is_no_json(tmp_path: Path) -> None:
    file = tmp_path / "odd.json"
    file.write_bytes(
        b'{"traceEvents": [{"name": "N/A, nan", "args": {"a": N/A, "b": [nan, -inf ,1], "c": NaN}},'
        b' {"name": "tab\there \xff"}]}'
    )
    first, second = events.read(file)["traceEvents"]
    assert first == {"name": "N/A, nan", "args": {"a": None, "b": [None, None, 1], "c": None}}
    assert second["name"] == "tab\there \ufffd"


@pytest.mark.parametrize("content", [b"", b"no", b"{}", b"3", b'{"traceEvents": 3}', b"[" * 100_000])
def test_a_file_that_is_no_trace(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.json"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"x\.json' is not a trace: give a file that torch.profiler wrote$"):
        events.read(file)


@pytest.mark.parametrize("content", [b"\x1f\x8b", b"\x1f\x8bnonsense", gzip.compress(b"{}" * 99)[:-9]])
def test_a_broken_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.json.gz"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"x\.json\.gz' cannot be read: .+$") as raised:
        events.read(file)
    assert "\n" not in str(raised.value)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for file in (tmp_path / "none.json", tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            events.read(file)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        events.write(tmp_path / "file" / "a.json.gz", TraceBuilder().data())
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        events.write(tmp_path / "folder", TraceBuilder().data())
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_entries_pass_over_what_is_no_event() -> None:
    good = {"ph": "X", "cat": "cpu_op", "name": "a", "pid": 1, "tid": 2, "ts": 1, "dur": 2}
    odd = [None, 3, [], {}, {**good, "ph": "i"}, {**good, "ts": "1"}, {**good, "ts": float("nan")}]
    odd += [{**good, key: None} for key in ("name", "cat", "pid", "tid", "dur")] + [{**good, "dur": -1}]
    found = list(events.entries({"traceEvents": [*odd, {**good, "args": 7}]}))
    assert found == [events.Entry(1000, -3000, len(odd), "cpu_op", "a", (1, 2), None, None, 1)]
    assert found[0].end == 3000


def test_an_entry_knows_its_device_and_its_numbers() -> None:
    trace = TraceBuilder()
    trace.kernel("k", 1, 2, 5, device=3, external=9)
    (entry,) = events.entries(trace.data())
    assert (entry.device, entry.correlation, entry.external, entry.thread) == (3, 5, 9, (3, 7))


@pytest.mark.parametrize("category", ["cuda_runtime", "cuda_driver", "xpu_runtime", "runtime"])
def test_calls_of_a_devices_library(category: str) -> None:
    assert events.is_launch(category)
    assert not events.is_launch("cpu_op")


def test_marks_are_taken_from_labels() -> None:
    trace = TraceBuilder()
    trace.op("mark/0", 0, 9)
    trace.label("mark/1", 1, 5)
    trace.op("aten::mm", 2, 3)
    data = events.take_marks(trace.data(), {"mark/0": "ProfilerStep#1", "mark/1": "aten::mm"})
    assert [(event["cat"], event["name"]) for event in data["traceEvents"]] == [
        ("user_annotation", "ProfilerStep#1"),
        ("user_annotation", "aten::mm"),
        ("cpu_op", "aten::mm"),
    ]
