"""However long the run: exact sums, bounded space, and a schedule that is what it says."""

from __future__ import annotations

import gc
import json
from collections import Counter

import pytest
from helpers import lane, profile, steps
from hypothesis import given
from hypothesis import strategies as st

from rnnprof import marks, marks_python, runlayout
from rnnprof.errors import UsageError
from rnnprof.histogram import index
from rnnprof.recorder import snapshot
from rnnprof.recorder.timeline import LIMIT, Buckets
from rnnprof.schedule import Schedule
from rnnprof.testing import FakeClock

durations = st.lists(st.integers(0, 1 << 48), max_size=60)


@pytest.mark.parametrize("kind", [marks.Tally, marks_python.Tally])
@given(spans=durations)
def test_a_tally_is_exact(kind: type, spans: list[int]) -> None:
    tally = kind()
    for span in spans:
        tally.add(span)
    assert (tally.count, tally.total) == (len(spans), sum(spans))
    assert (tally.least, tally.most) == (min(spans, default=0), max(spans, default=0))
    assert tally.bins() == dict(sorted(Counter(map(index, spans)).items()))
    assert list(tally.bins()) == sorted(tally.bins())


@pytest.mark.parametrize("kind", [marks.Tally, marks_python.Tally])
def test_a_clock_that_runs_backwards_gives_spans_of_nothing(kind: type) -> None:
    tally = kind()
    tally.add(-5)
    assert (tally.count, tally.total, tally.least, tally.most) == (1, 0, 0, 0)


@pytest.mark.parametrize("kind", [marks.Tally, marks_python.Tally])
def test_bins_are_read_whole_while_the_garbage_collector_lets_others_add(kind: type) -> None:
    tally = kind()
    for i in range(2_000):
        tally.add(i**3)
    later = iter(range(10**12, 2 * 10**12, 10**9))

    def add(phase: str, info: object) -> None:
        tally.add(next(later, 0))

    before = gc.get_threshold()
    gc.callbacks.append(add)
    gc.set_threshold(1)
    try:
        bins = tally.bins()
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(add)
    assert sum(bins.values()) <= tally.count


@pytest.mark.parametrize("kind", [marks.Tally, marks_python.Tally])
def test_spans_that_are_added_while_a_tally_is_read_leave_a_valid_series(kind: type) -> None:
    for one_in in range(1, 7):

        class Racing:
            """Adds a span before one of the readings."""

            def __init__(self) -> None:
                self.tally, self.readings = kind(), 0

            def __getattr__(self, name: str) -> object:
                self.readings += 1
                if self.readings == one_in:  # noqa: B023
                    self.tally.add(7)
                return getattr(self.tally, name)

        found = snapshot.series(Racing())  # type: ignore[arg-type]
        assert sum(found.counts) <= found.count
        assert found.min_ns <= found.max_ns
        assert found.count or not found.total_ns


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10**6)), min_size=1, max_size=3000))
def test_a_timeline_keeps_every_span(visits: list[tuple[int, int]]) -> None:
    buckets, tally, late = Buckets(), marks.Tally(), marks.Tally()
    closing = 1
    for number, (count, ns) in enumerate(visits, 1):
        tally.add(ns)
        for _ in range(count):
            late.add(ns)
        if number >= closing:
            closing = buckets.close(number, [tally, late] if late.count else [tally])
            assert closing > number
    for one in (tally, late):
        line = buckets.timelines([tally, late])[one]
        assert len(line.counts) == len(line.totals_ns) <= LIMIT + 1
        assert (sum(line.counts), sum(line.totals_ns)) == (one.count, one.total) or not late.count
    lines = buckets.timelines([tally, late])
    assert len(lines[tally].counts) == len(lines[late].counts)


def test_a_timeline_merges_neighbours_when_it_is_full() -> None:
    buckets, tally = Buckets(), marks.Tally()
    for number in range(1, LIMIT + 1):
        tally.add(number)
        buckets.close(number, [tally])
    line = buckets.timelines([tally])[tally]
    assert line.counts == (2,) * (LIMIT // 2)
    assert line.totals_ns[:3] == (3, 7, 11)


def test_ten_million_steps_fit_in_a_small_file(clock: FakeClock) -> None:
    """The tallies and buckets of ten million steps, counted in blocks to be quick."""
    names = ("get_batch", "repackage", "zero_grad", "forward", "loss", "backward", "clip", "update")
    with profile(clock) as prof:
        with prof.step():
            for name in names:
                with prof.stage(name):
                    clock.advance(100)
        root = prof._track.lane.roots["host"]
        inside = [root.children[name].tally for name in names]
        buckets, done, closing = root.buckets, 1, 2
        while done < 10_000_000:
            block = max(1, closing - done)
            for place, tally in enumerate(inside):
                for repeat in range(min(block, 3)):
                    tally.add(1_000 * (place + 1) + 7 * repeat + done % 977)
            done += block
            closing = buckets.close(done, [root.tally, *inside])
        run = prof.run
    text = json.dumps(runlayout.to_json(run), separators=(",", ":"))
    assert len(lane(run, "train").steps["host"].timeline.counts) <= LIMIT
    assert len(text) < 2_000_000


def test_steps_leave_nothing_behind(clock: FakeClock) -> None:
    """What a long run holds on to: no list or dict grows with it."""

    def sizes() -> dict[str, int]:
        root = prof._track.lane.roots["host"]
        return {
            "buckets": len(root.buckets.timelines([root.tally])[root.tally].counts),
            "stages": prof._track.stages,
            "nulls": len(prof._track.nulls),
        }

    with profile(clock) as prof:
        for number in range(20_000):
            with prof.step(tokens=1), prof.stage("forward"), prof.stage("rnn"):
                clock.advance(100)
            if number == 10_000:
                early = sizes()
        late = sizes()
    assert late["buckets"] - early["buckets"] < 64
    assert {**late, "buckets": 0} == {**early, "buckets": 0}
    assert steps(prof.run).total_ns == 2_000_000


@given(
    warmup=st.integers(0, 20),
    every=st.one_of(st.just(0), st.integers(8, 64)),
    rare=st.sampled_from([(), ("host",), ("host", "sync")]),
)
def test_each_block_holds_one_of_each_rare_kind(warmup: int, every: int, rare: tuple[str, ...]) -> None:
    schedule = Schedule("event", rare, warmup, every)
    if warmup:
        assert schedule.block() == ["warmup"] * warmup
    for _ in range(20):
        block = Counter(schedule.block())
        assert block.pop("event") >= 1
        assert block == Counter({**dict.fromkeys(rare, 1), **({"control": 1} if every else {})})


def test_control_steps_follow_no_period() -> None:
    schedule = Schedule(warmup=0, control_every=16)
    places = [schedule.block().index("control") for _ in range(400)]
    assert set(places) == set(range(16))
    assert Schedule(warmup=0).block() == Schedule(warmup=0).block()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"warmup": -1}, "warmup is a number of steps, 0 or more, not -1"),
        ({"warmup": 1.5}, "warmup is a number of steps, 0 or more, not 1.5"),
        ({"control_every": True}, "control_every is a number of steps, 0 or more, not True"),
        ({"control_every": 1}, "control_every=1 leaves no measured step: use 8 or more, or 0"),
        ({"save_every": 0}, "save_every is a number of seconds above 0, not 0"),
    ],
)
def test_schedules_that_make_no_sense(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        profile(FakeClock(), **options)
