"""The stages over the run as TensorBoard's scalars, for its ordinary tabs.

The file is written at the end of the user's own training, so by this short writer and not by
TensorBoard's, which starts a thread and loads NumPy. Its format is a sequence of records
(https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/lib/io/record_writer.h),
each a message ``Event`` of event.proto with a ``Summary`` of summary.proto, in protocol buffers'
wire format (https://protobuf.dev/programming-guides/encoding/).
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from rnnprof.analysis.breakdown import breakdown
from rnnprof.analysis.course import course
from rnnprof.errors import RunFileError
from rnnprof.model import Run
from rnnprof.units import visible

Point = tuple[float, int, dict[str, float]]
"""Seconds since 1970, the number of the step, and the values by their tags."""


def write(run: Run, folder: Path) -> Path:
    """Write the course of a run as an event file, in place of the one of an earlier save or run.

    Args:
        run: the saved measurement.
        folder: where to write it; it is made if it is not there.

    Returns:
        The file. It holds ``step ms``, ``stage ms/PATH`` (mean milliseconds per step, child stages
        included), ``share %/PATH`` (without them), ``tokens per second`` where it is known, and no
        values where the run has no steps.

    Raises:
        RunFileError: if it cannot be written; an older file is then as it was.
    """
    start = _seconds(run.created)
    # The digits are where TensorBoard looks for the time by which it sorts the files of a folder.
    file = folder / f"events.out.tfevents.{int(start):010d}.rnnprof.rank{run.rank}"
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as out:
            out.write(_record(_double(1, start) + _bytes(3, b"brain.Event:2")))
            for when, step, values in points(run):
                out.write(_record(_event(when, step, values)))
        os.replace(temporary, file)
        for other in folder.glob(f"events.out.tfevents.*.rnnprof.rank{run.rank}"):
            if other != file:
                # Of an earlier run in this place: TensorBoard would draw both as one.
                other.unlink(missing_ok=True)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise RunFileError(f"cannot write {visible(str(file))}: {error.strerror or error}") from None
    return file


def points(run: Run) -> Iterator[Point]:
    """What `write` writes.

    Args:
        run: the saved measurement.

    Yields:
        The points of its course in time order.
    """
    found = course(run)
    if found is None:
        return
    start, last = _seconds(run.created), len(found.steps) - 1
    summary = breakdown(run).step
    tags = _tags([line.path for line in found.lines])
    for at, step in enumerate(found.steps):
        values = {"step ms": found.step_ns[at] / 1e6}
        for tag, line in zip(tags, found.lines, strict=True):
            values[f"stage ms/{tag}"] = line.total_ns[at] / 1e6
            values[f"share %/{tag}"] = line.shares[at] * 100
        if at == last and summary is not None and summary.tokens_per_second is not None:
            # Tokens are counted over the run, not bucket by bucket.
            values["tokens per second"] = summary.tokens_per_second
        yield start + found.seconds[at], step, values


def _tags(paths: list[tuple[str, ...]]) -> list[str]:
    """One for each path; no two are the same, whatever the names hold."""
    tags: list[str] = []
    for path in paths:
        tag = first = "/".join(visible(name) for name in path)
        number = 1
        while tag in tags:
            number += 1
            tag = f"{first} ({number})"
        tags.append(tag)
    return tags


def _seconds(created: str) -> float:
    try:
        return max(datetime.fromisoformat(created).timestamp(), 0.0)
    except (ValueError, OverflowError, OSError):
        return 0.0


# ---- the format ------------------------------------------------------------------------------


def _event(when: float, step: int, values: dict[str, float]) -> bytes:
    """``Event {double wall_time = 1; int64 step = 2; Summary summary = 5}``."""
    summary = b"".join(
        # Summary {repeated Value value = 1}, Value {string tag = 1; float simple_value = 2}
        _bytes(1, _bytes(1, tag.encode()) + b"\x15" + struct.pack("<f", value))
        for tag, value in values.items()
    )
    return _double(1, when) + b"\x10" + _varint(step) + _bytes(5, summary)


def _double(field: int, value: float) -> bytes:
    return bytes([field << 3 | 1]) + struct.pack("<d", value)


def _bytes(field: int, content: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """A whole number, not negative, seven bits at a time, the lowest first."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _record(content: bytes) -> bytes:
    """Length, its checksum, content, its checksum."""
    length = struct.pack("<Q", len(content))
    return length + _masked(length) + content + _masked(content)


def _masked(content: bytes) -> bytes:
    """The checksum of a record: CRC-32C, turned and shifted so that checksums can be summed again."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = _TABLE[(crc ^ byte) & 255] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _crc_of(byte: int) -> int:
    # Castagnoli's polynomial, its bits reversed (RFC 3720, appendix B.4).
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_TABLE = tuple(_crc_of(byte) for byte in range(256))
