"""Places in a step at which the host waits for the device, where that leaves the device idle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rnnprof import units
from rnnprof.analysis.advice.advised import Finding
from rnnprof.analysis.advice.case import Abstain, Case
from rnnprof.analysis.probed import WaitRow

WORST = 3
"""Places that the finding names."""
CPU = "No accelerator was used: nothing waits."


def sync(case: Case) -> Iterable[Finding]:
    """Find waits that could go, in a step that the device does not fill."""
    probe = case.result.probe
    if probe is None:
        raise Abstain("No step was looked at closely (no probe).")
    if probe.device == "cpu":
        raise Abstain(CPU)
    rows = [row for row in probe.waits.rows if row.can_go and row.waited_ns is not None]
    if not rows:
        return
    bound = case.result.clocks.bound if case.result.clocks else None
    # A device that is busy all along would not be done earlier if the host waited nowhere.
    if bound is not None and bound.verdict == "device":
        return
    waited = min(sum(row.share or 0.0 for row in rows), 1.0)
    busy = bound.busy_share if bound else None
    saving = waited if busy is None else min(waited, 1 - busy)
    one, number = rows[0], len(rows)
    yield Finding(
        key="sync",
        title=f"The host waits for the device in {number} line{'s' * (number != 1)} of a step",
        evidence=f"{_evidence(rows)} {bound.sentence if bound and bound.traced else ''}".rstrip(),
        change=" ".join(_changes(rows)),
        check="`rnnprof report --only waits` has these places no more, and `rnnprof compare` says faster.",
        saving=saving,
        bound=_bound(busy, waited),
        file=one.file,
        line=one.line,
        source=one.source,
        stage=one.path,
    )


def _evidence(rows: Sequence[WaitRow]) -> str:
    said = [
        f"{row.place} ({row.call}, {_times(row.count)}): {units.duration(row.waited_ns or 0)}"
        for row in rows[:WORST]
    ]
    rest = rows[WORST:]
    if rest:
        waited = units.duration(sum(row.waited_ns or 0 for row in rest))
        said.append(f"{units.count(len(rest))} more place{'s' * (len(rest) != 1)}: {waited}")
    return f"In the probed step the host waited at {'; '.join(said)}."


def _times(number: int) -> str:
    return "once" if number == 1 else f"{units.count(number)} times"


def _changes(rows: Sequence[WaitRow]) -> list[str]:
    """What to write instead; said once of places that want the same."""
    places: dict[str, list[str]] = {}
    for row in rows[:WORST]:
        places.setdefault(row.instead, []).append(row.place)
    return [f"{', '.join(dict.fromkeys(where))}: {instead}" for instead, where in places.items()]


def _bound(busy: float | None, waited: float) -> str:
    if busy is None:
        return "All of the time in these waits, of the probed step; how long the device is idle is not known."
    return (
        f"The smaller of the waits, {units.fraction(waited)} of the probed step, and of the time in which "
        f"the device may be idle, {units.fraction(1 - busy)}."
    )
