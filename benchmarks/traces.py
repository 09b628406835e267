"""What tracing costs the steps that are not traced, and how far traces and stage marks agree.

    python benchmarks/traces.py [--rounds 100] [--processes 20]

The same small LSTM is trained under a profile, again and again in one process, with its first steps
traced or not, in turn and in random order within a round; then likewise in fresh processes, since a
profiler of torch's might leave something behind in its own. Compared are the steps that were not
traced. Each round has two trainings without traces: their ratio shows what the machine itself does.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import machine, ratio

import rnnprof
from rnnprof.model import walk

ROUNDS = ("plain", "control", "trace", "trace without stages")
FIRST = 20
"""Steps of a training that are not compared: the traced ones are among them."""


def model_and_words() -> Any:
    """What is trained: torch, an LSTM, and its input."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    return torch, torch.nn.LSTM(32, 64), torch.randn(12, 8, 32)


def train(kind: str, steps: int, folder: Path, made: Any) -> float:
    """Train in this process; the untraced step that an eighth of them undercuts, in nanoseconds.

    What interrupts a step on a shared machine only makes it longer: the quick steps tell more.
    """
    torch, model, words = made
    trace = {"trace": rnnprof.Tracing(), "trace without stages": rnnprof.Tracing(stages=False)}.get(kind)
    spans = []
    with rnnprof.profile(folder / "run.json", trace=trace) as prof:
        for _ in range(steps):
            start = time.perf_counter_ns()
            step(prof, torch, model, words)
            spans.append(time.perf_counter_ns() - start)
    return statistics.quantiles(spans[FIRST:], n=8)[0]


def step(prof: Any, torch: Any, model: Any, words: Any) -> None:
    """One step of five stages."""
    with prof.step():
        with prof.stage("zero_grad"):
            model.zero_grad()
        with prof.stage("forward"):
            output, _ = model(words)
        with prof.stage("loss"):
            loss = output.pow(2).mean()
        with prof.stage("backward"):
            loss.backward()
        with prof.stage("update"), torch.no_grad():
            for p in model.parameters():
                p.add_(p.grad, alpha=-0.1)


def in_a_process(kind: str, steps: int, folder: Path) -> str:
    """What a process prints that trains."""
    command = [sys.executable, __file__, "--steps", str(steps), "--kind", kind, "--folder", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def compare(rounds: int, one: Callable[[str], float]) -> None:
    """Print the untraced steps of each kind over those of `plain`, round by round."""
    found: dict[str, list[float]] = {kind: [] for kind in ROUNDS}
    dice = random.Random(0)
    for _ in range(rounds):
        order = list(ROUNDS)
        dice.shuffle(order)
        for kind in order:
            found[kind].append(one(kind))
    for kind in ROUNDS[1:] if rounds else ():
        middle, low, high = ratio(found[kind], found["plain"])
        print(f"{kind:24} {middle:.4f} ({low:.4f} to {high:.4f})", flush=True)


def agreement(folder: Path) -> None:
    """Each stage's time in the trace over that of the stage marks, in the same steps."""
    in_a_process("trace", 200, folder)
    run = rnnprof.load(folder / "run.json")
    (trace,) = run.traces
    train = run.lane("train")
    assert train is not None
    marked = {path: stage.series.total_ns for path, stage in walk(train.steps["trace"].stages)}
    marked[()] = train.steps["trace"].series.total_ns
    for stage in trace.stages:
        over = stage.total_ns / marked[stage.path]
        name = "/".join(stage.path) or "step"
        print(f"{name:24} {marked[stage.path] / stage.calls / 1e3:9.1f} µs  {over:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100, help="in one process")
    parser.add_argument("--processes", type=int, default=20, help="of each kind")
    parser.add_argument("--steps", type=int, default=1500, help="in each process")
    parser.add_argument("--kind", choices=ROUNDS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.kind:
        print(train(args.kind, args.steps, args.folder, model_and_words()))
        return
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print("\nstage, its mean span, and the trace's time over that of the marks:")
        agreement(folder)
        made = model_and_words()
        train("trace", 100, folder, made)
        print(
            f"\nfirst eighth of the untraced steps over that of `plain`, {args.rounds} rounds in one process:"
        )
        compare(args.rounds, lambda kind: train(kind, 200, folder, made))
        print(f"\nthe same, {args.processes} fresh processes of each kind:")
        compare(args.processes, lambda kind: float(in_a_process(kind, args.steps, folder)))


if __name__ == "__main__":
    main()
