"""A program's own profiler comes before rnnprof's: nothing that it does may fail or change.

Before Python 3.12 a second profiler of a thread replaces the first without a word; from then on it
is refused with a ValueError. So while rnnprof's cProfile counts, all ways in are watched, and it
ends just before the program's own begins.
"""

from __future__ import annotations

import cProfile
import sys
from _thread import get_ident
from collections.abc import Callable
from functools import wraps
from types import FrameType
from typing import Any

from rnnprof.traces.ways_in import Watch

MONITORING = sys.version_info >= (3, 12)
"""Whether cProfile is built on `sys.monitoring`."""


class Profile(cProfile.Profile):
    """A profiler that can be replaced.

    Before Python 3.12 a program may find it with `sys.getprofile`, and later set it as if it were a
    function: that is no error, and does nothing.
    """

    displaced = False

    def __call__(self, *event: Any) -> None:
        """Be no profiler any more."""
        self.displaced = True
        sys.setprofile(None)

    @property
    def in_place(self) -> bool:
        """Whether it counts still, once it has begun; ask in the thread that it counts."""
        found: Any = sys.getprofile()
        return MONITORING or (found is self and not self.displaced)


class Guard(Watch):
    """Calls something before another profiler takes the place of ours.

    Args:
        give_way: ends it; called at each attempt.
    """

    def __init__(self, give_way: Callable[[], None]) -> None:
        super().__init__(give_way)
        self._thread = 0

    def begin(self) -> None:
        """Watch from now on, on this thread."""
        self._thread = get_ident()
        self._watch_setprofile()
        if MONITORING:
            self._watch_monitoring()
        else:
            self._watch_cprofile()

    def _watch_setprofile(self) -> None:
        set_profile = sys.setprofile

        def setprofile(function: Any, /) -> None:
            if get_ident() == self._thread:
                self._give_way()

            def first(frame: FrameType, event: str, arg: Any) -> None:
                # What happens in here, with a built-in function in its place the program's function
                # would not see; Python's own `profile` takes it for an error.
                if event == "return" and frame.f_code is here:
                    set_profile(function)

            set_profile(None if function is None else first)

        here = setprofile.__code__
        self._replace(sys, "setprofile", wraps(set_profile)(setprofile))

    def _watch_cprofile(self) -> None:
        enable: Any = cProfile.Profile.enable

        @wraps(enable)
        def enable_other(profiler: Any, *args: Any, **kwargs: Any) -> None:
            if get_ident() == self._thread:
                self._give_way()
            enable(profiler, *args, **kwargs)

        self._replace(cProfile.Profile, "enable", enable_other)

    def _watch_monitoring(self) -> None:
        # cProfile, too, asks for its place through this name.
        monitoring: Any = getattr(sys, "monitoring")  # noqa: B009 - mypy checks for Python 3.10
        ask = monitoring.use_tool_id

        @wraps(ask)
        def use_tool_id(tool_id: int, name: str, /) -> None:
            if tool_id == monitoring.PROFILER_ID:
                self._give_way()
            ask(tool_id, name)

        self._replace(monitoring, "use_tool_id", use_tool_id)
