"""cProfile's counts as tables: summed, subtracted, written as the files that pstats reads.

The layout of a file is that of `cProfile.Profile.create_stats`: marshal data,
``{(file, line, name): (primitive calls, calls, own seconds, total seconds, callers)}``, where callers
are ``{(file, line, name): (calls, primitive calls, own seconds, total seconds)}``.
"""

from __future__ import annotations

import contextlib
import marshal
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import CodeType
from typing import Any

from rnnprof.captures import Function
from rnnprof.errors import RunFileError
from rnnprof.runcheck import shown

Label = tuple[str, int, str]
"""A function's file, first line and name; ``("~", 0, name)`` for a built-in function."""
Counts = tuple[int, int, int, int]
"""Primitive calls, calls, own time and total time in nanoseconds."""
Table = dict[Label, tuple[Counts, dict[Label, Counts]]]
"""What was counted of each function, and the part of it that each caller caused."""

CODE, PARTS = 0, 5
"""Where an entry of cProfile has its function, and its callees; between them are its counts."""
NOTHING: Counts = (0, 0, 0, 0)


def label(code: CodeType | str) -> Label:
    """A function's label, as `cProfile.label` makes it.

    Args:
        code: what cProfile knows it by: its code, or the name of a built-in function.
    """
    if isinstance(code, str):
        return ("~", 0, code)
    return (code.co_filename, code.co_firstlineno, code.co_name)


def counts_of(entry: Any) -> Counts:
    """The counts of one of cProfile's entries, or of one of its callees.

    Times are whole: cProfile counts in nanoseconds and multiplies at the end, so nothing is lost.

    Args:
        entry: the entry.
    """
    _, calls, recursive, total, own = entry[:PARTS]
    return (calls - recursive, calls, round(own * 1e9), round(total * 1e9))


def plain(entries: Iterable[Any]) -> list[Any]:
    """cProfile's entries as tuples that can be kept.

    Its own complain when they outlive its module at the end of Python, and a table takes too long to
    make while a program waits.

    Args:
        entries: what `cProfile.Profile.getstats` returned.
    """
    return [(*entry[:PARTS], entry[PARTS] and list(map(tuple, entry[PARTS]))) for entry in entries]


def table(entries: Iterable[Any]) -> Table:
    """The table of cProfile's entries.

    Functions of one label (``<string>``, line 2, ``__init__``: every dataclass has one) are summed,
    where `cProfile.Profile.create_stats` keeps the last one and loses the time of the others.

    Args:
        entries: what `cProfile.Profile.getstats` or `plain` returned.
    """
    entries = list(entries)
    result: Table = {}
    for entry in entries:
        name = label(entry[CODE])
        counts, callers = result.get(name, (NOTHING, {}))
        result[name] = (_added(counts, counts_of(entry)), callers)
    for entry in entries:
        caller = label(entry[CODE])
        for part in entry[PARTS] or ():
            called = result.get(label(part[CODE]))
            if called is not None:
                called[1][caller] = _added(called[1].get(caller, NOTHING), counts_of(part))
    return result


def difference(later: Table, earlier: Table) -> Table:
    """What was counted between two moments; functions and callers that counted nothing are left out.

    Args:
        later: the table of the second moment.
        earlier: the table of the first one, of the same profiler.
    """
    result: Table = {}
    for name, (counts, callers) in later.items():
        before, callers_before = earlier.get(name, (NOTHING, {}))
        left = _left(counts, before)
        if any(left):
            parts = {one: _left(part, callers_before.get(one, NOTHING)) for one, part in callers.items()}
            result[name] = (left, {one: part for one, part in parts.items() if any(part)})
    return result


def alone(counted: Table) -> dict[Label, Counts]:
    """The functions of a table without their callers."""
    return {name: counts for name, (counts, _) in counted.items()}


def own_ns(counted: Mapping[Label, Counts]) -> int:
    """Own time of all functions of a table, callers left aside, in nanoseconds."""
    return sum(counts[2] for counts in counted.values())


def longest(counted: Mapping[Label, Counts], most: int) -> tuple[Function, ...]:
    """The functions of most own time, the longest first.

    Args:
        counted: functions by label.
        most: how many are kept.
    """
    ordered = sorted(counted.items(), key=lambda item: (-item[1][2], -item[1][3], item[0]))
    return tuple(
        Function(file, line, name, calls=calls, primitive_calls=primitive, own_ns=own, total_ns=total)
        for (file, line, name), (primitive, calls, own, total) in ordered[:most]
    )


def write(counted: Table, path: Path) -> None:
    """Write a table whole or not at all, as a file that pstats and snakeviz read.

    Args:
        counted: the table.
        path: the file; an older one is replaced.

    Raises:
        RunFileError: if it cannot be written; an older file is then as it was.
    """
    stats = {
        name: (*_seconds(counts), {one: _of_caller(part) for one, part in callers.items()})
        for name, (counts, callers) in counted.items()
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            temporary.write_bytes(marshal.dumps(stats))
            os.replace(temporary, path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        raise RunFileError(f"cannot write {shown(path)}: {shown(error.strerror or error)}") from None


def _seconds(counts: Counts) -> tuple[int, int, float, float]:
    # The multiplication that cProfile itself does, so that the floats are its own to the bit.
    return (counts[0], counts[1], counts[2] * 1e-9, counts[3] * 1e-9)


def _of_caller(counts: Counts) -> tuple[int, int, float, float]:
    # Among callers all calls come before the primitive ones.
    primitive, calls, own, total = _seconds(counts)
    return (calls, primitive, own, total)


def _added(one: Counts, other: Counts) -> Counts:
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3])


def _left(later: Counts, earlier: Counts) -> Counts:
    """What is left, never negative: a clock of the user's machine may step back."""
    return (
        max(later[0] - earlier[0], 0),
        max(later[1] - earlier[1], 0),
        max(later[2] - earlier[2], 0),
        max(later[3] - earlier[3], 0),
    )


class Aside:
    """Notes what is called within a ``with``, to be taken away later.

    Args:
        seen: gives the table so far.
        asides: takes what was called.
    """

    def __init__(self, seen: Callable[[], Table], asides: list[Table]) -> None:
        self._seen = seen
        self._asides = asides

    def __enter__(self) -> None:
        self._before = self._seen()

    def __exit__(self, *error: object) -> None:
        self._asides.append(difference(self._seen(), self._before))
