"""A training loop that marks nothing, in which everything takes its time; see `Loop`."""

from __future__ import annotations

from typing import Any

import pytest

from rnnprof.instrument.attach import attach
from rnnprof.testing import FakeClock

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402


class _Timed(torch.autograd.Function):
    """Doubles; takes 20 ms backward."""

    @staticmethod
    def forward(context: Any, x: Any, tick: Any) -> Any:
        context.tick = tick
        return x * 2

    @staticmethod
    def backward(context: Any, gradient: Any) -> Any:
        context.tick(20_000_000)
        return gradient * 2, None


class Part(nn.Module):
    """Takes 10 ns forward."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.tick = clock.advance
        self.weight = nn.Parameter(torch.ones(2))

    def forward(self, x: Any) -> Any:
        self.tick(10)
        return _Timed.apply(x * self.weight, self.tick)


class Model(nn.Module):
    """Takes 1 ns of its own."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.tick = clock.advance
        self.encoder = Part(clock)
        self.decoder = Part(clock)

    def forward(self, x: Any) -> Any:
        self.tick(1)
        return self.decoder(self.encoder(x))


class Loss(nn.Module):
    """Takes 5 ns."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.tick = clock.advance

    def forward(self, x: Any) -> Any:
        self.tick(5)
        return x.sum()


class Descent(torch.optim.Optimizer):
    """Takes 100 ns for an update, and 3 for `zero_grad`."""

    def __init__(self, parameters: Any, tick: Any) -> None:
        super().__init__(parameters, {"lr": 0.1})
        self.tick = tick

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        self.tick(100)
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter -= 0.1 * parameter.grad
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.tick(3)
        super().zero_grad(set_to_none)


class Loop:
    """A training loop that marks nothing."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.model = Model(clock)
        self.loss = Loss(clock)
        self.optimizer = Descent(self.model.parameters(), clock.advance)
        self.x = torch.ones(2)

    def attach(self, **options: Any) -> Any:
        return attach(self.model, optimizer=self.optimizer, criterion=self.loss, **options)

    def turn(self) -> None:
        self.clock.advance(40)
        self.optimizer.zero_grad()
        loss = self.loss(self.model(self.x))
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.clock.advance(2)

    def evaluate(self, turns: int = 1) -> None:
        self.model.eval()
        with torch.no_grad():
            for _ in range(turns):
                self.clock.advance(40)
                self.loss(self.model(self.x))
        self.model.train()


BACKWARD = 40_000_000
ONE = {
    "zero_grad": (1, 3),
    "forward": (1, 21),
    "forward/encoder": (1, 10),
    "forward/decoder": (1, 10),
    "loss": (1, 5),
    "backward": (1, BACKWARD),
    "backward/decoder": (1, BACKWARD // 2),
    "backward/encoder": (1, BACKWARD // 2),
    "clip": (1, 0),
    "update": (1, 100),
}
BUSY = 3 + 21 + 5 + BACKWARD + 100


def times(turns: int, tree: dict[str, tuple[int, int]] = ONE) -> dict[str, tuple[int, int]]:
    """The tree of so many steps."""
    return {path: (count * turns, ns * turns) for path, (count, ns) in tree.items()}
