"""What torch remembers of its own functions: nothing that it looked up in the probed step is kept."""

from __future__ import annotations

import contextlib
from typing import Any


class Caches:
    """The tables that ``torch.overrides`` makes of all functions when a program first asks for them.

    Args:
        torch: the module.
    """

    def __init__(self, torch: Any) -> None:
        found = vars(getattr(torch, "overrides", torch)).values()
        self._functions = [one for one in found if hasattr(one, "cache_info") and hasattr(one, "cache_clear")]
        self._sizes: list[int] = []

    def note(self) -> None:
        """The step is about to begin."""
        self._sizes = [one.cache_info().currsize for one in self._functions]

    def clear(self) -> None:
        """Forget what was added since."""
        for one, size in zip(self._functions, self._sizes, strict=False):
            with contextlib.suppress(Exception):
                if one.cache_info().currsize > size:
                    one.cache_clear()
        self._sizes = []
