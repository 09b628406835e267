"""Learning what names hold, from assignments, loops, returns and what functions are given."""

from __future__ import annotations

import ast

from rnnprof.instrument.reading.kind import Kind
from rnnprof.instrument.reading.kinds import Kinds
from rnnprof.instrument.reading.project import Function, Project
from rnnprof.instrument.reading.syntax import COMPREHENSIONS, statements, walk

ROUNDS = 4
"""How often kinds are passed on from function to function; chains of calls are seldom longer."""


def learn(project: Project) -> Kinds:
    """What the names of a project hold."""
    kinds = Kinds(project)
    known = -1
    for _ in range(ROUNDS):
        for function in project.functions:
            _learn(kinds, function)
        if kinds.known == known:
            break
        known = kinds.known
    return kinds


def _learn(kinds: Kinds, function: Function) -> None:
    if function.owner is not None and function.parameters:
        kinds.names.setdefault(
            (id(function), function.parameters[0]),
            Kind(kinds.classes.role(function.owner), made=function.owner),
        )
    for statement in statements(function.body):
        for node in (one for one in walk(statement) if isinstance(one, ast.Attribute)):
            if node.attr in ("grad", "requires_grad"):
                kinds.bind_parameter(node.value, function)
        if isinstance(statement, ast.For) and _is_parameter(kinds, statement.target, function):
            kinds.bind_parameter(statement.iter, function, "parameters")
        _follow_gradients(kinds, statement, function)
        if isinstance(statement, ast.Assign):
            kind = kinds.of(statement.value, function)
            listed = (
                kinds.of(statement.targets[0], function) if isinstance(statement.value, ast.List) else None
            )
            if listed is not None and listed.role == "parameters":
                for one in getattr(statement.value, "elts", []):
                    kinds.bind_parameter(one, function)
            for target in statement.targets:
                kinds.bind(target, kind, function)
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            kinds.bind(statement.target, kinds.of(statement.value, function), function)
        elif isinstance(statement, ast.For):
            kinds.bind_each(statement.target, statement.iter, function)
        elif isinstance(statement, ast.With):
            for item in statement.items:
                if item.optional_vars is not None:
                    kinds.bind(item.optional_vars, kinds.of(item.context_expr, function), function)
        elif isinstance(statement, ast.Return) and statement.value is not None:
            kind = kinds.of(statement.value, function)
            if kind is not None:
                kinds.returns.setdefault(id(function), kind)
        for made in (one for one in walk(statement) if isinstance(one, COMPREHENSIONS)):
            kinds.of(made, function)
        for call in (one for one in walk(statement) if isinstance(one, ast.Call)):
            _pass(kinds, call, function)


def _follow_gradients(kinds: Kinds, statement: ast.stmt, function: Function) -> None:
    """``g = g * scale``, ``m[k] = 0.9 * m[k] + 0.1 * g``: what plain arithmetic makes of gradients."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.BinOp):
        return
    inner = list(walk(statement.value))
    target: ast.expr = statement.targets[0]
    while isinstance(target, ast.Subscript):
        target = target.value
    if isinstance(target, ast.Name) and not any(isinstance(one, ast.Call) for one in inner):
        roles = {
            kind.role for one in inner if isinstance(one, ast.Name) and (kind := kinds.of(one, function))
        }
        if roles & {"gradient", "gradients"} and not roles & {"parameter", "parameters"}:
            kinds.bind(target, Kind("gradient"), function)


def _is_parameter(kinds: Kinds, target: ast.expr, function: Function) -> bool:
    kind = kinds.of(target, function)
    return kind is not None and kind.role == "parameter"


def _pass(kinds: Kinds, call: ast.Call, function: Function) -> None:
    """Tell the parameters of a called function what they are given."""
    kind = kinds.of(call.func, function)
    callee = kind.function if kind is not None else None
    bound_method = isinstance(call.func, ast.Attribute) and callee is not None and callee.owner is not None
    if kind is not None and kind.role == "class" and kind.made is not None:
        callee, bound_method = kinds.classes.method(kind.made, "__init__"), True
    if callee is None:
        return
    names = callee.parameters[1 if bound_method else 0 :]
    given = list(zip(names, call.args, strict=False))
    given += [(one.arg, one.value) for one in call.keywords if one.arg in names]
    for name, value in given:
        found = kinds.of(value, function)
        if found is not None:
            kinds.names.setdefault((id(callee), name), found)
