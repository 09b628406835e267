"""What rewritten code calls: placeholders in the tree, objects among the constants of the code."""

from __future__ import annotations

import ast
import types
from collections.abc import Callable
from typing import Any

from rnnprof.marks import Mark

PLACE = "\0rnnprof "
"""How the constants begin that stand for what is called, until the code is compiled."""


class Objects:
    """Makes calls of objects, each at the place of a node of the user's.

    Attributes:
        found: the objects, by the constants that stand for them.
    """

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}
        self._places: dict[int, str] = {}
        self._marks: dict[str | None, Mark] = {}

    def constant(self, thing: Any, near: ast.AST) -> ast.expr:
        """The constant that stands for a thing.

        Args:
            thing: what the code is to hold.
            near: the node whose place it takes.

        Returns:
            An expression; the value is the same for each use of one thing.
        """
        place = self._places.setdefault(id(thing), f"{PLACE}{len(self.found)}")
        self.found[place] = thing
        return ast.copy_location(ast.Constant(place), near)

    def call(self, thing: Callable[..., Any], near: ast.AST, *arguments: ast.expr) -> ast.expr:
        """A call of a thing, as an expression.

        Args:
            thing: what is called.
            near: the node whose place it takes.
            arguments: what it is called with.

        Returns:
            The expression.
        """
        return ast.copy_location(ast.Call(self.constant(thing, near), list(arguments), []), near)

    def statement(self, thing: Callable[[], Any], near: ast.AST) -> ast.stmt:
        """A call of a thing, as a statement.

        Args:
            thing: what is called, with no arguments.
            near: the node whose place it takes.

        Returns:
            The statement.
        """
        return ast.copy_location(ast.Expr(self.call(thing, near)), near)

    def within(self, manager: Any, body: list[ast.stmt], near: ast.AST) -> ast.stmt:
        """A block inside a context manager.

        Args:
            manager: the context manager itself.
            body: the statements of the block; at least one.
            near: the node whose place it takes.

        Returns:
            The ``with`` statement.
        """
        item = ast.withitem(self.constant(manager, near))
        return ast.copy_location(ast.With([item], body), near)

    def mark(self, stage: str | None) -> Mark:
        """The mark of a stage: the same one everywhere in a file.

        Args:
            stage: its name; None for the mark that only ends a stage.

        Returns:
            The mark.
        """
        if stage not in self._marks:
            self._marks[stage] = Mark(stage)
        return self._marks[stage]

    def into(self, code: types.CodeType) -> types.CodeType:
        """The code with the objects in the places of their constants.

        Args:
            code: compiled from a tree with constants of :meth:`constant`.

        Returns:
            New code; that of the functions inside it is new, too.
        """
        constants = tuple(
            self.into(one)
            if isinstance(one, types.CodeType)
            else self.found.get(one, one)
            if isinstance(one, str)
            else one
            for one in code.co_consts
        )
        return code.replace(co_consts=constants)
