"""Where the host waits for the device, the longest waits first."""

from __future__ import annotations

from rnnprof import units, waiting
from rnnprof.analysis.functions import short_files
from rnnprof.analysis.portions import Portion, portions, together
from rnnprof.analysis.probed import WaitReport, WaitRow
from rnnprof.probes import Probe, Wait
from rnnprof.stages import OTHER

ANY = "other"
"""The way of calls that nothing is known of but that they wait."""


def wait_report(probe: Probe) -> WaitReport:
    """Rank the places at which the host waits.

    Args:
        probe: what the probed step showed.

    Returns:
        A row for each place. Shares are of the probed step, or, where waits contradict it, of them.
    """
    short = short_files({one.file for one in probe.waits})
    timed = any(one.waited_ns is not None for one in probe.waits)
    times = [one.waited_ns or 0 for one in probe.waits]
    shares = portions([times, [max(probe.total_ns - sum(times), 0)]])[0]
    rows = [_row(one, share, short[one.file]) for one, share in zip(probe.waits, shares, strict=True)]
    rows.sort(key=lambda row: (-(row.waited_ns or 0), -row.count, row.place))
    whole = together(shares) if timed else None
    places = len(rows) + probe.more_waits
    return WaitReport(
        sentence=_sentence(places, whole, probe.device),
        places=places,
        count=sum(row.count for row in rows),
        waited_ns=whole.part if whole else None,
        share=whole.share if whole else None,
        percent=whole.percent if whole else "–",
        rows=tuple(rows),
        unkept=probe.more_waits,
    )


def _row(one: Wait, share: Portion, short: str) -> WaitRow:
    way, timed = waiting.way(one.way), one.waited_ns is not None
    return WaitRow(
        place=_place(one, short),
        file=one.file,
        line=one.line,
        function=one.function,
        source=one.source,
        library=one.library,
        stage=one.path[-1] if one.path else OTHER,
        path=one.path,
        way=one.way,
        call=one.call,
        form=way.call if way else "",
        why=way.why if way else "",
        instead=way.instead if way else "",
        can_go=bool(way.instead) if way and way.key != ANY else None,
        count=one.count,
        waited_ns=one.waited_ns,
        share=share.share if timed else None,
        percent=share.percent if timed else "–",
    )


def _place(one: Wait, short: str) -> str:
    if one.file:
        return f"{short}:{one.line}" if one.line else short
    return f"in {'/'.join(one.path)}" if one.path else "place not known"


def _sentence(places: int, whole: Portion | None, device: str) -> str:
    number = f"{units.count(places)} place{'s' * (places != 1)} in a step"
    if not places:
        return "No place found at which the host waits for the device."
    if whole is None:
        there = "On an accelerator the host would wait" if device == "cpu" else "The host waits"
        return f"{there} for the device at {number}."
    said = f"{units.duration(whole.part)} of {units.duration(whole.whole)} ({whole.percent})"
    return f"The host waits for the device at {number}: {said}."
