"""Sentences: the cost of measuring, what is left out, and what the recorder noted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rnnprof.analysis.breakdown import breakdown
from rnnprof.analysis.perturbation import perturbation
from rnnprof.captures import Functions
from rnnprof.model import Json
from tests.run_builder import Step, lane_of, run_of, steps_of

MEASURED: list[Step] = [{(): [100 + i % 3]} for i in range(60)]


def plain(ns: int, number: int, spread: int = 3) -> list[Step]:
    return [{(): [ns + i % spread]} for i in range(number)]


def test_no_cost_is_shown_when_the_interval_holds_one() -> None:
    found = perturbation({"host": steps_of(MEASURED), "control": steps_of(plain(100, 30))}, "host")
    assert (found.ratio, found.measured, found.control, found.reason) == (1.0, 60, 30, "")
    assert found.interval is not None
    assert found.interval[0] < 1 < found.interval[1]
    assert found.sentence.startswith("Cost of measuring: no cost shown (0.99")
    assert found.sentence.endswith("times a control step; 60 measured against 30 control steps).")


def test_a_cost_is_told_with_its_interval() -> None:
    found = perturbation({"host": steps_of(MEASURED), "control": steps_of(plain(90, 30))}, "host")
    assert found.ratio == pytest.approx(101 / 91)
    assert found.sentence.startswith("Cost of measuring: a step takes 1.110 times as long (1.10")


def test_steps_that_measuring_made_faster_are_not_believed() -> None:
    found = perturbation({"host": steps_of(MEASURED), "control": steps_of(plain(200, 30))}, "host")
    assert "unknown. Measured steps took only 0.502 times a control step" in found.sentence


@pytest.mark.parametrize(
    ("kinds", "kind", "reason"),
    [
        ({"host": 60}, "host", "no control steps: the run was too short, or they are switched off"),
        ({"host": 60, "control": 4}, "host", "fewer than 5 control steps: no interval"),
        ({"host": 3, "control": 9}, "host", "fewer than 5 measured steps: no interval"),
        ({"warmup": 9, "control": 9}, "warmup", "no measured steps"),
        ({}, "", "no measured steps"),
    ],
)
def test_what_cannot_be_told_says_why(kinds: dict[str, int], kind: str, reason: str) -> None:
    found = perturbation({name: steps_of(plain(100, number)) for name, number in kinds.items()}, kind)
    assert (found.interval, found.reason) == (None, reason)
    assert found.sentence == f"Cost of measuring: unknown ({reason})."


def test_control_steps_that_took_no_time_give_no_ratio() -> None:
    found = perturbation({"host": steps_of(MEASURED), "control": steps_of(plain(0, 9, 1))}, "host")
    assert (found.ratio, found.reason) == (None, "the control steps took no time")


def test_buckets_of_many_steps_can_be_too_few_for_an_interval() -> None:
    steps = {"host": steps_of(MEASURED), "control": steps_of(plain(100, 6), per_bucket=3)}
    assert perturbation(steps, "host").reason == "no interval: too few steps to tell"


def test_device_steps_are_compared_on_the_devices_clock_and_others_on_the_hosts() -> None:
    control = steps_of(plain(50, 30), wall=[101] * 30)
    event = steps_of(MEASURED, wall=[999] * 60)
    found = perturbation({"event": event, "control": control}, "event")
    assert found.ratio == pytest.approx(101 / 51)
    assert found.interval is not None
    found = perturbation({"sync": steps_of(MEASURED), "control": control}, "sync")
    assert (found.ratio, found.interval) == (1.0, None)
    assert found.reason == "no interval: the steps were not all timed by the host's clock"


def notes(*saved: Json, **changed: object) -> tuple[str, ...]:
    return breakdown(run_of([lane_of("train", {"host": steps_of(MEASURED)})], notes=saved, **changed)).notes


@pytest.mark.parametrize(
    ("saved", "sentence"),
    [
        ({"code": "aborted_steps", "count": 1200}, "Steps that an exception ended, left out: 1,200."),
        ({"code": "open_at_end", "stages": ["a", "b"]}, "Still open when the run was saved: a, b."),
        ({"code": "too_many_stages", "limit": 500, "count": 3},
         "More than 500 stages: the time of later ones is in the stage around them."),
        ({"code": "unresolved_events", "count": 2},
         "Steps whose device events never happened, or could not be read, left out: 2."),
        ({"code": "captured_graph", "count": 1200},
         "Steps in which a graph was recorded, left out: 1,200. Nothing may be timed then."),
        ({"code": "several_devices", "count": 2},
         "2 devices were in use, and events of two cannot be compared: from then on steps waited for all of "
         "them at each mark, and those are shown."),
        ({"code": "other_streams", "share": 0.1234, "stage": "{rnn}"},
         "Other streams worked on after the current one for 12.3 % of the time of steps that wait for the "
         "device, most in {rnn}. Events miss that: with clock='auto' or 'sync' the steps that wait are "
         "shown."),
        ({"code": "other_streams", "share": "?", "stage": 3},
         "Other streams worked on after the current one for ? of the time of steps that wait for the "
         "device, most in 3. Events miss that: with clock='auto' or 'sync' the steps that wait are shown."),
        ({"code": "no_events", "device": "mps", "reason": "why"},
         "Events on mps cannot keep time (why): steps waited for the device at each mark."),
        ({"code": "device_failed", "message": "CUDA error: x", "count": 3},
         "The device failed, and was not asked again: CUDA error: x. Steps left out: 3."),
        ({"code": "late_device"},
         "The program began to use an accelerator after its first step: times are the host's."),
        ({"code": "dropped_spans", "count": 2}, "Spans beyond the most that one step may hold, left out: 2."),
        ({"code": "save_failed", "message": "disk {full}"},
         "The run could not be saved at least once: disk {full}."),
        ({"code": "python_marks"},
         "The compiled part of rnnprof is missing: stage marks cost more than they need to."),
        ({"code": "trace_incomplete", "count": 2, "asked": 3},
         "Only 2 of 3 steps were traced: the others never came, or did not end well."),
        ({"code": "trace_failed", "message": "{no} \x1b[2J"}, "torch.profiler failed: {no} \x1b[2J."),
        ({"code": "cprofile_replaced"},
         "The program started a profiler of its own: cProfile's figures end there."),
        ({"code": "aborted_steps"}, "aborted steps."),
        ({"code": "new_thing", "a": 1, "b": {"c": 2}}, "new thing: a 1, b {'c': 2}."),
        ({"no": "code"}, "note: no code."),
    ],
)  # fmt: skip
def test_every_saved_note_becomes_a_sentence(saved: Json, sentence: str) -> None:
    assert notes(saved) == (sentence,)


def test_how_the_run_ended() -> None:
    assert notes() == ()
    assert notes(ended="running") == (
        "The run had not ended when it was saved: it is still running, or it was killed.",
    )
    assert notes(ended="ValueError") == ("The run was ended by ValueError; everything up to then is shown.",)
    assert notes(ended="gave way") == ("The run ended where the program opened a profile of its own.",)
    assert notes(rank=1, world_size=4) == ("This is rank 1 of 4 processes.",)


def test_steps_that_are_left_out_are_counted_over_all_lanes() -> None:
    kinds = {"host": steps_of(MEASURED), "warmup": steps_of(plain(9, 5)), "control": steps_of(plain(9, 1))}
    evaluate = {"host": steps_of(MEASURED), "warmup": steps_of(plain(9, 2))}
    assert breakdown(run_of([lane_of("train", kinds), lane_of("evaluate", evaluate)])).notes == (
        "7 warmup steps left out.",
        "1 control step left out (timed only at their two ends).",
    )


def test_traced_steps_are_left_out_and_what_cprofile_costs_is_said() -> None:
    kinds = {"host": steps_of(MEASURED), "trace": steps_of(plain(9, 3)), "cprofile": steps_of(plain(9, 16))}
    slowed = (
        "cProfile slowed the whole run, Python calls most, so that shares lean to stages with many calls: "
        "for the shares, run again without it."
    )
    left_out = (
        "3 steps traced by torch.profiler left out.",
        "16 steps watched by cProfile, stage by stage, left out.",
    )
    run = run_of([lane_of("train", kinds)], functions=Functions("a.prof", "b.prof", 0, 0))
    assert breakdown(run).notes == (slowed, *left_out)
    assert breakdown(replace(run, notes=({"code": "cprofile_on"},))).notes == (slowed, *left_out)
    assert breakdown(replace(run, functions=None)).notes == left_out


def test_traced_steps_are_shown_only_where_there_are_no_others() -> None:
    kinds = {
        "trace": steps_of(plain(9, 3)),
        "control": steps_of(plain(9, 1)),
        "cprofile": steps_of(plain(9, 2)),
    }
    shown = []
    while kinds:
        result = breakdown(run_of([lane_of("train", kinds)]))
        assert result.step is not None
        shown.append(result.step.kind)
        assert f"Only {shown[-1]} steps exist in train: they are shown." in result.notes
        del kinds[shown[-1]]
    assert shown == ["control", "cprofile", "trace"]


@pytest.mark.parametrize(
    ("code", "kind"), [("other_streams", "sync"), ("several_devices", "sync"), ("captured_graph", "event")]
)
def test_steps_that_wait_are_shown_where_events_saw_only_a_part(code: str, kind: str) -> None:
    kinds = {name: steps_of(plain(9, 30)) for name in ("event", "sync", "host", "control")}
    result = breakdown(run_of([lane_of("train", kinds)], notes=({"code": code},)))
    assert result.step is not None
    assert result.step.kind == kind


def test_events_are_shown_where_no_step_waited() -> None:
    kinds = {name: steps_of(plain(9, 30)) for name in ("event", "warmup")}
    result = breakdown(run_of([lane_of("train", kinds)], notes=({"code": "other_streams"},)))
    assert result.step is not None
    assert result.step.kind == "event"
