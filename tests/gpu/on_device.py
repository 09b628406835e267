"""What the tests on a real accelerator share. Every check is a ratio or an equality, no wall-clock limit."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

DEVICE = "cuda"
MIB = 2**20
MARKS = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]


def codes(run: Any) -> set[str]:
    """The codes of a run's notes."""
    return {note["code"] for note in run.notes}


def counts(run: Any) -> dict[str, int]:
    """The number of training steps of each kind."""
    return {kind: steps.series.count for kind, steps in run.lane("train").steps.items()}


def shares(run: Any, kind: str) -> dict[str, float]:
    """The share of each outermost stage in the training steps of one kind."""
    steps = run.lane("train").steps[kind]
    return {stage.name: stage.series.total_ns / steps.series.total_ns for stage in steps.stages}


class Products:
    """Products of two large matrices, each of which takes the device as long as the next.

    Args:
        device: where they are computed.
        size: rows and columns of the matrices.
    """

    def __init__(self, device: str = DEVICE, size: int = 2048) -> None:
        self.matrix = torch.randn(size, size, device=device)
        self.result = torch.empty_like(self.matrix)
        # The first one makes what every other one needs.
        self(1)

    def __call__(self, number: int) -> None:
        for _ in range(number):
            torch.mm(self.matrix, self.matrix, out=self.result)
