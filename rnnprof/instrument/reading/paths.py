"""The folders that a script adds to `sys.path`, as far as they can be told without running it."""

from __future__ import annotations

import ast
import os.path
import pathlib
from pathlib import Path
from typing import Any

from rnnprof.instrument.reading.syntax import dotted

HARMLESS = {
    "os.path.join": os.path.join,
    "os.path.dirname": os.path.dirname,
    "os.path.abspath": os.path.abspath,
    "os.path.realpath": os.path.realpath,
    "os.path.normpath": os.path.normpath,
    "os.getcwd": os.getcwd,
    "os.pardir": os.pardir,
    "str": str,
    "Path": Path,
    "Path.cwd": Path.cwd,
    "pathlib.Path": pathlib.Path,
}
OF_PATHS = {"parent", "parents", "resolve", "absolute", "joinpath", "as_posix"}


class Unknown(Exception):
    """An expression that has to be run to be known."""


def added_paths(tree: ast.Module, path: Path) -> list[Path]:
    """The folders that a script adds to `sys.path`.

    Args:
        tree: the script.
        path: its file.
    """
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        if dotted(node.func) not in ("sys.path.append", "sys.path.insert"):
            continue
        try:
            folder = Path(_value(node.args[-1], str(path)))
        except (Unknown, TypeError, ValueError, IndexError, OSError):
            continue
        if folder.is_dir():
            found.append(folder.resolve())
    return found


def _value(node: ast.expr, file: str) -> Any:
    """What an expression of paths is; only functions that look at names are called."""
    if isinstance(node, ast.Constant):
        return node.value
    if dotted(node) == "__file__":
        return file
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.Add)):
        left, right = _value(node.left, file), _value(node.right, file)
        return left / right if isinstance(node.op, ast.Div) else left + right
    if isinstance(node, ast.Call) and not node.keywords:
        return _called(node, [_value(one, file) for one in node.args], file)
    if isinstance(node, ast.Attribute) and node.attr in OF_PATHS:
        return getattr(_value(node.value, file), node.attr)
    if isinstance(node, ast.Subscript):
        return _value(node.value, file)[_value(node.slice, file)]
    if dotted(node) in HARMLESS and not callable(HARMLESS[dotted(node)]):
        return HARMLESS[dotted(node)]
    raise Unknown


def _called(node: ast.Call, given: list[Any], file: str) -> Any:
    known: Any = HARMLESS.get(dotted(node.func))
    if known is not None:
        return known(*given)
    if isinstance(node.func, ast.Attribute) and node.func.attr in OF_PATHS:
        return getattr(_value(node.func.value, file), node.func.attr)(*given)
    raise Unknown
