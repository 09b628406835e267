"""Formulas of a command line: arithmetic, and nothing else."""

from __future__ import annotations

import pytest

from rnnprof.analysis.formula import names, value
from rnnprof.errors import UsageError
from tests.sweep_folder import plan_of

NAMES = {"bptt": "32", "batch_size": "20", "model": "LSTM"}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("20", 20),
        ("20*bptt", 640),
        ("(100 + 28) / bptt", 4),
        ("100 // bptt - 1", 2),
        (" batch_size * bptt ", 640),
    ],
)
def test_what_it_gives(text: str, number: float) -> None:
    assert value(text, NAMES, "--x") == number


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "--x '': give a formula of numbers and options, such as '20*bptt'"),
        ("2**bptt", "--x '2**bptt': give a formula"),
        ("__import__('os')", "--x \"__import__('os')\": give a formula"),
        ("True", "give a formula"),
        ("'a'", "give a formula"),
        ("1" * 201, "give a formula"),
        ("(" * 150, "give a formula"),
        ("emsize", "--x: there is no option 'emsize' among the program's arguments"),
        ("2*model", "--x: model is no number, but 'LSTM'"),
        ("bptt-32", "--x 'bptt-32' gives no number above 0"),
        ("1/(bptt-32)", "gives no number above 0"),
        ("1e300*1e300", "gives no number above 0"),
    ],
)
def test_what_makes_no_sense(text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        value(text, NAMES, "--x")
    assert said in str(error.value)


def test_the_options_of_a_combination() -> None:
    plan = plan_of(fixed=("--batch-size", "20", "--lr=5", "lr2=3", "--cuda"))
    assert names(plan, 5) == {
        "batch_size": "20",
        "lr": "5",
        "lr2": "3",
        "cuda": "",
        "model": "GRU",
        "bptt": "64",
    }
