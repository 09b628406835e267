"""Local variables of frames, read so that nothing is kept alive by it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any

_OPTIMIZED = 1
"""The flag of code whose local variables have no dictionary (``CO_OPTIMIZED`` of `inspect`)."""
_OURS = 3
"""References to a frame's copy that nobody else has: the frame's, the variable's, and the argument of
`sys.getrefcount`."""
_ASKING = frozenset({"locals", "vars", "exec", "eval", "f_locals"})
"""Names in code that works with the copy of its own frame."""


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
    if not _ASKING.isdisjoint(frame.f_code.co_names):
        return {}
    there = frame.f_locals
    found = dict(there)
    if sys.getrefcount(there) <= _OURS:
        there.clear()
    return found
