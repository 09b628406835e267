"""A comparison as JSON, for programs: exact numbers and printed percentages, no NaN.

Keys of the object:
    step: ``verdict`` (``"faster"``, ``"slower"`` or ``"no difference shown"``), ``ratio`` (after over
        before, minus 1), ``interval`` of that, ``percent`` and ``range`` (both as printed),
        ``before_ns``, ``after_ns``, ``change_ns``, ``interval_ns``, ``basis``, ``smallest`` (the smallest
        ratio that would have been shown), ``by_runs``, ``effect_ns``, ``effect``, ``enough``, ``limit_ns``,
        ``long``, ``medians_ns``, ``sentences``.
    stages: list; each with the same keys up to ``by_runs``, and ``name``, ``path`` (a list),
        ``remainder`` (true for the ``other`` that no stage claims), ``only`` (``"before"`` or ``"after"``
        where one side alone has it), ``effect_ns``, ``effect``, ``effect_percent``, ``part``,
        ``part_percent``, ``visits``.
    before, after: ``names``, ``lane``, ``kinds``, ``steps`` and ``means_ns`` (one for each run),
        ``tokens``, ``ns_per_token``.
    unlike: what else differs: list of ``what``, ``before``, ``after``.
    notes, forced: lists of sentences.

Intervals are ``[low, high]`` at 95 %, those of the stages together. Everything that ends in ``_ns`` is
nanoseconds in one step. What is not known is null. `rnnprof.analysis.compared` says what each means.
"""

from __future__ import annotations

import dataclasses

from rnnprof.analysis.compared import Comparison
from rnnprof.renderers import as_json


def render(comparison: Comparison) -> str:
    """Write a comparison as JSON.

    Args:
        comparison: what to write.

    Returns:
        One indented object in ASCII, with a newline at its end.
    """
    return as_json.text(dataclasses.asdict(comparison))
