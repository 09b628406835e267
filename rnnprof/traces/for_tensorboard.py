"""A copy of a trace that torch-tb-profiler 0.4.3 reads well; the raw trace stays as torch wrote it.

What the plugin does with a trace is in its ``profiler/trace.py``, ``event_parser.py`` and ``data.py``;
it is the last release, so it stays so.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rnnprof.captures import Path
from rnnprof.model import Json
from rnnprof.traces.events import ANNOTATION, OPERATOR, STEP, entries, is_launch, is_time, nanoseconds
from rnnprof.traces.labels import Labels, find

_UNKNOWN = "other"
"""A category that the plugin draws in its Trace view and reads no further."""
_COMMUNICATION = ("gloo:", "nccl:")


def fit(data: Json, paths: Collection[Path], steps: Collection[int]) -> Json:
    """Make a copy for torch-tb-profiler.

    - Labels of stages become operators: annotations are in none of its tables. (Its Overview then
      calls all time in a stage "CPU Exec", Python's included.)
    - Host calls of a device's library become ``runtime``: newer names of the category are ignored.
    - Labels on the device's own rows lose their category: it would count every step twice.
    - Labels of steps that do not count are renamed, so that they are in no average.
    - What its parser stops at (no name, no category, no time) is completed, or left out.

    Args:
        data: a trace; it is not changed.
        paths: paths of the stages under the step.
        steps: numbers of the steps that count.

    Returns:
        The copy. It shares what did not change with the trace.
    """
    labels = find(entries(data), paths, steps)
    fitted: list[Json] = []
    for order, event in enumerate(data["traceEvents"]):
        if isinstance(event, dict) and _is_sound(event):
            changed = _changes(event, labels.paths.get(order), labels)
            fitted.append({**event, **changed} if changed else event)
    return {**data, "traceEvents": fitted}


def _is_sound(event: Json) -> bool:
    if event.get("name") == "Record Window End":
        return False  # it lies far behind the rest, and the plugin would rewrite the whole file
    start, duration = event.get("ts"), event.get("dur", 0)
    if not (is_time(start) and is_time(duration) and duration >= 0):
        return event.get("ph") not in ("X", "i")
    return True


def _changes(event: Json, label: Path | None, labels: Labels) -> Json:
    changed: Json = {}
    name, category = event.get("name"), event.get("cat")
    if not isinstance(name, str):
        name = changed["name"] = ""
    if event.get("ph") == "X":
        if "dur" not in event:
            changed["dur"] = 0
        if not isinstance(category, str):
            changed["cat"] = _UNKNOWN
        elif is_launch(category):
            changed |= {"cat": "runtime", "args": {"External id": 0, **_args(event)}}
        elif category == "gpu_user_annotation":
            changed["cat"] = "gpu_annotation"
        elif category in (OPERATOR, ANNOTATION):
            changed |= _host_changes(event, name, label, labels)
    return changed


def _host_changes(event: Json, name: str, label: Path | None, labels: Labels) -> Json:
    thread = event.get("tid")
    if not isinstance(thread, int) and not str(thread).isdecimal():
        return {"cat": _UNKNOWN}
    if label:
        return {"cat": OPERATOR}
    if label is None and name.startswith(STEP):
        return {"name": name.replace(STEP, "ProfilerStep ", 1)}
    if name.startswith(_COMMUNICATION):
        # The Distributed view matches the ranks' operations one by one, step by step.
        in_step = labels.at(nanoseconds(event["ts"])) is not None
        return {"args": _one_tensor_each(_args(event))} if in_step else {"cat": _UNKNOWN}
    return {}


def _args(event: Json) -> Json:
    args = event.get("args")
    return args if isinstance(args, dict) else {}


def _one_tensor_each(args: Json) -> Json:
    """Give each tensor that is sent a shape and a type of its own: the plugin knows no lists of them."""
    shapes, types = args.get("Input Dims"), args.get("Input type")
    if not isinstance(shapes, list) or not isinstance(types, list):
        return {key: value for key, value in args.items() if key not in ("Input Dims", "Input type")}
    flat: list[tuple[Any, Any]] = []
    for shape, kind in zip(shapes, types, strict=False):
        several = isinstance(shape, list) and any(isinstance(size, list) for size in shape)
        flat += [(one, kind) for one in (shape if several else [shape]) if kind]
    return {**args, "Input Dims": [shape for shape, _ in flat], "Input type": [kind for _, kind in flat]}
