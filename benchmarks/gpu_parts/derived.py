"""The same code with its marks, without any, and with `time.time()` by hand in their place.

A second copy of a training step would drift from the first; these are made from one source.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

MARKS = ("stage", "step", "lane")


def _mark(item: ast.withitem) -> tuple[str, str] | None:
    """The mark's kind and the stage's name, where an item of a ``with`` is one of rnnprof's."""
    call = item.context_expr
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return None
    if call.func.attr not in MARKS:
        return None
    first = call.args[0] if call.args else None
    return call.func.attr, str(first.value) if isinstance(first, ast.Constant) else ""


class _Replace(ast.NodeTransformer):
    """Takes the marks out of ``with`` statements.

    Args:
        by_hand: whether a stage's time is added to the dict ``prof`` instead.
    """

    def __init__(self, by_hand: bool) -> None:
        self.by_hand = by_hand

    def visit_With(self, node: ast.With) -> Any:
        """One ``with`` statement."""
        self.generic_visit(node)
        kept = [item for item in node.items if _mark(item) is None]
        if len(kept) == len(node.items):
            return node
        name = next(found[1] for found in map(_mark, node.items) if found is not None)
        body: list[ast.stmt] = [ast.With(kept, node.body)] if kept else node.body
        if not self.by_hand or not name:
            return body
        before = ast.parse("started = time.time()").body
        after = ast.parse(f"prof[{name!r}] += time.time() - started").body
        return [*before, *body, *after]


def derived(function: Callable[..., Any], by_hand: bool = False) -> Callable[..., Any]:
    """A function without its marks, or with clock readings by hand around each stage.

    Args:
        function: a function whose marks are ``with prof.step(...)`` and ``with prof.stage("name")``.
        by_hand: whether `time.time()` is read around each stage; ``prof`` is then a dict of seconds.

    Returns:
        The function, in the same module's namespace.
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    tree = ast.fix_missing_locations(_Replace(by_hand).visit(tree))
    place: dict[str, Any] = {}
    exec(compile(tree, inspect.getfile(function), "exec"), function.__globals__, place)
    made: Callable[..., Any] = place[function.__name__]
    return made


def unmarked(source: str) -> str:
    """A program's source without its marks.

    Args:
        source: what it is; a step that is named (``as step``) is not looked after.
    """
    return ast.unparse(ast.fix_missing_locations(_Replace(by_hand=False).visit(ast.parse(source))))


def module(path: Path, marked: bool) -> types.ModuleType:
    """A program's module, with its marks or without.

    Args:
        path: its source file.
        marked: whether the marks stay in it.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not marked:
        tree = ast.fix_missing_locations(_Replace(by_hand=False).visit(tree))
    made = types.ModuleType(f"{path.stem}_{'marked' if marked else 'plain'}")
    made.__file__ = str(path)
    exec(compile(tree, str(path), "exec"), made.__dict__)
    return made
