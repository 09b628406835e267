"""What tracing costs the steps that are not traced, and how far traces and stage marks agree.

    python benchmarks/traces.py [--processes 20] [--steps 1500]

Each process trains the same small LSTM under a profile, with its first steps traced or not, in turn;
their order within a pair is random. Compared are the steps that were not traced. Two processes
without traces in each round are the control: their ratio shows what the machine itself does.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measure import machine, median_with_interval

import rnnprof
from rnnprof.model import walk

ROUNDS = ("plain", "control", "trace", "trace without stages")
FIRST = 100
"""Steps of a process that are not compared: the traced ones are among them."""


def train(kind: str, steps: int, folder: Path) -> None:
    """Train in this process, and print the median untraced step in nanoseconds."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = torch.nn.LSTM(32, 64)
    words = torch.randn(12, 8, 32)
    trace = {"trace": rnnprof.Tracing(), "trace without stages": rnnprof.Tracing(stages=False)}.get(kind)
    spans = []
    with rnnprof.profile(folder / "run.json", trace=trace) as prof:
        for _ in range(steps):
            start = time.perf_counter_ns()
            step(prof, torch, model, words)
            spans.append(time.perf_counter_ns() - start)
    print(statistics.median(spans[FIRST:]))


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


def in_turn(processes: int, steps: int, folder: Path) -> dict[str, list[float]]:
    """The median untraced step of every process, by its kind."""
    found: dict[str, list[float]] = {kind: [] for kind in ROUNDS}
    dice = random.Random(0)
    for _ in range(processes):
        order = list(ROUNDS)
        dice.shuffle(order)
        for kind in order:
            command = [
                sys.executable,
                __file__,
                "--steps",
                str(steps),
                "--kind",
                kind,
                "--folder",
                str(folder),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[kind].append(float(done.stdout))
    return found


def agreement(folder: Path) -> None:
    """Each stage's time in the trace over that of the stage marks, in the same steps."""
    in_a_process("trace", 200, folder)
    run = rnnprof.load(folder / "run.json")
    (trace,) = run.traces
    train = run.lane("train")
    assert train is not None
    marked = {path: stage.series.total_ns for path, stage in walk(train.steps["trace"].stages)}
    for stage in trace.stages:
        if stage.path:
            ratio = stage.total_ns / marked[stage.path]
            print(f"{'/'.join(stage.path):24} {marked[stage.path] / stage.calls / 1e3:9.1f} µs  {ratio:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=20, help="of each kind")
    parser.add_argument("--steps", type=int, default=1500, help="in each process")
    parser.add_argument("--kind", choices=ROUNDS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.kind:
        train(args.kind, args.steps, args.folder)
        return
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print("\nstage, its mean span, and the trace's time over that of the marks:")
        agreement(folder)
        found = in_turn(args.processes, args.steps, folder)
    print(f"\nmedian untraced step, {args.processes} processes of each kind, over that of `plain`:")
    for kind in ROUNDS[1:]:
        pairs = [a / b for a, b in zip(found[kind], found["plain"], strict=True)]
        middle, low, high = median_with_interval(pairs)
        print(f"{kind:24} {middle:.4f} ({low:.4f} to {high:.4f})")


if __name__ == "__main__":
    main()
