"""A run as data: one tree of stages for each lane, and nothing that is derived from it.

Everything here is immutable, free of torch, and free of input and output. `runfile` turns it into
JSON and back; `analysis` derives every number that a user sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rnnprof import frames
from rnnprof.captures import Functions, Trace
from rnnprof.probes import Probe
from rnnprof.vitals import Vitals

if TYPE_CHECKING:
    import pandas

Json = dict[str, Any]


@dataclass(frozen=True)
class Series:
    """All spans of one stage under one clock, in bounded space.

    Args:
        count: number of spans, exact.
        total_ns: their sum, exact.
        min_ns: the shortest, exact; 0 when there is none.
        max_ns: the longest, exact; 0 when there is none.
        bins: indices of the histogram's bins that hold something, ascending (see `histogram`).
        counts: number of spans in each of those bins.
    """

    count: int = 0
    total_ns: int = 0
    min_ns: int = 0
    max_ns: int = 0
    bins: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()

    @property
    def mean_ns(self) -> float:
        """Mean span in nanoseconds; 0 when there is none."""
        return self.total_ns / self.count if self.count else 0.0


@dataclass(frozen=True)
class Timeline:
    """A series over the run, in at most 1,024 buckets shared by all stages of one kind of step.

    Args:
        counts: spans of the stage in each bucket.
        totals_ns: their summed time in each bucket.
    """

    counts: tuple[int, ...] = ()
    totals_ns: tuple[int, ...] = ()


@dataclass(frozen=True)
class Stage:
    """One node of the tree: a stage at one place.

    Args:
        name: the stage's name, as the user gave it.
        series: its spans, the time of its children included.
        timeline: the same over the run; empty outside steps.
        stages: its child stages, in order of first appearance.
        steps_ns: time of steps that ran while this stage was open and the innermost; only outside
            steps, where it is no part of the stage's self time.
    """

    name: str
    series: Series = Series()
    timeline: Timeline = Timeline()
    stages: tuple[Stage, ...] = ()
    steps_ns: int = 0

    @property
    def self_ns(self) -> int:
        """Time of the stage itself, without its children; never negative."""
        inside = sum(child.series.total_ns for child in self.stages)
        return max(self.series.total_ns - inside - self.steps_ns, 0)


@dataclass(frozen=True)
class Steps:
    """All steps of one kind in one lane.

    Args:
        series: the steps under their kind's clock (for ``event``: the device's).
        wall: the same steps on the host's clock; equal to ``series`` for a host clock.
        timeline: buckets of steps; those of the stages have the same boundaries.
        tokens: sum of the tokens given to ``step(tokens=...)``.
        token_ns: summed wall time of the steps that were given tokens.
        stages: the stages inside these steps.
    """

    series: Series = Series()
    wall: Series = Series()
    timeline: Timeline = Timeline()
    tokens: int = 0
    token_ns: int = 0
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True)
class Lane:
    """A top-level part of the program, or a thread beside the main one.

    Args:
        name: ``setup``, ``train``, ``evaluate``, the user's own, or a thread's name.
        thread: whether it is a thread beside the main one, whose time runs in parallel.
        series: its visits; their total is the lane's time, other lanes' excluded.
        stages: the stages outside steps.
        steps: the steps by their kind.
    """

    name: str
    thread: bool = False
    series: Series = Series()
    stages: tuple[Stage, ...] = ()
    steps: Mapping[str, Steps] = field(default_factory=dict)

    @property
    def steps_ns(self) -> int:
        """Wall time of all steps of all kinds in this lane."""
        return sum(steps.wall.total_ns for steps in self.steps.values())


@dataclass(frozen=True)
class Run:
    """One process's saved measurement.

    Args:
        created: when recording began, ISO 8601 with its time zone.
        ended: ``"running"`` (also after a kill), ``"finished"``, or the name of the exception
            that ended the profile.
        wall_ns: time from the beginning to the last save.
        clock: the clock that was asked for: ``auto``, ``host``, ``sync`` or ``event``.
        schedule: how the kinds of step were chosen, as plain numbers.
        lanes: the program's parts, in order of first appearance.
        environment: versions, machine and command line, as plain JSON.
        notes: what went less well than it should, each as ``{"code": str, ...}``.
        rank: index of this process in a distributed job.
        world_size: number of processes in that job.
        traces: windows of steps that torch.profiler watched, in their order.
        functions: what cProfile saw; None where it was not asked for.
        probe: what one step of the warmup showed; None where none was looked at.
        vitals: the process around the steps; None where it was not looked at.
    """

    created: str
    ended: str
    wall_ns: int
    clock: str
    schedule: Mapping[str, int]
    lanes: tuple[Lane, ...]
    environment: Json = field(default_factory=dict)
    notes: tuple[Json, ...] = ()
    rank: int = 0
    world_size: int = 1
    traces: tuple[Trace, ...] = ()
    functions: Functions | None = None
    probe: Probe | None = None
    vitals: Vitals | None = None

    def lane(self, name: str) -> Lane | None:
        """The lane of that name, or None."""
        return next((lane for lane in self.lanes if lane.name == name), None)

    @property
    def device_trace(self) -> Trace | None:
        """The last window of traced steps in which a device was seen, or None."""
        return next((one for one in reversed(self.traces) if one.device and one.steps), None)

    def to_frame(self) -> pandas.DataFrame:
        """The run as a table for pandas: one row for each stage and kind of step.

        Returns:
            A frame with the columns of `frames.COLUMNS`. A step itself is a row with an empty ``path``,
            as is a lane, whose ``kind`` is empty too. Durations are nanoseconds; what is not known is NaN.

        Raises:
            UsageError: pandas is not installed.
        """
        return frames.frame(self)


def walk(stages: tuple[Stage, ...], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Stage]]:
    """Visit a tree of stages, parents before their children.

    Args:
        stages: siblings, in order.
        above: names of the stages around them, outermost first.

    Yields:
        Pairs of path (names from the outermost stage to this one) and stage.
    """
    for stage in stages:
        path = (*above, stage.name)
        yield path, stage
        yield from walk(stage.stages, path)
