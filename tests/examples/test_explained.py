"""The examples are explained as a reader explains them: the step, and the stage of each line of it."""

from __future__ import annotations

import ast
from functools import cache

import pytest

from rnnprof.instrument.explain import explain
from rnnprof.instrument.program import Program
from rnnprof.instrument.reading.plan import Plan
from tests.examples.test_loops import FOLDER, READINGS


@cache
def plan(script: str) -> Plan:
    """What is decided about a script and the modules beside it."""
    made = Program(FOLDER / f"{script}.py", [FOLDER]).plan
    assert made is not None
    return made


@cache
def explained(script: str) -> dict[int, set[str]]:
    """The stages that ``rnnprof run --explain`` shows for each line of a script."""
    text = explain(plan(script), FOLDER)
    rows = {}
    for line in text.partition("\ncorpus.py\n")[0].splitlines():
        if line[:5].strip().isdigit():
            stages = line[7:].partition("  ")[0]
            rows[int(line[:5])] = {part for one in stages.split(", ") for part in one.strip("()").split(": ")}
    return rows


def number(script: str, piece: str) -> int:
    """The line that holds a piece of source."""
    lines = (FOLDER / f"{script}.py").read_text(encoding="utf-8").splitlines()
    return next(i for i, line in enumerate(lines, start=1) if piece in line)


@pytest.mark.parametrize("script", READINGS)
def test_the_step_is_the_loop_that_a_reader_names(script: str) -> None:
    steps = [step.node.lineno for step in plan(script).steps.values() if step.lane == "train"]
    assert steps == [number(script, READINGS[script].loop)]


@pytest.mark.parametrize("script", READINGS)
def test_each_line_of_the_step_has_the_stages_that_a_reader_gives_it(script: str) -> None:
    want: dict[int, set[str]] = {}
    for stage, pieces in READINGS[script].step.items():
        for piece in pieces:
            want.setdefault(number(script, piece), set()).add(stage)
    rows = explained(script)
    # What calls nothing takes no time, and may go on in the stage before it.
    calling = {node.lineno for node in ast.walk(_tree(script)) if isinstance(node, ast.Call)}
    idle = {line for line in want if rows[line] == {"."} and line not in calling}
    found = {line: want[line] if line in idle else rows[line] for line in want}
    assert found == want


@pytest.mark.parametrize("script", READINGS)
def test_lines_between_steps_have_their_stage(script: str) -> None:
    rows = explained(script)
    for stage, pieces in READINGS[script].outside.items():
        assert [(piece, rows.get(number(script, piece), {"."}) & {stage}) for piece in pieces] == [
            (piece, {stage}) for piece in pieces
        ]


def _tree(script: str) -> ast.Module:
    return ast.parse((FOLDER / f"{script}.py").read_text(encoding="utf-8"))
