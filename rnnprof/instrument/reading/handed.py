"""What is handed on: functions to compilers, the states of models to what keeps them."""

from __future__ import annotations

import ast

from rnnprof.instrument.reading.classes import full_name
from rnnprof.instrument.reading.kinds import Kinds
from rnnprof.instrument.reading.project import Project
from rnnprof.instrument.reading.syntax import calls

COMPILERS = ("torch.compile", "torch.jit.script", "torch.jit.trace", "torch.jit.script_if_tracing")


def compiled(project: Project, kinds: Kinds) -> set[int]:
    """The ``id`` of each of the user's functions that is handed to a compiler, or decorated by one.

    Marks cannot go into them.
    """
    found: set[int] = set()
    for function in project.functions:
        for one in getattr(function.node, "decorator_list", []):
            name = one.func if isinstance(one, ast.Call) else one
            if full_name(name, function.source) in COMPILERS:
                found.add(id(function))
        for call in calls(function.body):
            if full_name(call.func, function.source) in COMPILERS and call.args:
                # Of a model, what its call runs.
                target = kinds.target(call.args[0], function)
                if target is not None:
                    found.add(id(target))
    return found


def _only_looks(node: ast.AST) -> bool:
    """``model.state_dict().items()``."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("items", "keys", "values")
    )


def kept(project: Project) -> set[int]:
    """The calls of ``state_dict`` inside others: copied or collected, they are kept."""
    return {
        id(inner)
        for source in project.sources.values()
        for node in ast.walk(source.tree)
        if isinstance(node, (ast.Call, ast.Dict, ast.DictComp)) and not _only_looks(node)
        for inner in ast.walk(node)
        if inner is not node and isinstance(inner, ast.Call)
        if isinstance(inner.func, ast.Attribute) and inner.func.attr == "state_dict"
    }
