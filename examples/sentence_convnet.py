"""A classifier of sentences: which part of Python's manual a sentence is from, by a ConvNet.

The loop stands in the module itself: a ``while`` over slices of a random order, with no clipping of
gradients but a bound on the weights of the last layer.
"""

from __future__ import annotations

import argparse

import torch
from corpus import LABELS, PAD, Vocabulary, labelled, pad, split
from torch import Tensor, nn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=12)
parser.add_argument("--steps", type=int, default=0, help="training steps in an epoch (0: all)")
parser.add_argument("--batch_size", type=int, default=25, help="sentences")
parser.add_argument("--emsize", type=int, default=128, help="width of the embedding")
parser.add_argument("--filters", type=int, default=100, help="of each width")
parser.add_argument("--widths", type=int, nargs="+", default=[3, 4, 5], help="words that a filter sees")
parser.add_argument("--dropout", type=float, default=0.5)
parser.add_argument("--lr", type=float, default=0.5)
parser.add_argument("--norm", type=float, default=3.0, help="largest norm of a label's weights")
parser.add_argument("--log_interval", type=int, default=20)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--save", default="", help="file of the best model's state")
args = parser.parse_args()


class SentenceConvNet(nn.Module):
    """Embedding, filters of several widths with their maximum over the sentence, a linear layer."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, args.emsize, padding_idx=PAD)
        self.convs = nn.ModuleList(nn.Conv1d(args.emsize, args.filters, width) for width in args.widths)
        self.drop = nn.Dropout(args.dropout)
        self.out = nn.Linear(args.filters * len(args.widths), len(LABELS))

    def forward(self, words: Tensor) -> Tensor:
        """Map word numbers (batch, time) to scores (batch, labels)."""
        x = self.embed(words).transpose(1, 2)
        found = [torch.relu(conv(x)).amax(dim=2) for conv in self.convs]
        return self.out(self.drop(torch.cat(found, dim=1)))


@torch.no_grad()
def bound_weights(layer: nn.Linear, norm: float) -> None:
    """Shrink the rows of a layer's weights whose norm is larger than ``norm``."""
    layer.weight.copy_(layer.weight.renorm(2, 0, norm))


def load(part: list[tuple[list[int], int]]) -> tuple[Tensor, Tensor]:
    """Return word numbers (sentences, time) and labels (sentences,)."""
    rows, labels = zip(*part, strict=True)
    return pad(rows, least=max(args.widths)), torch.tensor(labels)


def accuracy() -> tuple[float, float]:
    """Return the mean loss and the share of right labels on the validation sentences."""
    model.eval()
    with torch.no_grad():
        scores = model(valid_words)
    loss = criterion(scores, valid_labels).item()
    model.train()
    return loss, (scores.argmax(dim=1) == valid_labels).float().mean().item()


torch.manual_seed(args.seed)
parts = split(labelled())
vocabulary = Vocabulary(sentence for sentence, _ in parts[0])
numbered = [[(vocabulary.numbers(sentence.words), label) for sentence, label in part] for part in parts]
train_words, train_labels = load(numbered[0])
valid_words, valid_labels = load(numbered[1])

model = SentenceConvNet(len(vocabulary))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adadelta(model.parameters(), lr=args.lr)
best = 0.0

for epoch in range(args.epochs):
    order = torch.randperm(len(train_labels))
    start = step = 0
    while start < len(order) and (args.steps == 0 or step < args.steps):
        chosen = order[start : start + args.batch_size]
        x, y = train_words[chosen], train_labels[chosen]
        start += args.batch_size
        step += 1

        y_hat = model(x)
        loss = criterion(y_hat, y)

        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        bound_weights(model.out, args.norm)

        if step % args.log_interval == 0:
            right = (y_hat.argmax(dim=1) == y).float().mean()
            print(f"epoch {epoch + 1} | step {step} | loss {loss.item():.3f} | right {right.item():.1%}")

    valid_loss, valid_right = accuracy()
    print(f"epoch {epoch + 1} | validation loss {valid_loss:.3f} | right {valid_right:.1%}")
    if valid_right > best:
        best = valid_right
        if args.save:
            torch.save({"epoch": epoch + 1, "model": model.state_dict()}, args.save)
