"""The projection onto classes that the loss is computed from."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from anatomy_step import line_with, look
from torch import nn
from torch.nn import functional

from rnnprof.network import Output

WORDS, WIDTH = 50, 8


class Model(nn.Module):
    """A language model without its recurrent layer."""

    def __init__(self, tied: bool = False, bias: bool = True, three: bool = False) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, WIDTH)
        self.inner = nn.Linear(WIDTH, WIDTH)
        self.decoder = nn.Linear(WIDTH, WORDS, bias=bias)
        if tied:
            self.decoder.weight = self.embedding.weight
        self.three = three

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        hidden = functional.dropout(torch.tanh(self.inner(self.embedding(words))), 0.5)
        return self.decoder(hidden if self.three else hidden.view(-1, WIDTH))


GIVEN = torch.arange(6).view(3, 2)
TARGETS = torch.arange(6)
COUNT = WORDS * WIDTH + WIDTH * WIDTH + WIDTH


def output_of(step: Any) -> Output | None:
    return look(step).output


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("three", [False, True])
def test_it_is_found_behind_the_loss(tied: bool, bias: bool, three: bool) -> None:
    model, criterion = Model(tied, bias, three), nn.CrossEntropyLoss()

    def step() -> None:
        criterion(model(GIVEN).view(-1, WORDS), TARGETS).backward()

    assert output_of(step) == Output(
        classes=WORDS,
        width=WIDTH,
        rows=6,
        embedding=(WORDS, WIDTH),
        tied=tied,
        weights=COUNT + WORDS * bias + WORDS * WIDTH * (not tied),
        line=line_with("criterion(", "step", step),
    )


def sum_of_steps(model: Any) -> torch.Tensor:
    losses = [
        functional.cross_entropy(model(words), targets)
        for words, targets in zip(GIVEN, TARGETS.view(3, 2), strict=False)
    ]
    return torch.stack(losses).sum()


@pytest.mark.parametrize(
    ("loss", "rows"),
    [
        (lambda model: functional.nll_loss(functional.log_softmax(model(GIVEN), 1), TARGETS), 6),
        (lambda model: functional.cross_entropy(model(GIVEN).T[None], TARGETS[None]), 6),
        (lambda model: functional.cross_entropy(model(GIVEN) / 0.7, TARGETS, label_smoothing=0.1), 6),
        (sum_of_steps, 6),
        (
            lambda model: functional.cross_entropy(
                torch.stack([model(GIVEN)[1], model(GIVEN)[2]]), TARGETS[:2]
            ),
            2,
        ),
        (lambda model: functional.log_softmax(model(GIVEN), 1)[:, 3].sum(), None),
    ],
)
def test_ways_to_write_a_loss(loss: Any, rows: int | None) -> None:
    model = Model()
    found = output_of(lambda: loss(model).backward())
    assert found is not None
    assert (found.classes, found.width, found.rows, found.embedding, found.tied) == (
        WORDS,
        WIDTH,
        rows,
        (WORDS, WIDTH),
        False,
    )


@pytest.mark.parametrize("turned", [lambda weight: weight, lambda weight: weight.t().t()])
def test_a_weight_that_is_not_turned_or_turned_back(turned: Any) -> None:
    weight = torch.ones(WIDTH, WORDS, requires_grad=True)

    def step() -> None:
        functional.cross_entropy(torch.ones(6, WIDTH) @ turned(weight), TARGETS).backward()

    found = output_of(step)
    assert found is not None
    assert (found.classes, found.width, found.embedding, found.tied) == (WORDS, WIDTH, None, None)
    assert found.weights == WIDTH * WORDS


def test_without_classes_there_is_none() -> None:
    model = Model()
    assert output_of(lambda: functional.mse_loss(model(GIVEN), torch.ones(6, WORDS)).backward()) is None


def test_a_loss_in_an_evaluation_does_not_count() -> None:
    model = Model()

    def step() -> None:
        with torch.no_grad():
            functional.cross_entropy(model(GIVEN), TARGETS)
        functional.cross_entropy(model(GIVEN), TARGETS).backward()

    found = output_of(step)
    assert found is not None
    assert found.rows == 6


def test_an_adaptive_softmax_is_none() -> None:
    model, adaptive = Model(), nn.AdaptiveLogSoftmaxWithLoss(WIDTH, WORDS, [10, 20], 2.0)

    def step() -> None:
        adaptive(model.inner(model.embedding(TARGETS)), TARGETS).loss.backward()

    assert output_of(step) is None


def test_under_autocast_the_weight_is_the_same() -> None:
    model = Model(tied=True)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            loss = functional.cross_entropy(model(GIVEN), TARGETS)
        loss.backward()

    found = output_of(step)
    assert found is not None
    assert (found.classes, found.width, found.tied) == (WORDS, WIDTH, True)
