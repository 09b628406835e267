"""The two models: recurrent layers or a Transformer, between an embedding and a linear decoder."""

from __future__ import annotations

import argparse
import math

import torch
from torch import Tensor, nn

import rnnprof

Hidden = Tensor | tuple[Tensor, Tensor] | None
"""What a model carries from one slice of the text to the next: the LSTM two tensors, the
Transformer nothing."""

RECURRENT = ("RNN_TANH", "RNN_RELU", "LSTM", "GRU")
MODELS = (*RECURRENT, "Transformer")


class RecurrentModel(nn.Module):
    """Embedding, recurrent layers, decoder.

    Args:
        kind: one of ``RECURRENT``.
        vocabulary: number of words.
        emsize: width of the embedding.
        nhid: width of the hidden state.
        nlayers: number of recurrent layers.
        dropout: probability of dropping a value, after the embedding and after every layer.
        tied: use one matrix for embedding and decoder; needs ``nhid == emsize``.
    """

    def __init__(
        self, kind: str, vocabulary: int, emsize: int, nhid: int, nlayers: int, dropout: float, tied: bool
    ) -> None:
        super().__init__()
        between = dropout if nlayers > 1 else 0.0
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(vocabulary, emsize)
        self.rnn: nn.RNNBase
        if kind == "LSTM":
            self.rnn = nn.LSTM(emsize, nhid, nlayers, dropout=between)
        elif kind == "GRU":
            self.rnn = nn.GRU(emsize, nhid, nlayers, dropout=between)
        else:
            nonlinearity = {"RNN_TANH": "tanh", "RNN_RELU": "relu"}[kind]
            self.rnn = nn.RNN(emsize, nhid, nlayers, nonlinearity=nonlinearity, dropout=between)
        self.decoder = nn.Linear(nhid, vocabulary)
        start(self.encoder, self.decoder, tied)

    def init_hidden(self, batch_size: int) -> Hidden:
        """Return the state before the first word: zeros of shape (nlayers, batch_size, nhid)."""
        zeros = self.decoder.weight.new_zeros(self.rnn.num_layers, batch_size, self.rnn.hidden_size)
        return (zeros, zeros.clone()) if isinstance(self.rnn, nn.LSTM) else zeros

    def forward(self, data: Tensor, hidden: Hidden) -> tuple[Tensor, Hidden]:
        """Score the next word at every place.

        Args:
            data: word numbers, int64, shape (time, batch).
            hidden: the state before the first of them.

        Returns:
            Scores before the softmax, shape (time * batch, vocabulary), and the new state.
        """
        with rnnprof.stage("encoder"):
            embedded = self.drop(self.encoder(data))
        with rnnprof.stage("rnn"):
            output, hidden = self.rnn(embedded, hidden)
            output = self.drop(output)
        with rnnprof.stage("decoder"):
            scores = self.decoder(output.flatten(0, 1))
        return scores, hidden


class TransformerModel(nn.Module):
    """Embedding with positions, causal self-attention layers, decoder.

    Args:
        vocabulary: number of words.
        emsize: width of the embedding and of the layers.
        nhead: number of attention heads; divides ``emsize``.
        nhid: width of the feed-forward part of a layer.
        nlayers: number of layers.
        dropout: probability of dropping a value, after the embedding and inside every layer.
        tied: use one matrix for embedding and decoder.
        length: the longest slice of text, in words.
    """

    positions: Tensor
    mask: Tensor

    def __init__(
        self,
        vocabulary: int,
        emsize: int,
        nhead: int,
        nhid: int,
        nlayers: int,
        dropout: float,
        tied: bool,
        length: int,
    ) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(vocabulary, emsize)
        layer = nn.TransformerEncoderLayer(emsize, nhead, nhid, dropout)
        self.transformer = nn.TransformerEncoder(layer, nlayers, enable_nested_tensor=False)
        self.decoder = nn.Linear(emsize, vocabulary)
        self.scale = math.sqrt(emsize)
        self.register_buffer("positions", sinusoids(length, emsize), persistent=False)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length), persistent=False)
        start(self.encoder, self.decoder, tied)

    def init_hidden(self, batch_size: int) -> Hidden:
        """Return None: a Transformer carries no state."""
        return None

    def forward(self, data: Tensor, hidden: Hidden = None) -> tuple[Tensor, Hidden]:
        """Score the next word at every place; see :meth:`RecurrentModel.forward`."""
        length = len(data)
        with rnnprof.stage("encoder"):
            embedded = self.drop(self.encoder(data) * self.scale + self.positions[:length])
        with rnnprof.stage("transformer"):
            output = self.transformer(embedded, mask=self.mask[:length, :length], is_causal=True)
        with rnnprof.stage("decoder"):
            scores = self.decoder(output.flatten(0, 1))
        return scores, None


def start(encoder: nn.Embedding, decoder: nn.Linear, tied: bool) -> None:
    """Give embedding and decoder their first values, and one common matrix if they are tied."""
    nn.init.uniform_(encoder.weight, -0.1, 0.1)
    nn.init.uniform_(decoder.weight, -0.1, 0.1)
    nn.init.zeros_(decoder.bias)
    if tied:
        decoder.weight = encoder.weight


def sinusoids(length: int, width: int) -> Tensor:
    """Return one wave pattern for each position, shape (length, 1, width).

    Even columns are sines and odd ones cosines, with wavelengths from 2 pi to 10,000 times that.
    """
    position = torch.arange(length, dtype=torch.float32).unsqueeze(1)
    column = torch.arange(width)
    angle = position * torch.exp(-math.log(10_000.0) * (column - column % 2) / width)
    return torch.where(column % 2 == 0, angle.sin(), angle.cos()).unsqueeze(1)


def repackage(hidden: Hidden) -> Hidden:
    """Cut the hidden state off the graph of the step before, where back-propagation shall end."""
    if isinstance(hidden, tuple):
        return hidden[0].detach(), hidden[1].detach()
    return hidden if hidden is None else hidden.detach()


def build_model(args: argparse.Namespace, vocabulary: int) -> RecurrentModel | TransformerModel:
    """Build the model that the options ask for, on the CPU."""
    if args.model == "Transformer":
        layers = (args.emsize, args.nhead, args.nhid, args.nlayers)
        return TransformerModel(vocabulary, *layers, args.dropout, args.tied, args.bptt)
    sizes = (args.emsize, args.nhid, args.nlayers)
    return RecurrentModel(args.model, vocabulary, *sizes, args.dropout, args.tied)
