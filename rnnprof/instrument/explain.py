"""The source with the stage that each line was given, and why: ``rnnprof run --explain``."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from rnnprof.instrument.asks import Asks
from rnnprof.instrument.reading.hints import BY_COMMENT
from rnnprof.instrument.reading.meaning import OPEN, Label
from rnnprof.instrument.reading.plan import Plan
from rnnprof.instrument.reading.project import Function, Source
from rnnprof.instrument.reading.syntax import SCOPES, blocks, calls, own_expressions, statements
from rnnprof.instrument.seen import no_loop
from rnnprof.units import visible

STAGE_WIDTH = 22
SOURCE_WIDTH = 76
NOTHING = "."
"""Stands for a line that goes on in the stage before it, or outside steps in none."""


def explain(plan: Plan, folder: Path) -> str:
    """Show what was found in a program, file by file.

    Args:
        plan: what was decided.
        folder: file names are shown relative to it where they lie in it.

    Returns:
        The text, ending in a newline.
    """
    parts = []
    for source in plan.project.sources.values():
        functions = [one for one in plan.functions.values() if one.source is source]
        if functions:
            parts.append(_file(plan, source, functions, folder))
    parts += not_understood(plan)
    if not any(step.lane == "train" for step in plan.steps.values()):
        parts.append(no_loop(plan, True))
    return "\n".join(parts).rstrip("\n") + "\n"


def not_understood(plan: Plan) -> list[str]:
    """A line for each comment of the user's that says nothing that rnnprof knows."""
    return [
        f"{visible(source.path.name)}:{line}: the comment says {visible(repr(one.name))}, which is none of "
        "stage=NAME, step and ignore"
        for source in plan.project.sources.values()
        for line, one in source.comments.items()
        if not one.word
    ]


def _file(plan: Plan, source: Source, functions: list[Function], folder: Path) -> str:
    path = source.path
    shown = path.relative_to(folder) if path.is_relative_to(folder) else path
    lines = [visible(str(shown)), ""]
    for step in plan.steps.values():
        if step.function.source is source:
            what = "step" if step.lane == "train" else "step of evaluate"
            lines.append(f"{what}: the loop in line {step.node.lineno}: {step.why}")
    for function in functions:
        lane = plan.lanes.get(id(function.node))
        if lane is not None:
            lines.append(f"lane {lane}: {function.name}() in line {_line(function)} does not train the model")
    lines += [
        *([""] if lines[-1] else []),
        f"{'line':>5}  {'stage':{STAGE_WIDTH}} {'source':{SOURCE_WIDTH}} why",
    ]
    last = 0
    text = re.split(r"\r\n?|\n", source.text)
    rows = {row[0]: row for function in functions for row in _rows(plan, function, len(text))}
    for number, stage, why in (rows[number] for number in sorted(rows)):
        if last and number > last + 1:
            lines.append("")
        last = number
        code = _shown(text[number - 1].expandtabs(4).rstrip())
        lines.append(
            f"{number:5}  {_shown(stage):{STAGE_WIDTH}} {code:{SOURCE_WIDTH}} {_shown(why)}".rstrip()
        )
    return "\n".join(lines) + "\n"


def _shown(text: str) -> str:
    return visible(text) if text else ""


def _line(function: Function) -> int:
    return 1 if isinstance(function.node, ast.Module) else function.node.lineno


def _rows(plan: Plan, function: Function, last: int) -> list[tuple[int, str, str]]:
    """Line, stage and why of a function's lines, without those of functions defined in it."""
    node = function.node
    found: dict[int, tuple[str, str]] = {}
    if not isinstance(node, ast.Module):
        found.update(dict.fromkeys(range(node.lineno, node.body[0].lineno), (NOTHING, "")))
    for statement, stage, why in _Table(plan, function).rows:
        for line in range(statement.lineno, max(_last_line(statement), statement.lineno) + 1):
            if line <= last:
                row = stage, why if line == statement.lineno else ""
                found[line] = _joined(found.get(line, (NOTHING, "")), row)
    return [(line, *found[line]) for line in sorted(found)]


class _Table:
    """A function's statements, each with its stage and why.

    What has no stage of its own shows the one that certainly goes on.
    """

    def __init__(self, plan: Plan, function: Function) -> None:
        body = function.node.body
        self.rows: list[tuple[ast.stmt, str, str]] = []
        self._plan = plan
        self._inside = _inside_steps(plan, function)
        self._steps = {id(step.node): step for step in plan.steps.values()}
        self._lanes = {
            id(inner): lane
            for one in statements(body)
            if (lane := plan.lanes.get(id(one))) is not None and not isinstance(one, SCOPES)
            for inner in statements([one])
        }
        self._block(body, "")

    def _block(self, body: list[ast.stmt], before: str) -> str:
        """Show some statements; return the stage that goes on behind them."""
        for statement in body:
            if not isinstance(statement, SCOPES):
                before = self._statement(statement, before)
        return before

    def _statement(self, statement: ast.stmt, before: str) -> str:
        stage, why = _stages(self._plan, statement)
        own = stage
        inside = id(statement) in self._inside
        before = before if inside and id(statement) not in self._steps else ""
        if stage == NOTHING and not why and before and _calls(statement):
            stage = f"({before})"
        elif stage != NOTHING and inside:
            before = stage.rpartition(", ")[2]
        elif why:
            before = ""
        if id(statement) in self._lanes:
            lane = self._lanes[id(statement)]
            stage = lane if own == NOTHING else f"{lane}: {own}"
        if id(statement) in self._steps:
            what = "STEP" if self._steps[id(statement)].lane == "train" else "step of evaluate"
            why = f"{what}: {why}" if why else what
        self.rows.append((statement, stage, why))
        if id(statement) in self._steps:
            before = own if own != NOTHING else ""
        ends = {self._block(block, before) for block in blocks(statement)}
        if isinstance(statement, ast.If) and not statement.orelse:
            ends.add(before)
        return before if not ends else ends.pop() if len(ends) == 1 else ""


def _last_line(statement: ast.stmt) -> int:
    """The last line of what a statement itself evaluates."""
    if not blocks(statement):
        return statement.end_lineno or statement.lineno
    return max([statement.lineno, *(one.end_lineno or 0 for one in own_expressions(statement))])


def _joined(one: tuple[str, str], two: tuple[str, str]) -> tuple[str, str]:
    """Stages and reasons of a line that holds two statements, or more."""
    named = [row for row in (one, two) if row[0] != NOTHING and not row[0].startswith("(")]
    if len(named) < 2:
        return named[0] if named else (one if one[0] != NOTHING else two)
    stages = list(dict.fromkeys(f"{one[0]}, {two[0]}".split(", ")))
    reasons = "; ".join(why for _, why in named if why).split("; ")
    return ", ".join(stages), "; ".join(dict.fromkeys(reasons))


def _calls(statement: ast.stmt) -> bool:
    """Whether a statement does something that takes time, and does not just decide."""
    return any(True for expression in own_expressions(statement) for _ in calls(expression))


def _inside_steps(plan: Plan, function: Function) -> set[int]:
    """The statements that run in a step, where what has no stage of its own goes on in the one before."""
    if plan.opened[id(function.node)]:
        return {id(one) for one in statements(function.body)}
    loops = [step.node for step in plan.steps.values() if step.function is function]
    return {id(one) for loop in loops for one in [loop, *statements(loop.body)]}


def _stages(plan: Plan, statement: ast.stmt) -> tuple[str, str]:
    """The stages of a statement in the order in which they come, and the reasons."""
    labels: list[Label] = []
    for expression in own_expressions(statement):
        labels += _inside(plan, expression)
    base = plan.labels.get(id(statement)) or _all_one(plan, statement)
    if base is not None:
        named = {label.stage for label in labels}
        labels = [*labels, base] if base.stage not in named else labels
        if base.why == BY_COMMENT:
            labels = [base]
    stages = list(dict.fromkeys(label.stage for label in labels))
    reasons = list(dict.fromkeys(label.why for label in labels))
    if stages == [OPEN]:
        return NOTHING, f"stages of its own: {reasons[0]}"
    return ", ".join(one for one in stages if one != OPEN) or NOTHING, "; ".join(reasons)


def _all_one(plan: Plan, statement: ast.stmt) -> Label | None:
    """The stage of a loop that holds just one, such as the update of every parameter."""
    if not isinstance(statement, (ast.For, ast.While)):
        return None
    stages = Asks(plan).stages_in(statement, header=False)
    return Label(next(iter(stages)), "all that the loop holds") if stages else None


def _inside(plan: Plan, node: ast.AST) -> list[Label]:
    found: list[Label] = []
    if isinstance(node, ast.Lambda):
        return found
    for child in ast.iter_child_nodes(node):
        found += _inside(plan, child)
    if id(node) in plan.parts:
        found.append(plan.parts[id(node)])
    return found
