"""Small loops of torch and the advice on them: recurrent layers and cells, padded batches, loaders."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.data import DataLoader, TensorDataset

import rnnprof
from rnnprof.analysis.advice.case import Check
from rnnprof.analysis.advice.cells import cells
from rnnprof.analysis.advice.filling import padding, ragged
from rnnprof.analysis.advice.layers import fast_path, one_chunk
from rnnprof.analysis.advice.loading import workers
from rnnprof.model import Run
from rnnprof.vitals import Compiled, Vitals
from tests.advice_runs import abstains, found

T, B, I, H = 9, 3, 5, 8  # noqa: E741
PAD = 0


def trained(
    folder: Path, model: nn.Module, forward: Callable[[Any], Any], batches: Iterable[Any] | None = None
) -> Run:
    """Train a model for ten steps, from the profile to the file and back."""
    file = folder / "run.json"
    dtype = next(model.parameters()).dtype
    given = iter(batches) if batches is not None else iter([torch.randn(T, B, I, dtype=dtype)] * 10)
    with rnnprof.profile(file) as prof:
        for _ in range(10):
            with prof.step():
                with prof.stage("get_batch"):
                    x = next(given)
                model.zero_grad()
                with prof.stage("forward"):
                    loss = forward(x)
                with prof.stage("backward"):
                    loss.backward()
    return rnnprof.load(file)


def first(output: Any) -> Any:
    """The sum of what a recurrent layer gives."""
    output = output[0]
    return (output.data if isinstance(output, nn.utils.rnn.PackedSequence) else output).sum()


def over_time(cell: nn.Module) -> Callable[[Any], Any]:
    """A loop that calls a cell for each time step."""

    def forward(x: Any) -> Any:
        state = None
        for one in x:
            state = cell(one, state)
        return (state[0] if isinstance(state, tuple) else state).sum()

    return forward


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_a_loop_over_time_is_found(tmp_path: Path, kind: Any) -> None:
    cell = kind(I, H)
    (one,) = found(cells, trained(tmp_path, cell, over_time(cell)))
    assert one.title == f"A loop calls `nn.{kind.__name__}` one time step at a time"
    assert one.evidence.startswith(f"In one step: {T} calls of `nn.{kind.__name__}` in line ")
    assert f"(batch {B}, inputs {I}, hidden {H})" in one.evidence
    assert (one.source, one.stage) == ("state = cell(one, state)", ("forward",))
    assert one.file == __file__
    assert 0 < (one.saving or 0) <= 1


def test_a_layer_that_is_called_for_each_time_step_is_found(tmp_path: Path) -> None:
    layer = nn.GRU(I, H)

    def forward(x: Any) -> Any:
        state = None
        for one in x:
            output, state = layer(one[None], state)
        return output.sum()

    (one,) = found(cells, trained(tmp_path, layer, forward))
    assert one.title == "A loop calls `nn.GRU` one time step at a time"
    assert one.source == "output, state = layer(one[None], state)"


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_whole_layers_get_no_advice(tmp_path: Path, kind: Any) -> None:
    layer = kind(I, H, num_layers=2)
    run = trained(tmp_path, layer, lambda x: first(layer(x)))
    assert found(cells, run) == found(one_chunk, run) == found(fast_path, run) == ()


def test_a_cell_for_one_time_step_gets_no_advice(tmp_path: Path) -> None:
    cell = nn.LSTMCell(I, H)
    assert found(cells, trained(tmp_path, cell, lambda x: cell(x[0])[0].sum())) == ()


def test_sampling_gets_no_advice(tmp_path: Path) -> None:
    cell, layer = nn.LSTMCell(I, H), nn.LSTM(I, H)

    def forward(x: Any) -> Any:
        with torch.no_grad():
            over_time(cell)(x)
        return first(layer(x))

    assert found(cells, trained(tmp_path, layer, forward)) == ()


ONEDNN = torch.backends.mkldnn.is_available()


@pytest.mark.skipif(not ONEDNN, reason="this torch has no oneDNN")
def test_double_precision_does_not_take_the_fast_way(tmp_path: Path) -> None:
    layer = nn.LSTM(I, H).double()
    (one,) = found(fast_path, trained(tmp_path, layer, lambda x: first(layer(x))))
    assert one.title == "`nn.LSTM` does not take the way of oneDNN"
    assert "it is in float64" in one.evidence
    assert one.source == "(one,) = found(fast_path, trained(tmp_path, layer, lambda x: first(layer(x))))"


@pytest.mark.skipif(not ONEDNN, reason="this torch has no oneDNN")
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_projections_do_not_take_the_fast_way(tmp_path: Path) -> None:
    layer = nn.LSTM(I, H, proj_size=4)
    (one,) = found(fast_path, trained(tmp_path, layer, lambda x: first(layer(x))))
    assert "it has projections (`proj_size=4`)" in one.evidence


@pytest.mark.skipif(not ONEDNN, reason="this torch has no oneDNN")
def test_packed_sequences_do_not_take_the_fast_way(tmp_path: Path) -> None:
    layer = nn.LSTM(I, H)

    def of(lengths: list[int]) -> Run:
        return trained(tmp_path, layer, lambda x: first(layer(pack_padded_sequence(x, lengths))))

    (one,) = found(fast_path, of([T, T, T - 1]))
    assert "96.3 % of it would still be words" in one.evidence
    # With less than that, packing is worth more than the fast way.
    assert found(fast_path, of([T, 2, 1])) == ()


def padded(folder: Path, words: int, padding_idx: int | None) -> Run:
    """Train on batches of which every sequence has so many words, and is as long as T."""
    embedding, layer = nn.Embedding(20, I, padding_idx=padding_idx), nn.GRU(I, H)
    x = torch.full((T, B), PAD)
    x[:words] = 7
    return trained(
        folder, nn.ModuleList([embedding, layer]), lambda x: first(layer(embedding(x))), [x.clone()] * 10
    )


def test_padding_is_found(tmp_path: Path) -> None:
    (one,) = found(padding, padded(tmp_path, 6, PAD))
    assert one.title == "33.3 % of the batch is padding"
    assert one.evidence.startswith("9 of 27 words of the input equal the embedding's `padding_idx`")
    assert one.file == __file__


def test_a_batch_of_words_gets_no_advice(tmp_path: Path) -> None:
    assert found(padding, padded(tmp_path, 8, PAD)) == ()
    assert abstains(padding, padded(tmp_path, 6, None)).startswith("Nothing tells padding from words")


@pytest.mark.parametrize(
    ("items", "drop_last", "finds"), [(41, False, True), (41, True, False), (40, False, False)]
)
def test_a_shorter_last_batch_is_found_where_it_is_compiled(
    tmp_path: Path, items: int, drop_last: bool, finds: bool
) -> None:
    data = TensorDataset(torch.randn(items, T, I))
    loader = DataLoader(data, batch_size=4, drop_last=drop_last)
    layer = nn.GRU(I, H)
    run = trained(tmp_path, layer, lambda x: first(layer(x[0])), loader)
    assert found(ragged, run) == found(workers, run) == ()
    vitals = run.vitals or Vitals()
    compiled = replace(run, vitals=replace(vitals, compiled=Compiled(graphs=1, later=1)))
    said = found(ragged, compiled)
    assert [one.evidence.split(".")[0] for one in said] == ["41 items in batches of 4 leave one of 1"] * finds


@pytest.mark.parametrize("check", [cells, one_chunk, fast_path, padding, ragged, workers])
def test_a_run_that_is_not_saved_is_not_looked_at(check: Check) -> None:
    with rnnprof.profile(None) as prof:
        for _ in range(7):
            with prof.step():
                pass
    assert abstains(check, prof.run) == "No step was looked at closely (no probe)."
