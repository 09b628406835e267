"""Runs with realistic noise, simulated: steps that resemble each other, stall, and drift."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rnnprof.model import Run, Stage, Steps, Timeline
from tests.run_builder import lane_of, run_of, series

Noise = Callable[[random.Random, int], list[float]]
"""Relative durations of some steps."""

STEP_NS = 25_000_000
FINENESS = 64
LASTING = ("shifted", "wandering")
"""Noises that make whole runs differ: no interval from within a run can hold there."""


def white(dice: random.Random, steps: int, spread: float = 0.03) -> list[float]:
    """Independent steps."""
    return [1 + dice.gauss(0, spread) for _ in range(steps)]


def alike(dice: random.Random, steps: int, rho: float = 0.9, spread: float = 0.03) -> list[float]:
    """First-order autoregressive steps."""
    fresh, at, found = math.sqrt(1 - rho * rho), dice.gauss(0, 1), []
    for _ in range(steps):
        at = rho * at + fresh * dice.gauss(0, 1)
        found.append(1 + spread * at)
    return found


def heavy(dice: random.Random, steps: int, spread: float = 0.15) -> list[float]:
    """Lognormal steps with a long tail, of mean 1."""
    return [dice.lognormvariate(-spread * spread / 2, spread) for _ in range(steps)]


def _stalls(dice: random.Random, steps: int, often: float = 0.005) -> list[float]:
    return [dice.uniform(3, 10) if dice.random() < often else 1.0 for _ in range(steps)]


def _trend(dice: random.Random, steps: int, most: float = 0.02) -> list[float]:
    slope = dice.uniform(-most, most)
    return [1 + slope * i / steps for i in range(steps)]


def _wave(dice: random.Random, steps: int, most: float = 0.015) -> list[float]:
    phase = dice.uniform(0, 2 * math.pi)
    return [1 + most * math.sin(phase + 4 * math.pi * i / steps) for i in range(steps)]


def _episodes(dice: random.Random, steps: int, most: float = 0.025) -> list[float]:
    found: list[float] = []
    while len(found) < steps:
        level = dice.choice((1.0, 1.0, 1 + most))
        found += [level] * (int(dice.expovariate(12 / steps)) + 1)
    return found[:steps]


def _walk(dice: random.Random, steps: int, most: float = 0.02) -> list[float]:
    at, found = 1.0, []
    for _ in range(steps):
        at += dice.gauss(0, most / math.sqrt(steps))
        found.append(at)
    return found


def _together(*parts: list[float]) -> list[float]:
    return [math.prod(each) for each in zip(*parts, strict=True)]


def stalling(dice: random.Random, steps: int) -> list[float]:
    """One in 200 steps takes three to ten times as long."""
    return _together(alike(dice, steps), _stalls(dice, steps))


def drifting(dice: random.Random, steps: int) -> list[float]:
    """Each run grows slower or faster, steadily, by up to 2 % from its start to its end."""
    return _together(alike(dice, steps), _trend(dice, steps))


def waving(dice: random.Random, steps: int) -> list[float]:
    """A slow wave of 1.5 % up and down, of any phase, two periods in the run."""
    return _together(alike(dice, steps), _wave(dice, steps))


def disturbed(dice: random.Random, steps: int) -> list[float]:
    """A neighbour comes and goes: about four episodes in which steps take 2.5 % longer."""
    return _together(alike(dice, steps), _episodes(dice, steps))


def shifted(dice: random.Random, steps: int) -> list[float]:
    """At some moment, once and for good, steps take up to 3 % longer or less long."""
    moment, level = dice.randrange(steps), 1 + dice.uniform(-0.03, 0.03)
    return [part * (level if i >= moment else 1) for i, part in enumerate(alike(dice, steps))]


def wandering(dice: random.Random, steps: int) -> list[float]:
    """A random walk that gets 2 % away by the end of the run: no run of its own tells its mean."""
    return _together(white(dice, steps), _walk(dice, steps))


def everything(dice: random.Random, steps: int) -> list[float]:
    """All of it at once: autocorrelated, with a long tail, stalling, drifting, disturbed."""
    return _together(
        alike(dice, steps), heavy(dice, steps, 0.05), _stalls(dice, steps, 0.003),
        _trend(dice, steps, 0.01), _episodes(dice, steps, 0.015),
    )  # fmt: skip


NOISES: Mapping[str, Noise] = {
    "independent": white,
    "autocorrelated": alike,
    "heavy-tailed": heavy,
    "stalling": stalling,
    "drifting": drifting,
    "waving": waving,
    "disturbed": disturbed,
    "shifted": shifted,
    "wandering": wandering,
    "everything": everything,
}


def borders(steps: int) -> list[int]:
    """Where the buckets of a run's timeline end, as `recorder.timeline` closes them."""
    found, full = [], 1
    while full < steps:
        found.append(full)
        full += max(1, full // FINENESS)
    return [*found, steps]


def bucketed(spans: Sequence[int]) -> Timeline:
    """The timeline of steps or of a stage with one visit a step."""
    ends = borders(len(spans))
    parts = [spans[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    return Timeline(tuple(map(len, parts)), tuple(map(sum, parts)))


def steps_with(stages: Mapping[str, Sequence[int]], rest: Sequence[int], tokens: int = 0) -> Steps:
    """Steps of these stages, each visited once in every step, and the rest of each step."""
    whole = [sum(parts) for parts in zip(rest, *stages.values(), strict=True)]
    total = series(whole)
    return Steps(
        series=total,
        wall=total,
        timeline=bucketed(whole),
        tokens=tokens * len(whole),
        token_ns=total.total_ns if tokens else 0,
        stages=tuple(Stage(name, series(spans), bucketed(spans)) for name, spans in stages.items()),
    )


def run_with(steps: Steps, **changed: Any) -> Run:
    """A run on a CPU with these measured steps in training."""
    environment = {"device": "cpu", "torch": "2.13.0", "python": "3.11.7", "threads": 2}
    return run_of([lane_of("train", {"host": steps})], **{"environment": environment, **changed})


PARTS = {"get_batch": 0.02, "forward": 0.3, "loss": 0.03, "backward": 0.5, "clip": 0.05, "update": 0.08}


def noisy_run(
    dice: random.Random, noise: Noise, steps: int = 2000, slower: Mapping[str, float] | float = 1.0
) -> Run:
    """A run whose steps have that noise, shared by its stages, and each stage some of its own.

    Args:
        slower: the factor of each stage that takes longer; a number is that of all.
    """
    pace = noise(dice, steps)
    factors = slower if isinstance(slower, Mapping) else dict.fromkeys((*PARTS, "other"), slower)

    def spans(part: float, name: str) -> list[int]:
        size = STEP_NS * part * factors.get(name, 1.0)
        return [round(size * each * dice.lognormvariate(-0.00125, 0.05)) for each in pace]

    stages = {name: spans(part, name) for name, part in PARTS.items()}
    return run_with(steps_with(stages, spans(1 - sum(PARTS.values()), "other")))


def bare_run(dice: random.Random, noise: Noise, steps: int = 2000, slower: float = 1.0) -> Run:
    """The same with steps alone, which is faster."""
    return run_with(steps_with({}, [round(STEP_NS * slower * each) for each in noise(dice, steps)]))
