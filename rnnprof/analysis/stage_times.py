"""How long the stages of a probed program take in its other steps, on the device and on the host."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace

from rnnprof.analysis.clocked import ClockReport
from rnnprof.analysis.rows import Divided
from rnnprof.model import Run
from rnnprof.probes import Path, Probe
from rnnprof.stages import MEASURED

CPU = "cpu"


@dataclass(frozen=True)
class StepTimes:
    """Mean times of one step.

    Args:
        kind: the kind of the measured steps; empty where there are none.
        steps: their number.
        step_ns: mean step; None where it is not known.
        own_ns: of each stage without the stages in it that the probe knows; the empty path is the
            step's rest. Empty where no clock that is right for the device timed them.
        closed: stages to which the time of stages in them was given: the probe saw these as one.
        traced: number of steps that were traced on the device; 0 where none were.
        busy_ns: time in a traced step in which the device ran a stage's kernels.
        gaps_ns: time in a traced step in which it waited for them.
    """

    kind: str
    steps: int
    step_ns: float | None
    own_ns: Mapping[Path, float] = field(default_factory=dict)
    closed: Set[Path] = frozenset()
    traced: int = 0
    busy_ns: Mapping[Path, float] = field(default_factory=dict)
    gaps_ns: Mapping[Path, float] = field(default_factory=dict)

    def share(self, path: Path) -> float | None:
        """A stage's part of the step; None where its time is not known."""
        known = (self.own_ns, self.step_ns) if self.own_ns and self.step_ns else None
        of, whole = known or (self.busy_ns, sum(self.busy_ns.values()))
        return of[path] / whole if path in of and whole else None

    def idle(self, path: Path) -> float | None:
        """The part of a stage's time in which the device ran nothing.

        Device events time the loop as it is, a tracer slows the host and so makes gaps longer: where
        both are known, what the kernels leave of the former.
        """
        if not self.busy_ns.get(path):
            return None
        return self._idle(self.busy_ns[path], self.gaps_ns[path], self.own_ns.get(path))

    def step_idle(self) -> float | None:
        """The same of the whole step."""
        if not self.busy_ns:
            return None
        return self._idle(sum(self.busy_ns.values()), sum(self.gaps_ns.values()), self.step_ns)

    def _idle(self, busy: float, gaps: float, elapsed: float | None) -> float | None:
        if self.kind == "event" and self.own_ns and elapsed:
            return max(1 - busy / elapsed, 0.0)
        return gaps / (busy + gaps) if busy + gaps else None


def step_times(run: Run, probe: Probe, main: Divided | None, clocks: ClockReport | None) -> StepTimes:
    """Find the times that belong to the probe's stages.

    Args:
        run: the saved measurement.
        probe: what its probed step showed.
        main: the lane that matters most, divided; None without steps.
        clocks: its clocks side by side; None without an accelerator.

    Returns:
        Means over the measured steps and over the last window of traced ones.
    """
    trace = run.device_trace
    known = StepTimes("", 0, None)
    if main is not None and main.kind in MEASURED and main.basis_ns:
        steps = main.shown.series.count
        own = {() if row.remainder else row.path: row.self_ns / steps for row in main.inside}
        own, closed = _fold(own, probe)
        # On an accelerator the host's clock times launches, and events miss the work of other streams.
        right = main.kind != "host" if clocks is None else main.kind == clocks.truth
        own = own if right or probe.device == CPU else {}
        known = StepTimes(main.kind, steps, main.basis_ns / steps, own, closed)
    if trace is None:
        return known
    stages = [stage for stage in trace.stages if stage.busy_ns or stage.gap_ns]
    busy, closed = _fold({stage.path: stage.busy_ns / trace.steps for stage in stages}, probe)
    gaps, _ = _fold({stage.path: stage.gap_ns / trace.steps for stage in stages}, probe)
    return replace(known, traced=trace.steps, busy_ns=busy, gaps_ns=gaps, closed=known.closed | closed)


def _fold(times: Mapping[Path, float], probe: Probe) -> tuple[dict[Path, float], frozenset[Path]]:
    """Give the time of stages that were closed in the probed step to the stage around them.

    A model's children, and the backward pass, may be opened later in the run than the step was probed:
    there their work is that of the stage around them.

    Returns:
        The times, and the stages that got some.
    """
    there = {stage.path for stage in probe.stages} | {one.path for one in probe.work}
    found: dict[Path, float] = {}
    closed = set()
    for path, ns in times.items():
        around = next((path[:end] for end in range(len(path), 0, -1) if path[:end] in there), path)
        found[around] = found.get(around, 0.0) + ns
        if around != path:
            closed.add(around)
    return found, frozenset(closed)
