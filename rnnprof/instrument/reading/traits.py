"""What a statement is like, asked of its shape alone: whether it works, compares, adds up."""

from __future__ import annotations

import ast

from rnnprof.instrument.reading.syntax import calls, dotted, own_expressions, read, walk
from rnnprof.instrument.reading.vocabulary import PLUMBING, matches

LOSSES = ("*loss*", "nll*", "*_nll", "kl", "kl_*", "*_kl", "kld*", "bce*", "mse*", "*_mse", "*penalty*")
"""Names of parts of a loss."""
WORK = (ast.Call, ast.BinOp, ast.Subscript, ast.Compare, ast.UnaryOp)


def calls_unknown(statement: ast.stmt) -> bool:
    """Whether a statement calls something that is no small operation."""
    names = [
        dotted(call.func).rpartition(".")[2] for one in own_expressions(statement) for call in calls(one)
    ]
    return any(name and name.rstrip("_") not in PLUMBING for name in names)


def summands(statement: ast.stmt) -> set[str]:
    """The names that a statement adds up or scales: parts of a loss are losses."""
    value = getattr(statement, "value", None)
    found: set[str] = set()
    queue: list[ast.expr] = [value] if isinstance(value, (ast.BinOp, ast.UnaryOp)) else []
    while queue:
        one = queue.pop()
        if isinstance(one, ast.BinOp) and isinstance(one.op, (ast.Add, ast.Sub, ast.Mult)):
            queue += [one.left, one.right]
        elif isinstance(one, ast.UnaryOp):
            queue.append(one.operand)
        elif isinstance(one, (ast.Name, ast.Attribute)):
            found.add(dotted(one))
    return found


def compares(statement: ast.stmt) -> bool:
    """``right = (scores.argmax(dim=1) == targets).sum()``."""
    names = {
        dotted(call.func).rpartition(".")[2] for one in own_expressions(statement) for call in calls(one)
    }
    compared = any(isinstance(node, ast.Compare) for one in own_expressions(statement) for node in walk(one))
    return (
        isinstance(statement, (ast.Assign, ast.AugAssign))
        and bool(names)
        and (compared or bool(names & {"argmax", "eq", "topk"}))
    )


def named_loss(binds: set[str]) -> bool:
    """Whether all the names are those of losses."""
    return bool(binds) and all(matches(name.rpartition(".")[2], LOSSES) for name in binds)


def is_fresh(statement: ast.stmt) -> bool:
    """Whether a statement makes a tensor of constants or noise, or is given a function's result."""
    named = [
        dotted(call.func).rpartition(".")[2] for one in own_expressions(statement) for call in calls(one)
    ]
    return bool(named) and not any(name in ("cat", "stack", "tensor", "from_numpy") for name in named)


def of_backward(statement: ast.stmt) -> set[str]:
    """The names of what `backward` is called on."""
    found: set[str] = set()
    for expression in own_expressions(statement):
        for call in calls(expression):
            if isinstance(call.func, ast.Attribute) and call.func.attr == "backward":
                found |= read(call.func.value)
                found |= set().union(*map(read, call.args), set())
            elif (
                isinstance(call.func, ast.Attribute)
                and call.func.attr in ("grad", "manual_backward")
                and call.args
            ):
                found |= read(call.args[0])
    return found


def only_counts(statement: ast.stmt) -> bool:
    """Whether this is a loop over ``range`` and the like, whose header does no work."""
    return isinstance(statement, ast.For) and all(
        (
            isinstance(call.func, ast.Name)
            and call.func.id in ("range", "enumerate", "zip", "reversed", "len", "min", "max")
        )
        or (isinstance(call.func, ast.Attribute) and call.func.attr in ("size", "numel", "dim"))
        for call in calls(statement.iter)
    )


def works(statement: ast.stmt) -> bool:
    """Whether a statement computes something, and does not just move names."""
    return isinstance(statement, ast.AugAssign) or any(
        isinstance(node, WORK)
        for expression in own_expressions(statement)
        for node in [expression, *walk(expression)]
    )
