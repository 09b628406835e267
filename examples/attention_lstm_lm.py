"""A language model whose LSTM looks back at its own past states, one word at a time.

The loop stands in ``main``; inside it another goes from word to word with an LSTMCell.
"""

from __future__ import annotations

import argparse
import copy
import math
from collections.abc import Iterable
from itertools import pairwise

import torch
from corpus import Vocabulary, columns, sentences, split
from torch import Tensor, nn

State = tuple[Tensor, Tensor, Tensor]
"""Hidden and cell state, (batch, nhid) each, and the last hidden states, (past, batch, nhid)."""


class AttentionLSTM(nn.Module):
    """Embedding, LSTM cell, attention over the last ``past`` hidden states, decoder."""

    def __init__(self, vocabulary: int, nhid: int, past: int, dropout: float) -> None:
        super().__init__()
        self.past = past
        self.encoder = nn.Embedding(vocabulary, nhid)
        self.cell = nn.LSTMCell(nhid, nhid)
        self.query = nn.Linear(nhid, nhid, bias=False)
        self.combine = nn.Linear(2 * nhid, nhid)
        self.drop = nn.Dropout(dropout)
        self.decoder = nn.Linear(nhid, vocabulary)

    def init_state(self, batch: int) -> State:
        """Return the state before the first word: zeros, and one past state of zeros."""
        zeros = torch.zeros(batch, self.cell.hidden_size)
        return zeros, zeros, zeros.unsqueeze(0)

    def forward(self, word: Tensor, state: State) -> tuple[Tensor, State]:
        """Map one word number per column, (batch,), to scores (batch, vocabulary) and the new state."""
        hidden, cell, past = state
        hidden, cell = self.cell(self.drop(self.encoder(word)), (hidden, cell))
        weights = torch.einsum("pbn,bn->pb", past, self.query(hidden)).softmax(dim=0)
        context = torch.einsum("pb,pbn->bn", weights, past)
        output = torch.tanh(self.combine(torch.cat([hidden, context], dim=1)))
        past = torch.cat([past, hidden.unsqueeze(0)])[-self.past :]
        return self.decoder(self.drop(output)), (hidden, cell, past)


def clip_gradients(parameters: Iterable[nn.Parameter], limit: float) -> None:
    """Cut off every entry of the gradients at plus and minus ``limit``."""
    for p in parameters:
        if p.grad is not None:
            p.grad.clamp_(-limit, limit)


def evaluate(model: AttentionLSTM, text: Tensor) -> float:
    """Return the mean loss on a text (rows, batch), in nats per word."""
    model.eval()
    total = 0.0
    with torch.no_grad():
        state = model.init_state(text.shape[1])
        for word, following in pairwise(text):
            scores, state = model(word, state)
            total += nn.functional.cross_entropy(scores, following).item()
    return total / (len(text) - 1)


def main() -> None:
    """Read the options, train, and validate after each epoch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=0, help="training steps in an epoch (0: all)")
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--bptt", type=int, default=20, help="words through which the gradient goes back")
    parser.add_argument("--nhid", type=int, default=128, help="width of all layers")
    parser.add_argument("--past", type=int, default=15, help="past states to attend to")
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--lr", type=float, default=0.003)
    parser.add_argument("--clip", type=float, default=0.1, help="largest entry of a gradient")
    parser.add_argument("--log_interval", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", default="", help="file of the best model's state")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    train, valid = split(sentences())
    vocabulary = Vocabulary(train)
    text = columns(vocabulary.text(train), args.batch_size)
    valid_text = columns(vocabulary.text(valid), args.batch_size)

    model = AttentionLSTM(len(vocabulary), args.nhid, args.past, args.dropout)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    starts = range(0, len(text) - args.bptt, args.bptt)[: args.steps or None]
    best, best_state = math.inf, {}

    for epoch in range(1, args.epochs + 1):
        model.train()
        hidden, cell, past = model.init_state(args.batch_size)
        for i, start in enumerate(starts):
            words = text[start : start + args.bptt]
            targets = text[start + 1 : start + 1 + args.bptt]
            hidden, cell, past = hidden.detach(), cell.detach(), past.detach()
            optimizer.zero_grad()

            loss = torch.zeros(())
            for word, target in zip(words, targets, strict=True):
                scores, (hidden, cell, past) = model(word, (hidden, cell, past))
                loss = loss + criterion(scores, target)
            loss = loss / args.bptt

            loss.backward()
            clip_gradients(model.parameters(), args.clip)
            optimizer.step()

            if i % args.log_interval == 0:
                print(f"epoch {epoch} | step {i}/{len(starts)} | loss {loss.item():.3f}")

        mean = evaluate(model, valid_text)
        print(f"epoch {epoch} | validation loss {mean:.3f} | perplexity {math.exp(mean):.1f}")
        if mean < best:
            best, best_state = mean, copy.deepcopy(model.state_dict())

    if args.save:
        torch.save(best_state, args.save)


if __name__ == "__main__":
    main()
