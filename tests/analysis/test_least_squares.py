"""Least squares against cases worked out by hand."""

from __future__ import annotations

import math

import pytest

from rnnprof.analysis.least_squares import fit


def test_a_line_through_four_points() -> None:
    """y = 1, 3, 2, 5 at x = 0, 1, 2, 3: slope 1.1, intercept 1.1 (sums 6, 14, 11, 22)."""
    found = fit([(1.0, float(x)) for x in range(4)], [1.0, 3.0, 2.0, 5.0])
    assert found is not None
    assert found.coefficients == pytest.approx((1.1, 1.1))
    assert found.residuals == pytest.approx((-0.1, 0.8, -1.3, 0.6))
    assert found.square == pytest.approx(2.7)
    assert found.freedom == 2
    assert found.leverages == pytest.approx((0.7, 0.3, 0.3, 0.7))
    assert found.errors == pytest.approx((math.sqrt(1.35 * 14 / 20), math.sqrt(1.35 / 5)))
    assert found.left_out == pytest.approx((-0.1 / 0.3, 0.8 / 0.7, -1.3 / 0.7, 0.6 / 0.3))


def test_left_out_is_what_fitting_without_it_gives() -> None:
    rows = [(1.0, float(x), float(x * x % 5)) for x in range(7)]
    values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0]
    found = fit(rows, values)
    assert found is not None
    assert found.left_out is not None
    for i, residual in enumerate(found.left_out):
        others = fit(rows[:i] + rows[i + 1 :], values[:i] + values[i + 1 :])
        assert others is not None
        predicted = sum(a * b for a, b in zip(rows[i], others.coefficients, strict=True))
        assert residual == pytest.approx(values[i] - predicted)


def test_what_cannot_be_fitted() -> None:
    assert fit([], []) is None
    assert fit([(1.0, 2.0)], [1.0]) is None
    assert fit([(1.0, 2.0), (1.0, 2.0), (1.0, 2.0)], [1.0, 2.0, 3.0]) is None
    assert fit([(1.0, 0.0), (1.0, 0.0)], [1.0, 2.0]) is None


def test_without_an_observation_to_spare() -> None:
    found = fit([(1.0, 0.0), (1.0, 1.0)], [2.0, 3.0])
    assert found is not None
    assert found.coefficients == pytest.approx((2.0, 1.0))
    assert (found.freedom, found.left_out) == (0, None)
    assert found.errors == (math.inf, math.inf)


def test_columns_of_very_different_size() -> None:
    found = fit([(1.0, 1e9 * x) for x in range(5)], [2.0 + 3.0 * x for x in range(5)])
    assert found is not None
    assert found.coefficients == pytest.approx((2.0, 3e-9))
