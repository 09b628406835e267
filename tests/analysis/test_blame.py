"""The one sentence: which stage the host's clock blames, and which it should have blamed."""

from __future__ import annotations

import pytest

from tests.clocked_run import (
    A,
    B,
    C,
    clocked_language_model,
    clocked_run,
    report,
    steps_at,
    three,
    trace_at,
)


def test_the_host_blames_the_stage_that_waits() -> None:
    found = report(clocked_language_model())
    assert (found.truth, found.differs) == ("event", True)
    assert found.sentence == (
        "The host's clock blames clip (90.8 % of the step), wrongly: on the device it takes 2.5 %, and "
        "most goes to backward (53.0 %), for which the host's clock shows 4.0 %."
    )


def test_the_device_is_believed_where_both_agree() -> None:
    found = three({A: 700_000, B: 300_000, (): 0}, {A: 1, (): 0}, {A: 600_000, B: 400_000, (): 0})
    assert found.differs is False
    assert found.sentence == (
        "The host's clock and the device's agree that a takes most of the step (70.0 % and 60.0 %)."
    )


def test_agreeing_on_the_longest_stage_does_not_hide_another_that_is_overbilled() -> None:
    found = three({A: 500_000, B: 100_000, C: 400_000, (): 0}, {A: 1, (): 0},
                  {A: 600_000, B: 380_000, C: 20_000, (): 0})  # fmt: skip
    assert found.differs is False
    assert found.sentence == (
        "The host's clock and the device's agree that a takes most of the step (50.0 % and 60.0 %), but c is "
        "40.0 % by the host's clock and 2.0 % on the device."
    )


def test_stages_too_close_to_call_are_named_together() -> None:
    kinds = {
        "host": steps_at({A: 500_000, B: 500_000, C: 60_000, (): 0}, 12, noise=0.1),
        "event": steps_at({A: 100_000, B: 100_000, C: 900_000, (): 0}, 96),
    }
    found = report(clocked_run(kinds))
    assert found.differs is True
    assert found.sentence == (
        "The host's clock blames a (47.9 % of the step) or b (46.5 % of the step), wrongly: on the device "
        "they take 9.1 % and 9.1 %, and most goes to c (81.8 %), for which the host's clock shows 5.6 %."
    )


def test_no_difference_is_claimed_where_the_longest_may_be_the_same() -> None:
    kinds = {
        "host": steps_at({A: 500_000, B: 500_000, (): 0}, 12, noise=0.1),
        "event": steps_at({A: 470_000, B: 500_000, (): 0}, 96),
    }
    found = report(clocked_run(kinds))
    assert found.differs is None
    assert found.sentence == (
        "The host's clock blames a (50.5 %) or b (49.5 %); on the device b (51.5 %) takes most: no "
        "difference shown."
    )


def test_more_than_three_candidates_are_counted() -> None:
    own = {(name,): 100_000 for name in "abcde"} | {(): 0}
    found = three(own, own, own)
    assert found.sentence == (
        "The host's clock blames a (20.0 %), b (20.0 %), c (20.0 %) or 2 more; on the device a (20.0 %), "
        "b (20.0 %), c (20.0 %) or 2 more takes most: no difference shown."
    )


UNKNOWN = "takes most; what the host's clock would have blamed is not known: "
ALONE = (
    "Only the host's clock timed these steps, and on an accelerator it proves nothing: it bills queued work "
    "to the stage that waits for it. For the truth, "
)
AUTO = 'record it with clock="auto".'


@pytest.mark.parametrize(
    ("kinds", "clock", "sentence"),
    [
        (("event",), "event", f"On the device b (80.0 %) {UNKNOWN}{AUTO}"),
        (("event",), "auto", f"On the device b (80.0 %) {UNKNOWN}record more steps."),
        (("sync",), "sync", f"With synchronization b (70.0 %) {UNKNOWN}{AUTO}"),
        (
            ("host", "sync"),
            "auto",
            "The host's clock blames a (90.0 % of the step), wrongly: with synchronization it takes 30.0 %, "
            "and most goes to b (70.0 %), for which the host's clock shows 10.0 %.",
        ),
        (("host",), "host", ALONE + AUTO),
        (
            ("host",),
            "auto",
            f"{ALONE}record more steps, and let the program use the accelerator before the first one.",
        ),
    ],
)
def test_what_is_missing_is_said(kinds: tuple[str, ...], clock: str, sentence: str) -> None:
    found = three({A: 90_000, B: 10_000, (): 0}, {A: 30_000, B: 70_000, (): 0}, {A: 20_000, B: 80_000, (): 0},
                  kinds=kinds, clock=clock)  # fmt: skip
    assert found.sentence == sentence
    assert [column.kind for column in found.columns] == list(kinds)
    assert found.differs is (True if "host" in kinds and len(kinds) > 1 else None)


def test_the_hosts_clock_alone_with_a_trace() -> None:
    own = {A: 90_000, B: 10_000, (): 0}
    found = three(own, own, own, kinds=("host",), clock="host", traces=(trace_at(own, 0.9),))
    assert found.sentence.endswith(
        'The traced steps show what the device did; for what it does untraced, record it with clock="auto".'
    )
    assert found.bound.verdict == "device"


def test_the_hosts_clock_is_not_called_wrong_where_the_device_waits_for_the_host() -> None:
    own = {A: 30_000, B: 70_000, (): 0}
    found = three({A: 90_000, B: 10_000, (): 0}, own, own, traces=(trace_at(own, 0.3),))
    assert found.bound.verdict == "launch"
    assert found.sentence.startswith("The host's clock blames a (90.0 % of the step): on the device it takes")


def test_too_few_steps_blame_nobody() -> None:
    own = {A: 90_000, B: 10_000, (): 0}
    few = {"host": steps_at(own, 4), "event": steps_at(own, 96)}
    found = report(clocked_run(few))
    assert found.differs is None
    assert found.sentence == (
        "Too few steps were timed by the host's clock to tell which stage it blames: record more."
    )
    found = report(clocked_run({"host": steps_at(own, 12), "event": steps_at(own, 4)}))
    assert found.sentence == (
        "Too few steps were timed by the device's clock to tell which stage it blames: record more."
    )
    assert {row.verdict for row in found.stages} == {""}


def test_a_device_that_did_nothing() -> None:
    found = three({A: 90_000, (): 0}, {}, {A: 0, (): 0}, kinds=("host", "event"))
    assert found.sentence == "The device did nothing in these steps that a clock could see."
    assert (found.truth, found.differs, found.sync_cost) == ("", None, None)


@pytest.mark.parametrize("code", ["other_streams", "several_devices"])
def test_events_are_not_believed_where_they_saw_a_part(code: str) -> None:
    own = {A: 90_000, B: 10_000, (): 0}, {A: 30_000, B: 70_000, (): 0}, {A: 60_000, B: 40_000, (): 0}
    notes = ({"code": code},)
    found = three(*own, notes=notes)
    assert (found.truth, found.differs, found.sync_cost) == ("sync", True, None)
    assert "with synchronization it takes 30.0 %, and most goes to b (70.0 %)" in found.sentence
    assert found.remarks == (
        "Events saw only a part of what the device did (see the notes): the column device is too low where "
        "they missed some, and the column sync is the one to trust.",
    )
    assert {row.verdict for row in found.stages} == {""}
    assert found.bound.busy_share is None
    unknown = three(*own, notes=notes, kinds=("host", "event"))
    assert unknown.remarks == (
        "Events saw only a part of what the device did (see the notes): the column device is too low where "
        "they missed some.",
    )
    assert unknown.sentence == (
        "Events saw only a part of what the device did, and no step was synchronized: "
        'record it with clock="auto".'
    )
