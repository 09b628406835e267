"""Sweeps made by hand: plans, and runs whose steps all take a given time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rnnprof.analysis.sweep_times import Outcome
from rnnprof.model import Run
from rnnprof.probes import Memory, Place, Probe
from rnnprof.sweepmodel import DONE, MEMORY, Ended, Factor, Plan, Trial
from tests.run_builder import lane_of, run_of, steps_of


def factor(name: str, *levels: str) -> Factor:
    """A factor with these levels, given as ``--name=level``."""
    return Factor(name, levels, tuple((f"--{name}={level}",) for level in levels))


MODEL, BPTT = factor("model", "LSTM", "GRU"), factor("bptt", "16", "32", "64")


def plan_of(factors: Sequence[Factor] = (MODEL, BPTT), repeat: int = 1, **changed: Any) -> Plan:
    """A plan of all combinations, each round in the order of the grid."""
    number = math.prod(len(one.levels) for one in factors)
    plan = Plan(
        created="2025-03-01T12:00:00+00:00",
        folder="/work",
        target=("main.py",),
        fixed=("--epochs", "2"),
        shown=("main.py", "--epochs", "2"),
        factors=tuple(factors),
        steps=None,
        warmup=5,
        repeat=repeat,
        seed=1,
        order=(tuple(range(number)),) * repeat,
    )
    return replace(plan, **changed)


def run_at(ns: int, wobble: int = 0, steps: int = 40, tokens: int = 0, **changed: Any) -> Run:
    """A run of so many steps; every other one takes ``wobble`` more, the others as much less."""
    spans = [ns + (wobble if i % 2 else -wobble) for i in range(steps)]
    measured = steps_of([{(): [span]} for span in spans], tokens=tokens)
    kinds = {"warmup": steps_of([{(): [ns]}] * 5), "host": measured}
    environment = {"cpu": "A processor", "torch": "2.5.1", "peak_resident_bytes": 300 << 20}
    return run_of([lane_of("train", kinds)], **{"environment": environment, **changed})


def probe(place: str = "cuda:0") -> Probe:
    """A probe that found 40 MiB above 100 MiB at the step's peak."""
    rows = (
        Memory((), place, 0, 0, 40 << 20, 0),
        Memory(("forward",), place, 0, 0, 50 << 20, 0),
        Memory((), "resident", 0, 5, None, None),
    )
    return Probe(
        4, "cuda", 1, memory=rows, places=(Place(place, 100 << 20, 1, None), Place("resident", 9, None, None))
    )


def outcome(combination: int, run: Run, number: int = 0, **metrics: tuple[float, ...]) -> Outcome:
    """A run that is done; its metrics are named with ``_`` for a space."""
    said = {name.replace("_", " "): values for name, values in metrics.items()}
    return Outcome(Trial(number, combination), Ended(DONE, 0, 12.0, "", 200 << 20), run, said)


def failure(combination: int, status: str = MEMORY, words: str = "no memory", number: int = 0) -> Outcome:
    """A run that is not done."""
    return Outcome(Trial(number, combination), Ended(status, 1, 3.0, words, 100 << 20))
