"""Linear least squares on a few columns, by the normal equations; pure Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

TINY = 1e-10
"""A pivot that is smaller than this part of its column's length says that columns depend on each other."""


@dataclass(frozen=True)
class Fit:
    """A linear model with its errors.

    Args:
        coefficients: one for each column.
        errors: their standard errors; infinite where no observation is left over to tell.
        residuals: value minus prediction, for each observation.
        leverages: how much each observation draws its own prediction to itself, 0 to 1.
        square: sum of the squared residuals.
        freedom: observations beyond the number of columns.
    """

    coefficients: tuple[float, ...]
    errors: tuple[float, ...]
    residuals: tuple[float, ...]
    leverages: tuple[float, ...]
    square: float
    freedom: int

    @property
    def left_out(self) -> tuple[float, ...] | None:
        """For each observation its residual from the model of all others; None where one is needed.

        The model need not be fitted again: the residual is divided by one minus the leverage (Cook and
        Weisberg, "Residuals and Influence in Regression", 1982, section 2.2.1).
        """
        if any(leverage > 1 - 1e-9 for leverage in self.leverages):
            return None
        return tuple(
            residual / (1 - leverage)
            for residual, leverage in zip(self.residuals, self.leverages, strict=True)
        )


def fit(rows: Sequence[Sequence[float]], values: Sequence[float]) -> Fit | None:
    """Fit ``values = rows @ coefficients``.

    Args:
        rows: for each observation its columns; a constant is a column of ones.
        values: the observations.

    Returns:
        The model that leaves the smallest sum of squares; None where the columns depend on each
        other, or there are fewer observations than columns.
    """
    width = len(rows[0]) if rows else 0
    if not width or len(rows) < width:
        return None
    products = [[math.fsum(row[i] * row[j] for row in rows) for j in range(width)] for i in range(width)]
    inverse = _inverse(products)
    if inverse is None:
        return None
    right = [math.fsum(row[i] * value for row, value in zip(rows, values, strict=True)) for i in range(width)]
    coefficients = [math.fsum(inverse[i][j] * right[j] for j in range(width)) for i in range(width)]
    residuals = [
        value - math.fsum(a * b for a, b in zip(row, coefficients, strict=True))
        for row, value in zip(rows, values, strict=True)
    ]
    leverages = [
        math.fsum(row[i] * inverse[i][j] * row[j] for i in range(width) for j in range(width)) for row in rows
    ]
    square, freedom = math.fsum(one * one for one in residuals), len(rows) - width
    variance = square / freedom if freedom else math.inf
    errors = [math.sqrt(max(inverse[i][i], 0.0) * variance) if freedom else math.inf for i in range(width)]
    return Fit(tuple(coefficients), tuple(errors), tuple(residuals), tuple(leverages), square, freedom)


def _inverse(matrix: list[list[float]]) -> list[list[float]] | None:
    """The inverse of a symmetric matrix, by Gauss and Jordan with pivots; None where there is none."""
    size = len(matrix)
    # Scaled to a diagonal of ones, so that a pivot says how far a column is from the others.
    scale = [math.sqrt(matrix[i][i]) for i in range(size)]
    if not all(scale):
        return None
    work = [
        [matrix[i][j] / (scale[i] * scale[j]) for j in range(size)] + [float(i == j) for j in range(size)]
        for i in range(size)
    ]
    for column in range(size):
        pivot = max(range(column, size), key=lambda i: abs(work[i][column]))
        if abs(work[pivot][column]) < TINY:
            return None
        work[column], work[pivot] = work[pivot], work[column]
        head = work[column][column]
        work[column] = [value / head for value in work[column]]
        for i in range(size):
            if i != column and work[i][column]:
                times = work[i][column]
                work[i] = [a - times * b for a, b in zip(work[i], work[column], strict=True)]
    return [[work[i][size + j] / (scale[i] * scale[j]) for j in range(size)] for i in range(size)]
