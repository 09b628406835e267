"""A classifier of sentences: which part of Python's manual a sentence is from, by a recurrent net.

The loop stands in a function, over a DataLoader that packs sentences of different length.
"""

from __future__ import annotations

import argparse
import copy
from typing import Any

import torch
import torch.nn.functional as F
from corpus import LABELS, PAD, Vocabulary, labelled, pad, split
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.data import DataLoader


class SentenceRNN(nn.Module):
    """Embedding, a GRU in both directions, and a linear layer on its two last states."""

    def __init__(self, vocabulary: int, emsize: int, nhid: int, dropout: float) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(vocabulary, emsize, padding_idx=PAD)
        self.rnn = nn.GRU(emsize, nhid, bidirectional=True, batch_first=True)
        self.decoder = nn.Linear(2 * nhid, len(LABELS))

    def forward(self, words: Tensor, lengths: Tensor) -> Tensor:
        """Map word numbers (batch, time) and lengths (batch,) to scores (batch, labels)."""
        x = self.drop(self.encoder(words))
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        _, last = self.rnn(packed)
        return self.decoder(self.drop(torch.cat([last[0], last[1]], dim=1)))


def collate(items: list[tuple[list[int], int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Turn sentences with labels into word numbers (batch, time), lengths and labels, (batch,)."""
    rows, labels = zip(*items, strict=True)
    lengths = torch.tensor([len(row) for row in rows])
    return pad(rows), lengths, torch.tensor(labels)


def train(
    model: SentenceRNN,
    loader: DataLoader[Any],
    optimizer: torch.optim.Optimizer,
    epoch: int,
    args: argparse.Namespace,
) -> None:
    """Go over the sentences once."""
    model.train()
    total_loss = correct = seen = 0.0
    for batch_idx, batch in enumerate(loader, 1):
        words, lengths, labels = batch
        words, labels = words.to(args.device), labels.to(args.device)
        optimizer.zero_grad()
        output = model(words, lengths)
        loss = F.cross_entropy(output, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=args.clip)
        optimizer.step()

        total_loss += loss.item() * len(labels)
        correct += (output.argmax(dim=1) == labels).sum().item()
        seen += len(labels)
        if batch_idx % args.log_interval == 0:
            loss_now, right_now = total_loss / seen, correct / seen
            print(f"epoch {epoch} | step {batch_idx} | loss {loss_now:.3f} | right {right_now:.1%}")
            total_loss = correct = seen = 0.0
        if batch_idx == args.steps:
            break


def test(model: SentenceRNN, loader: DataLoader[Any], device: str) -> tuple[float, float]:
    """Return the mean loss and the share of sentences that get the right label."""
    model.eval()
    loss, right, count = 0.0, 0, 0
    with torch.no_grad():
        for words, lengths, labels in loader:
            scores = model(words.to(device), lengths)
            loss += F.cross_entropy(scores, labels.to(device), reduction="sum").item()
            right += int((scores.argmax(dim=1) == labels.to(device)).sum())
            count += len(labels)
    return loss / count, right / count


def main() -> None:
    """Read the options, train, test after each epoch, and keep the best model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--steps", type=int, default=0, help="training steps in an epoch (0: all)")
    parser.add_argument("--batch_size", type=int, default=16, help="sentences")
    parser.add_argument("--emsize", type=int, default=128, help="width of the embedding")
    parser.add_argument("--nhid", type=int, default=128, help="width of the GRU in each direction")
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--clip", type=float, default=1.0, help="largest norm of the gradient")
    parser.add_argument("--log_interval", type=int, default=30)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", default="", help="file of the best model's state")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    parts = split(labelled())
    vocabulary = Vocabulary(sentence for sentence, _ in parts[0])
    rows = [[(vocabulary.numbers(sentence.words), label) for sentence, label in part] for part in parts]
    train_loader = DataLoader(rows[0], args.batch_size, shuffle=True, collate_fn=collate)
    test_loader = DataLoader(rows[1], batch_size=64, collate_fn=collate)
    model = SentenceRNN(len(vocabulary), args.emsize, args.nhid, args.dropout).to(args.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)

    best, best_state = 0.0, model.state_dict()
    for epoch in range(1, args.epochs + 1):
        train(model, train_loader, optimizer, epoch, args)
        test_loss, right = test(model, test_loader, args.device)
        print(f"epoch {epoch} | validation loss {test_loss:.3f} | right {right:.1%}")
        if right > best:
            best, best_state = right, copy.deepcopy(model.state_dict())
    if args.save:
        torch.save(best_state, args.save)


if __name__ == "__main__":
    main()
