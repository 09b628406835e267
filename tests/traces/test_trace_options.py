"""What is to be traced, as users say it."""

from __future__ import annotations

from typing import Any

import pytest

from rnnprof.errors import UsageError
from rnnprof.traces.options import Tracing, steps_in, tracing


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        (True, (5, 6, 7)),
        (1, (5,)),
        (range(100, 103), (100, 101, 102)),
        ([9, 2, 2], (2, 9)),
        (Tracing(steps={4}), (4,)),
    ],
)
def test_which_steps(asked: Any, numbers: tuple[int, ...]) -> None:
    options = tracing(asked)
    assert options is not None
    assert options.numbers(5) == numbers


@pytest.mark.parametrize("asked", [None, False])
def test_nothing_is_traced_unless_asked_for(asked: Any) -> None:
    assert tracing(asked) is None


@pytest.mark.parametrize("asked", ["3", 2.5, object()])
def test_odd_arguments_are_refused(asked: Any) -> None:
    with pytest.raises(UsageError, match="trace is True, a number of steps, steps' numbers or a Tracing"):
        tracing(asked)


def test_no_step_at_all() -> None:
    assert Tracing(steps=0).numbers(5) == ()


@pytest.mark.parametrize("steps", [-1, [], 1.5, ["a", 1], None])
def test_odd_steps_are_refused(steps: Any) -> None:
    with pytest.raises(UsageError, match="steps"):
        Tracing(steps=steps).numbers(5)


@pytest.mark.parametrize(("words", "steps"), [("3", 3), ("100-102", range(100, 103)), (" 7-7 ", range(7, 8))])
def test_steps_on_the_command_line(words: str, steps: Any) -> None:
    assert steps_in(words) == steps


@pytest.mark.parametrize("words", ["", "a", "3-", "-3", "5-4", "1-2-3", "²", "1" * 30])
def test_odd_steps_on_the_command_line_are_refused(words: str) -> None:
    with pytest.raises(UsageError, match="give a number of steps, or the first and the last such as 100-102"):
        steps_in(words)
