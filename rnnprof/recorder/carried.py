"""What a loop carries from turn to turn, as its source says: names that it reads before it sets them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

FRESH = ("detach", "repackage")
"""Parts of the names of functions that give a state without its graph."""
LONGEST = 1_000_000
"""Characters of a file beyond which it is not read."""

Loop = ast.For | ast.AsyncFor | ast.While
LOOPS = (ast.For, ast.AsyncFor, ast.While)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def carried(text: str, line: int) -> Iterator[dict[str, int]]:
    """What the loops around a line carry.

    Args:
        text: the source file.
        line: a line in it, from 1.

    Yields:
        For each loop around the line, the innermost first: the names that it carries, such as ``hidden``
        and ``self.h``, each with the line that reads it first. A name is left out where the loop detaches it.
    """
    if len(text) > LONGEST:
        return
    for loop in reversed(_loops(ast.parse(text), line)):
        uses = _Uses()
        for statement in loop.body:
            uses.visit(statement)
        yield {
            name: first
            for name, (reads_first, first) in uses.first.items()
            if reads_first and name in uses.set and name not in uses.fresh
        }


def _loops(tree: ast.AST, line: int) -> list[Loop]:
    """The loops around a line, within the function that it is in, from the outermost."""
    around = [
        one
        for one in ast.walk(tree)
        if isinstance(one, (*FUNCTIONS, *LOOPS)) and one.body[0].lineno <= line <= (one.end_lineno or 0)
    ]
    function = max((one.lineno for one in around if isinstance(one, FUNCTIONS)), default=0)
    loops = [one for one in around if isinstance(one, LOOPS) and one.lineno > function]
    return sorted(loops, key=lambda loop: loop.lineno)


class _Uses(ast.NodeVisitor):
    """The names in a loop's body, in the order in which a turn uses them."""

    def __init__(self) -> None:
        self.first: dict[str, tuple[bool, int]] = {}
        self.set: set[str] = set()
        self.fresh: set[str] = set()

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)
            if _is_fresh(node.value):
                self.fresh |= _names(target) & _names(node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self.visit(node.target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        name = _dotted(node.target)
        if name:
            self._use(name, True, node.lineno)
        self.visit(node.value)
        self.visit(node.target)

    def visit_For(self, node: ast.For) -> None:
        for part in (node.iter, node.target, *node.body, *node.orelse):
            self.visit(part)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self.visit(node.target)

    def visit_Call(self, node: ast.Call) -> None:
        if _is_fresh(node.func) and (_dotted(node.func) or "").endswith("_"):
            # `hidden.detach_()`
            self.fresh |= _names(node)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        # What it sets is its own.
        for part in (node.iter, *node.ifs):
            self.visit(part)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Its body is another function's."""

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """Likewise."""

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Likewise."""

    def visit_Name(self, node: ast.Name) -> None:
        self._use(node.id, isinstance(node.ctx, ast.Load), node.lineno)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.visit(node.value)
        name = _dotted(node)
        if name:
            self._use(name, isinstance(node.ctx, ast.Load), node.lineno)

    def _use(self, name: str, reads: bool, line: int) -> None:
        self.first.setdefault(name, (reads, line))
        if not reads:
            self.set.add(name)


def _dotted(node: ast.AST) -> str | None:
    """The name that an expression is, such as ``self.h``; None where it is something else."""
    if isinstance(node, ast.Name):
        return node.id
    above = _dotted(node.value) if isinstance(node, ast.Attribute) else None
    return f"{above}.{node.attr}" if above and isinstance(node, ast.Attribute) else None


def _names(node: ast.AST) -> set[str]:
    return {name for one in ast.walk(node) if (name := _dotted(one))}


def _is_fresh(node: ast.AST) -> bool:
    """Whether a function in it detaches, or a tensor's data is taken."""
    attributes = {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}
    words = attributes | {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return "data" in attributes or any(part in word.lower() for word in words for part in FRESH)
