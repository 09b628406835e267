"""rnnprof's own work: saving between two steps, and what watchers do around a step or in it."""

from __future__ import annotations

from typing import Any

from rnnprof.marks import Stage, chain
from rnnprof.stages import OWN


class own_time:
    """Count time as rnnprof's own stage, and no other's, nor the open step's; a context manager.

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
        opened = list(chain(track.current))
        if opened and opened[-1] is not root:
            # In a step, whose root ends the chain.
            opened += chain(track.lane.step.outer)
        # All but the lane, of which this is a part.
        track.shift(ns, [stage for stage in opened if stage is not root])
        if track.log is not None:
            track.log.paused(self._since, now, lanes=False)
