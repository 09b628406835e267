"""Small questions to a syntax tree: the dotted name of an expression, what a statement reads and binds."""

from __future__ import annotations

import ast
from collections.abc import Iterator

Def = ast.FunctionDef | ast.AsyncFunctionDef
Loop = ast.For | ast.While
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def dotted(node: ast.expr) -> str:
    """The expression as a dotted name; what has none is left out: ``scaler.scale().backward``."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    if isinstance(node, ast.Call):
        return f"{dotted(node.func)}()"
    if isinstance(node, ast.Subscript):
        return f"{dotted(node.value)}[]"
    return ""


def walk(node: ast.AST | list[ast.stmt]) -> Iterator[ast.AST]:
    """The nodes below, outermost first, without those of functions and classes defined there."""
    if isinstance(node, list):
        for one in node:
            yield one
            if not isinstance(one, SCOPES):
                yield from walk(one)
        return
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, SCOPES):
            yield from walk(child)


def calls(node: ast.AST | list[ast.stmt]) -> Iterator[ast.Call]:
    """The calls below, without those in functions defined there."""
    if isinstance(node, ast.Call):
        yield node
    yield from (one for one in walk(node) if isinstance(one, ast.Call))


def own_expressions(statement: ast.stmt) -> list[ast.expr]:
    """The expressions that a statement itself evaluates, in order; not those of statements inside it."""
    if isinstance(statement, (ast.Assign, ast.Expr, ast.Return)):
        return [statement.value] if statement.value is not None else []
    if isinstance(statement, (ast.AugAssign, ast.AnnAssign)):
        return [statement.value] if statement.value is not None else []
    if isinstance(statement, (ast.For, ast.AsyncFor)):
        return [statement.iter]
    if isinstance(statement, (ast.While, ast.If)):
        return [statement.test]
    if isinstance(statement, (ast.With, ast.AsyncWith)):
        return [item.context_expr for item in statement.items]
    if isinstance(statement, ast.Match):
        return [statement.subject]
    if isinstance(statement, (ast.Raise, ast.Assert)):
        return [node for node in ast.iter_child_nodes(statement) if isinstance(node, ast.expr)]
    return []


def blocks(statement: ast.stmt) -> list[list[ast.stmt]]:
    """The lists of statements inside a compound statement."""
    if isinstance(statement, SCOPES):
        return []
    found = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
    found += [handler.body for handler in getattr(statement, "handlers", [])]
    found += [case.body for case in getattr(statement, "cases", [])]
    return [block for block in found if block]


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements of a body in the order of the source, those of nested definitions left out."""
    for statement in body:
        yield statement
        for block in blocks(statement):
            yield from statements(block)


def bound(statement: ast.stmt) -> set[str]:
    """The names that a statement binds or changes, dotted: ``hidden``, ``self.hidden``."""
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = list(statement.targets)
    elif isinstance(statement, (ast.AugAssign, ast.AnnAssign, ast.For)):
        targets = [statement.target]
    elif isinstance(statement, ast.With):
        targets = [item.optional_vars for item in statement.items if item.optional_vars is not None]
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        function = statement.value.func
        # `batch.append(x)` and `x.copy_(y)` change what they are called on.
        if isinstance(function, ast.Attribute) and (
            function.attr in ("append", "extend", "insert", "copy_", "fill_")
        ):
            targets = [function.value]
    found = set()
    for target in targets:
        found |= target_names(target)
    return found


def target_names(target: ast.expr) -> set[str]:
    """The names in an assignment's target."""
    if isinstance(target, (ast.Tuple, ast.List)):
        return set().union(*map(target_names, target.elts)) if target.elts else set()
    if isinstance(target, ast.Starred):
        return target_names(target.value)
    if isinstance(target, ast.Subscript):
        return target_names(target.value)
    name = dotted(target)
    return {name} if name else set()


def read(node: ast.AST) -> set[str]:
    """The names that an expression reads, dotted and each of their beginnings.

    The function that is called is not among them, the object of a method is.
    """
    found: set[str] = set()
    skip = {id(one.func) for one in calls(node) if isinstance(one.func, ast.Name)}
    for one in [node, *walk(node)]:
        if id(one) in skip or not isinstance(one, (ast.Name, ast.Attribute)):
            continue
        found.add(dotted(one))
    return {name for name in found if name}


def is_paused(node: Def | ast.Module) -> bool:
    """Whether a function is a generator or coroutine: its statements do not run where it is called."""
    if isinstance(node, ast.AsyncFunctionDef):
        return True
    return any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in walk(node.body))


def quiet(node: ast.AST) -> bool:
    """Whether code turns gradients or training mode off."""
    words = ("no_grad", "inference_mode", "set_grad_enabled")
    for one in ast.walk(node):
        if isinstance(one, (ast.Name, ast.Attribute)) and dotted(one).rpartition(".")[2] in words:
            return True
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.func.attr == "eval":
            return True
        if isinstance(one, ast.keyword) and one.arg == "volatile":
            return True
    return False


def is_property(node: Def | ast.Module) -> bool:
    """Whether reading an attribute runs the function."""
    return any(dotted(one).endswith("property") for one in getattr(node, "decorator_list", []))
