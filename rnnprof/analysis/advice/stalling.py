"""Few steps that take much longer than the others, and the pauses of Python's garbage collection.

What stalls cost is what the long steps (`long_steps`) take above the median. A stage carries them if its
own long spans, by what they exceed its usual time, make up most of that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rnnprof import histogram, units
from rnnprof.analysis.advice import collecting
from rnnprof.analysis.advice.advised import Finding
from rnnprof.analysis.advice.around import signals
from rnnprof.analysis.advice.case import LEAST, Abstain, Case
from rnnprof.analysis.advice.collecting import Collecting
from rnnprof.analysis.advice.long_steps import LONG, LongSteps, above, long_steps
from rnnprof.model import Lane, Run, Steps, walk
from rnnprof.stages import MEASURED

FEWEST_STEPS = 100
FEWEST = 3
"""Steps, and stalls among them, from which they are no accident."""
EXPLAINS = 0.5
"""The part of the stalls' time from which one cause is named for them."""
LATER = {
    "log": "Report less often, or let another thread write.",
    "checkpoint": "Save less often, or copy the parameters and let another thread write them.",
    "get_batch": "Let a `DataLoader` with a worker or two fetch batches ahead, or read the data before it.",
    "sample": "Do it less often, or outside the training loop.",
}
"""What to try where one of the well-known stages carries the stalls."""


def stalls(case: Case) -> Iterable[Finding]:
    """Find stalls, and garbage collection that takes a part of all steps worth saving."""
    lane, shown = _shown(case)
    collected = collecting.collecting(case.run.vitals, lane)
    found = long_steps(shown.series)
    findings = []
    blamed = False
    if found is not None and found.count >= FEWEST and found.share >= LEAST:
        # The pauses are those of all steps after the warmup, the stalls those of the shown ones: what can
        # be compared is the part of their time.
        pauses = collected.share_of_long(found.limit_ns - found.median_ns) if collected else 0.0
        blamed = pauses >= EXPLAINS * found.share
        cause = _collections(collected) if collected and blamed else _elsewhere(case.run, shown, found)
        findings.append(_finding(shown, found, cause, collected is not None and not blamed))
    if collected is not None and not blamed and collected.share >= LEAST:
        findings.append(collecting.without_stalls(collected))
    return findings


def _shown(case: Case) -> tuple[Lane, Steps]:
    step = case.result.step
    lane = case.run.lane(step.lane) if step else None
    if step is None or lane is None or step.kind not in MEASURED or not step.mean_ns:
        raise Abstain("No training step was measured.")
    if step.count < FEWEST_STEPS:
        raise Abstain(f"Fewer than {FEWEST_STEPS} measured steps cannot tell a stall from an accident.")
    return lane, lane.steps[step.kind]


@dataclass(frozen=True)
class _Cause:
    """Why steps stall, as far as that was seen.

    Args:
        title: what the title adds; empty where the cause is not known.
        said: sentences.
        change, check: as in a `Finding`.
        stage: the stage that carries the stalls.
    """

    title: str
    said: tuple[str, ...]
    change: str
    check: str = "The longest steps come near the median: the report has both, and the 95th percentile."
    stage: tuple[str, ...] = ()


def _collections(collected: Collecting) -> _Cause:
    title = ": Python's garbage collection"
    return _Cause(title, (collected.said,), collecting.FREEZE, collecting.CHECK)


def _elsewhere(run: Run, shown: Steps, found: LongSteps) -> _Cause:
    """The stage that carries the stalls, and what else was seen."""
    path, often = _carrier(shown, found)
    if not path:
        change = (
            "See what the program does now and then (writing, fetching), and what else runs on the machine: "
            "`rnnprof run --trace --trace-steps 0` writes down the stages of all steps."
        )
        return _Cause("", tuple(signals(run)), change)
    name = f"`{'/'.join(path)}`"
    return _Cause(
        title=f" in {name}",
        said=(f"{name} carries it{often}.", *signals(run)),
        change=LATER.get(path[-1], f"See what {name} does in its long spans and not in the others."),
        stage=path,
    )


def _finding(shown: Steps, found: LongSteps, cause: _Cause, acquitted: bool) -> Finding:
    steps = f"{units.count(found.count)} of {units.count(shown.series.count)}"
    said = (
        f"{steps} measured steps took more than {LONG:.0f} times the median of "
        f"{units.duration(found.median_ns)}, the longest {units.duration(shown.series.max_ns)}; above the "
        f"median they took {units.duration(found.excess_ns)} in all, {units.fraction(found.share)} of all "
        "steps' time.",
        *cause.said,
        "Python's garbage collection does not explain it." if acquitted else "",
    )
    return Finding(
        key="stalls",
        title=f"{steps} steps stall{cause.title}",
        evidence=" ".join(filter(None, said)),
        change=cause.change,
        check=cause.check,
        saving=found.share,
        bound="As if the stalled steps took the median.",
        stage=cause.stage,
    )


def _carrier(shown: Steps, found: LongSteps) -> tuple[tuple[str, ...], str]:
    """The innermost stage whose long spans make up most of the stalls, and how often it was entered."""
    best: tuple[str, ...] = ()
    often = ""
    for path, stage in walk(shown.stages):
        # A stage of a few steps only has no usual time: all of its spans come on top.
        rare = 2 * stage.series.count < shown.series.count
        usual = 0.0 if rare else histogram.quantile(stage.series, 0.5) or 0.0
        _, excess = above(stage.series, usual + found.limit_ns - found.median_ns, usual)
        if excess >= EXPLAINS * found.excess_ns and len(path) > len(best):
            best = path
            often = f": it is in {units.count(stage.series.count)} of these steps" if rare else ""
    return best, often
