"""Local variables of frames, read so that nothing is kept alive by it."""

from __future__ import annotations

import dis
import sys
from collections.abc import Mapping
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any

_OPTIMIZED = 1
"""The flag of code whose local variables have no dictionary (``CO_OPTIMIZED`` of `inspect`)."""
_OURS = 3
"""References to a frame's copy that nobody else has: the frame's, the variable's, and the argument of
`sys.getrefcount`."""
_ASKING = frozenset({"locals", "vars", "exec", "eval"})
"""Functions with which code works with the copy of its own frame."""
_COPY = "f_locals"
"""The attribute by which it does."""
_BY_NAME = ("LOAD_GLOBAL", "LOAD_NAME")
"""Operators that find a function by its name: a model's ``eval`` is none of those above."""


def variables(frame: FrameType) -> Mapping[str, Any]:
    """The local variables of a frame.

    Until Python 3.13, ``f_locals`` of a function's frame is a copy that the frame keeps: what the
    function lets go of later would live on in it. So the copy is emptied again, unless somebody has
    it as well. Code that asks for the copy itself is not looked into: reading renews what ``locals()``
    gave before, and nothing else holds what ``exec`` has added.

    Args:
        frame: the frame. That of a module has its globals.

    Returns:
        Names and values; not to be kept.
    """
    if not frame.f_code.co_flags & _OPTIMIZED:
        return frame.f_locals
    if sys.version_info >= (3, 13):
        return dict(frame.f_locals)
    if _asks(frame.f_code):
        return {}
    there = frame.f_locals
    found = dict(there)
    if sys.getrefcount(there) <= _OURS:
        there.clear()
    return found


@lru_cache(maxsize=256)
def _asks(code: CodeType) -> bool:
    """Whether a function works with the copy of its own frame."""
    names = {*code.co_names}
    if _COPY in names:
        return True
    return not _ASKING.isdisjoint(names) and any(
        one.opname in _BY_NAME and one.argval in _ASKING for one in dis.get_instructions(code)
    )
