"""What is trained: the example's word language model on random words, one step at a time."""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from .card import Card
from .derived import derived, module

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "word_language_model" / "model.py"
MODELS = ("RNN_TANH", "RNN_RELU", "LSTM", "GRU", "Transformer")
DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
STAGES = ("get_batch", "repackage", "zero_grad", "forward", "loss", "backward", "clip", "update", "log")
LIMIT = 0.25


@dataclass(frozen=True)
class Sizes:
    """A model's kind and sizes; by default those of the example on WikiText-2."""

    model: str = "LSTM"
    emsize: int = 200
    nhid: int = 200
    nlayers: int = 2
    bptt: int = 35
    batch: int = 20
    vocabulary: int = 33_278
    nhead: int = 2
    dropout: float = 0.2
    tied: bool = False

    def __str__(self) -> str:
        return (
            f"{self.model}, emsize {self.emsize}, nhid {self.nhid}, nlayers {self.nlayers}, "
            f"bptt {self.bptt}, batch {self.batch}, vocabulary {self.vocabulary:,}"
        )


DEFAULT = Sizes()
TINY = Sizes(emsize=8, nhid=8, bptt=4, batch=2, vocabulary=50)


# ---- how the gradient is clipped ---------------------------------------------------------------


def clip_of_today(parameters: list[Any], limit: float) -> None:
    """`torch.nn.utils.clip_grad_norm_`: nothing waits for the device."""
    torch.nn.utils.clip_grad_norm_(parameters, limit)


def clip_that_reads(parameters: list[Any], limit: float) -> None:
    """The same, and the program looks at the norm: one wait for the device."""
    norm = torch.nn.utils.clip_grad_norm_(parameters, limit)
    if norm.item() != norm.item():
        raise ArithmeticError("the gradient is not a number")


def clip_of_2018(parameters: list[Any], limit: float) -> None:
    """As torch 0.4 did it: the norm of every parameter is read on the host."""
    total = sum(parameter.grad.data.norm(2).item() ** 2 for parameter in parameters) ** 0.5
    coefficient = limit / (total + 1e-6)
    if coefficient < 1:
        for parameter in parameters:
            parameter.grad.data.mul_(coefficient)


CLIPS: dict[str, Callable[[list[Any], float], None]] = {
    "clip_grad_norm_ of today": clip_of_today,
    "the same, and its norm is read": clip_that_reads,
    "as torch 0.4 did, every norm is read": clip_of_2018,
}


# ---- the model and its step --------------------------------------------------------------------


@lru_cache
def example(marked: bool) -> Any:
    """The example's module of models, with its marks or without."""
    return module(EXAMPLE, marked)


class Training:
    """A model, its input, and what one step needs of both.

    Args:
        sizes: of the model.
        card: where it computes.
        clip: how the gradient is clipped.
        precision: ``fp32``, or the type to which autocast casts.
        build: makes the two twins of the model, with marks and without; the example's by default.
    """

    def __init__(
        self,
        sizes: Sizes,
        card: Card,
        clip: Callable[[list[Any], float], None] = clip_of_today,
        precision: str = "fp32",
        build: Callable[[Sizes], tuple[Any, Any]] | None = None,
    ) -> None:
        torch.manual_seed(1111)
        self.sizes, self.card, self.clip = sizes, card, clip
        self.marked, self.plain = (build or twins)(sizes)
        self.marked.to(card.kind)
        self.model = self.marked
        self.parameters = list(self.marked.parameters())
        self.criterion = torch.nn.CrossEntropyLoss()
        self.hidden = self.marked.init_hidden(sizes.batch)
        self.losses = torch.zeros((), device=card.kind)
        rows = sizes.bptt * 8 + 1
        self.words = torch.randint(sizes.vocabulary, (rows, sizes.batch)).to(card.kind)
        self.row = 0
        self.tokens = sizes.bptt * sizes.batch
        self.dtype = DTYPES[precision]

    def autocast(self) -> AbstractContextManager[Any]:
        """Autocast to the precision, or nothing."""
        if self.dtype is None:
            return nullcontext()
        cast: AbstractContextManager[Any] = torch.autocast(self.card.kind, dtype=self.dtype)
        return cast

    def batch(self) -> tuple[Any, Any]:
        """The next slice of the words, and the word that follows each; see the example's get_batch."""
        i, length = self.row, self.sizes.bptt
        self.row = (i + length) % (length * 8)
        return self.words[i : i + length], self.words[i + 1 : i + 1 + length].reshape(-1)


def twins(sizes: Sizes) -> tuple[Any, Any]:
    """The example's model with marks, and the same without, on the same parameters."""
    options = argparse.Namespace(**asdict(sizes))
    made = example(marked=True).build_model(options, sizes.vocabulary)
    plain = copy.copy(made)
    plain.__class__ = getattr(example(marked=False), type(made).__name__)
    return made, plain


def repackage(hidden: Any) -> Any:
    """Cut the hidden state off the graph of the step before; autocast's comes back in fewer bits."""
    if hidden is None:
        return None
    if isinstance(hidden, tuple):
        return tuple(part.detach().float() for part in hidden)
    return hidden.detach().float()


def update(parameters: list[Any]) -> None:
    """Plain gradient descent by hand, as in the example."""
    for parameter in parameters:
        parameter.data.add_(parameter.grad, alpha=-1.0)


def marked_step(work: Training, prof: Any) -> None:
    """One step of the example, its stages marked."""
    with prof.step(tokens=work.tokens):
        with prof.stage("get_batch"):
            data, targets = work.batch()
        with prof.stage("repackage"):
            work.hidden = repackage(work.hidden)
        with prof.stage("zero_grad"):
            work.model.zero_grad()
        with prof.stage("forward"), work.autocast():
            scores, work.hidden = work.model(data, work.hidden)
        with prof.stage("loss"), work.autocast():
            loss = work.criterion(scores, targets)
        with prof.stage("backward"):
            loss.backward()
        with prof.stage("clip"):
            work.clip(work.parameters, LIMIT)
        with prof.stage("update"):
            update(work.parameters)
        with prof.stage("log"):
            work.losses += loss.detach()


plain_step = derived(marked_step)
step_by_hand = derived(marked_step, by_hand=True)


def run(work: Training, steps: int, prof: Any = None) -> None:
    """Train for some steps.

    Args:
        work: what is trained.
        steps: how many.
        prof: the profile; None for the program without any mark; a dict for clock readings by hand.
    """
    if prof is None or isinstance(prof, dict):
        work.model, step = work.plain, plain_step if prof is None else step_by_hand
    else:
        work.model, step = work.marked, marked_step
    for _ in range(steps):
        step(work, prof)


def plain_ns(work: Training, steps: int) -> float:
    """The mean step without any mark, in nanoseconds, from an idle device to an idle device."""
    work.card.synchronize()
    start = time.perf_counter_ns()
    run(work, steps)
    work.card.synchronize()
    return (time.perf_counter_ns() - start) / steps
