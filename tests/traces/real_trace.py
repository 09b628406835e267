"""A trace that torch.profiler itself wrote, of a tiny LSTM with labelled stages."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

PATHS = [("forward",), ("forward", "rnn"), ("forward", "decoder"), ("loss",), ("backward",), ("update",)]


def record(torch: Any, file: Path, steps: int = 2, shapes: bool = False, everything: bool = False) -> Path:
    """Trace a few steps with torch's cheap labels.

    Args:
        torch: the module.
        file: where the trace goes.
        steps: number of steps, from 0.
        shapes: whether shapes are recorded.
        everything: whether stacks, modules and memory are recorded too.

    Returns:
        The file.
    """
    label = torch._C._profiler._RecordFunctionFast
    rnn, decoder = torch.nn.LSTM(8, 8), torch.nn.Linear(8, 4)
    optimizer = torch.optim.SGD([*rnn.parameters(), *decoder.parameters()], lr=0.1)

    def step(number: int) -> None:
        with label(f"ProfilerStep#{number}"):
            batch = torch.randn(5, 2, 8)
            with label("forward"):
                with label("rnn"):
                    output, _ = rnn(batch)
                with label("decoder"):
                    scores = decoder(output)
            with label("loss"):
                loss = scores.pow(2).mean()
            with label("backward"):
                loss.backward()
            with label("update"):
                optimizer.step()
                optimizer.zero_grad()

    step(99)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.profiler.profile(
            activities=[torch.profiler.ProfilerActivity.CPU],
            record_shapes=shapes,
            profile_memory=everything,
            with_stack=everything,
            with_modules=everything,
        ) as profiler:
            for number in range(steps):
                step(number)
        profiler.export_chrome_trace(str(file))
    return file
