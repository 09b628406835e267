"""Word vectors by skip-gram with subwords: a word, as the mean of its pieces, guesses its neighbours.

The loop stands in ``main``, over a generator; the loss, the rate and the sparse update are by hand.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from corpus import PAD, Vocabulary, pad, sentences, split
from torch import Tensor, nn

Batch = tuple[Tensor, Tensor]


def pieces(word: str, buckets: int) -> list[int]:
    """Return the buckets, from 1 on, of a word and of its n-grams of 3 to 5 letters."""
    marked = f"<{word}>"
    grams = {marked[i : i + n] for n in range(3, 6) for i in range(len(marked) - n + 1)} | {marked}
    return sorted({1 + fnv(gram) % (buckets - 1) for gram in grams})


def fnv(text: str) -> int:
    """Return the 32-bit FNV-1a hash of a text, which unlike ``hash`` is the same in every run."""
    value = 2166136261
    for byte in text.encode():
        value = (value ^ byte) * 16777619 % 2**32
    return value


class SkipGram(nn.Module):
    """One vector for each piece of a word, and one for each word as a neighbour."""

    pieces: Tensor

    def __init__(self, pieces: Tensor, buckets: int, width: int) -> None:
        super().__init__()
        self.register_buffer("pieces", pieces, persistent=False)
        self.inner = nn.EmbeddingBag(buckets, width, mode="mean", padding_idx=PAD, sparse=True)
        self.outer = nn.Embedding(len(pieces), width, sparse=True)
        nn.init.uniform_(self.inner.weight, -1 / width, 1 / width)
        nn.init.zeros_(self.outer.weight)

    def forward(self, words: Tensor, others: Tensor) -> Tensor:
        """Map words (batch,) and others (batch, n) to how well each of them goes together, (batch, n)."""
        vectors = self.inner(self.pieces[words])
        return torch.einsum("bw,bnw->bn", vectors, self.outer(others))


def batches(text: Tensor, often: Tensor, args: argparse.Namespace, size: int) -> Iterator[Batch]:
    """Yield words (size,) and others (size, 1 + negative), for ever, drawn at random from a text.

    The first of the others is a neighbour, the rest are any words, in the proportions of ``often``,
    (vocabulary,). Many of the most frequent words are left out of the text, as they tell little.
    """
    window = args.window
    share = text.bincount()[text] / len(text)
    text = text[torch.rand(len(text)) < (1e-3 / share).sqrt()]
    while True:
        places = torch.randint(window, len(text) - window, (size,))
        distance = torch.randint(1, window + 1, (size,)) * (1 - 2 * torch.randint(0, 2, (size,)))
        drawn = torch.multinomial(often, size * args.negative, replacement=True).view(size, -1)
        yield text[places], torch.cat([text[places + distance].unsqueeze(1), drawn], dim=1)


def negative_sampling(scores: Tensor) -> Tensor:
    """Return the loss of scores (batch, 1 + n): the first is of a real neighbour, n are of drawn words."""
    return -(F.logsigmoid(scores[:, 0]) + F.logsigmoid(-scores[:, 1:]).sum(dim=1)).mean()


def nearest(model: SkipGram, vocabulary: Vocabulary, word: str, count: int = 4) -> list[str]:
    """Return the words whose vectors point most nearly where the vector of ``word`` does."""
    with torch.no_grad():
        vectors = F.normalize(model.inner(model.pieces), dim=1)
        order = (vectors @ vectors[vocabulary.numbers([word])[0]]).argsort(descending=True)
    return [vocabulary.words[i] for i in order[1 : count + 1].tolist()]


def main() -> None:
    """Read the options, train, and validate after each epoch on pairs that stay the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--steps", type=int, default=0, help="training steps in an epoch (0: all)")
    parser.add_argument("--batch_size", type=int, default=256, help="pairs")
    parser.add_argument("--window", type=int, default=5, help="largest distance of a neighbour, in words")
    parser.add_argument("--negative", type=int, default=5, help="words drawn for each pair")
    parser.add_argument("--width", type=int, default=100, help="of the vectors")
    parser.add_argument("--buckets", type=int, default=20000, help="vectors that all pieces share")
    parser.add_argument("--lr", type=float, default=40.0, help="at first; it falls to 0 in a line")
    parser.add_argument("--log_interval", type=int, default=250)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", default="", help="file of the vectors")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    train, valid = split(sentences())
    vocabulary = Vocabulary(train)
    text = vocabulary.text(train)
    table = pad([pieces(word, args.buckets) for word in vocabulary.words])
    model = SkipGram(table, args.buckets, args.width)
    parameters = list(model.parameters())
    often = torch.tensor(vocabulary.counts).pow(0.75)
    held_out, held_out_others = next(batches(vocabulary.text(valid), often, args, 5000))
    everything = len(text) * args.window // args.batch_size
    steps = min(args.steps or everything, everything)
    planned = args.epochs * steps
    done = 0
    total = 0.0
    for epoch in range(1, args.epochs + 1):
        for words, others in batches(text, often, args, args.batch_size):
            lr = args.lr * (1 - done / planned)
            for parameter in parameters:
                parameter.grad = None
            loss = negative_sampling(model(words, others))
            loss.backward()
            for parameter in parameters:
                parameter.data.add_(parameter.grad, alpha=-lr)

            total += loss.item()
            done += 1
            if done % args.log_interval == 0:
                print(f"epoch {epoch} | step {done}/{planned} | loss {total / args.log_interval:.3f}")
                total = 0.0
            if done % steps == 0:
                break

        with torch.no_grad():
            valid_loss = negative_sampling(model(held_out, held_out_others)).item()
        print(f"epoch {epoch} | validation loss {valid_loss:.3f}")

    for word in ("list", "method", "raises", "integer"):
        print(f"{word}: {', '.join(nearest(model, vocabulary, word))}")
    if args.save:
        torch.save({"words": vocabulary.words, "vectors": model.inner(model.pieces).detach()}, args.save)


if __name__ == "__main__":
    main()
