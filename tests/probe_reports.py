"""What is said of probes in runs of which every step is alike, made by hand for tests."""

from __future__ import annotations

from typing import Any

from rnnprof.analysis.clocked import ClockReport, ClockRow, StepBound
from rnnprof.analysis.probed import ProbeReport, WorkRow
from rnnprof.analysis.probing import probe_report
from rnnprof.analysis.rows import divide
from rnnprof.captures import Trace, TracedStage
from rnnprof.probes import Path, Probe, ProbedStage, Work
from tests.run_builder import Step, lane_of, run_of, steps_of

MS = 1_000_000
PEAKS = {"peaks": {"flops": {"float32": 1e12, "bfloat16": 4e12}, "bytes": 1e11}}
STEP: Step = {(): [11 * MS], ("a",): [10 * MS], ("a", "b"): [4 * MS]}
"""A step in which ``a`` itself takes 6 ms, ``b`` in it 4 ms, and the rest 1 ms."""


def report(
    *works: Work, kind: str = "host", clocks: ClockReport | None = None, **changed: Any
) -> ProbeReport:
    """What is said of a probe with this work, where every step is alike."""
    stages = tuple(ProbedStage(path, 1, STEP[path][0]) for path in STEP)
    probe = Probe(3, "cpu" if kind == "host" else "cuda", 20 * MS, stages, work=works)
    lane = lane_of("train", {kind: steps_of([STEP] * 4)}) if kind else lane_of("train", unclaimed=5)
    run = run_of([lane], **({"environment": PEAKS, "probe": probe} | changed))
    found = probe_report(run, divide(lane) if kind else None, clocks)
    assert found is not None
    return found


def row_of(found: ProbeReport, *path: str) -> WorkRow:
    return next(row for row in found.work.rows if row.path == path)


def clocks_of(truth: str = "event", launch: Path | None = None, bound: str = "") -> ClockReport:
    """Clocks side by side, of which one stage or the step waits for the host."""
    rows = (ClockRow("a", launch, None, None, None, None, "launch", "host 6 ms, device 6 ms"),)
    return ClockReport(
        lane="train",
        columns=(),
        traced=None,
        stages=rows if launch else (),
        truth=truth,
        differs=None,
        sentence="",
        bound=StepBound(bound, None, False, "The step is launch-bound."),
        sync_cost=None,
    )


def traced(busy: dict[Path, int], gaps: dict[Path, int]) -> tuple[Trace, ...]:
    stages = tuple(
        TracedStage(path, 2, 9, busy_ns=2 * ns, gap_ns=2 * gaps[path]) for path, ns in busy.items()
    )
    return (Trace(5, 2, 9, "a", 1, True, stages=stages),)
