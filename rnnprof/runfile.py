"""The run file: JSON that is written atomically and checked when it is read.

The format and its history are in docs/run-file.md; `run.schema.json` is its JSON Schema.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from importlib import resources
from pathlib import Path
from typing import Any

from rnnprof.errors import RunFileError
from rnnprof.model import Json, Lane, Run, Series, Stage, Steps, Timeline

FORMAT = "rnnprof-run"
VERSION = 1


def save(run: Run, path: str | Path) -> None:
    """Save a run, so that at every moment the file is the old run or the new one, whole.

    Args:
        run: the run.
        path: the file to write.

    Raises:
        RunFileError: if it cannot be written; an older file is then as it was.
    """
    write_atomically(Path(path), json.dumps(to_json(run), separators=(",", ":"), allow_nan=False) + "\n")


def load(path: str | Path) -> Run:
    """Load a run and check it.

    Args:
        path: the run file.

    Raises:
        RunFileError: with one line that names the file and the fault.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8")
    except IsADirectoryError:
        raise RunFileError(f"{path} is a folder: give the run file in it") from None
    except OSError as error:
        raise RunFileError(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError:
        raise RunFileError(f"{path} is no rnnprof run: it is not text") from None
    if not text.strip():
        raise RunFileError(f"{path} is empty: nothing was saved in it")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        place = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise RunFileError(f"{path} is no complete JSON{place}: it was cut short or is no run") from None
    _check(data, path)
    return from_json(data)


def write_atomically(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Args:
        path: the file; a link is followed, a device such as ``/dev/stdout`` is written directly.
        text: its content.

    Raises:
        RunFileError: if it cannot be written; an older file is then as it was.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            if target.is_dir():
                raise RunFileError(f"cannot write {path}: it is a folder")
            with open(target, "w", encoding="utf-8") as file:
                file.write(text)
            return
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(13, "Permission denied")
        with open(temporary, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.replace(temporary, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise RunFileError(f"cannot write {path}: {error.strerror or error}") from None


def to_json(run: Run) -> Json:
    """The run as plain JSON, in the layout of the schema."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "created": run.created,
        "ended": run.ended,
        "wall_ns": run.wall_ns,
        "clock": run.clock,
        "schedule": dict(run.schedule),
        "lanes": [_lane(lane) for lane in run.lanes],
        "environment": run.environment,
        "notes": list(run.notes),
        "rank": run.rank,
        "world_size": run.world_size,
    }


def from_json(data: Json) -> Run:
    """The run in checked JSON; the inverse of `to_json`."""
    return Run(
        created=data["created"],
        ended=data["ended"],
        wall_ns=data["wall_ns"],
        clock=data["clock"],
        schedule=dict(data["schedule"]),
        lanes=tuple(_read_lane(lane) for lane in data["lanes"]),
        environment=data["environment"],
        notes=tuple(data["notes"]),
        rank=data.get("rank", 0),
        world_size=data.get("world_size", 1),
    )


def schema() -> Json:
    """The JSON Schema of the run file."""
    text = resources.files("rnnprof").joinpath("run.schema.json").read_text(encoding="utf-8")
    found: Json = json.loads(text)
    return found


# ---- writing ---------------------------------------------------------------------------------


def _lane(lane: Lane) -> Json:
    return {
        "name": lane.name,
        "thread": lane.thread,
        "series": _series(lane.series),
        "stages": [_stage(stage, None) for stage in lane.stages],
        "steps": {
            kind: {
                "series": _series(steps.series),
                "wall": _series(steps.wall),
                "timeline": _timeline(steps.timeline, None),
                "tokens": steps.tokens,
                "token_ns": steps.token_ns,
                "stages": [_stage(stage, steps.timeline) for stage in steps.stages],
            }
            for kind, steps in lane.steps.items()
        },
    }


def _stage(stage: Stage, steps: Timeline | None) -> Json:
    found: Json = {"name": stage.name, "series": _series(stage.series)}
    if stage.timeline.totals_ns:
        found["timeline"] = _timeline(stage.timeline, steps)
    if stage.steps_ns:
        found["steps_ns"] = stage.steps_ns
    if stage.stages:
        found["stages"] = [_stage(child, steps) for child in stage.stages]
    return found


def _series(series: Series) -> Json:
    return {
        "count": series.count,
        "total_ns": series.total_ns,
        "min_ns": series.min_ns,
        "max_ns": series.max_ns,
        "bins": series.bins,
        "counts": series.counts,
    }


def _timeline(timeline: Timeline, steps: Timeline | None) -> Json:
    # Most stages are visited once in each step: then their counts are those of the steps.
    if steps is not None and timeline.counts == steps.counts:
        return {"totals_ns": timeline.totals_ns}
    return {"counts": timeline.counts, "totals_ns": timeline.totals_ns}


# ---- reading ---------------------------------------------------------------------------------


def _read_lane(data: Json) -> Lane:
    steps = {}
    for kind, found in data.get("steps", {}).items():
        timeline = _read_timeline(found.get("timeline"), None)
        steps[kind] = Steps(
            series=_read_series(found["series"]),
            wall=_read_series(found.get("wall", found["series"])),
            timeline=timeline,
            tokens=found.get("tokens", 0),
            token_ns=found.get("token_ns", 0),
            stages=tuple(_read_stage(stage, timeline) for stage in found.get("stages", ())),
        )
    return Lane(
        name=data["name"],
        thread=data.get("thread", False),
        series=_read_series(data["series"]),
        stages=tuple(_read_stage(stage, None) for stage in data.get("stages", ())),
        steps=steps,
    )


def _read_stage(data: Json, steps: Timeline | None) -> Stage:
    return Stage(
        name=data["name"],
        series=_read_series(data["series"]),
        timeline=_read_timeline(data.get("timeline"), steps),
        stages=tuple(_read_stage(child, steps) for child in data.get("stages", ())),
        steps_ns=data.get("steps_ns", 0),
    )


def _read_series(data: Json) -> Series:
    return Series(
        count=data["count"],
        total_ns=data["total_ns"],
        min_ns=data["min_ns"],
        max_ns=data["max_ns"],
        bins=tuple(data.get("bins", ())),
        counts=tuple(data.get("counts", ())),
    )


def _read_timeline(data: Json | None, steps: Timeline | None) -> Timeline:
    if data is None:
        return Timeline()
    counts = data["counts"] if "counts" in data or steps is None else steps.counts
    return Timeline(tuple(counts), tuple(data["totals_ns"]))


# ---- checking --------------------------------------------------------------------------------


def _check(data: Any, path: Path) -> None:
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
        if len(timeline.get("counts", ())) != len(timeline["totals_ns"]):
            raise _Disagreement(f"the timeline of {where} has as many counts as totals, or should have")
        for stage in steps.get("stages", ()):
            _agree_stage(stage, where, len(timeline["totals_ns"]))


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
