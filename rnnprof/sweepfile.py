"""A sweep's folder: the plan, and for each of its runs a run file, two logs and how it ended.

``plan.json`` is written once. A run has ended when its ``.ended.json`` is there, which is written
last and at once: whatever else there is of a run without it is half-written, and is made again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import fastjsonschema

from rnnprof import runfile
from rnnprof.errors import RunFileError, UsageError
from rnnprof.runcheck import shown
from rnnprof.sweepmodel import (
    DONE,
    FAILED,
    KILLED,
    MEMORY,
    MOST,
    NO_STEPS,
    TIMEOUT,
    Ended,
    Factor,
    Plan,
    Trial,
)

FORMAT = "rnnprof-sweep-1"
PLAN, ENDED = "plan.json", "ended.json"

_TEXT, _TEXTS = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
_COUNT = {"type": "integer", "minimum": 0}
_FACTOR = {
    "type": "object",
    "required": ["name", "levels", "words"],
    "additionalProperties": False,
    "properties": {
        "name": _TEXT,
        "levels": {**_TEXTS, "minItems": 1},
        "words": {"type": "array", "items": _TEXTS},
    },
}
_PLAN: dict[str, Any] = {
    "created": _TEXT,
    "folder": _TEXT,
    "target": {**_TEXTS, "minItems": 1},
    "fixed": _TEXTS,
    "shown": _TEXTS,
    "factors": {"type": "array", "items": _FACTOR, "minItems": 1},
    "steps": {"type": ["integer", "null"], "minimum": 1},
    "warmup": _COUNT,
    "repeat": {"type": "integer", "minimum": 1},
    "seed": {"type": "integer"},
    "order": {"type": "array", "items": {"type": "array", "items": _COUNT}},
    "options": _TEXTS,
    "timeout_s": {"type": ["number", "null"]},
    "tokens": _TEXT,
    "steps_per_epoch": _TEXT,
    "metrics": _TEXTS,
}
_ENDED: dict[str, Any] = {
    "status": {"enum": [DONE, FAILED, MEMORY, KILLED, TIMEOUT, NO_STEPS]},
    "code": {"type": "integer"},
    "seconds": {"type": "number", "minimum": 0},
    "words": _TEXT,
    "peak_bytes": {"type": ["integer", "null"], "minimum": 0},
}
_TIMES = ("timeout_s", "seconds")
"""What need not be whole."""


def save_plan(plan: Plan, folder: Path) -> None:
    """Write a plan.

    Raises:
        RunFileError: it cannot be written.
    """
    _write(folder / PLAN, asdict(plan))


def load_plan(folder: Path) -> Plan:
    """Read a plan.

    Raises:
        RunFileError: it is none, with one line that says what is wrong.
    """
    if not (folder / PLAN).is_file():
        raise RunFileError(f"{shown(folder)} is no sweep: it has no {PLAN}")
    data = _read(folder / PLAN, PLAN)
    data["factors"] = tuple(
        Factor(one["name"], tuple(one["levels"]), tuple(map(tuple, one["words"]))) for one in data["factors"]
    )
    data["order"] = tuple(map(tuple, data["order"]))
    fields: dict[str, Any] = {key: tuple(one) if isinstance(one, list) else one for key, one in data.items()}
    plan = Plan(**fields)
    number = math.prod(len(factor.levels) for factor in plan.factors)
    whole = all(len(factor.words) == len(factor.levels) for factor in plan.factors)
    rounds = len(plan.order) == plan.repeat and number * plan.repeat <= MOST
    if not (whole and rounds and all(sorted(order) == list(range(number)) for order in plan.order)):
        raise RunFileError(f"{shown(folder / PLAN)} is no plan of a sweep: it contradicts itself")
    return plan


def save_ended(ended: Ended, trial: Trial, folder: Path) -> None:
    """Write how a run ended: from now on it is not run again.

    Raises:
        RunFileError: it cannot be written.
    """
    _write(trial.file(folder, ENDED), asdict(ended))


def load_ended(trial: Trial, folder: Path) -> Ended | None:
    """How a run ended; None if it has not yet, or was cut short.

    Raises:
        RunFileError: the file is there, but says something else.
    """
    path = trial.file(folder, ENDED)
    return Ended(**_read(path, ENDED)) if path.exists() else None


def _write(path: Path, content: dict[str, Any]) -> None:
    try:
        text = json.dumps({"format": FORMAT, **content}, indent=1)
        runfile.write_atomically(path, text + "\n")
    except UnicodeEncodeError:
        raise UsageError(f"{shown(path)}: an argument is no text") from None


@cache
def _check(kind: str) -> Callable[[Any], Any]:
    """What raises for data that is none of that kind."""
    properties = _PLAN if kind == PLAN else _ENDED
    check: Callable[[Any], Any] = fastjsonschema.compile(
        {
            "type": "object",
            "required": ["format", *properties],
            "additionalProperties": False,
            "properties": {"format": {"const": FORMAT}, **properties},
        }
    )
    return check


def _read(path: Path, kind: str) -> dict[str, Any]:
    name = shown(path)
    try:
        data = runfile.parsed(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunFileError(f"cannot read {name}: {error.strerror}") from None
    except runfile.NotFinite as error:
        raise RunFileError(f"{name} is no part of a sweep: {shown(error)}") from None
    except (ValueError, RecursionError):
        raise RunFileError(f"{name} is no complete JSON: it was cut short or is no part of a sweep") from None
    try:
        _check(kind)(data)
    except fastjsonschema.JsonSchemaException as error:
        fault = str(error).replace("data", path.name, 1)
        raise RunFileError(f"{name} is no part of a sweep: {shown(fault)}") from None
    if any(_fractional(part) for key, part in data.items() if key not in _TIMES):
        raise RunFileError(f"{name} is no part of a sweep: a number of it is not written as an integer")
    del data["format"]
    found: dict[str, Any] = data
    return found


def _fractional(value: object) -> bool:
    """In a schema 1.0 is an integer."""
    return isinstance(value, float) or (isinstance(value, list) and any(map(_fractional, value)))
