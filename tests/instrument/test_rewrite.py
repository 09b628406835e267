"""A program with marks does what it did without: results, order, exceptions with their lines, names."""

from __future__ import annotations

import contextlib
import copy
import itertools
import pickle
import types
from pathlib import Path

import pytest

from tests.instrument.rewriting import marked, programs, same, timed
from tests.recorder.helpers import in_steps, steps

PROGRAMS = programs(Path(__file__).parent / "rewritten" / "programs.txt")


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_does_the_same_with_marks(name: str) -> None:
    assert len(same(PROGRAMS[name]).log) > 1


MODEL = """
class Model:
    def __call__(self, x):
        return work(30, self)
    def backward(self):
        work(500)
def criterion(x, y):
    return work(4, x)
class SGD:
    def step(self):
        work(6000)
def batches():
    for i in range(3):
        yield work(2, i)
model, optimizer, reads = Model(), SGD(), []
for x in batches():
    reads.append(clock.reads)
"""
PLAIN_STEP = """\
    loss = criterion(model(x), work(1, x))
    loss.backward()
    optimizer.step()
"""


def test_stages_of_a_step_to_the_nanosecond_by_one_reading_for_each_boundary() -> None:
    run, _ = timed(MODEL + PLAIN_STEP + "names.extend(reads)", names=(reads := []))
    assert (steps(run).count, steps(run).total_ns) == (3, 3 * 6537)
    assert in_steps(run) == {
        "get_batch": (3, 6),
        "forward": (3, 90),
        "loss": (3, 15),
        "backward": (3, 1500),
        "update": (3, 18000),
    }
    # Four boundaries between five stages, the two ends of the first and last, the step's two ends.
    assert [after - before for before, after in itertools.pairwise(reads)] == [8, 8]


def test_a_loop_that_is_one_stage_takes_one_reading_however_often_it_turns() -> None:
    found = []
    for turns in (1, 50):
        inner = f"    for i in range({turns}):\n        n = work(1, len([max(i, 3)]))\n"
        _, clock = timed(MODEL + PLAIN_STEP.replace("    loss.b", inner + "    loss.b"))
        found.append(clock.reads)
    assert found[0] == found[1]


SPLIT = {
    "loss = criterion(model(x), y)": {"forward": 30, "loss": 4},
    "loss = criterion(model(work(1)), work(2))": {"forward": 31, "loss": 6},
    "loss = work(1, model(work(2)))": {"forward": 33},
    "loss = criterion(work(1), work(2)) if 0 else model(x)": {"forward": 30},
    "loss = [criterion(model(a), work(1)) for a in (1, 2)][0]": {"forward": 60, "loss": 10},
    "loss = model(x) and criterion(work(7, 1), y) and model(x)": {"forward": 60, "loss": 11},
    "work(5); loss = criterion(y=work(1), x=model(work(2)))": {"work": 5, "loss": 5, "forward": 32},
    "loss = (criterion(model(x), y).item(), model(x))[1]": {"forward": 60, "loss": 4, "log": 7},
    "if criterion(model(x), y).item():\n        loss = model(x)": {"forward": 60, "loss": 4, "log": 7},
    "for i in range(2):\n        loss = criterion(model(x), y)": {"forward": 60, "loss": 8},
    "with work(3, catch):\n        loss = model(x)": {"work": 3, "forward": 30},
}


@pytest.mark.parametrize("line", SPLIT)
def test_stages_in_one_expression(line: str) -> None:
    text = MODEL.replace("def backward", "def item(self):\n        return work(7, 1)\n    def backward")
    step = f"    y = 1\n    {line}\n    model.backward()\n    optimizer.step()\n"
    run, _ = timed(text + step, catch=contextlib.nullcontext())
    found = {name: ns // 3 for name, (_, ns) in in_steps(run).items() if ns}
    assert found == {"get_batch": 2, "backward": 500, "update": 6000, **SPLIT[line]}
    assert steps(run).total_ns == 3 * sum(found.values())


def test_what_is_put_in_can_be_pickled_and_copied() -> None:
    code = marked(MODEL + PLAIN_STEP + "def evaluate():\n    model.eval()\n    return model(1)\n")
    constants = [one for each in _codes(code) for one in each.co_consts]
    things = [one for one in constants if callable(one) or hasattr(one, "__enter__")]
    assert {type(one).__name__ for one in things} == {"Mark", "Trained", "Watch", "LaneBlock", "method"}
    for thing in things:
        again = pickle.loads(pickle.dumps(thing))
        assert type(again) is type(thing)
        copy.deepcopy(thing)


def _codes(code: types.CodeType) -> list[types.CodeType]:
    inner = [one for one in code.co_consts if isinstance(one, types.CodeType)]
    return [code, *(found for one in inner for found in _codes(one))]
