"""The stage-only trace: the spans of all steps, without operators, in Chrome's trace format.

The format is Google's "Trace Event Format" (the object form, with complete events ``X``), which
Perfetto, speedscope and chrome://tracing open. It is written chunk by chunk, in constant memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rnnprof.errors import TraceError
from rnnprof.recorder.chunks import Chunk, Place
from rnnprof.recorder.spans import SpanLog
from rnnprof.runcheck import shown

TARGET_BYTES = 9_000_000
"""What a file is to stay below: its times are rounded until it does."""
UNITS_NS = (1, 100, 1_000, 10_000)
"""To what times are rounded: to the first of these with which the file stays below its target."""
SAMPLES = 4
"""Chunks of which the size of the file is guessed."""

_Source = tuple[Chunk, int]
"""A chunk, and the row (``tid``) that it is shown in."""


def write(log: SpanLog, file: Path, title: str = "rnnprof") -> int:
    """Write the stage-only trace; a reader finds the whole file or none.

    A step is an event ``step`` with its number in ``args`` and its kind in ``cat``; a stage an event
    of its own name. Starts and ends are rounded, not lengths: neighbours never overlap, and what is
    within a span stays within it. The file's ``otherData`` says how, and what was left out.

    Args:
        log: the spans, closed.
        file: where; an existing file is replaced, a folder that does not exist is made.
        title: name of the process in the viewer, such as the script's.

    Returns:
        The size of the file in bytes.

    Raises:
        TraceError: if it cannot be written; an older file is then as it was.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as target:
            for piece in _compressed(_document(log, title)):
                target.write(piece)
            size = target.tell()
        os.replace(temporary, file)
    except OSError as error:
        raise TraceError(f"cannot write {shown(file)}: {shown(error.strerror or error)}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return size


def _compressed(texts: Iterable[str]) -> Iterator[bytes]:
    """A gzip file; what is mostly digits is packed best by zlib's filtered strategy."""
    packer = zlib.compressobj(8, zlib.DEFLATED, 31, 9, zlib.Z_FILTERED)
    for text in texts:
        yield packer.compress(text.encode())
    yield packer.flush()


def _document(log: SpanLog, title: str) -> Iterator[str]:
    rows, sources = _rows(log)
    unit = _unit(log, sources)
    about = {
        "by": "rnnprof",
        "times_rounded_to_ns": unit,
        "steps": log.steps,
        "steps_kept": sum(chunk.steps for chunk, _ in sources),
        "spans": log.spans,
        "spans_kept": log.kept,
        "kept": "all" if log.every == 1 else f"one of {log.every} windows of consecutive steps",
        "threads_left_out": log.threads_left_out,
        "ended_early": log.failure,
    }
    head = {"displayTimeUnit": "ms", "otherData": about}
    # The events that name process and rows come first; each of the others begins with its comma.
    yield json.dumps(head)[:-1] + ',"traceEvents":[\n' + ",\n".join(map(json.dumps, _names(title, rows)))
    zero = _zero(sources)
    for chunk, row in sources:
        yield _events(log.places, chunk, row, zero, unit)
    yield "\n]}\n"


def _rows(log: SpanLog) -> tuple[list[str], list[_Source]]:
    """The names of the rows, and what is in them: what encloses the rest first."""
    names: list[str] = []
    sources: list[_Source] = []
    for row in log.rows:
        for name, streams in ((row.name, (row.outside, row.inside)), ("device", (row.device,))):
            chunks = [chunk for stream in streams for chunk in stream.chunks]
            if chunks:
                sources += [(chunk, len(names) + 1) for chunk in chunks]
                names.append(name)
    return names, sources


def _names(title: str, rows: list[str]) -> Iterator[dict[str, object]]:
    named = [("process_name", 0, title), *(("thread_name", row, name) for row, name in enumerate(rows, 1))]
    for what, row, name in named:
        yield {"ph": "M", "cat": "__metadata", "pid": 1, "tid": row, "name": what, "args": {"name": name}}
    for row in range(1, len(rows) + 1):
        order = {"sort_index": row}
        yield {
            "ph": "M",
            "cat": "__metadata",
            "pid": 1,
            "tid": row,
            "name": "thread_sort_index",
            "args": order,
        }


def _events(places: list[Place], chunk: Chunk, row: int, zero: int, unit: int) -> str:
    """The events of a chunk, those that enclose others first; each begins with its comma."""
    of, starts, ends, numbers = chunk.columns()
    labels = {at: _label(places[at], row) for at in set(of)}
    is_step = {at: bool(places[at].kind) and not places[at].path for at in labels}
    step_numbers = iter(numbers)
    tails = [f',"args":{{"step":{next(step_numbers)}}}}}' if is_step[at] else "}" for at in of]
    half = unit // 2 - zero
    begins = [(start + half) // unit for start in starts]
    lengths = [(end + half) // unit - begin for end, begin in zip(ends, begins, strict=True)]
    first = _us(begins, unit)
    then = _us(lengths, unit)
    # What begins together: first what encloses the rest.
    depth = {at: len(places[at].path) for at in labels}
    order = sorted(zip(starts, map(depth.__getitem__, of), range(len(of)), strict=True))
    return "".join([f',\n{{"ts":{first[at]}{labels[of[at]]}{then[at]}{tails[at]}' for _, _, at in order])


def _us(counts: list[int], unit: int) -> Sequence[float]:
    """So many units as microseconds, of which Python writes no digit too many."""
    if unit >= 1000:
        return [count * (unit // 1000) for count in counts]
    per = 1000 // unit
    return [count // per if count % per == 0 else count / per for count in counts]


def _label(place: Place, row: int) -> str:
    """What stands between start and length of an event."""
    if place.path:
        name, category = place.path[-1], "stage"
    elif place.kind:
        name, category = "step", f"step,{place.kind}"
    else:
        name, category = place.lane, "lane"
    return f',"ph":"X","pid":1,"tid":{row},"cat":{json.dumps(category)},"name":{json.dumps(name)},"dur":'


def _unit(log: SpanLog, sources: list[_Source]) -> int:
    """The finest unit with which the file is likely to stay below its target."""
    sample = sources[:: -(-len(sources) // SAMPLES) or 1]
    spans = sum(chunk.spans for chunk, _ in sample)
    zero = _zero(sources)
    for unit in UNITS_NS[:-1]:
        texts = (_events(log.places, chunk, row, zero, unit) for chunk, row in sample)
        if sum(map(len, _compressed(texts))) * log.kept <= TARGET_BYTES * spans:
            return unit
    return UNITS_NS[-1]


def _zero(sources: list[_Source]) -> int:
    """The moment from which the trace counts."""
    return min((chunk.begins for chunk, _ in sources), default=0)
