"""Is it a run? The schema says what a file holds; here is also what a schema cannot say."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from rnnprof.errors import RunFileError
from rnnprof.model import Json
from rnnprof.runlayout import FORMAT, VERSION


def schema() -> Json:
    """The JSON Schema of the run file."""
    text = resources.files("rnnprof").joinpath("run.schema.json").read_text(encoding="utf-8")
    found: Json = json.loads(text)
    return found


def check(data: Any, path: Path) -> None:
    """Check that loaded JSON is a run.

    Args:
        data: the JSON.
        path: where it came from, for the message.

    Raises:
        RunFileError: with one line that names the file, the place in it and the fault.
    """
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise RunFileError(f'{path} is no rnnprof run: it has no "format": "{FORMAT}"')
    version = data.get("version")
    if isinstance(version, int) and version > VERSION:
        raise RunFileError(
            f"{path} was written by a newer rnnprof (format {version}, this one reads {VERSION}): "
            "upgrade with `pip install -U rnnprof`"
        )
    import fastjsonschema

    try:
        fastjsonschema.compile(schema(), use_default=False)(data)
        for lane in data["lanes"]:
            _agree(lane)
    except fastjsonschema.JsonSchemaValueException as error:
        where = error.message if len(error.message) < 200 else f"{error.name} breaks rule {error.rule!r}"
        raise RunFileError(f"{path} is no valid run: {where.replace('data', 'run', 1)}") from None
    except _Disagreement as error:
        raise RunFileError(f"{path} is no valid run: {error}") from None
    except RecursionError:
        raise RunFileError(f"{path} is no valid run: its stages nest too deep") from None


class _Disagreement(Exception):
    """Two parts of the file contradict each other, which a schema cannot say."""


def _agree(lane: Json) -> None:
    _agree_series(lane["series"], lane["name"])
    for stage in lane.get("stages", ()):
        _agree_stage(stage, lane["name"], None)
    for kind, steps in lane.get("steps", {}).items():
        where = f"{lane['name']}, {kind} steps"
        for key in ("series", "wall"):
            _agree_series(steps.get(key, steps["series"]), where)
        timeline = steps.get("timeline", {"counts": [], "totals_ns": []})
        counts, totals = len(timeline.get("counts", ())), len(timeline["totals_ns"])
        if counts != totals:
            raise _Disagreement(f"the timeline of {where} has {counts} counts but {totals} totals")
        for stage in steps.get("stages", ()):
            _agree_stage(stage, where, totals)


def _agree_stage(stage: Json, above: str, buckets: int | None) -> None:
    where = f"{above}, stage {stage['name']!r}"
    _agree_series(stage["series"], where)
    timeline = stage.get("timeline")
    if timeline is not None:
        totals = len(timeline["totals_ns"])
        if len(timeline.get("counts", timeline["totals_ns"])) != totals or totals != buckets:
            raise _Disagreement(f"the timeline of {where} has not the buckets of its steps")
    for child in stage.get("stages", ()):
        _agree_stage(child, where, buckets)


def _agree_series(series: Json, where: str) -> None:
    bins, counts = series.get("bins", []), series.get("counts", [])
    if len(bins) != len(counts):
        raise _Disagreement(f"the histogram of {where} has {len(bins)} bins but {len(counts)} counts")
    if series["min_ns"] > series["max_ns"]:
        raise _Disagreement(f"the shortest span of {where} is longer than its longest")
    if counts and sum(counts) > series["count"]:
        raise _Disagreement(f"the histogram of {where} holds more than its {series['count']} spans")
