"""Recurrent layers and cells: how they were called, and what computed them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from anatomy_step import STAGE, line_with, look
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from rnnprof.network import Recurrent
from rnnprof.traces.probe.recurrent_calls import one_chunk

BASE = Recurrent(
    path=STAGE,
    kind="lstm",
    calls=1,
    backward=True,
    time_steps=5,
    batch=2,
    packed_steps=None,
    input_size=3,
    hidden_size=4,
    layers=1,
    projection_size=0,
    directions=1,
    dtype="float32",
    device="cpu",
    one_chunk=None,
    way="composed",
    line=None,
)
KINDS = [
    (nn.LSTM, {}, {"way": "onednn"}),
    (
        nn.LSTM,
        {"num_layers": 2, "dropout": 0.5, "bidirectional": True},
        {"layers": 2, "directions": 2},
    ),
    (nn.LSTM, {"proj_size": 2}, {"projection_size": 2}),
    (nn.LSTM, {"dtype": torch.float64}, {"dtype": "float64"}),
    (nn.LSTM, {"batch_first": True}, {"time_steps": 2, "batch": 5, "way": "onednn"}),
    (nn.GRU, {}, {"kind": "gru"}),
    (nn.RNN, {}, {"kind": "rnn_tanh"}),
    (nn.RNN, {"nonlinearity": "relu", "bias": False}, {"kind": "rnn_relu"}),
]


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize(("layer", "options", "fields"), KINDS)
def test_layers(layer: Any, options: dict[str, Any], fields: dict[str, Any]) -> None:
    net = layer(3, 4, **options)
    given = torch.ones(5, 2, 3, dtype=options.get("dtype"))

    def step() -> None:
        net(given)[0].sum().backward()

    (row,) = look(step).recurrent
    way = fields.get("way", row.way)
    assert row == replace(BASE, **(fields | {"way": way, "line": line_with("net(given)", "step", step)}))
    assert row.way in ("onednn", "composed")


@pytest.mark.parametrize(
    ("cell", "kind", "options"),
    [
        (nn.LSTMCell, "lstm_cell", {}),
        (nn.GRUCell, "gru_cell", {}),
        (nn.RNNCell, "rnn_tanh_cell", {}),
        (nn.RNNCell, "rnn_relu_cell", {"nonlinearity": "relu"}),
    ],
)
def test_cells_are_added_up_by_line(cell: Any, kind: str, options: dict[str, Any]) -> None:
    net = cell(3, 4, **options)

    def step() -> None:
        state = None
        for given in torch.ones(7, 2, 3):
            state = net(given, state)
        last = state[0] if isinstance(state, tuple) else state
        last.sum().backward()

    (row,) = look(step).recurrent
    line = line_with("net(given, state)", "step", step)
    assert row == replace(BASE, kind=kind, calls=7, time_steps=1, line=line)


def test_packed_sequences() -> None:
    net = nn.GRU(3, 4)

    def step() -> None:
        for lengths in ([5, 2], [3, 3]):
            net(pack_padded_sequence(torch.ones(5, 2, 3), torch.tensor(lengths)))[1].sum().backward()

    (row,) = look(step).recurrent
    assert (row.calls, row.time_steps, row.batch, row.packed_steps) == (2, 5, 2, 13)


def test_without_a_gradient_nothing_tells_the_way() -> None:
    net = nn.LSTM(3, 4).eval()

    def step() -> None:
        with torch.no_grad():
            net(torch.ones(5, 2, 3))

    (row,) = look(step).recurrent
    assert (row.backward, row.way) == (False, "")


def test_each_line_and_each_size_is_a_row() -> None:
    small, large = nn.LSTMCell(3, 4), nn.LSTM(4, 6)

    def step() -> None:
        state = small(torch.ones(2, 3))
        state = small(torch.ones(2, 3), state)
        large(state[0][None])[0].sum().backward()

    rows = look(step).recurrent
    assert [(row.kind, row.calls, row.way) for row in rows] == [
        ("lstm_cell", 1, "composed"),
        ("lstm_cell", 1, "composed"),
        ("lstm", 1, "onednn"),
    ]


def test_functions_of_others_are_not_layers() -> None:
    weights = [torch.ones(16, 3), torch.ones(16, 4), torch.ones(16), torch.ones(16)]

    def step() -> None:
        given, state = torch.ones(2, 3), (torch.ones(2, 4), torch.ones(2, 4))
        torch._VF.lstm_cell(given, state, *weights)

    found = look(step)
    assert (found.recurrent, found.missing) == ((), ())


def test_one_piece_of_memory() -> None:
    whole = torch.arange(12.0)
    assert one_chunk([whole[:4].view(2, 2), whole[4:8], whole[8:]])
    # As cuDNN lays them out: the weights of all layers before the biases.
    assert one_chunk([whole[4:8], whole[:4]])
    assert not one_chunk([whole[:4], whole[3:8]])
    assert not one_chunk([whole[:4], torch.ones(4)])
    assert not one_chunk([whole[:4].view(2, 2).T, whole[4:8]])
