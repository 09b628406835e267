"""A program in a file, of which one step is looked at."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rnnprof.anatomy import Anatomy
from rnnprof.traces.probe.looks import Looks


class Program:
    """A program whose function ``step`` is one step; `names` are its variables.

    Args:
        folder: where its file goes.
        text: the program. A comment ``# word`` at the end of a line is what `marked` finds it by.
    """

    def __init__(self, folder: Path, text: str) -> None:
        self.file = folder / "program.py"
        self.file.write_text(text)
        self.stage: tuple[str, ...] = ()
        self.names: dict[str, Any] = {"torch": torch, "nn": nn, "F": nn.functional, "__name__": "program"}
        self.names["stage"] = self._stage
        torch.manual_seed(0)
        exec(compile(text, str(self.file), "exec"), self.names)

    def _stage(self, *path: str) -> None:
        self.stage = path

    def marked(self, word: str) -> int:
        """The number of the line with that word at its end."""
        lines = self.file.read_text().splitlines()
        (number,) = (at for at, line in enumerate(lines, 1) if re.search(rf"# {word}$", line))
        return number

    def look(self, *make: Callable[[], Any], device: str = "cpu", steps: int = 2) -> Anatomy:
        """Run some steps, and look at one more."""
        for _ in range(steps):
            self.names["step"]()
        looks = Looks(make)
        looks.start(torch, device, lambda: self.stage, None)
        try:
            self.names["step"]()
        finally:
            looks.stop()
        return looks.anatomy()


MODEL = """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.rnn, self.decoder = nn.Embedding(10, 4), nn.LSTM(4, 4), nn.Linear(4, 10)
    def forward(self, x):
        return self.decoder(self.rnn(self.encoder(x))[0])
model = Model()
x, y = torch.randint(10, (5, 3)), torch.randint(10, (15,))
def loss():
    return F.cross_entropy(model(x).view(-1, 10), y)
"""
"""A small language model: 7 parameters with 10 * 4 + 2 * 4 * 4 * 4 + 2 * 16 + 4 * 10 + 10 = 250 numbers."""
TENSORS, ELEMENTS = 7, 250
