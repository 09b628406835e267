"""Where in the program a call was made: the innermost line that is no library's."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from types import FrameType
from typing import Any

from rnnprof.places import LONGEST, Libraries, is_own, outside, source

__all__ = ["LONGEST", "Places", "Spot", "is_own", "outside", "source"]

_STEPS = ("step", "lr", "beta", "mu_product")
"""Beginnings of the names under which torch's optimizers hold numbers that live on the host."""
_LISTS = ("state_steps", "mu_products")
"""Names under which they hold lists of them."""


@dataclass(frozen=True)
class Spot:
    """One place in the program.

    Args:
        file, line, function: of the innermost frame that is no library's.
        library: where inside the library the call is, as ``clip_grad.py:59``; empty where the
            program itself makes it.
        module: the library's file within torch's folder, with ``/``; empty for another one.
        caller: the function in it.
    """

    file: str
    line: int
    function: str
    library: str
    module: str
    caller: str


class Places:
    """Tells the program's frames from those of libraries.

    Args:
        torch: the module.
    """

    def __init__(self, torch: Any) -> None:
        self._torch = os.path.join(os.path.dirname(os.path.abspath(torch.__file__)), "")
        self._library = Libraries(torch).has

    def spot(self, frame: FrameType | None) -> Spot | None:
        """Find the place of a call.

        Args:
            frame: what made it.

        Returns:
            The place; None where rnnprof itself made the call, or nobody did.
        """
        if frame is None or is_own(frame.f_code.co_filename):
            return None
        first, one = frame, outside(frame)
        while one is not None and self._library(one.f_code.co_filename):
            one = outside(one.f_back)
        # Where all is a library's, such as in a thread of its own, the innermost place is named.
        found = first if one is None else one
        inside = found is not first
        file = first.f_code.co_filename
        return Spot(
            found.f_code.co_filename,
            found.f_lineno or 0,
            found.f_code.co_name,
            f"{os.path.basename(file)}:{first.f_lineno or 0}" if inside else "",
            self._module(file) if inside else "",
            _function(first),
        )

    def host_made(self, frame: FrameType | None, tensor: Any) -> bool:
        """Whether a tensor on the host would be there also if the model were on an accelerator.

        Such are what a data loader handles, the lengths of packed sequences, and the number of
        steps that an optimizer of torch's counts.

        Args:
            frame: what asks for its value.
            tensor: the tensor.
        """
        if frame is None:
            return False
        module = self._module(frame.f_code.co_filename)
        if module in ("nn/modules/rnn.py", "nn/utils/rnn.py"):
            return True
        if module.startswith("optim/") and _is_step(frame, tensor):
            return True
        one: FrameType | None = frame
        while one is not None:
            if self._module(one.f_code.co_filename).startswith("utils/data/"):
                return True
            one = one.f_back
        return False

    def _module(self, file: str) -> str:
        return file[len(self._torch) :].replace(os.sep, "/") if file.startswith(self._torch) else ""


def _function(frame: FrameType) -> str:
    """The function that a frame is of; a comprehension's is the one that it is in."""
    one: FrameType | None = frame
    while one is not None and one.f_code.co_name.startswith("<"):
        one = one.f_back
    return "" if one is None else one.f_code.co_name


def _is_step(frame: FrameType, tensor: Any) -> bool:
    # `_get_value(x)` reads it for the function that calls it; a comprehension is a frame as well.
    one: FrameType | None = frame
    while one is not None:
        local = one.f_locals
        if any(value is tensor for name, value in local.items() if name.startswith(_STEPS)):
            return True
        if any(value is tensor for name in _LISTS for value in local.get(name) or ()):
            return True
        name = one.f_code.co_name
        if name != "_get_value" and not (name.startswith("<") and sys.version_info < (3, 12)):
            return False
        one = one.f_back
    return False
