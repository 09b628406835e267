"""A language model of sentences, whose LSTM is told the words of the sentence before, in no order.

The loop adds up the gradients of a few small batches before each update.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator

import torch
from corpus import END, PAD, Sentence, Vocabulary, pad, sentences, split
from torch import Tensor, nn

Batch = tuple[Tensor, Tensor, Tensor]
"""The sentences before, (batch, words); the sentences and their targets, (time, batch)."""


class ContextLSTM(nn.Module):
    """Two embeddings, one of words and one of the sentence before; an LSTM over both; decoder."""

    def __init__(self, vocabulary: int, emsize: int, ncontext: int, nhid: int, dropout: float) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(vocabulary, emsize, padding_idx=PAD)
        self.context = nn.EmbeddingBag(vocabulary, ncontext, mode="mean", padding_idx=PAD)
        self.rnn = nn.LSTM(emsize + ncontext, nhid)
        self.decoder = nn.Linear(nhid, vocabulary)

    def forward(self, before: Tensor, words: Tensor) -> Tensor:
        """Map sentences before (batch, words) and words (time, batch) to (time * batch, vocabulary)."""
        context = torch.tanh(self.context(before)).expand(len(words), -1, -1)
        output, _ = self.rnn(torch.cat([self.drop(self.encoder(words)), context], dim=2))
        return self.decoder(self.drop(output).flatten(0, 1))


def neighbours(part: list[Sentence], vocabulary: Vocabulary) -> list[tuple[list[int], list[int]]]:
    """Return each sentence's word numbers, after those of the one before it in the same topic."""
    pairs = []
    for last, sentence in zip([part[0], *part], part, strict=False):
        same = last.topic == sentence.topic and last is not sentence
        before = vocabulary.numbers(last.words) if same else [END]
        pairs.append((before, [END, *vocabulary.numbers(sentence.words), END]))
    return pairs


def batches(pairs: list[tuple[list[int], list[int]]], size: int, shuffle: bool) -> Iterator[Batch]:
    """Yield batches of sentences of similar length, in random order if ``shuffle``."""
    by_length = sorted(pairs, key=lambda pair: len(pair[1]))
    starts = torch.arange(0, len(pairs), size)
    if shuffle:
        starts = starts[torch.randperm(len(starts))]
    for start in starts.tolist():
        befores, rows = zip(*by_length[start : start + size], strict=True)
        words = pad(rows).t()
        yield pad(befores), words[:-1], words[1:]


def train_epoch(
    model: ContextLSTM,
    optimizer: torch.optim.Optimizer,
    criterion: nn.Module,
    pairs: list[tuple[list[int], list[int]]],
    epoch: int,
    args: argparse.Namespace,
) -> None:
    """Go over the sentences once."""
    model.train()
    model.zero_grad()
    running = torch.zeros(())
    for step, (before, words, targets) in enumerate(batches(pairs, args.batch_size, shuffle=True), start=1):
        scores = model(before, words)
        loss = criterion(scores, targets.flatten())
        (loss / args.accumulate).backward()
        running += loss.detach()
        if step % args.accumulate == 0:
            nn.utils.clip_grad_norm_(model.parameters(), args.clip)
            optimizer.step()
            optimizer.zero_grad()
        if step % args.log_interval == 0:
            print(f"epoch {epoch} | step {step} | loss {running.item() / args.log_interval:.3f}")
            running.zero_()
        if step == args.steps:
            break


def evaluate(model: ContextLSTM, criterion: nn.Module, pairs: list[tuple[list[int], list[int]]]) -> float:
    """Return the mean loss on sentences, in nats per word."""
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for before, sentence, following in batches(pairs, 32, shuffle=False):
            real = int((following != PAD).sum())
            total += criterion(model(before, sentence), following.flatten()).item() * real
            count += real
    return total / count


def main() -> None:
    """Read the options, train, and validate after each epoch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--steps", type=int, default=0, help="small batches in an epoch (0: all)")
    parser.add_argument("--batch_size", type=int, default=8, help="sentences in a small batch")
    parser.add_argument("--accumulate", type=int, default=2, help="small batches for one update")
    parser.add_argument("--emsize", type=int, default=128, help="width of the embedding of words")
    parser.add_argument("--ncontext", type=int, default=64, help="width of the sentence before")
    parser.add_argument("--nhid", type=int, default=192, help="width of the LSTM")
    parser.add_argument("--dropout", type=float, default=0.3)
    parser.add_argument("--lr", type=float, default=0.002)
    parser.add_argument("--clip", type=float, default=1.0, help="largest norm of the gradient")
    parser.add_argument("--log_interval", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", default="", help="file of the best model's state")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    train, valid = split(sentences())
    vocabulary = Vocabulary(train)
    pairs, valid_pairs = neighbours(train, vocabulary), neighbours(valid, vocabulary)
    model = ContextLSTM(len(vocabulary), args.emsize, args.ncontext, args.nhid, args.dropout)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr)
    criterion = nn.CrossEntropyLoss(ignore_index=PAD)

    best = math.inf
    for epoch in range(1, args.epochs + 1):
        train_epoch(model, optimizer, criterion, pairs, epoch, args)
        valid_loss = evaluate(model, criterion, valid_pairs)
        print(f"epoch {epoch} | validation loss {valid_loss:.3f} | perplexity {math.exp(valid_loss):.1f}")
        if valid_loss < best:
            best = valid_loss
            if args.save:
                torch.save(model.state_dict(), args.save)


if __name__ == "__main__":
    main()
