"""What no rule knows is named after the function that it calls."""

from __future__ import annotations

import ast
import builtins

from rnnprof.instrument.reading.kinds import Kinds
from rnnprof.instrument.reading.meaning import MAJOR, Label
from rnnprof.instrument.reading.project import Class, Function
from rnnprof.instrument.reading.syntax import calls, dotted, own_expressions
from rnnprof.instrument.reading.vocabulary import PLUMBING

BUILTINS = frozenset(dir(builtins))
VAGUE = (*MAJOR, "step", "train", "eval", "run", "call")
"""Names that say too little without the object, or the name of another stage."""
LONGEST = 60


class Names:
    """Names for stages, from the functions that statements call.

    Args:
        kinds: what the project's names hold.
    """

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds

    def of(self, statement: ast.stmt, function: Function) -> Label | None:
        """The stage of a statement after the first thing worth a name that it calls; or None."""
        for expression in own_expressions(statement):
            for call in calls(expression):
                name = self._name(call, function)
                if name:
                    return Label(name, f"named after {dotted(call.func)}()")
        return None

    def _name(self, call: ast.Call, function: Function) -> str:
        kind = self._kinds.of(call.func, function)
        if kind is not None and kind.role == "class" and isinstance(kind.made, Class):
            return kind.made.name
        callee = self._kinds.callee(call, function)
        if callee is not None:
            return callee.name
        text = dotted(call.func)
        name = text.rpartition(".")[2]
        if not name or name in PLUMBING or text in BUILTINS:
            return ""
        return text.replace("()", "")[-LONGEST:].lstrip(".") if name in VAGUE else name
