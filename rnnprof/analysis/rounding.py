"""Printed percentages that add up: the rows to 100 %, a parent to its parts, a lane to its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rnnprof import units
from rnnprof.analysis.result import LaneRow, StageRow


def print_shares(
    rows: Sequence[StageRow], lanes: Sequence[LaneRow], by: str
) -> tuple[list[StageRow], list[LaneRow]]:
    """Fill in every printed percentage.

    Lanes are rounded first, so that they read the same whatever the rows are divided by; by
    ``"run"`` each lane's percentage is then handed out to its rows.

    Args:
        rows: the stages with their exact shares, trees parents first.
        lanes: the lanes with their exact shares.
        by: what 100 % is, ``"step"`` or ``"run"``.

    Returns:
        The same rows and lanes with ``percent`` and ``total_percent``.
    """
    shares = [lane.share for lane in lanes if lane.share is not None]
    rounded = iter(units.tenths(shares))
    of_lane = {place: next(rounded) for place, lane in enumerate(lanes) if lane.share is not None}
    tenths: dict[int, int] = {}
    if by == "run":
        for place, whole in of_lane.items():
            tenths |= _hand_out(
                rows, [i for i, row in enumerate(rows) if row.lane == lanes[place].name], whole
            )
    else:
        tenths = _hand_out(rows, list(range(len(rows))), 1000)
    printed = []
    for place, row in enumerate(rows):
        if place in tenths and row.share is not None and row.total_share is not None:
            parts = sum(tenths[part] for part in (place, *_below(rows, place)))
            percent, total_percent = (
                units.percent(tenths[place], row.share),
                units.percent(parts, row.total_share),
            )
            row = replace(row, percent=percent, total_percent=total_percent)
        printed.append(row)
    percents = {place: units.percent(tenth, lanes[place].share or 0.0) for place, tenth in of_lane.items()}
    return printed, [
        replace(lane, percent=percents.get(place, lane.percent)) for place, lane in enumerate(lanes)
    ]


def _hand_out(rows: Sequence[StageRow], places: Sequence[int], total: int) -> dict[int, int]:
    """Tenths of a percent for the rows at these places, as far as they have a share."""
    some = [(place, share) for place in places if (share := rows[place].share) is not None]
    return dict(
        zip((place for place, _ in some), units.tenths([share for _, share in some], total), strict=True)
    )


def _below(rows: Sequence[StageRow], place: int) -> range:
    """Places of the rows that lie in the stage at this place."""
    end = place + 1
    while end < len(rows) and rows[end].depth > rows[place].depth:
        end += 1
    return range(place + 1, end)
