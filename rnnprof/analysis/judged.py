"""From a difference to its verdict; which of two differences, with and without the long spans, counts."""

from __future__ import annotations

from collections.abc import Sequence

from rnnprof import units
from rnnprof.analysis.batches import Course, without_excess
from rnnprof.analysis.compared import CUT, FASTER, MEAN, NONE, SLOWER, Change
from rnnprof.analysis.differences import Difference, difference

VERDICTS = {-1: FASTER, 0: NONE, 1: SLOWER}

FOR_CUT = 0.8
"""Part of the level's 5 % that is given to the difference without the long spans; the mean, whose long
spans make it coarse, gets the rest, so that both together are wrong in at most 5 %."""

Sides = Sequence[Course]
Chosen = tuple[Difference, str]


def difference_of(
    before: Sides, after: Sides, above: Sequence[Sequence[float]], judged: float = 1
) -> tuple[Difference, Chosen]:
    """Compare with and without what long spans take above a limit, and choose the one that shows more.

    A handful of stalls can hide a difference of the mean that every other step shows. With each
    span above the limit counted as the limit, on both sides alike, they cannot; but then longer stalls
    alone are not seen. So both are judged, the mean first.

    Args:
        before, after: the time per step in each run.
        above: for both sides, what is above the limit, summed in each run, in nanoseconds.
        judged: number of differences that are judged together.

    Returns:
        The difference of the means; and the one that counts, with its basis.
    """
    plain = difference(before, after, judged)
    if not any(map(any, above)):
        return plain, (plain, MEAN)
    coarse = difference(before, after, judged / (1 - FOR_CUT))
    if coarse.shown:
        return plain, (coarse, MEAN)
    cut = difference(
        [without_excess(*each) for each in zip(before, above[0], strict=True)],
        [without_excess(*each) for each in zip(after, above[1], strict=True)],
        judged / FOR_CUT,
    )
    finer = cut.half is not None and coarse.half is not None and cut.half < coarse.half
    return plain, ((cut, CUT) if cut.shown or finer else (coarse, MEAN))


def change(chosen: Chosen, plain: Difference) -> Change:
    """Put a difference into numbers and words.

    Args:
        chosen: the difference that counts, with its basis.
        plain: that of the means.
    """
    found, basis = chosen
    ratio = None if found.ratio is None else found.ratio - 1
    ends = found.ratio_interval
    interval = None if ends is None else (ends[0] - 1, ends[1] - 1)
    alone = "new" if plain.after_ns > 0 else "gone" if plain.before_ns > 0 else "–"
    return Change(
        verdict=VERDICTS[found.shown],
        basis=basis,
        before_ns=found.before_ns,
        after_ns=found.after_ns,
        change_ns=found.change_ns,
        interval_ns=found.interval_ns,
        ratio=ratio,
        interval=interval,
        percent=alone if ratio is None else units.signed(ratio),
        range="–" if interval is None else f"{units.signed(interval[0])} to {units.signed(interval[1])}",
        smallest=None if ratio is None else found.smallest,
        by_runs=found.half is not None and found.runs_half == found.half,
    )
