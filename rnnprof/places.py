"""Which code is the program's own, and not rnnprof's or a library's; and a line of it."""

from __future__ import annotations

import linecache
import os
import sysconfig
from types import FrameType
from typing import Any

_PACKAGE = os.path.dirname(os.path.abspath(__file__))
_OWN = os.path.join(_PACKAGE, "")
_EXAMPLES = os.path.join(_PACKAGE, "examples", "")
_FOLDERS = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))
LONGEST = 200
"""Characters of a source line that are kept."""


class Libraries:
    """Tells the files of libraries from those of the program.

    Args:
        torch: the module; None where the program has not imported it.
    """

    def __init__(self, torch: Any = None) -> None:
        paths = sysconfig.get_paths()
        folders = [paths[name] for name in ("stdlib", "platstdlib") if name in paths]
        if torch is not None:
            folders.insert(0, os.path.dirname(os.path.abspath(torch.__file__)))
        self._folders = tuple(os.path.join(folder, "") for folder in folders)
        self._known: dict[str, bool] = {}

    def has(self, file: str) -> bool:
        """Whether code of that file is a library's."""
        known = self._known.get(file)
        if known is None:
            known = self._known[file] = not file.startswith(_EXAMPLES) and (
                file.startswith((*self._folders, "<frozen ", "<__array_function__", "<eval_with_key>"))
                or any(folder in file for folder in _FOLDERS)
            )
        return known


def source(file: str, line: int) -> str:
    """The line of a file, stripped and cut; empty where it is not at hand."""
    return linecache.getline(file, line).strip()[:LONGEST]


def is_own(file: str) -> bool:
    """Whether code of that file is rnnprof's, its examples apart."""
    return file.startswith(_OWN) and not file.startswith(_EXAMPLES)


def outside(frame: FrameType | None) -> FrameType | None:
    """The frame, or the next one around it that is not rnnprof's."""
    while frame is not None and is_own(frame.f_code.co_filename):
        frame = frame.f_back
    return frame
