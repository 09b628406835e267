"""Numbers into words that no other test covers: bytes that grow, prefixes, percentages that stand alone."""

from __future__ import annotations

import pytest

from rnnprof import units


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0"), (1, "+1 bytes"), (-512, "-512 bytes"), (1 << 20, "+1.00 MiB"), (-3 << 29, "-1.50 GiB")],
)
def test_growth(number: int, words: str) -> None:
    assert units.growth(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0"),
        (1, "1.00"),
        (999, "999"),
        (999.9, "1.00 k"),
        (19.5e12, "19.5 T"),
        (312e12, "312 T"),
        (999e18, "999 E"),
        (9.996e20, ">999 E"),
        (9e27, ">999 E"),
        (0.25, "0.25"),
    ],
)
def test_prefixes(number: float, words: str) -> None:
    assert units.metric(number) == words


def test_prefixes_with_a_unit() -> None:
    assert (units.metric(2e12, "FLOP/s"), units.metric(7, "B/s")) == ("2.00 TFLOP/s", "7.00 B/s")


def test_sizes_beyond_those_of_today() -> None:
    assert [units.size(1 << power) for power in (40, 50, 60)] == ["1.00 TiB", "1.00 PiB", "1.00 EiB"]
    assert units.size(2**63 - 1) == "8.00 EiB"


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (None, "–"),
        (0.0, "0 %"),
        (1e-9, "<0.1 %"),
        (0.5, "50.0 %"),
        (0.99999, ">99.9 %"),
        (1.0, "100 %"),
        (1.0001, "100 %"),
        (1.26, "126 %"),
        (9.99, "999 %"),
        (9.995, ">999 %"),
        (1e30, ">999 %"),
    ],
)
def test_a_percentage_that_stands_alone(share: float | None, words: str) -> None:
    assert units.fraction(share) == words


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (0.053, "+5.3 %"),
        (-0.0004, "-0.04 %"),
        (0.00001, "+<0.01 %"),
        (-0.00001, "-<0.01 %"),
        (0.00099, "+0.1 %"),
        (1.3, "+130 %"),
        (0.9994, "+99.9 %"),
        (12.345, "+1,234 %"),
        (-1, "-100 %"),
    ],
)
def test_a_change_is_written_with_its_sign(share: float, text: str) -> None:
    assert units.signed(share) == text
