"""Which loops are steps: the innermost that backpropagate and update, and those that evaluate."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from rnnprof.instrument.reading.meaning import EVALUATE, TRAINS, Meaning
from rnnprof.instrument.reading.project import Function, Project
from rnnprof.instrument.reading.syntax import Loop, blocks, calls, dotted, quiet, walk

TRAIN = "train"


@dataclass(frozen=True)
class StepLoop:
    """A loop whose every turn is a step.

    Attributes:
        lane: ``train`` or ``evaluate``.
        why: the reason, in words.
    """

    node: Loop
    function: Function
    lane: str
    why: str


class Loops:
    """Finds the loops that are steps.

    Args:
        project: the user's source.
        meaning: what its calls mean.
    """

    def __init__(self, project: Project, meaning: Meaning) -> None:
        self.project = project
        self.meaning = meaning
        self._directed = any(
            one.word == "step" for source in project.sources.values() for one in source.comments.values()
        )
        self._leads: dict[int, bool] = {}
        self.training: dict[int, StepLoop] = {}
        for function in project.functions:
            for node in _loops(function.body):
                found = self._training(node, function)
                if found is not None:
                    self.training[id(node)] = found

    # ---- training ---------------------------------------------------------------------------

    def _training(self, node: Loop, function: Function) -> StepLoop | None:
        if self._directed:
            asked = self._says(node, function, "step")
            return StepLoop(node, function, TRAIN, "a comment says that it is the step") if asked else None
        if self._says(node, function, "ignore") or not self._trains(node, function) or is_async(function):
            return None
        if any(self._trains(inner, function) for inner in _loops(node.body)):
            return None
        for call in calls(node.body):
            for callee in self.called(call, function):
                # A function may call itself in its loop, to try again say.
                if callee is not function and self.leads_to_step(callee):
                    return None
        places = self._places(node, function)
        return StepLoop(
            node,
            function,
            TRAIN,
            f"the innermost loop that backpropagates {places['backward']} and updates {places['update']}",
        )

    def _says(self, node: Loop, function: Function, word: str) -> bool:
        lines = range(node.lineno, node.body[0].lineno)
        return any(
            (one := function.source.comments.get(line)) is not None and one.word == word
            for line in [node.lineno, *lines]
        )

    def _trains(self, node: Loop, function: Function) -> bool:
        return self.meaning.held(node.body, function) >= TRAINS

    def called(self, call: ast.Call, function: Function) -> list[Function]:
        """The user's functions that a call runs, those that it is handed included."""
        callee = self.meaning.kinds.callee(call, function)
        found = self.meaning.passed(call, function)
        kind = self.meaning.kinds.of(call.func, function)
        if kind is not None and kind.role == "class" and kind.made is not None:
            callee = self.meaning.kinds.classes.method(kind.made, "__init__")
        return [*found, callee] if callee is not None else found

    def leads_to_step(self, function: Function) -> bool:
        """Whether a function holds a step loop, or calls one that does."""
        known = self._leads.get(id(function))
        if known is not None:
            return known
        self._leads[id(function)] = False  # a recursion leads nowhere new
        if self._directed:
            found = any(self._says(node, function, "step") for node in _loops(function.body))
        else:
            found = any(self._trains(node, function) for node in _loops(function.body))
        found = found or any(
            self.leads_to_step(callee)
            for call in calls(function.body)
            for callee in self.called(call, function)
        )
        self._leads[id(function)] = found
        return found

    def _places(self, node: Loop, function: Function) -> dict[str, str]:
        """Where a loop backpropagates and updates: in which line, or in which function."""
        found = {}
        for stage in TRAINS:
            found[stage] = "somewhere in it"
            for statement in walk(node.body):
                if not isinstance(statement, ast.stmt) or blocks(statement):
                    continue
                shape = self.meaning.shapes.of(statement, function)
                held = {shape[0]} if shape is not None else self.meaning.held([statement], function)
                if stage in held:
                    found[stage] = f"in line {statement.lineno}"
                    break
        return found

    # ---- evaluation -------------------------------------------------------------------------

    def evaluation(self, node: Loop, function: Function) -> StepLoop | None:
        """The step loop of an evaluation, if the loop outside any step runs the model without training."""
        held = self.meaning.held(node.body, function)
        if "forward" not in held or held & TRAINS or is_async(function):
            return None
        inner = [one for one in _loops(node.body) if "forward" in self.meaning.held(one.body, function)]
        if inner and self._fetches(inner[0]) and not self._fetches(node):
            return self.evaluation(inner[0], function)
        return StepLoop(node, function, EVALUATE, "it runs the model and does not train it")

    def _fetches(self, node: Loop) -> bool:
        if not isinstance(node, ast.For):
            return False
        return not isinstance(node.iter, (ast.List, ast.Tuple, ast.Constant))

    def measures(self, statement: ast.stmt, function: Function, outside: bool) -> bool:
        """Whether this is a block without gradients that runs the model to see how good it is."""
        if not isinstance(statement, ast.With) or not any(
            quiet(item.context_expr) for item in statement.items
        ):
            return False
        held = self.meaning.held(statement.body, function)
        measures = outside or held & {"loss", "log"}
        # Without gradients nothing trains, whatever the functions could do with other arguments.
        words = {
            dotted(one).rpartition(".")[2].rstrip("()")
            for item in statement.items
            for one in [item.context_expr]
        }
        trains = held & (
            {"clip"} if words & {"no_grad", "inference_mode"} and "loss" in held else TRAINS | {"clip"}
        )
        return "forward" in held and bool(measures) and not trains

    def evaluates_inside(self, block: list[ast.stmt]) -> bool:
        """Whether a block inside a step turns training off before it loops."""
        return any(quiet(statement) for statement in block)


def is_async(function: Function) -> bool:
    """Whether the function is a coroutine."""
    return isinstance(function.node, ast.AsyncFunctionDef)


def _loops(body: list[ast.stmt]) -> list[Loop]:
    return [node for node in walk(body) if isinstance(node, (ast.For, ast.While))]
