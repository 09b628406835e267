"""The knee of a sweep over the length of the sequence, on times that follow a line."""

from __future__ import annotations

import random
from statistics import geometric_mean

import pytest

from rnnprof.analysis.bptt import Knee
from rnnprof.analysis.sweeping import sweep_report
from rnnprof.sweepmodel import Factor
from tests.sweep_folder import BPTT, MODEL, factor, outcome, plan_of, run_at

FIXED, SCALED = 1.2e6, 5e4
"""Of a step, and for each time step: at 16 they are 60 and 40 of 100, the knee is at 216."""


def swept(
    factors: tuple[Factor, ...] = (MODEL, BPTT),
    tokens: str = "",
    off: float = 0.0,
    named: str = "bptt",
    skip: tuple[int, ...] = (),
    seed: int = 1,
) -> Knee | None:
    """The knee of a grid; a GRU takes four fifths of all."""
    plan, dice = plan_of(factors, tokens=tokens), random.Random(seed)
    place = [one.name for one in factors].index(named)
    runs = []
    for i in range(len(plan.combinations)):
        length = float(plan.levels(i)[place])
        ns = (FIXED + SCALED * length) * (0.8 if plan.levels(i)[0] == "GRU" else 1.0)
        ns *= dice.lognormvariate(0, off)
        if i not in skip:
            runs.append(outcome(i, run_at(round(ns))))
    return sweep_report(plan, runs).knee


def test_a_line_is_found_exactly() -> None:
    found = swept()
    assert found is not None
    assert (found.factor, found.cells) == ("bptt", 6)
    assert found.fixed_ns == pytest.approx(FIXED * 0.8**0.5, rel=1e-5)
    assert found.steps == pytest.approx(216, rel=1e-4)
    assert found.interval == pytest.approx((216, 216), rel=1e-3)
    assert [one.level for one in found.levels] == ["16", "32", "64"]
    assert [one.fixed for one in found.levels] == pytest.approx([0.6, 3 / 7, 3 / 11], rel=1e-4)
    token = [FIXED / length + SCALED for length in (16, 32, 64)]
    assert [one.ratio for one in found.levels] == pytest.approx([one / token[2] for one in token], rel=1e-4)
    assert found.sentence == (
        "1.07 ms of a step do not grow with bptt: 60.0 % of it at 16, 27.3 % at 64. The knee, where they are "
        "10.0 %, is at 216 (95 % interval 216 to 216), beyond what was run."
    )


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    held = 0
    for seed in range(200):
        found = swept(off=0.02, seed=seed)
        assert found is not None
        held += found.interval is not None and found.interval[0] <= 216 <= found.interval[1]
    assert 182 <= held <= 198


def test_at_the_intervals_ends_the_fit_is_off_by_as_much_as_t_allows() -> None:
    """As Fieller's interval is defined, by the normal equations of the two parts."""
    found, dice = swept(off=0.02, seed=5), random.Random(5)
    assert found is not None
    assert found.interval is not None
    times = [
        [(FIXED + SCALED * steps) * pace * dice.lognormvariate(0, 0.02) for steps in (16, 32, 64)]
        for pace in (1.0, 0.8)
    ]
    rows = [
        (geometric_mean(some) / ns, geometric_mean(some) / ns * steps)
        for some in times
        for ns, steps in zip(some, (16, 32, 64), strict=True)
    ]
    aa, ab, bb = (sum(row[i] * row[j] for row in rows) for i, j in ((0, 0), (0, 1), (1, 1)))
    a, b = (sum(row[i] for row in rows) for i in (0, 1))
    whole = aa * bb - ab * ab
    fixed, scaled = (bb * a - ab * b) / whole, (aa * b - ab * a) / whole
    left = sum((1 - fixed * x - scaled * y) ** 2 for x, y in rows)
    # Six times, less two parts and the scale of the second group.
    variance = left / 3 / whole
    for end in (one / 9 for one in found.interval):
        error = variance * (bb + 2 * end * ab + end**2 * aa)
        assert abs(fixed - end * scaled) / error**0.5 == pytest.approx(3.182, rel=1e-3)


def test_two_levels_are_a_line_without_an_error() -> None:
    found = swept((MODEL, factor("bptt", "64", "16")))
    assert found is not None
    assert [one.level for one in found.levels] == ["16", "64"]
    assert found.interval is None
    assert "(the line between two levels, which cannot tell how far off it is)" in found.sentence


def test_noise_that_hides_the_line_gives_no_interval() -> None:
    found = swept((BPTT,), off=0.5, seed=3)
    assert found is not None
    assert found.interval is None
    assert "(too uncertain for an interval)" in found.sentence


def test_combinations_that_lack_a_level_are_left_out() -> None:
    found = swept(skip=(4,))
    assert found is not None
    assert found.cells == 3
    assert swept(skip=(1, 4)) is None


def test_a_factor_counts_time_steps_by_its_tokens_or_by_its_name() -> None:
    strange = factor("t", "16", "32", "64")
    assert swept((MODEL, strange), named="t") is None
    assert swept((MODEL, strange), named="t", tokens="20*t") is not None
    assert swept(tokens="20*100") is None
    batch = factor("batch_size", "16", "32", "64")
    assert swept((MODEL, batch), named="batch_size", tokens="35*batch_size") is None
    assert swept((factor("seq-len", "16", "32"),), named="seq-len") is not None


def test_a_step_that_grows_in_full_has_no_knee() -> None:
    plan = plan_of((BPTT,))
    runs = [outcome(i, run_at(16_000 * 2**i - 5_000)) for i in range(3)]
    found = sweep_report(plan, runs).knee
    assert found is not None
    assert (found.fixed_ns, found.steps) == (0, 0)
    assert found.sentence == (
        "All of a step grows with bptt, as far as is shown: more of it saves nothing per token."
    )
    shrinking = [outcome(i, run_at(64_000 // 2**i)) for i in range(3)]
    assert sweep_report(plan, shrinking).knee is None


def test_extreme_levels_do_not_fail() -> None:
    levels = factor("bptt", "1e-300", "1", "1e300")
    runs = [outcome(i, run_at(1000 * (i + 1))) for i in range(3)]
    sweep_report(plan_of((levels,)), runs)
