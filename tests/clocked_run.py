"""Runs on an accelerator, made by hand: each stage's time under every clock is known."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from rnnprof.analysis.breakdown import breakdown
from rnnprof.analysis.clocked import ClockReport
from rnnprof.captures import Path, Trace, TracedStage
from rnnprof.model import Run, Steps
from tests.run_builder import lane_of, run_of, steps_of

Own = Mapping[Path, int]
"""Self time of each stage in one step, parents first; the empty path is the rest of the step."""

HOST: Own = {
    ("get_batch",): 41_000, ("repackage",): 9_000, ("zero_grad",): 85_000, ("forward",): 90_000,
    ("forward", "encoder"): 60_000, ("forward", "rnn"): 700_000, ("forward", "decoder"): 80_000,
    ("loss",): 70_000, ("backward",): 1_030_000, ("clip",): 23_000_000, ("update",): 160_000, (): 27_000,
}  # fmt: skip
SYNC: Own = {
    ("get_batch",): 45_000, ("repackage",): 12_000, ("zero_grad",): 140_000, ("forward",): 95_000,
    ("forward", "encoder"): 240_000, ("forward", "rnn"): 7_400_000, ("forward", "decoder"): 2_150_000,
    ("loss",): 560_000, ("backward",): 14_100_000, ("clip",): 690_000, ("update",): 1_530_000, (): 30_000,
}  # fmt: skip
EVENT: Own = {
    ("get_batch",): 9_000, ("repackage",): 2_000, ("zero_grad",): 60_000, ("forward",): 4_000,
    ("forward", "encoder"): 205_000, ("forward", "rnn"): 6_900_000, ("forward", "decoder"): 2_100_000,
    ("loss",): 520_000, ("backward",): 13_400_000, ("clip",): 620_000, ("update",): 1_450_000, (): 5_000,
}  # fmt: skip


def steps_at(
    own: Own, count: int, seed: int = 0, noise: float = 0.02, wall: Sequence[int] | None = None
) -> Steps:
    """Steps in which every stage takes so long, give or take some noise."""
    dice = random.Random(seed)
    steps = []
    for _ in range(count):
        one = {path: round(ns * dice.lognormvariate(0, noise)) for path, ns in own.items()}
        steps.append(
            {
                path: [sum(ns for other, ns in one.items() if other[: len(path)] == path)]
                for path in (*own, ())
            }
        )
    return steps_of(steps, wall)


def trace_at(own: Own, busy: float, first: int = 20, steps: int = 3) -> Trace:
    """A window of steps in which the device works for that part of each stage's time."""
    stages = []
    for path in ((), *(path for path in own if path)):
        total = sum(ns for other, ns in own.items() if other[: len(path)] == path)
        works = round(own.get(path, 0) * busy)
        gap = own.get(path, 0) - works
        stages.append(
            TracedStage(
                path, steps, total * steps, launches=7 * steps, busy_ns=works * steps, gap_ns=gap * steps
            )
        )
    name = f"run.trace/steps-{first}-{first + steps - 1}.trace.json.gz"
    return Trace(first, steps, stages[0].total_ns, name, 1_234_567, device=True, stages=tuple(stages))


def clocked_run(kinds: Mapping[str, Steps], **changed: Any) -> Run:
    """A run on an accelerator whose training has these steps."""
    environment = {
        "command": ["main.py", "--cuda", "--epochs", "1"],
        "device": "Tesla K80",
        "torch": "2.11.0",
    }
    return run_of([lane_of("train", kinds)], **{"environment": environment, **changed})


def clocked_language_model(**changed: Any) -> Run:
    """The word language model on a K80, whose clipping waits for all that was queued before."""
    event = steps_at(EVENT, 160, seed=3)
    wall = [sum(HOST.values())] * 160
    kinds = {
        "warmup": steps_at(EVENT, 5, seed=9),
        "event": steps_at(EVENT, 160, seed=3, wall=wall),
        "host": steps_at(HOST, 12, seed=1),
        "sync": steps_at(SYNC, 12, seed=2),
        "control": steps_of([{(): [event.series.total_ns // 160]}] * 12),
    }
    return clocked_run(kinds, **{"traces": (trace_at(EVENT, 0.95),), **changed})


A, B, C = ("a",), ("b",), ("c",)


def report(run: Run) -> ClockReport:
    """What the clocks of a run say."""
    found = breakdown(run).clocks
    assert found is not None
    return found


def three(host: Own, sync: Own, event: Own, **changed: Any) -> ClockReport:
    """What is said of steps with these self times and no noise.

    Args:
        host, sync, event: the self times under each clock.
        changed: ``kinds``, if not all of them; ``wall``, the host's time of each of 96 steps that are
            timed by events; and what else the run has.
    """
    kinds = {
        "host": steps_at(host, 12, noise=0),
        "sync": steps_at(sync, 12, noise=0),
        "event": steps_at(event, 96, noise=0, wall=changed.pop("wall", [sum(host.values())] * 96)),
    }
    return report(clocked_run({kind: kinds[kind] for kind in changed.pop("kinds", kinds)}, **changed))


def verdicts(found: ClockReport) -> dict[str, str]:
    """The stages of which something can be told."""
    return {row.name: row.verdict for row in found.stages if row.verdict}
