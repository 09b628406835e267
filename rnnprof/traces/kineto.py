"""torch.profiler's library: its labels, its words on stderr, and the file that it writes."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnnprof.errors import UsageError
from rnnprof.model import Json
from rnnprof.traces import events

_LOG_LEVEL = "KINETO_LOG_LEVEL"
"""Where Kineto, torch.profiler's library, is told how much to print on stderr; read when it starts."""


def exported(profiler: Any, file: Path, names: dict[str, str]) -> tuple[Json, int]:
    """Write torch.profiler's own trace, whole or not at all, with the labels under their own names."""
    temporary = file.with_name(f".{os.getpid()}.{file.stem}")
    try:
        with quiet():
            profiler.export_chrome_trace(str(temporary))
        try:
            data = events.take_marks(events.read(temporary), names)
        except UsageError:
            raise UsageError(
                "torch wrote it as no valid JSON, as it does where a label of the program's own has a "
                "quotation mark in its name"
            ) from None
        return data, events.write(file, data)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if level is None:
            os.environ.pop(_LOG_LEVEL, None)
