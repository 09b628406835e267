"""Small formulas on a command line, such as ``104431/bptt``: numbers, options, and arithmetic."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping

from rnnprof.errors import UsageError
from rnnprof.sweepmodel import Plan

LONGEST = 200


def value(text: str, names: Mapping[str, str], what: str) -> float:
    """Evaluate a formula.

    Args:
        text: numbers, names of options (``batch_size`` for ``--batch-size``), ``+ - * / //`` and
            parentheses; nothing else is evaluated.
        names: the options' values, as they were given.
        what: what the formula is, for messages.

    Returns:
        A number above 0.

    Raises:
        UsageError: it is none, a name is not given or no number, or the result makes no sense.
    """
    try:
        if len(text) > LONGEST:
            raise ValueError
        found = _evaluate(ast.parse(text.strip(), mode="eval").body, names, what)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise UsageError(
            f"{what} {text!r}: give a formula of numbers and options, such as '20*bptt'"
        ) from None
    except (ZeroDivisionError, OverflowError):
        found = math.nan
    if not (math.isfinite(found) and found > 0):
        raise UsageError(f"{what} {text!r} gives no number above 0")
    return found


def names(plan: Plan, combination: int) -> dict[str, str]:
    """The options of a combination with their values.

    Args:
        plan: the sweep.
        combination: its number.

    Returns:
        For each ``--option value`` and ``--option=value`` the value, by the option's name with ``_`` for
        each dash.
    """
    found: dict[str, str] = {}
    for word, after in zip(plan.fixed, [*plan.fixed[1:], ""], strict=False):
        option, sign, given = word.partition("=")
        if sign or word.startswith("-"):
            found[_name(option)] = given if sign else after
    levels = zip(plan.factors, plan.levels(combination), strict=True)
    return found | {_name(factor.name): level for factor, level in levels}


def _name(option: str) -> str:
    return option.lstrip("-").replace("-", "_")


def _evaluate(node: ast.expr, names: Mapping[str, str], what: str) -> float:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return float(str(node.value))
    if isinstance(node, ast.Name):
        if node.id not in names:
            raise UsageError(f"{what}: there is no option {node.id!r} among the program's arguments")
        try:
            return float(names[node.id])
        except ValueError:
            raise UsageError(f"{what}: {node.id} is no number, but {names[node.id]!r}") from None
    if isinstance(node, ast.BinOp):
        left, right = _evaluate(node.left, names, what), _evaluate(node.right, names, what)
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Sub):
            return left - right
        if isinstance(node.op, ast.Mult):
            return left * right
        if isinstance(node.op, ast.Div):
            return left / right
        if isinstance(node.op, ast.FloorDiv):
            return left // right
    raise ValueError
