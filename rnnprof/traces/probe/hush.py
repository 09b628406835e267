"""torch's library writes nothing on stderr of what the probe makes it meet."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

LEVELS = ("FLAGS_caffe2_log_level", "_ZN3c1023FLAGS_caffe2_log_levelE")
"""The variable below which torch's library writes nothing, with and without its namespace
(``c10/util/Logging.cpp``)."""
ERROR = 2


class Hush:
    """Raises the level below which torch's C++ library writes to stderr.

    With ``profile_memory`` it warns of each thousandth release of what was allocated before. Python's
    warnings do not come that way.

    Args:
        torch: the module.
    """

    def __init__(self, torch: Any) -> None:
        self._level = _level(Path(torch.__file__).parent / "lib")
        self._before: int | None = None

    @property
    def possible(self) -> bool:
        """Whether this torch has such a level."""
        return self._level is not None

    def start(self) -> None:
        """Let nothing below an error be written."""
        if self._level is not None:
            self._before = self._level.value
            self._level.value = max(self._before, ERROR)

    def stop(self) -> None:
        """Put the level back."""
        if self._level is not None and self._before is not None:
            self._level.value, self._before = self._before, None


def _level(folder: Path) -> Any:
    for name in ("libc10.so", "libc10.dylib", "c10.dll"):
        if not (folder / name).exists():
            continue
        for level in LEVELS:
            try:
                return ctypes.c_int.in_dll(ctypes.CDLL(str(folder / name)), level)
            except (OSError, ValueError):
                continue
    return None
