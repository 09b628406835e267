"""rnnprof's own work between two steps: saving, and what watchers do before and after a step."""

from __future__ import annotations

from typing import Any

from rnnprof.marks import Stage, chain
from rnnprof.stages import OWN


class own_time:
    """Outside steps, count time as rnnprof's own stage and no other's; a context manager.

    It is no generator: what that calls would be counted by cProfile as the program's.

    Args:
        track: the thread's track.
        since: when it began, in the host's nanoseconds, if that was before now.
    """

    __slots__ = ("_since", "_track")

    def __init__(self, track: Any, since: int | None = None) -> None:
        self._track = track
        self._since = track.recorder.now() if since is None else since

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        track = self._track
        now = track.recorder.now()
        ns = now - self._since
        root = track.lane.root
        own = root.children.get(OWN)
        if own is None:
            own = root.children[OWN] = Stage(track, OWN, root, root.clock)
        track.count(own.tally, self._since, ns)
        track.shift(ns, [stage for stage in chain(track.current) if stage.parent is not None])
        if track.log is not None:
            track.log.paused(self._since, now, lanes=False)
