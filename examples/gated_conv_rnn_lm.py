"""A gated convolutional language model with a recurrent layer on top.

The loop stands in a function, over a range; repackaging, clipping and gradient descent are by hand.
"""

from __future__ import annotations

import argparse
import math
from typing import Any

import torch
import torch.nn.functional as F
from corpus import Vocabulary, columns, sentences, split
from torch import Tensor, nn


class GatedConv(nn.Module):
    """A convolution over the past, one half of whose output gates the other, added to its input."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.past = kernel - 1
        self.conv = nn.Conv1d(width, 2 * width, kernel)

    def forward(self, x: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """Map (batch, width, time), and the (batch, width, past) before it, to the same two shapes."""
        seen = torch.cat([before, x], dim=2)
        return x + F.glu(self.conv(seen), dim=1), seen[:, :, x.shape[2] :]


class GatedConvRNN(nn.Module):
    """Embedding, gated convolutions, GRU, decoder. The state is the past of each layer."""

    def __init__(self, vocabulary: int, width: int, layers: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.width = width
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(vocabulary, width)
        self.convs = nn.ModuleList(GatedConv(width, kernel) for _ in range(layers))
        self.rnn = nn.GRU(width, width)
        self.decoder = nn.Linear(width, vocabulary)

    def init_state(self, batch: int) -> Any:
        """Return the state before the first word: zeros for each convolution and for the GRU."""
        befores = tuple(torch.zeros(batch, self.width, conv.past) for conv in self.convs)
        return befores, torch.zeros(1, batch, self.width)

    def forward(self, words: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Map word numbers (time, batch) to scores (time * batch, vocabulary) and the new state."""
        befores, hidden = state
        x = self.drop(self.encoder(words)).permute(1, 2, 0)
        after = []
        for conv, before in zip(self.convs, befores, strict=True):
            x, tail = conv(x, before)
            after.append(tail)
        output, hidden = self.rnn(self.drop(x).permute(2, 0, 1), hidden)
        return self.decoder(self.drop(output).flatten(0, 1)), (tuple(after), hidden)


def repackage(state: Any) -> Any:
    """Cut every tensor of a nested state off the graph of the step before."""
    if isinstance(state, Tensor):
        return state.detach()
    return tuple(repackage(part) for part in state)


def get_batch(text: Tensor, i: int, length: int) -> tuple[Tensor, Tensor]:
    """Return rows (time, batch) from the ``i``-th on, and the next words, (time * batch,)."""
    length = min(length, len(text) - 1 - i)
    return text[i : i + length], text[i + 1 : i + 1 + length].flatten()


def train_epoch(model: GatedConvRNN, text: Tensor, lr: float, epoch: int, args: argparse.Namespace) -> None:
    """Go over the text (rows, batch) once."""
    model.train()
    state = model.init_state(args.batch_size)
    total = 0.0
    for step, i in enumerate(range(0, len(text) - 1, args.bptt)[: args.steps or None], start=1):
        data, targets = get_batch(text, i, args.bptt)
        state = repackage(state)
        for p in model.parameters():
            p.grad = None

        scores, state = model(data, state)
        loss = F.cross_entropy(scores, targets)
        loss.backward()

        norm = math.sqrt(sum(float(p.grad.pow(2).sum()) for p in model.parameters()))
        if norm > args.clip:
            for p in model.parameters():
                p.grad *= args.clip / norm

        with torch.no_grad():
            for p in model.parameters():
                p -= lr * p.grad

        total += loss.item()
        if step % args.log_interval == 0:
            print(f"epoch {epoch} | step {step} | lr {lr:g} | loss {total / args.log_interval:.3f}")
            total = 0.0


@torch.no_grad()
def evaluate(model: GatedConvRNN, text: Tensor, bptt: int) -> float:
    """Return the mean loss on a text (rows, batch), in nats per word."""
    model.eval()
    state = model.init_state(text.shape[1])
    total = 0.0
    for i in range(0, len(text) - 1, bptt):
        words, following = get_batch(text, i, bptt)
        scores, state = model(words, state)
        total += F.cross_entropy(scores, following).item() * len(words)
    return total / (len(text) - 1)


def main() -> None:
    """Read the options, train, and validate after each epoch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--steps", type=int, default=0, help="training steps in an epoch (0: all)")
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--bptt", type=int, default=35, help="words through which the gradient goes back")
    parser.add_argument("--width", type=int, default=160, help="of all layers")
    parser.add_argument("--layers", type=int, default=2, help="convolutions")
    parser.add_argument("--kernel", type=int, default=4, help="words that a convolution sees")
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--lr", type=float, default=4.0)
    parser.add_argument("--clip", type=float, default=0.5, help="largest norm of the gradient")
    parser.add_argument("--log_interval", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", default="", help="file of the best model's state")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    train, valid = split(sentences())
    vocabulary = Vocabulary(train)
    train_text = columns(vocabulary.text(train), args.batch_size)
    valid_text = columns(vocabulary.text(valid), args.batch_size)
    model = GatedConvRNN(len(vocabulary), args.width, args.layers, args.kernel, args.dropout)

    lr, best = args.lr, math.inf
    for epoch in range(1, args.epochs + 1):
        train_epoch(model, train_text, lr, epoch, args)
        valid_loss = evaluate(model, valid_text, args.bptt)
        print(f"epoch {epoch} | validation loss {valid_loss:.3f} | perplexity {math.exp(valid_loss):.1f}")
        if valid_loss < best:
            best = valid_loss
            if args.save:
                torch.save(model.state_dict(), args.save)
        else:
            lr /= 2


if __name__ == "__main__":
    main()
