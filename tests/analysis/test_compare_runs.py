"""Two sides of runs compared: verdicts, effects, what else differs, what is refused."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from rnnprof import runfile
from rnnprof.analysis.breakdown import breakdown
from rnnprof.analysis.compare import compare
from rnnprof.analysis.compared import CUT, MEAN, NONE, Comparison, Unlike
from rnnprof.errors import UsageError
from rnnprof.model import Run
from tests.clocked_run import EVENT, HOST, clocked_run, steps_at
from tests.noisy_runs import run_with, steps_with, white
from tests.run_builder import lane_of, run_of, runs, steps_of, word_language_model

OWN = {"get_batch": 1_000_000, "forward": 8_000_000, "backward": 14_000_000}


def plain(
    slower: Mapping[str, float] | None = None,
    seed: int = 0,
    steps: int = 200,
    tokens: int = 0,
    leave_out: Sequence[str] = (),
    **changed: object,
) -> Run:
    """A run with a few stages and independent noise of 2 %; some stages take longer by a factor."""
    dice, factors = random.Random(seed), slower or {}
    stages = {
        name: [round(ns * factors.get(name, 1) * part) for part in white(dice, steps, 0.02)]
        for name, ns in OWN.items()
        if name not in leave_out
    }
    rest = [round(500_000 * part) for part in white(dice, steps, 0.02)]
    return run_with(steps_with(stages, rest, tokens), **changed)


def verdicts(found: Comparison) -> dict[str, str]:
    """The verdict of each stage."""
    return {stage.name: stage.verdict for stage in found.stages}


def test_a_slower_stage_is_found_with_its_effect() -> None:
    found = compare(plain(), plain({"backward": 1.2}, seed=1))
    assert found.step.verdict == "slower"
    assert verdicts(found) == {"get_batch": NONE, "forward": NONE, "backward": "slower", "other": NONE}
    backward = found.stages[2]
    assert backward.ratio == pytest.approx(0.2, abs=0.01)
    assert backward.effect == pytest.approx(2.8 / 23.5, abs=0.01)
    assert backward.part == pytest.approx(1, abs=0.05)
    assert sum(stage.effect_ns for stage in found.stages) == pytest.approx(found.step.effect_ns)
    assert sum(stage.part or 0 for stage in found.stages) == pytest.approx(1)
    assert found.step.sentences[0].startswith("slower: a step takes +11.")


def test_the_other_way_round_it_is_faster() -> None:
    found = compare(plain({"backward": 1.2}, seed=1), plain())
    assert found.step.verdict == verdicts(found)["backward"] == "faster"
    there = compare(plain(), plain({"backward": 1.2}, seed=1)).step
    assert found.step.interval is not None
    assert there.interval is not None
    assert (1 + found.step.interval[0]) * (1 + there.interval[1]) == pytest.approx(1)


def test_a_run_is_no_different_from_itself() -> None:
    run = word_language_model()
    found = compare(run, run)
    assert {stage.verdict for stage in found.stages} == {found.step.verdict} == {NONE}
    assert found.step.ratio == 0
    assert found.step.percent == "0 %"
    assert not found.unlike
    assert {stage.part for stage in found.stages} == {None}


def test_stages_in_stages_are_compared_with_what_is_in_them() -> None:
    found = compare(word_language_model(seed=1), word_language_model(seed=2))
    assert [stage.path for stage in found.stages][3:7] == [
        ("forward",), ("forward", "encoder"), ("forward", "rnn"), ("forward", "decoder")
    ]  # fmt: skip
    forward, encoder, rnn, decoder = found.stages[3:7]
    assert forward.before_ns > encoder.before_ns + rnn.before_ns + decoder.before_ns
    outer = [stage for stage in found.stages if stage.depth == 0]
    assert sum(stage.effect_ns for stage in outer) == pytest.approx(found.step.effect_ns)


def test_a_stage_that_one_side_alone_has() -> None:
    found = compare(plain(leave_out=["get_batch"]), plain(seed=1))
    new = next(stage for stage in found.stages if stage.name == "get_batch")
    assert (new.only, new.verdict, new.percent, new.ratio) == ("after", "slower", "new", None)
    assert new.interval_ns is not None
    assert new.interval_ns[0] < 1_000_000 < new.interval_ns[1]
    gone = compare(plain(seed=1), plain(leave_out=["get_batch"])).stages
    stage = next(stage for stage in gone if stage.name == "get_batch")
    assert (stage.only, stage.verdict, stage.percent) == ("before", "faster", "gone")
    assert Unlike("stages of this side alone", "none", "get_batch") in found.unlike


def test_stalls_do_not_hide_what_every_other_step_shows() -> None:
    def stalled(seed: int, slower: float) -> Run:
        dice = random.Random(seed)
        spans = [20e6 * slower * part * (8 if dice.random() < 0.01 else 1) for part in white(dice, 1000)]
        return run_with(steps_with({}, [round(span) for span in spans]))

    found = compare(stalled(1, 1.0), stalled(2, 1.05)).step
    assert (found.verdict, found.basis) == ("slower", CUT)
    assert found.ratio == pytest.approx(0.05, abs=0.01)
    assert found.limit_ns == pytest.approx(42e6, rel=0.02)
    assert min(found.long) > 0.01
    assert any("they are counted as that long, which shows more" in words for words in found.sentences)


def test_longer_stalls_alone_are_found_in_the_mean() -> None:
    def stalled(seed: int, times: float) -> Run:
        dice = random.Random(seed)
        spans = [
            20e6 * part * (times if place % 20 == 7 else 1) for place, part in enumerate(white(dice, 1000))
        ]
        return run_with(steps_with({}, [round(span) for span in spans]))

    found = compare(stalled(1, 3), stalled(2, 9)).step
    assert (found.verdict, found.basis) == ("slower", MEAN)
    assert found.ratio == pytest.approx(6 / 22, abs=0.02)


def test_too_little_data_is_said_with_what_would_have_been_shown() -> None:
    def short(seed: int) -> Run:
        dice = random.Random(seed)
        return run_with(steps_with({}, [round(20e6 * part) for part in white(dice, 16, 0.2)]))

    found = compare(short(1), short(2)).step
    assert found.verdict == NONE
    assert not found.enough
    assert found.smallest is not None
    assert found.smallest > 0.05
    assert found.sentences[1].startswith("Too little data to say more: only a difference of about ")
    assert "for 5.0 % it would take about " in found.sentences[1]
    long = compare(plain(), plain(seed=1)).step
    assert long.enough
    assert long.sentences[1].startswith("A difference of about ")


def test_several_runs_a_side() -> None:
    before = [plain(seed=seed, created=f"2026-01-0{seed}T00:00:00+00:00") for seed in (1, 2, 3)]
    after = [plain({"forward": 1.1}, seed=seed) for seed in (4, 5, 6)]
    found = compare(before, after)
    assert found.step.verdict == verdicts(found)["forward"] == "slower"
    assert found.before.steps == (200, 200, 200)
    assert found.before.names == tuple(f"before (2026-01-0{day} 00:00:00)" for day in (1, 2, 3))
    assert not any("One run a side" in note for note in found.notes)
    assert any("One run a side" in note for note in compare(before[0], after[0]).notes)


def test_the_scatter_between_runs_counts() -> None:
    def at(level: float, seed: int) -> Run:
        return plain(dict.fromkeys(OWN, level), seed)

    before = [at(level, 10 + seed) for seed, level in enumerate((0.97, 1.0, 1.03))]
    after = [at(level, 20 + seed) for seed, level in enumerate((0.99, 1.02, 1.05))]
    assert compare(before[1], after[1]).step.verdict == "slower"
    found = compare(before, after)
    assert (found.step.verdict, found.step.by_runs) == (NONE, True)
    assert "The scatter between the runs of a side made the step's interval." in found.notes
    one_side = compare(before, after[1])
    assert (one_side.step.verdict, one_side.step.by_runs) == (NONE, True)


def test_files_and_runs_are_the_same(tmp_path: Path) -> None:
    run = plain()
    runfile.save(run, tmp_path / "a.json")
    one = compare(tmp_path / "a.json", plain(seed=1))
    other = compare([str(tmp_path / "a.json")], [plain(seed=1)])
    assert one == other
    assert one.step == compare(run, plain(seed=1)).step
    assert one.before.names == (str(tmp_path / "a.json"),)


def test_another_lane() -> None:
    a, b = word_language_model(seed=1), word_language_model(seed=2)
    assert compare(a, b, lane="evaluate").before.steps == (40,)
    with pytest.raises(UsageError, match="has no steps in that lane, but in train, evaluate"):
        compare(a, b, lane="setup")


ENVIRONMENT = {"device": "cpu", "torch": "2.13.0", "python": "3.11.7", "threads": 2}


def test_what_else_differs() -> None:
    after = ENVIRONMENT | {
        "torch": "2.14.0", "threads": 4, "load_average": [3.2, 1, 1], "env": {"OMP_NUM_THREADS": "4"},
        "command": ["main.py", "--bptt", "70"], "git": "abc+",
    }  # fmt: skip
    before = ENVIRONMENT | {"load_average": [0.2, 0, 0], "command": ["main.py", "--bptt", "35"]}
    found = compare(
        plain(environment=before, tokens=700),
        plain(environment=after, tokens=1400, clock="host", schedule={"warmup": 5}, seed=1),
    )
    assert found.unlike == (
        Unlike("command line", "main.py --bptt 35", "main.py --bptt 70"),
        Unlike("git commit", "unknown", "abc+"),
        Unlike("torch", "2.13.0", "2.14.0"),
        Unlike("threads", "2", "4"),
        Unlike("OMP_NUM_THREADS", "unknown", "4"),
        Unlike("clock", "auto", "host"),
        Unlike("schedule", "control 20, warmup 10", "warmup 5"),
        Unlike("tokens in a step", "700", "1,400"),
        Unlike("load average", "0.2", "3.2"),
    )
    assert any(
        words.startswith("The steps hold different numbers of tokens.") for words in found.step.sentences
    )


def run_as(*options: str) -> Run:
    return plain(environment={"command": ["rnnprof", "run", *options, "main.py", "-o", "model.pt"]})


@pytest.mark.parametrize(
    "options", [("-o", "b.json"), ("-ob.json",), ("--output", "b.json"), ("--output=b.json",)]
)
def test_where_a_run_is_saved_is_no_difference(options: tuple[str, ...]) -> None:
    assert compare(run_as("-o", "a.json"), run_as(*options)).unlike == ()
    (found,) = compare(run_as("-o", "a.json"), run_as(*options, "--depth", "2")).unlike
    assert found == Unlike(
        "command line", "rnnprof run main.py -o model.pt", "rnnprof run --depth 2 main.py -o model.pt"
    )


def test_a_side_whose_runs_differ_among_themselves() -> None:
    runs = [plain(environment=ENVIRONMENT | {"torch": f"2.{number}"}) for number in range(5)]
    found = compare(runs, plain(seed=9))
    assert Unlike("torch", "2.0 | 2.1 | 2.2 and 2 others", "2.13.0") in found.unlike


def test_a_stage_that_is_visited_more_often() -> None:
    once = run_of(
        [lane_of("train", {"host": steps_of([{("a",): [50], (): [60 + i % 3]} for i in range(40)])})]
    )
    twice = run_of(
        [lane_of("train", {"host": steps_of([{("a",): [25, 25], (): [60 + i % 3]} for i in range(40)])})]
    )
    assert compare(once, twice).unlike == (Unlike("visits of a in a step", "1.00", "2.00"),)


def test_device_times_are_compared_on_an_accelerator() -> None:
    slower = {path: ns * (2 if path == ("clip",) else 1) for path, ns in EVENT.items()}
    found = compare(
        clocked_run({"event": steps_at(EVENT, 60), "host": steps_at(HOST, 10)}),
        clocked_run({"event": steps_at(slower, 60, seed=1), "host": steps_at(HOST, 10)}),
    )
    assert found.before.kinds == ("event",)
    assert {stage.name for stage in found.stages if stage.verdict == "slower"} == {"clip"}
    assert found.step.before_ns == pytest.approx(sum(EVENT.values()), rel=0.01)


FORCE = "To do it all the same: --force, in Python force=True"


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (
            clocked_run({"event": steps_at(EVENT, 20)}),
            clocked_run({"host": steps_at(HOST, 20)}),
            "are timed by events on the device, those of after (2025-03-01 12:00:00) are timed by the host's",
        ),
        (
            run_of([lane_of("train", {"warmup": steps_of([{(): [9 + i % 2]} for i in range(9)])})]),
            run_of([lane_of("train", {"host": steps_of([{(): [9 + i % 2]} for i in range(9)])})]),
            "before (2025-03-01 12:00:00) has only steps of the kind warmup, which are no measure",
        ),
        (
            plain(),
            plain(environment=ENVIRONMENT | {"device": "NVIDIA H200"}),
            "ran on a CPU, after (2025-03-01 12:00:00) on an accelerator",
        ),
        (plain(), plain(rank=1, world_size=2), "rank 1: ranks are no runs of their own"),
        (
            plain(leave_out=["forward", "backward"]),
            plain(leave_out=["get_batch"]),
            "they have no stage in common",
        ),
        (plain(steps=7), plain(), "has 7 measured steps, and 8 are the fewest that show how much they vary"),
        (
            plain(),
            replace(plain(), lanes=tuple(replace(lane, name="mine") for lane in plain().lanes)),
            "are of the lane train, those of after (2025-03-01 12:00:00) of mine (give --lane)",
        ),
    ],
)
def test_what_is_refused_unless_forced(before: Run, after: Run, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        compare(before, after)
    assert str(caught.value).startswith("these runs should not be compared: ")
    assert why in str(caught.value)
    assert str(caught.value).endswith(FORCE)
    assert "\n" not in str(caught.value)
    assert any(why in reason for reason in compare(before, after, force=True).forced)


def test_what_cannot_be_compared_by_force() -> None:
    nothing = run_of([lane_of("setup", unclaimed=5)])
    with pytest.raises(UsageError, match=r"^these runs cannot be compared: .* has no steps"):
        compare(nothing, plain(), force=True)
    still = run_of([lane_of("train", {"host": steps_of([{(): [0]}] * 9)})])
    with pytest.raises(UsageError, match="took no time"):
        compare(plain(), still, force=True)
    with pytest.raises(UsageError, match="before has no run"):
        compare([], plain())
    with pytest.raises(UsageError, match="after is a run, the path of its file, or a list of them, not 3"):
        compare(plain(), [3])  # type: ignore[list-item]


def test_forced_without_an_interval() -> None:
    step = compare(plain(steps=3), plain(steps=3, seed=1), force=True).step
    assert (step.verdict, step.interval, step.range, step.smallest) == (NONE, None, "–", None)
    assert step.sentences[1].startswith("Too little data: 8 steps are the fewest")


def test_a_run_that_ended_badly_is_said() -> None:
    found = compare(plain(ended="RuntimeError"), plain(ended="running", seed=1))
    assert "before (2025-03-01 12:00:00) ended with RuntimeError." in found.notes
    assert "after (2025-03-01 12:00:00) was still running, or was killed." in found.notes


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(runs(), runs())
def test_any_two_runs_are_compared_or_refused_in_one_line(one: Run, other: Run) -> None:
    if not all(breakdown(run).step and breakdown(run).step.total_ns for run in (one, other)):  # type: ignore[union-attr]
        with pytest.raises(UsageError, match=r"^these runs cannot be compared: [^\n]*$"):
            compare(one, other, force=True)
        return
    found = compare(one, other, force=True)
    assert found.step.verdict in ("faster", "slower", NONE)
    for row in (found.step, *found.stages):
        assert (row.interval_ns is None) or row.interval_ns[0] <= row.interval_ns[1]
    outer = [stage for stage in found.stages if stage.depth == 0]
    assert len({stage.path for stage in found.stages if not stage.remainder}) == len(found.stages) - 1
    assert outer[-1].remainder
