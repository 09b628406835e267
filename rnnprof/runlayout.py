"""The layout of the run file: a run as plain JSON and back. See docs/run-file.md."""

from __future__ import annotations

from rnnprof import anatomylayout
from rnnprof.capturelayout import (
    functions_from_json,
    functions_to_json,
    probe_from_json,
    probe_to_json,
    trace_from_json,
    trace_to_json,
)
from rnnprof.model import Json, Lane, Run, Series, Stage, Steps, Timeline

FORMAT = "rnnprof-run"
VERSION = 1


def to_json(run: Run) -> Json:
    """The run as plain JSON, in the layout of the schema."""
    found: Json = {
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
    if run.traces:
        found["traces"] = [trace_to_json(trace) for trace in run.traces]
    if run.functions is not None:
        found["functions"] = functions_to_json(run.functions)
    if run.probe is not None:
        found["probe"] = probe_to_json(run.probe)
    if run.vitals is not None:
        found["vitals"] = anatomylayout.to_json(run.vitals)
    return found


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
        traces=tuple(map(trace_from_json, data.get("traces", ()))),
        functions=functions_from_json(data["functions"]) if "functions" in data else None,
        probe=probe_from_json(data["probe"]) if "probe" in data else None,
        vitals=anatomylayout.vitals_from_json(data["vitals"]) if "vitals" in data else None,
    )


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
