"""What was seen around the steps that may be why some of them take long, in words."""

from __future__ import annotations

from collections.abc import Iterable

from rnnprof import units
from rnnprof.model import Run

WAITING = 0.02
"""The part of the time that the training thread stood in line for a core, from which it is named."""

GREW = 1.1
"""A memory's end over its start, from which its growth is named."""


def signals(run: Run) -> Iterable[str]:
    """Sentences on other programs and on late compiling, where these were seen."""
    vitals = run.vitals
    crowding = vitals.crowding if vitals else None
    if crowding is not None and crowding.main_waited >= WAITING:
        part = units.fraction(crowding.main_waited)
        yield f"The thread that trains stood in line for a core for {part} of the time."
    if vitals is not None and vitals.compiled is not None and vitals.compiled.later:
        number = vitals.compiled.later
        more = f"{units.count(number)} more graph{'' if number == 1 else 's'}"
        yield f"`torch.compile` compiled {more} after the warmup."


def meanwhile(run: Run) -> str:
    """A sentence on the first memory that grew over the run; empty where none did so clearly."""
    for memory in run.vitals.memory if run.vitals else ():
        if memory.bytes and memory.bytes[-1] >= GREW * max(memory.bytes[0], 1):
            first, last = units.size(memory.bytes[0]), units.size(memory.bytes[-1])
            what = "resident memory" if memory.place == "resident" else f"memory on {memory.place}"
            return f"Meanwhile the {what} went from {first} to {last}."
    return ""
