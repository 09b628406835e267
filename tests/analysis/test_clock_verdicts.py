"""Who waits for whom: every rule at its threshold, and what must not be taken for something else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rnnprof.probes import Probe, ProbedStage, Wait
from tests.clocked_run import (
    EVENT,
    A,
    B,
    clocked_language_model,
    clocked_run,
    report,
    steps_at,
    three,
    trace_at,
    verdicts,
)
from tests.run_builder import steps_of


def test_the_verdicts_of_a_loop_that_waits_in_clip() -> None:
    for traces in ((), (trace_at(EVENT, 0.95),)):
        found = report(clocked_language_model(traces=traces))
        assert verdicts(found) == {
            "rnn": "device", "decoder": "device", "loss": "device", "backward": "device", "clip": "waits",
            "update": "device",
        }  # fmt: skip
        assert found.bound.verdict == "device"
    because = {row.name: row.because for row in report(clocked_language_model(traces=())).stages}
    assert because["clip"] == "host 23.1 ms, device 619 µs, synchronized 688 µs"
    assert because["update"] == "host 160 µs, device 1.45 ms, synchronized 1.54 ms"
    assert because["get_batch"] == ""


def test_a_stage_is_the_devices_where_the_host_takes_less_than_half_of_its_time() -> None:
    for host, word in ((49_900, "device"), (50_100, "")):
        found = three({A: host, (): 0}, {A: 110_000, (): 0}, {A: 100_000, (): 0}, wall=[100_000] * 96)
        assert verdicts(found).get("a", "") == word
        assert found.bound.busy_share == 1 - host / 100_000
        assert found.bound.verdict == word


def test_the_host_is_late_where_it_takes_twice_as_long() -> None:
    other = {B: 1 * MILLI, (): 0}
    for sync, word in (
        (60_000, "waits"),
        (99_000, "waits"),
        (101_000, ""),
        (159_000, ""),
        (161_000, "hidden"),
    ):
        found = three({A: 200_000, **other}, {A: sync, **other}, {A: 99_000, **other})
        assert verdicts(found).get("a", "") == word
    found = three({A: 200_000, **other}, {A: 60_000, **other}, {A: 101_000, **other})
    assert verdicts(found) == {"b": "launch"}
    found = three({A: 200_000, **other}, other, {A: 99_000, **other}, kinds=("host", "event"))
    assert verdicts(found) == {}


def test_small_stages_get_no_verdict() -> None:
    big = {B: 10 * MILLI, (): 0}
    found = three({A: 4_900, (): 0}, {A: 8_000, (): 0}, {A: 4_000, (): 0})
    assert verdicts(found) == {}
    found = three({A: 20_000, **big}, {A: 99_000, **big}, {A: 99_000, **big})
    assert "a" not in verdicts(found)


MILLI = 1_000_000
LAUNCHES = {A: 800_000, B: 1_600_000, (): 2_000}


def test_a_launch_bound_loop() -> None:
    found = three(LAUNCHES, LAUNCHES, LAUNCHES)
    assert verdicts(found) == {"a": "launch", "b": "launch"}
    assert found.bound.sentence == (
        "The step is launch-bound: the host takes as long as the device, also where nothing is queued "
        "before it."
    )
    assert (found.bound.busy_share, found.bound.traced) == (0.0, False)


def test_a_full_queue_is_not_taken_for_launching() -> None:
    """The host waits in its launches; only after a synchronized step does it show its own pace."""
    pace = [300_000] * 6 + [2_400_000] * 90
    found = three(LAUNCHES, LAUNCHES, LAUNCHES, wall=pace)
    assert verdicts(found) == {}
    assert found.bound.verdict == "device"
    assert found.bound.busy_share == pytest.approx(1 - 300_000 / sum(LAUNCHES.values()), rel=0.01)


def test_short_steps_are_not_taken_for_a_host_that_is_ahead() -> None:
    """One step in ten has half as many time steps, on the host and on the device."""
    half = {path: ns // 2 for path, ns in LAUNCHES.items()}
    steps = [{path: [sum(ns for other, ns in own.items() if other[: len(path)] == path)] for path in own}
             for own in ([half] + [LAUNCHES] * 9) * 10]  # fmt: skip
    kinds = {
        "host": steps_of(steps),
        "sync": steps_at(LAUNCHES, 12),
        "event": steps_of(steps, [step[()][0] for step in steps]),
    }
    found = report(clocked_run(kinds))
    assert found.bound.verdict == "launch"


def test_launching_is_not_inferred_without_synchronized_steps() -> None:
    found = three(LAUNCHES, LAUNCHES, LAUNCHES, kinds=("host", "event"))
    assert verdicts(found) == {}
    assert found.bound.sentence == (
        "The clocks prove only 0 % of the device's time to be work: trace some steps (--trace) to tell "
        "whether the step is device-bound or launch-bound."
    )


def test_waiting_that_the_probe_saw_is_not_taken_for_launching() -> None:
    wait = Wait(B, "item", "Tensor.item", "main.py", 3, "train", "loss.item()", "", 1, 900_000)
    stages = (ProbedStage((), 1, 2_402_000), ProbedStage(A, 1, 800_000), ProbedStage(B, 1, 1_600_000))
    probe = Probe(4, "cuda", 2_402_000, stages, (wait,))
    found = three(LAUNCHES, LAUNCHES, LAUNCHES, probe=probe)
    assert (found.bound.verdict, verdicts(found)) == ("", {})
    short = replace(probe, waits=(replace(wait, waited_ns=300_000),))
    found = three(LAUNCHES, LAUNCHES, LAUNCHES, probe=short)
    assert (found.bound.verdict, verdicts(found)) == ("launch", {"a": "launch", "b": "launch"})
    inside = replace(probe, waits=(replace(wait, path=A, waited_ns=300_000),))
    found = three(LAUNCHES, LAUNCHES, LAUNCHES, probe=inside)
    assert (found.bound.verdict, verdicts(found)) == ("launch", {"b": "launch"})
    unknown = replace(probe, waits=(replace(wait, waited_ns=None),))
    assert three(LAUNCHES, LAUNCHES, LAUNCHES, probe=unknown).bound.verdict == "launch"


@pytest.mark.parametrize(
    ("busy", "word", "sentence"),
    [
        (0.8, "device", "The step is device-bound: a kernel runs in 80.0 % of it."),
        (
            0.65,
            "",
            "The step is neither clearly device-bound nor launch-bound: a kernel runs in 65.0 % of it.",
        ),
        (
            0.5,
            "launch",
            "The step is launch-bound: a kernel runs in 50.0 % of it; for the rest the device waits for the "
            "host.",
        ),
    ],
)
def test_a_trace_is_believed_before_the_clocks(busy: float, word: str, sentence: str) -> None:
    ahead = {A: 100_000, (): 0}
    # The tracer doubles the gaps: the kernels are held against the untraced events.
    found = three(ahead, {A: MILLI, (): 0}, {A: MILLI, (): 0}, traces=(trace_at({A: MILLI, (): 0}, busy),))
    assert (found.bound.verdict, found.bound.sentence, found.bound.busy_share) == (word, sentence, busy)
    assert verdicts(found).get("a", "") == word
    gaps = replace(trace_at({A: 2 * MILLI, (): 0}, busy / 2))
    assert three(ahead, {A: MILLI, (): 0}, {A: MILLI, (): 0}, traces=(gaps,)).bound.busy_share == busy
    # Without events there are the gaps alone.
    alone = three(ahead, ahead, ahead, kinds=("host",), traces=(gaps,))
    assert alone.bound.busy_share == busy / 2
    assert verdicts(alone) == {"a": "launch"}


def test_traced_steps_without_a_kernel() -> None:
    nothing = (replace(trace_at({(): 5}, 0.5), stages=()),)
    assert three(LAUNCHES, LAUNCHES, LAUNCHES, kinds=("host",), traces=nothing).bound.busy_share is None
    assert three(LAUNCHES, LAUNCHES, LAUNCHES, traces=nothing).bound.verdict == "launch"


def test_the_sum_of_work_that_the_clocks_prove() -> None:
    found = three({A: 100_000, B: 500_000, (): 0}, {A: 1, (): 0}, {A: 400_000, B: 200_000, (): 0})
    assert found.bound.busy_share == pytest.approx(0.5)
    assert found.bound.sentence == (
        "The step is device-bound: for at least 50.0 % of its time the device works, and the host is ahead."
    )
    assert report(clocked_run({"event": steps_at(EVENT, 20)})).bound.sentence == (
        "Whether the step is device-bound or launch-bound cannot be told: trace some steps (--trace)."
    )


@pytest.mark.parametrize(
    ("host", "event", "verdict"),
    [
        # A twentieth of the device's time is shown to be work, or a little more.
        ({A: 910_000, B: 1_100_000, (): 0}, {A: MILLI, B: MILLI, (): 0}, "launch"),
        ({A: 890_000, B: 1_100_000, (): 0}, {A: MILLI, B: MILLI, (): 0}, ""),
        # The host's time explains four fifths of the device's, or a little less.
        ({A: MILLI, (): 0}, {A: MILLI, B: 240_000, (): 0}, "launch"),
        ({A: MILLI, (): 0}, {A: MILLI, B: 260_000, (): 0}, ""),
    ],
)
def test_launching_must_explain_the_step(
    host: dict[tuple[str, ...], int], event: dict[tuple[str, ...], int], verdict: str
) -> None:
    assert three(host, event, event, wall=[sum(event.values())] * 96).bound.verdict == verdict


def test_no_more_is_proved_than_the_intervals_show() -> None:
    kinds = {"host": steps_at({A: 400_000, (): 0}, 12, noise=0.3), "event": steps_at({A: MILLI, (): 0}, 96)}
    found = report(clocked_run(kinds))
    row = found.stages[0]
    assert row.host is not None
    assert row.event is not None
    assert row.host.interval_ns is not None
    assert row.event.interval_ns is not None
    shown = (row.event.interval_ns[0] - row.host.interval_ns[1]) / row.event.per_step_ns
    assert found.bound.busy_share == pytest.approx(shown)
    assert shown < 0.55
