"""Where marks may stand in a body, and which statements need none."""

from __future__ import annotations

import ast

from rnnprof.instrument.reading.syntax import COMPREHENSIONS, own_expressions, walk


def first_place(body: list[ast.stmt]) -> int:
    """Where marks may begin: behind the docstring and what must come first in a file."""
    start = 0
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        start = 1
    for node in body[start:]:
        if not isinstance(node, ast.ImportFrom) or node.module != "__future__":
            break
        start += 1
    return start


def leaves(block: list[ast.stmt]) -> bool:
    """Whether what follows a block is not reached from it."""
    return bool(block) and isinstance(block[-1], (ast.Return, ast.Raise, ast.Continue, ast.Break))


def yields(expressions: list[ast.expr]) -> bool:
    """Whether somebody else runs while one of the expressions is evaluated."""
    return any(
        isinstance(node, (ast.Yield, ast.YieldFrom, ast.Await))
        for one in expressions
        for node in [one, *walk(one)]
    )


def is_idle(statement: ast.stmt) -> bool:
    """Whether a statement takes no time of its own, so that the stage before may go on."""
    return isinstance(statement, (ast.Pass, ast.Global, ast.Nonlocal, ast.Break, ast.Continue)) or (
        not isinstance(statement, (ast.If, ast.With, ast.Try))
        and not any(
            isinstance(node, (ast.Call, *COMPREHENSIONS))
            for one in own_expressions(statement)
            for node in [one, *walk(one)]
        )
        and not isinstance(statement, (ast.Import, ast.ImportFrom))
    )
