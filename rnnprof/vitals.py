"""What the run keeps of the process around its steps: pauses, memory, waiting for a core, its failure.

All of it is in bounded space. What was not looked at, or cannot be found out on this system, is None
or an empty tuple.
"""

from __future__ import annotations

from dataclasses import dataclass

from rnnprof.network import Line

MOST_POINTS = 256
"""Points of a memory's course."""
SECOND = "backward through the graph a second time"
"""What torch says where a graph is gone, such as that of the step before (``torch/csrc/autograd``)."""
CHANGED = "modified by an inplace operation"
"""What torch says where a graph that is kept holds parameters that an update has changed since."""


@dataclass(frozen=True)
class Pauses:
    """Python's garbage collection in the steps of the training, as ``gc.callbacks`` tells it.

    Only the thread that trains is looked at, and only steps after the warmup.

    Args:
        generation: 0 to 2.
        count: number of collections.
        total_ns, max_ns: time in all of them, and in the longest.
    """

    generation: int
    count: int
    total_ns: int
    max_ns: int


@dataclass(frozen=True)
class MemoryCourse:
    """One memory over the training, after the warmup.

    Args:
        place: ``resident`` for the process's resident memory, or a device such as ``cuda:0`` for what
            torch has allocated on it.
        steps: training steps that were done, ascending.
        bytes: what was there then.
    """

    place: str
    steps: tuple[int, ...]
    bytes: tuple[int, ...]


@dataclass(frozen=True)
class Crowding:
    """How long this process's threads stood in line for a core (``/proc/self/task/*/schedstat``, Linux).

    From the end of the warmup to the last look.

    Args:
        wall_ns: the time that passed.
        threads: threads that ran for at least one part in 20 of it.
        ran_ns: time that these ran, summed.
        waited_ns: time that these could have run but had no core, summed.
        main_waited_ns: the same of the thread that trains alone.
    """

    wall_ns: int
    threads: int
    ran_ns: int
    waited_ns: int
    main_waited_ns: int

    @property
    def main_waited(self) -> float:
        """The part of the time in which the thread that trains stood in line: 1 at most, 0 of no time."""
        return min(self.main_waited_ns / self.wall_ns, 1.0) if self.wall_ns else 0.0


@dataclass(frozen=True)
class Failure:
    """The exception that ended the profile.

    Args:
        kind: its class.
        message: its text, cut to 300 characters; without secrets.
        line: the innermost line of the program in its traceback.
        states: names of variables around that line whose tensors have a graph that an earlier step
            made, such as ``hidden``.
        state_line: where the loop hands the first of them on; None where it is not known.
    """

    kind: str
    message: str
    line: Line | None
    states: tuple[str, ...] = ()
    state_line: Line | None = None


@dataclass(frozen=True)
class Compiled:
    """What ``torch.compile`` did in the process.

    Args:
        graphs: graphs compiled up to the end of the warmup.
        later: graphs compiled after it.
    """

    graphs: int
    later: int


@dataclass(frozen=True)
class Vitals:
    """The process around the steps.

    Args:
        pauses: garbage collection, by generation; None where it was not looked at.
        memory: memories over the training.
        crowding: waiting for a core.
        failure: what ended the profile; None for a quiet end.
        compiled: None where ``torch.compile`` was not used.
    """

    pauses: tuple[Pauses, ...] | None = None
    memory: tuple[MemoryCourse, ...] = ()
    crowding: Crowding | None = None
    failure: Failure | None = None
    compiled: Compiled | None = None
