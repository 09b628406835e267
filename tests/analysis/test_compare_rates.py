"""How often a comparison is wrong: 200 simulated pairs with all noises at once, and fewer of others.

`benchmarks/compare_study.py` prints the same for every noise.
"""

from __future__ import annotations

import random

import pytest

from rnnprof.analysis.compare import compare
from rnnprof.analysis.compared import NONE, SLOWER
from tests.noisy_runs import LASTING, NOISES, alike, bare_run, everything, noisy_run

PAIRS, STEPS = 200, 2000


def test_identical_runs_are_told_apart_in_at_most_5_percent() -> None:
    dice, told = random.Random(61), 0
    for _ in range(PAIRS):
        found = compare(bare_run(dice, everything, STEPS), bare_run(dice, everything, STEPS))
        told += found.step.verdict != NONE
    assert told <= 0.05 * PAIRS


def test_a_step_that_is_5_percent_slower_is_found_in_at_least_95_percent() -> None:
    dice, found = random.Random(62), 0
    for _ in range(PAIRS):
        pair = bare_run(dice, everything, STEPS), bare_run(dice, everything, STEPS, 1.05)
        found += compare(*pair).step.verdict == SLOWER
    assert found >= 0.95 * PAIRS


@pytest.mark.parametrize("name", sorted({*NOISES} - {"everything", *LASTING}))
def test_each_noise_alone(name: str) -> None:
    dice, told, found = random.Random(63), 0, 0
    for _ in range(30):
        before, after = (bare_run(dice, NOISES[name], 1000) for _ in range(2))
        told += compare(before, after).step.verdict != NONE
        found += compare(before, bare_run(dice, NOISES[name], 1000, 1.1)).step.verdict == SLOWER
    # Of 30 pairs at 5 %, more than 5 are wrong in one of a thousand tests.
    assert told <= 5
    assert found >= 27


def test_the_stages_keep_their_level_together() -> None:
    dice, wrong, hit = random.Random(64), 0, 0
    for _ in range(40):
        before, after = noisy_run(dice, alike, 400), noisy_run(dice, alike, 400, {"backward": 1.2})
        told = {stage.name for stage in compare(before, after).stages if stage.verdict != NONE}
        wrong += bool(told - {"backward"})
        hit += "backward" in told
    assert wrong <= 5
    assert hit >= 36


def test_runs_that_differ_besides_are_not_told_apart_where_there_are_several() -> None:
    dice, told = random.Random(65), 0
    for _ in range(60):
        sides = [[bare_run(dice, alike, 200, dice.gauss(1, 0.03)) for _ in range(3)] for _ in range(2)]
        told += compare(*sides).step.verdict != NONE
    assert told <= 7
