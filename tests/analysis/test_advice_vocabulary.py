"""A vocabulary above all else: found by operations and time, with what each remedy leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rnnprof.analysis.advice.operations import others, projection, recurrent
from rnnprof.analysis.advice.softmaxes import _harmonic, adaptive, sampled
from rnnprof.analysis.advice.vocabulary import vocabulary
from rnnprof.anatomy import Anatomy
from rnnprof.network import Output
from rnnprof.probes import Work
from tests.advice_runs import a_run, abstains, found, line
from tests.recurrent_calls import layer

LSTM = layer(path=("forward", "rnn"), line=line(30))
OUTPUT = Output(33_278, 200, 700, (33_278, 200), False, 14_000_000, line(48, "loss = criterion(output, y)"))
ANATOMY = Anatomy(recurrent=(LSTM,), output=OUTPUT)


def test_operations_are_those_of_the_matrices() -> None:
    assert recurrent(LSTM) == 2 * 700 * 2 * 4 * 200 * 400
    assert recurrent(replace(LSTM, packed_steps=10)) == 2 * 10 * 2 * 4 * 200 * 400
    both = replace(LSTM, directions=2, kind="gru", layers=2)
    assert recurrent(both) == 2 * 700 * 2 * 3 * 200 * (400 + 600)
    projected = replace(LSTM, layers=1, projection_size=50)
    assert recurrent(projected) == 2 * 700 * (4 * 200 * 250 + 50 * 200)
    cell = replace(LSTM, kind="rnn_tanh_cell", calls=35, time_steps=1, layers=1)
    assert recurrent(cell) == 2 * 700 * 200 * 400
    assert recurrent(replace(LSTM, kind="mine")) == 0
    assert projection(OUTPUT, 700) == 2 * 700 * 200 * 33_278


def test_without_recurrent_layers_every_weight_meets_each_row_but_an_embeddings() -> None:
    table = 33_278 * 200
    assert others(ANATOMY, OUTPUT, 700) == recurrent(LSTM)
    assert others(Anatomy(), OUTPUT, 700) == 2 * 700 * (14_000_000 - 2 * table)
    assert others(Anatomy(), replace(OUTPUT, tied=True), 700) == 2 * 700 * (14_000_000 - table)
    assert others(Anatomy(), replace(OUTPUT, weights=table), 700) == 0


def test_an_adaptive_softmax_leaves_what_its_clusters_are_for() -> None:
    """Worked by hand for one choice of cutoffs; the best of all is no worse."""
    best = adaptive(200, 33_278)
    assert best is not None
    first, second = best.cutoffs
    exact = [sum(1 / rank for rank in range(1, n + 1)) for n in (first, second, 33_278)]
    work = 200 * (first + 2)
    work += (exact[1] - exact[0]) / exact[2] * 50 * (200 + second - first)
    work += (exact[2] - exact[1]) / exact[2] * 12 * (200 + 33_278 - second)
    assert best.left == pytest.approx(work / (200 * 33_278), rel=1e-3)
    assert 0.02 < best.left < 0.1
    assert adaptive(8, 33_278) is None
    assert adaptive(200, 10) is None or adaptive(200, 10).cutoffs[0] >= 1  # type: ignore[union-attr]
    assert sampled(33_278) == (1024, 1025 / 33_278)
    assert sampled(1000) == (50, 0.051)
    assert _harmonic(10) == pytest.approx(2.92897, rel=1e-3)


def test_it_is_found_with_what_each_remedy_saves() -> None:
    (one,) = found(vocabulary, a_run(anatomy=ANATOMY))
    assert (one.key, one.line, one.source) == ("vocabulary", 48, "loss = criterion(output, y)")
    assert "700 predictions × 200 inputs × 33,278 classes are 9.32 GFLOP forward" in one.evidence
    assert "of the operations of it and the recurrent layers. " in one.evidence
    # 33,278 x 200 against 2 x 4 x 200 x 400 of the layers.
    part = 33_278 / (33_278 + 3200)
    assert f"{part:.1%}".replace("%", " %") in one.evidence
    # The projection's part of the weights is that of update and clip, too.
    time = part * 24 / 26.1 + 33_278 * 200 / 14e6 * 1.5 / 26.1
    best = adaptive(200, 33_278)
    assert best is not None
    assert one.saving == pytest.approx(time * (1 - min(best.left, 1025 / 33_278)))
    assert "nn.AdaptiveLogSoftmaxWithLoss(200, 33278, cutoffs=[" in one.change
    assert "and 1,024 drawn classes: at most 84.0 % (it leaves 3.1 %)." in one.change
    # 47.5 % of the parameters, and of the 1.5 of 26.1 ms that update and clip take.
    assert "47.5 % fewer parameters, and at most 2.7 % (of update, clip" in one.change


def test_the_time_of_the_stages_is_taken_where_it_is_known() -> None:
    stages = {
        "forward": 8.0,
        ("forward", "rnn"): 3.0,
        ("forward", "decoder"): 4.0,
        "loss": 1.0,
        "backward": 15.0,
        ("backward", "decoder"): 5.0,
        ("backward", "rnn"): 8.0,
        "update": 1.0,
    }
    (one,) = found(vocabulary, a_run(stages, rest=0.0, anatomy=ANATOMY))
    # Of the 15 of backward all but the other child's: the softmax's is in none.
    assert "and loss with what backward does for them take 48.0 % of the step." in one.evidence
    del stages["backward", "decoder"]
    (one,) = found(vocabulary, a_run(stages, rest=0.0, anatomy=ANATOMY))
    assert "for them (taken as twice as long) take 60.0 % of the step." in one.evidence
    # Never more than backward takes as a whole.
    short = {"forward": 4.0, ("forward", "decoder"): 4.0, "loss": 1.0, "backward": 4.0, "update": 1.0}
    (one,) = found(vocabulary, a_run(short, rest=0.0, anatomy=ANATOMY))
    assert "for them (taken as twice as long) take 90.0 % of the step." in one.evidence
    # Whatever the operations say: something that is not among them takes most of the time.
    slow = stages | {"forward": 14.0, "backward": 24.0}
    assert found(vocabulary, a_run(slow, rest=0.0, anatomy=ANATOMY)) == ()
    # A decoder that is a recurrent network of its own is no projection.
    inside = replace(LSTM, path=("forward", "decoder", "rnn"))
    (one,) = found(vocabulary, a_run(stages, anatomy=replace(ANATOMY, recurrent=(inside,))))
    assert "an estimate" in one.evidence


def test_tied_weights_are_not_advised_twice_nor_where_they_do_not_fit() -> None:
    tied = replace(OUTPUT, tied=True)
    (one,) = found(vocabulary, a_run(anatomy=replace(ANATOMY, output=tied)))
    assert "ied weights" not in one.change
    narrow = replace(OUTPUT, embedding=(33_278, 100))
    (one,) = found(vocabulary, a_run(anatomy=replace(ANATOMY, output=narrow)))
    assert "Tied weights need an embedding as wide as the projection: it is 100, not 200." in one.change


def test_a_model_that_does_more_than_its_projection_gets_none() -> None:
    wide = replace(LSTM, hidden_size=4000, input_size=4000)
    assert found(vocabulary, a_run(anatomy=replace(ANATOMY, recurrent=(wide,)))) == ()
    letters = replace(OUTPUT, classes=65)
    assert found(vocabulary, a_run(anatomy=replace(ANATOMY, output=letters))) == ()
    # What torch's profiler counted goes before what the sizes say.
    work = (Work(("forward",), "float32", 10**12, 0, 9),)
    assert found(vocabulary, a_run(anatomy=ANATOMY, probe={"work": work})) == ()
    # Of no operations are more than all the projection's, whatever the profiler missed.
    work = (Work(("forward",), "float32", 10**9, 0, 9),)
    (one,) = found(vocabulary, a_run(anatomy=ANATOMY, probe={"work": work}))
    assert "100 % of the operations of the step." in one.evidence
    # A transformer of 85 million weights beside a tied projection of 38 million.
    large = Output(50_257, 768, 8192, (50_257, 768), True, 124_000_000, None)
    assert found(vocabulary, a_run(anatomy=Anatomy(output=large))) == ()
    assert found(vocabulary, a_run(anatomy=Anatomy(output=replace(large, weights=50_000_000)))) != ()


def test_it_abstains_without_its_signal() -> None:
    assert abstains(vocabulary, a_run()) == "No step was looked at closely (no probe)."
    assert abstains(vocabulary, a_run(anatomy=Anatomy())) == "No projection onto classes was seen."
    unknown = Anatomy(output=replace(OUTPUT, rows=None))
    assert abstains(vocabulary, a_run(anatomy=unknown)) == "How many predictions a step makes is not known."
    compiled = Anatomy(missing=(("output", "torch.compile is in use"),))
    assert abstains(vocabulary, a_run(anatomy=compiled)) == (
        "The probe has nothing on it: torch.compile is in use."
    )
