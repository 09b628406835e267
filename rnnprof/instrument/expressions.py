"""Marks inside expressions, where one statement holds several stages.

``loss = criterion(model(x), y)`` becomes ``loss = criterion((model(x), MARK())[0], y)`` behind a
mark of ``forward``: what is evaluated, in which order and at which line, stays as it was. A mark
comes only where the stage changes, so that neighbours share it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from rnnprof.instrument.reading.meaning import EVALUATE, OPEN, Label
from rnnprof.instrument.reading.syntax import COMPREHENSIONS, walk

State = str | None
"""The stage that is certainly open; None if that is not known."""
Slot = tuple[ast.AST, str, int | None]
"""The place of an expression: a node, its field, and an index where the field is a list."""
WORKS = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.Subscript, ast.JoinedStr)
UNORDERED = (ast.IfExp, ast.BoolOp, ast.Lambda, ast.NamedExpr, ast.Await, *COMPREHENSIONS)
FIRST = ((ast.IfExp, "test"), (ast.UnaryOp, "operand"), (ast.Compare, "left"))
"""Where the first operand stands in expressions whose truth a condition asks of their operands."""


class Expressions:
    """Puts marks into expressions.

    Args:
        parts: the stages of calls, by their ``id``.
        mark: makes the call of a stage's mark, at the place of a node.
    """

    def __init__(
        self,
        parts: dict[int, Label],
        mark: Callable[[str | None, ast.AST], ast.expr],
    ) -> None:
        self._parts = parts
        self._mark = mark
        self._holders: set[int] = set()

    def first(self, statement: ast.stmt, stage: str | None) -> str | None:
        """The stage of what a statement evaluates first.

        Args:
            statement: as it stands in the source.
            stage: the statement's own stage.

        Returns:
            The stage; the statement's own where no expression in it has another.
        """
        for name in _fields(statement):
            found = self._first(getattr(statement, name), stage)
            if found is not None:
                return found
        return stage

    def _first(self, node: ast.expr | None, stage: str | None) -> str | None:
        if node is None or isinstance(node, ast.Lambda):
            return None
        own = self._own(node, stage)
        for slot in _slots(node):
            found = self._first(_get(slot), own)
            if found is not None:
                return found
        if isinstance(node, ast.Call):
            label = self._parts.get(id(node))
            return None if label is not None and label.stage in (OPEN, EVALUATE) else own
        return own if isinstance(node, WORKS) else None

    def rewrite(self, statement: ast.stmt, stage: str | None, state: State) -> State:
        """Mark the expressions of a statement.

        Args:
            statement: changed in place.
            stage: the statement's own stage.
            state: the stage that is open before it.

        Returns:
            The stage that is open behind it.
        """
        for name in _fields(statement):
            value = getattr(statement, name)
            if value is not None:
                self._find_holders(value)
                new, state = self._visit(value, stage, state)
                setattr(statement, name, new)
        return state

    def then(self, node: ast.expr, stage: str) -> ast.expr:
        """An expression behind which a stage begins.

        Args:
            node: the expression.
            stage: the stage's name.

        Returns:
            An expression of the same value.
        """
        pair = ast.Tuple([node, self._mark(stage, node)], ast.Load())
        return self._pick(pair, 0, node)

    def _pick(self, pair: ast.Tuple, index: int, near: ast.expr) -> ast.expr:
        ast.copy_location(pair, near)
        number = ast.copy_location(ast.Constant(index), near)
        return ast.copy_location(ast.Subscript(pair, number, ast.Load()), near)

    def _own(self, node: ast.AST, stage: str | None) -> str | None:
        label = self._parts.get(id(node))
        if label is None or label.stage == EVALUATE:
            return stage
        return stage if label.stage == OPEN else label.stage

    def _visit(self, node: ast.expr, stage: str | None, state: State) -> tuple[ast.expr, State]:
        """Mark an expression whose own work belongs to ``stage``; the stage open behind it."""
        if isinstance(node, ast.Lambda) or id(node) not in self._holders:
            if stage is not None and state != stage and _works(node):
                return self._before(node, stage), stage
            return node, state
        if _is_unordered(node):
            return self._unordered(node, stage, state)
        label = self._parts.get(id(node))
        own = self._own(node, stage)
        last: Slot | None = None
        for slot in _slots(node):
            child = _get(slot)
            new, state = self._visit(child, own, state)
            if new is not child or id(child) in self._holders:
                last = slot
            _put(slot, new)
        if label is not None and label.stage in (OPEN, EVALUATE):
            return node, None
        opens = label is not None and label.opens
        if own is None or state == own or not isinstance(node, (ast.Call, *WORKS)):
            return node, None if opens else state
        if last is None:
            return self._before(node, own), None if opens else own
        _put(last, self.then(_get(last), own))
        return node, None if opens else own

    def _before(self, node: ast.expr, stage: str) -> ast.expr:
        """An expression before which a stage begins.

        The mark goes to what is evaluated first: a condition asks each operand for its truth once,
        and would ask twice if it were given the value of `and` instead.
        """
        for kind, name in FIRST:
            if isinstance(node, kind):
                setattr(node, name, self._before(getattr(node, name), stage))
                return node
        if isinstance(node, ast.BoolOp):
            node.values[0] = self._before(node.values[0], stage)
            return node
        return self._pick(ast.Tuple([self._mark(stage, node), node], ast.Load()), 1, node)

    def _unordered(self, node: ast.expr, stage: str | None, state: State) -> tuple[ast.expr, State]:
        """Parts that run once, often or not at all: no mark in them can rely on another."""
        stages = {self._parts[id(one)].stage for one in [node, *walk(node)] if id(one) in self._parts}
        if len(stages) == 1 and OPEN not in stages and EVALUATE not in stages:
            only = next(iter(stages))
            return (node, state) if state == only else (self._before(node, only), only)
        for slot in _slots(node):
            new, _ = self._visit(_get(slot), stage, None)
            _put(slot, new)
        return node, None

    def _find_holders(self, node: ast.AST) -> bool:
        """Note which nodes are a part or hold one; parts inside a lambda are held by the lambda alone."""
        inside = [
            self._find_holders(child) and not isinstance(child, ast.Lambda)
            for child in ast.iter_child_nodes(node)
        ]
        if id(node) not in self._parts and not any(inside):
            return False
        self._holders.add(id(node))
        return True


def _is_unordered(node: ast.expr) -> bool:
    """Whether parts of an expression may not run; `not` is among them, as it stands before such."""
    if isinstance(node, ast.Compare):
        return len(node.ops) > 1
    return isinstance(node, UNORDERED) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))


def _works(node: ast.expr) -> bool:
    return any(isinstance(one, (ast.Call, *WORKS)) for one in [node, *walk(node)])


def _fields(statement: ast.stmt) -> tuple[str, ...]:
    if isinstance(statement, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return)):
        return ("value",)
    if isinstance(statement, (ast.For, ast.AsyncFor)):
        return ("iter",)
    if isinstance(statement, (ast.If, ast.While, ast.Assert)):
        return ("test",)
    if isinstance(statement, ast.Match):
        return ("subject",)
    return ()


def _get(slot: Slot) -> ast.expr:
    parent, name, index = slot
    found: ast.expr = getattr(parent, name) if index is None else getattr(parent, name)[index]
    return found


def _put(slot: Slot, new: ast.expr) -> None:
    parent, name, index = slot
    if index is None:
        setattr(parent, name, new)
    else:
        getattr(parent, name)[index] = new


def _slots(node: ast.expr) -> list[Slot]:
    """The places of the expressions inside one, in the order of their evaluation."""
    if isinstance(node, ast.Call):
        inner: list[Slot] = (
            [(node.func, "value", None)] if isinstance(node.func, ast.Attribute) else [(node, "func", None)]
        )
        for i, argument in enumerate(node.args):
            inner.append(
                (argument, "value", None) if isinstance(argument, ast.Starred) else (node, "args", i)
            )
        return inner + [(keyword, "value", None) for keyword in node.keywords]
    if isinstance(node, ast.Dict):
        found: list[Slot] = []
        for i, key in enumerate(node.keys):
            found += [(node, "keys", i)] if key is not None else []
            found.append((node, "values", i))
        return found
    if isinstance(node, COMPREHENSIONS):
        names = ("key", "value") if isinstance(node, ast.DictComp) else ("elt",)
        found = [(one, "iter", None) for one in node.generators]
        found += [(one, "ifs", i) for one in node.generators for i in range(len(one.ifs))]
        return found + [(node, name, None) for name in names]
    if isinstance(node, ast.IfExp):
        return [(node, "test", None), (node, "body", None), (node, "orelse", None)]
    found = []
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.Starred):
            found.append((value, "value", None))
        elif isinstance(value, ast.expr):
            found.append((node, name, None))
        elif isinstance(value, list):
            for i, one in enumerate(value):
                if isinstance(one, ast.Starred):
                    found.append((one, "value", None))
                elif isinstance(one, ast.expr):
                    found.append((node, name, i))
    return found
