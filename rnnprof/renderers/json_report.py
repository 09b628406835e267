"""A breakdown as JSON, for programs: exact numbers, printed percentages, no NaN.

Keys of the object:
    by: what 100 % is, ``"step"`` or ``"run"``.
    run_ns: time of the run. Everything that ends in ``_ns`` is nanoseconds.
    clock, created, ended: as in the run.
    stages: list of ``name``, ``path`` (list), ``lane``, ``in_step``, ``remainder`` (true for the
        ``other`` that no stage claims), ``count``, ``share``, ``percent``, ``total_share``,
        ``total_percent``, ``self_ns``, ``total_ns``, ``mean_ns``, ``median_ns``, ``p95_ns``,
        ``min_ns``, ``max_ns``, ``interval_ns``, ``share_interval``, ``per_step_ns``.
    step: the main lane's steps: ``lane``, ``kind``, ``count``, ``kinds`` (number of each kind),
        ``total_ns``, ``mean_ns``, ``median_ns``, ``p95_ns``, ``min_ns``, ``max_ns``,
        ``interval_ns``, ``tokens``, ``tokens_per_second``, ``ns_per_token``; or null.
    steps: the same for each lane that has steps, by its name.
    lanes: list of ``name``, ``thread``, ``total_ns``, ``share``, ``percent``, ``count``, ``steps``,
        ``step_ns``.
    perturbation: ``ratio``, ``interval``, ``measured``, ``control``, ``reason``, ``sentence``.
    notes: list of sentences.
    environment: as in the run.
    functions: only where cProfile ran: ``file``, ``loop_file``, ``steps``, and the tables ``loop``,
        ``setup`` and ``stages`` (a list), each with ``path``, ``own_ns``, ``own_per_step_ns``,
        ``share``, ``percent``, ``functions``, ``shown`` (how many a short table shows) and
        ``unshown`` (the others together).
    traces: only where torch.profiler ran: list of windows with ``first_step``, ``last_step``,
        ``steps``, ``step_ns``, ``file``, ``bytes``, ``device``, ``shapes``, ``stack``, ``memory``,
        ``total`` (what the device did in all stages, or null) and ``stages``, each with its
        ``operators`` (the time in none of them is there as ``remainder``) and its ``device``, which
        is null without one.
    agreement: only with traces: ``agrees``, ``sentence``, ``stages`` (each with ``path``,
        ``traced_ns``, ``marked_ns``, ``ratio``, ``share``).
    clocks: only where an accelerator was used: ``sentence`` (which stage the host's clock blamed, and
        which it should have blamed), ``differs``, ``truth`` (the clock to trust), ``bound`` (what
        limits the step), ``sync_cost``, ``remarks``, ``lane``, ``columns`` (``kind``, ``steps``,
        ``step_ns``, ``interval_ns`` of each clock), ``traced`` (``first_step``, ``steps``, ``total``) and
        ``stages``, each with ``name``, ``path`` (empty for ``other``), ``host``, ``sync``, ``event`` and
        ``busy``, which are null where that was not measured, ``verdict`` and ``because``.
    probe: only where a step was probed: ``step``, ``device``, ``total_ns``; ``waits`` (``sentence``,
        ``places``, ``count``, ``waited_ns``, ``share``, ``percent``, ``unkept`` and ``rows``); ``work``
        (``sentence``, ``rows``, each with its ``types`` of number, ``step``, ``kind``, ``peaks`` or null,
        ``uncounted``, ``notes``, ``place``, ``absolute``); ``memory`` (a list of memories, each with its
        ``rows``).
    advice: only where the run was examined: ``sentence`` (empty where no check could be made), ``findings``,
        best first, each with ``key``, ``title``, ``evidence``, ``change``, ``check``, ``saving`` (the part of
        a step that it can save at most) and ``percent`` (both null where that is not known), ``bound``,
        ``file``, ``line``, ``source``, ``stage`` (a path) and ``urgent``; ``shown`` (how many of them a
        report shows), ``checked`` (keys) and ``silent`` (``key`` and ``reason`` of each check that could
        not be made).

Intervals are ``[low, high]`` at 95 %. Shares are fractions. What is not known is null; so are
``percent`` and ``total_percent`` where there is no share. The meaning of each number is in
`rnnprof.analysis.result`, `rnnprof.analysis.captured`, `rnnprof.analysis.agreement`,
`rnnprof.analysis.clocked`, `rnnprof.analysis.probed` and `rnnprof.analysis.advice.advised`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from rnnprof.analysis.result import Breakdown, LaneRow, StageRow
from rnnprof.renderers import as_json

CAPTURES = ("functions", "traces", "agreement", "clocks", "probe", "advice")
"""Keys that are there only where there is something."""


def render(breakdown: Breakdown) -> str:
    """Write a breakdown as JSON.

    Args:
        breakdown: the result to write.

    Returns:
        One indented object in ASCII, with a newline at its end.
    """
    content = dataclasses.asdict(breakdown)
    content["stages"] = [_row(row) for row in breakdown.stages]
    content["lanes"] = [_row(lane) for lane in breakdown.lanes]
    for key in CAPTURES:
        if content[key]:
            content[key] = _known(content[key])
        else:
            del content[key]
    return as_json.text(content)


def _row(row: StageRow | LaneRow) -> dict[str, Any]:
    content = dataclasses.asdict(row)
    if row.share is None:
        content |= {key: None for key in ("percent", "total_percent") if key in content}
    return content


def _known(value: Any) -> Any:
    """The same value with null for the percentage of a share, or a saving, that is not known."""
    if isinstance(value, dict):
        return {
            key: None
            if key.endswith("percent")
            and value.get(key.replace("percent", "share"), value.get("saving")) is None
            else _known(part)
            for key, part in value.items()
        }
    return [_known(part) for part in value] if isinstance(value, (list, tuple)) else value
