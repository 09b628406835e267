"""What the schema cannot say of a run, or says only roughly, and that its messages are clean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import rnnprof
from rnnprof import histogram, runcheck
from tests.test_runfile import changed, refused, series


@pytest.mark.parametrize("key", ["version", "wall_ns", "rank", "world_size"])
def test_integers_are_written_as_such(tmp_path: Path, key: str) -> None:
    message = "is no valid run: a number of the run is not written as an integer"
    assert refused(tmp_path, changed(**{key: 1.0})) == message


def test_the_longest_durations_have_the_last_bin() -> None:
    bins = runcheck.schema()["definitions"]["series"]["properties"]["bins"]
    assert bins["items"]["maximum"] == histogram.index(2**63 - 1) == bins["maxItems"] - 1


def test_lanes_have_names_of_their_own(tmp_path: Path) -> None:
    lane = {"name": "train", "series": series()}
    assert refused(tmp_path, changed(lanes=[lane, lane])) == "is no valid run: it has two lanes 'train'"


def nested(levels: int) -> list[dict[str, Any]]:
    stages: list[dict[str, Any]] = []
    for _ in range(levels):
        stages = [{"name": "a", "series": series(), "stages": stages}]
    return stages


def test_what_nests_too_deep(tmp_path: Path) -> None:
    lane = {"name": "train", "series": series(), "stages": nested(81)}
    message = "is no valid run: its stages nest deeper than 80 levels"
    assert refused(tmp_path, changed(lanes=[lane])) == message
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]
    message = "is no valid run: its environment nest deeper than 80 levels"
    assert refused(tmp_path, changed(environment={"deep": deep})) == message


def test_steps_may_go_on_while_a_running_program_is_saved(tmp_path: Path) -> None:
    more = series(count=2, total_ns=10)
    lane = {"name": "train", "series": series(), "steps": {"host": {"series": series(), "wall": more}}}
    message = "is no valid run: the two clocks of train, host steps count 1 and 2 steps"
    assert refused(tmp_path, changed(lanes=[lane])) == message
    (tmp_path / "run.json").write_bytes(changed(lanes=[lane], ended="running"))
    rnnprof.load(tmp_path / "run.json")


HOSTILE = "\x1b[31m\n" + "x" * 5000


@pytest.mark.parametrize(
    "lanes",
    [
        [{"name": HOSTILE, "series": series(min_ns=9)}],
        [{"name": HOSTILE, "series": series()}] * 2,
        [{"name": "train", "series": series(), "steps": {HOSTILE: {"series": series()}}}],
        [{"name": "train", "series": series(), "steps": {"\x1b\n": {}}}],
    ],
)
def test_a_message_is_one_short_clean_line(tmp_path: Path, lanes: list[Any]) -> None:
    message = refused(tmp_path, changed(lanes=lanes))
    assert message.isprintable()
    assert len(message) < 250


FUNCTION = {
    "file": "a.py",
    "line": 1,
    "name": "f",
    "calls": 2,
    "primitive_calls": 2,
    "own_ns": 3,
    "total_ns": 4,
}
FUNCTIONS = {"file": "run.prof", "loop_file": "run.loop.prof", "setup_ns": 0, "loop_ns": 3}
TRACED = {"path": ["a"], "calls": 1, "total_ns": 5}
TRACE = {"first_step": 5, "steps": 2, "total_ns": 9, "file": "run.trace/a.json.gz", "bytes": 3}


def with_trace(**changes: Any) -> bytes:
    return changed(traces=[{**TRACE, **changes}])


def with_functions(**changes: Any) -> bytes:
    return changed(functions={**FUNCTIONS, **changes})


OPERATOR = {"name": "aten::mm", "calls": 1, "self_ns": 1}
NOT_WHOLE = "a number of the trace from step 5 is not written as an integer"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (with_trace(steps=2.0), NOT_WHOLE),
        (with_trace(bytes=True), "run.traces[0].bytes must be integer"),
        (with_trace(stages=[{**TRACED, "calls": 1.0}]), NOT_WHOLE),
        (with_trace(stages=[{**TRACED, "operators": [{**OPERATOR, "device_ns": 0.0}]}]), NOT_WHOLE),
        (
            with_trace(stages=[{**TRACED, "kernels": [{"name": "k", "calls": 1, "device_ns": 1.0}]}]),
            NOT_WHOLE,
        ),
        (with_trace(stages=[TRACED, TRACED]), "the trace from step 5 has the stage 'a' twice"),
        (with_trace(steps=-1), "run.traces[0].steps must be bigger than or equal to 0"),
        (
            with_trace(total_ns=2**63),
            "run.traces[0].total_ns must be smaller than or equal to 9223372036854775807",
        ),
        (with_trace(device=1), "run.traces[0].device must be boolean"),
        (with_trace(stages=[{**TRACED, "path": "a"}]), "run.traces[0].stages[0].path must be array"),
        (with_functions(loop_ns=3.0), "a number of the functions is not written as an integer"),
        (
            with_functions(loop=[{**FUNCTION, "line": 1.0}]),
            "a number of the functions is not written as an integer",
        ),
        (
            with_functions(setup=[{**FUNCTION, "primitive_calls": 3}]),
            "a function of the functions has more primitive calls than calls",
        ),
        (
            with_functions(stages=[{"path": [], "own_ns": 1, "functions": []}] * 2),
            "the functions has the stage '' twice",
        ),
        (with_functions(file=None), "run.functions.file must be string"),
        (changed(functions=None), "run.functions must be object"),
        *(
            (with_trace(file=file), f"its trace {file!r} does not lie in the run's folder")
            for file in ("/etc/passwd", "../x", "a/../../x", "C:\\x", "\\\\host\\x", "a\0b", "..")
        ),
        (with_functions(loop_file="/x"), "its trace '/x' does not lie in the run's folder"),
    ],
)
def test_broken_captures(tmp_path: Path, content: bytes, message: str) -> None:
    assert refused(tmp_path, content) == f"is no valid run: {message}"


def test_captures_with_keys_of_a_newer_version(tmp_path: Path) -> None:
    newer = {"later": 1.5}
    trace = {**TRACE, **newer, "stages": [{**TRACED, **newer, "operators": [{**OPERATOR, **newer}]}]}
    functions = {**FUNCTIONS, **newer, "file": "", "loop": [{**FUNCTION, **newer}]}
    (tmp_path / "run.json").write_bytes(changed(traces=[trace], functions=functions))
    run = rnnprof.load(tmp_path / "run.json")
    assert run.traces[0].stages[0].operators[0].name == "aten::mm"
    assert run.functions is not None
    assert run.functions.loop[0].calls == 2


PROBE = {"step": 9, "device": "cpu", "total_ns": 5}
STAGE = {"path": ["a"], "calls": 1, "total_ns": 5}
WAIT = {
    "path": ["a"],
    "way": "item",
    "call": "Tensor.item",
    "file": "main.py",
    "line": 3,
    "function": "train",
    "source": "loss.item()",
    "library": "",
    "count": 1,
    "waited_ns": None,
}
WORK = {"path": ["a"], "dtype": "float32", "flops": 1, "bytes": 2, "operators": 3}
MEMORY = {
    "path": ["a"],
    "place": "cpu",
    "before_bytes": -1,
    "allocated_bytes": -2,
    "peak_bytes": None,
    "reserved_bytes": -3,
}
PLACE = {"name": "cpu", "begin_bytes": None, "reserved_bytes": None, "total_bytes": 7}


def with_probe(**changes: Any) -> bytes:
    return changed(probe={**PROBE, **changes})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed(probe=None), "run.probe must be object"),
        (changed(probe={"step": 9, "device": "cpu"}), "run.probe must contain ['total_ns'] properties"),
        (with_probe(step=1.0), "a number of the probe is not written as an integer"),
        (with_probe(step=-1), "run.probe.step must be bigger than or equal to 0"),
        (with_probe(more_waits=1.0), "a number of the probe is not written as an integer"),
        (with_probe(device=3), "run.probe.device must be string"),
        (with_probe(stages=[STAGE, STAGE]), "the probe's stages hold \"('a',)\" twice"),
        (
            with_probe(stages=[{**STAGE, "calls": 1.0}]),
            "a number of the probe's stages is not written as an integer",
        ),
        (with_probe(stages=[{**STAGE, "path": "a"}]), "run.probe.stages[0].path must be array"),
        (
            with_probe(waits=[{**WAIT, "waited_ns": 1.0}]),
            "a number of the probe's waits is not written as an integer",
        ),
        (
            with_probe(waits=[{**WAIT, "waited_ns": -1}]),
            "run.probe.waits[0].waited_ns cannot be validated by any definition",
        ),
        (
            with_probe(waits=[{**WAIT, "line": True}]),
            "run.probe.waits[0].line must be integer",
        ),
        (with_probe(work=[WORK, WORK]), "the probe's work hold \"('a',)/float32\" twice"),
        (
            with_probe(work=[{**WORK, "flops": 2.0}]),
            "a number of the probe's work is not written as an integer",
        ),
        (
            with_probe(work=[{**WORK, "bytes": 2**63}]),
            "run.probe.work[0].bytes must be smaller than or equal to 9223372036854775807",
        ),
        (with_probe(uncounted=[3]), "run.probe.uncounted[0] must be string"),
        (with_probe(memory=[MEMORY, MEMORY]), "the probe's memory hold \"('a',)/cpu\" twice"),
        (
            with_probe(memory=[{**MEMORY, "before_bytes": -1.0}]),
            "a number of the probe's memory is not written as an integer",
        ),
        (
            with_probe(memory=[{**MEMORY, "allocated_bytes": -(2**63) - 1}]),
            "run.probe.memory[0].allocated_bytes must be bigger than or equal to -9223372036854775808",
        ),
        (with_probe(places=[PLACE, PLACE]), "the probe's places hold 'cpu' twice"),
        (
            with_probe(places=[{**PLACE, "total_bytes": 7.0}]),
            "a number of the probe's places is not written as an integer",
        ),
    ],
)
def test_broken_probes(tmp_path: Path, content: bytes, message: str) -> None:
    assert refused(tmp_path, content) == f"is no valid run: {message}"


def test_a_probe_with_keys_of_a_newer_version(tmp_path: Path) -> None:
    newer = {"later": 1.5}
    parts = {"stages": STAGE, "waits": WAIT, "work": WORK, "memory": MEMORY, "places": PLACE}
    probe = {**PROBE, **newer, **{key: [{**part, **newer}] for key, part in parts.items()}}
    (tmp_path / "run.json").write_bytes(changed(probe=probe))
    found = rnnprof.load(tmp_path / "run.json").probe
    assert found is not None
    assert (found.work[0].dtype, found.waits[0].waited_ns, found.memory[0].path) == ("float32", None, ("a",))
    # The same place may wait more than once, in another way or another call.
    (tmp_path / "run.json").write_bytes(with_probe(waits=[WAIT, WAIT]))
    found = rnnprof.load(tmp_path / "run.json").probe
    assert found is not None
    assert len(found.waits) == 2
