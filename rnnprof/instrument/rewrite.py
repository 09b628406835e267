"""From a plan to code: marks between the statements of the user's source.

The tree is changed in place and compiled under its own file name, every new node at the line of
the statement beside it. What is called is put straight among the code's constants, so that no
namespace of the user's program holds a name that was not there.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Callable
from typing import Any

from rnnprof.instrument import runtime
from rnnprof.instrument.asks import Asks
from rnnprof.instrument.expressions import Expressions, State
from rnnprof.instrument.importer import quiet
from rnnprof.instrument.objects import Objects
from rnnprof.instrument.places import first_place, is_idle, leaves, yields
from rnnprof.instrument.reading.plan import Plan
from rnnprof.instrument.reading.project import Function, Source
from rnnprof.instrument.reading.syntax import blocks, own_expressions, statements
from rnnprof.instrument.turns import TRAINED

ENDED = ""
"""The state after a mark that begins no stage."""


class Rewriter:
    """Rewrites one file.

    Args:
        plan: what was decided about it.
        source: the file.
        watch: called with each model that a forward statement runs; None for nothing.
    """

    def __init__(self, plan: Plan, source: Source, watch: Callable[[Any], None] | None = None) -> None:
        self.plan = plan
        self.source = source
        self.objects = Objects()
        self._asks = Asks(plan)
        self._watch = runtime.Watch(watch) if watch is not None else None
        self._expressions = Expressions(plan.parts, self._call_mark)
        self._step = True
        self._function = source.main
        self._turns: list[Callable[[], None] | None] = []
        self._returns: str | None = None

    def rewrite(self) -> ast.Module:
        """Put the marks into the file's tree, and return it."""
        for function in self.plan.functions.values():
            if function.source is self.source:
                self._rewrite(function)
        if self._watch is not None:
            # Last, so that no mark comes between the model's name and the look at it.
            for call in self._asks.models(self.source):
                self._show(call, self._watch)
        ast.fix_missing_locations(self.source.tree)
        return self.source.tree

    def _rewrite(self, function: Function) -> None:
        node = function.node
        self._function = function
        self._step = self.plan.opened[id(node)]
        self._returns = self.plan.closures.get(id(node))
        start = first_place(node.body)
        body, _ = self._block(node.body[start:], None if self._step else ENDED)
        if self._returns is not None and body:
            body.append(self._mark(self._returns, body[-1]))
        lane = self.plan.lanes.get(id(node))
        if lane is not None and body:
            body = [self.objects.within(runtime.LaneBlock(lane), body, body[0])]
        if id(node) in self.plan.whole and body:
            body = [self.objects.within(runtime.StepBlock(), body, body[0])]
        entry = self.plan.entries.get(id(node))
        if entry is not None and body:
            body.insert(0, self.objects.statement(entry, body[0]))
        if self._watch is not None and self._step and self._asks.is_part_of_model(function) and body:
            model = ast.copy_location(ast.Name(function.parameters[0], ast.Load()), body[0])
            seen = ast.copy_location(ast.Expr(self.objects.call(self._watch, body[0], model)), body[0])
            body.insert(0, seen)
        node.body = [*node.body[:start], *body]

    # ---- statements -------------------------------------------------------------------------

    def _block(self, body: list[ast.stmt], state: State) -> tuple[list[ast.stmt], State]:
        found: list[ast.stmt] = []
        for statement in body:
            new, state = self._statement(statement, state)
            found += new
        return found, state

    def _statement(self, statement: ast.stmt, state: State) -> tuple[list[ast.stmt], State]:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            return [statement], state
        if id(statement) in self.plan.steps:
            return self._loop(statement), ENDED if not self._step else None
        if isinstance(statement, (ast.Continue, ast.Break)):
            turn = self._turns[-1] if self._turns and isinstance(statement, ast.Continue) else None
            before = [self.objects.statement(turn, statement)] if turn is not None else []
            return [*before, statement], state
        if isinstance(statement, (ast.For, ast.While, ast.AsyncFor)):
            return self._inner_loop(statement, state)
        new, state = self._header(statement, state)
        if isinstance(statement, ast.Return) and self._returns is not None:
            return self._return(statement, new, state)
        if id(statement) in self.plan.lanes:
            return self._lane(statement, new)
        if isinstance(statement, (ast.If, ast.Try, ast.With, ast.Match)) or blocks(statement):
            state = self._inside(statement, state)
        return new, state

    def _lane(self, statement: ast.stmt, new: list[ast.stmt]) -> tuple[list[ast.stmt], State]:
        """A block that is a lane of its own."""
        outer, self._step = self._step, False
        self._inside(statement, ENDED)
        self._step = outer
        block = runtime.LaneBlock(self.plan.lanes[id(statement)])
        return [*new[:-1], self.objects.within(block, new[-1:], statement)], None if outer else ENDED

    def _header(self, statement: ast.stmt, state: State) -> tuple[list[ast.stmt], State]:
        """Mark what a statement itself evaluates."""
        stage = self._asks.stage(statement)
        if yields(own_expressions(statement)):
            return [self._mark(None, statement), statement], None
        if stage is None:
            if self._step or is_idle(statement):
                return self._parts(statement, state, None)
            before = [] if state == ENDED else [self._mark(None, statement)]
            return self._parts(statement, ENDED, None, before)
        return self._parts(statement, state, stage)

    def _parts(
        self, statement: ast.stmt, state: State, stage: str | None, before: list[ast.stmt] | None = None
    ) -> tuple[list[ast.stmt], State]:
        new = list(before or [])
        first = self._expressions.first(statement, stage)
        if first is not None and state != first:
            new.append(self._mark(first, statement))
            state = first
        if self._asks.trains(statement, self._function):
            new.append(self.objects.statement(TRAINED, statement))
        state = self._expressions.rewrite(statement, stage, state)
        return [*new, statement], state

    def _inside(self, statement: ast.stmt, state: State) -> State:
        """Mark the blocks inside a compound statement; the state after it, where all agree."""
        if isinstance(statement, ast.If):
            statement.body, one = self._block(statement.body, state)
            statement.orelse, other = self._block(statement.orelse, state)
            ends = [
                end for end, block in ((one, statement.body), (other, statement.orelse)) if not leaves(block)
            ]
            return ends[0] if ends and len(set(ends)) == 1 else None
        if isinstance(statement, (ast.With, ast.AsyncWith)):
            statement.body, state = self._block(statement.body, state)
            return state
        for name in ("body", "orelse", "finalbody"):
            block = getattr(statement, name, None)
            if block:
                setattr(statement, name, self._block(block, state if name == "body" else None)[0])
        for part in (*getattr(statement, "handlers", []), *getattr(statement, "cases", [])):
            part.body, _ = self._block(part.body, None)
        return None

    def _inner_loop(
        self, statement: ast.For | ast.While | ast.AsyncFor, state: State
    ) -> tuple[list[ast.stmt], State]:
        """A loop that is no step: one mark before it, if it is all one stage."""
        directed = self._asks.directed(statement)
        stages = self._asks.stages_in(statement, header=not self._step)
        self._turns.append(None)
        try:
            if directed is not None or stages is not None:
                return self._uniform(statement, state, directed or next(iter(stages or ()), None))
            new, _ = self._header(statement, state)
            statement.body, _ = self._block(statement.body, None)
            if isinstance(statement, ast.For) and self._step and self._asks.stage(statement) == "get_batch":
                statement.body.append(self._mark("get_batch", statement.body[-1]))
            statement.orelse, _ = self._block(statement.orelse, None)
            return new, None
        finally:
            self._turns.pop()

    def _uniform(self, statement: ast.stmt, state: State, stage: str | None) -> tuple[list[ast.stmt], State]:
        """A loop that is one place: it may turn often, and marks in it would tell nothing."""
        new: list[ast.stmt] = []
        if stage is None and not self._step:
            stage = ENDED
        if stage is not None and stage != state:
            new.append(self._mark(stage or None, statement))
        if any(self._asks.trains(one, self._function) for one in statements([statement])):
            new.append(self.objects.statement(TRAINED, statement))
        return [*new, statement], state if stage is None else stage

    def _loop(self, statement: ast.stmt) -> list[ast.stmt]:
        """A loop whose turns are steps."""
        assert isinstance(statement, (ast.For, ast.While))
        step = self.plan.steps[id(statement)]
        fetches = isinstance(statement, ast.For)
        loop = runtime.Loop(step.lane, fetches)
        turn = loop.turn
        outer, self._step = self._step, True
        self._turns.append(turn)
        statement.body, _ = self._block(statement.body, "get_batch" if fetches else None)
        self._turns.pop()
        self._step = outer
        if isinstance(statement, ast.While):
            self._expressions.rewrite(statement, self._asks.stage(statement), None)
        statement.body.append(self.objects.statement(turn, statement.body[-1]))
        statement.orelse, _ = self._block(statement.orelse, None)
        end = self.objects.statement(loop.end, statement)
        guarded = ast.copy_location(ast.Try([statement], [], [], [end]), statement)
        return [self.objects.statement(loop.begin, statement), guarded]

    def _return(
        self, statement: ast.Return, new: list[ast.stmt], state: State
    ) -> tuple[list[ast.stmt], State]:
        """When a closure returns, the stage that called it goes on."""
        assert self._returns is not None
        if statement.value is None:
            return [*new[:-1], self._mark(self._returns, statement), statement], self._returns
        statement.value = self._expressions.then(statement.value, self._returns)
        return new, self._returns

    # ---- what is put in ---------------------------------------------------------------------

    def _show(self, call: ast.Call, watch: runtime.Watch) -> None:
        """Show the hooks which model a call runs."""
        function = call.func
        if isinstance(function, ast.Attribute) and function.attr == "forward":
            function.value = self.objects.call(watch, function.value, function.value)
        else:
            call.func = self.objects.call(watch, function, function)

    def _call_mark(self, stage: str | None, near: ast.AST) -> ast.expr:
        return self.objects.call(self.objects.mark(stage), near)

    def _mark(self, stage: str | None, near: ast.stmt) -> ast.stmt:
        return self.objects.statement(self.objects.mark(stage), near)


def compiled(rewriter: Rewriter, filename: str) -> types.CodeType:
    """Rewrite a file and compile it.

    Args:
        rewriter: of that file.
        filename: the name that tracebacks will show.
    """
    tree = rewriter.rewrite()
    # The plain source was compiled before and has said all there is to say.
    with quiet(filename):
        code = compile(tree, filename, "exec", dont_inherit=True)
    return rewriter.objects.into(code)
