"""The plan: which loops are steps, which lanes begin where, and the stage of every statement."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from rnnprof.instrument import rules
from rnnprof.instrument.reading.flow import follow, makes_loss_around
from rnnprof.instrument.reading.hints import binds_states, directive
from rnnprof.instrument.reading.learning import learn
from rnnprof.instrument.reading.loops import Loops, StepLoop
from rnnprof.instrument.reading.meaning import EVALUATE, MAJOR, OPEN, Label, Meaning
from rnnprof.instrument.reading.naming import Names
from rnnprof.instrument.reading.project import Function, Project
from rnnprof.instrument.reading.syntax import blocks, calls, dotted, is_paused, own_expressions, statements


class Plan:
    """Everything that is decided about a project before a line of it runs.

    Args:
        project: the user's source.
        own: rules of the user's.

    Attributes:
        labels: the stage of a statement, by its ``id``; of a compound one, that of its header.
        parts: the stage of a call, by its ``id``.
        steps: the loops that are steps, by the loop's ``id``.
        lanes: the functions whose bodies are a lane, by the function node's ``id``.
        opened: the functions whose statements have stages; False where they run outside steps.
        closures: functions handed to a call, and the stage that goes on when they return.
        whole, entries: functions of which every call is a step; what to call first in a function.
    """

    def __init__(self, project: Project, own: Iterable[rules.Rule] = ()) -> None:
        self.project = project
        self.kinds = learn(project)
        self.meaning = Meaning(project, self.kinds, own)
        self._names = Names(self.meaning)
        self.loops = Loops(project, self.meaning)
        self.labels: dict[int, Label] = {}
        self.parts: dict[int, Label] = {}
        self.steps: dict[int, StepLoop] = {}
        self.lanes: dict[int, str] = {}
        self.opened: dict[int, bool] = {}
        self.closures: dict[int, str] = {}
        self.functions: dict[int, Function] = {}
        self.whole: set[int] = set()
        self.entries: dict[int, Callable[[], None]] = {}
        main = project.by_name.get("__main__")
        for function in project.functions:
            if (main is not None and function is main.main) or self.loops.leads_to_step(function):
                self._outside(function)
        for function in project.functions:
            if id(function.node) not in self.opened and self.meaning.evaluates(function):
                self._lane(function)

    def whole_step(self, function: Function) -> None:
        """Make every call of a function a step."""
        self.opened.pop(id(function.node), None)
        self.lanes.pop(id(function.node), None)
        self.open(function)
        self.whole.add(id(function.node))

    def _lane(self, function: Function) -> None:
        if not is_paused(function.node):
            self.lanes[id(function.node)] = EVALUATE
        self._outside(function)

    # ---- outside steps ----------------------------------------------------------------------

    def _outside(self, function: Function) -> None:
        """Plan a function that runs outside steps: what leads to the training loop, or evaluates."""
        if id(function.node) in self.opened:
            return
        self.opened[id(function.node)] = False
        self.functions[id(function.node)] = function
        self._lane_block(function.body, function)

    def _lane_block(self, body: list[ast.stmt], function: Function) -> None:
        for statement in body:
            if isinstance(statement, (ast.For, ast.While)) and self._step_loop(statement, function):
                continue
            if isinstance(statement, (ast.For, ast.While)) and not self._holds_step(statement, function):
                label = self._whole(statement, function)
            elif isinstance(statement, (ast.Import, ast.ImportFrom)):
                future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
                label = None if future else Label("import", "imports")
            else:
                label = self._simple(statement, function, outside=True)
                if self.loops.measures(statement, function, outside=True):
                    self.lanes[id(statement)] = EVALUATE
                for block in blocks(statement):
                    self._lane_block(block, function)
            if label is not None:
                self.labels[id(statement)] = label

    def _step_loop(self, node: ast.For | ast.While, function: Function) -> bool:
        step = self.loops.training.get(id(node))
        if step is None and not self._leads(node, function):
            step = self.loops.evaluation(node, function)
        if step is None or step.node is not node:
            return False
        self._step(step)
        return True

    def _step(self, step: StepLoop) -> None:
        self.steps[id(step.node)] = step
        self._step_block(step.node.body, step.function)
        why = "the loop's header fetches" if isinstance(step.node, ast.For) else "the loop's condition"
        if isinstance(step.node, ast.For):
            self.labels[id(step.node)] = Label("get_batch", why)
        else:
            label = self._simple(step.node, step.function) or self._names.of(step.node, step.function)
            if label is not None:
                self.labels[id(step.node)] = label
        self._lane_block(step.node.orelse, step.function)

    def _leads(self, node: ast.stmt, function: Function) -> bool:
        """Whether a step loop is in a statement, or in a function that it calls."""
        inner = any(id(one) in self.loops.training for one in statements([node]))
        return inner or any(
            self.loops.leads_to_step(callee)
            for call in calls(node)
            for callee in self.loops.called(call, function)
        )

    def _holds_step(self, node: ast.stmt, function: Function) -> bool:
        """Whether something in a loop outside steps must be marked on its own."""
        if self._leads(node, function):
            return True
        return "forward" in self.meaning.held([node], function) or EVALUATE in self.meaning.held(
            [node], function
        )

    def _whole(self, statement: ast.stmt, function: Function) -> Label | None:
        """The stage of a loop outside steps, which is one place whatever it holds."""
        directed = directive(statement, function)
        if directed is not None:
            return directed
        held = self.meaning.held([statement], function) & frozenset(MAJOR)
        if len(held) == 1 and held <= {"checkpoint", "sample"}:
            return Label(next(iter(held)), "all that the loop holds")
        for one in statements([statement]):
            label = self._names.of(one, function)
            if label is not None:
                return label
        return None

    # ---- inside steps -----------------------------------------------------------------------

    def open(self, function: Function) -> None:
        """Plan a function whose statements are stages of the step that calls it."""
        if self.opened.get(id(function.node)) is not None:
            return
        self.opened[id(function.node)] = True
        self.functions[id(function.node)] = function
        self._step_block(function.body, function)

    def _step_block(self, body: list[ast.stmt], function: Function) -> None:
        for statement in statements(body):
            label = self._simple(statement, function)
            if label is not None:
                self.labels[id(statement)] = label
        returned = rules.match(rules.NAMED[:1], [function.name.lower()]) is not None
        trains = "backward" in self.meaning.content(function)
        follow(body, self.labels, self.kinds, function, is_loss=returned and not trains)
        for statement in statements(body):
            if makes_loss_around(statement, self.labels, self.parts, body):
                self.labels[id(statement)] = Label("loss", "makes the loss of the model's output")
            if id(statement) not in self.labels:
                label = self._names.of(statement, function)
                if label is not None:
                    self.labels[id(statement)] = label
        self._evaluations(body, function, False)

    def _evaluations(self, body: list[ast.stmt], function: Function, inner: bool) -> None:
        """Loops in a step that evaluate: those behind a block's `no_grad` or `eval()`."""
        stops = inner and self.loops.evaluates_inside(body)
        for statement in body:
            if stops and isinstance(statement, (ast.For, ast.While)):
                found = self.loops.evaluation(statement, function)
                if found is not None:
                    self.steps[id(found.node)] = found
                    self.labels[id(found.node)] = Label("get_batch", "the loop's header fetches")
                    continue
            if self.loops.measures(statement, function, outside=False):
                self.lanes[id(statement)] = EVALUATE
                continue
            for block in blocks(statement):
                conditional = isinstance(statement, (ast.If, ast.With)) or inner
                self._evaluations(block, function, conditional)

    # ---- one statement ----------------------------------------------------------------------

    def _simple(self, statement: ast.stmt, function: Function, outside: bool = False) -> Label | None:
        """The stage of what a statement itself evaluates, by rules; its calls are noted apart."""
        directed = directive(statement, function)
        if directed is not None:
            return directed
        outer: list[Label] = []
        for expression in own_expressions(statement):
            outer += self._calls(expression, function, outside)
        shape = self.meaning.shapes.of(statement, function)
        if shape is not None and not (outer and outer[-1].stage in ("log", "backward", "zero_grad", "clip")):
            self._forget_transfers(statement)
            return Label(*shape)
        if outer and all(label.stage == "log" for label in outer):
            # `env.step(action.item())` is not there to report.
            named = self._names.outermost(statement, function)
            if named is not None:
                return named
        if outer and outer[-1].stage == "get_batch" and binds_states(statement):
            self._forget_transfers(statement)
            return Label("init_hidden", "moves a hidden state to the device")
        if outer:
            return outer[-1]
        return self._names.of(statement, function) if outside else None

    def _forget_transfers(self, statement: ast.stmt) -> None:
        """A hidden state that is moved to the device is no batch."""
        for call in calls(statement):
            if id(call) in self.parts and self.parts[id(call)].stage == "get_batch":
                del self.parts[id(call)]

    def _calls(self, node: ast.AST, function: Function, outside: bool) -> list[Label]:
        """Note the labels of the calls in an expression; return those that are in no labelled call."""
        if isinstance(node, (ast.Lambda, ast.FunctionDef)):
            return []
        inner: list[Label] = []
        for child in ast.iter_child_nodes(node):
            inner += self._calls(child, function, outside)
        if not isinstance(node, ast.Call):
            return inner
        label = self.meaning.call(node, function)
        callee = self.kinds.callee(node, function)
        if label is None and outside:
            made = self.meaning.makes(node, function)
            label = Label(made, f"makes {dotted(node.func)}") if made is not None else None
        if outside and callee is not None and self.loops.leads_to_step(callee):
            label = Label(OPEN, f"{callee.name}() leads to the training loop")
        if label is None or label.stage == rules.TRANSPARENT:
            return inner
        if label.stage == rules.SET_UP and not outside:
            return inner
        self.parts[id(node)] = label
        if (
            (label.stage == OPEN or label.opens)
            and callee is not None
            and not (outside and self.loops.leads_to_step(callee))
        ):
            self.open(callee)
        for passed in self.meaning.passed(node, function):
            content = self.meaning.content(passed)
            if len(content) >= 2 and not is_paused(passed.node) and not self.loops.leads_to_step(passed):
                if label.stage == "update":  # an optimizer calls what it is handed, and then goes on
                    self.closures[id(passed.node)] = label.stage
                self.open(passed)
        return [label]
