"""Is it a run? The schema says what a file holds; here is also what a schema cannot say."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from rnnprof.anatomycheck import anatomy_faults, vitals_faults
from rnnprof.captures import Function, Functions, Kernel, Operator, StageFunctions, Trace, TracedStage
from rnnprof.errors import RunFileError
from rnnprof.model import Json
from rnnprof.probes import Memory, Place, ProbedStage, Wait, Work
from rnnprof.runlayout import FORMAT, VERSION
from rnnprof.units import visible

DEEPEST = 80
"""Levels of stages, or of what the environment and the notes hold; a recorder stops at 64."""

COUNTED = frozenset(
    field.name
    for kind in (Trace, TracedStage, Operator, Kernel, Functions, StageFunctions, Function)
    for field in fields(kind)
    if field.type == "int"
)
PARTS = ("stages", "operators", "kernels", "functions", "setup", "loop")
"""Keys of the captures that hold whole numbers, and those that hold parts."""

PROBE_NUMBERS = ("step", "total_ns", "more_waits")
PROBE_PARTS = {
    "stages": ("path",),
    "waits": (),
    "work": ("path", "dtype"),
    "memory": ("path", "place"),
    "places": ("name",),
}
"""Parts of the probe, and what tells the members of each apart."""
NUMBERS_OF_PARTS = frozenset(
    field.name
    for kind in (Memory, Place, ProbedStage, Wait, Work)
    for field in fields(kind)
    if field.type in ("int", "int | None")
)

LONGEST = 200
"""Characters of a path or of a fault in a message."""


def schema() -> Json:
    """The JSON Schema of the run file."""
    text = resources.files("rnnprof").joinpath("run.schema.json").read_text(encoding="utf-8")
    found: Json = json.loads(text)
    return found


@lru_cache(maxsize=1)
def _validator() -> Any:
    import fastjsonschema

    return fastjsonschema.compile(schema(), use_default=False)


def shown(words: object) -> str:
    """Make what a file or its path says fit for a message.

    Args:
        words: a path, a name, or a message that holds one.

    Returns:
        One line of at most about 200 characters, in which nothing moves the cursor.
    """
    text = str(words)
    line = visible(text[: LONGEST + 1])
    return line if len(line) <= LONGEST else line[:LONGEST] + "..."


def check(data: Any, path: Path) -> None:
    """Check that loaded JSON is a run.

    Args:
        data: the JSON.
        path: where it came from, for the message.

    Raises:
        RunFileError: with one line that names the file, the place in it and the fault.
    """
    file = shown(path)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise RunFileError(f'{file} is no rnnprof run: it has no "format": "{FORMAT}"')
    version = data.get("version")
    if isinstance(version, int) and version > VERSION:
        raise RunFileError(
            f"{file} was written by a newer rnnprof (format {shown(version)}, this one reads {VERSION}): "
            "upgrade with `pip install -U rnnprof`"
        )
    import fastjsonschema

    try:
        _validator()(data)
        _agree(data)
    except fastjsonschema.JsonSchemaValueException as error:
        where = error.message if len(error.message) < LONGEST else f"{error.name} breaks rule {error.rule!r}"
        raise RunFileError(f"{file} is no valid run: {shown(where.replace('data', 'run', 1))}") from None
    except _Disagreement as error:
        raise RunFileError(f"{file} is no valid run: {shown(error)}") from None
    except RecursionError:
        raise RunFileError(f"{file} is no valid run: it nests too deep") from None


class _Disagreement(Exception):
    """Two parts of the file contradict each other, or another fault that a schema cannot say."""


def _agree(data: Json) -> None:
    numbers = [data[key] for key in ("version", "wall_ns", "rank", "world_size") if key in data]
    _whole([*numbers, *data["schedule"].values()], "the run")
    for key in ("environment", "notes"):
        if _deeper(data[key], DEEPEST):
            raise _Disagreement(f"its {key} nest deeper than {DEEPEST} levels")
    names = set()
    for lane in data["lanes"]:
        if lane["name"] in names:
            raise _Disagreement(f"it has two lanes {lane['name']!r}")
        names.add(lane["name"])
        # A thread's steps may go on while another thread saves: what was counted may be torn.
        _agree_lane(lane, torn=data["ended"] == "running")
    for trace in data.get("traces", ()):
        where = f"the trace from step {trace['first_step']}"
        _agree_capture(trace, where)
        _inside(trace["file"])
    if "functions" in data:
        _agree_capture(data["functions"], "the functions")
        _inside(data["functions"]["file"])
        _inside(data["functions"]["loop_file"])
    if "probe" in data:
        _agree_probe(data["probe"])
    for fault in vitals_faults(data.get("vitals", {})):
        raise _Disagreement(fault)


def _agree_lane(lane: Json, torn: bool) -> None:
    _agree_series(lane["series"], lane["name"])
    for stage in lane.get("stages", ()):
        _agree_stage(stage, lane["name"], None)
    for kind, steps in lane.get("steps", {}).items():
        where = f"{lane['name']}, {kind} steps"
        wall = steps.get("wall", steps["series"])
        for series in (steps["series"], wall):
            _agree_series(series, where)
        one, other = steps["series"]["count"], wall["count"]
        if one != other and not (torn and other):
            raise _Disagreement(f"the two clocks of {where} count {one} and {other} steps")
        timeline = steps.get("timeline", {"counts": [], "totals_ns": []})
        counts, totals = len(timeline.get("counts", ())), len(timeline["totals_ns"])
        if counts != totals:
            raise _Disagreement(f"the timeline of {where} has {counts} counts but {totals} totals")
        _whole_timeline(timeline, where)
        _whole([steps.get("tokens", 0), steps.get("token_ns", 0)], where)
        for stage in steps.get("stages", ()):
            _agree_stage(stage, where, totals)


def _agree_stage(stage: Json, above: str, buckets: int | None, level: int = 1) -> None:
    if level > DEEPEST:
        raise _Disagreement(f"its stages nest deeper than {DEEPEST} levels")
    where = f"{above}, stage {stage['name']!r}"
    _agree_series(stage["series"], where)
    _whole([stage.get("steps_ns", 0)], where)
    timeline = stage.get("timeline")
    if timeline is not None:
        totals = len(timeline["totals_ns"])
        if len(timeline.get("counts", timeline["totals_ns"])) != totals or totals != buckets:
            raise _Disagreement(f"the timeline of {where} has not the buckets of its steps")
        _whole_timeline(timeline, where)
    for child in stage.get("stages", ()):
        _agree_stage(child, where, buckets, level + 1)


def _agree_capture(found: Json, where: str) -> None:
    """What a trace, or a part of one, says of itself; keys of a newer version may be anything."""
    _whole([value for key, value in found.items() if key in COUNTED], where)
    if found.get("primitive_calls", 0) > found.get("calls", 0):
        raise _Disagreement(f"a function of {where} has more primitive calls than calls")
    paths = set()
    for part in (part for key in PARTS for part in found.get(key, ())):
        _agree_capture(part, where)
        if "path" in part:
            if tuple(part["path"]) in paths:
                raise _Disagreement(f"{where} has the stage {'/'.join(part['path'])!r} twice")
            paths.add(tuple(part["path"]))


def _agree_probe(probe: Json) -> None:
    """What the probe says of itself: whole numbers, and nothing twice."""
    _whole([probe[key] for key in PROBE_NUMBERS if key in probe], "the probe")
    for key, columns in PROBE_PARTS.items():
        seen = set()
        for part in probe.get(key, ()):
            numbers = [part.get(column) for column in NUMBERS_OF_PARTS & part.keys()]
            _whole([number for number in numbers if number is not None], f"the probe's {key}")
            place = tuple(tuple(part[one]) if one == "path" else part[one] for one in columns)
            if columns and place in seen:
                raise _Disagreement(f"the probe's {key} hold {'/'.join(map(str, place))!r} twice")
            seen.add(place)
    for fault in anatomy_faults(probe.get("anatomy", {})):
        raise _Disagreement(fault)


def _inside(file: str) -> None:
    """A viewer opens the file that a run names: it lies beside the run, or below."""
    parts = file.replace("\\", "/").split("/")
    if (not parts[0] and len(parts) > 1) or parts[0][1:2] == ":" or ".." in parts or "\0" in file:
        raise _Disagreement(f"its trace {file!r} does not lie in the run's folder")


def _agree_series(series: Json, where: str) -> None:
    bins, counts = series.get("bins", []), series.get("counts", [])
    if len(bins) != len(counts):
        raise _Disagreement(f"the histogram of {where} has {len(bins)} bins but {len(counts)} counts")
    numbers = [series[key] for key in ("count", "total_ns", "min_ns", "max_ns")]
    _whole([*numbers, *bins, *counts], where)
    if series["min_ns"] > series["max_ns"]:
        raise _Disagreement(f"the shortest span of {where} is longer than its longest")
    if counts and sum(counts) > series["count"]:
        raise _Disagreement(f"the histogram of {where} holds more than its {series['count']} spans")
    if not series["count"] and any(numbers):
        raise _Disagreement(f"{where} has time but no spans")


def _whole_timeline(timeline: Json, where: str) -> None:
    _whole([*timeline.get("counts", ()), *timeline["totals_ns"]], where)


def _whole(numbers: Iterable[object], where: str) -> None:
    """In a schema 1.0 is an integer, and 1 the same as true."""
    if any(type(number) is not int for number in numbers):
        raise _Disagreement(f"a number of {where} is not written as an integer")


def _deeper(value: object, levels: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(part, levels - 1) for part in parts)
