"""The law of times, on times that follow one."""

from __future__ import annotations

import itertools
import math

import pytest

from rnnprof.analysis.law import law, number
from tests.analysis.test_effects import factor

MODEL, EMSIZE = factor("model", "LSTM", "GRU"), factor("emsize", "100", "200", "400")
BPTT = factor("bptt", "16", "32", "64")
FACTORS = (MODEL, EMSIZE, BPTT)
CELLS = list(itertools.product(range(2), range(3), range(3)))


def exact(cell: tuple[int, ...]) -> float:
    """1.5 µs times emsize to the half, times bptt, a fifth less for a GRU."""
    em, bptt = float(EMSIZE.levels[cell[1]]), float(BPTT.levels[cell[2]])
    return 1500 * em**0.5 * bptt * (0.8 if cell[0] else 1.0)


def test_a_law_is_found_exactly() -> None:
    found = law("time per step", FACTORS, {cell: exact(cell) for cell in CELLS})
    assert found is not None
    emsize, bptt = found.powers
    assert (emsize.name, emsize.exponent, emsize.middle) == ("emsize", pytest.approx(0.5), pytest.approx(200))
    assert (bptt.name, bptt.exponent, bptt.middle) == ("bptt", pytest.approx(1.0), pytest.approx(32))
    assert emsize.error == pytest.approx(0, abs=1e-9)
    (gru,) = found.times
    assert (gru.name, gru.level, gru.base, gru.ratio) == ("model", "GRU", "LSTM", pytest.approx(0.8))
    assert found.constant_ns == pytest.approx(1500)
    assert found.middle_ns == pytest.approx(1500 * 200**0.5 * 32)
    assert found.explained == pytest.approx(1.0)
    assert found.typical == pytest.approx(0, abs=1e-9)
    assert found.cells == 18
    assert found.formula == ("time per step = 679 µs × (emsize/200)^0.50 × (bptt/32)^1.00; model=GRU: ×0.80")


def test_its_error_is_that_of_a_combination_that_it_has_not_seen() -> None:
    """One of eighteen is off by 1 in logarithms; with leverage 4/18 its error without it is 1."""
    times = {cell: exact(cell) for cell in CELLS}
    times[0, 1, 1] *= math.e
    found = law("time per step", FACTORS, times)
    assert found is not None
    assert found.worst == pytest.approx(math.expm1(1.0))
    assert 0 < found.typical < found.worst
    assert found.powers[0].exponent == pytest.approx(0.5)
    low, high = found.powers[0].interval
    assert low < 0.5 < high
    assert (high - low) / 2 == pytest.approx(2.1448 * found.powers[0].error, rel=1e-4)


def test_without_numbers_or_enough_of_them_there_is_none() -> None:
    assert law("x", (MODEL,), {(0,): 1.0, (1,): 2.0}) is None
    assert law("x", (BPTT,), {(0,): 1.0, (1,): 2.0}) is None
    assert law("x", (BPTT,), {}) is None
    assert law("x", (BPTT,), {(0,): 1.0, (1,): 2.0, (2,): 4.0}) is not None
    # Each emsize with a bptt of its own: they cannot be told apart.
    assert law("x", (EMSIZE, BPTT), {(i, i): float(2**i) for i in range(3)}) is None


def test_numbers() -> None:
    assert [number(text) for text in ("16", "1e-3", "0", "-1", "nan", "inf", "a")] == [16, 0.001, *[None] * 5]
