"""Advice on memory that grows over the run."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from rnnprof.analysis.advice.advise import advise
from rnnprof.analysis.advice.remembering import memory_growth
from rnnprof.anatomy import Anatomy
from rnnprof.model import Run
from rnnprof.network import Graph
from rnnprof.probes import Place
from rnnprof.vitals import MemoryCourse, Vitals
from tests.advice_runs import a_run, abstains, found

MIB = 1 << 20
GIB = 1 << 30
STEPS = tuple(range(5, 1006, 10))


def course(size: Callable[[float], float], place: str = "resident") -> MemoryCourse:
    """A memory over 1,000 steps, in MiB by the part of the run that is over."""
    return MemoryCourse(place, STEPS, tuple(round(MIB * size((step - 5) / 1000)) for step in STEPS))


def a_course(*courses: MemoryCourse, **changed: object) -> Run:
    return a_run(vitals=Vitals(memory=courses), **changed)


def test_memory_that_grows() -> None:
    (finding,) = found(memory_growth, a_course(course(lambda at: 400 + 200 * at)))
    assert finding.key == "memory_growth"
    assert finding.title == "Memory grows over the run: 205 KiB per step"
    assert finding.evidence == (
        "The resident memory of the process grew from 400 MiB at step 5 to 600 MiB at step 1,005, steadily "
        "by 205 KiB per step."
    )
    assert "`total_loss += loss.item()`" in finding.change
    assert finding.saving is None
    assert not finding.urgent


def test_when_a_device_is_full() -> None:
    device = course(lambda at: 1000 + 1000 * at, "cuda:0")
    places = (Place("cuda:0", 0, None, 4000 * MIB), Place("cpu", 0, None, None))
    run = a_course(course(lambda at: 400 + 200 * at), device, device="cuda", probe={"places": places})
    (finding,) = found(memory_growth, run)
    assert finding.title == "Memory grows over the run: 1.00 MiB per step"
    assert finding.evidence == (
        "What is allocated on cuda:0 grew from 1000 MiB at step 5 to 1.95 GiB at step 1,005, steadily by "
        "1.00 MiB per step. The resident memory of the process grew from 400 MiB at step 5 to 600 MiB at "
        "step 1,005, steadily by 205 KiB per step. At that pace its 3.91 GiB are full after 2,000 more steps."
    )
    assert finding.urgent
    # It comes first also where it grows more slowly.
    run = a_course(course(lambda at: 400 + 2000 * at), device, device="cuda", probe={"places": places})
    assert found(memory_growth, run)[0].title == "Memory grows over the run: 1.00 MiB per step"


def test_a_memory_that_is_full_much_later_is_not_urgent() -> None:
    places = (Place("resident", 0, None, 64 * GIB),)
    run = a_course(course(lambda at: 400 + 200 * at), probe={"places": places})
    (finding,) = found(memory_growth, run)
    assert "are full after" in finding.evidence
    assert not finding.urgent


def test_growth_in_noise_and_jumps() -> None:
    dice = random.Random(3)
    run = a_course(course(lambda at: 400 + 200 * at + dice.gauss(0, 15) + 30 * (at > 0.4)))
    assert len(found(memory_growth, run)) == 1


@pytest.mark.parametrize(
    "size",
    [
        lambda at: 400.0,
        lambda at: 400 + 600 * min(at, 0.3),  # filled at first
        lambda at: 400 + 300 * (1 - math.exp(-5 * at)),  # ever more slowly
        lambda at: 400 + 100 * math.log1p(30 * at),
        lambda at: 400 + 100 * (at > 0.5),  # one jump
        lambda at: 400 + 100 * (at > 0.3) + 100 * (at > 0.6),  # two
        lambda at: 400 + 800 * (at * 4 % 1),  # filled and emptied
        lambda at: 400 + 30 * at,  # too little
        lambda at: 4000 + 300 * at,  # too little of what there is
        lambda at: 800 - 300 * at,
    ],
)
def test_memory_that_does_not_grow(size: Callable[[float], float]) -> None:
    assert found(memory_growth, a_course(course(size))) == ()


def test_a_graph_that_grows_is_said_once() -> None:
    anatomy = Anatomy(graph=Graph(36, 9, 18, 5000, (), True, None))
    run = a_course(course(lambda at: 400 + 200 * at), anatomy=anatomy, steps=10)
    assert found(memory_growth, run)
    assert [finding.key for finding in advise(run).findings] == ["detach"]


def test_it_abstains_without_its_signal() -> None:
    assert abstains(memory_growth, a_run()) == "The process around the steps was not looked at."
    assert abstains(memory_growth, a_course()) == "Memory was not followed for long enough."
    short = MemoryCourse("resident", tuple(range(20)), tuple(range(0, 20 * GIB, GIB)))
    assert abstains(memory_growth, a_course(short)) == "Memory was not followed for long enough."
