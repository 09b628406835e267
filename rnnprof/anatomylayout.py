"""The layout of a run file's anatomy and vitals: as plain JSON and back, by the types of their fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from functools import lru_cache
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from rnnprof.anatomy import Anatomy
from rnnprof.vitals import Vitals


def to_json(found: Anatomy | Vitals) -> dict[str, Any]:
    """An anatomy or vitals as plain JSON.

    Returns:
        A part of the run file; what was not looked at is absent.
    """
    return {key: value for key, value in asdict(found).items() if value is not None}


def anatomy_from_json(data: dict[str, Any]) -> Anatomy:
    """The inverse of `to_json`, for checked JSON of an anatomy."""
    found: Anatomy = _read(Anatomy, data)
    return found


def vitals_from_json(data: dict[str, Any]) -> Vitals:
    """The inverse of `to_json`, for checked JSON of vitals."""
    found: Vitals = _read(Vitals, data)
    return found


def whole_numbers(kind: Any, value: Any) -> Iterator[object]:
    """What stands where a whole number should, in JSON that fits the schema.

    Args:
        kind: the type that the JSON is of, such as `Anatomy`.
        value: the JSON.

    Yields:
        Numbers, and None for those that may be and are absent. Keys of a newer version are passed over.
    """
    for hint, part in _parts(kind, value):
        if hint is int:
            yield part
        elif part is not None:
            yield from whole_numbers(hint, part)


def _read(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if _is_record(hint):
        hints = _hints(hint)
        # A newer version may have written more.
        return hint(**{key: _read(hints[key], part) for key, part in value.items() if key in hints})
    if get_origin(hint) is tuple:
        return tuple(_read(part, one) for part, one in _parts(hint, value))
    return value


def _parts(hint: Any, value: Any) -> Iterator[tuple[Any, Any]]:
    """The parts of a value with their types; nothing for a number or a word."""
    if _is_record(hint):
        yield from ((found, value[key]) for key, found in _hints(hint).items() if key in value)
    elif get_origin(hint) is tuple:
        kinds = get_args(hint)
        yield from ((kinds[0] if kinds[-1] is ... else kinds[at], one) for at, one in enumerate(value))


def _is_record(hint: Any) -> bool:
    return is_dataclass(hint)


@lru_cache(maxsize=64)
def _hints(kind: Any) -> dict[str, Any]:
    """The type of each field, without "or None"."""
    return {key: _without_none(hint) for key, hint in get_type_hints(kind).items()}


def _without_none(hint: Any) -> Any:
    kinds = get_args(hint)
    if NoneType not in kinds:
        return hint
    return next(kind for kind in kinds if kind is not NoneType)
