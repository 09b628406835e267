"""One step, looked at for how it is built."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from rnnprof.anatomy import Anatomy
from rnnprof.network import Line
from rnnprof.traces.probe.graph import GraphLook
from rnnprof.traces.probe.looks import Looks
from rnnprof.traces.probe.outputs import OutputLook
from rnnprof.traces.probe.passes import next_node
from rnnprof.traces.probe.recurrent_calls import RecurrentLook
from rnnprof.traces.probe.states import StatesLook

STRUCTURE = (GraphLook, StatesLook, RecurrentLook, OutputLook)
STAGE = ("a stage",)


def look(
    step: Callable[[], Any], *before: Callable[[], Any], device: str = "cpu", make: Any = STRUCTURE
) -> Anatomy:
    """Look at a step.

    Args:
        step: what runs in it; what it raises is raised.
        before: the steps before it, of which the last one is known to be that.
        device: type of device that the looks believe in.
        make: the looks.

    Returns:
        What was found.
    """
    previous = None
    for one in before:
        previous = next_node(torch)
        one()
    looks = Looks(make)
    looks.start(torch, device, lambda: STAGE, previous)
    try:
        step()
    finally:
        looks.stop()
    return looks.anatomy()


def line_with(text: str, function: str, owner: Any) -> Line:
    """The line of a function's source that has a text in it, which is there once."""
    lines, first = inspect.getsourcelines(owner)
    (at,) = [number for number, line in enumerate(lines) if text in line]
    file = inspect.getsourcefile(owner)
    assert file is not None
    return Line(str(Path(file)), first + at, function, lines[at].strip())
