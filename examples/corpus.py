"""The corpus of the examples: the text behind Python's ``help()``, as sentences, numbers and labels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

Item = TypeVar("Item")

PAD, UNKNOWN, END = 0, 1, 2
"""Numbers of what fills up a short sentence, of a rare word, and of the end of a sentence."""

LONGEST = 60
"""Words; what is longer is a table or a listing rather than a sentence."""

LABELS = ("statements", "expressions", "objects", "built-in types", "debugger")
TOPICS = (
    "assert assignment async augassign class compound del for function global import nonlocal raise return "
    "try while with",
    "attribute-references binary bitwise booleans calls comparisons conversions exprlists in lambda "
    "operator-summary power shifting slicings subscriptions unary yield",
    "attribute-access context-managers customization execmodel id-classes naming numeric-types objects "
    "sequence-types specialattrs specialnames types",
    "formatstrings string-methods strings typesmapping typesseq typesseq-mutable",
    "debugger",
)
"""The topics that each label stands for; the sentences of other topics have no label."""


class Sentence(NamedTuple):
    """One sentence.

    Args:
        topic: the topic of ``help()`` that it stands in.
        words: its words and marks of punctuation, in small letters.
    """

    topic: str
    words: list[str]


class Vocabulary:
    """The numbers of words: 0 to 2 are ``PAD``, ``UNKNOWN`` and ``END``, then by falling frequency.

    Args:
        sentences: the text to count.
        least: how often a word must occur to have a number of its own.

    Attributes:
        words: the word of each number.
        counts: how often each number occurs.
    """

    def __init__(self, sentences: Iterable[Sentence], least: int = 3) -> None:
        counts: Counter[str] = Counter()
        ends = 0
        for sentence in sentences:
            counts.update(sentence.words)
            ends += 1
        common = [(word, count) for word, count in counts.most_common() if count >= least]
        rare = counts.total() - sum(count for _, count in common)
        self.words = ["<pad>", "<unknown>", "<end>", *(word for word, _ in common)]
        self.counts = [0, rare, ends, *(count for _, count in common)]
        self._numbers = {word: number for number, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def numbers(self, words: Iterable[str]) -> list[int]:
        """Return the number of each word."""
        return [self._numbers.get(word, UNKNOWN) for word in words]

    def text(self, sentences: Iterable[Sentence]) -> Tensor:
        """Return sentences as one text: int64, shape (words,), with ``END`` after every sentence."""
        ids = [number for sentence in sentences for number in (*self.numbers(sentence.words), END)]
        return torch.tensor(ids, dtype=torch.int64)


def sentences() -> list[Sentence]:
    """Read the help texts: about 2,800 sentences of 60,000 words, a little different in each Python.

    Returns:
        Every sentence of 4 to ``LONGEST`` words, once, in the order of topics and of the text.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise SystemExit("this Python has no pydoc_data, whose text the example learns from") from None
    found: dict[tuple[str, ...], str] = {}
    for topic in sorted(topics):
        for paragraph in re.split(r"\n\s*\n", topics[topic]):
            if re.search(r"::=|>>>|\*\*\*\*|====|----", paragraph):
                continue
            for sentence in re.split(r"(?<=[.:?!])\s+(?=[A-Z\"*])", " ".join(paragraph.split())):
                words = tuple(re.findall(r"\w+|[^\w\s]", sentence.lower()))
                if 4 <= len(words) <= LONGEST:
                    found.setdefault(words, topic)
    return [Sentence(topic, list(words)) for words, topic in found.items()]


def split(items: Sequence[Item], block: int = 20) -> tuple[list[Item], list[Item]]:
    """Cut items into blocks, nine to learn from and the tenth to validate with, and so on."""
    train: list[Item] = []
    valid: list[Item] = []
    for i, item in enumerate(items):
        (valid if i // block % 10 == 9 else train).append(item)
    return train, valid


def labelled() -> list[tuple[Sentence, int]]:
    """Return the sentences that have a label, and the place of their label in ``LABELS``."""
    label = {topic: i for i, names in enumerate(TOPICS) for topic in names.split()}
    return [(sentence, label[sentence.topic]) for sentence in sentences() if sentence.topic in label]


def columns(text: Tensor, count: int) -> Tensor:
    """Lay a text in columns of equal length, side by side, and drop what is left over.

    Args:
        text: word numbers, int64, shape (words,).
        count: number of columns.

    Returns:
        Word numbers, int64, shape (words // count, count); time runs downwards.
    """
    rows = len(text) // count
    return text[: rows * count].view(count, rows).t().contiguous()


def pad(rows: Sequence[Sequence[int]], least: int = 1) -> Tensor:
    """Return rows of numbers as one tensor, int64, shape (rows, longest), filled up with ``PAD``.

    Args:
        rows: the numbers.
        least: the smallest number of columns.
    """
    width = max(least, *(len(row) for row in rows))
    return torch.tensor([[*row, *[PAD] * (width - len(row))] for row in rows], dtype=torch.int64)
