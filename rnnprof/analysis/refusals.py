"""What cannot be compared, or only by force."""

from __future__ import annotations

from collections.abc import Sequence

from rnnprof import units
from rnnprof.analysis.compare_rows import Measured
from rnnprof.analysis.differences import MIN_STEPS
from rnnprof.stages import MEASURED

TIMED = {
    "host": "timed by the host's clock",
    "sync": "timed with a synchronization at every mark",
    "event": "timed by events on the device",
}


def impossible(before: Sequence[Measured], after: Sequence[Measured]) -> str:
    """Why there is nothing to compare; empty where there is something."""
    for run in (*before, *after):
        if not run.kind:
            return f"{units.visible(run.name)} has {_lanes(run)}"
        if not run.steps.series.total_ns:
            return f"the steps of {units.visible(run.name)} took no time"
    return ""


def _lanes(run: Measured) -> str:
    """The lanes whose steps could be compared instead."""
    names = [units.visible(name) for name in run.divided.steps]
    return f"no steps in that lane, but in {', '.join(names)} (give --lane)" if names else "no steps"


def reasons(before: Sequence[Measured], after: Sequence[Measured]) -> list[str]:
    """Why two sides should not be compared.

    Args:
        before, after: the runs of each side.

    Returns:
        One phrase for each reason; none where they are like for like.
    """
    runs = [run for run in (*before, *after) if run.kind]
    found = []
    unmeasured = [run for run in runs if run.kind not in MEASURED]
    if unmeasured:
        one = unmeasured[0]
        found.append(f"{units.visible(one.name)} has only steps of the kind {one.kind}, which are no measure")
    elif unlike := _pair([(run.name, TIMED[run.kind]) for run in runs]):
        found.append(
            f"the steps of {unlike[0][0]} are {unlike[0][1]}, those of {unlike[1][0]} are {unlike[1][1]}"
        )
    if unlike := _pair([(run.name, units.visible(run.lane)) for run in runs]):
        found.append(
            f"the steps of {unlike[0][0]} are of the lane {unlike[0][1]}, those of {unlike[1][0]} of "
            f"{unlike[1][1]} (give --lane)"
        )
    if unlike := _pair([(run.name, f"rank {run.run.rank}") for run in runs]):
        found.append(
            f"{unlike[0][0]} is {unlike[0][1]} of its job, {unlike[1][0]} {unlike[1][1]}: ranks are no "
            "runs of their own"
        )
    devices = [(run.name, "a CPU" if _is_cpu(run) else "an accelerator") for run in runs if _device(run)]
    if unlike := _pair(devices):
        found.append(f"{unlike[0][0]} ran on {unlike[0][1]}, {unlike[1][0]} on {unlike[1][1]}")
    staged = [{path for side in sides for path in side.stages} for sides in (before, after)]
    if all(staged) and not staged[0] & staged[1]:
        found.append("they have no stage in common: they are of different programs")
    few = min(runs, key=lambda run: run.steps.series.count, default=None)
    if few and few.steps.series.count < MIN_STEPS and len(runs) < 4:
        number = few.steps.series.count
        found.append(
            f"{units.visible(few.name)} has {number} measured step{'s' * (number != 1)}, and {MIN_STEPS} are "
            "the fewest that show how much they vary"
        )
    return found


def _pair(each: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], tuple[str, str]] | None:
    """The first of some named things, and the first that differs from it; None where all are alike."""
    other = next((one for one in each if one[1] != each[0][1]), None)
    if other is None:
        return None
    first = each[0]
    return (units.visible(first[0]), first[1]), (units.visible(other[0]), other[1])


def _device(run: Measured) -> str:
    return str(run.run.environment.get("device", ""))


def _is_cpu(run: Measured) -> bool:
    return _device(run).lower().split(" ")[0] == "cpu"
