"""Any program of marks: what is recorded equals what a plain interpreter of it counts."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from helpers import profile
from hypothesis import given
from hypothesis import strategies as st

from rnnprof import runlayout
from rnnprof.model import Run, Stage, walk
from rnnprof.testing import FakeClock

NAMES = ("forward", "backward", "rnn", "loss")
Program = list[Any]


class Stop(Exception):
    """Raised by a program."""


def programs(depth: int, inside_step: bool) -> st.SearchStrategy[Program]:
    """Lists of operations: time passes, stages nest, steps lie anywhere outside steps."""
    operations = [st.tuples(st.just("advance"), st.integers(0, 1000)), st.just(("raise",))]
    if depth:
        operations.append(
            st.tuples(st.just("stage"), st.sampled_from(NAMES), programs(depth - 1, inside_step))
        )
        operations.append(st.tuples(st.just("catch"), programs(depth - 1, inside_step)))
        if not inside_step:
            operations.append(st.tuples(st.just("step"), programs(depth - 1, True)))
    return st.lists(st.one_of(operations), max_size=5)


def play(program: Program, prof: Any, clock: FakeClock) -> None:
    """Run the program under the profile."""
    for operation, *arguments in program:
        if operation == "advance":
            clock.advance(arguments[0])
        elif operation == "raise":
            raise Stop
        elif operation == "stage":
            with prof.stage(arguments[0]):
                play(arguments[1], prof, clock)
        elif operation == "step":
            with prof.step():
                play(arguments[0], prof, clock)
        else:
            try:
                play(arguments[0], prof, clock)
            except Stop:
                pass


class Reference:
    """Counts the same with dicts and exceptions, in the most literal way."""

    def __init__(self) -> None:
        self.now = 0
        self.spans: dict[tuple[str, ...], int] = defaultdict(int)
        self.steps = self.step_ns = self.aborted = 0
        self.path: list[str] = []
        self.step_spans: dict[tuple[str, ...], int] | None = None

    def play(self, program: Program) -> None:
        for operation, *arguments in program:
            if operation == "advance":
                self.now += arguments[0]
            elif operation == "raise":
                raise Stop
            elif operation == "stage":
                self.stage(*arguments)
            elif operation == "step":
                self.step(arguments[0])
            else:
                try:
                    self.play(arguments[0])
                except Stop:
                    pass

    def stage(self, name: str, program: Program) -> None:
        if name in self.path:
            self.play(program)
            return
        self.path.append(name)
        start = self.now
        try:
            self.play(program)
        finally:
            spans = self.spans if self.step_spans is None else self.step_spans
            spans[tuple(self.path)] += self.now - start
            self.path.pop()

    def step(self, program: Program) -> None:
        outer, self.path, self.step_spans = self.path, [], {}
        self.step_spans = defaultdict(int)
        start = self.now
        try:
            self.play(program)
            self.steps += 1
            self.step_ns += self.now - start
            for path, ns in self.step_spans.items():
                self.spans[("step", *path)] += ns
        except Stop:
            self.aborted += 1
            raise
        finally:
            self.path, self.step_spans = outer, None


def record(program: Program) -> Run:
    clock = FakeClock()
    with profile(clock) as prof:
        try:
            play(program, prof, clock)
        except Stop:
            pass
    run: Run = prof.run
    return run


def sums(stages: tuple[Stage, ...], into: dict[tuple[str, ...], int], *above: str) -> None:
    for path, stage in walk(stages):
        into[(*above, *path)] += stage.series.total_ns


@given(programs(4, False))
def test_any_program_adds_up(program: Program) -> None:
    run = record(program)
    expected = Reference()
    try:
        expected.play(program)
    except Stop:
        pass
    found: dict[tuple[str, ...], int] = defaultdict(int)
    for lane in run.lanes:
        sums(lane.stages, found)
        for steps in lane.steps.values():
            sums(steps.stages, found, "step")
    assert found == dict(expected.spans)
    all_steps = [steps.series for lane in run.lanes for steps in lane.steps.values()]
    assert sum(series.count for series in all_steps) == expected.steps
    assert sum(series.total_ns for series in all_steps) == expected.step_ns
    assert sum(lane.series.total_ns for lane in run.lanes) == run.wall_ns == expected.now


@given(programs(4, False))
def test_self_is_never_more_than_total_and_children_never_more_than_their_parent(program: Program) -> None:
    for lane in record(program).lanes:
        for stages in (lane.stages, *(steps.stages for steps in lane.steps.values())):
            for _, stage in walk(stages):
                inside = sum(child.series.total_ns for child in stage.stages)
                assert inside + stage.self_ns + stage.steps_ns == stage.series.total_ns


@given(programs(4, False))
def test_a_run_survives_its_file_format(program: Program) -> None:
    run = record(program)
    assert runlayout.from_json(runlayout.to_json(run)) == run


@pytest.mark.parametrize("program", [[], [("step", [])], [("stage", "rnn", [("step", [("raise",)])])]])
def test_small_programs(program: Program) -> None:
    assert record(program).wall_ns == 0
