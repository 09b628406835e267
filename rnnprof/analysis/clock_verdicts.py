"""Who waits for whom: is a stage, and the step, bound by the device or by the host that feeds it?

Three facts carry the rules. A stage's time between its events holds the device's idle time in it,
and the device idles there only while the host is in that stage; so of the events' time ``e`` and the
host's ``h``, at least ``e - h`` is work. After a synchronized step nothing is queued, so that the
host runs the next one at its own pace, and the device idles no longer than that takes. And a trace
shows the work itself: its kernels are as long as ever, while the gaps between them grow with the
tracer's cost on the host, which is why they are held against the untraced events.

A ratio of two clocks counts only where the ends of their 95 % intervals show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rnnprof import units
from rnnprof.analysis import stats
from rnnprof.analysis.clocked import BusyTime, ClockTime, StepBound
from rnnprof.captures import Path
from rnnprof.model import Steps
from rnnprof.probes import Probe

WORDS = {
    "device": "where the host is ahead and the device's work takes the time",
    "launch": "where the device waits for the host",
    "waits": "where the host waits for work that was queued before",
    "hidden": "where the host works on its own while the device has other work",
}
"""The verdicts, and what each says."""

SEEN_BUSY, SEEN_IDLE = 0.8, 0.5
"""Traced: busy from the one on, the device is the limit; up to the other, it mostly waits."""
SHOWN_BUSY, SHOWN_IDLE = 0.5, 0.05
"""Untraced: the same for the part of its time that the clocks prove to be work. The other is narrow: a
device that always works, for little longer than the launches take, is shown to be ahead by no more."""
ALIKE = 0.8
"""Two times are about the same where neither is below this part of the other."""
APART = 0.5
"""One time is far below another where it is below this part of it."""
WAITING = 0.2
"""Part of a stage's time from which waiting, as the probe saw it, explains that time."""
MATTERS = 0.01
"""Share from which a stage gets a verdict."""
MATTERS_NS = 5_000
"""Time in a step below which there is none: marks cost about as much, and events keep no finer time."""


@dataclass(frozen=True)
class Evidence:
    """All that is known of one lane's steps.

    Args:
        times: the stages under each clock.
        steps: the steps under each clock.
        busy: the stages in the trace.
        total: the whole step in the trace, or None without one.
        missed: whether events miss some of the device's work.
        probe: what one step of the warmup showed, or None.
    """

    times: Mapping[str, Mapping[Path, ClockTime]]
    steps: Mapping[str, Steps]
    busy: Mapping[Path, BusyTime]
    total: BusyTime | None
    missed: bool = False
    probe: Probe | None = None

    def of(self, kind: str, path: Path) -> ClockTime | None:
        """A stage under a clock; None where that one is not to be trusted with it."""
        return None if kind == "event" and self.missed else self.times.get(kind, {}).get(path)

    def waits(self, path: Path) -> bool:
        """Whether the probe saw the host wait long in a stage, or in the whole step."""
        if self.probe is None:
            return False
        total = sum(one.total_ns for one in self.probe.stages if one.path == path)
        waited = sum(one.waited_ns or 0 for one in self.probe.waits if not path or one.path == path)
        return waited > 0 and waited >= WAITING * total


def step_bound(evidence: Evidence) -> StepBound:
    """Tell what limits the whole step.

    Args:
        evidence: what is known of it.

    Returns:
        The verdict with its figure: from the trace where there is one, or else from the clocks.
    """
    event = evidence.steps.get("event", Steps()).series
    if evidence.total is not None and evidence.total.busy_share is not None:
        busy = evidence.total.busy_share
        if event.total_ns and not evidence.missed:
            busy = min(evidence.total.busy_per_step_ns / event.mean_ns, 1.0)
        return _traced(busy)
    shown = _shown_busy(evidence)
    if shown is None:
        words = "Whether the step is device-bound or launch-bound cannot be told: trace some steps (--trace)."
        return StepBound("", None, False, words)
    least = units.percent(int(1000 * shown + 1e-9), shown)
    if shown >= SHOWN_BUSY:
        words = f"device-bound: for at least {least} of its time the device works, and the host is ahead."
        return StepBound("device", shown, False, f"The step is {words}")
    if shown <= SHOWN_IDLE and _keeps_pace(evidence):
        words = "launch-bound: the host takes as long as the device, also where nothing is queued before it."
        return StepBound("launch", shown, False, f"The step is {words}")
    words = f"The clocks prove only {least} of the device's time to be work: trace some steps (--trace) to "
    return StepBound("", shown, False, words + "tell whether the step is device-bound or launch-bound.")


def _traced(busy: float) -> StepBound:
    part = units.percent(units.tenths([busy])[0], busy)
    if busy >= SEEN_BUSY:
        return StepBound("device", busy, True, f"The step is device-bound: a kernel runs in {part} of it.")
    if busy <= SEEN_IDLE:
        words = f"a kernel runs in {part} of it; for the rest the device waits for the host."
        return StepBound("launch", busy, True, f"The step is launch-bound: {words}")
    words = f"a kernel runs in {part} of it."
    return StepBound("", busy, True, f"The step is neither clearly device-bound nor launch-bound: {words}")


def _shown_busy(evidence: Evidence) -> float | None:
    """The least part of the device's time that the clocks prove to be work; None without both clocks."""
    host, event = evidence.times.get("host", {}), evidence.times.get("event", {})
    whole = sum(one.per_step_ns for one in event.values())
    some = any(one.interval_ns for one in host.values()) and any(one.interval_ns for one in event.values())
    if evidence.missed or not whole or not some:
        return None
    work = sum(_surplus(one, host.get(path)) for path, one in event.items())
    pace = _pace(evidence.steps)
    return max(work / whole, 0.0 if pace is None else 1 - pace)


def _surplus(event: ClockTime, host: ClockTime | None) -> float:
    """Time on the device beyond all in which the host was in the stage."""
    if host is None or event.interval_ns is None or host.interval_ns is None:
        return 0.0
    return max(event.interval_ns[0] - host.interval_ns[1], 0.0)


def _pace(steps: Mapping[str, Steps]) -> float | None:
    """The host's time over the device's in the shortest steps, where the host had an empty queue.

    So many steps are next to a synchronized one. Those of about half that number are short on the
    host where it can run ahead; where all steps are short now and then, so they are on the device.
    """
    sync, event = (steps.get(kind, Steps()) for kind in ("sync", "event"))
    if min(sync.series.count, event.series.count) < stats.MIN_BUCKETS:
        return None
    part = min(sync.series.count / (2 * event.series.count), 0.5)
    on_host, on_device = (stats.quantile(series, part) for series in (event.wall, event.series))
    return on_host / on_device if on_host is not None and on_device else None


def _keeps_pace(evidence: Evidence) -> bool:
    """Whether the host alone explains the device's time: by its sum, its own pace and the probe."""
    host, event = (
        sum(one.per_step_ns for one in evidence.times[kind].values()) for kind in ("host", "event")
    )
    return _pace(evidence.steps) is not None and host >= ALIKE * event and not evidence.waits(())


def stage_verdict(path: Path, evidence: Evidence, bound: str) -> tuple[str, str]:
    """Tell who waits for whom in one stage.

    Args:
        path: the stage; empty for the time in no stage.
        evidence: what is known of it.
        bound: the verdict on the whole step.

    Returns:
        A key of `WORDS` and the figures behind it; both empty where it cannot be told.
    """
    host, event, busy = evidence.of("host", path), evidence.of("event", path), evidence.busy.get(path)
    if not _matters(host, event, busy):
        return "", ""
    if host and event:
        word = _late(host, event, evidence.of("sync", path))
        if word is not None:
            return word, _figures(evidence, path) if word else ""
    if busy is not None:
        whole = event.per_step_ns if event else busy.busy_per_step_ns + busy.gap_per_step_ns
        part = busy.busy_per_step_ns / whole if whole else None
        word = (
            "" if part is None else "device" if part >= SEEN_BUSY else "launch" if part <= SEEN_IDLE else ""
        )
        return word, f"a kernel runs for {_of(busy.busy_per_step_ns)} of {_of(whole)}" if word else ""
    if host is None or event is None:
        return "", ""
    if _far_below(host, event):
        return "device", _figures(evidence, path)
    if bound == "launch" and _about(host, event) and not evidence.waits(path):
        return "launch", _figures(evidence, path)
    return "", ""


def _matters(host: ClockTime | None, event: ClockTime | None, busy: BusyTime | None) -> bool:
    shares = [one.share or 0 for one in (host, event, busy) if one]
    longest = [one.per_step_ns for one in (host, event) if one] + [busy.busy_per_step_ns if busy else 0]
    return max(shares, default=0) >= MATTERS and max(longest) >= MATTERS_NS


def _late(host: ClockTime, event: ClockTime, sync: ClockTime | None) -> str | None:
    """Why the host is far longer in a stage than the device; None where it is not."""
    if not _far_below(event, host):
        return None
    if sync is None or sync.interval_ns is None or host.interval_ns is None:
        return ""
    # Without anything queued a wait is short, but the host's own work as long as ever.
    if _far_below(sync, host):
        return "waits"
    return "hidden" if sync.interval_ns[0] >= ALIKE * host.interval_ns[1] else ""


def _far_below(one: ClockTime, other: ClockTime) -> bool:
    if one.interval_ns is None or other.interval_ns is None:
        return False
    return one.interval_ns[1] < APART * other.interval_ns[0]


def _about(one: ClockTime, other: ClockTime) -> bool:
    if one.interval_ns is None or other.interval_ns is None:
        return False
    pairs = ((one.interval_ns, other.interval_ns), (other.interval_ns, one.interval_ns))
    return all(first[0] >= ALIKE * second[1] for first, second in pairs)


def _figures(evidence: Evidence, path: Path) -> str:
    names = {"host": "host", "event": "device", "sync": "synchronized"}
    known = [(word, evidence.of(kind, path)) for kind, word in names.items()]
    return ", ".join(f"{word} {_of(one.per_step_ns)}" for word, one in known if one)


def _of(ns: float) -> str:
    return units.duration(ns)
