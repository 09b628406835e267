"""Trains all models of the example with and without rnnprof, and prints whether they end up the same.

Run as a program: the settings that make CUDA repeat itself have to be there before it starts.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

import rnnprof
from benchmarks.gpu_parts.card import Card
from benchmarks.gpu_parts.training import MODELS, Sizes, Training, run

STEPS = 60


def trained(model: str, card: Card, file: Path | None) -> list[Any]:
    """The summed loss and all parameters after some steps."""
    work = Training(Sizes(model=model, emsize=64, nhid=64, bptt=16, batch=8, vocabulary=500), card)
    if file is None:
        run(work, STEPS)
    else:
        trace = rnnprof.Tracing(stages=False)
        with rnnprof.profile(file, probe=True, trace=trace, device=card.stand_in) as prof:
            run(work, STEPS, prof)
    return [work.losses.cpu(), *(parameter.detach().cpu() for parameter in work.parameters)]


def same(one: list[Any], other: list[Any]) -> bool:
    """Whether all numbers are equal, to the bit."""
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def main() -> None:
    """Print for each model whether two plain trainings are the same, and whether a profiled one is."""
    kind, folder = sys.argv[1], Path(sys.argv[2])
    torch.use_deterministic_algorithms(True, warn_only=True)
    if kind == "cuda":
        torch.backends.cudnn.benchmark = False
        torch.backends.cuda.enable_flash_sdp(False)
        torch.backends.cuda.enable_mem_efficient_sdp(False)
        if hasattr(torch.backends.cuda, "enable_cudnn_sdp"):
            torch.backends.cuda.enable_cudnn_sdp(False)
    card, found = Card(kind), {}
    for model in MODELS:
        plain = trained(model, card, None)
        again, profiled = trained(model, card, None), trained(model, card, folder / f"{model}.json")
        finite = bool(torch.isfinite(plain[0]))
        found[model] = {"repeats": same(plain, again), "same": same(plain, profiled), "finite": finite}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
