"""The report of a sweep as JSON, for programs: exact numbers, no NaN.

The keys are the fields of `rnnprof.analysis.swept.SweepReport` and of what it holds; what ends in
``_ns`` is nanoseconds, intervals are ``[low, high]`` at 95 %, what is not known is null.
"""

from __future__ import annotations

import dataclasses

from rnnprof.analysis.swept import SweepReport
from rnnprof.renderers import as_json


def render(report: SweepReport) -> str:
    """Write the report of a sweep as JSON.

    Args:
        report: the result to write.

    Returns:
        One indented object in ASCII, with a newline at its end.
    """
    content = dataclasses.asdict(report)
    content["runs"] = dict(zip(("planned", "done", "failed", "missing"), report.runs, strict=True))
    for row, combination in zip(content["combinations"], report.combinations, strict=True):
        row["status"] = combination.status
        row["levels"] = dict(zip(report.factors, combination.levels, strict=True))
    return as_json.text(content)
