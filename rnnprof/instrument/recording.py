"""The profile that records an instrumented function, and the hooks that live as long as it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rnnprof import active
from rnnprof.instrument.hooks import ModuleStages
from rnnprof.profiler import profile


def _nothing() -> None:
    return None


class Recording:
    """Opens the hooks with a profile, and closes them with it.

    Args:
        depth: how deep forward and backward open into a model's children.
        opened: called when a profile is met for the first time.
        closed: called when that profile ends.
    """

    def __init__(
        self, depth: int, opened: Callable[[], None] = _nothing, closed: Callable[[], None] = _nothing
    ) -> None:
        self._depth = depth
        self._opened = opened
        self._closed = closed
        self._hooks: ModuleStages | None = None
        self._profile: Any = None

    def enter(self) -> None:
        """See that a profile records, the active one or one of our own, and that all is in place."""
        recording = active.current()
        if recording is None:
            recording = profile().start()
        if recording is not self._profile:
            self._profile = recording
            self._hooks = ModuleStages(self._depth)
            recording.at_stop(self._close)
            self._opened()

    def watch(self, model: Any) -> None:
        """Show the hooks a model that is about to be called."""
        if self._hooks is not None:
            self._hooks.watch(model)

    def _close(self) -> None:
        if self._hooks is not None:
            self._hooks.close()
        self._hooks = self._profile = None
        self._closed()
