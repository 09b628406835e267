"""What programs print of their success, in the ways that they print it."""

from __future__ import annotations

import math

import pytest

from rnnprof.analysis.sweep_metrics import PERPLEXITY, metrics
from rnnprof.errors import UsageError

(USUAL,) = metrics(())


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("| end of epoch   1 | time:  8.36s | valid loss  6.75 | valid ppl   854.63", 854.63),
        ("end of epoch 3 | valid loss 5.900 | perplexity 365.04", 365.04),
        ("Epoch 1: train ppl 20.5, validation perplexity = 33.1e1, test ppl 9", 331.0),
        ("valid loss: 2.0 | train perplexity 3", math.exp(2)),
        ("val_loss=1.5 lr=3", math.exp(1.5)),
        ("val ppl is nan", math.nan),
        ("Valid Loss 900", math.inf),
        ("valid ppl inf", math.inf),
        ("train loss 3 ppl 4", None),
        ("validity loss 3", None),
        ("valid words: 217646", None),
        ("interval loss 3", None),
        ("valid loss nothing", None),
    ],
)
def test_validation_perplexity(line: str, value: float | None) -> None:
    found = USUAL.values([line])
    if value is None:
        assert found == ()
    else:
        assert found == pytest.approx((value,), nan_ok=True)


def test_final_and_best() -> None:
    found = USUAL.values(f"valid ppl {value}\n" for value in ("5", "3", "nan", "4"))
    assert found[-1] == 4
    assert USUAL.best(found) == 3
    assert USUAL.best((math.nan,)) is None


def test_expressions_of_the_users_own() -> None:
    own = metrics(["accuracy:max=acc ([0-9.]+)", "rate=[0-9]+ words/s", f"{PERPLEXITY}=PPL<(.*)>"])
    assert [one.name for one in own] == [PERPLEXITY, "accuracy", "rate"]
    perplexity, accuracy, rate = own
    assert perplexity.values(["valid ppl 3", "PPL<7>", "PPL<x>"]) == (7,)
    found = accuracy.values(["acc 0.5", "acc 0.9", "acc 0.7"])
    assert (found, accuracy.best(found)) == ((0.5, 0.9, 0.7), 0.9)
    assert rate.values(["12 words/s"]) == ()


@pytest.mark.parametrize("given", ["acc", "=x", "acc=", "acc=(", ":max=x"])
def test_what_is_no_metric(given: str) -> None:
    with pytest.raises(UsageError, match="--metric"):
        metrics([given])
