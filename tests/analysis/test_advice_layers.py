"""Advice on recurrent layers: loops over cells, scattered weights, a fast way that is not taken."""

from __future__ import annotations

from typing import Any

import pytest

from rnnprof.analysis.advice.cells import cells
from rnnprof.analysis.advice.layers import fast_path, one_chunk
from rnnprof.anatomy import Anatomy
from rnnprof.model import Run
from rnnprof.network import Recurrent
from tests.advice_runs import MAIN, STAGES, a_run, abstains, found, line
from tests.recurrent_calls import cell, layer

OPENED = {**STAGES, ("forward", "rnn"): 2.0}
"""`forward` is 8 ms of 26.1, `backward` 15; a quarter of forward is the recurrent layer."""
WHOLE = 26.1


def with_layers(*rows: Recurrent, **changed: Any) -> Run:
    """A run in whose probed step these were called, on a torch that has cuDNN and oneDNN."""
    facts = {"cudnn": 91002, "cudnn_enabled": True, "onednn_enabled": True, **changed.pop("environment", {})}
    return a_run(**({"anatomy": Anatomy(recurrent=rows), "environment": facts} | changed))


HEALTHY = with_layers(
    layer(), layer(kind="gru", way="composed"), cell(calls=2), layer(way="cudnn", device="cuda")
)


@pytest.mark.parametrize("check", [cells, one_chunk, fast_path])
def test_a_healthy_layer_gets_no_advice(check: Any) -> None:
    assert found(check, HEALTHY) == ()
    assert found(check, with_layers()) == ()


@pytest.mark.parametrize("check", [cells, one_chunk, fast_path])
def test_what_was_not_looked_at_gets_none_either(check: Any) -> None:
    assert abstains(check, a_run()) == "No step was looked at closely (no probe)."
    unseen = a_run(anatomy=Anatomy(missing=(("recurrent", "torch.compile is in use"),)))
    assert abstains(check, unseen).endswith(": torch.compile is in use.")


def test_a_loop_over_a_cell_is_found() -> None:
    (one,) = found(cells, with_layers(cell()))
    assert (one.key, one.file, one.line, one.stage) == ("cells", MAIN, 7, ("forward",))
    assert one.title == "A loop calls `nn.LSTMCell` one time step at a time"
    assert one.evidence == (
        "In one step: 35 calls of `nn.LSTMCell` in line 7 (batch 20, inputs 200, hidden 200). On a CPU "
        "`nn.LSTM` in float32 is one call of oneDNN."
    )
    assert "make one call of `nn.LSTM` over the whole sequence;" in one.change
    assert one.saving == pytest.approx(23 / WHOLE)
    assert one.bound == ("As if forward, backward took no time. A whole layer has the same products to do.")


def test_backward_counts_as_far_as_forward_does() -> None:
    (one,) = found(cells, with_layers(cell(path=("forward", "rnn")), stages=OPENED))
    assert one.saving == pytest.approx((2 + 15 / 4) / WHOLE)
    assert one.bound.startswith(
        "As if forward/rnn and as large a part of backward as of forward took no time."
    )


def test_a_backward_pass_that_is_divided_is_not_guessed() -> None:
    stages = {**OPENED, ("backward", "rnn"): 5.0}
    (one,) = found(cells, with_layers(cell(path=("forward", "rnn")), stages=stages))
    assert one.saving == pytest.approx((2 + 5) / WHOLE)
    assert one.bound.startswith("As if forward/rnn, backward/rnn took no time.")


def test_a_stage_counts_once_however_many_cells_it_holds() -> None:
    first = cell(line=line(7), input_size=64)
    second = cell(line=line(8))
    (one,) = found(cells, with_layers(first, second))
    assert one.saving == pytest.approx(23 / WHOLE)
    assert "(with `num_layers=2`, if these cells are stacked)" in one.change
    assert "in line 7 (batch 20, inputs 64, hidden 200), 35 calls of `nn.LSTMCell` in line 8" in one.evidence


def test_on_a_cpu_only_lstm_has_a_way_of_its_own() -> None:
    (one,) = found(cells, with_layers(cell("gru_cell", input_size=50, hidden_size=150)))
    # What Python's part in a loop of small cells is, the sizes do not tell: all of it may go.
    assert one.saving == pytest.approx(23 / WHOLE)
    assert "for all time steps at once, and the rest as before but without Python." in one.evidence
    (one,) = found(cells, with_layers(cell("gru_cell", device="cuda", way="fused"), device="cuda"))
    assert one.saving == pytest.approx(23 / WHOLE)
    assert "`nn.GRU` is one call of cuDNN" in one.evidence


def test_a_layer_that_is_called_for_each_time_step_is_a_loop_as_well() -> None:
    (one,) = found(cells, with_layers(layer(time_steps=1, calls=20)))
    assert one.title == "A loop calls `nn.LSTM` one time step at a time"


def test_a_decoder_beside_its_encoder_is_no_loop_to_replace() -> None:
    """Each of its inputs is made from the output before it."""
    decoder = layer(time_steps=1, calls=20)
    assert found(cells, with_layers(layer(time_steps=80), decoder)) == ()
    assert found(cells, with_layers(layer(time_steps=80), cell("gru_cell"))) == ()
    # What samples beside it, without a gradient, says nothing of it.
    assert len(found(cells, with_layers(layer(time_steps=80, backward=False), decoder))) == 1


def test_sampling_and_few_calls_are_no_loop() -> None:
    assert found(cells, with_layers(cell(backward=False), cell(calls=3), layer(time_steps=2, calls=9))) == ()


def test_without_a_stage_the_saving_is_not_known() -> None:
    (one,) = found(cells, with_layers(cell(path=("elsewhere",))))
    assert (one.saving, one.bound) == (None, "")


def test_weights_in_pieces_are_found() -> None:
    row = layer(device="cuda", way="cudnn", one_chunk=False, calls=2)
    (one,) = found(one_chunk, with_layers(row, device="cuda"))
    assert (one.key, one.line, one.saving) == ("one_chunk", 7, None)
    assert one.evidence.startswith("2 calls in a step: each first copies all the weights")
    assert "`flatten_parameters()`" in one.change
    assert found(one_chunk, with_layers(layer(device="cuda", way="cudnn", one_chunk=True))) == ()
    assert found(one_chunk, with_layers(layer(device="cuda", way="composed", one_chunk=False))) == ()


@pytest.mark.parametrize(
    ("changed", "library", "reason"),
    [
        ({"dtype": "float64"}, "oneDNN", "it is in float64"),
        ({"dtype": "float16"}, "oneDNN", "it is in float16"),
        ({"projection_size": 64}, "oneDNN", "it has projections (`proj_size=64`)"),
        ({"packed_steps": 560}, "oneDNN", "Padded to one length, 80.0 % of it would still be words."),
        ({"device": "cuda", "dtype": "bfloat16"}, "cuDNN", "its input is bfloat16"),
        ({"device": "cuda", "kind": "gru", "dtype": "complex64"}, "cuDNN", "its input is complex64"),
        ({"device": "cuda", "projection_size": 64}, "MIOpen", "it has projections (`proj_size=64`)"),
    ],
)  # fmt: skip
def test_why_the_fast_way_is_not_taken(changed: Any, library: str, reason: str) -> None:
    (one,) = found(fast_path, with_layers(layer(way="composed", **changed)))
    assert one.title.endswith(f" does not take the way of {library}")
    assert reason in one.evidence
    assert one.saving == pytest.approx(23 / WHOLE)
    assert one.change


@pytest.mark.parametrize(
    ("device", "fact", "words"),
    [
        ("cuda", "cudnn_enabled", "`torch.backends.cudnn.enabled` is False."),
        ("cpu", "onednn_enabled", "`torch.backends.mkldnn.enabled` is False."),
    ],
)
def test_a_library_that_is_turned_off_is_named(device: str, fact: str, words: str) -> None:
    run = with_layers(layer(way="composed", device=device, dtype="float64"), environment={fact: False})
    (one,) = found(fast_path, run)
    assert one.evidence.endswith(f"is computed operator by operator: {words}")


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"packed_steps": 300},
        {"packed_steps": 560, "directions": 2},
        {"kind": "gru", "dtype": "float64"},
        {"kind": "lstm_cell", "dtype": "float64"},
        {"dtype": "float64", "backward": False},
        {"dtype": "float64", "way": ""},
        {"dtype": "float64", "device": "mps"},
        {"device": "cuda"},
    ],
)
def test_where_there_is_no_other_way_or_no_reason_nothing_is_said(changed: Any) -> None:
    assert found(fast_path, with_layers(layer(**{"way": "composed", **changed}))) == ()


def test_a_torch_without_the_library_has_no_other_way() -> None:
    for device in ("cpu", "cuda"):
        rows = (layer(way="composed", device=device, dtype="bfloat16", projection_size=3),)
        assert found(fast_path, a_run(anatomy=Anatomy(recurrent=rows))) == ()


def test_layers_with_the_same_reason_are_one_finding() -> None:
    rows = (layer(way="composed", dtype="float64"), layer(way="composed", dtype="float64", line=line(9)))
    assert len(found(fast_path, with_layers(*rows))) == 1
    assert len(found(fast_path, with_layers(*rows, layer(way="composed", projection_size=3)))) == 2
