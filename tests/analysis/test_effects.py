"""What each factor explains, on grids whose answer is known."""

from __future__ import annotations

import itertools
import math
import statistics

import pytest

from rnnprof.analysis.effects import effects
from rnnprof.analysis.swept import Level
from rnnprof.sweepmodel import Factor


def factor(name: str, *levels: str) -> Factor:
    """A factor with these levels."""
    return Factor(name, levels, tuple((f"--{name}={level}",) for level in levels))


MODEL, BPTT = factor("model", "LSTM", "GRU"), factor("bptt", "16", "32", "64")
CELLS = list(itertools.product(range(2), range(3)))
WHOLE = {(model, bptt): 1e6 * 2.0**bptt * (0.5 if model else 1.0) for model, bptt in CELLS}
"""Doubles with each bptt, halves for the GRU: sums of squares 4 log(2)^2 and 6/4 log(2)^2."""


def test_a_whole_grid_without_interactions() -> None:
    found = effects("time per step", (MODEL, BPTT), WHOLE)
    assert found is not None
    bptt, model = found.factors
    assert (bptt.name, model.name) == ("bptt", "model")
    assert bptt.share == pytest.approx(4 / 5.5)
    assert model.share == pytest.approx(1.5 / 5.5)
    assert (bptt.percent, model.percent, found.rest.percent) == ("72.7 %", "27.3 %", "0 %")
    assert (found.rest.share, found.noise) == (0.0, None)
    assert [(one.level, pytest.approx(one.ratio)) for one in bptt.levels] == [("16", 1), ("32", 2), ("64", 4)]
    assert model.levels == (Level("LSTM", 1.0), Level("GRU", pytest.approx(0.5)))
    assert (found.cells, found.missing) == (6, 0)
    assert found.sentence == (
        "bptt explains 72.7 % of the differences in time per step: 64 takes 4.00 times as long as 16, "
        "all else being equal."
    )


def test_interactions_are_the_rest() -> None:
    """Logarithms 0, 0, 0, 1: both factors and their interaction have a quarter of a square each."""
    two = factor("layers", "1", "2")
    times = {cell: math.e if cell == (1, 1) else 1.0 for cell in itertools.product(range(2), range(2))}
    found = effects("time per step", (MODEL, two), times, noise=0.075)
    assert found is not None
    assert [one.share for one in found.factors] == pytest.approx([1 / 3, 1 / 3])
    assert found.rest.share == pytest.approx(1 / 3)
    assert found.rest.percent == "33.3 %"
    assert found.noise == pytest.approx(0.1)


def test_a_gap_leaves_the_ratios_as_they_are() -> None:
    times = {cell: time for cell, time in WHOLE.items() if cell != (1, 2)}
    found = effects("time per step", (MODEL, BPTT), times, missing=1)
    assert found is not None
    bptt, model = found.factors
    assert [one.ratio for one in bptt.levels] == pytest.approx([1, 2, 4])
    assert [one.ratio for one in model.levels] == pytest.approx([1, 0.5])
    # What is told is the whole grid, as the others say that it is.
    assert (bptt.share, model.share) == (pytest.approx(4 / 5.5), pytest.approx(1.5 / 5.5))
    assert found.rest.share == 0.0
    assert found.missing == 1


def test_a_level_without_any_time_is_left_out() -> None:
    times = {cell: time for cell, time in WHOLE.items() if cell[1] != 0}
    found = effects("time per step", (MODEL, BPTT), times, missing=2)
    assert found is not None
    assert [one.level for one in next(one for one in found.factors if one.name == "bptt").levels] == [
        "32",
        "64",
    ]
    assert sum(one.share for one in found.factors) == pytest.approx(1)


def test_the_rest_of_a_grid_with_a_gap_is_scaled() -> None:
    """Five of six cells: residuals with 1 degree of freedom stand for the 2 of the whole grid."""
    times = {cell: time for cell, time in WHOLE.items() if cell != (1, 2)}
    times[0, 0] *= math.exp(0.4)
    found = effects("time per step", (MODEL, BPTT), times, missing=1)
    assert found is not None
    # The two cells of each model at two levels of bptt: each residual is a quarter of 0.4.
    squares = [
        6 * statistics.pvariance([math.log(level.ratio) for level in one.levels]) for one in found.factors
    ]
    rest = 2 * 4 * 0.1**2
    assert found.rest.share == pytest.approx(rest / (sum(squares) + rest))


@pytest.mark.parametrize(
    "times",
    [
        {},
        {(0, 0): 1.0},
        {(0, 0): 1.0, (1, 1): 2.0},
        {(0, 0): 1.0, (0, 1): 2.0, (0, 2): 3.0},
        {(0, 0): 1.0, (0, 1): 2.0, (1, 0): 3.0},
        dict.fromkeys(CELLS, 5.0),
    ],
)
def test_what_cannot_be_told(times: dict[tuple[int, ...], float]) -> None:
    assert effects("time per step", (MODEL, BPTT), times) is None
