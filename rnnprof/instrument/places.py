"""Where marks may stand in a body, and which statements need none."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from rnnprof.instrument.reading.syntax import COMPREHENSIONS, own_expressions, walk


def nodes(expressions: Iterable[ast.expr]) -> Iterator[ast.AST]:
    """The nodes of expressions, without those of functions defined in them.

    Args:
        expressions: they are among the nodes themselves.

    Yields:
        The nodes, outermost first.
    """
    for one in expressions:
        yield one
        yield from walk(one)


def first_place(body: list[ast.stmt]) -> int:
    """Where marks may begin: behind the docstring and what must come first in a file.

    Args:
        body: of a file, function or class.

    Returns:
        An index into the body; its length if nothing comes behind.
    """
    start = 0
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        start = 1
    for node in body[start:]:
        if not isinstance(node, ast.ImportFrom) or node.module != "__future__":
            break
        start += 1
    return start


def leaves(block: list[ast.stmt]) -> bool:
    """Whether what follows a block is not reached from it.

    Args:
        block: statements; only the last one is looked at.

    Returns:
        True if it ends in a jump.
    """
    return bool(block) and isinstance(block[-1], (ast.Return, ast.Raise, ast.Continue, ast.Break))


def yields(expressions: list[ast.expr]) -> bool:
    """Whether somebody else runs while one of the expressions is evaluated.

    Args:
        expressions: of one statement.

    Returns:
        True for a generator's or coroutine's pause.
    """
    return any(isinstance(node, (ast.Yield, ast.YieldFrom, ast.Await)) for node in nodes(expressions))


def is_idle(statement: ast.stmt) -> bool:
    """Whether a statement takes no time of its own, so that the stage before may go on.

    Args:
        statement: any; of a compound one, what it evaluates itself.

    Returns:
        True for a statement without calls, comprehensions and imports. An ``if``, ``with`` or ``try``
        is never idle.
    """
    return isinstance(statement, (ast.Pass, ast.Global, ast.Nonlocal, ast.Break, ast.Continue)) or (
        not isinstance(statement, (ast.If, ast.With, ast.Try))
        and not any(
            isinstance(node, (ast.Call, *COMPREHENSIONS)) for node in nodes(own_expressions(statement))
        )
        and not isinstance(statement, (ast.Import, ast.ImportFrom))
    )
