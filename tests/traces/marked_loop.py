"""A small training loop with its stages marked, the same at each call."""

from __future__ import annotations

from typing import Any

import torch

import rnnprof


def loop(prof: Any, steps: int, size: int = 24) -> torch.Tensor:
    """Train for so many steps, and return the weights."""
    torch.manual_seed(1)
    weights = torch.randn(size, size, requires_grad=True)
    for _ in range(steps):
        with prof.step(tokens=10):
            with prof.stage("forward"):
                with rnnprof.stage("rnn"):
                    hidden = torch.tanh(weights @ weights)
                loss = (hidden @ weights).sum()
            with prof.stage("backward"):
                loss.backward()
            with prof.stage("update"), torch.no_grad():
                weights -= 0.01 * weights.grad
                weights.grad = None
    return weights.detach()
