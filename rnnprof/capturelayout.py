"""The layout of a run file's captures: summaries of traces, and the probe, as plain JSON and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rnnprof import anatomylayout
from rnnprof.captures import Function, Functions, Kernel, Operator, StageFunctions, Trace, TracedStage
from rnnprof.model import Json
from rnnprof.probes import Memory, Place, Probe, ProbedStage, Wait, Work


def trace_to_json(trace: Trace) -> Json:
    """One window of traced steps as plain JSON."""
    return asdict(trace)


def functions_to_json(functions: Functions) -> Json:
    """What cProfile saw, as plain JSON."""
    return asdict(functions)


def probe_to_json(probe: Probe) -> Json:
    """What the probed step showed, as plain JSON."""
    found = asdict(probe)
    del found["anatomy"]
    if probe.anatomy is not None:
        found["anatomy"] = anatomylayout.to_json(probe.anatomy)
    return found


def trace_from_json(data: Json) -> Trace:
    """The inverse of `trace_to_json`, for checked JSON."""
    return Trace(**{**_known(Trace, data), "stages": tuple(map(_stage, data.get("stages", ())))})


def functions_from_json(data: Json) -> Functions:
    """The inverse of `functions_to_json`, for checked JSON."""
    return Functions(
        **{
            **_known(Functions, data),
            "setup": _functions(data.get("setup", ())),
            "loop": _functions(data.get("loop", ())),
            "stages": tuple(
                StageFunctions(tuple(one["path"]), one["own_ns"], _functions(one["functions"]))
                for one in data.get("stages", ())
            ),
        }
    )


def probe_from_json(data: Json) -> Probe:
    """The inverse of `probe_to_json`, for checked JSON."""
    parts = {"stages": ProbedStage, "waits": Wait, "work": Work, "memory": Memory, "places": Place}
    return Probe(
        **{
            **_known(Probe, data),
            **{key: tuple(_part(kind, one) for one in data.get(key, ())) for key, kind in parts.items()},
            "uncounted": tuple(data.get("uncounted", ())),
            "anatomy": anatomylayout.anatomy_from_json(data["anatomy"]) if "anatomy" in data else None,
        }
    )


def _part(kind: Any, data: Json) -> Any:
    found = _known(kind, data)
    return kind(**{**found, "path": tuple(found["path"])} if "path" in found else found)


def _stage(data: Json) -> TracedStage:
    return TracedStage(
        **{
            **_known(TracedStage, data),
            "path": tuple(data["path"]),
            "operators": tuple(Operator(**_known(Operator, one)) for one in data.get("operators", ())),
            "kernels": tuple(Kernel(**_known(Kernel, one)) for one in data.get("kernels", ())),
        }
    )


def _functions(data: Any) -> tuple[Function, ...]:
    return tuple(Function(**_known(Function, one)) for one in data)


def _known(kind: Any, data: Json) -> dict[str, Any]:
    # A newer version may have written more.
    return {key: value for key, value in data.items() if key in kind.__dataclass_fields__}
