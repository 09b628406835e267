"""Runs made for the tests of the advice: a training loop as its stages, with what was seen of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rnnprof.analysis.advice.advised import Finding
from rnnprof.analysis.advice.case import Abstain, Case, Check
from rnnprof.analysis.breakdown import breakdown
from rnnprof.anatomy import Anatomy
from rnnprof.model import Run
from rnnprof.network import Line
from rnnprof.probes import Probe, ProbedStage
from rnnprof.vitals import Vitals
from tests.run_builder import Path, lane_of, run_of, steps_of

Spans = float | Sequence[float]
"""Milliseconds: one number for all steps, or one for each."""

MS = 1_000_000
STAGES: Mapping[str | Path, Spans] = {
    "get_batch": 0.5,
    "forward": 8.0,
    "loss": 1.0,
    "backward": 15.0,
    "clip": 0.5,
    "update": 1.0,
}
"""A step of a small LSTM."""
MAIN = "/home/user/word_language_model/main.py"
MOST_BUCKETS = 500


def line(number: int, source: str = "", function: str = "train", file: str = MAIN) -> Line:
    """A line of the program."""
    return Line(file, number, function, source)


def a_run(
    stages: Mapping[str | Path, Spans] = STAGES,
    steps: int = 200,
    anatomy: Anatomy | None = None,
    vitals: Vitals | None = None,
    device: str = "cpu",
    tokens: int = 0,
    environment: Mapping[str, Any] | None = None,
    kind: str = "host",
    rest: Spans = 0.1,
    probe: Mapping[str, Any] | None = None,
    **changed: Any,
) -> Run:
    """A run of a training loop.

    Args:
        stages: the time of each stage in a step, its child stages included. A stage within another is
            keyed by its path, and both are given.
        steps: number of measured steps; 0 for none. Where a stage has a number for each, as many as it has.
        anatomy: what the probe saw of the step. Without it and ``probe`` no step was probed.
        vitals: the process around the steps.
        device: type of device, in the probe and in the environment.
        tokens: tokens in each step.
        environment: what else it holds.
        kind: of the measured steps.
        rest: time of each step in no stage.
        probe: fields of the `Probe`, such as ``waits``, ``work`` and ``places``.
        changed: fields of the `Run`.
    """
    given = {(key,) if isinstance(key, str) else key: each for key, each in stages.items()} | {(): rest}
    number = min((len(each) for each in given.values() if isinstance(each, Sequence)), default=steps)

    def step(at: int) -> dict[Path, list[int]]:
        own = {
            path: round(MS * (each[at] if isinstance(each, Sequence) else each))
            for path, each in given.items()
        }
        whole = sum(ns for path, ns in own.items() if len(path) <= 1)
        return {path: [ns] for path, ns in own.items() if path} | {(): [whole]}

    measured = [step(at) for at in range(number)]
    seen = None
    if anatomy is not None or probe is not None:
        one = measured[0] if measured else {(): [0]}
        fields = {
            "step": 3,
            "device": device,
            "total_ns": one[()][0],
            "stages": tuple(ProbedStage(path, 1, one[path][0]) for path in sorted(one)),
            "anatomy": anatomy,
        }
        seen = Probe(**(fields | dict(probe or {})))
    facts = {"device": device, "torch": "2.13.0", "python": "3.11.7", "threads": 2, **(environment or {})}
    per_bucket = -(-number // MOST_BUCKETS)
    kinds = {kind: steps_of(measured, tokens=tokens, per_bucket=per_bucket)} if measured else {}
    return run_of(
        [lane_of("train", kinds)], **{"environment": facts, "probe": seen, "vitals": vitals, **changed}
    )


def found(check: Check, run: Run) -> tuple[Finding, ...]:
    """What one check finds in a run.

    Raises:
        Abstain: as the check does.
    """
    return tuple(check(Case(run, breakdown(run))))


def abstains(check: Check, run: Run) -> str:
    """Why a check says nothing; empty where it has its signal."""
    try:
        found(check, run)
    except Abstain as reason:
        return str(reason)
    return ""
