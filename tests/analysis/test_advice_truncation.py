"""Short sequences: the knee follows from the part of a step that does not grow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rnnprof.analysis.advice.truncation import bptt
from rnnprof.analysis.bptt import cost, knee
from rnnprof.anatomy import Anatomy
from rnnprof.network import Output
from tests.advice_runs import STAGES, a_run, abstains, found
from tests.analysis.test_advice_vocabulary import LSTM

SHORT = {"forward": 2.0, "backward": 4.0, "clip": 0.5, "update": 3.0, "repackage": 0.4}
"""39 of 100 of its 10 ms do not grow."""
ANATOMY = Anatomy(recurrent=(replace(LSTM, time_steps=8),))


def test_at_the_knee_a_tenth_is_left() -> None:
    best = knee(0.39, 8)
    # 3.9 ms against 6.1 ms for 8 time steps.
    assert best == pytest.approx(9 * 8 * 3.9 / 6.1)
    assert 3.9 / (3.9 + 6.1 * best / 8) == pytest.approx(0.1)
    assert cost(0.39, 8, 16) == pytest.approx((3.9 / 16 + 6.1 / 8) / (10 / 8))
    assert cost(0.39, 8, 8) == 1


def test_a_heavy_update_after_a_short_sequence_is_found() -> None:
    (one,) = found(bptt, a_run(SHORT, anatomy=ANATOMY, rest=0.1))
    assert (one.key, one.line) == ("bptt", 30)
    assert one.evidence == (
        "39.0 % of a step (update, clip, repackage) does not grow with the sequence, which has 8 time steps. "
        "If all else does, time per token against now: 16 time steps 80.5 %, 32 time steps 70.8 %, 46 "
        "time steps 67.8 %."
    )
    assert one.change.startswith(
        "Sequences of up to 46 time steps (`bptt`), from where on that part is below 10.0 %"
    )
    # What else does not grow, such as the cost of calls, is not known: more may be saved.
    assert one.saving is None


def test_of_cells_the_calls_are_the_time_steps() -> None:
    cell = replace(LSTM, kind="lstm_cell", calls=8, time_steps=1)
    (one,) = found(bptt, a_run(SHORT, anatomy=Anatomy(recurrent=(cell,))))
    assert "which has 8 time steps" in one.evidence


def test_a_light_update_is_none() -> None:
    assert found(bptt, a_run(STAGES | {"repackage": 0.1}, anatomy=ANATOMY)) == ()


def test_a_sequence_that_is_whole_cannot_be_longer() -> None:
    """One prediction for a sequence, and no state that is carried over."""
    stages = {name: ms for name, ms in SHORT.items() if name != "repackage"}
    labels = Output(5, 200, 20, None, None, 10**6, None)
    assert found(bptt, a_run(stages, anatomy=replace(ANATOMY, output=labels))) == ()
    # A tag for each word of a sentence; a language model, whose classes are the words of its input.
    tags = replace(labels, rows=160)
    assert found(bptt, a_run(stages, anatomy=replace(ANATOMY, output=tags))) == ()
    words = replace(tags, classes=500, embedding=(500, 200), tied=False)
    assert found(bptt, a_run(stages, anatomy=replace(ANATOMY, output=words))) != ()
    # Only its last word is predicted.
    last = replace(words, rows=20)
    assert found(bptt, a_run(stages, anatomy=replace(ANATOMY, output=last))) == ()


def test_it_abstains_without_its_signal() -> None:
    assert abstains(bptt, a_run(SHORT, anatomy=Anatomy())) == "No recurrent layer was seen."
    assert abstains(bptt, a_run({"mine": 1.0}, anatomy=ANATOMY)) == (
        "No stage of the step is known not to grow with the sequence."
    )
