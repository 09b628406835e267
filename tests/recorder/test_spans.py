"""What the log of spans holds: every span of the steps that ended well, to the nanosecond."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from helpers import in_steps, lane, outside, profile, steps
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnprof import marks
from rnnprof.recorder import spans
from rnnprof.recorder.chunks import MAX_PAUSES, Chunk, Pauses, Stream
from rnnprof.recorder.spans import SpanLog
from rnnprof.stages import OWN
from rnnprof.testing import FakeClock, FakeDevice

Found = list[tuple[str, int, int]]


def logged(clock: Any, log: SpanLog, **options: Any) -> Any:
    """A profile, begun, whose main thread's spans are written down."""
    prof = profile(clock, **options).start()
    log.attach(prof._recorder.track(), "main")
    return prof


def end(prof: Any, log: SpanLog) -> Any:
    """Stop the profile and return its run; the log is closed."""
    prof.stop()
    log.close()
    return prof.run


def spans_of(log: SpanLog, stream: Stream) -> Iterator[tuple[spans.Place, int, int]]:
    """The spans of a stream as place, start and length."""
    for chunk in stream.chunks:
        places, starts, ends, _ = chunk.columns()
        for place, start, ended in zip(places, starts, ends, strict=True):
            yield log.places[place], start, ended - start


def told(log: SpanLog, stream: Stream) -> Found:
    """The same with the path of each place as text; a step is ``(its kind)``, a lane ``[its name]``."""
    return [
        ("/".join(place.path) or (f"({place.kind})" if place.kind else f"[{place.lane}]"), start, ns)
        for place, start, ns in spans_of(log, stream)
    ]


def numbers(stream: Stream) -> list[int]:
    """The numbers of the steps of a stream."""
    return [number for chunk in stream.chunks for number in chunk.columns()[3]]


@pytest.fixture
def log() -> SpanLog:
    """A log with the usual limits."""
    return SpanLog()


def test_every_span_is_there_with_its_start(clock: FakeClock, log: SpanLog) -> None:
    prof = logged(clock, log)
    for _ in range(2):
        with prof.step():
            clock.advance(1)
            with prof.stage("forward"):
                clock.advance(10)
                with prof.stage("rnn"):
                    clock.advance(100)
                clock.advance(2)
            clock.advance(3)
        clock.advance(1000)
    end(prof, log)
    (row,) = log.rows
    assert told(log, row.inside) == [
        ("forward/rnn", 11, 100),
        ("forward", 1, 112),
        ("(host)", 0, 116),
        ("forward/rnn", 1127, 100),
        ("forward", 1117, 112),
        ("(host)", 1116, 116),
    ]
    assert numbers(row.inside) == [0, 1]
    assert told(log, row.outside) == [("[setup]", 0, 0), ("[train]", 0, 2232)]
    assert (log.spans, log.steps, log.kept, log.every) == (8, 2, 8, 1)


def test_marks_meet_exactly(clock: FakeClock, log: SpanLog) -> None:
    prof = logged(clock, log)
    with prof.step():
        clock.advance(5)
        marks.Mark("forward")()
        clock.advance(10)
        marks.Mark("loss")()
        clock.advance(20)
        marks.Mark(None)()
        clock.advance(3)
        marks.Mark("update")()
        clock.advance(30)
    marks.Mark("log")()
    clock.advance(4)
    with prof.step():
        pass
    end(prof, log)
    (row,) = log.rows
    assert told(log, row.inside) == [
        ("forward", 5, 10),
        ("loss", 15, 20),
        ("update", 38, 30),
        ("(host)", 0, 68),
        ("(host)", 72, 0),
    ]
    assert told(log, row.outside) == [("[setup]", 0, 0), ("log", 68, 4), ("[train]", 0, 72)]


def test_a_step_that_failed_is_not_there(clock: FakeClock, log: SpanLog) -> None:
    prof = logged(clock, log)
    for number in range(3):
        try:
            with prof.step(), prof.stage("forward"):
                clock.advance(10)
                if number == 1:
                    raise KeyError
        except KeyError:
            pass
    run = end(prof, log)
    assert told(log, log.rows[0].inside) == [
        ("forward", 0, 10),
        ("(host)", 0, 10),
        ("forward", 20, 10),
        ("(host)", 20, 10),
    ]
    assert steps(run).count == log.steps == 2


def test_control_steps_are_steps_without_stages(clock: FakeClock, log: SpanLog) -> None:
    prof = logged(clock, log, warmup=1, control_every=8)
    for _ in range(9):
        with prof.step(), prof.stage("forward"):
            clock.advance(10)
    end(prof, log)
    found = Counter(name for name, *_ in told(log, log.rows[0].inside))
    assert found == {"(warmup)": 1, "(control)": 1, "(host)": 7, "forward": 8}
    assert numbers(log.rows[0].inside) == list(range(9))


def test_stages_outside_steps_and_lanes(clock: FakeClock, log: SpanLog) -> None:
    prof = logged(clock, log)
    with prof.stage("load"):
        clock.advance(100)
    with prof.stage("epoch"):
        clock.advance(10)
        with prof.step():
            clock.advance(1)
        clock.advance(5)
        began = clock.now()
        with prof.lane("evaluate"):
            with prof.stage("prepare"):
                clock.advance(1000)
            with prof.step(), prof.stage("forward"):
                clock.advance(2000)
        log.rows[0].paused(began, clock.now(), True)
        clock.advance(20)
    end(prof, log)
    (row,) = log.rows
    assert told(log, row.inside) == [("(host)", 110, 1), ("forward", 1116, 2000), ("(host)", 1116, 2000)]
    assert told(log, row.outside) == [
        ("load", 0, 100),
        # What was open when the training began goes on in it.
        ("epoch", 100, 10),
        ("[setup]", 0, 110),
        ("prepare", 116, 1000),
        ("[evaluate]", 116, 3000),
        # In the picture of the run these two hold the lane inside them.
        ("epoch", 110, 3026),
        ("[train]", 110, 3026),
    ]
    assert numbers(row.inside) == [0, 0]


def test_a_lane_inside_a_step(clock: FakeClock, log: SpanLog) -> None:
    prof = logged(clock, log)
    with prof.step():
        with prof.stage("forward"):
            clock.advance(7)
        with prof.stage("log"):
            clock.advance(1)
            began = clock.now()
            with prof.lane("evaluate"), prof.step(), prof.stage("forward"):
                clock.advance(100)
            log.rows[0].paused(began, clock.now(), True)
            clock.advance(2)
    run = end(prof, log)
    (row,) = log.rows
    assert told(log, row.inside) == [
        ("forward", 8, 100),
        ("(host)", 8, 100),
        ("forward", 0, 7),
        ("log", 7, 103),
        ("(host)", 0, 110),
    ]
    assert in_steps(run)["log"] == (1, 3)


def test_a_pause_within_a_pause_counts_once() -> None:
    pauses = Pauses()
    pauses.add(20, 30, False)
    assert pauses.began(10, 40, False) == 0
    # A lane's visit goes on while rnnprof itself is at work.
    assert pauses.began(10, 40, True) == 10
    pauses.add(15, 60, True)
    assert pauses.began(46, 100, False) == pauses.began(46, 100, True) == 1
    assert pauses.began(60, 100, False) == 60
    assert pauses.began(16, 40, False) == 16
    assert pauses.any_after(59)
    assert not pauses.any_after(60)
    for number in range(2 * MAX_PAUSES):
        pauses.add(100 + number, 101 + number, True)
    assert pauses.began(100, 10**6, False) == 100 - MAX_PAUSES


def test_a_thread_has_a_row_that_the_next_of_its_name_uses_again(clock: FakeClock, log: SpanLog) -> None:
    prof = logged(clock, log)

    def work() -> None:
        track = prof._recorder.track()
        log.attach(track, track.lane.name)
        with prof.step(), prof.stage("fetch"):
            clock.advance(5)

    for _ in range(3):
        thread = threading.Thread(target=work, name="loader-1")
        thread.start()
        thread.join()
    end(prof, log)
    assert [row.name for row in log.rows] == ["main", "thread loader"]
    assert told(log, log.rows[1].inside) == [
        (name, start, 5) for start in (0, 5, 10) for name in ("fetch", "(host)")
    ]
    assert numbers(log.rows[1].inside) == [0, 1, 2]


def test_threads_beyond_the_limit_are_counted(monkeypatch: Any, clock: FakeClock, log: SpanLog) -> None:
    monkeypatch.setattr(spans, "MAX_ROWS", 1)
    prof = logged(clock, log)
    log.attach(track := marks.Track(), "other")
    assert track.log is None
    assert (len(log.rows), log.threads_left_out) == (1, 1)
    prof.stop()


def test_device_time_has_a_stream_of_its_own(clock: FakeClock, log: SpanLog) -> None:
    device = FakeDevice(clock)
    prof = logged("event", log, device=device)
    for _ in range(2):
        with prof.step():
            for name, ns in (("forward", 300), ("backward", 600)):
                marks.Mark(name)()
                clock.advance(2)
                device.launch(ns)
    run = end(prof, log)
    (row,) = log.rows
    assert told(log, row.inside) == []
    # The host began the second step at 4, when the device was still at the first one.
    assert told(log, row.device) == [
        ("forward", 0, 302),
        ("backward", 302, 600),
        ("(event)", 0, 902),
        ("forward", 902, 300),
        ("backward", 1202, 600),
        ("(event)", 902, 900),
    ]
    assert numbers(row.device) == [0, 1]
    assert in_steps(run, "event") == {"forward": (2, 602), "backward": (2, 1200)}


def test_steps_of_all_clocks_are_numbered_as_they_come(clock: FakeClock, log: SpanLog) -> None:
    device = FakeDevice(clock)
    prof = logged("auto", log, device=device, control_every=8)
    for _ in range(20):
        with prof.step():
            clock.advance(3)
            device.launch(10)
    end(prof, log)
    (row,) = log.rows
    found = {}
    for stream in (row.inside, row.device):
        named = [name for name, *_ in told(log, stream)]
        found |= dict(zip(numbers(stream), named, strict=True))
    assert sorted(found) == list(range(20))
    assert {"(host)", "(sync)", "(event)", "(control)"} == set(found.values())


def test_nothing_is_written_down_after_the_end(clock: FakeClock, log: SpanLog) -> None:
    prof = logged(clock, log)
    log.close()
    with prof.step():
        pass
    prof.stop()
    assert log.spans == 0
    assert log.rows[0].track.log is None


def test_half_of_the_windows_go_when_there_are_too_many(clock: FakeClock) -> None:
    log = SpanLog(limit=40, chunk=6)
    prof = logged(clock, log)
    for _ in range(100):
        with prof.step():
            with prof.stage("forward"):
                clock.advance(10)
    end(prof, log)
    (row,) = log.rows
    # Two spans a step, three steps a chunk; two visits of lanes beside them.
    assert log.every == 8
    assert numbers(row.inside) == [
        n for first in range(0, 100, 24) for n in range(first, min(first + 3, 100))
    ]
    assert [start for name, start, _ in told(log, row.inside) if name == "forward"] == [
        10 * number for number in numbers(row.inside)
    ]
    assert (log.spans, log.steps) == (202, 100)
    assert log.kept == sum(chunk.spans for stream in log.streams() for chunk in stream.chunks) <= 40


def test_a_step_too_long_for_the_journal_is_written_down_as_it_goes(clock: FakeClock, log: SpanLog) -> None:
    prof = logged(clock, log)
    with prof.step():
        for _ in range(70_000):
            with prof.stage("forward"):
                pass
    end(prof, log)
    assert log.spans == 70_003


def test_a_log_that_fails_is_given_up(monkeypatch: Any, clock: FakeClock, log: SpanLog) -> None:
    def full(self: Stream) -> Chunk:
        raise MemoryError

    log.chunk = 4
    prof = logged(clock, log)
    monkeypatch.setattr(Stream, "pack", full)
    for _ in range(5):
        with prof.step(), prof.stage("forward"):
            clock.advance(5)
    assert log.failure == "MemoryError"
    assert prof._recorder.track().log is None
    prof.stop()
    assert in_steps(prof.run) == {"forward": (5, 25)}


def test_a_log_that_fails_at_the_end_does_not_cost_the_run(
    monkeypatch: Any, clock: FakeClock, log: SpanLog
) -> None:
    def full(self: Stream) -> Chunk:
        raise MemoryError

    prof = logged(clock, log)
    with prof.step():
        clock.advance(5)
    monkeypatch.setattr(Stream, "pack", full)
    end(prof, log)
    assert log.failure == "MemoryError"


def test_a_log_that_fails_where_a_device_measured_does_not_stop_the_program(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock, log: SpanLog
) -> None:
    device = FakeDevice(clock)
    prof = logged("event", log, device=device)
    with prof.step():
        device.launch(300)
    monkeypatch.setattr(log, "chunk", None)
    end(prof, log)
    assert log.failure is not None
    assert steps(prof.run, "event").total_ns == 300


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1 << 50), st.integers(-5, 1 << 50)), max_size=50))
def test_a_chunk_gives_back_what_went_in(rows: list[tuple[int, int, int]]) -> None:
    stream = Stream()
    for place, start, ns in rows:
        stream.places.append(place)
        stream.starts.append(start)
        stream.lengths.append(ns)
        if place == 0:
            stream.numbers.append(start)
    chunk: Chunk = stream.pack()
    places, starts, ends, numbered = chunk.columns()
    assert [(p, s, e) for p, s, e in zip(places, starts, ends, strict=True)] == [
        (place, start, start + max(ns, 0)) for place, start, ns in rows
    ]
    assert numbered == [start for place, start, _ in rows if place == 0]


def test_a_span_takes_few_bytes(clock: FakeClock, log: SpanLog) -> None:
    dice = random.Random(1)
    prof = logged(clock, log)
    for _ in range(2000):
        with prof.step():
            for name in ("get_batch", "forward", "loss", "backward", "update"):
                with prof.stage(name):
                    clock.advance(round(dice.lognormvariate(14, 0.1)))
                clock.advance(dice.randrange(300, 900))
    end(prof, log)
    held = sum(len(chunk.data) for stream in log.streams() for chunk in stream.chunks)
    assert held / log.kept < 6


NAMES = st.sampled_from(["a", "b", "c", None])
PROGRAM = st.recursive(
    st.tuples(st.sampled_from(["wait", "mark"]), st.integers(0, 50), NAMES),
    lambda inside: st.tuples(
        st.sampled_from(["stage", "step", "fail", "lane"]), NAMES, st.lists(inside, max_size=4)
    ),
    max_leaves=25,
)


def perform(prof: Any, clock: FakeClock, what: Any, in_step: bool = False, in_lane: bool = False) -> None:
    """Run a program of marks; what cannot stand where it does is skipped."""
    kind = what[0]
    if kind == "wait":
        clock.advance(what[1])
    elif kind == "mark":
        marks.Mark(what[2])()
    elif kind in ("stage", "step", "fail", "lane"):
        if (kind in ("step", "fail") and in_step) or (kind == "lane" and in_lane):
            return
        name = what[1] or "d"
        context = {"stage": lambda: prof.stage(name), "lane": lambda: prof.lane("evaluate")}.get(
            kind, prof.step
        )
        try:
            with context():
                for inner in what[2]:
                    perform(
                        prof,
                        clock,
                        inner,
                        (in_step or kind in ("step", "fail")) and kind != "lane",
                        in_lane or kind == "lane",
                    )
                if kind == "fail":
                    raise KeyError
        except KeyError:
            pass


@settings(max_examples=100, deadline=None)
@given(st.lists(PROGRAM, max_size=12))
def test_whatever_the_program_the_log_adds_up_to_the_tallies(program: list[Any]) -> None:
    clock, log = FakeClock(), SpanLog(chunk=4)
    prof = logged(clock, log)
    row = log.rows[0]
    # Without what puts the start back: then lengths are those of the tallies.
    row.paused = lambda *_, **__: None  # type: ignore[method-assign]
    for what in program:
        perform(prof, clock, what)
    run = end(prof, log)
    counts: Counter[Any] = Counter()
    totals: Counter[Any] = Counter()
    for stream in (row.inside, row.outside):
        for place, _, ns in spans_of(log, stream):
            counts[place.lane, place.kind, "/".join(place.path)] += 1
            totals[place.lane, place.kind, "/".join(place.path)] += ns
    expected = {}
    for name in {one.name for one in run.lanes}:
        expected |= {(name, "", path): found for path, found in outside(run, name).items()}
        visits = lane(run, name).series
        expected[name, "", ""] = (visits.count, visits.total_ns)
        for kind in lane(run, name).steps:
            expected |= {(name, kind, path): found for path, found in in_steps(run, kind, name).items()}
            series = steps(run, kind, name)
            expected[name, kind, ""] = (series.count, series.total_ns)
    assert {key: (counts[key], totals[key]) for key in counts if key[2] != OWN} == {
        key: found for key, found in expected.items() if found[0] and key[2] != OWN
    }
