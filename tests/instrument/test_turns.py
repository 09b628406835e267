"""Which turns of a loop are counted as steps, in which lane, however the loop ends."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from rnnprof.model import Run
from tests.instrument.rewriting import programs, timed
from tests.recorder.helpers import in_steps, outside

STEP = """\
    loss = model(work(1, x))
    loss.backward()
    optimizer.step()
"""


class Model:
    """A model, its loss and its optimizer."""

    def __call__(self, x: Any) -> Model:
        return self

    backward = step = eval = train = zero_grad = lambda self, *given: None


def ran(text: str, **names: Any) -> Run:
    """Run a program with marks; a turn takes as many nanoseconds as its `work` says."""
    return timed(text, model=Model(), optimizer=Model(), **names)[0]


def lanes(run: Run) -> dict[str, tuple[int, int]]:
    """Count and time of the steps of each lane that has any."""
    return {
        lane.name: (lane.steps["host"].series.count, lane.steps["host"].series.total_ns)
        for lane in run.lanes
        if "host" in lane.steps and lane.steps["host"].series.count
    }


PROGRAMS = programs(Path(__file__).parent / "rewritten" / "turns.txt")


@pytest.mark.parametrize("name", PROGRAMS)
def test_turns(name: str) -> None:
    """The first line says the lanes with the count and time of their steps."""
    said, _, text = PROGRAMS[name].partition("\n")
    words = [one.split() for one in said.removeprefix("# = ").split(", ") if one != "nothing"]
    want = {lane: (int(count), int(ns)) for lane, count, ns in words}
    assert lanes(ran(text)) == want


def test_the_lane_of_a_whole_function_that_evaluates() -> None:
    text = (
        "def evaluate(deep=False):\n    model.eval()\n    work(3)\n    for x in range(2):\n"
        "        model(work(5, x))\n    work(2)\n    return deep and evaluate()\n"
        "work(100)\nfor x in range(2):\n" + STEP + "evaluate(True)\nwork(200)\n"
    )
    run = ran(text)
    assert {lane.name: lane.series.total_ns for lane in run.lanes} == {
        "setup": 100,
        "train": 202,
        "evaluate": 30,
    }
    assert lanes(run) == {"train": (2, 2), "evaluate": (4, 20)}


def test_stages_outside_steps() -> None:
    text = (
        "import math\ndef build():\n    return work(30)\nmodel2 = build()\nwork(1)\nfor e in range(2):\n"
        "    for x in range(2):\n" + STEP.replace("    ", "        ") + "    save_checkpoint(work(4))\n"
    )
    run = ran(text, save_checkpoint=lambda x: None)
    assert outside(run, "setup") == {"import": (1, 0), "build": (1, 30), "work": (1, 1)}
    assert outside(run, "train") == {"checkpoint": (2, 8)}
    assert in_steps(run) == {"get_batch": (4, 0), "forward": (4, 4), "backward": (4, 0), "update": (4, 0)}


def test_loops_of_two_threads_are_counted_apart() -> None:
    text = (
        "def train(turns):\n    for x in range(turns):\n        wait()\n"
        + STEP.replace("    ", "        ")
        + "        wait()\nother = thread(train, 5)\ntrain(5)\nother.join()\n"
    )
    barrier = threading.Barrier(2, timeout=60)

    def thread(function: Any, turns: int) -> threading.Thread:
        made = threading.Thread(target=function, args=(turns,))
        made.start()
        return made

    run = ran(text, wait=barrier.wait, thread=thread)
    counted = {lane.name: lane.steps["host"].series.count for lane in run.lanes if lane.steps}
    assert counted["train"] == 5
    assert sum(counted.values()) == 10
