"""Any program of marks, stages, steps and lanes: a plain interpreter of it counts the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from helpers import profile
from hypothesis import given
from hypothesis import strategies as st

from rnnprof.marks import Mark
from rnnprof.model import Run, Stage, walk
from rnnprof.testing import FakeClock

NAMES = ("forward", "backward", "rnn")
MARKS = {name: Mark(name) for name in (*NAMES, None)}
Program = list[Any]
Spans = Counter[tuple[str, ...]]


class Stop(Exception):
    """Raised by a program."""


def programs(depth: int, inside_step: bool = False) -> st.SearchStrategy[Program]:
    """Lists of operations; marks are the most frequent, and a lane's name says how deep it lies."""
    marks = st.tuples(st.just("mark"), st.sampled_from((*NAMES, None)))
    operations = [st.tuples(st.just("advance"), st.integers(0, 1000)), marks, marks, st.just(("raise",))]
    if depth:
        inner = programs(depth - 1, inside_step)
        operations.append(st.tuples(st.just("stage"), st.sampled_from(NAMES), inner))
        operations.append(st.tuples(st.just("catch"), inner))
        operations.append(st.tuples(st.just("lane"), st.just(f"lane {depth}"), programs(depth - 1)))
        if not inside_step:
            operations.append(st.tuples(st.just("step"), programs(depth - 1, True)))
    return st.lists(st.one_of(operations), max_size=7)


def play(program: Program, prof: Any, clock: FakeClock) -> None:
    """Run the program under the profile."""
    for operation, *arguments in program:
        if operation == "advance":
            clock.advance(arguments[0])
        elif operation == "mark":
            MARKS[arguments[0]]()
        elif operation == "raise":
            raise Stop
        elif operation == "catch":
            try:
                play(arguments[0], prof, clock)
            except Stop:
                pass
        elif operation == "step":
            with prof.step():
                play(arguments[0], prof, clock)
        else:
            with getattr(prof, operation)(arguments[0]):
                play(arguments[1], prof, clock)


@dataclass
class Open:
    """A stage that is open, and since when."""

    name: str
    start: int
    flat: bool = False


@dataclass
class Frame:
    """A lane that is open, or a step in it; a lane's own time passes only while it is the innermost."""

    kind: tuple[str, ...]
    now: int = 0
    opened: list[Open] = field(default_factory=list)
    ns: Spans = field(default_factory=Counter)
    visits: Spans = field(default_factory=Counter)

    def end(self) -> None:
        """End the innermost stage."""
        path = (*self.kind, *(one.name for one in self.opened))
        self.ns[path] += self.now - self.opened.pop().start
        self.visits[path] += 1

    def end_flat(self) -> bool:
        """End the innermost stage if a mark began it."""
        if not (self.opened and self.opened[-1].flat):
            return False
        self.end()
        return True


class Reference:
    """Counts with lists and exceptions, in the most literal way."""

    def __init__(self) -> None:
        self.frame = Frame(("setup",))
        self.base = True
        self.ns: Spans = Counter()
        self.visits: Spans = Counter()

    def run(self, program: Program) -> None:
        """Play the whole program."""
        try:
            self.play(program)
        except Stop:
            pass
        self.close(self.frame)

    def close(self, frame: Frame) -> None:
        """Count what a frame holds."""
        frame.end_flat()
        self.ns += frame.ns
        self.visits += frame.visits

    def play(self, program: Program) -> None:
        """Play a part."""
        for operation, *arguments in program:
            if operation == "advance":
                self.frame.now += arguments[0]
            elif operation == "raise":
                raise Stop
            elif operation == "catch":
                try:
                    self.play(arguments[0])
                except Stop:
                    pass
            else:
                getattr(self, operation)(*arguments)

    def mark(self, name: str | None) -> None:
        """End and begin: but only directly in a step or lane."""
        frame = self.frame
        if frame.opened and (not frame.opened[-1].flat or frame.opened[-1].name == name):
            return
        frame.end_flat()
        if name is not None:
            frame.opened.append(Open(name, frame.now, flat=True))

    def stage(self, name: str, program: Program) -> None:
        """Recursion is one visit."""
        if any(one.name == name for one in self.frame.opened):
            self.play(program)
            return
        opened = Open(name, self.frame.now)
        self.frame.opened.append(opened)
        try:
            self.play(program)
        finally:
            assert self.frame.opened[-1] is opened
            self.frame.end()

    def lane(self, name: str, program: Program) -> None:
        """Time stands still outside."""
        outer, base, self.frame, self.base = self.frame, self.base, Frame((name,)), False
        try:
            self.play(program)
        finally:
            self.close(self.frame)
            self.frame, self.base = outer, base

    def step(self, program: Program) -> None:
        """A step ends what was marked before it, and counts where it ends well."""
        outer = self.frame
        outer.end_flat()
        if self.base and outer.kind == ("setup",):
            self.train(outer)
        self.frame = Frame((*outer.kind, "step"))
        try:
            self.play(program)
            self.visits[self.frame.kind] += 1
            self.ns[self.frame.kind] += self.frame.now
            self.close(self.frame)
        finally:
            outer.now += self.frame.now
            self.frame = outer

    def train(self, frame: Frame) -> None:
        """The first step: stages go on in another lane, without those of marks."""
        names = [one for one in frame.opened if not one.flat]
        while frame.opened:
            frame.end()
        frame.kind = ("train",)
        frame.opened = names
        for one in names:
            one.start = frame.now


def record(program: Program) -> Run:
    clock = FakeClock()
    with profile(clock) as prof:
        try:
            play(program, prof, clock)
        except Stop:
            pass
    run: Run = prof.run
    return run


def counted(run: Run) -> tuple[dict[tuple[str, ...], int], dict[tuple[str, ...], int]]:
    ns: dict[tuple[str, ...], int] = {}
    visits: dict[tuple[str, ...], int] = {}

    def note(path: tuple[str, ...], stage: Any) -> None:
        ns[path], visits[path] = stage.series.total_ns, stage.series.count

    for one in run.lanes:
        for path, stage in walk(one.stages):
            note((one.name, *path), stage)
        for steps in one.steps.values():
            note((one.name, "step"), steps)
            for path, stage in walk(steps.stages):
                note((one.name, "step", *path), stage)
    return ns, visits


@given(programs(4))
def test_any_program_of_marks_counts_what_its_interpreter_counts(program: Program) -> None:
    expected = Reference()
    expected.run(program)
    ns, visits = counted(record(program))
    assert {path: count for path, count in visits.items() if count} == dict(expected.visits)
    assert {path: ns[path] for path in expected.visits} == {
        path: expected.ns[path] for path in expected.visits
    }


def own(stage: Stage) -> int:
    """Self time of a stage and of all inside it, none of it negative."""
    assert stage.self_ns >= 0
    return stage.self_ns + sum(own(child) for child in stage.stages)


@given(programs(4))
def test_the_shares_of_a_step_add_up(program: Program) -> None:
    run = record(program)
    for one in run.lanes:
        for steps in one.steps.values():
            other = steps.series.total_ns - sum(stage.series.total_ns for stage in steps.stages)
            assert other >= 0
            assert sum(own(stage) for stage in steps.stages) + other == steps.series.total_ns
    assert sum(one.series.total_ns for one in run.lanes) == run.wall_ns
