"""What to say of a program in which no training loop was found."""

from __future__ import annotations

import ast

from rnnprof.instrument.reading.loops import is_async
from rnnprof.instrument.reading.meaning import TRAINS
from rnnprof.instrument.reading.plan import Plan
from rnnprof.instrument.reading.project import Function
from rnnprof.instrument.reading.syntax import Loop, blocks, statements, walk

MOST = 4
"""Places that are named; further ones are counted."""
LOOKED_FOR = (
    "looked for a loop that backpropagates (.backward() or torch.autograd.grad) and changes the parameters "
    "(optimizer.step() or a change by .grad), also through the functions that it calls"
)
"""What a training loop is, in the words for one that was not found."""


def no_loop(plan: Plan | None, torch_imported: bool) -> str:
    """Say what was looked for and what was seen instead, in a few lines.

    Args:
        plan: what was decided about the program; None if its source could not be read.
        torch_imported: whether the program imported torch.

    Returns:
        The lines, without a newline at the end.
    """
    found = [step for step in plan.steps.values() if step.lane == "train"] if plan is not None else []
    if found:
        places = [f"{step.function.source.path.name}:{step.node.lineno}" for step in found]
        return (
            f"no step was recorded: none of the turns of {_list(places)}, which trains, ran to its end "
            "in this process (child processes are not measured)."
        )
    lines = ["no training loop was found, so the run has no steps.", LOOKED_FOR + ","]
    if plan is None:
        return "\n".join([*lines, "but the script's source could not be read."])
    files = len(plan.project.sources)
    lines.append(
        f"in {files} file{'s' * (files != 1)}: {_list([s.path.name for s in plan.project.sources.values()])}."
    )
    lines += [f"saw {_verb(stage)}: {_list(_places(plan, stage)) or 'nowhere'}." for stage in sorted(TRAINS)]
    loops = [
        (f"{function.source.path.name}:{node.lineno}", is_async(function))
        for function in plan.project.functions
        for node in _loops(function)
    ]
    all_of_them = _list([place for place, _ in loops])
    lines.append(f"saw {len(loops)} loop{'s' * (len(loops) != 1)}{': ' if loops else ''}{all_of_them}.")
    paused = [place for place, waits in loops if waits]
    if paused:
        lines.append(f"left alone in coroutines, whose turns other tasks may interrupt: {_list(paused)}.")
    if not torch_imported:
        lines.append("the program never imported torch.")
    lines.append("a comment `# rnnprof: step` in the line of a loop makes it the step.")
    return "\n".join(lines)


def _verb(stage: str) -> str:
    return {"backward": "a call that backpropagates", "update": "a change of parameters"}[stage]


def _places(plan: Plan, stage: str) -> list[str]:
    found = []
    for function in plan.project.functions:
        for statement in statements(function.body):
            if blocks(statement):
                continue
            shape = plan.meaning.shapes.of(statement, function)
            held = {shape[0]} if shape is not None else plan.meaning.held([statement], function)
            if stage in held:
                found.append(f"{function.source.path.name}:{statement.lineno}")
    return found


def _loops(function: Function) -> list[Loop]:
    return [node for node in walk(function.body) if isinstance(node, (ast.For, ast.While))]


def _list(names: list[str]) -> str:
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more
