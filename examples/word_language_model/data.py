"""Text as numbers: a WikiText-style folder, Python's own documentation, or a synthetic corpus."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

PARTS = ("train", "valid", "test")
WIKITEXT2_TOKENS = (2_088_628, 217_646, 245_569)
"""Tokens of WikiText-2 in its three parts: the synthetic corpus has the same proportions."""


class Corpus(NamedTuple):
    """A text in three parts, each word replaced by its number.

    Args:
        train: the text to learn from; int64, shape (tokens,).
        valid: the text that decides on the learning rate; int64, shape (tokens,).
        test: the text of the final score; int64, shape (tokens,).
        vocabulary: number of different words; every number in the parts is smaller.
    """

    train: Tensor
    valid: Tensor
    test: Tensor
    vocabulary: int


def reader(source: str) -> Callable[[], Corpus]:
    """Check what can be checked without reading the text, so that a mistake is told at once.

    Args:
        source: ``"topics"``, ``"topics:TOKENS"``, ``"zipf:VOCABULARY:TOKENS"``, or a folder with
            ``train.txt``, ``valid.txt`` and ``test.txt``.

    Returns:
        A function without arguments that reads the corpus.
    """
    if source == "topics":
        return topics
    if source.startswith("topics:"):
        most = source.removeprefix("topics:")
        if not re.fullmatch(r"\d+", most) or not int(most):
            raise SystemExit(f"--data {source}: write a positive number, for example topics:40000")
        return lambda: topics(int(most))
    if source == "zipf" or source.startswith("zipf:"):
        numbers = re.fullmatch(r"zipf:(\d+):(\d+)", source)
        if numbers is None or not int(numbers[1]) or not int(numbers[2]):
            raise SystemExit(f"--data {source}: write two positive numbers, for example zipf:33278:2088628")
        vocabulary, tokens = int(numbers[1]), int(numbers[2])
        return lambda: zipf(vocabulary, tokens)
    root = Path(source)
    if not root.is_dir():
        raise SystemExit(f"--data {source}: no such folder (or write 'topics' or 'zipf:VOCABULARY:TOKENS')")
    for part in PARTS:
        if not (root / f"{part}.txt").is_file():
            raise SystemExit(f"--data {source}: the folder has no {part}.txt")
    return lambda: folder(root)


def folder(root: Path) -> Corpus:
    """Read three files of words that are separated by spaces, in the way of WikiText.

    Args:
        root: the folder of ``train.txt``, ``valid.txt`` and ``test.txt``, in UTF-8.

    Returns:
        The corpus, with ``<eos>`` after every line, empty lines included.
    """
    parts = []
    for part in PARTS:
        path = root / f"{part}.txt"
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise SystemExit(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None
        except OSError as error:
            raise SystemExit(f"{path}: {error.strerror}") from None
        words = [line.split() for line in lines]
        if not any(words):
            raise SystemExit(f"{path}: the file has no words")
        parts.append(words)
    return number(parts)


def topics(most: int | None = None) -> Corpus:
    """Read the text that Python's ``help()`` shows: about 110,000 words, on every machine.

    Of every ten blocks of 50 lines, eight go to train, one to valid and one to test. Rare words
    are kept. The text differs a little between versions of Python.

    Args:
        most: the text ends with the line that makes so many tokens, all parts together; None for all.

    Returns:
        The corpus, with ``<eos>`` after every line that is not empty.
    """
    try:
        from pydoc_data.topics import topics as text
    except ImportError:
        raise SystemExit(
            "--data topics: this Python has no pydoc_data; use --data zipf:4000:100000"
        ) from None
    lines = [line for name in sorted(text) for line in text[name].splitlines() if line.strip()]
    parts: list[list[list[str]]] = [[], [], []]
    tokens = 0
    for i, line in enumerate(lines):
        if most is not None and tokens >= most:
            break
        block = i // 50 % 10
        words = re.findall(r"\w+|[^\w\s]", line)
        parts[max(block - 7, 0)].append(words)
        tokens += len(words) + 1
    return number(parts)


def number(parts: Iterable[Iterable[list[str]]]) -> Corpus:
    """Give every word a number, in the order in which the words first appear.

    Args:
        parts: the lines of train, valid and test, each line as its words.

    Returns:
        The corpus, with ``<eos>`` after every line.
    """
    numbers: dict[str, int] = {}
    tensors = []
    for lines in parts:
        ids = [numbers.setdefault(word, len(numbers)) for line in lines for word in (*line, "<eos>")]
        tensors.append(torch.tensor(ids, dtype=torch.int64))
    train, valid, test = tensors
    return Corpus(train, valid, test, len(numbers))


def zipf(vocabulary: int, tokens: int) -> Corpus:
    """Draw words independently, the n-th most frequent with a probability proportional to 1/n.

    Time and memory of a step depend on the shapes and hardly on the words, so this stands in for
    a real corpus of any size. The same arguments always give the same corpus.

    Args:
        vocabulary: number of words to draw from; rare ones may not occur.
        tokens: length of the train part; valid and test have the proportions of WikiText-2.

    Returns:
        The corpus.
    """
    lengths = [max(round(tokens * part / WIKITEXT2_TOKENS[0]), 1) for part in WIKITEXT2_TOKENS]
    generator = torch.Generator().manual_seed(2016)
    below = torch.arange(1, vocabulary + 1, dtype=torch.float64).reciprocal().cumsum(0)
    where = torch.rand(sum(lengths), generator=generator, dtype=torch.float64) * below[-1]
    # Rounding may carry a draw to the upper end itself, one past the last word.
    words = torch.searchsorted(below, where, right=True).clamp_(max=vocabulary - 1)
    train, valid, test = words.split(lengths)
    return Corpus(train, valid, test, vocabulary)


def batchify(text: Tensor, columns: int, device: torch.device, name: str) -> Tensor:
    """Cut a text into columns of equal length, side by side, and drop what is left over.

    Args:
        text: word numbers, int64, shape (tokens,).
        columns: number of columns: the batch size.
        device: where the result lives.
        name: the part of the corpus, for the message when it is too short.

    Returns:
        Word numbers, int64, shape (tokens // columns, columns); time runs downwards.
    """
    rows = len(text) // columns
    if rows < 2:
        raise SystemExit(
            f"the {name} text is too short: it has {len(text)} tokens, "
            f"and {columns} columns of two words need {2 * columns}"
        )
    return text[: rows * columns].view(columns, rows).t().contiguous().to(device)


def get_batch(text: Tensor, i: int, bptt: int) -> tuple[Tensor, Tensor]:
    """Return the slice of text that begins at row ``i``, and the word that follows each word.

    Args:
        text: word numbers, int64, shape (rows, columns).
        i: the first row.
        bptt: number of rows; fewer at the end of the text.

    Returns:
        Data of shape (time, columns) and targets of shape (time * columns,).
    """
    time_steps = min(bptt, len(text) - 1 - i)
    return text[i : i + time_steps], text[i + 1 : i + 1 + time_steps].reshape(-1)
