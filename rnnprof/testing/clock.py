"""Time that stands still until a test lets it pass."""

from __future__ import annotations

from rnnprof.errors import UsageError


class FakeClock:
    """A clock that stands still until it is told to advance.

    Args:
        start: its first reading, in nanoseconds.

    Raises:
        UsageError: if that is negative or not whole.
    """

    name = "fake"

    def __init__(self, start: int = 0) -> None:
        self._now = whole(start, "a clock starts at")

    def now(self) -> int:
        """The reading, in nanoseconds."""
        return self._now

    def advance(self, ns: int) -> None:
        """Let time pass.

        Args:
            ns: how much, in whole nanoseconds.

        Raises:
            UsageError: if it is negative or not whole.
        """
        self._now += whole(ns, "a clock advances by")


def whole(ns: int, what: str) -> int:
    """The given time, if it is one.

    Args:
        ns: whole nanoseconds, 0 or more.
        what: how a message about it begins, such as ``"a kernel runs for"``.

    Raises:
        UsageError: if it is negative or not whole.
    """
    if not isinstance(ns, int) or ns < 0:
        raise UsageError(f"{what} whole nanoseconds, 0 or more, not {ns!r}")
    return ns
