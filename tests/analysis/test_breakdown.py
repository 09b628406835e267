"""Breakdowns of small runs, with every number worked out by hand."""

from __future__ import annotations

import pytest

from rnnprof.analysis.breakdown import breakdown
from rnnprof.analysis.result import Breakdown, StageRow
from rnnprof.errors import UsageError
from rnnprof.model import Stage, Steps
from tests.run_builder import Step, lane_of, run_of, series, steps_of

MS = 1_000_000


def step(forward: int, rnn: int, backward: int, rest: int) -> dict[tuple[str, ...], list[int]]:
    """A step of milliseconds: `forward` holds `rnn`; the rest is in no stage."""
    return {
        ("forward",): [(forward + rnn) * MS],
        ("forward", "rnn"): [rnn * MS],
        ("backward",): [backward * MS],
        (): [(forward + rnn + backward + rest) * MS],
    }


def row(result: Breakdown, *path: str, lane: str = "train", in_step: bool = True) -> StageRow:
    found = [each for each in result.stages if (each.path, each.lane, each.in_step) == (path, lane, in_step)]
    assert len(found) == 1
    return found[0]


TEN = [step(10, 20, 60, 10)] * 10
HOST = {"host": steps_of(TEN)}


def test_self_and_total_times_of_a_step() -> None:
    result = breakdown(run_of([lane_of("train", HOST)]))
    assert [(each.path, each.percent, each.total_percent) for each in result.stages] == [
        (("forward",), "10.0 %", "30.0 %"),
        (("forward", "rnn"), "20.0 %", "20.0 %"),
        (("backward",), "60.0 %", "60.0 %"),
        (("other",), "10.0 %", "10.0 %"),
    ]
    forward = row(result, "forward")
    assert (forward.share, forward.total_share, forward.self_ns, forward.total_ns) == (
        0.1,
        0.3,
        100 * MS,
        300 * MS,
    )
    assert (forward.count, forward.mean_ns, forward.per_step_ns) == (
        10,
        30 * MS,
        30 * MS,
    )
    assert (forward.min_ns, forward.median_ns, forward.p95_ns, forward.max_ns) == (30 * MS,) * 4
    assert forward.interval_ns == (30 * MS, 30 * MS)
    assert forward.share_interval == pytest.approx((0.1, 0.1))
    other = row(result, "other")
    assert (other.remainder, other.count, other.mean_ns, other.interval_ns) == (
        True,
        10,
        10 * MS,
        (10 * MS, 10 * MS),
    )
    assert (other.median_ns, other.p95_ns, other.min_ns, other.max_ns) == (None,) * 4


def test_a_stage_that_is_not_in_every_step_is_counted_by_its_own_spans() -> None:
    steps: list[Step] = [{("log",): [4 * MS], (): [10 * MS]} if i % 2 else {(): [10 * MS]} for i in range(20)]
    log = row(breakdown(run_of([lane_of("train", {"host": steps_of(steps)})])), "log")
    assert (log.count, log.mean_ns, log.per_step_ns, log.share) == (10, 4 * MS, 2 * MS, 0.2)
    assert log.interval_ns == (4 * MS, 4 * MS)


def test_the_step_is_summarised_with_tokens_on_the_hosts_clock() -> None:
    device = steps_of([step(10, 20, 60, 10)] * 8, wall=[125 * MS] * 8, tokens=500)
    result = breakdown(
        run_of([lane_of("train", {"warmup": steps_of(TEN[:3]), "event": device, "host": steps_of(TEN)})])
    )
    assert result.step == result.steps["train"]
    assert result.step is not None
    assert (result.step.kind, result.step.count, result.step.mean_ns) == ("event", 8, 100 * MS)
    assert result.step.kinds == {"warmup": 3, "event": 8, "host": 10}
    assert (result.step.tokens, result.step.tokens_per_second, result.step.ns_per_token) == (
        4000,
        4000.0,
        250_000.0,
    )
    assert result.lanes[0].step_ns == 125 * MS


def test_steps_without_tokens_have_no_throughput() -> None:
    step_row = breakdown(run_of([lane_of("train", HOST)])).step
    assert step_row is not None
    assert (step_row.tokens, step_row.tokens_per_second, step_row.ns_per_token) == (None, None, None)


@pytest.mark.parametrize(
    ("kinds", "shown"),
    [
        (("host", "sync", "event", "warmup"), "event"),
        (("host", "sync", "control"), "sync"),
        (("control", "warmup"), "warmup"),
        (("control",), "control"),
    ],
)
def test_the_most_trustworthy_kind_of_step_is_shown(kinds: tuple[str, ...], shown: str) -> None:
    result = breakdown(run_of([lane_of("train", {kind: steps_of(TEN) for kind in kinds})]))
    assert result.step is not None
    assert result.step.kind == shown
    assert (f"Only {shown} steps exist in train: they are shown." in result.notes) == (
        shown in ("warmup", "control")
    )


def test_the_main_lane_is_train_or_has_the_most_steps() -> None:
    few, many = {"host": steps_of(TEN[:6])}, {"host": steps_of(TEN)}
    result = breakdown(run_of([lane_of("evaluate", many), lane_of("train", few)]))
    assert result.step is not None
    assert result.step.lane == "train"
    assert row(result, "backward", lane="evaluate").percent == "–"
    assert row(result, "backward", lane="evaluate").share_interval == pytest.approx((0.6, 0.6))
    result = breakdown(
        run_of([lane_of("mine", few), lane_of("evaluate", many), lane_of("train", unclaimed=1)])
    )
    assert result.step is not None
    assert result.step.lane == "evaluate"


def test_clocks_that_disagree_cut_the_own_time_to_zero_and_say_so() -> None:
    steps = [{("forward",): [10 * MS], ("forward", "rnn"): [12 * MS], (): [9 * MS]}] * 6
    result = breakdown(run_of([lane_of("train", {"event": steps_of(steps)})]))
    assert [each.percent for each in result.stages] == ["0 %", "100 %", "0 %"]
    assert [each.share_interval for each in result.stages] == [(0, 0), (1, 1), (0, 0)]
    assert "Two clocks disagree in train: parts took longer than their whole." in result.notes


def test_stages_of_the_same_name_in_two_places_are_two_rows() -> None:
    steps = [{("a",): [3], ("b",): [5], ("b", "a"): [2], (): [8]}] * 5
    result = breakdown(run_of([lane_of("train", {"host": steps_of(steps)})]))
    assert [(each.path, each.self_ns) for each in result.stages] == [
        (("a",), 15),
        (("b",), 15),
        (("b", "a"), 10),
        (("other",), 0),
    ]


def test_a_stage_named_other_is_told_from_the_remainder() -> None:
    steps = [{("other",): [3], (): [4]}] * 5
    result = breakdown(run_of([lane_of("train", {"host": steps_of(steps)})]))
    assert [(each.name, each.remainder, each.percent) for each in result.stages] == [
        ("other", False, "75.0 %"),
        ("other", True, "25.0 %"),
    ]


def test_thirds_are_printed_so_that_they_add_up() -> None:
    steps = [{("a",): [1], ("b",): [1], ("c",): [1], (): [3]}] * 5
    result = breakdown(run_of([lane_of("train", {"host": steps_of(steps)})]))
    assert [each.percent for each in result.stages] == ["33.4 %", "33.3 %", "33.3 %", "0 %"]


def test_a_timeline_with_other_buckets_gives_no_share_interval() -> None:
    broken = Stage("forward", series([MS] * 10), steps_of([{(): [MS]}] * 9).timeline)
    steps = Steps(HOST["host"].series, HOST["host"].wall, HOST["host"].timeline, stages=(broken,))
    forward = row(breakdown(run_of([lane_of("train", {"host": steps})])), "forward")
    assert forward.share_interval is None
    assert forward.interval_ns == (MS, MS)


def test_four_steps_have_no_interval() -> None:
    result = breakdown(run_of([lane_of("train", {"host": steps_of(TEN[:4])})]))
    assert result.step is not None
    assert (result.step.interval_ns, result.step.half_ns, row(result, "forward").share_half) == (
        None,
        None,
        None,
    )
    assert "Fewer than 5 host steps in train: no confidence intervals." in result.notes


def test_an_unknown_basis_is_refused() -> None:
    with pytest.raises(UsageError, match=r"by='epoch' is not known: give 'step' or 'run'"):
        breakdown(run_of([]), "epoch")
