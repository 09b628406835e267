"""A program whose own times are exact numbers, counted by a `FunctionTrace` with this clock."""

import operator
from functools import partial
from pathlib import Path

from rnnprof.traces.cprofile_trace import FunctionTrace

HERE = str(Path(__file__).parent)
NOW = [0]
"""The clock's reading; a function that adds to it has that own time."""


class Traced:
    """A trace that is ended whatever happens."""

    def __init__(self, timer=partial(operator.getitem, NOW, 0)):  # noqa: B008 - it reads one list
        self.trace = FunctionTrace(timer)

    def __enter__(self):
        self.trace.start()
        return self.trace

    def __exit__(self, *error):
        self.trace.stop()


class Stage:
    """A stage in a step that is looked into."""

    def __init__(self, trace, name):
        self.trace, self.name = trace, name

    def __enter__(self):
        self.trace.enter(self.name)

    def __exit__(self, *error):
        self.trace.leave(self.name)


def own(functions):
    """Own time by name, of these tests' functions that have any."""
    return {one.name: one.own_ns for one in functions if one.file.startswith(HERE) and one.own_ns}


def of_stages(trace):
    found = {"/".join(stage.path): own(stage.functions) for stage in trace.summary("a", "b").stages}
    return {path: functions for path, functions in found.items() if functions}


def inner():
    NOW[0] += 3


def outer():
    NOW[0] += 5
    inner()
    NOW[0] += 7


def set_up():
    NOW[0] += 100
    inner()


def loop(trace, body, keep=True):
    with Traced() if trace is None else trace as found:
        found.loop_begins()
        found.open(0)
        body(found)
        found.close(keep)
    return found
