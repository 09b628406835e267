"""Put the clocks of a run side by side: host, sync, events, and the device's busy time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rnnprof import units
from rnnprof.analysis import stats
from rnnprof.analysis.blame import blame
from rnnprof.analysis.clock_verdicts import Evidence, stage_verdict, step_bound
from rnnprof.analysis.clocked import (
    BusyColumn,
    BusyTime,
    ClockColumn,
    ClockReport,
    ClockRow,
    ClockTime,
    SyncCost,
)
from rnnprof.analysis.portions import Portion, portions, together, tree_order
from rnnprof.analysis.rows import Divided, interval_of, kinds_to_trust, own_intervals
from rnnprof.captures import Path, Trace
from rnnprof.model import Lane, Run, Steps, walk
from rnnprof.stages import OTHER

CLOCKS = ("host", "sync", "event")
"""The kinds of step that are put side by side, from left to right."""
MISSED = (
    "Events saw only a part of what the device did (see the notes): the column device is too low where "
    "they missed some"
)

Times = dict[Path, ClockTime]


def clock_report(run: Run, main: Divided | None) -> ClockReport | None:
    """Put the clocks of a run side by side.

    Args:
        run: the saved measurement.
        main: its main lane, whose steps are compared.

    Returns:
        Every number that ``report --clocks`` prints, or None where no accelerator was used, or
        nothing measured.
    """
    if main is None:
        return None
    lane = main.lane
    kinds = [kind for kind in CLOCKS if kind in lane.steps and lane.steps[kind].series.count]
    trace = run.device_trace
    if not (kinds or trace) or not _accelerated(run, kinds, trace):
        return None
    clocks = {kind: _clock(lane, kind) for kind in kinds}
    times = {kind: found for kind, (_, found) in clocks.items()}
    busy, total = _busy(trace) if trace else ({}, None)
    missed = kinds_to_trust(run)[0] != "event"
    evidence = Evidence(
        times=times,
        steps={kind: lane.steps[kind] for kind in kinds},
        busy=busy,
        total=total,
        missed=missed,
        probe=run.probe,
    )
    bound = step_bound(evidence)
    # The most trustworthy clock saw most steps: its order of stages comes first.
    paths = [path for kind in reversed(kinds) for path in times[kind]] + list(busy)
    truth = _truth(times, missed)
    sentence, differs = blame(times, truth, bound, run.clock, missed, trace is not None)
    return ClockReport(
        lane=lane.name,
        columns=tuple(column for column, _ in clocks.values()),
        traced=BusyColumn(trace.first_step, trace.steps, total) if trace and total else None,
        stages=tuple(_row(path, evidence, bound.verdict) for path in tree_order(list(dict.fromkeys(paths)))),
        truth=truth,
        differs=differs,
        sentence=sentence,
        bound=bound,
        sync_cost=None if missed else _sync_cost(lane.steps),
        remarks=_remarks(kinds) if missed else (),
    )


def _remarks(kinds: Sequence[str]) -> tuple[str, ...]:
    """What to know of the columns where events missed work."""
    if "event" not in kinds:
        return ()
    return (MISSED + (", and the column sync is the one to trust." if "sync" in kinds else "."),)


def _accelerated(run: Run, kinds: Sequence[str], trace: Trace | None) -> bool:
    """Whether an accelerator was at work: timed, traced, or in use when the run ended."""
    device = str(run.environment.get("device", "cpu"))
    return trace is not None or bool({"sync", "event"} & {*kinds}) or not device.lower().startswith("cpu")


def _truth(times: Mapping[str, Times], missed: bool) -> str:
    """The clock to trust: one that saw all of the device's work, and some of it."""
    trusted = ("sync",) if missed else ("event", "sync")
    return next((kind for kind in trusted if any(one.self_ns for one in times.get(kind, {}).values())), "")


def _clock(lane: Lane, kind: str) -> tuple[ClockColumn, Times]:
    """The steps of one kind, and each stage in them; the empty path is the time in no stage."""
    steps = lane.steps[kind]
    own: dict[Path, int] = {}
    spreads = {}
    for path, stage in walk(steps.stages):
        own[path] = own.get(path, 0) + stage.self_ns
        spreads[path] = own_intervals(stage.timeline, stage.stages, steps)
    own[()] = max(steps.series.total_ns - sum(own.values()), 0)
    spreads[()] = own_intervals(steps.timeline, steps.stages, steps)
    whole, count = sum(own.values()), steps.series.count
    found = {
        path: ClockTime(
            self_ns=one.part,
            per_step_ns=one.part / count,
            interval_ns=spreads[path][1],
            share=one.share,
            percent=one.percent,
            share_interval=spreads[path][0],
        )
        for path, one in zip(own, portions([list(own.values())])[0], strict=True)
    }
    return ClockColumn(kind, count, whole / count, interval_of(steps.timeline)), found


def _busy(trace: Trace) -> tuple[dict[Path, BusyTime], BusyTime]:
    """What the device did in each stage of the traced steps, and in all."""
    sums: dict[Path, tuple[int, int, int]] = {}
    for stage in trace.stages:
        before = sums.get(stage.path, (0, 0, 0))
        more = stage.busy_ns, stage.gap_ns, stage.launches
        sums[stage.path] = before[0] + more[0], before[1] + more[1], before[2] + more[2]
    parts = portions([[busy for busy, _, _ in sums.values()]])[0]
    found = {
        path: _busy_time(part, gap, launches, trace.steps)
        for (path, (_, gap, launches)), part in zip(sums.items(), parts, strict=True)
    }
    gaps, launches = (sum(each[place] for each in sums.values()) for place in (1, 2))
    return found, _busy_time(together(parts), gaps, launches, trace.steps)


def _busy_time(part: Portion, gap_ns: int, launches: int, steps: int) -> BusyTime:
    both = part.part + gap_ns
    busy = part.part / both if both else None
    return BusyTime(
        busy_ns=part.part,
        busy_per_step_ns=part.part / steps,
        share=part.share,
        percent=part.percent,
        gap_ns=gap_ns,
        gap_per_step_ns=gap_ns / steps,
        busy_share=busy,
        busy_percent="–" if busy is None else units.percent(units.tenths([busy])[0], busy),
        launches_per_step=launches / steps,
    )


def _row(path: Path, evidence: Evidence, bound: str) -> ClockRow:
    verdict, because = stage_verdict(path, evidence, bound)
    host, sync, event = (evidence.times.get(kind, {}).get(path) for kind in CLOCKS)
    return ClockRow(
        name=path[-1] if path else OTHER,
        path=path,
        host=host,
        sync=sync,
        event=event,
        busy=evidence.busy.get(path),
        verdict=verdict,
        because=because,
    )


def _sync_cost(steps: Mapping[str, Steps]) -> SyncCost | None:
    """Synchronized steps on the host's clock against those of events on the device's."""
    sync, event = steps.get("sync", Steps()), steps.get("event", Steps())
    if not sync.series.total_ns or not event.series.total_ns:
        return None
    ratio = sync.series.mean_ns / event.series.mean_ns
    means = [stats.ratio_of_sums(each.timeline.totals_ns, each.timeline.counts) for each in (sync, event)]
    interval = stats.ratio_of_means(means[0], means[1]) if means[0] and means[1] else None
    start = "Synchronizing at every mark: "
    basis = f"{sync.series.count:,} synchronized steps against {event.series.count:,} timed by events"
    if interval is None:
        return SyncCost(ratio, None, f"{start}what it costs is unknown (too few steps; {basis}).")
    low, high = interval
    around = f"({low:.3f} to {high:.3f}; {basis})"
    if low > 1:
        return SyncCost(ratio, interval, f"{start}a step takes {ratio:.3f} times as long {around}.")
    if high < 1:
        words = f"a step took only {ratio:.3f} times as long {around}: something else differs between them."
        return SyncCost(ratio, interval, start + words)
    return SyncCost(ratio, interval, f"{start}no cost shown {around}.")
