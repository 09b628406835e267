"""The grid of a command line."""

from __future__ import annotations

import pytest

from rnnprof.errors import UsageError
from rnnprof.sweep.grid import factors, split
from rnnprof.sweepmodel import Factor


def test_each_way_to_write_a_factor() -> None:
    found = factors(
        ["--model=LSTM,GRU", "--bptt", "16,32", "size=1,2", "--tied", "-b", "4", "--text=a\\,b,c"]
    )
    assert found == (
        Factor("model", ("LSTM", "GRU"), (("--model=LSTM",), ("--model=GRU",))),
        Factor("bptt", ("16", "32"), (("--bptt", "16"), ("--bptt", "32"))),
        Factor("size", ("1", "2"), (("size=1",), ("size=2",))),
        Factor("tied", ("off", "on"), ((), ("--tied",))),
        Factor("b", ("4",), (("-b", "4"),)),
        Factor("text", ("a,b", "c"), (("--text=a,b",), ("--text=c",))),
    )


def test_a_switch_before_an_option_and_at_the_end() -> None:
    assert [one.levels for one in factors(["--tied", "--bptt=1,2", "--bare"])] == [
        ("off", "on"),
        ("1", "2"),
        ("off", "on"),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bptt"], "--grid 'bptt': give an option with its values, such as --bptt=16,32"),
        (["=3"], "--grid '=3': give an option with its values, such as --bptt=16,32"),
        (["--a=1", "--a=2"], "--grid: a is given twice: put all its values into one list"),
        (["--a=1,2,1"], "--grid '--a=1,2,1': the value '1' is given twice"),
        (
            [f"--{name}=1,2,3,4,5,6,7,8,9,10" for name in "abcd"],
            "the grid has 20,000 runs: give 10,000 or fewer",
        ),
    ],
)
def test_what_makes_no_sense(words: list[str], said: str) -> None:
    with pytest.raises(UsageError) as error:
        factors(words, repeat=2)
    assert str(error.value) == said


def test_the_last_separator_parts_the_words() -> None:
    assert split(["a.py", "--grid", "x", "--grid", "--b=1"]) == (["a.py", "--grid", "x"], ["--b=1"])
    with pytest.raises(UsageError, match="give what varies after the script"):
        split(["a.py", "--b=1"])
    with pytest.raises(UsageError, match="nothing follows it"):
        split(["a.py", "--grid"])


def test_a_switch_before_a_factor_without_dashes_is_two_things() -> None:
    with pytest.raises(UsageError, match="--grid --tied 'n=1,2': two factors, or one"):
        factors(["--tied", "n=1,2"])
    assert [factor.name for factor in factors(["n=1,2", "--tied"])] == ["n", "tied"]
