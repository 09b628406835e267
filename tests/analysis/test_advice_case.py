"""What checks ask of a run: parts of a step, the device, numbers of its environment."""

from __future__ import annotations

import pytest

from rnnprof.analysis.advice.case import Case
from rnnprof.analysis.breakdown import breakdown
from rnnprof.model import Run
from tests.advice_runs import a_run
from tests.run_builder import Step, lane_of, run_of, steps_of

STEP: Step = {
    (): [1000],
    ("forward",): [400],
    ("forward", "rnn"): [300],
    ("forward", "rnn", "forward"): [100],
    ("update",): [200],
}
OTHER: Step = {(): [500], ("forward",): [450], ("sample",): [50]}


def case(*lanes: tuple[str, Step]) -> Case:
    given = lanes or (("train", STEP), ("evaluate", OTHER))
    run = run_of([lane_of(name, {"host": steps_of([step] * 9)}) for name, step in given])
    return Case(run, breakdown(run))


def test_a_share_is_that_of_the_training() -> None:
    assert case().share(("forward",)) == 0.4
    assert case().share(("sample",)) is None
    assert case().step_ns == 1000


def test_a_stage_within_another_counts_once() -> None:
    assert case().share(("forward", "rnn")) == 0.4
    assert case().share(("rnn", "update")) == 0.5
    assert case().share(("other",)) is None


def test_where_a_stage_is_not_known_the_one_around_it_counts() -> None:
    assert case().share_at(("forward", "rnn")) == 0.3
    assert case().share_at(("forward", "rnn", "cell", "gate")) == 0.3
    assert case().share_at(("forward", "decoder")) == 0.4
    assert case().share_at(("decoder",)) is None
    assert case().share_at(()) is None


@pytest.mark.parametrize(
    ("run", "cpu"),
    [
        (a_run(probe={}), True),
        (a_run(probe={"device": "cuda"}, environment={"device": "cpu"}), False),
        (a_run(environment={"device": "CPU"}), True),
        (a_run(device="NVIDIA H200"), False),
    ],
)
def test_the_probe_knows_the_device_best(run: Run, cpu: bool) -> None:
    assert Case(run, breakdown(run)).on_cpu is cpu


def test_a_number_is_whole_and_above_zero() -> None:
    facts = {"a": 3, "b": 0, "c": -1, "d": True, "e": "3", "f": 2.0}
    run = a_run(environment=facts)
    assert [Case(run, breakdown(run)).number(key) for key in "abcdefg"] == [3, *[None] * 6]
