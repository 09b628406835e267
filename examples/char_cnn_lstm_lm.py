"""A character-aware language model: a CNN over a word's letters, a highway layer, an LSTM over words.

The loop stands in a Trainer, whose ``train_step`` does one step; batches come from a generator.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator

import torch
from corpus import Vocabulary, columns, pad, sentences, split
from torch import Tensor, nn

State = tuple[Tensor, Tensor]


class CharCNN(nn.Module):
    """Convolutions of several widths over the letters of a word, each with its maximum over places."""

    def __init__(self, spelling: Tensor, width: int, widest: int) -> None:
        super().__init__()
        self.register_buffer("spelling", spelling, persistent=False)
        self.letters = nn.Embedding(int(spelling.max()) + 1, width, padding_idx=0)
        self.convs = nn.ModuleList(nn.Conv1d(width, width * n, n) for n in range(1, widest + 1))
        self.size = width * sum(range(1, widest + 1))

    def forward(self, words: Tensor) -> Tensor:
        """Map word numbers (time, batch) to vectors (time, batch, size); each word is spelled once."""
        different, places = words.unique(return_inverse=True)
        x = self.letters(self.spelling[different]).transpose(1, 2)
        found = [torch.tanh(conv(x)).amax(dim=2) for conv in self.convs]
        return torch.cat(found, dim=1)[places]


class Highway(nn.Module):
    """A layer that carries a learned part of its input through, shape unchanged."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.transform = nn.Linear(size, size)
        self.gate = nn.Linear(size, size)
        nn.init.constant_(self.gate.bias, -2.0)  # at first nearly all is carried through

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., size) to the same shape."""
        gate = torch.sigmoid(self.gate(x))
        return gate * torch.relu(self.transform(x)) + (1 - gate) * x


class CharLM(nn.Module):
    """Encoder of letters, highway layer, LSTM, decoder."""

    def __init__(self, spelling: Tensor, width: int, widest: int, nhid: int, dropout: float) -> None:
        super().__init__()
        self.encoder = CharCNN(spelling, width, widest)
        self.highway = Highway(self.encoder.size)
        self.rnn = nn.LSTM(self.encoder.size, nhid)
        self.drop = nn.Dropout(dropout)
        self.decoder = nn.Linear(nhid, len(spelling))

    def forward(self, words: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Map word numbers (time, batch) to scores (time * batch, vocabulary) and the new state."""
        output, state = self.rnn(self.highway(self.encoder(words)), state)
        return self.decoder(self.drop(output).flatten(0, 1)), state


def batches(text: Tensor, bptt: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield slices (time, batch) of a text (rows, batch), each with its next words (time * batch,)."""
    for i in range(0, len(text) - 1, bptt):
        rows = text[i : i + bptt + 1]
        yield rows[:-1], rows[1:].flatten()


class Trainer:
    """A model, its optimizer, and the state that goes from step to step."""

    def __init__(self, model: CharLM, args: argparse.Namespace) -> None:
        self.model = model
        self.args = args
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
        self.state: State | None = None

    def train_step(self, words: Tensor, targets: Tensor) -> Tensor:
        """Do one step on words (time, batch) and targets (time * batch,); return the loss."""
        self.model.zero_grad()
        if self.state is not None:
            self.state = (self.state[0].detach(), self.state[1].detach())
        scores, self.state = self.model(words, self.state)
        loss = self.criterion(scores, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.args.clip)
        self.optimizer.step()
        return loss

    def train_epoch(self, epoch: int, text: Tensor) -> None:
        """Go over a text (rows, batch) once."""
        self.model.train()
        self.state = None
        for step, (words, targets) in enumerate(batches(text, self.args.bptt), start=1):
            loss = self.train_step(words, targets)
            if step % self.args.log_interval == 0:
                print(f"epoch {epoch} | step {step} | loss {loss.item():.3f}")
            if step == self.args.steps:
                break

    @torch.no_grad()
    def evaluate(self, text: Tensor) -> float:
        """Return the mean loss on a text (rows, batch), in nats per word."""
        self.model.eval()
        state, total = None, 0.0
        for words, targets in batches(text, self.args.bptt):
            scores, state = self.model(words, state)
            total += self.criterion(scores, targets).item() * len(words)
        return total / (len(text) - 1)

    def fit(self, train: Tensor, valid: Tensor) -> None:
        """Train, and after each epoch validate; divide the rate by four when nothing is gained."""
        best = math.inf
        for epoch in range(1, self.args.epochs + 1):
            self.train_epoch(epoch, train)
            loss = self.evaluate(valid)
            print(f"epoch {epoch} | validation loss {loss:.3f} | perplexity {math.exp(loss):.1f}")
            if loss < best:
                best = loss
                if self.args.save:
                    torch.save(self.model.state_dict(), self.args.save)
            else:
                self.optimizer.param_groups[0]["lr"] /= 4


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=0, help="training steps in an epoch (0: all)")
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--bptt", type=int, default=35, help="words through which the gradient goes back")
    parser.add_argument("--width", type=int, default=10, help="of a letter's embedding")
    parser.add_argument("--widest", type=int, default=5, help="letters that the widest convolution sees")
    parser.add_argument("--nhid", type=int, default=160, help="width of the LSTM")
    parser.add_argument("--dropout", type=float, default=0.3)
    parser.add_argument("--lr", type=float, default=5.0)
    parser.add_argument("--clip", type=float, default=1.0, help="largest norm of the gradient")
    parser.add_argument("--log_interval", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", default="", help="file of the best model's state")
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    train_part, valid_part = split(sentences())
    vocabulary = Vocabulary(train_part)
    # Letters as numbers from 1 on, with one before and one after them, which no word has.
    letters = {letter: i for i, letter in enumerate(sorted(set("".join(vocabulary.words))), 3)}
    spelled = pad([[1, *(letters[c] for c in word), 2] for word in vocabulary.words], least=options.widest)
    trainer = Trainer(CharLM(spelled, options.width, options.widest, options.nhid, options.dropout), options)
    trainer.fit(*(columns(vocabulary.text(part), options.batch_size) for part in (train_part, valid_part)))
