"""Advice on the course of a run: steps that get slower, and steps that stall."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from rnnprof.analysis.advice.advise import advise
from rnnprof.analysis.advice.collecting import collecting
from rnnprof.analysis.advice.drifting import drift
from rnnprof.analysis.advice.stalling import stalls
from rnnprof.anatomy import Anatomy
from rnnprof.model import Run
from rnnprof.network import Graph
from rnnprof.vitals import Compiled, Crowding, MemoryCourse, Pauses, Vitals
from tests.advice_runs import STAGES, a_run, abstains, found
from tests.noisy_runs import NOISES, alike, noisy_run
from tests.run_builder import Step, lane_of, run_of, steps_of, word_language_model

MIB = 1 << 20
FLAT = {name: ms for name, ms in STAGES.items() if isinstance(ms, float)}
WHOLE = sum(FLAT.values()) + 0.1
LONG_RUN = 3000


def slower(rise: float, *names: str, steps: int = LONG_RUN) -> dict[str, list[float]]:
    """Stages of which some rise steadily by that part of themselves from the first step to the last."""
    return {
        name: [ms * (1 + (rise * at / steps if name in names else 0)) for at in range(steps)]
        for name, ms in FLAT.items()
    }


def paced(change: Callable[[float], float], steps: int = LONG_RUN) -> Run:
    """A run of which all stages follow a pace over it."""
    return a_run({name: [ms * change(at / steps) for at in range(steps)] for name, ms in FLAT.items()})


def test_one_stage_that_grows() -> None:
    (finding,) = found(drift, a_run({**FLAT, "log": slower(4.0, "loss")["loss"]}))
    assert finding.key == "drift"
    assert finding.title == "Steps get slower over the run: +10.9 % from its first to its last quarter"
    assert finding.evidence == (
        "A step took 27.6 ms in the first quarter of the run and 30.6 ms in the last: 1.11 times as long "
        "(95 % interval 1.11 to 1.11). `log` carries it: from 1.50 ms to 4.50 ms per step. At the end it "
        "still grows."
    )
    assert finding.change.startswith("Look for what `log` has more to do in every step")
    assert finding.stage == ("log",)
    assert not finding.urgent
    first, mean = 26.1 + 1.5, 26.1 + 3
    assert finding.saving == pytest.approx((mean - first) / mean, rel=1e-2)
    assert finding.bound == "As if every step took what those of the first quarter took."


def test_longer_batches_are_a_question() -> None:
    (finding,) = found(drift, a_run(slower(1.0, "forward", "loss", "backward")))
    assert "Forward and backward grew alike, as they do with longer batches." in finding.evidence
    assert "`backward` 11.2 ms, `forward` 6.00 ms, `loss` 750 µs per step" in finding.evidence
    assert finding.change.startswith("Are the batches longer towards the end")
    assert finding.stage == ()


def test_a_machine_that_gets_slower() -> None:
    vitals = Vitals(crowding=Crowding(10**10, 2, 10**10, 3 * 10**9, 2 * 10**9), compiled=Compiled(3, 1))
    run = a_run(slower(3.0, *FLAT), vitals=vitals)
    (finding,) = found(drift, run)
    assert "as they do where the machine gets slower" in finding.evidence
    assert "The thread that trains stood in line for a core for 20.0 % of the time." in finding.evidence
    assert "`torch.compile` compiled 1 more graph after the warmup." in finding.evidence
    assert finding.change.startswith("See what else runs on the machine")
    assert not finding.urgent


def test_a_stage_that_goes_on_growing_is_urgent() -> None:
    memory = MemoryCourse("cuda:0", (5, 2000), (300 * MIB, 900 * MIB))
    (finding,) = found(drift, a_run(slower(8.0, "loss", "backward"), vitals=Vitals(memory=(memory,))))
    assert finding.urgent
    assert "At the end it still grows." in finding.evidence
    assert "Meanwhile the memory on cuda:0 went from 300 MiB to 900 MiB." in finding.evidence


def test_growth_that_ended() -> None:
    (finding,) = found(drift, paced(lambda at: 1 + min(at, 0.5)))
    assert "At the end it does not grow any more." in finding.evidence


@pytest.mark.parametrize(
    "change",
    [
        lambda at: 1.0,
        lambda at: 2 - at,  # faster and faster
        lambda at: 1 + 0.04 * at,  # less than it takes
        lambda at: 1 + (0.2 < at < 0.5),  # a neighbour that came and went
    ],
)
def test_no_drift(change: Callable[[float], float]) -> None:
    assert found(drift, paced(change)) == ()


def test_a_graph_that_grows_is_said_once() -> None:
    graph = Graph(36, 9, 18, 5000, (), True, None)
    run = a_run(slower(8.0, "backward"), anatomy=Anatomy(graph=graph))
    assert found(drift, run)
    assert [finding.key for finding in advise(run).findings] == ["detach"]


def test_a_short_run_wanders_by_itself() -> None:
    # 13 s of training, once 20 % and once 60 % slower at its end.
    assert found(drift, paced(lambda at: 1 + 0.2 * at, steps=500)) == ()
    assert len(found(drift, paced(lambda at: 1 + 0.6 * at, steps=500))) == 1


def test_drift_abstains_without_its_signal() -> None:
    assert abstains(drift, a_run(steps=0)) == "No training step was measured."
    assert abstains(drift, a_run(kind="warmup")) == "No training step was measured."
    few = "Fewer than 64 measured steps cannot show how the run went."
    assert abstains(drift, a_run(steps=63)) == few


@pytest.mark.parametrize("name", sorted(NOISES))
def test_noise_is_no_drift(name: str) -> None:
    for seed in range(2):
        assert found(drift, noisy_run(random.Random(seed), NOISES[name], 2500)) == ()


@pytest.mark.parametrize("name", ["alike", "stalling", "everything"])
def test_a_true_drift_is_found_in_noise(name: str) -> None:
    noise = NOISES.get(name, alike)
    for seed in range(2):
        run = noisy_run(
            random.Random(seed),
            lambda dice, steps: [x * (1 + 0.15 * i / steps) for i, x in enumerate(noise(dice, steps))],
            2500,
        )
        assert len(found(drift, run)) == 1


def stalled(name: str = "backward", every: int = 50, ms: float = 100.0, steps: int = 1000) -> Run:
    """A run in which one stage takes that much longer, now and then."""
    spans = [FLAT.get(name, 0.0) + (ms if at % every == every - 1 else 0.0) for at in range(steps)]
    return a_run({**FLAT, name: spans})


def with_vitals(run: Run, vitals: Vitals) -> Run:
    return replace(run, vitals=vitals)


def test_a_stage_that_stalls() -> None:
    (finding,) = found(stalls, stalled())
    assert finding.key == "stalls"
    assert finding.title == "20 of 1,000 steps stall in `backward`"
    assert finding.evidence == (
        "20 of 1,000 measured steps took more than 3 times the median of 26.1 ms, the longest 126 ms; above "
        "the median they took 2.00 s in all, 7.1 % of all steps' time. `backward` carries it."
    )
    assert finding.stage == ("backward",)
    assert finding.saving == pytest.approx(20 * 100 / (1000 * WHOLE + 2000), rel=0.02)
    assert finding.change == "See what `backward` does in its long spans and not in the others."


def test_stages_that_are_seldom() -> None:
    steps: list[Step] = [{("forward",): [MIB], (): [MIB]} for _ in range(300)]
    for at in range(9, 300, 30):
        steps[at] = {("forward",): [MIB], ("log",): [9 * MIB], (): [10 * MIB]}
    (finding,) = found(stalls, run_of([lane_of("train", {"host": steps_of(steps)})]))
    assert finding.title == "10 of 300 steps stall in `log`"
    assert "`log` carries it: it is in 10 of these steps." in finding.evidence
    assert finding.change == "Report less often, or let another thread write."


def test_the_next_batch_stalls() -> None:
    (finding,) = found(stalls, stalled("get_batch"))
    assert finding.change.startswith("Let a `DataLoader`")
    assert finding.stage == ("get_batch",)


def test_stalls_in_no_stage() -> None:
    run = a_run(FLAT, rest=[100.0 if at % 50 == 49 else 0.1 for at in range(1000)])
    vitals = Vitals(pauses=(), crowding=Crowding(10**10, 2, 10**10, 10**9, 10**9))
    (finding,) = found(stalls, with_vitals(run, vitals))
    assert finding.stage == ()
    assert finding.title == "20 of 1,000 steps stall"
    assert "stood in line for a core for 10.0 %" in finding.evidence
    assert finding.evidence.endswith("Python's garbage collection does not explain it.")


def test_stalls_by_garbage_collection() -> None:
    pauses = (Pauses(0, 400, 8_000_000, 30_000), Pauses(2, 20, 1_900_000_000, 99_000_000))
    (finding,) = found(stalls, with_vitals(stalled(), Vitals(pauses=pauses)))
    assert finding.title == "20 of 1,000 steps stall: Python's garbage collection"
    assert (
        "Python's garbage collection paused the training for 1.91 s in 1,000 steps: 400 of generation 0 "
        "(8.00 ms, the longest 30.0 µs), 20 of generation 2 (1.90 s, the longest 99.0 ms)."
    ) in finding.evidence
    assert "gc.freeze()" in finding.change
    assert finding.saving == pytest.approx(0.071, abs=0.001)


def test_garbage_collection_that_does_not_explain_the_stalls() -> None:
    pauses = (Pauses(0, 4000, 1_200_000_000, 400_000),)
    stalling, often = found(stalls, with_vitals(stalled(), Vitals(pauses=pauses)))
    assert "Python's garbage collection does not explain it." in stalling.evidence
    assert often.title == "Python's garbage collection takes 4.3 % of the steps"


def test_garbage_collection_is_a_part_of_the_steps_in_which_it_was_counted() -> None:
    """Not of the warmup, nor of steps that somebody looked into."""
    steps = {
        kind: steps_of([{(): [ns]}] * 10)
        for kind, ns in (("warmup", 9000), ("host", 800), ("control", 200), ("cprofile", 5000))
    }
    vitals = Vitals(pauses=(Pauses(0, 4, 900, 300), Pauses(2, 1, 100, 100)))
    one = collecting(vitals, lane_of("train", steps))
    assert one is not None
    assert (one.share, one.steps, one.total_ns) == (0.1, 20, 1000)
    assert one.share_of_long(300) == pytest.approx(0.09)
    assert one.share_of_long(301) == 0


def test_garbage_collection_without_stalls() -> None:
    pauses = (Pauses(0, 4000, 1_200_000_000, 400_000),)
    (finding,) = found(stalls, a_run(steps=1000, vitals=Vitals(pauses=pauses)))
    assert finding.title == "Python's garbage collection takes 4.6 % of the steps"
    assert finding.saving == pytest.approx(1200 / (1000 * WHOLE))
    rare = (Pauses(2, 1, 20_000_000, 20_000_000),)
    assert found(stalls, a_run(steps=1000, vitals=Vitals(pauses=rare))) == ()


@pytest.mark.parametrize(
    "run",
    [
        a_run(steps=1000),
        a_run(steps=1000, vitals=Vitals(pauses=())),
        stalled(every=500),  # two, which may be an accident
        stalled(every=10),  # so many that they are steps of another sort
        stalled(every=300, ms=60),  # too little to matter
        word_language_model(),
    ],
)
def test_no_stalls(run: Run) -> None:
    assert found(stalls, run) == ()


def test_stalls_abstain_without_their_signal() -> None:
    assert abstains(stalls, a_run(steps=0)) == "No training step was measured."
    few = "Fewer than 100 measured steps cannot tell a stall from an accident."
    assert abstains(stalls, a_run(steps=99)) == few
