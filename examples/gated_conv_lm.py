"""A gated convolutional language model: causal convolutions with gates guess the next word.

The loop stands in the module itself, over a DataLoader; a scheduler changes the rate at every step.
"""

from __future__ import annotations

import argparse
import math

import torch
import torch.nn.functional as F
from corpus import Vocabulary, sentences, split
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class GatedConv(nn.Module):
    """A convolution over the past, one half of whose output gates the other, added to its input."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.past = kernel - 1
        self.conv = nn.Conv1d(width, 2 * width, kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, width, time) to the same shape; no place sees a later one."""
        return x + F.glu(self.conv(F.pad(x, (self.past, 0))), dim=1)


class GatedConvLM(nn.Module):
    """Embedding, gated convolutions, decoder."""

    def __init__(self, vocabulary: int, width: int, layers: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(vocabulary, width)
        self.convs = nn.Sequential(*(GatedConv(width, kernel) for _ in range(layers)))
        self.decoder = nn.Linear(width, vocabulary)

    def forward(self, words: Tensor) -> Tensor:
        """Map word numbers (batch, time) to scores of the next word, (batch * time, vocabulary)."""
        x = self.drop(self.encoder(words)).transpose(1, 2)
        x = self.drop(self.convs(x)).transpose(1, 2)
        return self.decoder(x.flatten(0, 1))


def windows(text: Tensor, length: int) -> TensorDataset:
    """Cut a text (words,) into pieces (pieces, length) and, one word ahead, their targets."""
    pieces = (len(text) - 1) // length
    ahead = text[1 : pieces * length + 1]
    return TensorDataset(text[: pieces * length].view(-1, length), ahead.view(-1, length))


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--steps", type=int, default=0, help="training steps in an epoch (0: all)")
parser.add_argument("--batch_size", type=int, default=16)
parser.add_argument("--length", type=int, default=35, help="words in a piece of text")
parser.add_argument("--width", type=int, default=160, help="of embedding and convolutions")
parser.add_argument("--layers", type=int, default=4)
parser.add_argument("--kernel", type=int, default=4, help="words that a convolution sees")
parser.add_argument("--dropout", type=float, default=0.2)
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--clip", type=float, default=0.02, help="largest entry of a gradient")
parser.add_argument("--log_interval", type=int, default=20)
parser.add_argument("--device", default="cpu")
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--save", default="", help="file of the best model's state")
args = parser.parse_args()

torch.manual_seed(args.seed)
device = torch.device(args.device)
train, valid = split(sentences())
vocabulary = Vocabulary(train)
valid_windows = windows(vocabulary.text(valid), args.length)
loader = DataLoader(windows(vocabulary.text(train), args.length), args.batch_size, shuffle=True)
valid_loader = DataLoader(valid_windows, args.batch_size)
steps = min(args.steps or len(loader), len(loader))

model = GatedConvLM(len(vocabulary), args.width, args.layers, args.kernel, args.dropout).to(device)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, nesterov=True)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs * steps)
best = math.inf

for epoch in range(1, args.epochs + 1):
    model.train()
    for step, (words, targets) in enumerate(loader, start=1):
        words, targets = words.to(device), targets.to(device)
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(model(words), targets.flatten())
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), args.clip)
        optimizer.step()
        scheduler.step()
        if step % args.log_interval == 0:
            print(f"epoch {epoch} | step {step}/{steps} | loss {loss.item():.3f}")
        if step == steps:
            break

    model.eval()
    total = 0.0
    with torch.no_grad():
        for words, targets in valid_loader:
            scores = model(words.to(device))
            total += criterion(scores, targets.to(device).flatten()).item() * len(words)
    mean = total / len(valid_windows)
    print(f"epoch {epoch} | validation loss {mean:.3f} | perplexity {math.exp(mean):.1f}")
    if mean < best:
        best = mean
        if args.save:
            torch.save(model.state_dict(), args.save)
