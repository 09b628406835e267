"""Chrome traces as torch.profiler writes them: read, written, and with times in whole nanoseconds.

The format is Chrome's Trace Event Format (``X`` events with ``ts`` and ``dur`` in microseconds); the
categories are Kineto's (``libkineto/src/output_json.cpp`` and ``ActivityType.cpp``).
"""

from __future__ import annotations

import gzip
import json
import os
import re
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from rnnprof.errors import UsageError
from rnnprof.model import Json

OPERATOR = "cpu_op"
ANNOTATION = "user_annotation"
DEVICE = frozenset({"kernel", "gpu_memcpy", "gpu_memset", "memcpy", "memset"})
STEP = "ProfilerStep#"
"""What the label of a step begins with; its number follows."""

_BARE = re.compile(r"(?<=[:,\[\s])(?:N/A|-?nan|-?inf)(?=\s*[,}\]])", re.IGNORECASE)


class Entry(NamedTuple):
    """One complete (``X``) event of a trace; in order of start, the outer before the inner.

    Args:
        start: when it began, in nanoseconds.
        minus_end: when it ended, in nanoseconds, negated so that tuples sort as they nest.
        order: its index in the trace's list.
        category: Kineto's category.
        name: as the trace has it.
        thread: process and thread; of a device event, the device and its stream.
        correlation: number that a launch and what it launched share, if any.
        external: number of the operator that a launch or a device event belongs to, if any.
        device: the device's index, of a device event; otherwise the process.
    """

    start: int
    minus_end: int
    order: int
    category: str
    name: str
    thread: tuple[int | str, int | str]
    correlation: int | None
    external: int | None
    device: int | str

    @property
    def end(self) -> int:
        """When it ended, in nanoseconds."""
        return -self.minus_end


def is_launch(category: str) -> bool:
    """Whether a category holds the host's calls of a device's library (CUDA, HIP, XPU, ...)."""
    return category == "runtime" or category.endswith(("_runtime", "_driver"))


def is_time(value: object) -> TypeGuard[float]:
    """Whether a value can be a trace's time: a number, and finite."""
    return isinstance(value, (int, float)) and abs(value) < 1e18


def nanoseconds(microseconds: float) -> int:
    """Turn a trace's time into whole nanoseconds.

    Whole and fraction apart: a time of some 10^12 µs is exact to half a nanosecond as a float, and
    its product with 1000 no longer is.
    """
    whole = int(microseconds)
    return whole * 1000 + round((microseconds - whole) * 1000)


def read(file: Path) -> Json:
    """Read a trace, plain or compressed with gzip.

    Args:
        file: a Chrome trace, such as torch.profiler's.

    Returns:
        The trace; ``traceEvents`` is a list. Values that are no JSON (Kineto can write ``N/A`` and
        ``nan``) are null.

    Raises:
        UsageError: the file cannot be read, or is no trace.
    """
    try:
        raw = file.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8", errors="replace")
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{str(file)!r} cannot be read: {error}") from None
    data = _parsed(text)
    if isinstance(data, list):
        data = {"traceEvents": data}
    if not isinstance(data, dict) or not isinstance(data.get("traceEvents"), list):
        raise UsageError(f"{str(file)!r} is not a trace: give a file that torch.profiler wrote")
    return data


def _parsed(text: str) -> Any:
    for attempt in (str, lambda text: _BARE.sub("null", text)):
        try:
            return json.loads(attempt(text), strict=False, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            continue
    return None


def write(file: Path, data: Json) -> int:
    """Write a trace, compressed with gzip; a reader finds the whole file or none.

    Args:
        file: where; an existing file is replaced.
        data: the trace.

    Returns:
        The size of the file in bytes.

    Raises:
        UsageError: the file cannot be written.
    """
    packed = gzip.compress(json.dumps(data, separators=(",", ":")).encode(), compresslevel=6, mtime=0)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(packed)
            os.chmod(temporary, 0o644)
            os.replace(temporary, file)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise UsageError(f"the trace {str(file)!r} cannot be written: {error.strerror or error}") from None
    return len(packed)


def entries(data: Json) -> Iterator[Entry]:
    """Go through the complete events of a trace, in the trace's order.

    Args:
        data: a trace; whatever in it is not as it should be is passed over.

    Yields:
        One entry for each ``X`` event with a name, a category, a place and a time.
    """
    for order, event in enumerate(data["traceEvents"]):
        if not isinstance(event, dict) or event.get("ph") != "X":
            continue
        start, duration = event.get("ts"), event.get("dur", 0)
        name, category, process, thread = (event.get(key) for key in ("name", "cat", "pid", "tid"))
        if not (is_time(start) and is_time(duration) and duration >= 0):
            continue
        if not (isinstance(name, str) and isinstance(category, str)):
            continue
        if not (isinstance(process, (int, str)) and isinstance(thread, (int, str))):
            continue
        args = event.get("args")
        if not isinstance(args, dict):
            args = {}
        # As Kineto does, the two are turned apart: inner and outer then end at the same nanosecond.
        began = nanoseconds(start)
        ended = began + nanoseconds(duration)
        device = args.get("device")
        yield Entry(
            began,
            -ended,
            order,
            category,
            name,
            (process, thread),
            _number(args.get("correlation")),
            _number(args.get("External id", args.get("external id"))),
            device if isinstance(device, int) else process,
        )


def take_marks(data: Json, names: Mapping[str, str]) -> Json:
    """Make labels what they are: annotations under their own names.

    torch's cheap label is written as an operator where shapes are not recorded, so that nothing but
    its name tells it from one.

    Args:
        data: a trace in which labels are named by marks; it is changed.
        names: the names that they stand for, by their marks, which no operator is named by.

    Returns:
        The same trace, the labels as ``user_annotation`` under their own names.
    """
    for event in data["traceEvents"]:
        name = event.get("name") if isinstance(event, dict) else None
        if isinstance(name, str) and name in names:
            event["name"] = names[name]
            if event.get("cat") == OPERATOR:
                event["cat"] = ANNOTATION
    return data


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
