"""What a look into the probed step is given, and what it has to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol

from rnnprof.captures import Path
from rnnprof.network import Line
from rnnprof.traces.probe.passes import Passes
from rnnprof.traces.probe.places import Places, outside, source
from rnnprof.traces.probe.standins import StandIns


class NotSeen(Exception):
    """What a look was made for did not come up, which does not say that there is none."""


@dataclass(frozen=True)
class Ground:
    """The step that is looked into, on the thread that runs it.

    Args:
        torch: the module.
        device: type of the device that the program computes on, such as ``cpu``.
        path: gives the stage that is open now.
        places: tells the program's frames from those of libraries.
        sequence: number of autograd's next node on this thread when the step began.
        previous: the same when the step before began; None where that is not known.
        standins: for functions around torch's, and glances; all are put back together.
        passes: tells of backward passes.
    """

    torch: Any
    device: str
    path: Callable[[], Path]
    places: Places
    sequence: int
    previous: int | None
    standins: StandIns
    passes: Passes

    def line(self, frame: FrameType | None) -> Line | None:
        """The innermost line of the program at a frame or around it, that is no library's.

        Args:
            frame: what made a call.

        Returns:
            The line; None where nobody but rnnprof did.
        """
        spot = self.places.spot(outside(frame))
        if spot is None:
            return None
        return Line(spot.file, spot.line, spot.function, source(spot.file, spot.line))


class Look(Protocol):
    """Looks at one side of the step. What it raises ends this look alone."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of an `Anatomy` that it fills."""

    def start(self, ground: Ground) -> None:
        """The probed step is about to begin, on this thread."""

    def stop(self) -> None:
        """Put everything back but the stand-ins, which are gone; a second call does nothing."""

    def found(self) -> Mapping[str, Any]:
        """Fields of an `Anatomy`, after `stop`; only those that it saw."""
