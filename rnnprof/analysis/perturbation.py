"""What measuring cost: measured steps against the control steps among them."""

from __future__ import annotations

from collections.abc import Mapping

from rnnprof.analysis import stats
from rnnprof.analysis.result import Interval, Perturbation
from rnnprof.model import Steps
from rnnprof.stages import MEASURED


def perturbation(steps: Mapping[str, Steps], kind: str) -> Perturbation:
    """Compare the mean measured step with the mean control step.

    Device steps are compared on the device's clock, all others on the host's.

    Args:
        steps: a lane's steps by their kind.
        kind: the measured kind that is shown.

    Returns:
        The ratio with its interval, or the reason why there is none.
    """
    measured, control = steps.get(kind, Steps()), steps.get("control", Steps())
    counts = measured.series.count, control.series.count
    if kind not in MEASURED or counts[0] == 0:
        return unknown(*counts, "no measured steps")
    if counts[1] == 0:
        return unknown(*counts, "no control steps: the run was too short, or they are switched off")
    device = kind == "event"
    above = measured.series if device else measured.wall
    below = control.series if device else control.wall
    if below.total_ns == 0:
        return unknown(*counts, "the control steps took no time")
    ratio = above.mean_ns / below.mean_ns
    interval, reason = None, ""
    if not device and (measured.series != measured.wall or control.series != control.wall):
        reason = "no interval: the steps were not all timed by the host's clock"
    elif min(counts) < stats.MIN_BUCKETS:
        fewer = "control" if counts[1] < stats.MIN_BUCKETS else "measured"
        reason = f"fewer than {stats.MIN_BUCKETS} {fewer} steps: no interval"
    else:
        means = [
            stats.ratio_of_sums(each.timeline.totals_ns, each.timeline.counts) for each in (measured, control)
        ]
        if means[0] is not None and means[1] is not None:
            interval = stats.ratio_of_means(means[0], means[1])
        if interval is None:
            reason = "no interval: too few steps to tell"
    return Perturbation(ratio, interval, *counts, reason, _sentence(ratio, interval, counts, reason))


def unknown(measured: int, control: int, reason: str) -> Perturbation:
    """The cost of measuring where it cannot be told.

    Args:
        measured: number of measured steps.
        control: number of control steps.
        reason: why it cannot be told.

    Returns:
        A perturbation without a ratio.
    """
    return Perturbation(None, None, measured, control, reason, f"Cost of measuring: unknown ({reason}).")


def _sentence(ratio: float, interval: Interval | None, counts: tuple[int, int], reason: str) -> str:
    if interval is None:
        return f"Cost of measuring: unknown ({reason})."
    low, high = interval
    basis = f"{counts[0]:,} measured against {counts[1]:,} control steps"
    if low > 1:
        return (
            f"Cost of measuring: a step takes {ratio:.3f} times as long ({low:.3f} to {high:.3f}; {basis})."
        )
    if high < 1:
        return (
            f"Cost of measuring: unknown. Measured steps took only {ratio:.3f} times a control step "
            f"({low:.3f} to {high:.3f}; {basis}): something else differs between them."
        )
    return f"Cost of measuring: no cost shown ({low:.3f} to {high:.3f} times a control step; {basis})."
