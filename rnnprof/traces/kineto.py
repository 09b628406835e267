"""torch.profiler's library: its labels, its words on stderr, and the file that it writes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnnprof.errors import UsageError
from rnnprof.model import Json
from rnnprof.traces import events
from rnnprof.unwarned import unwarned

_LOG_LEVEL = "KINETO_LOG_LEVEL"
"""Where Kineto, torch.profiler's library, is told how much to print on stderr; read when it starts."""


def exported(profiler: Any, file: Path, names: dict[str, str]) -> tuple[Json, int]:
    """Write torch.profiler's own trace, whole or not at all, with the labels under their own names."""
    temporary = file.with_name(f".{os.getpid()}.{file.stem}")
    try:
        data = taken(profiler, temporary, names)
        return data, events.write(file, data)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def taken(profiler: Any, file: Path, names: dict[str, str], most: float = float("inf")) -> Json:
    """Take a profiler's trace, with the labels under their own names.

    Args:
        profiler: what has ended.
        file: where torch writes it.
        names: the labels' names, by their marks.
        most: the most bytes that it may have.

    Raises:
        UsageError: it has more, or torch has written it badly.
    """
    with quiet():
        profiler.export_chrome_trace(str(file))
    if file.exists() and file.stat().st_size > most:
        megabytes = file.stat().st_size / 1e6
        raise UsageError(f"too many operators: its trace of {megabytes:.0f} MB would take too long to read")
    try:
        return events.take_marks(events.read(file), names)
    except UsageError:
        if not _is_whole(file):
            raise UsageError("it could not be written whole: is the disk full?") from None
        raise UsageError(
            "torch wrote it as no valid JSON, as it does where a label of the program's own has a "
            "quotation mark in its name"
        ) from None


def _is_whole(file: Path) -> bool:
    """Whether a trace ends as one does: what is cut short ends anywhere."""
    try:
        return file.read_bytes()[-9:].rstrip().endswith((b"}", b"]"))
    except OSError:
        return False


def cheapest_label(torch: Any) -> Any:
    """The label that costs least: the public one takes twelve times as long."""
    fast = getattr(torch._C._profiler, "_RecordFunctionFast", None)
    return torch.profiler.record_function if fast is None else fast


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The program's own output stays as it was, whatever torch has to say of its profiler."""
    level = os.environ.get(_LOG_LEVEL)
    os.environ.setdefault(_LOG_LEVEL, "99")
    try:
        with unwarned():
            yield
    finally:
        if level is None:
            os.environ.pop(_LOG_LEVEL, None)
