"""FLOPs of real steps of torch, of recurrent layers, cells and a language model, against hand counts."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from probed_step import BACKWARD, FORWARD, probe, torchs_count, train

from rnnprof.probes import Work

torch = pytest.importorskip("torch")
nn = torch.nn


@pytest.fixture(autouse=True)
def _few_words() -> Any:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of oneDNN, on layers that it does not know
        yield


# ---- recurrent layers ---------------------------------------------------------------------------


def test_an_lstm_of_two_layers(tmp_path: Path) -> None:
    lstm, batch = nn.LSTM(200, 200, 2), torch.randn(7, 2, 200)
    # 4 gates of 200 on 200 numbers, from the input and from the state, in 2 layers, for 7 x 2 rows.
    once = 2 * (7 * 2) * (800 * 200) * 2 * 2
    assert once == 17_920_000
    assert train(torch, tmp_path, lambda: lstm(batch)[0]) == {"forward": once, "backward": 2 * once}


def test_the_counters_of_torch_do_not_see_an_lstm() -> None:
    lstm, batch = nn.LSTM(200, 200, 2), torch.randn(7, 2, 200)
    assert torchs_count(lambda: lstm(batch)[0]) == {"forward": 0, "backward": 0}
    with torch.autograd.profiler.profile(use_kineto=True, with_flops=True) as profiler:
        lstm(batch)
    counted = sum(event.flops or 0 for event in profiler.function_events)
    assert counted < 17_920_000 / 1000


def test_batch_first_and_a_layer_too_many_for_shapes(tmp_path: Path) -> None:
    # Of a list of more than 30 tensors the trace has no shapes; 9 layers have 36.
    lstm, batch = nn.LSTM(6, 5, 9, batch_first=True), torch.randn(2, 4, 6)
    once = 2 * (4 * 2) * (20 * 6 + 20 * 5 + 8 * (20 * 5 + 20 * 5))
    assert train(torch, tmp_path, lambda: lstm(batch)[0]) == {"forward": once, "backward": 2 * once}


def test_a_gru_in_both_directions(tmp_path: Path) -> None:
    gru, batch = nn.GRU(6, 5, 2, bidirectional=True), torch.randn(7, 3, 6, requires_grad=True)
    first = 15 * 6 + 15 * 5
    second = 15 * 10 + 15 * 5
    once = 2 * (7 * 3) * 2 * (first + second)
    counted = train(torch, tmp_path, lambda: gru(batch)[0])
    assert counted["forward"] == once
    # torch leaves out the gradient of the first states, which nobody asked for: one of the 7 rows.
    unasked = 2 * 3 * 2 * 2 * (15 * 5)
    assert counted["backward"] == 2 * once - unasked


@pytest.mark.parametrize("kind", ["tanh", "relu"])
def test_an_rnn(tmp_path: Path, kind: str) -> None:
    rnn, batch = nn.RNN(6, 5, nonlinearity=kind), torch.randn(7, 3, 6, requires_grad=True)
    once = 2 * (7 * 3) * (5 * 6 + 5 * 5)
    counted = train(torch, tmp_path, lambda: rnn(batch)[0])
    assert counted["forward"] == once
    assert counted["backward"] == 2 * once - 2 * 3 * (5 * 5)


def test_projections(tmp_path: Path) -> None:
    lstm, batch = nn.LSTM(6, 5, proj_size=3), torch.randn(7, 2, 6, requires_grad=True)
    # 4 gates of 5 from 6 inputs and 3 projected numbers; 5 are projected to 3.
    once = 2 * (7 * 2) * (20 * 6 + 20 * 3 + 3 * 5)
    counted = train(torch, tmp_path, lambda: lstm(batch)[0])
    assert counted["forward"] == once
    assert counted["backward"] == 2 * once - 2 * 2 * (20 * 3)


def test_packed_sequences_count_what_is_there(tmp_path: Path) -> None:
    lengths = [5, 3, 2]
    packed = nn.utils.rnn.pack_padded_sequence(torch.randn(5, 3, 6), lengths)
    lstm = nn.LSTM(6, 4, 2)
    once = 2 * (5 + 3 + 2) * (16 * 6 + 16 * 4 + 16 * 4 + 16 * 4)
    assert train(torch, tmp_path, lambda: lstm(packed)[0].data)["forward"] == once


def test_a_loop_over_lstm_cells(tmp_path: Path) -> None:
    cell, batch = nn.LSTMCell(6, 5), torch.randn(4, 3, 6, requires_grad=True)

    def model() -> Any:
        state = None
        for row in batch:
            state = cell(row, state)
        assert state is not None
        return state[0]

    once = 2 * (4 * 3) * (20 * 6 + 20 * 5)
    counted = train(torch, tmp_path, model)
    assert counted == {"forward": once, "backward": 2 * once - 2 * 3 * (20 * 5)}
    assert counted == torchs_count(model)


def test_other_cells(tmp_path: Path) -> None:
    gru, rnn, row = nn.GRUCell(6, 5), nn.RNNCell(6, 5), torch.randn(3, 6)
    assert train(torch, tmp_path, lambda: gru(row))["forward"] == 2 * 3 * (15 * 6 + 15 * 5)
    assert train(torch, tmp_path, lambda: rnn(row))["forward"] == 2 * 3 * (5 * 6 + 5 * 5)


# ---- a whole step -------------------------------------------------------------------------------


def test_a_step_of_the_word_language_model(tmp_path: Path) -> None:
    words, size, rows = 1000, 200, 35 * 20
    encoder, lstm, decoder = nn.Embedding(words, size), nn.LSTM(size, size, 2), nn.Linear(size, words)
    batch, target = torch.randint(words, (35, 20)), torch.randint(words, (rows,))
    values: dict[str, Any] = {}

    def forward() -> None:
        values["embedded"] = encoder(batch)

    def rnn() -> None:
        values["states"], _ = lstm(values["embedded"])

    def scores() -> None:
        values["scores"] = decoder(values["states"]).reshape(-1, words)

    def loss() -> None:
        values["loss"] = nn.functional.cross_entropy(values["scores"], target)

    def backward() -> None:
        values["loss"].backward()

    for run in (forward, rnn, scores, loss, backward):
        run()
    counted, uncounted = probe(
        torch, tmp_path, encoder=forward, rnn=rnn, decoder=scores, loss=loss, backward=backward
    )
    recurrent = 2 * rows * 4 * (4 * size * size)
    decoded = 2 * rows * size * words
    assert uncounted == ()
    assert {row.path: row.flops for row in counted} == {
        ("encoder",): 0,
        ("rnn",): recurrent,
        ("decoder",): decoded,
        ("loss",): 0,
        BACKWARD: 2 * (recurrent + decoded),
    }
    assert sum(row.flops for row in counted) == 3 * (896_000_000 + 280_000_000) == 3_528_000_000
    assert {row.dtype for row in counted} == {"float32"}
    stages = {row.path: row for row in counted}
    # The picked rows, read and written, and their indices.
    assert stages["encoder",] == Work(("encoder",), "float32", 0, rows * 8 + 2 * rows * size * 4, 1)
    # Weights, input, bias and scores.
    product = 4 * (size * words + rows * size + words + rows * words)
    assert stages["decoder",] == Work(("decoder",), "float32", decoded, product, 1)
    # Scores to their logarithms, and of these those of the targets.
    assert stages["loss",].bytes == 2 * rows * words * 4 + rows * (8 + 4)
    given = 2 * (2 * 800 * size + 2 * 800 + rows * size + 2 * 20 * size)
    assert stages["rnn",].bytes >= 4 * (given + 2 * (rows * size + 2 * 20 * size))


def test_embedding_has_bytes_and_no_operations(tmp_path: Path) -> None:
    table, picked = nn.Embedding(100, 8), torch.randint(100, (6, 5))
    result: list[Any] = [table(picked)]
    rows, _ = probe(
        torch, tmp_path, forward=lambda: result.append(table(picked)), backward=lambda: result[1].sum()
    )
    assert rows[0] == Work(FORWARD, "float32", 0, 30 * 8 + 2 * 30 * 8 * 4, 1)
    assert rows[1] == Work(BACKWARD, "float32", 0, 30 * 8 * 4, 1)  # a reduction reads
