"""The report of a sweep as JSON, for programs: exact numbers, no NaN.

The keys are the fields of `rnnprof.analysis.swept.SweepReport` and of what it holds; what ends in
``_ns`` is nanoseconds, intervals are ``[low, high]`` at 95 %, what is not known is null.
"""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

from rnnprof.analysis.swept import SweepReport


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
    return json.dumps(_finite(content), indent=2, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
