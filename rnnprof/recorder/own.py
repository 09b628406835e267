"""rnnprof's own work between two steps: saving, and what watchers do before and after a step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from rnnprof.marks import Stage, chain
from rnnprof.stages import OWN


@contextlib.contextmanager
def own_time(track: Any, since: int | None = None) -> Iterator[None]:
    """Outside steps, count time as rnnprof's own stage and no other's.

    Args:
        track: the thread's track.
        since: when it began, in the host's nanoseconds, if that was before now.
    """
    now = track.recorder.now
    began = now() if since is None else since
    try:
        yield
    finally:
        ns = now() - began
        root = track.lane.root
        own = root.children.get(OWN)
        if own is None:
            own = root.children[OWN] = Stage(track, OWN, root, root.clock)
        own.tally.add(ns)
        track.shift(ns, [stage for stage in chain(track.current) if stage.parent is not None])
